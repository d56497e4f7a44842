/* Sockets: TCP and UDP on loopback, UNIX stream, datagram and seqpacket, descriptor passing, options, errors. */
#include "guest.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static char buf[70000];

static int listener(struct sockaddr_in *a) {
  int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  socklen_t len = sizeof *a;
  *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  MUST(bind(s, (struct sockaddr *)a, sizeof *a) == 0 && listen(s, 8) == 0);
  MUST(getsockname(s, (struct sockaddr *)a, &len) == 0);
  return s;
}
static int opt(int s, int level, int name) {
  int v = -1;
  socklen_t len = sizeof v;
  return getsockopt(s, level, name, &v, &len) == 0 ? v : -errno;
}
static void show(const char *what, int fd) {
  struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};
  poll(&p, 1, 0);
  printf("%s: revents %#x\n", what, p.revents);
}
static long send_fds(int s, int *fds, int n) {
  char control[CMSG_SPACE(4 * 8)] = {0};
  struct iovec iov = {"fd", 2};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(4 * (size_t)n)};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(4 * (size_t)n);
  memcpy(CMSG_DATA(c), fds, 4 * (size_t)n);
  return sendmsg(s, &m, 0);
}
static int receive_fds(int s, int *fds, size_t room, int flags) {
  char control[CMSG_SPACE(4 * 8)] = {0};
  struct iovec iov = {buf, 100};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
  R(recvmsg(s, &m, flags));
  printf("flags %#x\n", m.msg_flags & ~MSG_CMSG_CLOEXEC);
  int n = 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    n = (int)((c->cmsg_len - CMSG_LEN(0)) / 4);
    printf("level %d type %d fds %d\n", c->cmsg_level, c->cmsg_type, n);
    memcpy(fds, CMSG_DATA(c), 4 * (size_t)n);
  }
  return n;
}

