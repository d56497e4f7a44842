// The functions of the aarch64 vDSO. CNTVCT_EL0 is CLOCK_MONOTONIC in nanoseconds on this processor, and the first word
// of [vvar] what CLOCK_REALTIME is ahead of it. Other clocks take the system call.
        .text
code:   .set    realtime_offset, code - 0x5000  // [vvar] is four pages below the headers' page
        .set    HIGH_RES, 0x883                 // REALTIME MONOTONIC BOOTTIME TAI
        .set    COARSE, 0x60                    // REALTIME_COARSE MONOTONIC_COARSE
        .set    RAW, 0x10                       // MONOTONIC_RAW
        .set    REAL, 0x821                     // those that show the date: REALTIME REALTIME_COARSE TAI
        .set    TICK, 4000000

// The return address of signal handlers. Unwinders know it by its two instructions.
rt_sigreturn:
        mov     x8, #139
        svc     #0
        ret

// int __kernel_clock_gettime(clockid_t w0, struct timespec *x1)
        .balign 16
clock_gettime:
        cmp     w0, #11
        b.hi    9f
        mov     w3, #1
        lsl     w3, w3, w0
        mov     w2, #(HIGH_RES | COARSE | RAW)
        tst     w3, w2
        b.eq    9f
        mrs     x4, cntvct_el0
        mov     w2, #REAL
        tst     w3, w2
        b.eq    1f
        adr     x5, realtime_offset
        ldr     x5, [x5]
        add     x4, x4, x5
1:      tst     w3, #COARSE
        b.eq    2f
        mov     w5, #(TICK & 0xffff)
        movk    w5, #(TICK >> 16), lsl #16
        udiv    x6, x4, x5
        mul     x4, x6, x5
2:      mov     w5, #(1000000000 & 0xffff)
        movk    w5, #(1000000000 >> 16), lsl #16
        udiv    x6, x4, x5
        msub    x4, x6, x5, x4
        stp     x6, x4, [x1]
        mov     w0, #0
        ret
9:      mov     x8, #113
        svc     #0
        ret

// int __kernel_gettimeofday(struct timeval *x0, struct timezone *x1)
        .balign 16
gettimeofday:
        cbz     x0, 1f
        mrs     x4, cntvct_el0
        adr     x5, realtime_offset
        ldr     x5, [x5]
        add     x4, x4, x5
        mov     w5, #(1000000000 & 0xffff)
        movk    w5, #(1000000000 >> 16), lsl #16
        udiv    x6, x4, x5
        msub    x4, x6, x5, x4
        mov     w5, #1000
        udiv    x4, x4, x5
        stp     x6, x4, [x0]
1:      cbz     x1, 2f
        str     xzr, [x1]                       // UTC
2:      mov     w0, #0
        ret

// int __kernel_clock_getres(clockid_t w0, struct timespec *x1)
        .balign 16
clock_getres:
        cmp     w0, #11
        b.hi    9f
        mov     w3, #1
        lsl     w3, w3, w0
        mov     w2, #(HIGH_RES | COARSE | RAW)
        tst     w3, w2
        b.eq    9f
        mov     x5, #1
        tst     w3, #COARSE
        b.eq    1f
        mov     w5, #(TICK & 0xffff)
        movk    w5, #(TICK >> 16), lsl #16
1:      cbz     x1, 2f
        stp     xzr, x5, [x1]
2:      mov     w0, #0
        ret
9:      mov     x8, #114
        svc     #0
        ret
end:
