#define AT(name) "/tmp/quirk-" name
static int made(const char *path, const char *text) {
  int fd = open(path, O_RDWR | O_CREAT, 0600);
  ftruncate(fd, 0);
  pwrite(fd, text, strlen(text), 0);
  return fd;
}
static void contents(const char *path) {
  char text[64] = "";
  int fd = open(path, O_RDONLY);
  read(fd, text, sizeof text - 1);
  printf("the file says: %s\n", text);
  unlink(path);
}

PROBE(open_no_truncate_append) {
  close(made(AT("text"), "abcdef"));
  int fd = syscall(SYS_openat, AT_FDCWD, AT("text"), O_WRONLY | O_APPEND);
  write(fd, "X", 1);
  fd = syscall(SYS_openat, AT_FDCWD, AT("text"), O_WRONLY);
  close(fd);
  contents(AT("text"));
}

PROBE(open_errors_enoent) { show("open of a directory to write", syscall(SYS_openat, AT_FDCWD, "/tmp", O_WRONLY)); }

PROBE(cloexec_per_file) {
  int p[2];
  pipe2(p, O_CLOEXEC);
  syscall(SYS_dup3, p[1], 90, 0);
  printf("a dup3 without O_CLOEXEC is close-on-exec: %s\n", syscall(SYS_fcntl, 90, F_GETFD) ? "yes" : "no");
}

PROBE(dupfd_no_minimum) {
  printf("F_DUPFD from 50: %s\n", syscall(SYS_fcntl, 1, F_DUPFD, 50) >= 50 ? "50" : "less");
}

PROBE(setfl_replaces) {
  int fd = made(AT("flags"), "");
  show("F_SETFL O_NONBLOCK", syscall(SYS_fcntl, fd, F_SETFL, O_NONBLOCK));
  printf("it is open for reading and writing: %s\n", (syscall(SYS_fcntl, fd, F_GETFL) & O_ACCMODE) == O_RDWR ? "yes" : "no");
  show("a write to it", write(fd, "x", 1));
  show("F_SETFL O_APPEND", syscall(SYS_fcntl, fd, F_SETFL, O_APPEND));
  unlink(AT("flags"));
}

PROBE(terminal_everywhere) {
  char room[64];
  int p[2];
  pipe(p);
  show("TCGETS of a pipe", syscall(SYS_ioctl, p[0], 0x5401, room));
  show("FIONREAD of a pipe", syscall(SYS_ioctl, p[0], 0x541b, room));
}

PROBE(fionbio_sticks) {
  int p[2], on = 1, off = 0;
  pipe(p);
  syscall(SYS_ioctl, p[0], FIONBIO, &on);
  syscall(SYS_ioctl, p[0], FIONBIO, &off);
  printf("blocking again: %s\n", fcntl(p[0], F_GETFL) & O_NONBLOCK ? "no" : "yes");
}

PROBE(ioctl_all_succeed) { show("ioctl 0x1234 of a pipe", syscall(SYS_ioctl, ({ int p[2]; pipe(p); p[0]; }), 0x1234, 0)); }

PROBE(rename_eexist) {
  close(made(AT("a"), "a"));
  close(made(AT("b"), "b"));
#ifdef SYS_rename
  show("rename onto a file", syscall(SYS_rename, AT("a"), AT("b")));
#endif
  contents(AT("b"));
  unlink(AT("a"));
}

PROBE(unlink_missing_panic) { show("unlink of nothing", syscall(SYS_unlinkat, AT_FDCWD, AT("nothing"), 0)); }

PROBE(rmdir_einval) { show("rmdir of nothing", syscall(SYS_unlinkat, AT_FDCWD, AT("nothing"), AT_REMOVEDIR)); }

PROBE(stat_constant) {
  struct stat s;
  close(made(AT("stat"), ""));
  syscall(SYS_newfstatat, AT_FDCWD, AT("stat"), &s, 0);
  printf("mode %o, dates: %s\n", s.st_mode & 0777, s.st_mtime ? "yes" : "no");
  unlink(AT("stat"));
}

PROBE(lstat_follows) {
  struct stat s;
  close(made(AT("target"), ""));
  syscall(SYS_symlinkat, AT("target"), AT_FDCWD, AT("link"));
  syscall(SYS_newfstatat, AT_FDCWD, AT("link"), &s, AT_SYMLINK_NOFOLLOW);
  printf("a link is a link: %s\n", S_ISLNK(s.st_mode) ? "yes" : "no");
  unlink(AT("link"));
  unlink(AT("target"));
}

