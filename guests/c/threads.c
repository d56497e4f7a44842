/* pthreads: mutex, condition variable, barrier, rwlock, semaphore, once, thread-local data, cancellation, detached. */
#include "guest.h"
#include <pthread.h>
#include <semaphore.h>

#define N 4
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static sem_t sem;
static long counter;
static int turn, destroyed, onces, cleaned;
static __thread int mine = 7;

static void on_exit_of_thread(void *value) {
  pthread_mutex_lock(&lock);
  destroyed += *(int *)value;
  pthread_mutex_unlock(&lock);
  free(value);
}
static void first(void) { onces++; }

static void *count(void *arg) {
  int id = (int)(long)arg;
  pthread_once(&once, first);
  int *value = malloc(sizeof *value);
  *value = id + 1;
  pthread_setspecific(key, value);
  mine += id;
  for (int i = 0; i < 1000; i++) {
    pthread_mutex_lock(&lock);
    counter++;
    pthread_mutex_unlock(&lock);
  }
  int last = pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
  pthread_mutex_lock(&lock);
  while (turn != id) pthread_cond_wait(&changed, &lock);
  printf("thread %d: counter %ld mine %d\n", id, counter, mine);
  turn++;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  pthread_rwlock_rdlock(&rw);
  pthread_rwlock_unlock(&rw);
  return (void *)(long)(100 * last);
}

static void cleanup(void *arg) { cleaned += *(int *)arg; }
static void *sleeper(void *arg) {
  pthread_cleanup_push(cleanup, arg);
  sem_post(&sem);
  for (;;) pause_ms(1000); /* nanosleep is a cancellation point */
  pthread_cleanup_pop(0);
  return NULL;
}
static void *spinner(void *arg) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  sem_post(&sem);
  for (volatile int i = 0;; i++) {
  }
  return arg;
}
static void unlock(void *mutex) { pthread_mutex_unlock(mutex); }
static void *waiter(void *arg) {
  pthread_mutex_lock(&lock);
  pthread_cleanup_push(unlock, &lock);
  sem_post(&sem);
  for (;;) pthread_cond_wait(&changed, &lock);
  pthread_cleanup_pop(1);
  return arg;
}
static void *detached(void *arg) {
  sem_post(&sem);
  return arg;
}
static void *leaver(void *arg) {
  pthread_detach(pthread_self());
  pause_ms(20);
  printf("last thread ends the process\n");
  exit((int)(long)arg);
}

int main(void) {
  pthread_t t[N];
  void *result;
  pthread_key_create(&key, on_exit_of_thread);
  pthread_barrier_init(&barrier, NULL, N);
  sem_init(&sem, 0, 0);
  for (long i = 0; i < N; i++) MUST(pthread_create(&t[i], NULL, count, (void *)i) == 0);
  long serials = 0;
  for (int i = 0; i < N; i++) {
    MUST(pthread_join(t[i], &result) == 0);
    serials += (long)result;
  }
  printf("counter %ld serial %ld destroyed %d onces %d mine %d\n", counter, serials, destroyed, onces, mine);

  int amount = 5;
  pthread_create(&t[0], NULL, sleeper, &amount);
  sem_wait(&sem);
  R(pthread_cancel(t[0]));
  R(pthread_join(t[0], &result));
  OK(result == PTHREAD_CANCELED);
  printf("cleaned %d\n", cleaned);

  pthread_create(&t[0], NULL, spinner, NULL);
  sem_wait(&sem);
  R(pthread_cancel(t[0]));
  R(pthread_join(t[0], &result));
  OK(result == PTHREAD_CANCELED);

  pthread_create(&t[0], NULL, waiter, NULL);
  sem_wait(&sem);
  R(pthread_cancel(t[0]));
  R(pthread_join(t[0], &result));
  OK(result == PTHREAD_CANCELED);
  R(pthread_mutex_trylock(&lock));
  R(pthread_mutex_trylock(&lock));
  R(pthread_mutex_unlock(&lock));

  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attr, 65536);
  for (int i = 0; i < 20; i++) MUST(pthread_create(&t[0], &attr, detached, NULL) == 0);
  for (int i = 0; i < 20; i++) sem_wait(&sem);
  printf("20 detached\n");

  struct timespec when;
  clock_gettime(CLOCK_REALTIME, &when);
  when.tv_nsec += 10000000;
  if (when.tv_nsec >= 1000000000) when.tv_sec++, when.tv_nsec -= 1000000000;
  pthread_mutex_lock(&lock);
  R(pthread_cond_timedwait(&changed, &lock, &when));
  pthread_mutex_unlock(&lock);
  R(sem_timedwait(&sem, &when));
  R(sem_trywait(&sem));

  pthread_mutexattr_t kind;
  pthread_mutex_t special;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&special, &kind);
  R(pthread_mutex_lock(&special));
  R(pthread_mutex_lock(&special));
  R(pthread_mutex_unlock(&special));
  R(pthread_mutex_unlock(&special));
  R(pthread_mutex_unlock(&special));
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_init(&special, &kind);
  R(pthread_mutex_lock(&special));
  R(pthread_mutex_lock(&special));
  R(pthread_mutex_unlock(&special));

  pthread_create(&t[0], NULL, leaver, (void *)42L);
  fflush(stdout);
  pthread_exit(NULL);
}
