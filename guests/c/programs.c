/*
 * Programs and their processes: /proc/self/exe under other names, exec from threads, vfork, children nobody waits for, clone3's
 * fields, pidfds, waitid's options.
 */
#include "guest.h"
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define pidfd_open(pid, flags) syscall(434, pid, flags)
#define pidfd_send_signal(fd, sig, info, flags) syscall(424, fd, sig, info, flags)
#define pidfd_getfd(fd, target, flags) syscall(438, fd, target, flags)
#define clone3(args, size) syscall(435, args, size)

static void exe(void) {
  char b[512];
  ssize_t n = readlink("/proc/self/exe", b, sizeof b - 1);
  if (n < 0) {
    printf("exe errno %d\n", errno);
    return;
  }
  b[n] = 0;
  printf("exe %s\n", strrchr(b, '/'));
}

static void copy_self(const char *to) {
  int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_CREAT | O_WRONLY | O_TRUNC, 0755);
  static char b[65536];
  for (ssize_t n; (n = read(in, b, sizeof b)) > 0;) write(out, b, n);
  close(in);
  close(out);
}

static int renamed(void) {
  exe();
  R(rename("prog", "moved"));
  exe();
  R(access("/proc/self/exe", X_OK));
  R(unlink("moved"));
  exe();
  struct stat st;
  R(stat("/proc/self/exe", &st));
  printf("%d names\n", (int)st.st_nlink);
  int fd = open("/proc/self/exe", O_RDONLY);
  char magic[4];
  R(read(fd, magic, 4));
  OK(memcmp(magic, "\177ELF", 4) == 0);
  R(open("/proc/self/exe", O_RDWR));
  pid_t p;
  CHILD(p, execl("/proc/self/exe", "prog", "again", NULL));
  reap(p, "again");
  return 0;
}

static int from_thread(const char *pid) {
  sigset_t s;
  sigprocmask(0, NULL, &s);
  printf("leader %d, same pid %d, USR1 blocked %d", syscall(SYS_gettid) == getpid(), getpid() == atoi(pid), sigismember(&s, SIGUSR1));
  sigpending(&s);
  struct stat st;
  stat("/proc/self/task", &st);
  printf(" and pending %d, threads %d\n", sigismember(&s, SIGUSR1), (int)st.st_nlink - 2);
  return 6;
}

static void *run(void *arg) {
  char **v = arg;
  execv(v[0], v);
  printf("exec failed: %d\n", errno);
  fflush(stdout);
  return NULL;
}

static void *sleeper(void *arg) {
  for (;;) pause();
  return arg;
}

static volatile int shared, handled;
static void handler(int sig) { handled++; }

static void threads(void) {
  pid_t p;
  CHILD(p, {
    char b[16];
    sprintf(b, "%d", getpid());
    char *v[] = {"/proc/self/exe", "thread", b, NULL};
    pthread_t t;
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, NULL);
    pthread_create(&t, NULL, sleeper, NULL);
    kill(getpid(), SIGUSR1);
    pthread_create(&t, NULL, run, v);
    for (;;) pause();
  });
  reap(p, "exec from a thread");
  CHILD(p, {
    char *v[] = {"/nonexistent", NULL};
    pthread_t t;
    pthread_create(&t, NULL, run, v);
    pthread_join(t, NULL);
  });
  reap(p, "and in vain");
  CHILD(p, {
    char b[16];
    sprintf(b, "%d", getpid());
    char *v[] = {"./prog", "thread", b, NULL};
    pthread_t t;
    pthread_create(&t, NULL, run, v);
    pthread_exit(NULL);
  });
  reap(p, "when the leader is gone");
}

static void vforks(void) {
  char cwd[256], now[256];
  getcwd(cwd, sizeof cwd);
  fflush(stdout);
  pid_t p = vfork();
  if (p == 0) {
    shared = 1;
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    shared = 2;
    _exit(3);
  }
  printf("shared %d\n", shared);
  reap(p, "vfork");
  p = vfork();
  if (p == 0) {
    close(1);
    chdir("/");
    umask(0777);
    _exit(0);
  }
  reap(p, "its own descriptors and directory");
  OK(strcmp(getcwd(now, sizeof now), cwd) == 0);
  p = vfork();
  if (p == 0) {
    execl("/nonexistent", "x", NULL);
    shared = errno;
    _exit(2);
  }
  printf("errno %d\n", shared);
  reap(p, "exec in vain");
  p = vfork();
  if (p == 0) raise(SIGKILL);
  reap(p, "killed");
  signal(SIGUSR2, SIG_IGN);
  p = vfork();
  if (p == 0) {
    signal(SIGUSR2, SIG_DFL);
    _exit(0);
  }
  waitpid(p, NULL, 0);
  OK(signal(SIGUSR2, SIG_DFL) == SIG_IGN);
}

