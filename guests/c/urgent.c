/* TCP's urgent byte: beside the stream and in it, the mark, the signal; and reads of the error queue, which never wait. */
#include "guest.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int signals, one = 1;
static void urgent(int signo) { signals++; }

static void look(int s) {
  int mark = -1, queued = -1;
  struct pollfd p = {s, POLLIN | POLLPRI, 0};
  poll(&p, 1, 0);
  ioctl(s, SIOCATMARK, &mark);
  ioctl(s, FIONREAD, &queued);
  printf("poll %x mark %d queued %d signals %d\n", p.revents, mark, queued, signals);
}

static void take(int s, int size, int flags) {
  char b[64] = {0};
  ssize_t n = recv(s, b, size, flags | MSG_DONTWAIT);
  if (n < 0) printf("recv(%d, %#x): errno %d\n", size, flags, errno);
  else printf("recv(%d, %#x): %.*s\n", size, flags, (int)n, b);
}

int main(void) {
  int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof a;
  MUST(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 1) == 0);
  MUST(getsockname(l, (void *)&a, &size) == 0 && connect(c, (void *)&a, sizeof a) == 0);
  int s = accept(l, 0, 0);
  signal(SIGURG, urgent);
  R(fcntl(s, F_SETOWN, getpid()));

  look(s);
  R(send(c, "abcD", 4, MSG_OOB));
  pause_ms(5), look(s);
  take(s, 64, MSG_PEEK), take(s, 2, 0), look(s), take(s, 64, 0), look(s);
  take(s, 1, MSG_OOB | MSG_PEEK), take(s, 1, MSG_OOB), take(s, 1, MSG_OOB), look(s);
  take(s, 64, 0), look(s);

  R(send(c, "E", 1, MSG_OOB));
  R(send(c, "fg", 2, 0));
  pause_ms(5), look(s);
  take(s, 64, MSG_PEEK), take(s, 64, 0), look(s), take(s, 64, MSG_OOB);

  R(send(c, "H", 1, MSG_OOB));
  R(send(c, "iJ", 2, MSG_OOB)); /* the first is lost */
  R(send(c, "k", 1, 0));
  pause_ms(5), look(s);
  take(s, 64, 0), take(s, 1, MSG_OOB), take(s, 64, 0), look(s);

  R(setsockopt(s, SOL_SOCKET, SO_OOBINLINE, &one, 4));
  R(send(c, "lM", 2, MSG_OOB));
  R(send(c, "n", 1, 0));
  pause_ms(5), look(s);
  take(s, 1, MSG_OOB), take(s, 64, 0), look(s), take(s, 64, 0), look(s);

  char b[8];
  R(recv(s, b, 8, MSG_ERRQUEUE));
  int u = socket(AF_INET, SOCK_DGRAM, 0);
  R(recv(u, b, 8, MSG_ERRQUEUE));
  return 0;
}
