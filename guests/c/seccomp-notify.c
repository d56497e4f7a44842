/* seccomp user notification: a supervisor answers its child's calls. */
#include "guest.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND 2
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV 32
#endif
#define RETURN(x) BPF_STMT(BPF_RET | BPF_K, (x))
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ON(nr, what) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), RETURN(what)

static struct sock_filter some[] = {LOAD(nr), ON(SYS_getppid, SECCOMP_RET_USER_NOTIF), ON(SYS_getsid, SECCOMP_RET_USER_NOTIF),
                                    ON(SYS_openat, SECCOMP_RET_USER_NOTIF), ON(SYS_nanosleep, SECCOMP_RET_USER_NOTIF),
                                    ON(SYS_getuid, SECCOMP_RET_USER_NOTIF), RETURN(SECCOMP_RET_ALLOW)};

static long install(unsigned flags) {
  struct sock_fprog p = {sizeof some / sizeof *some, some};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p);
}

static int pass(int sock, int fd) {
  char c = 0, control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec v = {&c, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (fd >= 0) {
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    *h = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    return sendmsg(sock, &m, 0);
  }
  if (recvmsg(sock, &m, 0) < 1) return -1;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
  return fd;
}

static volatile int signals;
static void handler(int sig) { signals++; }

/* Starts a child with the filter; its listener. */
static int supervise(pid_t *pid, unsigned flags, void (*body)(void)) {
  int s[2];
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
  fflush(stdout);
  *pid = fork();
  if (*pid == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int fd = install(SECCOMP_FILTER_FLAG_NEW_LISTENER | flags);
    MUST(fd >= 0);
    MUST(pass(s[1], fd) == 1);
    close(fd);
    close(s[0]);
    close(s[1]);
    body();
    fflush(stdout);
    _exit(0);
  }
  int fd = pass(s[0], -1);
  close(s[0]);
  close(s[1]);
  return fd;
}

static struct seccomp_notif n;
static int receive(int fd) {
  memset(&n, 0, sizeof n);
  return ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n);
}
static int answer(int fd, long value, int error, unsigned flags) {
  struct seccomp_notif_resp r = {n.id, value, error, flags};
  return ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r);
}
static short ready(int fd) {
  struct pollfd p = {fd, POLLIN | POLLOUT};
  poll(&p, 1, 0);
  return p.revents;
}

static void calls(void) {
  printf("value %ld\n", syscall(SYS_getppid));
  long r = syscall(SYS_getsid, 77);
  printf("error %ld %d\n", r, errno);
  OK(syscall(SYS_getuid) == 12345678901l);
  OK(syscall(SYS_getsid, 0) >= 0);
  int fd = open("/nonexistent/file", O_RDONLY);
  char b[8] = "";
  printf("given %d, reads %zd", fd, read(fd, b, 4));
  printf(" %s\n", b);
  fd = open("/nonexistent/other", O_RDONLY);
  printf("given %d\n", fd);
}

static void sleeps(void) {
  signal(SIGUSR1, handler);
  struct timespec t = {0, 1000000};
  errno = 0;
  long r = syscall(SYS_nanosleep, &t, NULL);
  printf("slept %ld %d, signals %d\n", r, r < 0 ? errno : 0, signals);
}

static void unanswered(void) {
  errno = 0;
  long r = syscall(SYS_getppid);
  printf("nobody answers: %ld %d\n", r, errno);
  r = syscall(SYS_getppid);
  printf("nor later: %ld %d\n", r, errno);
}

static void hangs(void) { syscall(SYS_getppid); }

int main(void) {
  pid_t p;
  CHILD(p, {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    R(install(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC));
    R(install(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV));
    R(install(64));
    unsigned action = SECCOMP_RET_USER_NOTIF;
    R(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
    int fd = install(SECCOMP_FILTER_FLAG_NEW_LISTENER);
    R(fcntl(fd, F_GETFD));
    R(install(SECCOMP_FILTER_FLAG_NEW_LISTENER));
    R(install(0));
    R(ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &(uint64_t){1}));
    R(ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &(struct seccomp_notif_resp){.id = 1}));
    R(ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &(struct seccomp_notif_resp){.id = 1, .flags = 2}));
    R(ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &(struct seccomp_notif_resp){.id = 1, .flags = 1, .val = 1}));
    memset(&n, 1, sizeof n);
    R(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n));
    R(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, 8));
    R(ioctl(fd, 0x1234));
    R(read(fd, &action, 4));
    printf("ready %x\n", ready(fd));
  });
  reap(p, "checks");

  int fd = supervise(&p, 0, calls);
  MUST(receive(fd) == 0);
  OK(n.pid == p && n.data.nr == SYS_getppid && n.flags == 0 && n.data.instruction_pointer != 0);
  printf("ready %x\n", ready(fd));
  R(ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
  R(answer(fd, 4711, 0, 0));
  MUST(receive(fd) == 0);
  printf("argument %d\n", (int)n.data.args[0]);
  R(answer(fd, 0, -EXDEV, 0));
  MUST(receive(fd) == 0);
  R(answer(fd, 12345678901, 0, 0));
  MUST(receive(fd) == 0);
  R(answer(fd, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
  R(answer(fd, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
  MUST(receive(fd) == 0);
  int file = open("/proc/self/exe", O_RDONLY);
  lseek(file, 1, SEEK_SET);
  struct seccomp_notif_addfd add = {.id = n.id, .srcfd = file, .newfd = 30};
  R(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add));
  add.flags = 8;
  R(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add));
  add.flags = SECCOMP_ADDFD_FLAG_SETFD;
  add.srcfd = 99;
  R(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add));
  add.srcfd = file;
  add.newfd_flags = 1;
  R(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add));
  add.newfd_flags = O_CLOEXEC;
  add.id++;
  R(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add));
  add.id--;
  R(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add));
  R(answer(fd, 30, 0, 0));
  MUST(receive(fd) == 0);
  add = (struct seccomp_notif_addfd){.id = n.id, .srcfd = file, .newfd = 40, .flags = SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND};
  R(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add));
  reap(p, "calls");
  printf("ready %x\n", ready(fd));
  close(fd);

  /* A signal ends the wait, and the call is made again; or is not heard of before the answer. */
  fd = supervise(&p, 0, sleeps);
  MUST(receive(fd) == 0);
  uint64_t first = n.id;
  kill(p, SIGUSR1);
  pause_ms(30);
  R(ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &first));
  R(answer(fd, 0, 0, 0));
  if (ready(fd) & POLLIN) {
    MUST(receive(fd) == 0);
    OK(n.id != first);
    R(answer(fd, 5, 0, 0));
  }
  reap(p, "sleeps");
  close(fd);
  fd = supervise(&p, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, sleeps);
  MUST(receive(fd) == 0);
  kill(p, SIGUSR1);
  pause_ms(30);
  R(ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
  R(answer(fd, 6, 0, 0));
  reap(p, "sleeps undisturbed");
  close(fd);

  fd = supervise(&p, 0, unanswered);
  MUST(receive(fd) == 0);
  close(fd);
  reap(p, "the supervisor goes");
  fd = supervise(&p, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, hangs);
  MUST(receive(fd) == 0);
  kill(p, SIGKILL);
  reap(p, "the child goes");
  R(ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
  printf("ready %x\n", ready(fd));
  return 0;
}
