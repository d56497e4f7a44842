/* Guests that misbehave, one for each way: misbehave MODE. Each ends by a signal or when a limit stops it. */
#include "guest.h"

__attribute__((noinline)) static int recurse(volatile int n) { return recurse(n + 1) + n; }

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  setvbuf(stdout, NULL, _IONBF, 0);
#define MODE(name) if (!strcmp(mode, name))
  MODE("loop") for (;;) {
    }
  MODE("sleep") for (;;) pause();
  MODE("deadlock") {
    int p[2];
    MUST(pipe(p) == 0);
    char c;
    return (int)read(p[0], &c, 1);
  }
  MODE("null") *(volatile int *)NULL = 1;
  MODE("wild-read") return *(volatile int *)0x123456789000;
  MODE("wild-jump") ((void (*)(void))0x4141414141)();
  MODE("stack-overflow") return recurse(0);
  MODE("read-only") *(volatile char *)"constant" = 1;
  MODE("illegal") __builtin_trap();
  MODE("abort") abort();
#if defined(__x86_64__)
  MODE("divide") {
    volatile int zero = 0;
    return 100 / zero;
  }
  MODE("privileged") __asm__ volatile("hlt");
  MODE("port") __asm__ volatile("outb %al, $0x80");
  MODE("bad-sigreturn") {
    __asm__ volatile("xor %%esp, %%esp; mov $15, %%eax; syscall" ::: "memory");
  }
#endif
  MODE("fork-bomb") {
    int n = 0;
    for (;;) {
      pid_t pid = fork();
      if (pid == 0) {
        pause();
        _exit(0);
      }
      if (pid < 0) break;
      n++;
    }
    printf("fork stopped: errno %d after some children %d\n", errno, n > 10);
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    return 7;
  }
  MODE("thread-bomb") {
    int e;
    long n = 0;
    char *stack = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    extern int clone(int (*)(void *), void *, int, void *, ...);
    while (clone((int (*)(void *))(void *)pause, stack + (1 << 20), 0x50f00 /* a thread */, NULL) >= 0) n++;
    e = errno;
    printf("clone stopped: errno %d after some threads %d\n", e, n > 10);
    return 7;
  }
  MODE("memory") {
    long mb = 0;
    for (;;) {
      char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (p == MAP_FAILED) break;
      for (long i = 0; i < 1 << 20; i += 4096) p[i] = 1;
      mb++;
    }
    printf("mmap stopped: errno %d after some megabytes %d\n", errno, mb > 1);
    return 7;
  }
  MODE("fds") {
    int n = 0;
    while (dup(1) >= 0) n++;
    printf("dup stopped: errno %d after some %d\n", errno, n > 10);
    return 7;
  }
  MODE("file") {
    char block[65536] = {1};
    int fd = open("/tmp/eater", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    MUST(fd >= 0);
    unlink("/tmp/eater");
    long n = 0;
    while (write(fd, block, sizeof block) > 0) n++;
    printf("write stopped: errno %d after some %d\n", errno, n > 10);
    return 7;
  }
  MODE("bad-pointers") {
    /* Every call with hostile pointers and lengths: -EFAULT or -EINVAL, never worse. */
    static const long bad[] = {0, 1, 8, -1, 0x7fffffffffff, 0x800000000000, -4096, 0x4141414141414141, 1L << 63};
    long calls = 0;
    for (long nr = 0; nr < 460; nr++) {
      if (nr == SYS_exit || nr == SYS_exit_group || nr == SYS_pause || nr == SYS_fork || nr == SYS_vfork || nr == SYS_clone || nr == SYS_clone3 ||
          nr == SYS_rt_sigreturn || nr == SYS_kill || nr == SYS_tkill || nr == SYS_tgkill || nr == SYS_rt_sigsuspend || nr == SYS_close ||
          nr == SYS_close_range || nr == SYS_dup2 || nr == SYS_dup3 || nr == SYS_munmap || nr == SYS_mprotect || nr == SYS_brk ||
          nr == SYS_arch_prctl || nr == SYS_mremap || nr == SYS_reboot || nr == SYS_select || nr == SYS_poll || nr == SYS_ppoll ||
          nr == SYS_pselect6 || nr == SYS_wait4 || nr == SYS_waitid || nr == SYS_mmap || nr == SYS_rt_sigtimedwait || nr == SYS_alarm ||
          nr == SYS_setrlimit || nr == SYS_prlimit64 || nr == SYS_madvise || nr == SYS_rt_sigaction || nr == SYS_pkey_mprotect ||
          nr == SYS_nanosleep || nr == SYS_clock_nanosleep || nr == SYS_setitimer || nr == SYS_futex || nr == SYS_setpgid || nr == SYS_setsid ||
          nr == SYS_remap_file_pages || nr == SYS_seccomp || nr == SYS_prctl || nr == SYS_rseq || nr == SYS_ptrace || nr == SYS_vhangup || nr == SYS_read ||
          nr == SYS_readv || nr == SYS_msgrcv || nr == SYS_semop || nr == SYS_semtimedop || nr == SYS_mq_timedreceive || nr == SYS_pread64 || nr == SYS_preadv || nr == SYS_preadv2)
        continue;
      for (unsigned i = 0; i < 9; i++)
        for (unsigned k = 0; k < 9; k++) {
          syscall(nr, bad[i], bad[k], bad[(i + k) % 9], bad[(i + 2 * k) % 9], bad[(2 * i + k) % 9], bad[(i * k) % 9]);
          calls++;
        }
    }
    printf("%ld calls with bad arguments\n", calls);
    return 7;
  }
  fprintf(stderr, "usage: misbehave MODE\n");
  return 2;
}
