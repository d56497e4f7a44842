/*
 * Shared by the guests: they print what each call gave, so that the output of a run on Linux and of a run in ring3
 * can be compared as text. Only values that Linux fixes are printed: no addresses, pids or times.
 */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Runs an expression and prints it with its result, or with its errno when it is -1. */
#define R(expr)                                                    \
  ({                                                               \
    errno = 0;                                                     \
    long r_ = (long)(expr);                                        \
    if (r_ == -1) printf("%s = -1 errno %d\n", #expr, errno);      \
    else printf("%s = %ld\n", #expr, r_);                          \
    r_;                                                            \
  })

/* Prints whether a condition holds: for values that differ from run to run. */
#define OK(cond) printf("%s: %s\n", (cond) ? "ok" : "WRONG", #cond)

/* Stops at once: what follows would make no sense. */
#define MUST(cond)                                                        \
  do {                                                                    \
    if (!(cond)) {                                                        \
      printf("%s:%d: failed, errno %d: %s\n", __FILE__, __LINE__, errno, #cond); \
      exit(99);                                                           \
    }                                                                     \
  } while (0)

static inline void pause_ms(long ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&t, &t) == -1 && errno == EINTR) {
  }
}

/* Reaps a child and prints how it ended. */
static inline int reap(pid_t pid, const char *who) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) printf("%s: waitpid errno %d\n", who, errno);
  else if (WIFEXITED(status)) printf("%s: exit %d\n", who, WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) printf("%s: signal %d\n", who, WTERMSIG(status));
  else printf("%s: status %#x\n", who, status);
  return status;
}

/* Runs code in a child after flushing stdio, so that nothing is printed twice. */
#define CHILD(pid, ...)   \
  do {                    \
    fflush(stdout);       \
    pid = fork();         \
    MUST(pid >= 0);       \
    if (pid == 0) {       \
      __VA_ARGS__;        \
      fflush(stdout);     \
      _exit(0);           \
    }                     \
  } while (0)

/* A fresh directory to work in, and the way out of it. */
static char guest_dir[64];
static inline void leave_dir(void) {
  if (chdir("/") == 0) rmdir(guest_dir); /* fails, and shows in no output, when something was left in it */
}
static inline void enter_dir(void) {
  strcpy(guest_dir, "/tmp/guest.XXXXXX");
  MUST(mkdtemp(guest_dir));
  MUST(chdir(guest_dir) == 0);
}

#if !defined(__x86_64__)
/* Calls that only x86_64 has, for lists of numbers. */
#define SYS_alarm -1
#define SYS_arch_prctl -1
#define SYS_dup2 -1
#define SYS_fork -1
#define SYS_pause -1
#define SYS_poll -1
#define SYS_select -1
#define SYS_vfork -1
#endif
