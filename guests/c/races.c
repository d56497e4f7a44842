/* Programs that go wrong under few schedules: what `ring3 explore` is to find. Each is right nearly always. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129
#define FUTEX_PRIVATE_FLAG 128

static pthread_mutex_t apples = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t pears = PTHREAD_MUTEX_INITIALIZER;
static volatile int counter;
static char note[64];

static long futex(volatile int *at, int op, int value) {
  return syscall(SYS_futex, at, op, value, NULL, NULL, 0);
}

/* An update between the load and the store of another is lost. */
static void *count(void *x) {
  for (int i = 0; i < 100; i++) counter = counter + 1;
  return x;
}

/* Whoever publishes between the look at `ready` and the look at `word` wakes nobody. */
static volatile int ready, word;
static void *consume(void *x) {
  if (!ready) {
    snprintf(note, sizeof note, "nothing yet, word %d", word);
    futex(&word, FUTEX_WAIT_PRIVATE, word);
  }
  return x;
}
static void *produce(void *x) {
  ready = 1;
  word = word + 1;
  futex(&word, FUTEX_WAKE_PRIVATE, 1);
  return x;
}

/* The same with a condition variable, looked at outside of the mutex, and a producer that is busy for long before it publishes. */
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static int work;
static void *await(void *x) {
  if (!ready) {
    pthread_mutex_lock(&apples);
    pthread_cond_wait(&news, &apples);
    pthread_mutex_unlock(&apples);
  }
  return x;
}
static void *work_and_produce(void *x) {
  for (volatile int i = 0; i < work; i++)
    ;
  pthread_mutex_lock(&apples);
  ready = 1;
  pthread_cond_signal(&news);
  pthread_mutex_unlock(&apples);
  return x;
}

/* Opposite orders, held for a moment. */
static void *apples_first(void *x) {
  pthread_mutex_lock(&apples);
  snprintf(note, sizeof note, "apples, then %s", "pears");
  pthread_mutex_lock(&pears);
  counter++;
  pthread_mutex_unlock(&pears);
  pthread_mutex_unlock(&apples);
  return x;
}
static void *pears_first(void *x) {
  pthread_mutex_lock(&pears);
  snprintf(note, sizeof note, "pears, then %s", "apples");
  pthread_mutex_lock(&apples);
  counter++;
  pthread_mutex_unlock(&apples);
  pthread_mutex_unlock(&pears);
  return x;
}

/* The pointer may be gone between the check and the use. */
static int value = 7;
static int *volatile shared = &value;
static void *use(void *x) {
  for (int i = 0; i < 5; i++)
    if (shared) {
      snprintf(note, sizeof note, "round %d", i);
      counter += *shared;
    }
  return x;
}
static void *drop(void *x) {
  shared = NULL;
  return x;
}

/* Counting as it should be. */
static void *count_locked(void *x) {
  for (int i = 0; i < 100; i++) {
    pthread_mutex_lock(&apples);
    counter = counter + 1;
    pthread_mutex_unlock(&apples);
  }
  return x;
}

/* Waits for another thread by looking again and again: only a scheduler that is fair lets it end. */
static void *announce(void *x) {
  ready = 1;
  return x;
}
static void *watch(void *x) {
  while (!ready)
    ;
  return x;
}

/* The signal may come between the look at the flag and the sleep. */
static void got(int signo) { ready = signo; }
static void signalled(void) {
  pid_t parent = getpid();
  signal(SIGUSR1, got);
  if (fork() == 0) {
    kill(parent, SIGUSR1);
    _exit(0);
  }
  if (!ready) {
    snprintf(note, sizeof note, "nothing yet");
    pause();
  }
  wait(NULL);
}

/* Nobody ever calls. */
static void serve(void) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(8000)};
  int s = socket(AF_INET, SOCK_STREAM, 0);
  bind(s, (struct sockaddr *)&any, sizeof any);
  listen(s, 1);
  accept(s, NULL, NULL);
}

static void both(void *(*a)(void *), void *(*b)(void *)) {
  pthread_t one, two;
  pthread_create(&one, NULL, a, NULL);
  pthread_create(&two, NULL, b, NULL);
  pthread_join(one, NULL);
  pthread_join(two, NULL);
}

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "";
  if (!strcmp(how, "counter")) both(count, count), printf("%d\n", counter);
  else if (!strcmp(how, "wakeup")) both(consume, produce), puts("done");
  else if (!strcmp(how, "late")) work = argc > 2 ? atoi(argv[2]) : 3000, both(await, work_and_produce), puts("done");
  else if (!strcmp(how, "deadlock")) both(apples_first, pears_first), printf("%d\n", counter);
  else if (!strcmp(how, "crash")) both(use, drop), puts("done");
  else if (!strcmp(how, "right")) both(count_locked, count_locked), printf("%d\n", counter);
  else if (!strcmp(how, "spin")) both(watch, announce), puts("done");
  else if (!strcmp(how, "signal")) signalled(), puts("done");
  else if (!strcmp(how, "serve")) serve(), puts("done");
  else return 2;
  return 0;
}
