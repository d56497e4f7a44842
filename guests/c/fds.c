/* Descriptors: dup, fcntl, close-on-exec, lowest number first, record and flock locks, limits. */
#include "guest.h"
#include <sys/file.h>
#include <sys/resource.h>

static int lock(int fd, int cmd, int type, long start, long len) {
  struct flock l = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
  return fcntl(fd, cmd, &l);
}

int main(void) {
  enter_dir();
  int fd = R(open("a", O_RDWR | O_CREAT, 0644));
  R(write(fd, "0123456789", 10));
  int d = R(dup(fd));
  R(lseek(d, 3, SEEK_SET));
  R(lseek(fd, 0, SEEK_CUR));
  R(dup2(fd, 10));
  R(dup2(fd, fd));
  R(dup2(99, 5));
  R(dup2(fd, -1));
  R(dup3(fd, 11, O_CLOEXEC));
  R(dup3(fd, fd, 0));
  R(syscall(SYS_dup3, fd, 12, O_APPEND));
  R(fcntl(11, F_GETFD));
  R(fcntl(10, F_GETFD));
  R(fcntl(10, F_SETFD, FD_CLOEXEC));
  R(fcntl(10, F_GETFD));
  R(fcntl(fd, F_GETFD));
  R(fcntl(fd, F_DUPFD, 20));
  R(fcntl(fd, F_DUPFD_CLOEXEC, 20));
  R(fcntl(21, F_GETFD));
  R(fcntl(fd, F_DUPFD, -1));
  printf("flags %#x\n", fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
  R(fcntl(d, F_SETFL, O_APPEND | O_NONBLOCK));
  printf("flags %#x\n", fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
  R(write(fd, "AB", 2));
  R(lseek(fd, 0, SEEK_END));
  R(close(d));
  R(close(d));
  R(dup(fd));
  R(fcntl(99, F_GETFD));
  R(fcntl(fd, 7777));
  R(syscall(SYS_close_range, 10, 12, 0));
  R(fcntl(10, F_GETFD));

  int other = open("a", O_RDWR);
  pid_t pid;
  R(lock(fd, F_SETLK, F_WRLCK, 0, 5));
  R(lock(other, F_SETLK, F_WRLCK, 0, 5)); /* same process: allowed */
  CHILD(pid, {
    int mine = open("a", O_RDWR);
    R(lock(mine, F_SETLK, F_WRLCK, 2, 1));
    R(lock(mine, F_SETLK, F_RDLCK, 5, 5));
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    R(fcntl(mine, F_GETLK, &l));
    printf("held type %d start %ld len %ld by parent %d\n", l.l_type, (long)l.l_start, (long)l.l_len, l.l_pid == getppid());
    R(lock(mine, F_SETLKW, F_WRLCK, 0, 5)); /* until the parent lets go */
    printf("child has it\n");
    pause_ms(20);
  });
  pause_ms(20);
  R(lock(fd, F_SETLK, F_UNLCK, 0, 5));
  reap(pid, "locker");
  R(lock(fd, F_SETLK, F_WRLCK, 0, 5));
  close(other); /* closing any descriptor of the file drops the process's locks */
  CHILD(pid, R(lock(open("a", O_RDWR), F_SETLK, F_WRLCK, 0, 0)));
  reap(pid, "locker");

  other = open("a", O_RDWR);
  R(flock(fd, LOCK_EX));
  R(flock(other, LOCK_EX | LOCK_NB));
  R(flock(other, LOCK_SH | LOCK_NB));
  R(flock(fd, LOCK_SH));
  R(flock(other, LOCK_SH | LOCK_NB));
  R(flock(other, LOCK_UN));
  R(flock(fd, 77));
  R(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 1));
  R(lock(other, F_OFD_SETLK, F_WRLCK, 0, 1));
  R(lock(other, F_OFD_SETLK, F_WRLCK, 1, 1));

  struct rlimit lim = {30, 30};
  R(setrlimit(RLIMIT_NOFILE, &lim));
  R(fcntl(fd, F_DUPFD, 30));
  R(dup2(fd, 30));
  int last = -1, r;
  while ((r = open("a", O_RDONLY)) >= 0) last = r;
  printf("errno %d after fd %d\n", errno, last);
  R(close(7));
  R(open("a", O_RDONLY));
  unlink("a");
  leave_dir();
  return 0;
}
