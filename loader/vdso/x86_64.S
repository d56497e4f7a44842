# The functions of the x86_64 vDSO. The time stamp counter is CLOCK_MONOTONIC in nanoseconds on this processor, and the
# first word of [vvar] what CLOCK_REALTIME is ahead of it. Other clocks take the system call.
        .text
code:   .set    realtime_offset, code - 0x5000  # [vvar] is four pages below the headers' page
        .set    HIGH_RES, 0x883                 # REALTIME MONOTONIC BOOTTIME TAI
        .set    COARSE, 0x60                    # REALTIME_COARSE MONOTONIC_COARSE
        .set    RAW, 0x10                       # MONOTONIC_RAW
        .set    REAL, 0x821                     # those that show the date: REALTIME REALTIME_COARSE TAI
        .set    TICK, 4000000

# int __vdso_clock_gettime(clockid_t edi, struct timespec *rsi)
clock_gettime:
        cmp     $11, %edi
        ja      9f
        mov     $(HIGH_RES | COARSE | RAW), %eax
        bt      %edi, %eax
        jnc     9f
        rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        mov     $REAL, %ecx
        bt      %edi, %ecx
        jnc     1f
        add     realtime_offset(%rip), %rax
1:      mov     $COARSE, %ecx
        bt      %edi, %ecx
        jnc     2f
        mov     %rax, %r8
        xor     %edx, %edx
        mov     $TICK, %ecx
        div     %rcx
        sub     %rdx, %r8
        mov     %r8, %rax
2:      xor     %edx, %edx
        mov     $1000000000, %ecx
        div     %rcx
        mov     %rax, (%rsi)
        mov     %rdx, 8(%rsi)
        xor     %eax, %eax
        ret
9:      mov     $228, %eax
        syscall
        ret

# int __vdso_gettimeofday(struct timeval *rdi, struct timezone *rsi)
        .balign 16
gettimeofday:
        test    %rdi, %rdi
        jz      1f
        rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        add     realtime_offset(%rip), %rax
        xor     %edx, %edx
        mov     $1000000000, %ecx
        div     %rcx
        mov     %rax, (%rdi)
        mov     %rdx, %rax
        xor     %edx, %edx
        mov     $1000, %ecx
        div     %rcx
        mov     %rax, 8(%rdi)
1:      xor     %eax, %eax
        test    %rsi, %rsi
        jz      2f
        mov     %rax, (%rsi)                    # UTC
2:      ret

# int __vdso_clock_getres(clockid_t edi, struct timespec *rsi)
        .balign 16
clock_getres:
        cmp     $11, %edi
        ja      9f
        mov     $(HIGH_RES | COARSE | RAW), %eax
        bt      %edi, %eax
        jnc     9f
        mov     $1, %ecx
        mov     $COARSE, %eax
        bt      %edi, %eax
        jnc     1f
        mov     $TICK, %ecx
1:      xor     %eax, %eax
        test    %rsi, %rsi
        jz      2f
        mov     %rax, (%rsi)
        mov     %rcx, 8(%rsi)
2:      ret
9:      mov     $229, %eax
        syscall
        ret

# time_t __vdso_time(time_t *rdi)
        .balign 16
time:
        rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        add     realtime_offset(%rip), %rax
        xor     %edx, %edx
        mov     $1000000000, %ecx
        div     %rcx
        test    %rdi, %rdi
        jz      1f
        mov     %rax, (%rdi)
1:      ret

# int __vdso_getcpu(unsigned *rdi, unsigned *rsi): one task runs at a time, on cpu 0 of node 0
        .balign 16
getcpu:
        xor     %eax, %eax
        test    %rdi, %rdi
        jz      1f
        mov     %eax, (%rdi)
1:      test    %rsi, %rsi
        jz      2f
        mov     %eax, (%rsi)
2:      ret
end:
