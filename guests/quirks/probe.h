/* What the probes of quirks.c share: a probe prints what calls return, so that one line differs between kernels. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* A probe: a function that main finds by its name, with '-' for '_'. */
struct probe {
  const char *name;
  void (*run)(void);
  const struct probe *next;
};
static const struct probe *first_probe;
static const struct probe **last_probe = &first_probe;
#define PROBE(id)                                                          \
  static void id(void);                                                    \
  static struct probe probe_##id = {#id, id, NULL};                        \
  __attribute__((constructor)) static void add_##id(void) {                \
    *last_probe = &probe_##id;                                             \
    last_probe = &probe_##id.next;                                         \
  }                                                                        \
  static void id(void)

/* The result of a call: its value, or the name of its errno. */
static void show(const char *what, long r) {
  if (r == -1) printf("%s: %s\n", what, strerrorname_np(errno));
  else printf("%s: %ld\n", what, r);
}
/* The same where a value differs from run to run: whether it worked. */
static void works(const char *what, long r) {
  if (r == -1) show(what, r);
  else printf("%s: ok\n", what);
}

static long futex(void *at, int op, unsigned val, const void *timeout, void *at2, unsigned val3) {
  return syscall(SYS_futex, at, op, val, timeout, at2, val3);
}

static long now_ms(void) {
  struct timespec t;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static void sleep_ms(long ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  syscall(SYS_nanosleep, &t, NULL);
}

/* A thread that nobody joins: pthread_join is among what may differ. */
static void thread(void *(*body)(void *), void *arg) {
  pthread_t t;
  if (pthread_create(&t, NULL, body, arg) != 0) {
    puts("no thread");
    _exit(2);
  }
}
static int wait_status(pid_t pid) {
  int status = -1;
  if (syscall(SYS_wait4, pid, &status, 0, NULL) != pid) return -1;
  return status;
}
