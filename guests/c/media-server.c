/*
 * The kernel work of a streaming server: pollers with edge-triggered epoll, each woken by an eventfd or a pipe;
 * listeners shared by all of them; a publisher whose frames reach every player in order and whole, through writers that
 * go on when their socket takes more; datagrams in batches; a thread that writes the log; futexes with timeouts;
 * with -d a watchdog that starts the server again when it dies, with -D a daemon without a terminal.
 */
#include "guest.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { POLLERS = 4, PLAYERS = 6, FRAMES = 100, FRAME = 5000, DATAGRAMS = 64 };

/* ---- Pollers: a thread each, with tasks from other threads and the files it watches. ---- */
struct conn;
struct poller;
struct task {
  void (*run)(struct poller *, void *);
  void *arg;
  struct task *next;
};
struct poller {
  int index, ep, wake[2], exit; /* wake: an eventfd twice, or a pipe */
  pthread_t thread;
  pthread_mutex_t lock;
  struct task *first, **last;
  int done, accepted, conns;
  struct timespec timer; /* since when the delayed task waits */
  int delayed;
  sem_t started;
};
static struct poller pollers[POLLERS];

static void post(struct poller *p, void (*run)(struct poller *, void *), void *arg) {
  struct task *t = malloc(sizeof *t);
  *t = (struct task){run, arg, NULL};
  pthread_mutex_lock(&p->lock);
  *p->last = t;
  p->last = &t->next;
  pthread_mutex_unlock(&p->lock);
  uint64_t one = 1;
  ssize_t n = write(p->wake[1], &one, p->wake[0] == p->wake[1] ? 8 : 1);
  MUST(n > 0 || errno == EAGAIN); /* a full pipe wakes as well as a fuller one */
}
static void run_tasks(struct poller *p) {
  char buf[1024];
  while (read(p->wake[0], buf, sizeof buf) > 0) {
  }
  MUST(errno == EAGAIN);
  pthread_mutex_lock(&p->lock);
  struct task *t = p->first;
  p->first = NULL;
  p->last = &p->first;
  pthread_mutex_unlock(&p->lock);
  while (t) {
    struct task *next = t->next;
    t->run(p, t->arg);
    free(t);
    t = next;
    p->done++;
  }
}

/* ---- The log: a thread that waits on a semaphore and writes to a file. ---- */
static struct {
  pthread_t thread;
  pthread_mutex_t lock;
  sem_t sem;
  char pending[65536];
  size_t len;
  int fd, stop;
} logger;
static void say(const char *format, ...) {
  va_list args;
  va_start(args, format);
  pthread_mutex_lock(&logger.lock);
  logger.len += vsnprintf(logger.pending + logger.len, sizeof logger.pending - logger.len, format, args);
  MUST(logger.len < sizeof logger.pending);
  pthread_mutex_unlock(&logger.lock);
  va_end(args);
  sem_post(&logger.sem);
}
static void *write_log(void *arg) {
  for (int stop = 0; !stop;) {
    char out[sizeof logger.pending];
    while (sem_wait(&logger.sem) == -1) MUST(errno == EINTR);
    pthread_mutex_lock(&logger.lock);
    size_t n = logger.len;
    memcpy(out, logger.pending, n);
    logger.len = 0;
    stop = logger.stop;
    pthread_mutex_unlock(&logger.lock);
    MUST(write(logger.fd, out, n) == (ssize_t)n);
  }
  return arg;
}

/* ---- Connections: each belongs to one poller. The first byte says who is there: P publishes, anything else plays. ---- */
struct conn {
  int fd, kind;
  struct poller *owner;
  char *out; /* what the socket did not take yet */
  size_t out_len, out_cap;
  size_t got;
  struct conn *next;
};
static pthread_mutex_t players_lock = PTHREAD_MUTEX_INITIALIZER;
static struct conn *players;
static int players_here, stalls;
static pthread_cond_t players_changed = PTHREAD_COND_INITIALIZER;

