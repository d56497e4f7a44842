/*
 * Names that try to lead out of a folder: hostile-paths look FOLDER [proc] goes every way there is and prints what each call gave;
 * hostile-paths race FOLDER N does the same to names that somebody outside keeps exchanging for links, and prints what
 * must never be. Nothing outside may be read or changed: what lies there says SECRET.
 */
#include "guest.h"
#include <dirent.h>
#include <linux/openat2.h>
#include <sys/statfs.h>
#include <sys/time.h>

static int leaks;

/* What a descriptor leads to: a file's first bytes, or a directory. */
static void tell(const char *what, const char *path, int fd) {
  char b[8] = {0};
  struct stat st;
  if (fd < 0) {
    printf("%s %s: errno %d\n", what, path, errno);
    return;
  }
  fstat(fd, &st);
  if (S_ISDIR(st.st_mode)) {
    int secret = faccessat(fd, "canary", F_OK, 0) == 0;
    leaks += secret;
    printf("%s %s: a directory%s\n", what, path, secret ? " OUTSIDE" : "");
  } else {
    int n = pread(fd, b, 6, 0);
    if (n > 0 && !memcmp(b, "SECRET", n)) leaks++;
    printf("%s %s: %.*s\n", what, path, n < 0 ? 0 : n, b);
  }
  close(fd);
}

#define T(call) do { errno = 0; long r = (long)(call); printf("  %s = %ld errno %d\n", #call, r, errno); } while (0)

static int beneath(int dir, const char *path, unsigned long resolve) {
  struct open_how how = {O_RDONLY, 0, resolve};
  return syscall(SYS_openat2, dir, path, &how, sizeof how);
}

static const char *const NAMES[] = {
  "f", "d/g", "abs", "abs/canary", "abs/d/g", "absf", "rel", "rel/canary", "relf", "up", "up/outside/canary", "up/f", "up/../../f",
  "root", "root/f", "root/outside/canary", "loop", "loop/f", "chain1", "chain1/canary", "dangling", "dangling/x", "d/out", "d/out/canary",
  "../outside/canary", "../../outside/canary", "d/../../outside/canary", "d/../../../../../../../../outside/canary", "./f", "d/..", "d/../..",
  "d//g", "f/", "f/..", "f/../f", "absf/", "absf/..", "rel/..", "rel/../f", "abs/..", "hard", "fifo/x", "d/out/..", "chain2", "long",
};

static int look(const char *folder, int proc) {
  MUST(chdir(folder) == 0);
  int dir = open(".", O_RDONLY | O_DIRECTORY), d = open("d", O_PATH | O_DIRECTORY);
  MUST(dir >= 0 && d >= 0);
  char abs[4096], target[4096];
  struct stat st;
  for (unsigned i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
    const char *n = NAMES[i];
    snprintf(abs, sizeof abs, "%s/%s", folder, n);
    tell("open", n, open(n, O_RDONLY | O_NONBLOCK));
    tell("from the root", n, open(abs, O_RDONLY | O_NONBLOCK));
    tell("nofollow", n, open(n, O_RDONLY | O_NONBLOCK | O_NOFOLLOW));
    tell("beneath", n, beneath(dir, n, RESOLVE_BENEATH));
    tell("in root", n, beneath(dir, n, RESOLVE_IN_ROOT));
    tell("no links", n, beneath(dir, n, RESOLVE_NO_SYMLINKS));
    T(readlink(n, target, sizeof target) > 0);
    T(stat(n, &st));
    T(lstat(n, &st));
    T(access(n, W_OK));
    T(truncate(n, 4));
    T(chmod(n, 0644));
    T(chown(n, 0, 0));
    T(lchown(n, 0, 0));
    T(utimensat(AT_FDCWD, n, NULL, 0));
    T(mkdir(n, 0700));
    T(link(n, "new"));
    T(unlink("new"));
    T(linkat(AT_FDCWD, n, AT_FDCWD, "new2", AT_SYMLINK_FOLLOW));
    T(unlink("new2"));
  }
  /* What a dangling link would make is made inside, or not at all. */
  tell("create", "dangling", open("dangling", O_RDWR | O_CREAT, 0600));
  tell("create", "d/out/created", open("d/out/created", O_RDWR | O_CREAT, 0600));
  tell("create", "up/../made", open("up/../made", O_RDWR | O_CREAT, 0600));
  T(unlink("up/../made"));
  T(rename("f", "rel/f"));
  T(rename("d/g", "../g"));
  T(rename("../g", "d/g"));
  T(rename("relf", "d/relf"));
  tell("a link that moved", "d/relf", open("d/relf", O_RDONLY));
  T(rename("d/relf", "relf"));
  T(rmdir("rel"));
  T(rmdir("up"));
  T(unlink("d/out/canary"));
  T(symlink("../../outside/canary", "d/made"));
  tell("a link made here", "d/made", open("d/made", O_RDONLY));
  T(unlink("d/made"));
  /* The directory that is held moves; its parent is where it is now. */
  T(mkdir("deep", 0755));
  T(rename("d", "deep/d"));
  tell("held", "../f", openat(d, "../f", O_RDONLY));
  tell("held", "../../f", openat(d, "../../f", O_RDONLY));
  tell("held", "../../../outside/canary", openat(d, "../../../outside/canary", O_RDONLY));
  T(fchdir(d));
  T(rename("../../deep/d", "../../d"));
  tell("cwd", "../f", open("../f", O_RDONLY));
  T(chdir(folder));
  T(rmdir("deep"));
  /* A root below: no way up from it, and chroot(2)'s own old way out. */
  pid_t pid;
  CHILD(pid, {
    MUST(chroot("d") == 0);
    tell("above a root", "../f", openat(dir, "f", O_RDONLY));
    MUST(fchdir(dir) == 0);
    for (int i = 0; i < 20; i++) MUST(chdir("..") == 0);
    tell("climbed", "outside/canary", open("outside/canary", O_RDONLY));
    tell("climbed", "canary", open("canary", O_RDONLY));
  });
  reap(pid, "chroot");
  if (proc) {
    static const char *const MAGIC[] = {"/proc/self/root/f", "/proc/self/root/../outside/canary", "/proc/self/cwd/../outside/canary",
      "/proc/self/cwd/f", "/proc/thread-self/root/outside/canary", "/proc/self/exe/..",
    };
    for (unsigned i = 0; i < sizeof MAGIC / sizeof *MAGIC; i++) {
      tell("magic", MAGIC[i] + 5, open(MAGIC[i], O_RDONLY));
      tell("no magic", MAGIC[i] + 5, beneath(AT_FDCWD, MAGIC[i], RESOLVE_NO_MAGICLINKS));
    }
    char p[64];
    snprintf(p, sizeof p, "/proc/self/fd/%d/../outside/canary", dir);
    tell("magic", "fd of the folder", open(p, O_RDONLY));
    int l = open("relf", O_PATH | O_NOFOLLOW);
    snprintf(p, sizeof p, "/proc/self/fd/%d", l);
    tell("magic", "fd of a link", open(p, O_RDONLY));
    T(fchmod(l, 0));
    snprintf(p, sizeof p, "/proc/self/fd/%d", open("f", O_PATH));
    T(linkat(AT_FDCWD, p, AT_FDCWD, "new3", AT_SYMLINK_FOLLOW));
    T(unlink("new3"));
  }
  printf("leaks %d\n", leaks);
  return leaks;
}

