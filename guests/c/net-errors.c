// Errors and corners of the network: the error queue, fast open, datagrams put together or cut up, and what /proc/net
// says of one's own sockets.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef UDP_CORK
#define UDP_CORK 1
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef TCP_FASTOPEN_KEY
#define TCP_FASTOPEN_KEY 33
#endif
#ifndef TCP_INQ
#define TCP_INQ 36
#endif

static const char *word(long r) {
  if (r >= 0) return "";
  switch (errno) {
    case EAGAIN: return " EAGAIN";
    case ECONNREFUSED: return " ECONNREFUSED";
    case EINPROGRESS: return " EINPROGRESS";
    case EINVAL: return " EINVAL";
    case EISCONN: return " EISCONN";
    case EMSGSIZE: return " EMSGSIZE";
    case ENODEV: return " ENODEV";
    case EDESTADDRREQ: return " EDESTADDRREQ";
    default: return strerror(errno);
  }
}
#define SHOW(x)                                \
  do {                                         \
    errno = 0;                                 \
    long r_ = (long)(x);                       \
    printf("%s = %ld%s\n", #x, r_, word(r_)); \
  } while (0)

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

/** A port nothing has. */
static int free_port(int type) {
  int s = socket(AF_INET, type, 0);
  struct sockaddr_in a = loopback(0);
  socklen_t length = sizeof a;
  bind(s, (void *)&a, sizeof a);
  getsockname(s, (void *)&a, &length);
  close(s);
  return ntohs(a.sin_port);
}

static int ready(int fd) {
  struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
  poll(&p, 1, 0);
  return p.revents;
}

static void error_queue(int s, int flags) {
  char data[64], control[512];
  struct sockaddr_in6 from;
  struct iovec iov = {data, sizeof data};
  struct msghdr m = {&from, sizeof from, &iov, 1, control, sizeof control, 0};
  memset(&from, 0, sizeof from);
  errno = 0;
  int n = recvmsg(s, &m, MSG_ERRQUEUE | flags);
  printf("error queue: %d%s", n, word(n));
  if (n >= 0) {
    printf(" flags %x name %u/%u '%.*s'", m.msg_flags, m.msg_namelen, from.sin6_family, n, data);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
      struct sock_extended_err *e = (void *)CMSG_DATA(c);
      struct sockaddr *by = SO_EE_OFFENDER(e);
      printf(" [%d %d %zu: %d origin %d type %d code %d info %u by %d]", c->cmsg_level, c->cmsg_type,
             (size_t)c->cmsg_len, e->ee_errno, e->ee_origin, e->ee_type, e->ee_code, e->ee_info, by->sa_family);
    }
  }
  printf("\n");
}

static int pending(int s) {
  int e = -1;
  socklen_t length = sizeof e;
  getsockopt(s, SOL_SOCKET, SO_ERROR, &e, &length);
  return e;
}

static void errors(void) {
  int one = 1, port = free_port(SOCK_DGRAM);
  char b[16];
  static char big[70000];
  struct sockaddr_in a = loopback(port);
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  SHOW(setsockopt(s, IPPROTO_IP, IP_RECVERR, &one, sizeof one));
  error_queue(s, MSG_DONTWAIT);
  SHOW(sendto(s, "hello", 5, 0, (void *)&a, sizeof a));
  printf("ready %x\n", ready(s));
  SHOW(recv(s, b, 10, MSG_DONTWAIT));
  SHOW(recv(s, b, 10, MSG_DONTWAIT));
  printf("ready %x\n", ready(s));
  error_queue(s, 0);
  printf("ready %x\n", ready(s));
  SHOW(sendto(s, "one", 3, 0, (void *)&a, sizeof a));
  SHOW(sendto(s, "two", 3, 0, (void *)&a, sizeof a));
  SHOW(sendto(s, "two", 3, 0, (void *)&a, sizeof a));
  error_queue(s, MSG_PEEK);
  printf("pending %d\n", pending(s) == ECONNREFUSED);
  error_queue(s, 0);
  printf("pending %d\n", pending(s));
  error_queue(s, 0);
  SHOW(sendto(s, big, 65507, 0, (void *)&a, sizeof a));
  SHOW(sendto(s, big, 65508, 0, (void *)&a, sizeof a));
  error_queue(s, MSG_DONTWAIT);
  error_queue(s, MSG_DONTWAIT);
  SHOW(sendto(s, "gone", 4, 0, (void *)&a, sizeof a));
  one = 0;
  SHOW(setsockopt(s, IPPROTO_IP, IP_RECVERR, &one, sizeof one));
  error_queue(s, MSG_DONTWAIT);
  close(s);

  struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  s = socket(AF_INET6, SOCK_DGRAM, 0);
  one = 1;
  SHOW(setsockopt(s, IPPROTO_IP, IP_RECVERR, &one, sizeof one));
  inet_pton(AF_INET6, "::ffff:127.0.0.1", &a6.sin6_addr);
  SHOW(sendto(s, "mapped", 6, 0, (void *)&a6, sizeof a6));
  error_queue(s, MSG_DONTWAIT);
  close(s);
}

