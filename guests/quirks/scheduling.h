static volatile int other_ran;
static void *set_ran(void *arg) {
  other_ran = 1;
  return NULL;
}
PROBE(no_preemption) {
  thread(set_ran, NULL);
  for (long i = 0; i < 500000 && !other_ran; i++) getppid();
  printf("the other thread ran meanwhile: %s\n", other_ran ? "yes" : "no");
}

PROBE(getaffinity_empty) {
  unsigned long mask[16] = {0};
  long r = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  printf("a mask of at least one cpu: %s\n", mask[0] != 0 ? "yes" : "no");
  printf("the result is a size in bytes: %s\n", r >= 8 ? "yes" : "no");
}

PROBE(setaffinity_ignored) {
  unsigned long none = 0;
  show("sched_setaffinity to no cpu", syscall(SYS_sched_setaffinity, 0, sizeof none, &none));
  show("sched_setaffinity from NULL", syscall(SYS_sched_setaffinity, 0, sizeof none, NULL));
}

PROBE(setscheduler_unprivileged) {
  struct sched_param p = {99};
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_RTPRIO, &none);
  if (setresuid(1000, 1000, 1000) != 0) puts("no setresuid");
  show("SCHED_FIFO 99 as uid 1000", syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p));
}

PROBE(sleep_100hz) {
  struct timespec a, b, ms = {0, 1000000};
  long least = 1000000;
  for (int i = 0; i < 3; i++) {
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a);
    syscall(SYS_nanosleep, &ms, NULL);
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &b);
    long us = (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
    if (i > 0 && us < least) least = us;
  }
  printf("a sleep of 1 ms takes %s\n", least < 8000 ? "milliseconds" : "a tick of 10 ms");
}

PROBE(clock_from_1970) {
  struct timespec t = {0};
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &t);
  printf("the year is 1970: %s\n", t.tv_sec < 31536000 ? "yes" : "no");
  show("clock 999", syscall(SYS_clock_gettime, 999, &t));
}

PROBE(clock_getres_monotonic) {
  struct timespec t;
  show("clock_getres CLOCK_REALTIME", syscall(SYS_clock_getres, CLOCK_REALTIME, &t));
  show("clock_getres CLOCK_MONOTONIC", syscall(SYS_clock_getres, CLOCK_MONOTONIC, &t));
  show("clock_getres into NULL", syscall(SYS_clock_getres, CLOCK_MONOTONIC, NULL));
}

PROBE(getrandom_constant) {
  unsigned long a[2] = {0}, b[2] = {0};
  syscall(SYS_getrandom, a, sizeof a, 0);
  syscall(SYS_getrandom, b, sizeof b, 0);
  printf("two calls agree: %s\n", memcmp(a, b, sizeof a) == 0 ? "yes" : "no");
  if (a[0] == b[0]) printf("first number: %lu\n", a[0]);
}

PROBE(uname_starry) {
  struct utsname u;
  uname(&u);
  printf("sysname: %s\n", u.sysname);
  printf("a machine of this program's: %s\n", strchr(u.machine, ' ') ? u.machine : "yes");
}