/* Names that are a directory with a file "own" at one moment and a link to one with SECRET ones at the next. */
static int race(const char *folder, int n, int both) {
  MUST(chdir(folder) == 0);
  int inside = 0, refused = 0;
  char name[64], b[8], where[4096];
  for (int i = 0; i < n || (both && !(inside && refused) && i < 50 * n); i++) {
    int fd = open("swap/canary", O_RDWR);
    if (fd < 0) fd = open("swap/canary", O_RDONLY);
    if (fd >= 0) {
      int got = read(fd, b, 6);
      leaks += got > 0 && !memcmp(b, "SECRET", got);
      inside++;
      close(fd);
    } else refused++;
    if ((fd = open("swap", O_RDONLY | O_DIRECTORY)) >= 0) {
      int in;
      if ((in = openat(fd, "only-outside", O_RDONLY)) >= 0) leaks++, close(in);
      DIR *d = fdopendir(fd);
      for (struct dirent *e; (e = readdir(d));) leaks += !strcmp(e->d_name, "only-outside");
      closedir(d);
    }
    snprintf(name, sizeof name, "swap/new%d", i % 7);
    switch (i % 9) {
      case 0: if ((fd = open(name, O_RDWR | O_CREAT, 0600)) >= 0) close(fd); break;
      case 1: mkdir(name, 0700); break;
      case 2: unlink(name), rmdir(name); break;
      case 3: truncate("swap/canary", 6); break;
      case 4: chmod("swap/canary", 0640 + i % 2); break;
      case 5: rename("swap/canary", "swap/canary2"), rename("swap/canary2", "swap/canary"); break;
      case 6: link("swap/canary", "swap/hard"), unlink("swap/hard"); break;
      case 7: symlink("canary", "swap/sym"), unlink("swap/sym"); break;
      case 8: utimensat(AT_FDCWD, "swap/canary", NULL, 0), lchown("swap/canary", 1, 1); break;
    }
    if (chdir("swap") == 0) {
      if ((fd = open("only-outside", O_RDONLY)) >= 0) leaks++, close(fd);
      MUST(getcwd(where, sizeof where) || errno == ENOENT);
      MUST(chdir(folder) == 0);
    }
  }
  fprintf(stderr, "%d inside, %d refused\n", inside, refused);
  printf("leaks %d\n", leaks);
  return leaks;
}

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "look")) return look(argv[2], argc > 3);
  if (argc > 3 && !strcmp(argv[1], "race")) return race(argv[2], atoi(argv[3]), argc > 4);
  if (argc > 3 && !strcmp(argv[1], "exchange")) {
    fcntl(0, F_SETFL, O_NONBLOCK);
    printf("exchanging\n");
    fflush(stdout);
    for (char c; read(0, &c, 1) < 0;) MUST(renameat2(AT_FDCWD, argv[2], AT_FDCWD, argv[3], RENAME_EXCHANGE) == 0);
    return 0;
  }
  fprintf(stderr, "usage: hostile-paths look FOLDER [proc] | race FOLDER N [both] | exchange A B\n");
  return 2;
}
