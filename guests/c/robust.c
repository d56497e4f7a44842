/* Robust and process-shared mutexes: the kernel walks a dead owner's robust list. */
#include "guest.h"
#include <pthread.h>

struct shared {
  pthread_mutex_t lock;
  pthread_cond_t cond;
  int value;
};

static pthread_mutex_t local;
static void *die_holding(void *arg) {
  pthread_mutex_lock(&local);
  return arg;
}

int main(void) {
  struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  MUST(s != MAP_FAILED);
  pthread_mutexattr_t a;
  pthread_condattr_t c;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&local, &a);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&s->lock, &a);
  pthread_condattr_init(&c);
  pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED);
  pthread_cond_init(&s->cond, &c);

  pid_t pid;
  CHILD(pid, pthread_mutex_lock(&s->lock); s->value = 1; raise(SIGKILL));
  reap(pid, "owner");
  int r = pthread_mutex_lock(&s->lock);
  OK(r == EOWNERDEAD);
  printf("value %d\n", s->value);
  R(pthread_mutex_consistent(&s->lock));
  R(pthread_mutex_unlock(&s->lock));
  R(pthread_mutex_lock(&s->lock));
  R(pthread_mutex_unlock(&s->lock));

  pthread_t t;
  pthread_create(&t, NULL, die_holding, NULL);
  pthread_join(t, NULL);
  OK(pthread_mutex_lock(&local) == EOWNERDEAD);
  R(pthread_mutex_unlock(&local));
  OK(pthread_mutex_lock(&local) == ENOTRECOVERABLE);

  CHILD(pid, {
    pthread_mutex_lock(&s->lock);
    while (s->value != 2) pthread_cond_wait(&s->cond, &s->lock);
    s->value = 3;
    pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->lock);
  });
  pthread_mutex_lock(&s->lock);
  s->value = 2;
  pthread_cond_signal(&s->cond);
  while (s->value != 3) pthread_cond_wait(&s->cond, &s->lock);
  pthread_mutex_unlock(&s->lock);
  reap(pid, "partner");
  printf("value %d\n", s->value);
  return 0;
}
