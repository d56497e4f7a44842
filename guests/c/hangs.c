/* Programs that hang, one way each, whatever the schedule: what `ring3` is to explain. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129
#define FUTEX_PRIVATE_FLAG 128

static pthread_mutex_t apples = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t pears = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t both;
static int word;

static long futex(int *at, int op, int value) {
  return syscall(SYS_futex, at, op, value, NULL, NULL, 0);
}

static void *apples_first(void *x) {
  pthread_mutex_lock(&apples);
  pthread_barrier_wait(&both);
  pthread_mutex_lock(&pears);
  return x;
}
static void *pears_first(void *x) {
  pthread_mutex_lock(&pears);
  pthread_barrier_wait(&both);
  pthread_mutex_lock(&apples);
  return x;
}

/* Two locks, taken in opposite orders. */
static void circle(void (*prepare)(pthread_mutexattr_t *)) {
  if (prepare) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    prepare(&a);
    pthread_mutex_init(&apples, &a);
    pthread_mutex_init(&pears, &a);
  }
  pthread_t one, two;
  pthread_barrier_init(&both, NULL, 2);
  pthread_create(&one, NULL, apples_first, NULL);
  pthread_create(&two, NULL, pears_first, NULL);
  pthread_join(one, NULL);
  pthread_join(two, NULL);
}
static void robust(pthread_mutexattr_t *a) { pthread_mutexattr_setrobust(a, PTHREAD_MUTEX_ROBUST); }
static void inherit(pthread_mutexattr_t *a) { pthread_mutexattr_setprotocol(a, PTHREAD_PRIO_INHERIT); }
static void checked(pthread_mutexattr_t *a) { pthread_mutexattr_settype(a, PTHREAD_MUTEX_ERRORCHECK); }

static void *wait_unasked(void *x) {
  pthread_mutex_lock(&apples);
  pthread_cond_wait(&arrived, &apples); /* no condition is looked at */
  return x;
}
/* The signal comes before anybody waits for it. */
static void signal_too_early(void) {
  pthread_cond_signal(&arrived);
  pthread_t t;
  pthread_create(&t, NULL, wait_unasked, NULL);
  pthread_join(t, NULL);
}

static void *sleep_on_zero(void *x) {
  while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0) futex(&word, FUTEX_WAIT_PRIVATE, 0);
  return x;
}
/* The word is changed, and the wake-up forgotten. */
static void forgotten_wake(void) {
  pthread_t t;
  pthread_create(&t, NULL, sleep_on_zero, NULL);
  nanosleep(&(struct timespec){0, 50000000}, NULL);
  __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
  pthread_join(t, NULL);
}

/* A reader that kept the write end. */
static void own_pipe(void) {
  int p[2];
  char c;
  pipe(p);
  read(p[0], &c, 1);
}

/* The parent waits for the child to end, the child for the parent to read. */
static void full_pipe(void) {
  int p[2];
  pipe(p);
  if (fork() == 0) {
    close(p[0]);
    static char much[100000];
    write(p[1], much, sizeof much);
    _exit(0);
  }
  wait(NULL);
}

/* Nobody ever makes any member of the set ready. */
static void epoll_of_nothing(void) {
  int ep = epoll_create1(0), ev = eventfd(0, 0), p[2];
  pipe(p);
  struct epoll_event e = {.events = EPOLLIN};
  epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e);
  e.events = EPOLLIN | EPOLLET;
  epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
  e.events = EPOLLONESHOT | EPOLLOUT;
  epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &e);
  epoll_wait(ep, &e, 1, 0); /* uses the third up */
  epoll_wait(ep, &e, 1, -1);
}