static void tcp(void) {
  struct sockaddr_in a, peer;
  socklen_t len = sizeof peer;
  int l = listener(&a), s, c;
  show("idle listener", l);
  pid_t pid;
  CHILD(pid, {
    c = socket(AF_INET, SOCK_STREAM, 0);
    MUST(connect(c, (struct sockaddr *)&a, sizeof a) == 0);
    MUST(send(c, "hello", 5, 0) == 5);
    long total = 0;
    long n;
    while ((n = recv(c, buf, sizeof buf, 0)) > 0) {
      for (long i = 0; i < n; i++) MUST(buf[i] == (char)((total + i) % 251));
      total += n;
    }
    printf("client got %ld then %ld\n", total, n);
    MUST(send(c, "bye", 3, 0) == 3);
  });
  s = accept4(l, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
  MUST(s >= 0);
  printf("peer family %d loopback %d len %d cloexec %d\n", peer.sin_family, peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK), (int)len, fcntl(s, F_GETFD));
  R(recv(s, buf, 3, MSG_PEEK | MSG_WAITALL));
  R(recv(s, buf, 5, MSG_WAITALL));
  printf("%.5s\n", buf);
  long sent = 0;
  while (sent < 3000000) {
    long part = 3000000 - sent < 60000 ? 3000000 - sent : 60000;
    for (long i = 0; i < part; i++) buf[i] = (char)((sent + i) % 251);
    long n = send(s, buf, (size_t)part, 0);
    MUST(n > 0);
    sent += n;
  }
  R(shutdown(s, SHUT_WR));
  R(send(s, "x", 1, MSG_NOSIGNAL));
  R(recv(s, buf, 100, MSG_WAITALL));
  R(recv(s, buf, 100, 0));
  reap(pid, "client");
  close(s);

  R(opt(l, SOL_SOCKET, SO_ACCEPTCONN));
  R(opt(l, SOL_SOCKET, SO_TYPE));
  R(opt(l, SOL_SOCKET, SO_DOMAIN));
  R(opt(l, SOL_SOCKET, SO_PROTOCOL));
  R(opt(l, SOL_SOCKET, SO_ERROR));
  R(opt(l, SOL_SOCKET, SO_REUSEADDR));
  R(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &(int){1}, 4));
  R(opt(l, SOL_SOCKET, SO_REUSEADDR));
  R(setsockopt(l, IPPROTO_TCP, TCP_NODELAY, &(int){1}, 4));
  R(opt(l, IPPROTO_TCP, TCP_NODELAY));
  R(setsockopt(l, SOL_SOCKET, 9999, &(int){1}, 4));
  R(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &(int){1}, 1));
  R(opt(99, SOL_SOCKET, SO_TYPE));
  R(opt(open("/dev/null", O_RDONLY), SOL_SOCKET, SO_TYPE));

  c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  show("fresh socket", c);
  R(recv(c, buf, 1, 0));
  R(getpeername(c, (struct sockaddr *)&peer, &len));
  int r = connect(c, (struct sockaddr *)&a, sizeof a);
  OK(r == 0 || errno == EINPROGRESS);
  struct pollfd p = {c, POLLOUT, 0};
  R(poll(&p, 1, 1000));
  R(opt(c, SOL_SOCKET, SO_ERROR));
  R(connect(c, (struct sockaddr *)&a, sizeof a));
  R(recv(c, buf, 1, 0));
  s = accept(l, NULL, NULL);
  show("connected", c);
  R(send(s, "abc", 3, 0));
  p = (struct pollfd){c, POLLIN, 0};
  R(poll(&p, 1, 1000));
  int queued;
  R(ioctl(c, FIONREAD, &queued));
  printf("queued %d\n", queued);
  R(setsockopt(c, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)));
  close(c); /* sends RST */
  p = (struct pollfd){s, POLLIN, 0};
  R(poll(&p, 1, 1000));
  show("reset", s);
  R(recv(s, buf, 1, 0));
  R(recv(s, buf, 1, 0));
  R(send(s, "x", 1, MSG_NOSIGNAL));
  close(s);
  R(fcntl(l, F_SETFL, O_NONBLOCK));
  R(accept(l, NULL, NULL));
  int other = socket(AF_INET, SOCK_STREAM, 0);
  R(bind(other, (struct sockaddr *)&a, sizeof a));
  R(bind(other, (struct sockaddr *)&a, 3));
  R(accept(other, NULL, NULL));
  close(l);
  R(connect(other, (struct sockaddr *)&a, sizeof a));
  struct timeval tv = {0, 10000};
  l = listener(&a);
  R(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
  R(accept(l, NULL, NULL));
  close(l);
  R(socket(AF_INET, 77, 0));
  R(socket(77, SOCK_STREAM, 0));
  R(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
}

static void udp(void) {
  int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
  socklen_t len = sizeof to;
  MUST(bind(a, (struct sockaddr *)&to, sizeof to) == 0 && getsockname(a, (struct sockaddr *)&to, &len) == 0);
  R(sendto(b, "one", 3, 0, (struct sockaddr *)&to, sizeof to));
  R(sendto(b, "", 0, 0, (struct sockaddr *)&to, sizeof to));
  R(sendto(b, "three", 5, 0, (struct sockaddr *)&to, sizeof to));
  len = sizeof from;
  R(recvfrom(a, buf, 2, MSG_TRUNC, (struct sockaddr *)&from, &len));
  R(recv(a, buf, 100, 0));
  R(connect(a, (struct sockaddr *)&from, sizeof from));
  R(recv(a, buf, 100, 0));
  printf("%.5s\n", buf);
  R(send(a, "back", 4, 0));
  R(recv(b, buf, 100, 0));
  R(recv(b, buf, 100, MSG_DONTWAIT));
  R(send(b, "x", 1, 0));
  show("udp", b);
  struct mmsghdr mm[2] = {{.msg_hdr = {.msg_iov = &(struct iovec){"m1", 2}, .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = &(struct iovec){"mm2", 3}, .msg_iovlen = 1}}};
  R(sendmmsg(a, mm, 2, 0));
  struct mmsghdr in[4] = {0};
  char room[4][8];
  struct iovec iov[4];
  for (int i = 0; i < 4; i++) {
    iov[i] = (struct iovec){room[i], 8};
    in[i].msg_hdr.msg_iov = &iov[i];
    in[i].msg_hdr.msg_iovlen = 1;
  }
  R(recvmmsg(b, in, 4, MSG_DONTWAIT, NULL));
  printf("%u %u\n", in[0].msg_len, in[1].msg_len);
  R(sendto(a, buf, 70000, 0, NULL, 0));
  close(a);
  close(b);
}

static void un(void) {
  int s[2], fds[2], got[8];
  enter_dir();
  R(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  R(pipe(fds));
  R(send_fds(s[0], fds, 2));
  int n = receive_fds(s[1], got, CMSG_SPACE(32), MSG_CMSG_CLOEXEC);
  printf("cloexec %d\n", fcntl(got[0], F_GETFD));
  R(write(got[1], "through a passed pipe", 21));
  R(read(fds[0], buf, 100));
  R(send_fds(s[0], fds, 2));
  n = receive_fds(s[1], got, CMSG_LEN(4), 0);
  printf("%d of 2\n", n);
  R(send_fds(s[0], (int[]){999}, 1));
  close(s[0]);
  R(recv(s[1], buf, 1, 0));
  show("pair, peer gone", s[1]);
  R(send(s[1], "x", 1, MSG_NOSIGNAL));

  R(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
  R(send(s[0], "first", 5, 0));
  R(send(s[0], "second", 6, 0));
  R(recv(s[1], buf, 3, 0));
  R(recv(s[1], buf, 100, 0));
  R(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
  R(send(s[0], "first", 5, 0));
  R(send(s[0], "second", 6, 0));
  R(recv(s[1], buf, 100, 0));
  close(s[0]);
  R(recv(s[1], buf, 100, 0));
  R(recv(s[1], buf, 100, 0));

  struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "sock"}, peer;
  int l = socket(AF_UNIX, SOCK_STREAM, 0);
  int c = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(c, (struct sockaddr *)&a, sizeof a));
  R(bind(l, (struct sockaddr *)&a, sizeof a));
  struct stat st;
  R(stat("sock", &st));
  printf("is socket %d\n", S_ISSOCK(st.st_mode));
  R(connect(c, (struct sockaddr *)&a, sizeof a));
  R(listen(l, 1));
  R(connect(c, (struct sockaddr *)&a, sizeof a));
  socklen_t len = sizeof peer;
  memset(&peer, 'z', sizeof peer);
  int got_one = R(accept(l, (struct sockaddr *)&peer, &len));
  printf("peer family %d len %d\n", peer.sun_family, (int)len);
  len = sizeof peer;
  R(getpeername(c, (struct sockaddr *)&peer, &len));
  printf("'%s' len %d\n", peer.sun_path, (int)len);
  struct ucred cred;
  len = sizeof cred;
  R(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &cred, &len));
  printf("pid %d uid %d\n", cred.pid == getpid(), cred.uid == getuid());
  R(setsockopt(got_one, SOL_SOCKET, SO_PASSCRED, &(int){1}, 4));
  R(send(c, "cred", 4, 0));
  char control[100];
  struct iovec iov = {buf, 100};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  R(recvmsg(got_one, &m, 0));
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  printf("credentials %d\n", h && h->cmsg_type == SCM_CREDENTIALS);
  R(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof a));
  R(open("sock", O_RDONLY));
  unlink("sock");
  R(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof a));

  memcpy(a.sun_path, "\0guest-abstract", 15);
  l = socket(AF_UNIX, SOCK_DGRAM, 0);
  R(bind(l, (struct sockaddr *)&a, offsetof(struct sockaddr_un, sun_path) + 15));
  c = socket(AF_UNIX, SOCK_DGRAM, 0);
  R(sendto(c, "abstract", 8, 0, (struct sockaddr *)&a, offsetof(struct sockaddr_un, sun_path) + 15));
  R(recv(l, buf, 100, 0));
  R(connect(c, (struct sockaddr *)&a, offsetof(struct sockaddr_un, sun_path) + 15));
  R(send(c, "again", 5, 0));
  close(l);
  R(send(c, "gone", 4, 0));
  R(send(c, "gone", 4, 0));
  leave_dir();
}

