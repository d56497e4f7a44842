// seccomp: what strict mode and filters let through, and what happens to those that call the rest.
#include "guest.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>

#define RETURN(x) BPF_STMT(BPF_RET | BPF_K, (x))
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ON(nr, what) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), RETURN(what)
#define COUNT(a) (sizeof(a) / sizeof *(a))

static long install(struct sock_filter *f, int n, int flags) {
  struct sock_fprog p = {n, f};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p);
}

static void in_child(const char *what, void (*f)(void)) {
  fflush(stdout);
  int pid = fork(), st;
  if (pid == 0) {
    f();
    fflush(stdout);
    _exit(0);
  }
  waitpid(pid, &st, 0);
  printf("%s: %s %d\n", what, WIFSIGNALED(st) ? "signal" : "exit", WIFSIGNALED(st) ? WTERMSIG(st) : WEXITSTATUS(st));
}

static void strict(void) {
  R(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
  fflush(stdout); // write(2) is allowed
  write(1, "still here\n", 11);
  syscall(SYS_exit, 7);
}
static void strict_breach(void) {
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
  syscall(SYS_getpid);
}

static struct sock_filter some[] = {
    LOAD(nr),
    ON(SYS_getuid, SECCOMP_RET_ERRNO | 99),
    ON(SYS_getgid, SECCOMP_RET_TRAP | 55),
    ON(SYS_geteuid, SECCOMP_RET_KILL_PROCESS),
    ON(SYS_getegid, SECCOMP_RET_KILL_THREAD),
    ON(SYS_getppid, SECCOMP_RET_TRACE | 1),
    ON(SYS_getsid, SECCOMP_RET_LOG),
    ON(SYS_getpgid, 0x12340000),
    ON(SYS_sched_yield, SECCOMP_RET_ERRNO | 0xffff),
    RETURN(SECCOMP_RET_ALLOW),
};

static void trapped(int s, siginfo_t *i, void *u) {
  char b[100];
  write(1, b, sprintf(b, "trap: signo %d code %d errno %d call %d arch %d address %d\n", i->si_signo, i->si_code, i->si_errno,
                      i->si_syscall == SYS_getgid, i->si_arch != 0, i->si_call_addr != 0));
}

static void filtered(void) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  printf("install %ld\n", install(some, COUNT(some), 0));
  R(prctl(PR_GET_SECCOMP));
  struct sigaction a = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &a, 0);
  R(syscall(SYS_getuid));
  syscall(SYS_getgid); // its result is the number of the call on x86_64, its first argument on aarch64
  R(syscall(SYS_getppid));
  R(syscall(SYS_sched_yield));
  OK(syscall(SYS_getsid, 0) >= 0); // 0 where the session's leader is in another pid namespace
  // A later filter can only be stricter.
  struct sock_filter more[] = {LOAD(nr), ON(SYS_getuid, SECCOMP_RET_ALLOW), ON(SYS_getsid, SECCOMP_RET_ERRNO | 5), RETURN(SECCOMP_RET_ALLOW)};
  printf("install %ld\n", install(more, COUNT(more), 0));
  R(syscall(SYS_getuid));
  R(syscall(SYS_getsid, 0));
  R(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
  char line[200];
  FILE *f = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, f))
    if (!strncmp(line, "Seccomp", 7) || !strncmp(line, "NoNewPrivs", 10)) fputs(line, stdout);
  fclose(f);
}
static void killed(void) { install(some, COUNT(some), 0), syscall(SYS_geteuid); }
static void last_thread(void) { install(some, COUNT(some), 0), syscall(SYS_getegid); }
static void unknown_action(void) { install(some, COUNT(some), 0), syscall(SYS_getpgid, 0); }
static void *thread_killed(void *p) { return syscall(SYS_getegid), NULL; }
static void one_thread(void) {
  install(some, COUNT(some), 0);
  pthread_t t;
  pthread_create(&t, 0, thread_killed, 0);
  usleep(100000);
  printf("the other lives\n");
}
static int pipes[2];
static void *waits(void *p) {
  char c;
  read(pipes[0], &c, 1);
  return (void *)(syscall(SYS_getuid) == -1 ? (long)errno : 0);
}
static void synced(void) {
  pipe(pipes);
  pthread_t t;
  pthread_create(&t, 0, waits, 0);
  usleep(50000);
  printf("tsync %ld\n", install(some, COUNT(some), SECCOMP_FILTER_FLAG_TSYNC));
  write(pipes[1], "x", 1);
  void *r;
  pthread_join(t, &r);
  printf("thread got %ld\n", (long)r);
}
static void inherited(void) {
  install(some, COUNT(some), 0);
  execl("/proc/self/exe", "seccomp", "again", NULL);
}
static void unprivileged(void) {
  setuid(1234);
  R(install(some, COUNT(some), 0));
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  R(install(some, COUNT(some), 0));
}
static void arguments(void) {
  struct sock_filter f[] = {
      LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 0, 9), LOAD(args[0]), BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LDX | BPF_IMM, 10),
      BPF_STMT(BPF_ALU | BPF_MUL | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff), BPF_STMT(BPF_MISC | BPF_TAX, 0),
      BPF_STMT(BPF_LD | BPF_MEM, 3), BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SECCOMP_RET_ERRNO, 0, 1), BPF_STMT(BPF_RET | BPF_A, 0), RETURN(SECCOMP_RET_ALLOW)};
  printf("install %ld\n", install(f, COUNT(f), 0));
  R(syscall(SYS_getsid, 3));
  R(syscall(SYS_getsid, 20));
  struct sock_filter arch[] = {LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
#ifdef __x86_64__
                                                    AUDIT_ARCH_X86_64,
#else
                                                    AUDIT_ARCH_AARCH64,
#endif
                                                    1, 0),
                               RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)};
  printf("install %ld\n", install(arch, COUNT(arch), 0));
}

