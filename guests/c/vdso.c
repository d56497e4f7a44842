// The clocks by the vDSO beside the same by system calls: each lies between two readings of the other.
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long ns(const struct timespec *t) { return t->tv_sec * 1000000000ll + t->tv_nsec; }

int main(int argc, char **argv) {
  static const int clocks[] = {0, 1, 4, 5, 6, 7, 11};
  if (argc > 1) { // many calls and nothing else, to be counted
    struct timespec t;
    struct timeval tv;
    for (int i = 0; i < 1000; i++) {
      clock_gettime(clocks[i % 7], &t);
#ifdef __GLIBC__ // musl makes the call
      clock_getres(clocks[i % 7], &t);
#endif
      gettimeofday(&tv, 0);
      time(0);
#ifdef __x86_64__
      sched_getcpu();
#endif
    }
    puts("done");
    return 0;
  }
  for (int i = 0; i < 7; i++) {
    int good = 0;
    for (int k = 0; k < 100; k++) {
      struct timespec a, b, c;
      syscall(SYS_clock_gettime, clocks[i], &a);
      int r = clock_gettime(clocks[i], &b);
      syscall(SYS_clock_gettime, clocks[i], &c);
      good += r == 0 && ns(&a) <= ns(&b) && ns(&b) <= ns(&c) && b.tv_nsec >= 0 && b.tv_nsec < 1000000000;
    }
    struct timespec r1, r2;
    clock_getres(clocks[i], &r1);
    syscall(SYS_clock_getres, clocks[i], &r2);
    printf("clock %d: %d in order, resolution %s\n", clocks[i], good, ns(&r1) == ns(&r2) ? "the same" : "differs");
  }
  struct timespec t0, t1;
  struct timeval tv;
  struct timezone tz;
  memset(&tz, 0x55, sizeof tz);
  syscall(SYS_clock_gettime, 0, &t0);
  int r = gettimeofday(&tv, &tz);
  time_t stored = 0, now = time(&stored);
  syscall(SYS_clock_gettime, 0, &t1);
  printf("gettimeofday %d: %d, zone %d %d\n", r,
         tv.tv_sec * 1000000ll + tv.tv_usec >= ns(&t0) / 1000 && tv.tv_sec * 1000000ll + tv.tv_usec <= ns(&t1) / 1000,
         tz.tz_minuteswest, tz.tz_dsttime);
  printf("time: %d %d\n", now == stored, now >= t0.tv_sec && now <= t1.tv_sec);
  unsigned cpu = 77, node = 77;
#ifdef __GLIBC__
  r = getcpu(&cpu, &node);
#else
  r = syscall(SYS_getcpu, &cpu, &node, 0);
#endif
  printf("getcpu: %d %d %d, %d\n", r, cpu < 1024, node < 64, (unsigned)sched_getcpu() < 1024);
  struct timespec t;
  printf("cpu clocks: %d %d, none: %d %d\n", clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t),
         clock_gettime(99, &t), clock_gettime(10, &t));
  return 0;
}