static int listener(struct sockaddr_in *a) {
  int s = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t length = sizeof *a;
  *a = loopback(0);
  bind(s, (void *)a, sizeof *a);
  getsockname(s, (void *)a, &length);
  listen(s, 5);
  return s;
}

static void fast_open(void) {
  struct sockaddr_in a, dead = loopback(1);
  char b[20] = "", key[16];
  int s = listener(&a), v = 5, d;
  SHOW(setsockopt(s, IPPROTO_TCP, TCP_FASTOPEN, &v, sizeof v));
  int c = socket(AF_INET, SOCK_STREAM, 0);
  SHOW(sendto(c, "hello", 5, MSG_FASTOPEN, (void *)&a, sizeof a));
  d = accept(s, 0, 0);
  SHOW(read(d, b, 20));
  puts(b);
  SHOW(sendto(c, "again", 5, MSG_FASTOPEN, (void *)&a, sizeof a));
  SHOW(sendto(c, "again", 5, MSG_FASTOPEN, 0, 0));
  v = 1;
  SHOW(setsockopt(d, IPPROTO_TCP, TCP_INQ, &v, sizeof v));
  SHOW(write(c, "12345", 5));
  char control[64];
  struct iovec iov = {b, 2};
  struct msghdr m = {0, 0, &iov, 1, control, sizeof control, 0};
  struct pollfd p = {d, POLLIN, 0};
  poll(&p, 1, 1000);
  SHOW(recvmsg(d, &m, 0));
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
    printf("[%d %d] %d\n", h->cmsg_level, h->cmsg_type, *(int *)CMSG_DATA(h));
  close(c), close(d);
  c = socket(AF_INET, SOCK_STREAM, 0);
  SHOW(sendto(c, "x", 1, MSG_FASTOPEN, 0, 0));
  close(c);
  c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  SHOW(sendto(c, "nb", 2, MSG_FASTOPEN, (void *)&a, sizeof a));
  close(c);
  c = socket(AF_INET, SOCK_STREAM, 0);
  SHOW(sendto(c, "x", 1, MSG_FASTOPEN, (void *)&dead, sizeof dead));
  memset(key, 1, sizeof key);
  SHOW(setsockopt(s, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 7));
  close(c), close(s);
}

static void datagrams(void) {
  struct sockaddr_in a = loopback(0);
  socklen_t length = sizeof a;
  int s = socket(AF_INET, SOCK_DGRAM, 0), v = 4;
  char b[20];
  bind(s, (void *)&a, sizeof a);
  getsockname(s, (void *)&a, &length);
  SHOW(setsockopt(s, IPPROTO_UDP, UDP_SEGMENT, &v, sizeof v));
  SHOW(sendto(s, "aaaabbbbcc", 10, 0, (void *)&a, sizeof a));
  for (int i = 0; i < 4; i++) SHOW(recv(s, b, 20, MSG_DONTWAIT));
  v = 0;
  setsockopt(s, IPPROTO_UDP, UDP_SEGMENT, &v, sizeof v);
  v = 1;
  SHOW(setsockopt(s, IPPROTO_UDP, UDP_CORK, &v, sizeof v));
  SHOW(send(s, "aa", 2, 0));
  SHOW(sendto(s, "aa", 2, 0, (void *)&a, sizeof a));
  SHOW(recv(s, b, 20, MSG_DONTWAIT));
  SHOW(send(s, "bb", 2, 0));
  v = 0;
  SHOW(setsockopt(s, IPPROTO_UDP, UDP_CORK, &v, sizeof v));
  SHOW(recv(s, b, 20, MSG_DONTWAIT));
  SHOW(sendto(s, "aa", 2, MSG_MORE, (void *)&a, sizeof a));
  SHOW(sendto(s, "cc", 2, 0, (void *)&a, sizeof a));
  SHOW(recv(s, b, 20, MSG_DONTWAIT));
  close(s);
}