/* Two processes lock two files in opposite orders. */
static void file_locks(void) {
  int a = open("/tmp/a.lock", O_RDWR | O_CREAT, 0600), p[2], q[2];
  char c = 0;
  pipe(p);
  pipe(q);
  flock(a, LOCK_EX);
  if (fork() == 0) {
    a = open("/tmp/a.lock", O_RDWR);
    int b = open("/tmp/b.lock", O_RDWR | O_CREAT, 0600);
    flock(b, LOCK_EX);
    write(p[1], &c, 1);
    flock(a, LOCK_EX);
    _exit(0);
  }
  read(p[0], &c, 1);
  int b = open("/tmp/b.lock", O_RDWR);
  flock(b, LOCK_EX);
}

/* A lock taken twice by one thread, and one whose owner is gone. */
static void own_lock(void) {
  pthread_mutex_lock(&apples);
  pthread_mutex_lock(&apples);
}
static void *take_and_end(void *x) {
  pthread_mutex_lock(&pears);
  return x;
}
static void gone(void) {
  pthread_t t;
  pthread_create(&t, NULL, take_and_end, NULL);
  pthread_join(t, NULL);
  pthread_mutex_lock(&pears);
}
/* The same file opened twice is two holders of a lock. */
static void own_file(void) {
  flock(open("/tmp/a.lock", O_RDWR | O_CREAT, 0600), LOCK_EX);
  flock(open("/tmp/a.lock", O_RDWR), LOCK_EX);
}
static void semaphore(void) {
  int id = semget(IPC_PRIVATE, 1, 0600);
  semop(id, &(struct sembuf){0, -1, 0}, 1);
}
static void message(void) {
  struct { long type; char text[8]; } m;
  msgrcv(msgget(IPC_PRIVATE, 0600), &m, sizeof m.text, 0, 0);
}
static void fifo(void) {
  mkfifo("/tmp/fifo", 0600);
  open("/tmp/fifo", O_RDONLY);
}

static void *spin(void *x) {
  for (;;) {
    /* An operation no kernel knows, tried again until it works. */
    if (syscall(SYS_futex, &word, FUTEX_PRIVATE_FLAG | 77, 0, NULL, NULL, 0) == 0) return x;
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  }
}
/* A call that always fails is tried for ever. */
static void retry(void) {
  pthread_t t;
  pthread_create(&t, NULL, spin, NULL);
  pthread_join(t, NULL);
}

/* An event nobody takes is reported again and again. */
static void event_loop(void) {
  int ep = epoll_create1(0), ev = eventfd(1, 0);
  struct epoll_event e = {.events = EPOLLIN};
  epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e);
  for (;;) {
    int n = epoll_wait(ep, &e, 1, -1);
    if (n == 1) epoll_ctl(ep, EPOLL_CTL_DEL, 999, NULL); /* not the descriptor it was */
  }
}

/* Much is read and written, a little at a time, and then it ends: not a hang at all. */
static void busy(void) {
  char c;
  int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
  for (int i = 0; i < 20000; i++) {
    read(zero, &c, 1);
    write(null, &c, 1);
  }
}

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "";
  if (!strcmp(how, "circle")) circle(NULL);
  else if (!strcmp(how, "circle-robust")) circle(robust);
  else if (!strcmp(how, "circle-pi")) circle(inherit);
  else if (!strcmp(how, "circle-checked")) circle(checked);
  else if (!strcmp(how, "signal-too-early")) signal_too_early();
  else if (!strcmp(how, "forgotten-wake")) forgotten_wake();
  else if (!strcmp(how, "own-pipe")) own_pipe();
  else if (!strcmp(how, "full-pipe")) full_pipe();
  else if (!strcmp(how, "epoll")) epoll_of_nothing();
  else if (!strcmp(how, "file-locks")) file_locks();
  else if (!strcmp(how, "own-lock")) own_lock();
  else if (!strcmp(how, "gone")) gone();
  else if (!strcmp(how, "own-file")) own_file();
  else if (!strcmp(how, "semaphore")) semaphore();
  else if (!strcmp(how, "message")) message();
  else if (!strcmp(how, "fifo")) fifo();
  else if (!strcmp(how, "retry")) retry();
  else if (!strcmp(how, "event-loop")) event_loop();
  else if (!strcmp(how, "busy")) busy();
  else return 2;
  return 0;
}
