/* Resource limits and what happens at them; usage counters only as far as they are fixed. */
#include "guest.h"
#include <sys/resource.h>
#include <sys/time.h>

static volatile sig_atomic_t xfsz, xcpu;
static void note(int sig) {
  if (sig == SIGXFSZ) xfsz++;
  else xcpu++;
}

int main(void) {
  struct rlimit l;
  R(getrlimit(RLIMIT_STACK, &l));
  R(getrlimit(99, &l));
  R(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
  R(getrlimit(RLIMIT_CORE, &l));
  printf("core %lu %lu\n", (unsigned long)l.rlim_cur, (unsigned long)l.rlim_max);
  R(setrlimit(RLIMIT_CORE, &(struct rlimit){5, 1}));
  R(prlimit(0, RLIMIT_NOFILE, &(struct rlimit){64, 128}, NULL));
  R(prlimit(0, RLIMIT_NOFILE, NULL, &l));
  printf("nofile %lu %lu\n", (unsigned long)l.rlim_cur, (unsigned long)l.rlim_max);
  pid_t pid;
  CHILD(pid, getrlimit(RLIMIT_NOFILE, &l); printf("inherited %lu\n", (unsigned long)l.rlim_cur));
  reap(pid, "child");

  enter_dir();
  int fd = open("file", O_RDWR | O_CREAT, 0600);
  signal(SIGXFSZ, note);
  R(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1000, RLIM_INFINITY}));
  char buf[800] = {0};
  R(write(fd, buf, 800));
  R(write(fd, buf, 800));
  R(write(fd, buf, 800));
  R(ftruncate(fd, 1001));
  printf("SIGXFSZ %d\n", (int)xfsz);
  R(setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}));
  unlink("file");
  leave_dir();

  CHILD(pid, {
    R(setrlimit(RLIMIT_AS, &(struct rlimit){64 << 20, 64 << 20}));
    OK(mmap(NULL, 128 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    OK(malloc(200 << 20) == NULL);
    int n = 0;
    while (n < 1000 && mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) n++;
    OK(n > 40 && n < 64);
  });
  reap(pid, "address space");
  CHILD(pid, {
    R(setrlimit(RLIMIT_DATA, &(struct rlimit){8 << 20, 8 << 20}));
    OK(sbrk(16 << 20) == (void *)-1 && errno == ENOMEM);
  });
  reap(pid, "data");
  CHILD(pid, {
    signal(SIGXCPU, SIG_DFL);
    setrlimit(RLIMIT_CPU, &(struct rlimit){1, 2});
    for (volatile long i = 0;; i++) {
    }
  });
  reap(pid, "processor time");

  struct rusage u;
  R(getrusage(RUSAGE_SELF, &u));
  OK(u.ru_maxrss > 0);
  R(getrusage(RUSAGE_CHILDREN, &u));
  OK(u.ru_utime.tv_sec >= 0);
  R(getrusage(77, &u));
  R(getpriority(PRIO_PROCESS, 0));
  R(setpriority(PRIO_PROCESS, 0, 5));
  R(getpriority(PRIO_PROCESS, 0));
  return 0;
}