static void arm(struct conn *c, int op, uint32_t events) {
  struct epoll_event e = {.events = events, .data.ptr = c};
  MUST(epoll_ctl(c->owner->ep, op, c->fd, &e) == 0);
}
static void flush(struct conn *c) {
  size_t sent = 0;
  while (sent < c->out_len) {
    struct iovec iov[2] = {{c->out + sent, (c->out_len - sent) / 2}, {0}};
    iov[1].iov_base = (char *)iov[0].iov_base + iov[0].iov_len;
    iov[1].iov_len = c->out_len - sent - iov[0].iov_len;
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n == -1) {
      MUST(errno == EAGAIN);
      __atomic_add_fetch(&stalls, 1, __ATOMIC_RELAXED);
      break;
    }
    sent += n;
  }
  memmove(c->out, c->out + sent, c->out_len -= sent);
  arm(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP | EPOLLET | (c->out_len ? EPOLLOUT : 0));
}
struct piece {
  struct conn *to;
  size_t len;
  char data[];
};
static void deliver(struct poller *p, void *arg) {
  struct piece *piece = arg;
  struct conn *c = piece->to;
  MUST(c->owner == p);
  if (c->out_len + piece->len > c->out_cap)
    MUST(c->out = realloc(c->out, c->out_cap = 2 * (c->out_len + piece->len)));
  memcpy(c->out + c->out_len, piece->data, piece->len);
  c->out_len += piece->len;
  flush(c);
  free(piece);
}
static void finish(struct poller *p, void *arg) {
  struct conn *c = arg;
  MUST(c->out_len == 0 && shutdown(c->fd, SHUT_WR) == 0);
}
static void publish(struct conn *from, const char *data, size_t n) {
  pthread_mutex_lock(&players_lock);
  for (struct conn *c = players; c; c = c->next) {
    struct piece *piece = malloc(sizeof *piece + n);
    piece->to = c;
    piece->len = n;
    memcpy(piece->data, data, n);
    post(c->owner, deliver, piece);
  }
  pthread_mutex_unlock(&players_lock);
}
static void hang_up(struct conn *c) {
  MUST(epoll_ctl(c->owner->ep, EPOLL_CTL_DEL, c->fd, NULL) == 0);
  close(c->fd);
  say("a %s is gone after %zu bytes\n", c->kind == 'P' ? "publisher" : "player", c->got);
  c->owner->conns--;
  free(c->out);
  free(c);
}
static void readable(struct conn *c) {
  char buf[16384];
  ssize_t n;
  while ((n = read(c->fd, buf, sizeof buf)) > 0) {
    size_t skip = 0;
    if (!c->kind) {
      c->kind = buf[0];
      skip = 1;
      say("a %s came\n", c->kind == 'P' ? "publisher" : "player");
      if (c->kind != 'P') {
        pthread_mutex_lock(&players_lock);
        c->next = players;
        players = c;
        players_here++;
        pthread_cond_broadcast(&players_changed);
        pthread_mutex_unlock(&players_lock);
      }
    }
    c->got += n - skip;
    if (c->kind == 'P' && n > (ssize_t)skip) publish(c, buf + skip, n - skip);
  }
  if (n == -1) {
    MUST(errno == EAGAIN);
    return;
  }
  if (c->kind == 'P') /* its end is the players' */
    for (struct conn *player = players, *next; player; player = next) {
      next = player->next; /* a player that is finished may be gone */
      post(player->owner, finish, player);
    }
  hang_up(c);
}
static void adopt(struct poller *p, void *arg) {
  struct conn *c = arg;
  c->owner = p;
  p->conns++;
  arm(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP | EPOLLET);
}
static int listeners[POLLERS];
static void accept_all(struct poller *p) {
  for (;;) {
    int fd = accept4(listeners[p->index], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd == -1) break;
    static int turn;
    int small = 8192, on = 1;
    MUST(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    MUST(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    MUST(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0);
    struct linger linger = {0};
    MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    struct conn *c = calloc(1, sizeof *c);
    c->fd = fd;
    p->accepted++;
    post(&pollers[__atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) % POLLERS], adopt, c);
  }
  MUST(errno == EAGAIN);
}
static int since(const struct timespec *then) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000;
}
static void *poll_loop(void *arg) {
  struct poller *p = arg;
  struct epoll_event events[64];
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(p->index, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set); /* as many processors as there are */
  struct sched_param param = {.sched_priority = sched_get_priority_max(SCHED_FIFO)};
  pthread_setschedparam(pthread_self(), SCHED_OTHER, &(struct sched_param){0});
  MUST(param.sched_priority == 99);
  char name[16];
  snprintf(name, sizeof name, "poller %d", p->index);
  MUST(pthread_setname_np(pthread_self(), name) == 0);
  sem_post(&p->started);
  while (!p->exit) {
    int timeout = -1;
    if (p->delayed && (timeout = 20 - since(&p->timer)) <= 0) {
      p->delayed = 0;
      timeout = -1;
      say("a delayed task ran\n");
    }
    int n = epoll_wait(p->ep, events, 64, timeout);
    if (n == -1) MUST(errno == EINTR);
    for (int i = 0; i < n; i++) {
      void *what = events[i].data.ptr;
      if (what == p->wake) run_tasks(p);
      else if (what == listeners) accept_all(p);
      else {
        struct conn *c = what;
        if (c->out_len && events[i].events & EPOLLOUT) flush(c);
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP | EPOLLERR)) readable(c);
      }
    }
  }
  return NULL;
}
static void delay(struct poller *p, void *arg) {
  clock_gettime(CLOCK_MONOTONIC, &p->timer);
  p->delayed = 1;
}
static void stop(struct poller *p, void *arg) {
  p->exit = 1;
}

