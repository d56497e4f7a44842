/* Timers: setitimer, timer_create, timerfd, alarm, clock_nanosleep; order and counts, never durations. */
#include "guest.h"
#include <sys/time.h>
#include <sys/timerfd.h>
#include <poll.h>

static volatile sig_atomic_t alarms, reals;
static void on_alarm(int sig) { (void)sig, alarms++; }
static void on_rt(int sig, siginfo_t *si, void *c) {
  (void)sig, (void)c;
  reals += si->si_value.sival_int;
}
static int64_t now_ns(clockid_t c) {
  struct timespec t;
  clock_gettime(c, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void) {
  sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigset_t alrm = none;
  sigaddset(&alrm, SIGALRM);
  sigprocmask(SIG_BLOCK, &alrm, NULL);

  struct itimerval it = {{0, 2000}, {0, 5000}}, left;
  R(setitimer(ITIMER_REAL, &it, NULL));
  while (alarms < 5) sigsuspend(&none);
  R(getitimer(ITIMER_REAL, &left));
  printf("interval %ld\n", (long)left.it_interval.tv_usec);
  it = (struct itimerval){0};
  R(setitimer(ITIMER_REAL, &it, &left));
  R(setitimer(77, &it, NULL));
  it.it_value.tv_usec = 1000000;
  R(setitimer(ITIMER_REAL, &it, NULL));
  alarms = 0;
  OK(alarm(100) == 0);
  OK(alarm(0) == 100);

  it = (struct itimerval){{0, 0}, {0, 10000}};
  sigaction(SIGVTALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
  setitimer(ITIMER_VIRTUAL, &it, NULL);
  while (!alarms) {
  }
  printf("virtual timer\n");

  timer_t t;
  struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value = {.sival_int = 3}};
  sigaction(SIGRTMIN + 3, &(struct sigaction){.sa_sigaction = on_rt, .sa_flags = SA_SIGINFO}, NULL);
  R(timer_create(CLOCK_MONOTONIC, &ev, &t));
  R(timer_settime(t, 0, &(struct itimerspec){{0, 1000000}, {0, 1000000}}, NULL));
  while (reals < 15) pause_ms(1);
  struct itimerspec its;
  R(timer_gettime(t, &its));
  printf("interval %ld\n", its.it_interval.tv_nsec);
  R(timer_delete(t));
  ev.sigev_notify = SIGEV_NONE;
  R(timer_create(CLOCK_REALTIME, &ev, &t));
  R(timer_settime(t, TIMER_ABSTIME, &(struct itimerspec){{0, 0}, {1, 0}}, NULL));
  R(timer_gettime(t, &its));
  printf("expired long ago: %ld\n", (long)its.it_value.tv_sec);
  R(timer_delete(t));

  int fd = R(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
  uint64_t n = 0;
  R(read(fd, &n, 8));
  R(timerfd_settime(fd, 0, &(struct itimerspec){{0, 0}, {0, 3000000}}, NULL));
  struct pollfd pfd = {fd, POLLIN, 0};
  R(poll(&pfd, 1, 5000));
  R(read(fd, &n, 4));
  R(read(fd, &n, 8));
  printf("expirations %lu\n", (unsigned long)n);
  R(read(fd, &n, 8));
  R(timerfd_settime(fd, 0, &(struct itimerspec){{0, 1000000}, {0, 1000000}}, NULL));
  pause_ms(20);
  R(read(fd, &n, 8));
  OK(n >= 10);
  struct timespec t0;
  clock_gettime(CLOCK_MONOTONIC, &t0);
  R(timerfd_settime(fd, TFD_TIMER_ABSTIME, &(struct itimerspec){{0, 0}, t0}, NULL));
  R(poll(&pfd, 1, 5000));
  R(timerfd_settime(fd, 0, &(struct itimerspec){{0, 0}, {0, 0}}, NULL));
  R(timerfd_gettime(fd, &its));
  printf("disarmed %ld %ld\n", (long)its.it_value.tv_sec, its.it_value.tv_nsec);
  R(timerfd_settime(fd, 0, &(struct itimerspec){{0, 0}, {0, 1000000000}}, NULL));
  R(timerfd_create(77, 0));
  close(fd);

  /* Several sleepers wake in order of their deadlines. */
  int p[2];
  MUST(pipe(p) == 0);
  static const int delay[] = {240, 80, 160};
  for (int i = 0; i < 3; i++) {
    pid_t pid;
    CHILD(pid, pause_ms(delay[i]); if (write(p[1], &delay[i], 4) != 4) _exit(1));
  }
  for (int i = 0; i < 3; i++) {
    int d = 0;
    R(read(p[0], &d, 4));
    printf("woke %d\n", d);
  }
  while (wait(NULL) > 0) {
  }

  int64_t before = now_ns(CLOCK_MONOTONIC);
  struct timespec s = {0, 5000000};
  R(clock_nanosleep(CLOCK_MONOTONIC, 0, &s, NULL));
  OK(now_ns(CLOCK_MONOTONIC) - before >= 5000000);
  before += 8000000;
  s = (struct timespec){before / 1000000000, before % 1000000000};
  R(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &s, NULL));
  OK(now_ns(CLOCK_MONOTONIC) >= before);
  R(clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 1000000000}, NULL));
  R(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &(struct timespec){0, 1}, NULL));
  R(nanosleep(&(struct timespec){-1, 0}, NULL));
  R(clock_gettime(99, &s));
  R(clock_getres(CLOCK_MONOTONIC, &s));
  printf("resolution %ld ns\n", s.tv_nsec);
  OK(now_ns(CLOCK_REALTIME) > 1500000000LL * 1000000000);
  OK(now_ns(CLOCK_PROCESS_CPUTIME_ID) > 0);
  int64_t a = now_ns(CLOCK_MONOTONIC);
  int backwards = 0;
  for (int i = 0; i < 10000; i++) {
    int64_t b = now_ns(CLOCK_MONOTONIC);
    backwards += b < a;
    a = b;
  }
  printf("backwards %d\n", backwards);
  return 0;
}