static void nobody_waits(void) {
  pid_t p;
  int status;
  siginfo_t si;
  signal(SIGCHLD, SIG_IGN);
  CHILD(p, _exit(1));
  R(waitpid(p, NULL, 0));
  CHILD(p, pause_ms(20); _exit(1));
  R(waitid(P_ALL, 0, &si, WEXITED));
  struct sigaction sa = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
  sigaction(SIGCHLD, &sa, NULL);
  CHILD(p, _exit(1));
  R(waitpid(p, NULL, 0));
  sa.sa_handler = handler;
  sa.sa_flags |= SA_RESTART;
  sigaction(SIGCHLD, &sa, NULL);
  handled = 0;
  CHILD(p, _exit(1));
  R(waitpid(p, NULL, 0));
  printf("handled %d\n", handled);
  sa.sa_flags = SA_NOCLDSTOP | SA_RESTART;
  sigaction(SIGCHLD, &sa, NULL);
  handled = 0;
  CHILD(p, raise(SIGSTOP); _exit(1));
  waitpid(p, &status, WUNTRACED);
  printf("stopped %x, handled %d, ", status, handled);
  kill(p, SIGCONT);
  waitpid(p, &status, 0);
  printf("ended %x, handled %d\n", status, handled);
  signal(SIGCHLD, SIG_DFL);
}

