/* Files and directories: open flags, offsets, metadata, links, renames, listings, sendfile, errors and their order. */
#include "guest.h"
#include <dirent.h>
#include <limits.h>
#include <linux/stat.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <utime.h>

static int by_name(const void *x, const void *y) { return strcmp(*(char *const *)x, *(char *const *)y); }
static void list(const char *dir) {
  DIR *d = opendir(dir);
  char *names[300];
  int n = 0;
  struct dirent *e;
  while (d && (e = readdir(d)) && n < 300) {
    char text[300];
    snprintf(text, sizeof text, "%s/%d", e->d_name, e->d_type);
    names[n++] = strdup(text);
  }
  if (d) closedir(d);
  qsort(names, (size_t)n, sizeof *names, by_name);
  printf("%s:", dir);
  for (int i = 0; i < n; i++) printf(" %s", names[i]);
  printf("\n");
}
static void show(const char *path) {
  struct stat st;
  if (lstat(path, &st) != 0) printf("%s: errno %d\n", path, errno);
  else printf("%s: mode %o links %lu size %ld\n", path, st.st_mode, (unsigned long)st.st_nlink, S_ISDIR(st.st_mode) ? 0 : (long)st.st_size);
}

int main(void) {
  char buf[5000] = "", target[100];
  umask(022);
  enter_dir();
  int fd = R(open("a", O_RDWR | O_CREAT | O_EXCL, 0666));
  R(open("a", O_RDWR | O_CREAT | O_EXCL, 0666));
  R(write(fd, "hello world", 11));
  R(pread(fd, buf, 5, 6));
  printf("%.5s\n", buf);
  R(pwrite(fd, "W", 1, 6));
  R(lseek(fd, 0, SEEK_CUR));
  R(lseek(fd, -3, SEEK_END));
  R(lseek(fd, -100, SEEK_CUR));
  R(lseek(fd, 0, 77));
  R(read(fd, buf, 100));
  R(read(fd, buf, 100));
  R(lseek(fd, 10000, SEEK_SET));
  R(write(fd, "end", 3));
  show("a");
  R(pread(fd, buf, 100, 9990));
  R(lseek(fd, 0, SEEK_HOLE) <= 10003);
  R(ftruncate(fd, 4));
  R(ftruncate(fd, -1));
  R(truncate("a", 6));
  R(pread(fd, buf, 100, 0));
  printf("%d %d\n", buf[3], buf[5]);
  struct iovec iov[3] = {{"one", 3}, {NULL, 0}, {"three", 5}};
  R(pwritev(fd, iov, 3, 2));
  R(writev(fd, iov, -1));
  R(writev(fd, iov, 1025));
  R(preadv(fd, (struct iovec[]){{buf, 4}, {buf + 10, 4}}, 2, 0));
  int ap = open("a", O_WRONLY | O_APPEND);
  R(lseek(ap, 0, SEEK_SET));
  R(write(ap, "+", 1));
  R(pwrite(ap, "-", 1, 0)); /* Linux appends all the same */
  show("a");
  R(read(ap, buf, 1));
  R(write(open("a", O_RDONLY), buf, 1));
  R(open("a", O_WRONLY | O_TRUNC));
  show("a");
  R(open("a/b", O_RDONLY));
  R(open("missing", O_RDONLY));
  R(open("", O_RDONLY));
  R(open(".", O_WRONLY));
  R(open(".", O_RDONLY | O_DIRECTORY));
  R(open("a", O_RDONLY | O_DIRECTORY));
  R(open("missing/x", O_CREAT | O_RDWR, 0600));
  memset(buf, 'n', 300);
  buf[300] = 0;
  R(open(buf, O_RDONLY));
  memset(buf, '/', 4999);
  R(open(buf, O_RDONLY));
  R(open((char *)8, O_RDONLY));
  R(read(fd, (void *)8, 1));

  R(mkdir("d", 0777));
  R(mkdir("d", 0777));
  R(mkdir("d/e", 0700));
  R(rmdir("d"));
  R(rmdir("a"));
  R(unlink("d"));
  R(unlink("missing"));
  R(symlink("../a", "d/link"));
  R(symlink("loop", "loop"));
  R(readlink("d/link", target, sizeof target));
  R(readlink("d/link", target, 2));
  R(readlink("a", target, sizeof target));
  R(open("loop", O_RDONLY));
  R(open("d/link", O_RDONLY | O_NOFOLLOW));
  R(access("d/link", F_OK));
  R(link("a", "hard"));
  R(link("d", "dhard"));
  R(link("d/link", "linklink"));
  show("a");
  show("linklink");
  show("d");
  R(rename("hard", "d/hard"));
  R(rename("d", "d/e/under"));
  R(rename("a", "d"));
  R(rename("d", "a"));
  R(rename("missing", "x"));
  R(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "d/hard", 1 /* RENAME_NOREPLACE */));
  R(syscall(SYS_renameat2, AT_FDCWD, "linklink", AT_FDCWD, "d/e", 2 /* RENAME_EXCHANGE */));
  list(".");
  list("d");
  R(rename("a", "d/hard")); /* the same file: nothing happens */
  show("a");
  R(unlink("d/e"));
  R(rmdir("linklink"));
  int held = open("a", O_RDWR);
  R(unlink("a"));
  R(write(held, "still here", 10));
  struct stat st;
  fstat(held, &st);
  printf("links %lu size %ld\n", (unsigned long)st.st_nlink, (long)st.st_size);

  R(chmod("d/hard", 04755));
  show("d/hard");
  R(fchmod(held, 0600));
  R(umask(077));
  R(open("masked", O_CREAT | O_RDWR, 0666));
  R(mkdir("maskedd", 0777));
  show("masked");
  show("maskedd");
  umask(022);
  struct timespec times[2] = {{1000000000, 5}, {1100000000, 123456789}};
  R(utimensat(AT_FDCWD, "masked", times, 0));
  stat("masked", &st);
  printf("times %ld.%09ld %ld.%09ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_nsec = UTIME_NOW;
  R(utimensat(AT_FDCWD, "masked", times, 0));
  stat("masked", &st);
  OK(st.st_atim.tv_sec == 1000000000 && st.st_mtim.tv_sec > 1200000000);
  struct statx sx;
  R(syscall(SYS_statx, AT_FDCWD, "masked", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &sx));
  printf("statx mode %o size %llu mask %d\n", sx.stx_mode, (unsigned long long)sx.stx_size, (sx.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
  struct statfs sf;
  R(statfs(".", &sf));
  R(fstatfs(held, &sf));
  OK(sf.f_namelen == 255 && sf.f_bsize >= 512);

  R(chdir("d"));
  char *cwd = getcwd(buf, sizeof buf);
  printf("cwd ends in /d: %d\n", cwd && !strcmp(cwd + strlen(cwd) - 2, "/d"));
  R(getcwd(buf, 3) == NULL);
  R(chdir("hard"));
  R(chdir(".."));
  int dfd = R(open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  R(openat(dfd, "hard", O_RDONLY));
  R(openat(held, "hard", O_RDONLY));
  R(openat(99, "hard", O_RDONLY));
  R(fchdir(dfd));
  R(access("hard", X_OK));
  R(faccessat(dfd, "missing", F_OK, 0));
  R(chdir(".."));
  R(fstatat(dfd, "", &st, AT_EMPTY_PATH));
  R(fstatat(dfd, "", &st, 0));
  R(open("d", O_PATH));
  R(read(open("d/hard", O_PATH), buf, 1));
  R(read(dfd, buf, 1));
  R(open(".", O_TMPFILE | O_RDWR, 0600) >= 0);

  int in = open("src", O_RDWR | O_CREAT, 0644), out = open("dst", O_RDWR | O_CREAT, 0644);
  for (int i = 0; i < 5000; i++) buf[i] = (char)i;
  for (int i = 0; i < 20; i++) MUST(write(in, buf, 5000) == 5000);
  off_t off = 50000;
  R(sendfile(out, in, &off, 60000));
  printf("offset %ld\n", (long)off);
  off_t o1 = 0, o2 = 60000;
  R(syscall(SYS_copy_file_range, in, &o1, out, &o2, 1000, 0));
  R(posix_fallocate(out, 0, 100000));
  show("dst");
  R(fallocate(out, 0x100, 0, 1));
  R(fallocate(out, 0, 0, 0));
  R(fsync(out));
  R(fdatasync(99));
  MUST(mkdir("many", 0755) == 0);
  for (int i = 0; i < 250; i++) {
    snprintf(buf, sizeof buf, "many/file-with-a-longer-name-%03d", i);
    close(open(buf, O_CREAT | O_WRONLY, 0644));
  }
  DIR *d = opendir("many");
  int n = 0;
  struct dirent *e;
  while ((e = readdir(d))) {
    n++;
    if (e->d_name[0] != '.') {
      snprintf(buf, sizeof buf, "many/%s", e->d_name);
      MUST(unlink(buf) == 0); /* while listing */
    }
  }
  printf("listed %d\n", n);
  rewinddir(d);
  n = 0;
  while (readdir(d)) n++;
  printf("left %d\n", n);
  R(rmdir("many"));
  R(syscall(SYS_getdents64, dfd, buf, 3));
  R(mknod("node", S_IFREG | 0600, 0));
  show("node");
  R(open("/dev/null", O_RDWR) >= 0);
  R(write(open("/dev/full", O_WRONLY), "x", 1));
  R(read(open("/dev/zero", O_RDONLY), buf, 5));
  unlink("node"), unlink("src"), unlink("dst"), unlink("masked"), rmdir("maskedd");
  unlink("d/hard"), unlink("d/link"), unlink("loop"), unlink("linklink"), rmdir("d");
  list(".");
  leave_dir();
  R(rmdir(guest_dir));
  return 0;
}
