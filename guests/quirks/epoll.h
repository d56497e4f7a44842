static int epfd_with(int fd, unsigned events, uint64_t data) {
  int ep = epoll_create1(0);
  struct epoll_event e = {.events = events, .data.u64 = data};
  if (syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd, &e) != 0) return -1;
  return ep;
}
static int ready_pipe(int p[2]) {
  if (pipe(p) != 0) return -1;
  return write(p[1], "xyz", 3);
}
static long epoll_now(int ep, struct epoll_event *e, int max) {
  return syscall(SYS_epoll_pwait, ep, e, max, 0, NULL, 8);
}

PROBE(epoll_del_null_efault) {
  int p[2];
  ready_pipe(p);
  int ep = epfd_with(p[0], EPOLLIN, 1);
  show("EPOLL_CTL_DEL with NULL", syscall(SYS_epoll_ctl, ep, EPOLL_CTL_DEL, p[0], NULL));
  struct epoll_event e;
  show("events afterwards", syscall(SYS_epoll_pwait, ep, &e, 1, 5, NULL, 8));
}

static volatile int wrote;
static void *write_later(void *fd) {
  wrote = 1;
  write((int)(long)fd, "x", 1);
  return NULL;
}
PROBE(epoll_busy) {
  int p[2];
  struct epoll_event e;
  struct rusage u;
  pipe(p);
  int ep = epfd_with(p[0], EPOLLIN, 1);
  show("epoll_wait for 50 ms", syscall(SYS_epoll_pwait, ep, &e, 1, 50, NULL, 8));
  getrusage(RUSAGE_SELF, &u);
  printf("it was looked at again and again: %s\n", u.ru_nvcsw > 500 ? "yes" : "no");
}

PROBE(epoll_timeout_ticks) {
  int p[2];
  struct epoll_event e;
  pipe(p);
  int ep = epfd_with(p[0], EPOLLIN, 1);
  long begun = now_ms();
  show("epoll_wait for 200 ms", syscall(SYS_epoll_pwait, ep, &e, 1, 200, NULL, 8));
  printf("it took them: %s\n", now_ms() - begun >= 190 ? "yes" : "no");
  thread(write_later, (void *)(long)p[1]);
  show("epoll_wait for 0 ms", syscall(SYS_epoll_pwait, ep, &e, 1, 0, NULL, 8) > 0 && wrote);
}

PROBE(epoll_level_only) {
  int p[2];
  struct epoll_event e;
  ready_pipe(p);
  int ep = epfd_with(p[0], EPOLLIN | EPOLLET, 1);
  show("EPOLLET, first", epoll_now(ep, &e, 1));
  show("EPOLLET, again", epoll_now(ep, &e, 1));
  ep = epfd_with(p[0], EPOLLIN | EPOLLONESHOT, 1);
  show("EPOLLONESHOT, first", epoll_now(ep, &e, 1));
  show("EPOLLONESHOT, again", epoll_now(ep, &e, 1));
}

PROBE(epoll_add_replaces) {
  int p[2];
  ready_pipe(p);
  int ep = epfd_with(p[0], EPOLLIN, 1);
  struct epoll_event e = {.events = EPOLLIN, .data.u64 = 2};
  show("EPOLL_CTL_ADD again", syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, p[0], &e));
  epoll_now(ep, &e, 1);
  printf("data: %lu\n", (unsigned long)e.data.u64);
}

PROBE(epoll_400_events) {
  static struct epoll_event events[500];
  int p[2];
  ready_pipe(p);
  int ep = epoll_create1(0);
  for (int i = 0; i < 450; i++) {
    int fd = dup(p[0]);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd, &e);
  }
  show("of 450 ready", epoll_now(ep, events, 500));
}

PROBE(epoll_close_by_number) {
  int p[2];
  struct epoll_event e;
  ready_pipe(p);
  int ep = epfd_with(p[0], EPOLLIN, 1);
  dup(p[0]);
  close(p[0]);
  show("events of a closed number whose file is open", epoll_now(ep, &e, 1));
}

PROBE(epoll_regular_file) {
  int fd = open("/tmp/quirk-plain", O_RDWR | O_CREAT, 0600);
  struct epoll_event e = {.events = EPOLLIN};
  show("EPOLL_CTL_ADD of a regular file", syscall(SYS_epoll_ctl, epoll_create1(0), EPOLL_CTL_ADD, fd, &e));
  unlink("/tmp/quirk-plain");
}

