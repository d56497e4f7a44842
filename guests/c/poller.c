/*
 * ZLMediaKit's pattern: a main thread, a log thread and an event poller. Threads wait in semaphores, which glibc makes of
 * FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME (393). The poller takes descriptors it does not know
 * out of its epoll with EPOLL_CTL_DEL and no event.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static sem_t started, lines, logged, served;
static int epfd, wake[2];
static char text[128];

static void *logger(void *arg) {
  for (;;) {
    while (sem_wait(&lines) != 0)
      ;
    write(1, text, strlen(text));
    sem_post(&logged);
  }
}

static void log_line(const char *s) {
  strcpy(text, s);
  sem_post(&lines);
  while (sem_wait(&logged) != 0)
    ;
}

/* EventPoller::runLoop: a descriptor that is not in the map is deleted; the pipe carries tasks of other threads. */
static void *poller(void *arg) {
  static struct epoll_event events[1024];
  sem_post(&started);
  for (;;) {
    int n = epoll_wait(epfd, events, 1024, -1);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd != wake[0]) {
        epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
        continue;
      }
      char task;
      while (read(wake[0], &task, 1) == 1)
        if (task == 'q') sem_post(&served);
    }
  }
}

static void add(int fd) {
  struct epoll_event e = {.events = EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLET, .data.fd = fd};
  if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e) != 0) exit(2);
}

int main(void) {
  pthread_t t;
  int gone[2];
  sem_init(&started, 0, 0);
  sem_init(&lines, 0, 0);
  sem_init(&logged, 0, 0);
  sem_init(&served, 0, 0);
  epfd = epoll_create(1024);
  if (pipe2(wake, O_NONBLOCK | O_CLOEXEC) != 0 || pipe(gone) != 0) return 2;
  add(wake[0]);
  if (pthread_create(&t, NULL, logger, NULL) != 0) return 2;
  if (pthread_create(&t, NULL, poller, NULL) != 0) return 2;
  while (sem_wait(&started) != 0)
    ;
  log_line("poller started\n");
  /* A connection whose handler is gone: the poller gets its event and deletes it. */
  add(gone[0]);
  write(gone[1], "x", 1);
  log_line("TCP server listening on [::]: 554\n");
  write(wake[1], "q", 1);
  while (sem_wait(&served) != 0)
    ;
  log_line("served\n");
  _exit(0);
}
