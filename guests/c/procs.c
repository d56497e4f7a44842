/* Processes: exit statuses, wait in its forms, groups and sessions, orphans, vfork, clone, process-wide exits. */
#include "guest.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

static int shared_word;
static int clone_fn(void *arg) {
  shared_word = *(int *)arg;
  return 9;
}
static void *exits(void *arg) {
  _exit((int)(long)arg);
}
static void goodbye(void) { printf("atexit ran\n"); }

int main(void) {
  pid_t pid, other;
  int status;
  OK(getpid() > 0 && getppid() > 0);
  OK(getpid() == syscall(SYS_gettid));
  CHILD(pid, _exit(0));
  reap(pid, "zero");
  CHILD(pid, _exit(256 + 3));
  reap(pid, "only eight bits");
  CHILD(pid, raise(SIGKILL));
  reap(pid, "killed");
  CHILD(pid, abort());
  reap(pid, "aborted");
  CHILD(pid, atexit(goodbye); exit(4));
  reap(pid, "atexit");
  CHILD(pid, pthread_t t; pthread_create(&t, NULL, exits, (void *)11L); for (;;) pause_ms(1000));
  reap(pid, "a thread's _exit");

  R(waitpid(-1, &status, WNOHANG));
  CHILD(pid, pause_ms(30));
  R(waitpid(pid, &status, WNOHANG));
  R(waitpid(1, &status, 0));
  R(waitpid(-99999, &status, 0));
  R(waitpid(pid, &status, 0x1234));
  siginfo_t si = {0};
  R(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
  printf("code %d status %d pid %d\n", si.si_code, si.si_status, si.si_pid == pid);
  R(waitid(P_PID, (id_t)pid, &si, WEXITED));
  R(waitid(P_PID, (id_t)pid, &si, WEXITED));
  R(waitid(P_ALL, 0, &si, 0));
  for (int i = 0; i < 5; i++) CHILD(pid, pause_ms(5 * i); _exit(i));
  int sum = 0, n = 0;
  while (wait(&status) > 0) sum += WEXITSTATUS(status), n++;
  printf("waited %d sum %d errno %d\n", n, sum, errno);

  /* Groups and sessions. */
  CHILD(pid, {
    R(setsid() == getpid());
    R(setsid());
    OK(getsid(0) == getpid() && getpgrp() == getpid());
    R(setpgid(0, 0));
    R(setpgid(0, 99999));
    R(setpgid(-5, 0));
    pid_t a;
    pid_t b;
    CHILD(a, for (;;) pause_ms(1000));
    CHILD(b, for (;;) pause_ms(1000));
    R(setpgid(a, a));
    R(setpgid(b, a));
    OK(getpgid(b) == a);
    R(kill(-a, SIGTERM));
    printf("group killed:");
    R(waitpid(-a, &status, 0) > 0);
    R(waitpid(-a, &status, 0) > 0);
    R(waitpid(-a, &status, 0));
    R(kill(-a, 0));
  });
  reap(pid, "session");

  /* An orphan goes to the nearest subreaper. */
  int p[2];
  MUST(pipe(p) == 0);
  R(prctl(PR_SET_CHILD_SUBREAPER, 1));
  CHILD(pid, {
    pid_t me = getpid();
    CHILD(other, {
      while (getppid() == me) pause_ms(1);
      MUST(write(p[1], "o", 1) == 1);
      _exit(21);
    });
    _exit(20);
  });
  reap(pid, "parent");
  char c;
  R(read(p[0], &c, 1));
  R(wait(&status) > 0);
  printf("orphan %d\n", WEXITSTATUS(status));
  R(prctl(PR_SET_NAME, "renamed-process-name"));
  char name[17] = "";
  R(prctl(PR_GET_NAME, name));
  printf("%s\n", name);
  R(prctl(9999));

  /* vfork shares memory and holds the parent until the child execs or leaves. */
  volatile int v = 1;
  pid = vfork();
  if (pid == 0) {
    v = 2;
    _exit(13);
  }
  printf("v %d\n", v);
  reap(pid, "vfork");

  char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int arg = 77;
  fflush(stdout);
  pid = clone(clone_fn, stack + 65536, CLONE_VM | SIGCHLD, &arg);
  reap(pid, "clone VM");
  printf("shared word %d\n", shared_word);
  shared_word = 0;
  pid = clone(clone_fn, stack + 65536, SIGCHLD, &arg);
  reap(pid, "clone copy");
  printf("own word %d\n", shared_word);
  pid = clone(clone_fn, stack + 65536, 0, &arg); /* no signal: an ordinary wait does not see it */
  R(waitpid(pid, &status, 0));
  R(waitpid(pid, &status, __WCLONE) == pid);
  R(clone(clone_fn, stack + 65536, CLONE_THREAD, &arg));
  R(clone(clone_fn, stack + 65536, CLONE_SIGHAND, &arg));
  int fd = open("/dev/null", O_RDONLY);
  pid = clone((int (*)(void *))close, stack + 65536, CLONE_FILES | SIGCHLD, (void *)(long)fd);
  reap(pid, "shared descriptors");
  R(fcntl(fd, F_GETFD));
  pid = clone((int (*)(void *))chdir, stack + 65536, CLONE_FS | SIGCHLD, "/dev");
  reap(pid, "shared directory");
  char cwd[100];
  printf("%s\n", getcwd(cwd, sizeof cwd) ? cwd : "?");

  R(prctl(PR_SET_PDEATHSIG, SIGUSR1));
  int sig;
  R(prctl(PR_GET_PDEATHSIG, &sig));
  printf("%d\n", sig);
  CHILD(pid, R(prctl(PR_GET_PDEATHSIG, &sig)); printf("cleared by fork %d\n", sig));
  reap(pid, "child");
  CHILD(pid, {
    CHILD(other, prctl(PR_SET_PDEATHSIG, SIGKILL); if (write(p[1], "r", 1) != 1) _exit(1); for (;;) pause_ms(1000));
    R(read(p[0], &c, 1));
  });
  reap(pid, "parent of one with a death signal");
  R(wait(&status) > 0);
  printf("died of %d\n", WTERMSIG(status));
  R(sched_yield());
  cpu_set_t set;
  R(sched_getaffinity(0, sizeof set, &set) >= 0);
  OK(CPU_COUNT(&set) >= 1);
  R(sched_getscheduler(0));
  R(syscall(SYS_tgkill, getpid(), 99999, 0));
  R(syscall(9999));
  int pfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
  OK(pfd >= 0);
  R(syscall(SYS_pidfd_send_signal, pfd, 0, NULL, 0));
  /* The directory of a process in /proc is as good; that of a thread, and a mere path, are not. */
  int dir = open("/proc/self", O_RDONLY | O_DIRECTORY);
  R(syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0));
  close(dir);
  dir = open("/proc/thread-self", O_RDONLY | O_DIRECTORY);
  R(syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0));
  close(dir);
  dir = open("/proc/self", O_PATH);
  R(syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0));
  close(dir);
  return 0;
}