static void devices(void) {
  int s = socket(AF_INET, SOCK_STREAM, 0), v = -3;
  char name[IFNAMSIZ] = "";
  socklen_t length = sizeof name;
  SHOW(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "nope", 5));
  SHOW(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
  SHOW(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, name, &length));
  printf("'%s' %u\n", name, length);
  length = 4;
  SHOW(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, name, &length));
  SHOW(setsockopt(s, SOL_SOCKET, SO_BINDTOIFINDEX, &v, sizeof v));
  SHOW(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
  length = sizeof name;
  SHOW(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, name, &length));
  printf("%u\n", length);
  close(s);
}

/** The lines of a table that are about one of these sockets, without what differs from run to run. */
static void table(const char *name, const int *fds, int count) {
  char path[32], line[512];
  snprintf(path, sizeof path, "/proc/net/%s", name);
  FILE *f = fopen(path, "r");
  if (!f) {
    printf("%s: none\n", path);
    return;
  }
  printf("%s", fgets(line, sizeof line, f) ? line : "\n");
  for (int i = 0; i < count; i++) {
    struct stat st;
    fstat(fds[i], &st);
    rewind(f);
    fgets(line, sizeof line, f);
    while (fgets(line, sizeof line, f)) {
      unsigned lip, lport, rip, rport, state, tx, rx, flags, type;
      unsigned long ino;
      char at[64] = "";
      if (strcmp(name, "unix") == 0) {
        if (sscanf(line, "%*s %*x %*x %x %x %x %lu %60s", &flags, &type, &state, &ino, at) < 4) continue;
        if (ino == st.st_ino) printf("%d: flags %x type %x state %x %s\n", i, flags, type, state, at);
      } else {
        if (sscanf(line, "%*d: %x:%x %x:%x %x %x:%x %*s %*s %*d %*d %lu", &lip, &lport, &rip, &rport, &state, &tx,
                   &rx, &ino) < 8)
          continue;
        if (ino == st.st_ino)
          printf("%d: %08x:%d %08x:%d state %x queues %x %d\n", i, lip, lport != 0, rip, rport != 0, state, tx, rx != 0);
      }
    }
  }
  fclose(f);
}

static void tables(void) {
  struct sockaddr_in a, u = loopback(0);
  struct sockaddr_un n = {.sun_family = AF_UNIX};
  socklen_t length = sizeof u;
  struct pollfd p;
  int fds[6], pair[2];
  fds[0] = listener(&a);
  fds[1] = socket(AF_INET, SOCK_STREAM, 0);
  connect(fds[1], (void *)&a, sizeof a);
  fds[2] = accept(fds[0], 0, 0);
  write(fds[1], "abc", 3);
  fds[3] = socket(AF_INET, SOCK_STREAM, 0);
  connect(fds[3], (void *)&a, sizeof a);
  p = (struct pollfd){fds[0], POLLIN, 0};
  poll(&p, 1, 1000);
  p.fd = fds[2];
  poll(&p, 1, 1000);
  table("tcp", fds, 4);
  for (int i = 0; i < 4; i++) close(fds[i]);
  fds[0] = socket(AF_INET, SOCK_DGRAM, 0);
  bind(fds[0], (void *)&u, sizeof u);
  getsockname(fds[0], (void *)&u, &length);
  fds[1] = socket(AF_INET, SOCK_DGRAM, 0);
  connect(fds[1], (void *)&u, sizeof u);
  write(fds[1], "x", 1);
  table("udp", fds, 2);
  close(fds[0]), close(fds[1]);
  fds[0] = socket(AF_UNIX, SOCK_STREAM, 0);
  snprintf(n.sun_path + 1, sizeof n.sun_path - 1, "ring3-net-errors");
  length = sizeof(sa_family_t) + 1 + strlen(n.sun_path + 1);
  bind(fds[0], (void *)&n, length);
  listen(fds[0], 1);
  socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
  fds[1] = pair[0];
  fds[2] = socket(AF_UNIX, SOCK_DGRAM, 0);
  table("unix", fds, 3);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, 0, _IOLBF, 0);
  errors();
  fast_open();
  datagrams();
  devices();
  tables();
  return 0;
}