PROBE(statx_unfilled) {
  unsigned char room[256];
  memset(room, 0xee, sizeof room);
  show("statx", syscall(SYS_statx, AT_FDCWD, "/tmp", 0, 0x7ff, room));
  printf("filled in: %s\n", room[28] != 0xee ? "yes" : "no");
}

PROBE(access_eperm) {
  close(made(AT("secret"), ""));
  chmod(AT("secret"), 0);
  pid_t pid = fork();
  if (pid == 0) {
    setresuid(1000, 1000, 1000);
    show("access of what may not be read", syscall(SYS_faccessat, AT_FDCWD, AT("secret"), R_OK));
    _exit(0);
  }
  wait_status(pid);
  unlink(AT("secret"));
}

PROBE(getcwd_address) {
  char dir[100] = "";
  chdir("/tmp");
  long r = syscall(SYS_getcwd, dir, sizeof dir);
  printf("getcwd: %s, the result is %s\n", dir, r == (long)dir ? "the address" : "the length");
}

PROBE(chdir_unchecked) {
  char dir[200] = "";
  chdir("/tmp");
  show("chdir to nothing", syscall(SYS_chdir, "not/../nothing/there"));
  syscall(SYS_getcwd, dir, sizeof dir);
  printf("then getcwd says %s\n", dir);
  show("open of a file there", open("file", O_CREAT | O_WRONLY, 0600));
  unlink("file");
  show("chdir to the directory above both", syscall(SYS_chdir, "../.."));
  syscall(SYS_getcwd, dir, sizeof dir);
  printf("then getcwd says %s\n", dir);
}

PROBE(mkdir_eperm) { show("mkdir below nothing", syscall(SYS_mkdirat, AT_FDCWD, AT("nothing/d"), 0777)); }

PROBE(empty_transfer_efault) { show("write of 0 bytes", syscall(SYS_write, 1, "", 0)); }

PROBE(bad_fd_eperm) { show("close of 999", syscall(SYS_close, 999)); }

PROBE(lseek_einval) {
  int p[2];
  pipe(p);
  show("lseek of a pipe", syscall(SYS_lseek, p[0], 0, SEEK_CUR));
}

static char block[70000];
PROBE(sendfile_unseekable_panic) {
  int p[2], fd = made(AT("out"), "");
  unlink(AT("out"));
  pipe(p);
  show("sendfile from a pipe", sendfile(fd, p[0], NULL, 10));
}

PROBE(sendfile_loses_rest) {
  static char much[100000];
  int p[2], fd = made(AT("much"), "");
  unlink(AT("much"));
  show("write", write(fd, much, sizeof much));
  lseek(fd, 0, SEEK_SET);
  pipe2(p, O_NONBLOCK);
  show("sendfile into a pipe", sendfile(p[1], fd, NULL, sizeof much));
  show("the position", lseek(fd, 0, SEEK_CUR));
}

PROBE(pipe_16k) {
  int p[2];
  pipe2(p, O_NONBLOCK);
  show("write of 70000 bytes", write(p[1], block, sizeof block));
}

PROBE(pipe_write_zero) {
  int p[2];
  pipe2(p, O_NONBLOCK);
  write(p[1], block, sizeof block);
  show("write to a full pipe", write(p[1], block, 10));
  close(p[0]);
  signal(SIGPIPE, SIG_IGN);
  show("write to a pipe nobody reads", write(p[1], block, 10));
}

PROBE(pipe_read_zero) {
  int p[2];
  pipe2(p, O_NONBLOCK);
  show("read of an empty pipe", read(p[0], block, 10));
}

PROBE(no_op_calls) {
  show("symlinkat", syscall(SYS_symlinkat, "target", AT_FDCWD, AT("made")));
  printf("there is a link: %s\n", syscall(SYS_readlinkat, AT_FDCWD, AT("made"), block, 10) > 0 ? "yes" : "no");
  unlink(AT("made"));
  show("fsync of a pipe", fsync(({ int p[2]; pipe(p); p[0]; })));
}

PROBE(unknown_call_panic) { works("timerfd_create", syscall(SYS_timerfd_create, CLOCK_MONOTONIC, 0)); }
