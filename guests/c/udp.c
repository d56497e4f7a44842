/* What UDP and UDP-Lite say in ancillary data, and refuse there. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "guest.h"

#ifndef SOL_UDPLITE
#define SOL_UDPLITE 136
#endif

static void show(const char *what, long r) {
  if (r < 0) printf("%s: %s\n", what, strerrorname_np(errno));
  else printf("%s: %ld\n", what, r);
}

static int on(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value);
}

static int udp(int family, int protocol, struct sockaddr_storage *at) {
  int fd = socket(family, SOCK_DGRAM, protocol);
  socklen_t len = sizeof *at;
  memset(at, 0, sizeof *at);
  at->ss_family = family;
  if (family == AF_INET) ((struct sockaddr_in *)at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  else ((struct sockaddr_in6 *)at)->sin6_addr = in6addr_loopback;
  if (bind(fd, (struct sockaddr *)at, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)))
    show("bind", -1);
  getsockname(fd, (struct sockaddr *)at, &len);
  return fd;
}

static void receive(int fd, size_t room) {
  char data[64], control[256];
  struct iovec v = {data, sizeof data};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
  long n = recvmsg(fd, &m, MSG_DONTWAIT);
  if (n < 0) {
    show("  recvmsg", n);
    return;
  }
  printf("  %.*s flags %#x control %zu\n", (int)n, data, m.msg_flags, m.msg_controllen);
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    printf("    level %d type %d:", c->cmsg_level, c->cmsg_type);
    for (size_t i = 0; i < c->cmsg_len - CMSG_LEN(0); i++) printf(" %02x", CMSG_DATA(c)[i]);
    printf("\n");
  }
}

/* Sends with one or two control messages of an int each, or of `size` bytes. */
static void send_with(int fd, const char *text, struct sockaddr_storage *to, int level, int type, int value, int size,
                      int type2, int value2) {
  char control[64] = {0};
  struct iovec v = {(char *)text, strlen(text)};
  struct msghdr m = {.msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
                     .msg_controllen = CMSG_SPACE(size) + (type2 ? CMSG_SPACE(4) : 0)};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(c), &value, size < 4 ? size : 4);
  if (type2) {
    c = CMSG_NXTHDR(&m, c);
    c->cmsg_level = level;
    c->cmsg_type = type2;
    c->cmsg_len = CMSG_LEN(4);
    memcpy(CMSG_DATA(c), &value2, 4);
  }
  show(text, sendmsg(fd, &m, 0));
}

