/* Rules at the edges that test suites of others look for, by the call that follows them. */
#include "guest.h"
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <poll.h>

/* A descriptor of O_PATH names a place: for what works on open files there is nothing behind it. */
static void o_path(void) {
  int fd = open("/tmp", O_PATH);
  MUST(fd >= 0);
  struct stat st;
  struct epoll_event ev = {0};
  struct pollfd p = {fd, POLLIN, 0};
  int ep = epoll_create1(0);
  char c;
  R(fstat(fd, &st));
  R(accept(fd, NULL, NULL));
  R(listen(fd, 1));
  R(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
  R(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);
  R(read(fd, &c, 1));
  R(lseek(fd, 0, SEEK_SET));
  R(poll(&p, 1, 0));
  printf("revents %#x\n", p.revents);
  R(dup2(fd, 50));
  R(fchdir(50));
}

/* A program's stack is mapped whatever its limit says. */
static void exec_without_stack_limit(char *self) {
  pid_t pid;
  CHILD(pid, struct rlimit l = {RLIM_INFINITY, RLIM_INFINITY}; R(setrlimit(RLIMIT_STACK, &l)); fflush(stdout);
        execl(self, self, "again", NULL));
  reap(pid, "exec with an unlimited stack");
}

static void clock_adjustment(void) {
  struct timex t = {.modes = 0x8000};
  R(adjtimex(&t));
  t.modes = ADJ_OFFSET_SS_READ;
  OK(adjtimex(&t) >= 0);
}

static volatile sig_atomic_t signals, last_fd, last_code;
static void on_io(int sig, siginfo_t *si, void *u) {
  (void)sig, (void)u;
  signals++;
  last_fd = si->si_fd;
  last_code = si->si_code;
}

/* O_ASYNC: a file's owner is told when it can be read. */
static void owner_signals(void) {
  int p[2];
  MUST(pipe(p) == 0);
  struct sigaction sa = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO};
  sigaction(SIGIO, &sa, NULL);
  sigaction(SIGRTMIN + 3, &sa, NULL);
  R(fcntl(p[0], F_SETOWN, getpid()));
  OK(fcntl(p[0], F_GETOWN) == getpid());
  R(fcntl(p[0], F_SETFL, O_ASYNC));
  R(write(p[1], "x", 1));
  printf("SIGIO %d code %#x\n", signals, last_code);
  R(fcntl(p[0], F_SETSIG, SIGRTMIN + 3));
  R(write(p[1], "x", 1));
  printf("signal %d code %d for the reader: %d\n", signals, last_code, last_fd == p[0]);
  R(fcntl(p[0], F_SETFL, 0));
  R(write(p[1], "x", 1));
  printf("signals %d\n", signals);
  struct f_owner_ex ex = {F_OWNER_TID, getpid()};
  R(fcntl(p[0], F_SETOWN_EX, &ex));
  R(fcntl(p[0], F_GETOWN_EX, &ex));
  printf("type %d\n", ex.type);
  R(fcntl(p[0], F_SETOWN, 0x7ffffff0));
  close(p[0]), close(p[1]);
}

/* A lease is broken by whoever opens the file in a way that does not go with it. */
static void leases(void) {
  enter_dir();
  int fd = open("f", O_CREAT | O_RDWR, 0600);
  R(fcntl(fd, F_GETLEASE));
  R(fcntl(fd, F_SETLEASE, 9));
  R(fcntl(fd, F_SETLEASE, F_UNLCK));
  R(fcntl(fd, F_SETLEASE, F_RDLCK));
  R(fcntl(fd, F_SETLEASE, F_WRLCK));
  R(fcntl(fd, F_GETLEASE));
  signals = 0;
  pid_t pid;
  R(fcntl(fd, F_SETSIG, SIGRTMIN + 3));
  CHILD(pid, R(open("f", O_RDONLY | O_NONBLOCK)); OK(open("f", O_WRONLY) >= 0));
  while (signals < 1) pause_ms(1);
  while (fcntl(fd, F_GETLEASE) != F_UNLCK) pause_ms(1);
  R(fcntl(fd, F_SETLEASE, F_UNLCK));
  reap(pid, "breaker");
  printf("code %d for the holder: %d\n", last_code, last_fd == fd);
  int other = open("f", O_RDONLY);
  R(fcntl(fd, F_SETLEASE, F_WRLCK));
  R(fcntl(other, F_SETLEASE, F_RDLCK));
  close(other), close(fd);
  fd = open("f", O_RDONLY);
  R(fcntl(fd, F_SETLEASE, F_RDLCK));
  R(truncate("g", 0));
  close(fd);
  unlink("f");

  fd = open(".", O_RDONLY);
  signals = 0;
  sigset_t s;
  sigemptyset(&s), sigaddset(&s, SIGIO), sigprocmask(SIG_BLOCK, &s, NULL);
  R(fcntl(fd, F_NOTIFY, DN_CREATE | DN_DELETE));
  close(open("n", O_CREAT | O_WRONLY, 0600));
  struct timespec none = {0, 0};
  OK(sigtimedwait(&s, NULL, &none) == SIGIO);
  unlink("n");
  R(sigtimedwait(&s, NULL, &none));
  mkdir("d", 0700);
  close(open("n", O_CREAT | O_WRONLY, 0600));
  R(fcntl(fd, F_NOTIFY, DN_RENAME | DN_MULTISHOT));
  rename("n", "d/n");
  R(sigtimedwait(&s, NULL, &none));
  rename("d", "e");
  OK(sigtimedwait(&s, NULL, &none) == SIGIO);
  unlink("e/n"), rmdir("e");
  int file = open("/proc/self/exe", O_RDONLY);
  R(fcntl(file, F_NOTIFY, DN_CREATE));
  leave_dir();
}

