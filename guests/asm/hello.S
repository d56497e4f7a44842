/* hello without a libc: write(2), exit_group(2). */
#if defined(__aarch64__)
        .globl  _start
        .text
_start:
        mov     x8, #64                 /* write */
        mov     x0, #1
        adr     x1, greeting
        mov     x2, #greeting_len
        svc     #0
        mov     x8, #94                 /* exit_group */
        mov     x0, #0
        svc     #0
#else
        .intel_syntax noprefix
        .globl  _start
        .text
_start:
        mov     eax, 1                  /* write */
        mov     edi, 1
        lea     rsi, [rip + greeting]
        mov     edx, offset greeting_len
        syscall
        mov     eax, 231                /* exit_group */
        xor     edi, edi
        syscall
#endif

        .section .rodata
greeting:
        .ascii  "Hello from ring 3\n"
        .set    greeting_len, . - greeting
#if defined(__aarch64__)
        .section .note.GNU-stack, "", %progbits
#else
        .section .note.GNU-stack, "", @progbits
#endif
