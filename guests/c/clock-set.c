/*
 * What happens to waits for a moment of CLOCK_REALTIME when somebody sets that clock. Not to be run natively: it sets the
 * machine's.
 */
#include "guest.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/time.h>
#include <sys/timerfd.h>

static struct timespec now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t;
}

static struct timespec in(long seconds) {
  struct timespec t = now(CLOCK_REALTIME);
  t.tv_sec += seconds;
  return t;
}

static int absolute, futex, cond, relative;

static void *sleep_until(void *arg) {
  struct timespec t = in(100);
  absolute = clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL);
  return arg;
}

static void *futex_until(void *arg) {
  static uint32_t word;
  struct timespec t = in(100);
  futex = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, NULL, -1) == 0 ? 0 : errno;
  return arg;
}

static void *cond_until(void *arg) {
  struct timespec t = in(100);
  pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t c = PTHREAD_COND_INITIALIZER;
  pthread_mutex_lock(&m);
  cond = pthread_cond_timedwait(&c, &m, &t);
  return arg;
}

static void *sleep_for(void *arg) {
  struct timespec t = {0, 300000000}, before = now(CLOCK_MONOTONIC);
  relative = clock_nanosleep(CLOCK_REALTIME, 0, &t, NULL);
  struct timespec after = now(CLOCK_MONOTONIC);
  OK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 299);
  return arg;
}

static volatile int fired;
static void handler(int sig) { fired++; }

int main(void) {
  signal(SIGUSR1, handler);
  int fd = timerfd_create(CLOCK_REALTIME, 0), cancelled = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
  struct itimerspec it = {{0, 0}, in(100)};
  R(timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL));
  R(timerfd_settime(cancelled, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &it, NULL));
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  timer_t timer;
  timer_create(CLOCK_REALTIME, &e, &timer);
  timer_settime(timer, TIMER_ABSTIME, &it, NULL);
  void *(*const waits[])(void *) = {sleep_until, futex_until, cond_until, sleep_for};
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, waits[i], NULL);
  pause_ms(100);

  /* Forwards: what was to come is due. */
  struct timespec monotonic = now(CLOCK_MONOTONIC), t = in(1000);
  R(clock_settime(CLOCK_REALTIME, &t));
  OK(now(CLOCK_MONOTONIC).tv_sec - monotonic.tv_sec < 500);
  OK(now(CLOCK_REALTIME).tv_sec - t.tv_sec < 500);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  printf("until %d, futex %d, condition %d, for %d\n", absolute, futex, cond, relative);
  uint64_t n = 0;
  R(read(fd, &n, 8));
  R(read(cancelled, &n, 8));
  printf("expired %d, signals %d\n", (int)n, fired);
  struct itimerspec left;
  timerfd_gettime(fd, &left);
  printf("left %ld\n", (long)left.it_value.tv_sec);

  /* Backwards: it is put off. */
  it.it_value = in(1);
  timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL);
  t = in(-5000);
  R(clock_settime(CLOCK_REALTIME, &t));
  timerfd_gettime(fd, &left);
  OK(left.it_value.tv_sec > 4000 && left.it_value.tv_sec <= 5001);
  struct timeval tv;
  gettimeofday(&tv, NULL);
  OK(tv.tv_sec - t.tv_sec < 500);
  tv.tv_sec += 4000;
  R(settimeofday(&tv, NULL));
  R(clock_settime(CLOCK_MONOTONIC, &t));
  R(clock_settime(CLOCK_TAI, &t));
  t.tv_nsec = -1;
  R(clock_settime(CLOCK_REALTIME, &t));
  t = (struct timespec){-1, 0};
  R(clock_settime(CLOCK_REALTIME, &t));
  return 0;
}
