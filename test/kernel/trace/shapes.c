/* Calls whose arguments exercise the tracer's text: strings, flags, sets, structs, errors, unknown numbers, signals. */
#define _GNU_SOURCE
#include <sys/sendfile.h>
#include <sys/select.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void handler(int sig) { (void)sig; }

static void strings(void) {
  char z[64];
  for (int i = 0; i < 64; i++) z[i] = (char)i;
  write(-1, "\0018\0017\1\0209a<>\x7f\xff\"\\\t\r\n", 20);
  write(-1, z, 64);
  write(-1, z, 32);
  write(-1, z, 33);
  write(-1, 0, 5);
  write(-1, z, 0);
  write(-1, (void *)16, 5);
  read(-1, (void *)16, 5);
  struct iovec v[3] = {{z + 20, 3}, {0, 0}, {(void *)8, 2}};
  writev(-1, v, 3);
  writev(-1, v, 0);
  writev(-1, (void *)8, 2);
  struct iovec many[40] = {{0}};
  writev(-1, many, 40);
}

static void flags(void) {
  openat(AT_FDCWD, "/nowhere/<x>", O_RDWR | O_TMPFILE | O_SYNC, 0);
  openat(AT_FDCWD, (char *)8, 0x80000003 | O_PATH);
  openat(-7, "x", O_CREAT | O_DSYNC, 07);
  openat(AT_FDCWD, "/nowhere/x", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  syscall(SYS_chmod, "/none", 0);
  syscall(SYS_chmod, "/none", 0107777);
  syscall(SYS_access, "/x", 0x18);
  syscall(SYS_access, "/x", 9);
  syscall(SYS_mmap, 0, 0, 8, 0x20, 1, 5);
  syscall(SYS_lseek, -1, -1L, 9);
  syscall(SYS_lseek, -1, 0xffffffffffL, SEEK_DATA);
  syscall(500, 1, 2, 3, 4, 5, 6);
  fcntl(1, F_GETFD);
  fcntl(-1, F_SETFL, O_NONBLOCK | O_APPEND);
  fcntl(-1, F_DUPFD_CLOEXEC, 10);
  dup3(1, 77, O_CLOEXEC);
  fcntl(77, F_GETFD);
  eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);
}

static void sets(void) {
  long all[][1] = {{-1}, {0}, {0x7fffffff}, {0xffffffffffff}, {0x1ffffffffff}, {0x3ffffffffff}};
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) syscall(SYS_rt_sigprocmask, SIG_BLOCK, all[i], 0, 8);
  long none = 0;
  syscall(SYS_rt_sigprocmask, 9, &none, 0, 8);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, 8, 8);
}

static void structs(void) {
  struct utsname u;
  uname((void *)8);
  (void)u;
  struct rlimit r;
  getrlimit(RLIMIT_CORE, &r);
  struct stat st;
  stat("/nowhere", &st);
  stat("/dev/null", (void *)8);
  stat("/dev/null", &st);
  struct timespec ts = {0, 1};
  nanosleep(&ts, 0);
  ts.tv_nsec = 2000000000;
  nanosleep(&ts, &ts);
  int p[2];
  pipe(p);
  struct pollfd f[2] = {{p[0], POLLIN, 0}, {p[1], POLLOUT | POLLIN, 0}};
  poll(f, 2, 0);
  poll(f, 1, 0);
  poll(f, 0, 0);
  write(p[1], "hello", 5);
  char b[8];
  read(p[0], b, 3);
  struct iovec v[2] = {{b, 1}, {b + 1, 7}};
  readv(p[0], v, 2);
  close(p[0]);
  close(p[1]);
  close(p[1]);
}

static void signals(void) {
  struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_NODEFER};
  sigemptyset(&sa.sa_mask);
  sigaddset(&sa.sa_mask, SIGHUP);
  sigaction(SIGUSR1, &sa, 0);
  sigaction(SIGUSR1, 0, &sa);
  kill(getpid(), SIGUSR1);
  kill(getpid(), 0);
  kill(getpid(), 4660);
  signal(SIGUSR2, SIG_IGN);
  kill(getpid(), SIGUSR2);
  union sigval q = {.sival_ptr = (void *)7};
  sigqueue(getpid(), SIGUSR1, q);
  raise(SIGSTOP + 100);
}

static void children(void) {
  int st;
  pid_t k = fork();
  if (!k) _exit(7);
  waitpid(k, &st, 0);
  k = fork();
  if (!k) abort();
  waitpid(k, &st, 0);
  waitpid(-1, &st, WNOHANG);
}

static void descriptors(void) {
  int null = open("/dev/null", O_RDWR);
  int memory = memfd_create("q", 0), other = memfd_create("r", 0);
  int ready = eventfd(1, 0);
  off_t at = 1;
  write(memory, "hello", 5);
  sendfile(other, memory, &at, 100);
  sendfile(other, memory, NULL, 3);
  at = 99;
  sendfile(other, memory, &at, 3);
  sendfile(-1, memory, &at, 3);
  sendfile(other, memory, (off_t *)8, 3);
  struct pollfd p[2] = {{ready, POLLIN, 0}, {null, POLLOUT, 0}};
  poll(p, 2, 0);
  fd_set r;
  FD_ZERO(&r);
  FD_SET(ready, &r);
  select(ready + 1, &r, NULL, NULL, NULL);
  openat(null, "x", O_RDONLY);
  close(null);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "strings")) strings();
  if (!strcmp(what, "flags")) flags();
  if (!strcmp(what, "sets")) sets();
  if (!strcmp(what, "structs")) structs();
  if (!strcmp(what, "signals")) signals();
  if (!strcmp(what, "descriptors")) descriptors();
  if (!strcmp(what, "children")) children();
  if (!strcmp(what, "segv")) *(volatile char *)0x1234 = 1;
  if (!strcmp(what, "ill")) __builtin_trap();
  if (!strcmp(what, "term")) raise(SIGTERM);
  return 3;
}
