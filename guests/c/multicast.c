/* Multicast on loopback: memberships, the interface a sender chose, IP_MULTICAST_LOOP and IP_MULTICAST_ALL. */
#include "guest.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#ifndef IP_MULTICAST_ALL
#define IP_MULTICAST_ALL 49
#endif

static int one = 1, zero = 0;

static struct sockaddr_in inet(const char *ip, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, ip, &a.sin_addr);
  return a;
}

static int bound(struct sockaddr_in to) {
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, 4);
  MUST(bind(s, (void *)&to, sizeof to) == 0);
  return s;
}

static void got(int s, const char *who) {
  char b[100];
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  ssize_t n = recvfrom(s, b, sizeof b, MSG_DONTWAIT, (void *)&from, &size);
  if (n < 0) printf("%s: errno %d\n", who, errno);
  else printf("%s: %.*s from %s\n", who, (int)n, b, inet_ntoa(from.sin_addr));
}

int main(void) {
  struct sockaddr_in any = inet("0.0.0.0", 5555), group = inet("239.1.2.3", 5555);
  int a = bound(any), b = bound(group), c = bound(any), s = socket(AF_INET, SOCK_DGRAM, 0);
  struct ip_mreq m = {group.sin_addr, {htonl(INADDR_LOOPBACK)}};
  R(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
  R(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
  R(setsockopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
  struct in_addr lo = {htonl(INADDR_LOOPBACK)}, told;
  socklen_t size = sizeof told;
  R(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof lo));
  R(getsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &told, &size));
  printf("sends from %s\n", inet_ntoa(told));

  R(sendto(s, "one", 3, 0, (void *)&group, sizeof group));
  got(a, "member"), got(b, "bound to the group"), got(c, "no member"), got(a, "member again");
  R(setsockopt(s, IPPROTO_IP, IP_MULTICAST_LOOP, &zero, 4)); /* lo loops all the same */
  R(sendto(s, "two", 3, 0, (void *)&group, sizeof group));
  got(a, "member"), got(b, "bound to the group"), got(c, "no member");
  R(setsockopt(c, IPPROTO_IP, IP_MULTICAST_ALL, &zero, 4));
  R(sendto(s, "three", 5, 0, (void *)&group, sizeof group));
  got(a, "member"), got(b, "bound to the group"), got(c, "no member");

  R(setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m));
  R(setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m));
  R(sendto(s, "four", 4, 0, (void *)&group, sizeof group));
  got(a, "no longer a member"), got(b, "bound to the group");
  close(b);
  R(sendto(s, "five", 4, 0, (void *)&group, sizeof group));
  got(a, "nobody is a member");

  R(connect(s, (void *)&group, sizeof group));
  struct sockaddr_in me;
  size = sizeof me;
  getsockname(s, (void *)&me, &size);
  printf("connected from %s\n", inet_ntoa(me.sin_addr));
  struct ip_mreqn byIndex = {group.sin_addr, {0}, if_nametoindex("lo")};
  R(setsockopt(c, IPPROTO_IP, IP_ADD_MEMBERSHIP, &byIndex, sizeof byIndex));
  R(send(s, "six", 3, 0));
  got(c, "member by index");

  m.imr_multiaddr.s_addr = htonl(0x0a000001);
  R(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
  R(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, 4));
  byIndex.imr_ifindex = 4711;
  R(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &byIndex, sizeof byIndex));
  struct {
    uint32_t interface;
    struct sockaddr_storage group;
  } request = {1};
  memcpy(&request.group, &group, sizeof group);
  R(setsockopt(a, IPPROTO_IP, 42 /* MCAST_JOIN_GROUP */, &request, sizeof request));
  R(send(s, "seven", 5, 0));
  got(a, "member by MCAST_JOIN_GROUP");
  for (int i = 0; i < 18; i++) {
    m.imr_multiaddr.s_addr = htonl(0xe8000000 + i);
    setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m);
  }
  m.imr_multiaddr.s_addr = htonl(0xe9000000);
  R(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
  m.imr_multiaddr.s_addr = htonl(0xea000000);
  R(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));

  int v6 = socket(AF_INET6, SOCK_DGRAM, 0);
  struct ipv6_mreq m6 = {.ipv6mr_interface = 1};
  inet_pton(AF_INET6, "ff02::1234", &m6.ipv6mr_multiaddr);
  R(setsockopt(v6, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m6, sizeof m6));
  R(setsockopt(v6, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m6, sizeof m6));
  R(setsockopt(v6, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m6, sizeof m6));
  R(setsockopt(v6, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m6, sizeof m6));
  m6.ipv6mr_interface = 4711;
  R(setsockopt(v6, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m6, sizeof m6));
  int none = 4711;
  R(setsockopt(v6, IPPROTO_IPV6, IPV6_MULTICAST_IF, &none, 4));
  return 0;
}
