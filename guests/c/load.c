/*
 * Much of everything at once: load connections N | fds N | threads N | processes N, and load serve PORT for clients on
 * the host. What is printed is the same wherever it runs; a number in it says that all were there at the same time.
 */
#include "guest.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>

static int entries(const char *path) {
  int n = 0;
  DIR *d = opendir(path);
  MUST(d != NULL);
  for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}
/* opendir's own is not counted. */
static int descriptors(void) { return entries("/proc/self/fd") - 1; }

static void allow_fds(int n) {
  struct rlimit r;
  MUST(getrlimit(RLIMIT_NOFILE, &r) == 0);
  if (r.rlim_max < (rlim_t)n) r.rlim_max = n;
  r.rlim_cur = n;
  MUST(setrlimit(RLIMIT_NOFILE, &r) == 0);
}

/* ---- N connections, all open at once, each answered with what it sent, then each closed by its client. */

static int listen_on(uint32_t ip, int port) {
  struct sockaddr_in a = {AF_INET, htons(port), {htonl(ip)}};
  int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  MUST(s >= 0);
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  MUST(bind(s, (struct sockaddr *)&a, sizeof a) == 0);
  MUST(listen(s, 4096) == 0);
  return s;
}

static void watch(int ep, int fd, uint32_t events) {
  struct epoll_event e = {events, {.fd = fd}};
  MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
}