#define C3(...)                                                     \
  do {                                                              \
    struct clone_args a = {0};                                      \
    __VA_ARGS__;                                                    \
    fflush(stdout);                                                 \
    errno = 0;                                                      \
    long r_ = clone3(&a, sizeof a);                                 \
    if (r_ == 0) _exit(5);                                          \
    printf("%s: %s %d\n", #__VA_ARGS__, r_ > 0 ? "ok" : "no", errno); \
    if (r_ > 0) waitpid(r_, NULL, __WALL);                          \
  } while (0)

static void clones(void) {
  struct clone_args none = {0};
  R(clone3(&none, 0));
  R(clone3(&none, 63));
  R(clone3(&none, 4097));
  R(clone3((void *)8, 64));
  char longer[256] = {[200] = 1};
  R(clone3(longer, sizeof longer));
  int pidfd = -1;
  pid_t tid = 0, tids[2] = {31000};
  C3(a.exit_signal = SIGCHLD);
  C3(a.exit_signal = 65);
  C3(a.exit_signal = 0x100 | SIGCHLD);
  C3(a.stack = 0x1000);
  C3(a.stack_size = 0x1000);
  C3(a.stack = 1ul << 63; a.stack_size = 4096);
  C3(a.flags = CLONE_PIDFD; a.pidfd = (long)&pidfd);
  R(fcntl(pidfd, F_GETFD));
  C3(a.flags = CLONE_PIDFD; a.pidfd = 8);
  C3(a.flags = CLONE_PARENT_SETTID | CLONE_PIDFD; a.pidfd = (long)&pidfd; a.parent_tid = (long)&tid);
  OK(tid > 0);
  C3(a.flags = CLONE_PARENT_SETTID | CLONE_PIDFD; a.pidfd = a.parent_tid = (long)&pidfd);
  C3(a.flags = CLONE_DETACHED);
  C3(a.flags = 0xff);
  C3(a.flags = 1ull << 40);
  C3(a.flags = CLONE_THREAD);
  C3(a.flags = CLONE_SIGHAND);
  C3(a.flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM);
  C3(a.flags = CLONE_PARENT; a.exit_signal = SIGCHLD);
  C3(a.set_tid = (long)tids);
  C3(a.set_tid_size = 1);
  C3(a.set_tid = (long)tids; a.set_tid_size = 33);
  C3(a.set_tid = 8; a.set_tid_size = 1);
  fflush(stdout);
  struct clone_args a = {.set_tid = (long)tids, .set_tid_size = 1, .exit_signal = SIGCHLD};
  long r = clone3(&a, sizeof a);
  if (r == 0) _exit(getpid() == tids[0] ? 0 : 1);
  int status = 0;
  if (r > 0) waitpid(r, &status, 0);
  OK(r < 0 ? errno == EPERM || errno == EEXIST : r == tids[0] && status == 0);
  tids[0] = -5;
  C3(a.set_tid = (long)tids; a.set_tid_size = 1);
  tids[0] = 0x7fffffff;
  C3(a.set_tid = (long)tids; a.set_tid_size = 1);
  C3(a.flags = CLONE_INTO_CGROUP; a.cgroup = 99);
  C3(a.flags = CLONE_INTO_CGROUP; a.cgroup = 1ull << 40);
  signal(SIGUSR2, SIG_IGN);
  signal(SIGTERM, handler);
  fflush(stdout);
  a = (struct clone_args){.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
  r = clone3(&a, sizeof a);
  if (r == 0) _exit((signal(SIGUSR2, SIG_DFL) == SIG_IGN) * 2 + (signal(SIGTERM, SIG_DFL) == SIG_DFL));
  reap(r, "handlers cleared");
  signal(SIGTERM, SIG_DFL);
}

static void show(const siginfo_t *si) {
  printf("  signal %d code %d status %d, pid %d\n", si->si_signo, si->si_code, si->si_status, si->si_pid > 0);
}

static void waits(void) {
  siginfo_t si;
  pid_t p;
  struct rusage ru;
  R(waitid(P_ALL, 0, &si, WEXITED));
  R(waitid(P_ALL, 0, &si, WNOHANG));
  R(waitid(9, 0, &si, WEXITED));
  R(waitid(P_ALL, 0, &si, WEXITED | 0x100));
  R(waitid(P_PID, 0, &si, WEXITED));
  R(waitid(P_PGID, -1, &si, WEXITED));
  R(waitid(P_PIDFD, -1, &si, WEXITED));
  R(waitid(P_PIDFD, 99, &si, WEXITED));
  /* It ends when told: one that has ended can no longer be reported as continued. */
  int go[2];
  char byte;
  if (pipe(go)) perror("pipe");
  CHILD(p, raise(SIGSTOP); _exit(read(go[0], &byte, 1) == 1 ? 7 : 8));
  R(waitid(P_PID, p, &si, WSTOPPED | WNOWAIT));
  show(&si);
  R(waitid(P_PID, p, &si, WSTOPPED));
  show(&si);
  R(waitid(P_PID, p, &si, WSTOPPED | WNOHANG));
  printf("  pid %d signal %d\n", si.si_pid, si.si_signo);
  kill(p, SIGCONT);
  R(waitid(P_PID, p, &si, WCONTINUED));
  show(&si);
  if (write(go[1], "", 1) != 1) perror("write");
  close(go[0]);
  close(go[1]);
  R(waitid(P_PID, p, &si, WEXITED | WNOWAIT));
  show(&si);
  R(waitid(P_PID, p, NULL, WEXITED | WNOWAIT));
  R(syscall(SYS_waitid, P_PGID, 0, &si, WEXITED, &ru));
  show(&si);
  R(waitid(P_PID, p, &si, WEXITED));
  CHILD(p, _exit(3));
  waitid(P_PID, p, NULL, WEXITED | WNOWAIT);
  R(syscall(SYS_waitid, P_PID, p, (void *)1, WEXITED, NULL)); /* the child is gone all the same */
  R(waitpid(p, NULL, WNOHANG));
  R(waitpid(-1, NULL, 0x80000));
  R(waitpid(0x80000000, NULL, 0));
}

static void pidfds(void) {
  siginfo_t si;
  pid_t p;
  CHILD(p, for (;;) pause());
  int fd = pidfd_open(p, 0), nonblocking = pidfd_open(p, O_NONBLOCK);
  R(pidfd_open(p, 1));
  R(pidfd_open(-1, 0));
  R(pidfd_open(999999, 0));
  R(fcntl(fd, F_GETFD));
  R(waitid(P_PIDFD, nonblocking, &si, WEXITED));
  R(waitid(P_PIDFD, nonblocking, &si, WEXITED | WNOHANG));
  struct pollfd pf = {fd, POLLIN};
  R(poll(&pf, 1, 0));
  R(pidfd_send_signal(fd, 0, NULL, 0));
  R(pidfd_send_signal(fd, SIGTERM, NULL, 99));
  R(pidfd_send_signal(fd, 999, NULL, 0));
  R(pidfd_send_signal(0, SIGTERM, NULL, 0));
  siginfo_t q = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
  R(pidfd_send_signal(fd, SIGUSR2, &q, 0));
  q.si_signo = SIGUSR2;
  q.si_code = SI_USER;
  R(pidfd_send_signal(fd, SIGUSR2, &q, 0));
  R(pidfd_getfd(fd, 1, 1));
  R(pidfd_getfd(fd, 99, 0));
  R(pidfd_getfd(1, 1, 0));
  int got = pidfd_getfd(fd, 1, 0);
  OK(got >= 0 || errno == EPERM);
  char b[4];
  R(read(fd, b, 4));
  R(write(fd, b, 4));
  R(pidfd_send_signal(fd, SIGTERM, NULL, 0));
  R(poll(&pf, 1, -1));
  printf("  ready %x\n", pf.revents);
  R(waitid(P_PIDFD, fd, &si, WEXITED));
  show(&si);
  R(pidfd_send_signal(fd, 0, NULL, 0));
  R(waitid(P_PIDFD, fd, &si, WEXITED));
  R(pidfd_getfd(fd, 1, 0));
}

int main(int argc, char **argv) {
  if (argc > 1) {
    if (strcmp(argv[1], "exe") == 0) return renamed();
    if (strcmp(argv[1], "again") == 0) return exe(), 4;
    return from_thread(argv[2]);
  }
  enter_dir();
  copy_self("prog");
  pid_t p;
  CHILD(p, execl("./prog", "prog", "exe", NULL));
  reap(p, "under other names");
  copy_self("prog");
  threads();
  unlink("prog");
  vforks();
  nobody_waits();
  leave_dir();
  clones();
  waits();
  pidfds();
  return 0;
}