static void v6(void) {
  int l = socket(AF_INET6, SOCK_STREAM, 0);
  struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT}, peer;
  socklen_t len = sizeof a;
  R(bind(l, (struct sockaddr *)&a, sizeof a));
  R(listen(l, 4));
  R(getsockname(l, (struct sockaddr *)&a, &len));
  int c = socket(AF_INET6, SOCK_STREAM, 0);
  a.sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
  R(connect(c, (struct sockaddr *)&a, sizeof a));
  len = sizeof peer;
  int s = R(accept(l, (struct sockaddr *)&peer, &len));
  char text[64];
  printf("%s\n", inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text));
  close(c);
  close(s);
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = a.sin6_port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  c = socket(AF_INET, SOCK_STREAM, 0);
  R(connect(c, (struct sockaddr *)&four, sizeof four));
  len = sizeof peer;
  s = R(accept(l, (struct sockaddr *)&peer, &len));
  printf("%s\n", inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text));
}

int main(int argc, char **argv) {
  const char *only = argc > 1 ? argv[1] : "";
  if (!*only || !strcmp(only, "tcp")) tcp();
  if (!*only || !strcmp(only, "udp")) udp();
  if (!*only || !strcmp(only, "unix")) un();
  if (!strcmp(only, "v6")) v6();
  return 0;
}