static void headers(void) {
  struct sockaddr_storage a, b;
  int r = udp(AF_INET, 0, &a), s = udp(AF_INET, 0, &b);
  on(r, IPPROTO_IP, IP_RECVTTL, 1);
  on(r, IPPROTO_IP, IP_RECVTOS, 1);
  on(r, IPPROTO_IP, IP_PKTINFO, 1);
  show("plain", sendto(s, "plain", 5, 0, (struct sockaddr *)&a, sizeof a));
  receive(r, 256);
  on(s, IPPROTO_IP, IP_TTL, 7);
  on(s, IPPROTO_IP, IP_TOS, 0x10);
  show("options", sendto(s, "options", 7, 0, (struct sockaddr *)&a, sizeof a));
  receive(r, 256);
  send_with(s, "both", &a, IPPROTO_IP, IP_TTL, 9, 4, IP_TOS, 0x28);
  receive(r, 256);
  receive(r, 256);
  send_with(s, "tos byte", &a, IPPROTO_IP, IP_TOS, 0x20, 1, 0, 0);
  receive(r, CMSG_SPACE(12) + CMSG_SPACE(4));
  send_with(s, "ttl 0", &a, IPPROTO_IP, IP_TTL, 0, 4, 0, 0);
  send_with(s, "ttl 256", &a, IPPROTO_IP, IP_TTL, 256, 4, 0, 0);
  send_with(s, "ttl byte", &a, IPPROTO_IP, IP_TTL, 1, 1, 0, 0);
  send_with(s, "unknown", &a, IPPROTO_IP, 200, 1, 4, 0, 0);
  send_with(s, "other level", &a, IPPROTO_IPV6, IPV6_HOPLIMIT, 3, 4, 0, 0);
  receive(r, 256);
  close(r);
  close(s);

  r = udp(AF_INET6, 0, &a), s = udp(AF_INET6, 0, &b);
  on(r, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
  on(r, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
  on(r, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  show("plain", sendto(s, "plain", 5, 0, (struct sockaddr *)&a, sizeof a));
  receive(r, 256);
  on(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 5);
  on(s, IPPROTO_IPV6, IPV6_TCLASS, 0x11);
  show("options", sendto(s, "options", 7, 0, (struct sockaddr *)&a, sizeof a));
  receive(r, 256);
  send_with(s, "both", &a, IPPROTO_IPV6, IPV6_TCLASS, 0x22, 4, IPV6_HOPLIMIT, 3);
  receive(r, 256);
  send_with(s, "default", &a, IPPROTO_IPV6, IPV6_TCLASS, -1, 4, IPV6_HOPLIMIT, -1);
  receive(r, CMSG_SPACE(20) + CMSG_SPACE(4) + 1);
  send_with(s, "class 256", &a, IPPROTO_IPV6, IPV6_TCLASS, 256, 4, 0, 0);
  send_with(s, "hops -2", &a, IPPROTO_IPV6, IPV6_HOPLIMIT, -2, 4, 0, 0);
  send_with(s, "hops byte", &a, IPPROTO_IPV6, IPV6_HOPLIMIT, 2, 1, 0, 0);
  send_with(s, "unknown", &a, IPPROTO_IPV6, 200, 2, 4, 0, 0);
  send_with(s, "other level", &a, IPPROTO_IP, IP_TTL, 2, 4, 0, 0);
  receive(r, 256);
  close(r);
  close(s);
}

static void coverage(void) {
  struct sockaddr_storage a, b;
  int r = udp(AF_INET, IPPROTO_UDPLITE, &a), s = udp(AF_INET, IPPROTO_UDPLITE, &b), v;
  socklen_t len = sizeof v;
  show("protocol", getsockopt(r, SOL_SOCKET, SO_PROTOCOL, &v, &len));
  printf("  %d\n", v);
  int same = socket(AF_INET, SOCK_DGRAM, 0);
  show("the same port in UDP", bind(same, (struct sockaddr *)&a, sizeof(struct sockaddr_in)));
  show("send", sendto(s, "whole", 5, 0, (struct sockaddr *)&a, sizeof a));
  receive(r, 0);
  receive(same, 0);
  for (int i = 0; i < 2; i++)
    for (int want = -1; want <= 70000; want = want < 0 ? 0 : want ? want * 17 : 4) {
      int name = 10 + i;
      show("set", setsockopt(same, SOL_UDPLITE, name, &want, sizeof want));
      show("set", setsockopt(s, SOL_UDPLITE, name, &want, sizeof want));
      getsockopt(s, SOL_UDPLITE, name, &v, &len);
      printf("  %d: %d\n", want, v);
    }
  on(s, SOL_UDPLITE, 10, 12);
  show("partial to any", sendto(s, "partial to any", 14, 0, (struct sockaddr *)&a, sizeof a));
  receive(r, 0);
  for (int least = 0; least <= 13; least = least ? least + 1 : 11) {
    on(r, SOL_UDPLITE, 11, least);
    printf("at least %d\n", least);
    show("partial", sendto(s, "partial", 7, 0, (struct sockaddr *)&a, sizeof a));
    receive(r, 0);
    show("four", sendto(s, "four", 4, 0, (struct sockaddr *)&a, sizeof a));
    receive(r, 0);
  }
  connect(s, (struct sockaddr *)&a, sizeof a);
  close(r);
  show("nobody there", send(s, "x", 1, 0));
  show("nobody there", send(s, "x", 1, 0));
  close(s);
  close(same);
}

int main(void) {
  headers();
  coverage();
  return 0;
}
