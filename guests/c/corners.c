/* Rules at the edges that test suites of others look for, by the call that follows them. */
#include "guest.h"
#include <sys/epoll.h>
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

int main(int argc, char **argv) {
  if (argc > 1) {
    printf("started %s\n", argv[1]);
    return 0;
  }
  o_path();
  exec_without_stack_limit("/proc/self/exe");
  clock_adjustment();
  return 0;
}
