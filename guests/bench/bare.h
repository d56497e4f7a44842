/* The little a program without a libc needs: x86_64 and aarch64 system calls, argv, decimal output. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#define NR_write 1
#define NR_getpid 39
#define NR_exit_group 231
static inline long syscall6(long n, long a, long b, long c, long d, long e, long f) {
  long ret;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(ret)
                   : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return ret;
}
__asm__(".globl _start\n_start:\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call start_c\n  ud2\n");
#elif defined(__aarch64__)
#define NR_write 64
#define NR_getpid 172
#define NR_exit_group 94
static inline long syscall6(long n, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = n;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
__asm__(".globl _start\n_start:\n  mov x0, sp\n  bl start_c\n  brk 0\n");
#endif

static inline long syscall0(long n) { return syscall6(n, 0, 0, 0, 0, 0, 0); }
static inline long syscall3(long n, long a, long b, long c) { return syscall6(n, a, b, c, 0, 0, 0); }

int bare_main(int argc, char **argv);

__attribute__((used)) static void start_c(long *stack) {
  long status = bare_main((int)stack[0], (char **)(stack + 1));
  syscall3(NR_exit_group, status, 0, 0);
}

static inline unsigned long parse(const char *s) {
  unsigned long n = 0;
  while (*s >= '0' && *s <= '9') n = n * 10 + (unsigned long)(*s++ - '0');
  return n;
}

static inline void put(const char *s) {
  size_t n = 0;
  while (s[n]) n++;
  syscall3(NR_write, 1, (long)s, (long)n);
}

static inline void put_number(const char *before, uint64_t n, const char *after) {
  char text[24];
  char *p = text + sizeof text;
  *--p = 0;
  do *--p = (char)('0' + n % 10);
  while (n /= 10);
  put(before);
  put(p);
  put(after);
}