PROBE(epoll_pwait_mask_efault) {
  int p[2];
  struct epoll_event e;
  sigset_t none;
  sigemptyset(&none);
  ready_pipe(p);
  int ep = epfd_with(p[0], EPOLLIN, 1);
  show("epoll_pwait with a mask", syscall(SYS_epoll_pwait, ep, &e, 1, 0, &none, 8));
}

PROBE(epoll_event_16_bytes) {
  int p[2];
  unsigned char raw[32];
  ready_pipe(p);
  unsigned int words[4] = {EPOLLIN, 0x11111111, 0x22222222, 0x33333333};
  int ep = epoll_create1(0);
  syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, p[0], words);
  memset(raw, 0xee, sizeof raw);
  syscall(SYS_epoll_pwait, ep, raw, 1, 0, NULL, 8);
  printf("data is at: %s\n", memcmp(raw + 4, &words[1], 8) == 0 ? "4" : "8");
}

PROBE(epoll_data_is_fd) {
  int p[2];
  struct epoll_event e;
  ready_pipe(p);
  int ep = epfd_with(p[0], EPOLLIN, 12345678901ul);
  epoll_now(ep, &e, 1);
  printf("data: %s\n", e.data.u64 == 12345678901ul ? "as stored" : e.data.u64 == p[0] ? "the descriptor" : "?");
}

PROBE(sockets_no_hup) {
  int s[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  close(s[1]);
  struct pollfd p = {s[0], POLLIN | POLLRDHUP, 0};
  struct timespec zero = {0, 0};
  syscall(SYS_ppoll, &p, 1, &zero, NULL, 8);
  printf("POLLHUP of a socket whose peer is gone: %s\n", p.revents & POLLHUP ? "yes" : "no");
}

PROBE(poll_busy) {
  struct rusage u;
  int p[2];
  pipe(p);
  struct pollfd f = {p[0], POLLIN, 0};
  struct timespec t = {0, 50000000};
  show("ppoll for 50 ms", syscall(SYS_ppoll, &f, 1, &t, NULL, 8));
  getrusage(RUSAGE_SELF, &u);
  printf("it was looked at again and again: %s\n", u.ru_nvcsw > 500 ? "yes" : "no");
}

PROBE(poll_timeout_short) {
#ifdef SYS_poll
  int p[2];
  pipe(p);
  struct pollfd f = {p[0], POLLIN, 0};
  long begun = now_ms();
  show("poll for 200 ms", syscall(SYS_poll, &f, 1, 200));
  printf("it took them: %s\n", now_ms() - begun >= 190 ? "yes" : "no");
#endif
}

PROBE(poll_negative_fd_panic) {
  struct pollfd f = {-1, POLLIN, 0};
  struct timespec zero = {0, 0};
  show("ppoll of descriptor -1", syscall(SYS_ppoll, &f, 1, &zero, NULL, 8));
}

PROBE(poll_none_efault) {
  struct timespec zero = {0, 0};
  show("ppoll of nothing", syscall(SYS_ppoll, NULL, 0, &zero, NULL, 8));
}

PROBE(file_end_not_ready) {
  int fd = open("/tmp/quirk-empty", O_RDWR | O_CREAT, 0600);
  struct pollfd f = {fd, POLLIN, 0};
  struct timespec zero = {0, 0};
  show("ppoll of an empty file", syscall(SYS_ppoll, &f, 1, &zero, NULL, 8));
  unlink("/tmp/quirk-empty");
}

PROBE(stdin_always_ready) {
  struct pollfd f = {0, POLLIN, 0};
  struct timespec zero = {0, 0};
  show("ppoll of a silent stdin", syscall(SYS_ppoll, &f, 1, &zero, NULL, 8));
}

PROBE(eventfd_semaphore_stays) {
  uint64_t v;
  int fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  for (int i = 0; i < 3; i++) show("read", read(fd, &v, 8));
}

PROBE(eventfd_blocking_fixed) {
  int fd = eventfd(0, 0), on = 1;
  show("F_SETFL O_NONBLOCK", fcntl(fd, F_SETFL, O_NONBLOCK));
  printf("O_NONBLOCK afterwards: %s\n", fcntl(fd, F_GETFL) & O_NONBLOCK ? "yes" : "no");
  show("FIONBIO", ioctl(fd, FIONBIO, &on));
  printf("O_NONBLOCK afterwards: %s\n", fcntl(fd, F_GETFL) & O_NONBLOCK ? "yes" : "no");
}

PROBE(eventfd_getfl) {
  printf("O_NONBLOCK of an EFD_NONBLOCK eventfd: %s\n", fcntl(eventfd(0, EFD_NONBLOCK), F_GETFL) & O_NONBLOCK ? "yes" : "no");
}
