/* Signal delivery: masks, pending sets, queued real-time signals, flags of sigaction, waiting, restarting calls. */
#include "guest.h"
#include <sys/signalfd.h>
#include <pthread.h>

static volatile sig_atomic_t seen[65], depth, order[32], norder;
static siginfo_t last;

static void note(int sig) {
  seen[sig]++;
  if (norder < 32) order[norder++] = sig;
}
static void info(int sig, siginfo_t *si, void *ctx) {
  (void)ctx;
  last = *si;
  note(sig);
}
static void nested(int sig) {
  note(sig);
  depth++;
  if (depth < 3) raise(sig);
  printf("depth %d\n", (int)depth);
  depth--;
}
static void raiser(int sig) {
  note(sig);
  raise(SIGUSR2);
  if (norder == 1) raise(sig);
  note(0);
}
static void handle(int sig, void *fn, int flags) {
  struct sigaction sa = {.sa_flags = flags};
  if (flags & SA_SIGINFO) sa.sa_sigaction = (void (*)(int, siginfo_t *, void *))fn;
  else sa.sa_handler = (void (*)(int))fn;
  MUST(sigaction(sig, &sa, NULL) == 0);
}
static void show_order(const char *what) {
  printf("%s:", what);
  for (int i = 0; i < norder; i++) printf(" %d", (int)order[i]);
  printf("\n");
  norder = 0;
}
static void *signal_parent(void *arg) {
  pause_ms(20);
  pthread_kill(*(pthread_t *)arg, SIGUSR1);
  return NULL;
}

