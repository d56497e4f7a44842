/* Pipes and FIFOs with poll and select: capacity, atomicity, end of file, SIGPIPE, O_NONBLOCK. */
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/uio.h>

static char big[200000];

static void show(const char *what, int fd, short want) {
  struct pollfd p = {fd, want, 0};
  int r = poll(&p, 1, 0);
  printf("%s: poll %d revents %#x\n", what, r, p.revents);
}

int main(void) {
  int p[2];
  R(pipe2(p, O_NONBLOCK));
  show("empty read end", p[0], POLLIN);
  show("empty write end", p[1], POLLOUT);
  R(read(p[0], big, 10));
  R(fcntl(p[1], F_GETPIPE_SZ));
  long total = 0, n;
  while ((n = write(p[1], big, 4096)) > 0) total += n;
  printf("filled %ld errno %d\n", total, errno);
  show("full write end", p[1], POLLOUT);
  int queued;
  R(ioctl(p[0], FIONREAD, &queued));
  printf("queued %d\n", queued);
  R(read(p[0], big, 4096));
  R(write(p[1], big, 4096));
  R(write(p[1], big, 1));
  R(fcntl(p[1], F_SETPIPE_SZ, 131072));
  R(write(p[1], big, 200000));
  while ((n = read(p[0], big, sizeof big)) > 0) total -= n;
  R(close(p[1]));
  show("closed write end", p[0], POLLIN);
  R(read(p[0], big, 1));
  R(close(p[0]));
  R(pipe(p));
  close(p[0]);
  show("closed read end", p[1], POLLOUT);
  signal(SIGPIPE, SIG_IGN);
  R(write(p[1], "x", 1));
  close(p[1]);
  pid_t pid;
  signal(SIGPIPE, SIG_DFL);
  CHILD(pid, {
    int q[2];
    MUST(pipe(q) == 0);
    close(q[0]);
    if (write(q[1], "x", 1)) _exit(9);
  });
  reap(pid, "writer without reader");
  R(pipe((int *)8));
  R(pipe2(p, 0x1234));
  R(read(-1, big, 1));

  /* A megabyte through a blocking pipe, in odd pieces, both ways round. */
  MUST(pipe(p) == 0);
  CHILD(pid, {
    close(p[0]);
    for (int i = 0, left = 1000000; left > 0; i++) {
      size_t part = (size_t)(i * 7919 % 9000 + 1);
      if (part > (size_t)left) part = (size_t)left;
      for (size_t k = 0; k < part; k++) big[k] = (char)(1000000 - left + (int)k);
      ssize_t w = write(p[1], big, part);
      MUST(w > 0);
      left -= (int)w;
    }
  });
  close(p[1]);
  long got = 0, bad = 0;
  for (int i = 0; (n = read(p[0], big, (size_t)(i * 104729 % 70000 + 1))) > 0; i++) {
    for (long k = 0; k < n; k++) bad += big[k] != (char)(got + k);
    got += n;
  }
  printf("got %ld bad %ld\n", got, bad);
  reap(pid, "writer");
  close(p[0]);

  /* poll with a time limit, woken by data, by hang-up and by a signal; select likewise. */
  MUST(pipe(p) == 0);
  struct pollfd two[2] = {{p[0], POLLIN, 0}, {-1, POLLIN, 7}};
  R(poll(two, 2, 10));
  printf("revents %d %d\n", two[0].revents, two[1].revents);
  CHILD(pid, pause_ms(10); if (write(p[1], "abc", 3) != 3) _exit(1));
  R(poll(two, 2, 5000));
  printf("revents %#x\n", two[0].revents);
  reap(pid, "writer");
  two[1].fd = 999;
  R(poll(two, 2, 0));
  printf("revents %#x\n", two[1].revents);
  fd_set rd, wr;
  FD_ZERO(&rd);
  FD_ZERO(&wr);
  FD_SET(p[0], &rd);
  FD_SET(p[1], &wr);
  R(select(p[1] + 1, &rd, &wr, NULL, NULL));
  printf("readable %d writable %d\n", !!FD_ISSET(p[0], &rd), !!FD_ISSET(p[1], &wr));
  char in[8] = "";
  struct iovec iov[2] = {{in, 2}, {in + 4, 2}};
  R(readv(p[0], iov, 2));
  printf("'%s' '%s'\n", in, in + 4);
  FD_ZERO(&rd);
  FD_SET(p[0], &rd);
  struct timeval tv = {0, 5000};
  R(select(p[0] + 1, &rd, NULL, NULL, &tv));
  printf("readable %d\n", !!FD_ISSET(p[0], &rd));
  R(poll((struct pollfd *)8, 1, 0));

  enter_dir();
  R(mkfifo("fifo", 0600));
  R(open("fifo", O_WRONLY | O_NONBLOCK));
  CHILD(pid, {
    int w = open("fifo", O_WRONLY);
    MUST(write(w, "through a fifo", 14) == 14);
  });
  int f = open("fifo", O_RDONLY);
  memset(big, 0, 20);
  R(read(f, big, 20));
  printf("%s\n", big);
  reap(pid, "writer");
  R(read(f, big, 20));
  R(lseek(f, 0, SEEK_SET));
  R(pread(f, big, 1, 0));
  struct stat st;
  fstat(f, &st);
  printf("is fifo %d\n", S_ISFIFO(st.st_mode));
  unlink("fifo");
  leave_dir();

  MUST(pipe(p) == 0);
  int q[2];
  MUST(pipe(q) == 0);
  R(write(p[1], "0123456789", 10));
  R(tee(p[0], q[1], 4, 0));
  R(splice(p[0], NULL, q[1], NULL, 3, 0));
  memset(in, 0, 8);
  R(read(q[0], in, 7));
  printf("%.7s\n", in);
  R(vmsplice(q[1], &(struct iovec){"spliced", 7}, 1, 0));
  R(read(q[0], in, 7));
  printf("%.7s\n", in);
  return 0;
}