static void refused(void) {
  struct sock_filter ok[] = {RETURN(SECCOMP_RET_ALLOW)}, end[] = {LOAD(nr)}, far[] = {BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), RETURN(0)},
                     odd[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 3), RETURN(0)}, past[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RETURN(0)},
                     half[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), RETURN(0)}, unset[] = {BPF_STMT(BPF_LD | BPF_MEM, 2), RETURN(0)},
                     zero[] = {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RETURN(0)}, shift[] = {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RETURN(0)},
                     modulo[] = {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RETURN(0)};
  R(install(ok, 0, 0));
  R(install(ok, 5000, 0));
  R(install(0, 1, 0));
  R(install(end, 1, 0));
  R(install(far, 2, 0));
  R(install(odd, 2, 0));
  R(install(past, 2, 0));
  R(install(half, 2, 0));
  R(install(unset, 2, 0));
  R(install(zero, 2, 0));
  R(install(shift, 2, 0));
  R(install(modulo, 2, 0));
  R(install(ok, 1, 0x4000));
  R(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, 0));
  R(syscall(SYS_seccomp, 77, 0, 0));
  unsigned action = SECCOMP_RET_TRAP, none = 0x11110000;
  R(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
  R(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &none));
  R(prctl(PR_GET_SECCOMP));
}

int main(int argc, char **argv) {
  if (argc > 1) {
    R(prctl(PR_GET_SECCOMP));
    R(syscall(SYS_getuid));
    return 0;
  }
  in_child("strict", strict);
  in_child("strict breach", strict_breach);
  in_child("filter", filtered);
  in_child("killed", killed);
  in_child("last thread", last_thread);
  in_child("one thread", one_thread);
  in_child("unknown action", unknown_action);
  in_child("synced", synced);
  in_child("inherited", inherited);
  in_child("unprivileged", unprivileged);
  in_child("arguments", arguments);
  in_child("refused", refused);
  return 0;
}