static void inotify_unlinked(void) {
  enter_dir();
  int in = inotify_init1(IN_NONBLOCK);
  char buf[1024];
  int fd = open("f", O_CREAT | O_WRONLY, 0600);
  R(inotify_add_watch(in, "f", IN_MODIFY | IN_EXCL_UNLINK));
  snprintf(buf, sizeof buf, "/proc/self/fdinfo/%d", in);
  FILE *info = fopen(buf, "r");
  while (fgets(buf, sizeof buf, info))
    if (strstr(buf, "mask:")) printf("%.12s\n", strstr(buf, "mask:"));
  fclose(info);
  R(write(fd, "x", 1));
  R(read(in, buf, sizeof buf));
  unlink("f");
  R(write(fd, "x", 1));
  R(read(in, buf, sizeof buf));
  leave_dir();
}

static void memory_arguments(void) {
  char *odd = (char *)~0ul;
  R(msync(odd, 4096, MS_SYNC));
  R(madvise(odd, 4096, MADV_NORMAL));
  R(mprotect(odd, 4096, PROT_READ));
  R(munmap(odd, 4096));
  R(syscall(SYS_memfd_create, "x", -500));
  R(syscall(SYS_memfd_create, "x", ~0u));
  int fd = syscall(SYS_memfd_create, "x", 2u);
  R(ftruncate(fd, 4096));
  void *open = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  munmap(open, 4096);
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  void *sealed = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  R(mprotect(sealed, 4096, PROT_READ | PROT_WRITE));
}

static void unknown_options(void) {
  int v4 = socket(AF_INET, SOCK_STREAM, 0), v = 0;
  socklen_t n = sizeof v;
  R(getsockopt(v4, 500, 1, &v, &n));
  R(setsockopt(v4, 500, 1, &v, n));
  close(v4);
}

/* STICKY_TIMEOUTS: select leaves its timeout alone. */
static void sticky_timeouts(void) {
  struct timespec left = {0, 1000000}; /* the call itself: libraries hand it a copy */
  R(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &left, NULL));
  printf("left %ld\n", (long)left.tv_nsec);
  left.tv_nsec = 1000000;
  MUST(personality(PER_LINUX | STICKY_TIMEOUTS) >= 0);
  R(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &left, NULL));
  printf("left %ld\n", (long)left.tv_nsec);
  personality(PER_LINUX);
}

#define NS_GET_USERNS 0xb701
#define NS_GET_PARENT 0xb702
#define NS_GET_NSTYPE 0xb703
static void namespaces(void) {
  struct stat a, b;
  int uts = open("/proc/self/ns/uts", O_RDONLY);
  int user = open("/proc/self/ns/user", O_RDONLY);
  MUST(uts >= 0 && user >= 0);
  R(ioctl(uts, NS_GET_NSTYPE));
  R(ioctl(uts, NS_GET_PARENT));
  R(ioctl(user, NS_GET_PARENT));
  int owner = ioctl(uts, NS_GET_USERNS);
  MUST(owner >= 0 && fstat(owner, &a) == 0 && stat("/proc/self/ns/user", &b) == 0);
  OK(a.st_ino == b.st_ino);
  printf("mode %o\n", a.st_mode);
  R(access("/proc/self/ns/pid", F_OK));
}

int main(int argc, char **argv) {
  if (argc > 1) {
    printf("started %s\n", argv[1]);
    return 0;
  }
  o_path();
  exec_without_stack_limit("/proc/self/exe");
  clock_adjustment();
  owner_signals();
  leases();
  namespaces();
  inotify_unlinked();
  memory_arguments();
  unknown_options();
  sticky_timeouts();
  return 0;
}
