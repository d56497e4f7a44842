static struct sockaddr_in local(int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  return a;
}
/* A listening TCP socket on a free port. */
static int listener(struct sockaddr_in *a) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t n = sizeof *a;
  *a = local(0);
  bind(fd, (void *)a, n);
  listen(fd, 5);
  getsockname(fd, (void *)a, &n);
  return fd;
}
static void connected(int s[2]) {
  struct sockaddr_in a;
  int l = listener(&a);
  s[0] = socket(AF_INET, SOCK_STREAM, 0);
  connect(s[0], (void *)&a, sizeof a);
  s[1] = accept4(l, NULL, NULL, 0);
  close(l);
}

PROBE(inet6_missing) { works("socket(AF_INET6)", socket(AF_INET6, SOCK_STREAM, 0)); }

PROBE(unix_is_inet) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_storage s;
  socklen_t n = sizeof s;
  getsockname(fd, (void *)&s, &n);
  printf("the family of an AF_UNIX socket: %s\n", s.ss_family == AF_UNIX ? "AF_UNIX" : s.ss_family == AF_INET ? "AF_INET" : "?");
}

PROBE(socketpair_one_way) {
  int s[2];
  char b;
  show("socketpair", syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s));
  show("second end to first", write(s[1], "x", 1) == 1 ? read(s[0], &b, 1) : -1);
  show("first end to second", write(s[0], "x", 1));
}

PROBE(sendmsg_first_piece) {
  int s[2];
  connected(s);
  struct iovec v[2] = {{"ab", 2}, {"cd", 2}};
  struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
  show("sendmsg of two pieces", syscall(SYS_sendmsg, s[0], &m, 0));
}

PROBE(message_flags_ignored) {
  int s[2];
  char b[8];
  connected(s);
  write(s[0], "hello", 5);
  show("MSG_PEEK", recv(s[1], b, 8, MSG_PEEK));
  fcntl(s[1], F_SETFL, O_NONBLOCK);
  show("what is left", recv(s[1], b, 8, 0));
}

PROBE(accept_stale_flags) {
  struct sockaddr_in a;
  int l = listener(&a), c = socket(AF_INET, SOCK_STREAM, 0);
  connect(c, (void *)&a, sizeof a);
  int fd = syscall(SYS_accept, l, NULL, NULL, O_NONBLOCK);
  printf("an accepted socket is non-blocking: %s\n", fcntl(fd, F_GETFL) & O_NONBLOCK ? "yes" : "no");
}

PROBE(so_error_zero) {
  struct sockaddr_in a;
  int e = -1;
  socklen_t n = sizeof e;
  close(listener(&a));
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  connect(fd, (void *)&a, sizeof a);
  struct pollfd p = {fd, POLLOUT, 0};
  struct timespec t = {1, 0};
  ppoll(&p, 1, &t, NULL);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n);
  printf("SO_ERROR of a connection that was refused: %s\n", e == 0 ? "0" : strerrorname_np(e));
}

PROBE(so_type_panic) {
  int e = 0;
  socklen_t n = sizeof e;
  getsockopt(socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_TYPE, &e, &n);
  printf("SO_TYPE: %d\n", e);
}

PROBE(keepalive_sets_rcvbuf) {
  int on = 1, size = 0, fd = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t n = sizeof size;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &n);
  printf("the receive buffer has more than a byte: %s\n", size > 100 ? "yes" : "no");
}

PROBE(shutdown_resets) {
  int s[2];
  char b;
  show("shutdown without a connection", shutdown(socket(AF_INET, SOCK_STREAM, 0), SHUT_RDWR));
  connected(s);
  shutdown(s[0], SHUT_RDWR);
  show("the peer reads", read(s[1], &b, 1));
}

PROBE(bind_compares_addresses) {
  struct sockaddr_in a = local(0);
  socklen_t n = sizeof a;
  bind(socket(AF_INET, SOCK_DGRAM, 0), (void *)&a, n);
  show("bind to another port of the address", bind(socket(AF_INET, SOCK_DGRAM, 0), (void *)&a, n));
}

PROBE(udp_first_socket) {
  struct sockaddr_in a = local(0);
  socklen_t n = sizeof a;
  int on = 1, first = socket(AF_INET, SOCK_DGRAM, 0), second = socket(AF_INET, SOCK_DGRAM, 0);
  char b;
  setsockopt(first, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(second, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bind(first, (void *)&a, n);
  getsockname(first, (void *)&a, &n);
  bind(second, (void *)&a, n);
  sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (void *)&a, n);
  show("the first socket has it", recv(first, &b, 1, MSG_DONTWAIT));
  show("the second socket has it", recv(second, &b, 1, MSG_DONTWAIT));
}

PROBE(bind_failure_eperm) {
  struct sockaddr_in a;
  listener(&a);
  show("bind to a port in use", bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, sizeof a));
}

PROBE(connect_failure_refused) {
  struct sockaddr_in a = local(80);
  a.sin_family = 77;
  show("connect to family 77", connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, sizeof a));
}

PROBE(reuseport_second_fails) {
  struct sockaddr_in a = local(0);
  socklen_t n = sizeof a;
  int on = 1, first = socket(AF_INET, SOCK_STREAM, 0), second = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(first, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  setsockopt(second, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  bind(first, (void *)&a, n);
  listen(first, 5);
  getsockname(first, (void *)&a, &n);
  bind(second, (void *)&a, n);
  show("a second socket listens", listen(second, 5));
}

PROBE(listener_has_peer) {
  struct sockaddr_in a;
  int l = listener(&a);
  socklen_t n = sizeof a;
  show("getpeername of a listener", getpeername(l, (void *)&a, &n));
}

PROBE(reset_reads_eperm) {
  int s[2];
  char b;
  struct linger now = {1, 0};
  connected(s);
  setsockopt(s[0], SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(s[0]);
  show("read after a reset", read(s[1], &b, 1));
}
