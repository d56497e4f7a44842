/* Makes calls for faults to be injected into, and prints what it saw of each: results, errno, memory, signals. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t got;
static void handler(int signo) { got = signo; }

static void say(const char *text) { syscall(SYS_write, 1, text, strlen(text)); }

/* Six calls: "n: result errno signal". */
static void *six(void *who) {
  for (int i = 0; i < 6; i++) {
    char line[80];
    got = 0;
    errno = 0;
    long r = syscall(SYS_alarm, 0);
    snprintf(line, sizeof line, "%s%d: %ld %d %d\n", (char *)who, i, r, errno, got);
    say(line);
  }
  return NULL;
}

static void reading(void) {
  char bytes[8] = "-------", line[80];
  int fd = open("/dev/zero", O_RDONLY);
  errno = 0;
  long r = syscall(SYS_read, fd, bytes, 4L);
  snprintf(line, sizeof line, "read %ld %d %02x%02x%02x%02x%02x\n", r, errno, bytes[0] & 255, bytes[1] & 255,
           bytes[2] & 255, bytes[3] & 255, bytes[4] & 255);
  say(line);
  strcpy(line, "abcdefgh\n");
  r = syscall(SYS_write, 1, line, 9L);
  snprintf(line, sizeof line, "wrote %ld\n", r);
  say(line);
}

/* A read that would never end: an injected signal ends it, with or without SA_RESTART. */
static void blocking(int flags) {
  int fd[2];
  char byte, line[80];
  struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
  sigaction(SIGUSR1, &sa, NULL);
  pipe(fd);
  errno = 0;
  long r = syscall(SYS_read, fd[0], &byte, 1L);
  snprintf(line, sizeof line, "read %ld %d %d\n", r, errno, got);
  say(line);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  struct sigaction sa = {.sa_handler = handler};
  sigaction(SIGUSR1, &sa, NULL);
  sigaction(SIGUSR2, &sa, NULL);
  if (!strcmp(what, "six")) six("");
  if (!strcmp(what, "read")) reading();
  if (!strcmp(what, "block")) blocking(0);
  if (!strcmp(what, "threads")) {
    pthread_t t;
    six("main ");
    pthread_create(&t, NULL, six, "thread ");
    pthread_join(t, NULL);
  }
  if (!strcmp(what, "fork")) {
    sigset_t chld; /* when it comes is a race */
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    pid_t pid = fork();
    if (pid == 0) {
      six("child ");
      return 0;
    }
    waitpid(pid, NULL, 0);
    six("parent ");
  }
  return 0;
}