/* ---- Clients: blocking sockets in threads of their own. ---- */
static struct sockaddr_in address;
static uint32_t mix(uint32_t hash, const unsigned char *data, size_t n) {
  while (n--) hash = (hash ^ *data++) * 16777619;
  return hash;
}
static void frame(unsigned char *out, int number) {
  for (int i = 0; i < FRAME; i++) out[i] = number * 31 + i * (number | 1) + (i >> 7);
}
static int dial(char kind) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 0, error = 1;
  socklen_t len = sizeof error;
  MUST(fd >= 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == -1) {
    MUST(errno == EINPROGRESS);
    int ep = epoll_create(1);
    struct epoll_event e = {.events = EPOLLOUT | EPOLLERR | EPOLLET};
    MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0 && epoll_wait(ep, &e, 1, 5000) == 1);
    close(ep);
  }
  MUST(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0);
  MUST(ioctl(fd, FIONBIO, &on) == 0);
  MUST(send(fd, &kind, 1, MSG_NOSIGNAL) == 1);
  return fd;
}
static int all_sent;
struct played {
  size_t bytes;
  uint32_t hash;
};
static void *play(void *arg) {
  struct played *result = arg;
  unsigned char buf[3000];
  int fd = dial('0');
  result->hash = 2166136261u;
  ssize_t n;
  while ((n = recv(fd, buf, sizeof buf, 0)) > 0) {
    result->hash = mix(result->hash, buf, n);
    result->bytes += n;
    while (result->bytes >= 100000 && !__atomic_load_n(&all_sent, __ATOMIC_ACQUIRE)) pause_ms(1); /* buffers fill */
  }
  MUST(n == 0);
  close(fd);
  return NULL;
}
static void datagrams(void) {
  int from = socket(AF_INET, SOCK_DGRAM, 0), to = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof a;
  MUST(bind(to, (struct sockaddr *)&a, sizeof a) == 0 && getsockname(to, (struct sockaddr *)&a, &len) == 0);
  MUST(connect(from, (struct sockaddr *)&a, sizeof a) == 0);
  char data[16][200], in[DATAGRAMS + 8][300];
  struct mmsghdr out[16] = {0}, got[DATAGRAMS + 8] = {0};
  struct iovec iov[16], iov_in[DATAGRAMS + 8];
  for (int i = 0; i < DATAGRAMS + 8; i++) {
    iov_in[i] = (struct iovec){in[i], sizeof in[i]};
    got[i].msg_hdr = (struct msghdr){.msg_iov = &iov_in[i], .msg_iovlen = 1};
  }
  int ep = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN | EPOLLET};
  MUST(epoll_ctl(ep, EPOLL_CTL_ADD, to, &e) == 0);
  R(recvmmsg(to, got, 4, 0, NULL));
  for (int batch = 0; batch < DATAGRAMS / 16; batch++) {
    for (int i = 0; i < 16; i++) {
      memset(data[i], batch * 16 + i, sizeof data[i]);
      iov[i] = (struct iovec){data[i], 100 + i};
      out[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    }
    MUST(sendmmsg(from, out, 16, 0) == 16);
  }
  R(epoll_wait(ep, &e, 1, 1000));
  R(recvmmsg(to, got, DATAGRAMS + 8, 0, NULL));
  int good = 0;
  for (int i = 0; i < DATAGRAMS; i++)
    good += got[i].msg_len == 100u + i % 16 && in[i][0] == (char)i && in[i][got[i].msg_len - 1] == (char)i;
  printf("datagrams as sent: %d\n", good);
  R(epoll_wait(ep, &e, 1, 0));
  close(ep), close(from), close(to);
}