/* Echoes until `ends` clients have gone; tells the most that were there at once through *most. */
static int echo_server(int l, int ends, int *most) {
  int ep = epoll_create1(0), open = 0, served = 0;
  watch(ep, l, EPOLLIN);
  *most = 0;
  while (ends > 0) {
    struct epoll_event ev[64];
    int n = epoll_wait(ep, ev, 64, -1);
    for (int i = 0; i < n; i++) {
      int fd = ev[i].data.fd;
      if (fd == l) {
        for (int c; (c = accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0; served++) {
          watch(ep, c, EPOLLIN);
          if (++open > *most) *most = open;
        }
        continue;
      }
      char b[4096];
      ssize_t got = read(fd, b, sizeof b);
      if (got > 0) MUST(write(fd, b, got) == got);
      else if (got == 0 || errno != EAGAIN) {
        close(fd);
        open--, ends--;
      }
    }
  }
  close(ep);
  return served;
}

static int connections(int n) {
  allow_fds(n + 100);
  int l = listen_on(INADDR_LOOPBACK, 0), report[2];
  struct sockaddr_in a;
  socklen_t len = sizeof a;
  getsockname(l, (struct sockaddr *)&a, &len);
  MUST(pipe(report) == 0);
  pid_t server = fork();
  if (server == 0) {
    int most, served = echo_server(l, n, &most);
    MUST(write(report[1], &most, sizeof most) == sizeof most);
    _exit(served == n ? 0 : 1);
  }
  close(l);
  int *s = calloc(n, sizeof *s), ep = epoll_create1(0), open = 0, right = 0, ends = 0;
  for (int i = 0; i < n; i++) {
    s[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    MUST(s[i] >= 0);
    MUST(connect(s[i], (struct sockaddr *)&a, sizeof a) == 0 || errno == EINPROGRESS);
    struct epoll_event e = {EPOLLOUT | EPOLLIN | EPOLLET, {.u32 = i}};
    MUST(epoll_ctl(ep, EPOLL_CTL_ADD, s[i], &e) == 0);
  }
  char *sent = calloc(n, 1);
  while (right < n) {
    struct epoll_event ev[64];
    int k = epoll_wait(ep, ev, 64, -1);
    for (int j = 0; j < k; j++) {
      int i = ev[j].data.u32, error = 0;
      len = sizeof error;
      if (ev[j].events & EPOLLOUT && !sent[i]) {
        getsockopt(s[i], SOL_SOCKET, SO_ERROR, &error, &len);
        MUST(error == 0);
        sent[i] = 1;
        open++;
        /* Nobody says anything before all are connected. */
        if (open == n)
          for (int m = 0; m < n; m++) MUST(write(s[m], &m, sizeof m) == sizeof m);
      }
      int got;
      if (ev[j].events & EPOLLIN && read(s[i], &got, sizeof got) == sizeof got) right += got == i;
    }
  }
  printf("%d connected, %d answered\n", open, right);
  for (int i = 0; i < n; i++) {
    shutdown(s[i], SHUT_WR);
    char c;
    fcntl(s[i], F_SETFL, 0);
    ends += read(s[i], &c, 1) == 0;
    close(s[i]);
  }
  int most = 0, status;
  MUST(read(report[0], &most, sizeof most) == sizeof most);
  MUST(waitpid(server, &status, 0) == server);
  printf("%d ended, the server had %d at once, status %d\n", ends, most, status);
  return 0;
}

/* ---- N descriptors of all kinds, waited on in each way, inherited, counted, and one too many. */

static int fds(int n) {
  allow_fds(n);
  int before = descriptors(), top = 0, ep = epoll_create1(0), file = open("/dev/null", O_RDWR);
  int *events = calloc(n, sizeof *events), many = 0, watched = 0;
  while (many >= 0) {
    int fd, pair[2];
    switch (many++ % 5) {
      case 0: case 1:
        fd = eventfd(0, EFD_NONBLOCK);
        if (fd >= 0) watch(ep, fd, EPOLLIN), events[watched++] = fd;
        break;
      case 2:
        if ((fd = socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) == 0) watch(ep, fd = pair[1], EPOLLIN);
        break;
      case 3:
        if ((fd = pipe(pair)) == 0) watch(ep, fd = pair[1], EPOLLIN);
        break;
      default:
        fd = dup(file);
    }
    if (fd > top) top = fd;
    if (fd < 0) {
      MUST(errno == EMFILE);
      break;
    }
  }
  while (dup(file) >= 0) {} /* a pair may not have fitted where one does */
  printf("errno %d at the limit, %d open, the last is the highest possible: %d\n", errno, n, top >= n - 2);
  close(ep + 1); /* opendir needs one */
  printf("%d in /proc/self/fd besides\n", descriptors() - before - (n - 1 - before));
  /* Every hundredth has something: epoll, poll and select name the same ones. */
  int wanted = 0;
  for (int i = 0; i < watched; i += 100, wanted++) MUST(eventfd_write(events[i], i + 1) == 0);
  struct epoll_event *ev = calloc(n, sizeof *ev);
  int ready = epoll_wait(ep, ev, n, 0), same = 0;
  struct pollfd *p = calloc(watched, sizeof *p);
  fd_set *set = calloc(n / 8 + 128, 1);
  for (int i = 0; i < watched; i++) {
    p[i].fd = events[i], p[i].events = POLLIN;
    ((char *)set)[events[i] / 8] |= 1 << events[i] % 8;
  }
  int polled = poll(p, watched, 0);
  int selected = syscall(SYS_pselect6, n, set, NULL, NULL, &(struct timespec){0, 0}, NULL);
  for (int i = 0; i < watched; i++) {
    eventfd_t v = 0;
    int is = eventfd_read(events[i], &v) == 0;
    same += is == (i % 100 == 0) && (!is || v == (eventfd_t)i + 1) && !!(p[i].revents & POLLIN) == is &&
            !!(((char *)set)[events[i] / 8] & 1 << events[i] % 8) == is;
  }
  printf("written %d as epoll %d, poll %d and select %d say; all as they should: %d\n", wanted > 10, ready == wanted,
         polled == wanted, selected == wanted, same == watched);
  pid_t pid;
  CHILD(pid, {
    int inherited = descriptors();
    int r = syscall(SYS_close_range, 3, ~0U, 0);
    _exit(inherited == n - 1 && r == 0 && descriptors() == 3 ? 5 : 1);
  });
  reap(pid, "child");
  for (int fd = 3; fd < n; fd++) close(fd);
  printf("%d left\n", descriptors());
  return 0;
}

/* ---- N threads alive at once, a lock and a condition for all of them. */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t all;
static int turn, total;
static __thread int own;

static void *one_of_many(void *arg) {
  int me = (int)(long)arg;
  pthread_barrier_wait(&all);
  for (int i = 0; i < 50; i++) {
    pthread_mutex_lock(&lock);
    total++, own++;
    pthread_mutex_unlock(&lock);
  }
  /* They take their turns, last first. */
  pthread_mutex_lock(&lock);
  while (turn != me) pthread_cond_wait(&turned, &lock);
  turn--;
  pthread_cond_broadcast(&turned);
  pthread_mutex_unlock(&lock);
  pthread_barrier_wait(&all);
  pthread_barrier_wait(&all);
  return (void *)(long)(own * 1000 + me);
}

static int threads(int n) {
  pthread_t *t = calloc(n, sizeof *t);
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 << 10);
  pthread_barrier_init(&all, NULL, n + 1);
  turn = n - 1;
  for (long i = 0; i < n; i++) MUST(pthread_create(&t[i], &small, one_of_many, (void *)i) == 0);
  pthread_barrier_wait(&all);
  pthread_barrier_wait(&all);
  printf("%d threads, %d steps, turns left %d\n", entries("/proc/self/task") - 1, total, turn + 1);
  pthread_barrier_wait(&all);
  long right = 0;
  for (long i = 0; i < n; i++) {
    void *r;
    MUST(pthread_join(t[i], &r) == 0);
    right += (long)r == 50000 + i;
  }
  printf("%ld joined\n", right);
  return 0;
}

/* ---- N processes alive at once: each answers on its pipe, hears a signal, and ends with its own status. */

static volatile sig_atomic_t heard;
static void hear(int sig) { heard++; }

static int processes(int n) {
  int *to = calloc(n, sizeof *to), back[2], right = 0, here = 0;
  pid_t *pid = calloc(n, sizeof *pid);
  MUST(pipe(back) == 0);
  allow_fds(n + 100);
  sigset_t usr1;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  signal(SIGUSR1, hear);
  fflush(stdout);
  for (int i = 0; i < n; i++) {
    int p[2];
    MUST(pipe(p) == 0);
    MUST((pid[i] = fork()) >= 0);
    if (pid[i] == 0) {
      char c;
      close(p[1]);
      for (int k = 0; k < i; k++) close(to[k]);
      MUST(write(back[1], &i, sizeof i) == sizeof i);
      while (heard == 0) usleep(1000);
      MUST(read(p[0], &c, 1) == 0); /* until its parent closes */
      _exit(i % 251);
    }
    close(p[0]);
    to[i] = p[1];
  }
  long sum = 0;
  for (int i = 0, who; i < n; i++) {
    MUST(read(back[0], &who, sizeof who) == sizeof who);
    sum += who;
  }
  char path[32];
  for (int i = 0; i < n; i++) snprintf(path, sizeof path, "/proc/%d/stat", pid[i]), here += access(path, F_OK) == 0;
  printf("%d processes, sum of their numbers %ld\n", here, sum);
  for (int i = 0; i < n; i++) MUST(kill(pid[i], SIGUSR1) == 0);
  for (int i = 0; i < n; i++) close(to[i]);
  for (int i = 0, status; i < n; i++) {
    pid_t gone = waitpid(-1, &status, 0);
    for (int k = 0; k < n; k++) right += pid[k] == gone && WIFEXITED(status) && WEXITSTATUS(status) == k % 251;
  }
  printf("%d ended as they should; another: ", right);
  R(waitpid(-1, NULL, 0));
  return 0;
}

/*
 * ---- A server for the host: echoes, but for lines that begin with '!'. !flood: bytes without end. !state: how many clients are
 * there, and how many descriptors besides theirs. !quit: the end.
 */
static int serve(int port) {
  int l = listen_on(INADDR_ANY, port), ep = epoll_create1(0), open = 0, served = 0;
  static char kind[20000], flood[65536];
  memset(flood, 'f', sizeof flood);
  allow_fds(sizeof kind);
  signal(SIGPIPE, SIG_IGN);
  watch(ep, l, EPOLLIN);
  printf("listening\n");
  fflush(stdout);
  int base = descriptors();
  for (;;) {
    struct epoll_event ev[64];
    int n = epoll_wait(ep, ev, 64, -1);
    for (int i = 0; i < n; i++) {
      int fd = ev[i].data.fd;
      if (fd == l) {
        for (int c; (c = accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0; open++, served++) kind[c] = 0, watch(ep, c, EPOLLIN);
        continue;
      }
      if (kind[fd] == 'f') {
        ssize_t put;
        int rounds = 16;
        while (rounds-- > 0 && (put = write(fd, flood, sizeof flood)) > 0) {}
        if (put < 0 && errno != EAGAIN) close(fd), open--;
        continue;
      }
      char b[65536];
      ssize_t got = read(fd, b, sizeof b);
      if (got > 0 && b[0] == '!') {
        if (!strncmp(b, "!flood", 6)) {
          kind[fd] = 'f';
          struct epoll_event e = {EPOLLOUT, {.fd = fd}};
          epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
        } else if (!strncmp(b, "!state", 6)) {
          dprintf(fd, "%d clients, %d descriptors besides\n", open, descriptors() - base - open);
        } else if (!strncmp(b, "!quit", 5)) {
          printf("served %d\n", served);
          return 0;
        }
      } else if (got > 0) {
        /* What does not fit is waited for: an echo is whole or its client is gone. */
        for (ssize_t at = 0, put; at < got;) {
          struct pollfd p = {fd, POLLOUT};
          if ((put = write(fd, b + at, got - at)) > 0) at += put;
          else if (errno != EAGAIN || poll(&p, 1, 5000) <= 0) break;
        }
      } else if (got == 0 || errno != EAGAIN) close(fd), open--;
    }
  }
}

int main(int argc, char **argv) {
  const char *mode = argc > 2 ? argv[1] : "";
  int n = argc > 2 ? atoi(argv[2]) : 0;
  if (!strcmp(mode, "connections")) return connections(n);
  if (!strcmp(mode, "fds")) return fds(n);
  if (!strcmp(mode, "threads")) return threads(n);
  if (!strcmp(mode, "processes")) return processes(n);
  if (!strcmp(mode, "serve")) return serve(n);
  fprintf(stderr, "usage: load connections|fds|threads|processes|serve N\n");
  return 2;
}
