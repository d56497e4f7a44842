# hello for x86_64 without a libc: write(2), exit_group(2).
        .intel_syntax noprefix
        .globl  _start
        .text
_start:
        mov     eax, 1                  # write
        mov     edi, 1
        lea     rsi, [rip + greeting]
        mov     edx, offset greeting_len
        syscall
        mov     eax, 231                # exit_group
        xor     edi, edi
        syscall

        .section .rodata
greeting:
        .ascii  "Hello from ring 3\n"
        .set    greeting_len, . - greeting
        .section .note.GNU-stack, "", @progbits