/* ---- Futexes with timeouts, in each way libc asks for them. ---- */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t cond;
  sem_t sem;
  int go;
} timed;
static struct timespec in_ms(clockid_t clock, long ms) {
  struct timespec t;
  clock_gettime(clock, &t);
  long long ns = t.tv_sec * 1000000000ll + t.tv_nsec + ms * 1000000;
  t.tv_sec = ns / 1000000000;
  t.tv_nsec = ns % 1000000000;
  return t;
}
static void *hold(void *arg) {
  pthread_mutex_lock(&timed.lock);
  sem_post(&timed.sem);
  pause_ms(60);
  timed.go = 1;
  pthread_cond_broadcast(&timed.cond);
  pthread_mutex_unlock(&timed.lock);
  return NULL;
}
static void timeouts(void) {
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&timed.cond, &attr);
  pthread_mutex_init(&timed.lock, NULL);
  sem_init(&timed.sem, 0, 0);
  int late = 0;
  struct timespec t, begin = in_ms(CLOCK_MONOTONIC, 0);
  pthread_mutex_lock(&timed.lock);
  for (int i = 0; i < 10; i++) {
    t = in_ms(CLOCK_MONOTONIC, 3);
    late += pthread_cond_timedwait(&timed.cond, &timed.lock, &t) == ETIMEDOUT;
  }
  pthread_mutex_unlock(&timed.lock);
  printf("waits that timed out: %d\n", late);
  OK(since(&begin) >= 30);
  t = in_ms(CLOCK_REALTIME, 5);
  R(sem_timedwait(&timed.sem, &t));
  t = in_ms(CLOCK_REALTIME, -5);
  R(sem_timedwait(&timed.sem, &t));
  pthread_t other;
  pthread_create(&other, NULL, hold, NULL);
  t = in_ms(CLOCK_REALTIME, 10000);
  R(sem_timedwait(&timed.sem, &t));
  t = in_ms(CLOCK_REALTIME, 5);
  R(pthread_mutex_timedlock(&timed.lock, &t));
  t = in_ms(CLOCK_REALTIME, 10000);
  R(pthread_mutex_timedlock(&timed.lock, &t));
  t = in_ms(CLOCK_MONOTONIC, 10000);
  while (!timed.go && pthread_cond_timedwait(&timed.cond, &timed.lock, &t) == 0) {
  }
  printf("woken: %d\n", timed.go);
  pthread_mutex_unlock(&timed.lock);
  pthread_join(other, NULL);
}

