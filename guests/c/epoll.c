/* epoll: level, edge, one-shot, exclusive, nesting, errors; eventfd. */
#include "guest.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <pthread.h>

static int ep;
static struct epoll_event out[8];

static int ctl(int op, int fd, uint32_t events, int data) {
  struct epoll_event e = {.events = events, .data.u32 = (uint32_t)data};
  return epoll_ctl(ep, op, fd, &e);
}
static void wait_show(const char *what, int timeout) {
  int n = epoll_wait(ep, out, 8, timeout);
  printf("%s: %d", what, n);
  uint32_t seen[8];
  for (int i = 0; i < n; i++) seen[i] = out[i].data.u32 << 16 | out[i].events;
  for (int v = 1; v < 100; v++) /* in order of data, whatever the ready list's */
    for (int i = 0; i < n; i++)
      if ((int)(seen[i] >> 16) == v) printf(" [%d: %#x]", v, seen[i] & 0xffff);
  printf("\n");
}
static void *poster(void *arg) {
  pause_ms(10);
  uint64_t one = 1;
  MUST(write((int)(long)arg, &one, 8) == 8);
  return NULL;
}

int main(void) {
  int p[2], q[2], s[2];
  char c[100];
  MUST(pipe2(p, O_NONBLOCK) == 0 && pipe2(q, O_NONBLOCK) == 0);
  ep = R(epoll_create1(EPOLL_CLOEXEC));
  R(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
  R(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
  R(ctl(EPOLL_CTL_ADD, q[0], EPOLLIN | EPOLLET, 2));
  R(ctl(EPOLL_CTL_MOD, p[1], EPOLLIN, 1));
  R(ctl(EPOLL_CTL_DEL, p[1], 0, 0));
  R(ctl(EPOLL_CTL_ADD, 999, EPOLLIN, 1));
  R(ctl(EPOLL_CTL_ADD, ep, EPOLLIN, 1));
  R(ctl(77, p[0], EPOLLIN, 1));
  R(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], NULL));
  R(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], out));
  R(epoll_wait(ep, out, 0, 0));
  R(epoll_wait(ep, (void *)8, 1, 0));
  int file = memfd_create("plain", 0);
  int dir = open("/", O_RDONLY | O_DIRECTORY);
  R(ctl(EPOLL_CTL_ADD, dir, EPOLLIN, 1));
  close(file);
  wait_show("nothing", 0);
  wait_show("still nothing", 10);
  R(write(p[1], "ab", 2));
  R(write(q[1], "ab", 2));
  wait_show("both", 0);
  wait_show("level stays, edge has gone", 0);
  R(read(q[0], c, 1));
  wait_show("reading part makes no edge", 0);
  R(write(q[1], "c", 1));
  wait_show("writing does", 0);
  R(read(p[0], c, 10));
  wait_show("level drained", 0);
  R(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 1));
  R(write(p[1], "x", 1));
  wait_show("one-shot", 0);
  R(write(p[1], "x", 1));
  wait_show("disarmed", 0);
  R(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 3));
  wait_show("rearmed", 0);
  R(ctl(EPOLL_CTL_MOD, q[0], EPOLLIN | EPOLLET, 2));
  wait_show("MOD makes an edge again", 0);
  close(q[1]);
  wait_show("hang-up", 0);
  R(epoll_ctl(ep, EPOLL_CTL_DEL, q[0], NULL));
  wait_show("deleted", 0);
  close(q[0]);

  int ev = R(eventfd(3, EFD_NONBLOCK));
  R(ctl(EPOLL_CTL_ADD, ev, EPOLLIN | EPOLLOUT, 4));
  wait_show("eventfd", 0);
  uint64_t v;
  R(read(ev, &v, 8));
  printf("value %lu\n", (unsigned long)v);
  wait_show("eventfd zero", 0);
  R(read(ev, &v, 8));
  R(read(ev, &v, 7));
  v = UINT64_MAX - 1;
  R(write(ev, &v, 8));
  wait_show("eventfd full", 0);
  v = 1;
  R(write(ev, &v, 8));
  v = UINT64_MAX;
  R(write(ev, &v, 8));
  R(ctl(EPOLL_CTL_DEL, ev, 0, 0));
  int sem = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  for (int i = 0; i < 3; i++) {
    R(read(sem, &v, 8));
    printf("semaphore %lu\n", (unsigned long)v);
  }
  R(ctl(EPOLL_CTL_ADD, sem, EPOLLIN | EPOLLET, 5));
  pthread_t t;
  pthread_create(&t, NULL, poster, (void *)(long)sem);
  wait_show("woken by another thread", 5000);
  pthread_join(t, NULL);

  MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
  R(ctl(EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 6));
  wait_show("socket writable", 0);
  wait_show("once", 0);
  R(write(s[1], "hello", 5));
  wait_show("socket readable", 0);
  R(shutdown(s[1], SHUT_WR));
  wait_show("peer stopped writing", 0);
  close(s[1]);
  wait_show("peer gone", 0);

  /* A duplicate keeps the watch alive; the last close ends it. */
  int d = dup(s[0]);
  close(s[0]);
  R(ctl(EPOLL_CTL_MOD, d, EPOLLIN, 7));
  wait_show("watch lives on through the duplicate", 0);
  close(d);
  wait_show("all closed", 0);

  int inner = ep, outer = epoll_create1(0);
  ep = outer;
  R(ctl(EPOLL_CTL_ADD, inner, EPOLLIN, 8));
  v = 1;
  R(write(sem, &v, 8));
  wait_show("nested", 0);
  ep = inner;
  R(ctl(EPOLL_CTL_ADD, outer, EPOLLIN, 9));
  wait_show("inner", 0);
  ep = outer;
  wait_show("outer, after the inner was served", 0);

  int ev2 = eventfd(0, EFD_NONBLOCK);
  ep = inner;
  R(ctl(EPOLL_CTL_ADD, ev2, EPOLLIN | EPOLLEXCLUSIVE, 10));
  R(ctl(EPOLL_CTL_MOD, ev2, EPOLLIN, 10));
  R(ctl(EPOLL_CTL_ADD, d = eventfd(0, 0), EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 10));
  v = 2;
  R(write(ev2, &v, 8));
  wait_show("exclusive", 0);
  struct timespec ten = {0, 10000000};
  sigset_t none;
  sigemptyset(&none);
  R(read(ev2, &v, 8));
  R(syscall(SYS_epoll_pwait2, inner, out, 8, &ten, NULL, 0));
  R(epoll_pwait(inner, out, 8, 5, &none));
  R(epoll_create1(1234));
  return 0;
}