int main(void) {
  sigset_t set, old, pending;
  handle(SIGUSR1, note, 0);
  handle(SIGUSR2, note, 0);
  R(raise(SIGUSR1));
  show_order("raised");

  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  R(sigprocmask(SIG_BLOCK, &set, &old));
  kill(getpid(), SIGUSR2);
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR1);
  R(sigpending(&pending));
  printf("pending USR1 %d USR2 %d TERM %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2), sigismember(&pending, SIGTERM));
  show_order("blocked");
  R(sigprocmask(SIG_SETMASK, &old, NULL));
  show_order("unblocked, merged");

  /* Real-time signals queue, lowest number first and in order within a number. */
  int rt = SIGRTMIN + 2;
  handle(rt, info, SA_SIGINFO);
  handle(rt + 1, info, SA_SIGINFO);
  sigemptyset(&set);
  sigaddset(&set, rt);
  sigaddset(&set, rt + 1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  for (int i = 0; i < 3; i++) {
    R(sigqueue(getpid(), rt + 1, (union sigval){.sival_int = 10 + i}));
    R(sigqueue(getpid(), rt, (union sigval){.sival_int = 20 + i}));
  }
  siginfo_t si;
  struct timespec zero = {0, 0}, ten_ms = {0, 10000000};
  for (int i = 0; i < 4; i++) {
    int r = sigtimedwait(&set, &si, &zero);
    printf("sigtimedwait +%d value %d code %d from me %d\n", r - rt, si.si_value.sival_int, si.si_code, si.si_pid == getpid());
  }
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  printf("last value %d count %d\n", last.si_value.sival_int, (int)norder);
  norder = 0;
  sigprocmask(SIG_BLOCK, &set, NULL);
  R(sigtimedwait(&set, &si, &ten_ms));
  sigprocmask(SIG_UNBLOCK, &set, NULL);

  handle(SIGUSR1, nested, SA_NODEFER);
  raise(SIGUSR1);
  handle(SIGUSR1, note, SA_RESETHAND);
  raise(SIGUSR1);
  struct sigaction now;
  sigaction(SIGUSR1, NULL, &now);
  printf("reset to default %d\n", now.sa_handler == SIG_DFL);
  norder = 0;

  /* sa_mask holds others back while the handler runs. */
  struct sigaction sa = {.sa_handler = raiser};
  sigemptyset(&sa.sa_mask);
  sigaddset(&sa.sa_mask, SIGUSR2);
  sigaction(SIGUSR1, &sa, NULL);
  raise(SIGUSR1);
  show_order("masked");

  /* Interrupted and restarted reads. */
  int p[2];
  MUST(pipe(p) == 0);
  pthread_t self = pthread_self(), t;
  handle(SIGUSR1, note, 0);
  char c;
  pthread_create(&t, NULL, signal_parent, &self);
  R(read(p[0], &c, 1));
  pthread_join(t, NULL);
  handle(SIGUSR1, note, SA_RESTART);
  pid_t pid, parent = getpid();
  CHILD(pid, pause_ms(20); kill(parent, SIGUSR1); pause_ms(20); if (write(p[1], "x", 1) != 1) _exit(1));
  R(read(p[0], &c, 1));
  reap(pid, "writer");
  CHILD(pid, pause_ms(20); kill(parent, SIGUSR1));
  struct timespec rest = {5, 0};
  errno = 0;
  int r = nanosleep(&rest, &rest);
  OK(r == -1 && errno == EINTR && rest.tv_sec >= 4);
  reap(pid, "waker");
  CHILD(pid, pause_ms(20); kill(parent, SIGUSR2));
  sigfillset(&set);
  sigdelset(&set, SIGUSR2);
  norder = 0;
  R(sigsuspend(&set));
  show_order("suspended");
  reap(pid, "waker");

  /* SIGCHLD with its siginfo; ignored SIGCHLD leaves no zombies. */
  handle(SIGCHLD, info, SA_SIGINFO);
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
  CHILD(pid, _exit(7));
  r = sigwaitinfo(&set, &si);
  printf("SIGCHLD %d code %d status %d pid %d\n", r == SIGCHLD, si.si_code, si.si_status, si.si_pid == pid);
  reap(pid, "child");
  CHILD(pid, raise(SIGKILL));
  r = sigwaitinfo(&set, &si);
  printf("SIGCHLD %d code %d status %d\n", r == SIGCHLD, si.si_code, si.si_status);
  reap(pid, "child");
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  signal(SIGCHLD, SIG_IGN);
  CHILD(pid, _exit(7));
  R(waitpid(pid, NULL, 0));
  signal(SIGCHLD, SIG_DFL);

  /* Stop and continue. */
  CHILD(pid, for (;;) pause_ms(1000));
  int status;
  kill(pid, SIGSTOP);
  waitpid(pid, &status, WUNTRACED);
  printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
  kill(pid, SIGCONT);
  waitpid(pid, &status, WCONTINUED);
  printf("continued %d\n", WIFCONTINUED(status));
  kill(pid, SIGTERM);
  reap(pid, "stopped child");

  /* signalfd. */
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, rt);
  sigprocmask(SIG_BLOCK, &set, NULL);
  int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  struct signalfd_siginfo ssi[4];
  R(read(fd, ssi, sizeof ssi));
  kill(getpid(), SIGUSR1);
  sigqueue(getpid(), rt, (union sigval){.sival_int = 5});
  sigqueue(getpid(), rt, (union sigval){.sival_int = 6});
  R(read(fd, ssi, 10));
  long n = R(read(fd, ssi, sizeof ssi));
  for (int i = 0; i < n / (long)sizeof *ssi; i++) printf("signalfd %d code %d int %d\n", ssi[i].ssi_signo == SIGUSR1 ? 10 : (int)ssi[i].ssi_signo - rt, ssi[i].ssi_code, ssi[i].ssi_int);
  close(fd);

  R(kill(getpid(), 0));
  R(kill(getpid(), 65));
  R(kill(0x3ffffff, SIGTERM));
  R(sigaction(SIGKILL, &(struct sigaction){.sa_handler = SIG_IGN}, NULL));
  R(sigaction(0, NULL, &now));
  R(syscall(SYS_rt_sigprocmask, 77, &set, NULL, 8));
  R(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4));
  R(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)8, NULL, 8));
  R(syscall(SYS_tgkill, getpid(), -1, SIGTERM));
  for (int s = 1; s < 32; s++) {
    if (s == SIGSTOP || s == SIGTSTP || s == SIGTTIN || s == SIGTTOU) continue;
    CHILD(pid, signal(s, SIG_DFL); sigset_t none; sigemptyset(&none); sigprocmask(SIG_SETMASK, &none, NULL); raise(s));
    printf("default %d ", s);
    int st = 0;
    waitpid(pid, &st, 0);
    printf(WIFEXITED(st) ? "ignored\n" : "kills %d\n", WTERMSIG(st));
  }
  return 0;
}