static int open_fds(void) {
  int n = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (readdir(dir)) n++;
  closedir(dir);
  return n;
}
static int by_line(const void *a, const void *b) {
  return strcmp(*(char **)a, *(char **)b);
}
static void show_log(void) {
  static char text[65536];
  char *lines[1000];
  int n = 0;
  ssize_t len = pread(logger.fd, text, sizeof text - 1, 0);
  MUST(len > 0);
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) lines[n++] = line;
  qsort(lines, n, sizeof *lines, by_line);
  for (int i = 0; i < n; i++) printf("log: %s\n", lines[i]);
}

static void serve(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  MUST(setrlimit(RLIMIT_NOFILE, &files) == 0);
  signal(SIGHUP, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  int before = open_fds();

  logger.fd = open("log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  MUST(logger.fd >= 0);
  pthread_mutex_init(&logger.lock, NULL);
  sem_init(&logger.sem, 0, 0);
  logger.stop = 0;
  MUST(pthread_create(&logger.thread, NULL, write_log, NULL) == 0);

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  MUST(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
  MUST(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1024) == 0);
  MUST(getsockname(listener, (struct sockaddr *)&address, &len) == 0);

  for (int i = 0; i < POLLERS; i++) {
    struct poller *p = &pollers[i];
    *p = (struct poller){.index = i, .ep = epoll_create(1024)};
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    sem_init(&p->started, 0, 0);
    if (i % 2) MUST(pipe2(p->wake, O_NONBLOCK | O_CLOEXEC) == 0);
    else p->wake[0] = p->wake[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    listeners[i] = i ? dup(listener) : listener;
    struct epoll_event e = {.events = EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLET, .data.ptr = p->wake};
    MUST(epoll_ctl(p->ep, EPOLL_CTL_ADD, p->wake[0], &e) == 0);
    e = (struct epoll_event){.events = EPOLLIN | EPOLLET | EPOLLEXCLUSIVE, .data.ptr = listeners};
    MUST(epoll_ctl(p->ep, EPOLL_CTL_ADD, listeners[i], &e) == 0);
    MUST(pthread_create(&p->thread, NULL, poll_loop, p) == 0);
    while (sem_wait(&p->started) == -1) MUST(errno == EINTR);
    post(p, delay, NULL);
  }

  pthread_t threads[PLAYERS];
  struct played results[PLAYERS] = {0};
  for (int i = 0; i < PLAYERS; i++) MUST(pthread_create(&threads[i], NULL, play, &results[i]) == 0);
  pthread_mutex_lock(&players_lock);
  while (players_here < PLAYERS) pthread_cond_wait(&players_changed, &players_lock);
  pthread_mutex_unlock(&players_lock);

  static unsigned char data[FRAME];
  uint32_t hash = 2166136261u;
  int fd = dial('P');
  for (int i = 0; i < FRAMES; i++) {
    frame(data, i);
    hash = mix(hash, data, FRAME);
    for (size_t sent = 0; sent < FRAME;) {
      ssize_t n = send(fd, data + sent, FRAME - sent, 0);
      MUST(n > 0);
      sent += n;
    }
  }
  __atomic_store_n(&all_sent, 1, __ATOMIC_RELEASE);
  /* All is delivered before the end is told: the players are counted by the server, not by their sockets. */
  for (int i = 0; i < PLAYERS; i++)
    for (;;) {
      if (__atomic_load_n(&results[i].bytes, __ATOMIC_RELAXED) == (size_t)FRAMES * FRAME) break;
      pause_ms(1);
    }
  close(fd);
  for (int i = 0; i < PLAYERS; i++) {
    MUST(pthread_join(threads[i], NULL) == 0);
    printf("player: %zu bytes, %s\n", results[i].bytes, results[i].hash == hash ? "as sent" : "DIFFERENT");
  }
  OK(stalls > 0);

  datagrams();
  timeouts();

  /* The delayed tasks have run by now; the connections end when the pollers have seen their ends. */
  int accepted = 0, tasks = 0;
  for (int i = 0; i < POLLERS; i++) {
    while (__atomic_load_n(&pollers[i].conns, __ATOMIC_RELAXED) || __atomic_load_n(&pollers[i].delayed, __ATOMIC_RELAXED)) pause_ms(1);
    post(&pollers[i], stop, NULL);
    MUST(pthread_join(pollers[i].thread, NULL) == 0);
    accepted += pollers[i].accepted;
    tasks += pollers[i].done;
    close(pollers[i].ep);
    close(pollers[i].wake[0]);
    if (pollers[i].wake[0] != pollers[i].wake[1]) close(pollers[i].wake[1]);
    close(listeners[i]);
  }
  printf("accepted %d\n", accepted);
  OK(tasks >= 2 * POLLERS + PLAYERS + 1);
  pthread_mutex_lock(&logger.lock);
  logger.stop = 1;
  pthread_mutex_unlock(&logger.lock);
  sem_post(&logger.sem);
  pthread_join(logger.thread, NULL);
  show_log();
  close(logger.fd);
  unlink("log");
  OK(open_fds() == before);
}

static pid_t child;
static void pass_on(int sig) {
  kill(child, SIGINT);
}
/* The parent stays and starts the server anew when it dies: first of a signal, then with an exit status. */
static int watchdog(void) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  signal(SIGTERM, pass_on);
  for (int attempt = 0;; attempt++) {
    fflush(stdout);
    sigprocmask(SIG_BLOCK, &term, NULL); /* until it is known who the child is */
    child = fork();
    MUST(child >= 0);
    sigprocmask(SIG_UNBLOCK, &term, NULL);
    if (child == 0) {
      signal(SIGTERM, SIG_DFL);
      if (attempt == 0) kill(getppid(), SIGTERM), pause();
      if (attempt == 1) _exit(3);
      OK(attempt == 2 && getpgrp() == getpgid(getppid()));
      serve();
      fflush(stdout);
      _exit(0);
    }
    int status;
    pid_t gone;
    while ((gone = waitpid(child, &status, 0)) == -1) MUST(errno == EINTR);
    MUST(gone == child);
    if (WIFSIGNALED(status)) printf("server died of signal %d\n", WTERMSIG(status));
    else printf("server exited with %d\n", WEXITSTATUS(status));
    if (status == 0) return 0;
  }
}
/* Two forks and a session: nobody waits for the server any more, which tells its end through a file. */
static int daemonize(void) {
  pid_t pid, session = getsid(0);
  CHILD(pid, {
    MUST(setsid() == getpid());
    pid_t again = fork();
    if (again != 0) _exit(again < 0);
    while (getppid() == getsid(0)) pause_ms(1);
    umask(022);
    int out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0600), null = open("/dev/null", O_RDWR);
    MUST(dup2(null, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2);
    close(out), close(null);
    OK(getsid(0) != session && getsid(0) != getpid());
    R(open("/dev/tty", O_RDWR));
    serve();
    fflush(stdout);
    MUST(rename("out", "done") == 0);
    _exit(0);
  });
  reap(pid, "starter");
  int fd;
  while ((fd = open("done", O_RDONLY)) == -1) pause_ms(5);
  char text[65536];
  ssize_t n = read(fd, text, sizeof text);
  fwrite(text, 1, n, stdout);
  unlink("done");
  close(fd);
  R(waitpid(-1, NULL, 0));
  return 0;
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  enter_dir();
  if (!strcmp(mode, "-d")) watchdog();
  else if (!strcmp(mode, "-D")) daemonize();
  else serve();
  leave_dir();
  return 0;
}
