/* A folder on a disk that fills up: disk-full FOLDER. What a call could still take, its errno, and that room comes back. */
#include "guest.h"
#include <setjmp.h>
#include <sys/statfs.h>
#include <sys/uio.h>

static char block[65536];

static long fill(int fd, size_t size) {
  long total = 0, n;
  while ((n = write(fd, block, size)) > 0) total += n;
  return n < 0 ? total : -1;
}

static sigjmp_buf out;
static void bus(int sig, siginfo_t *i, void *c) { siglongjmp(out, i->si_code); }

/* Pages of a hole take room when they are first written. */
static void mapped(void) {
  struct sigaction sa = {.sa_sigaction = bus, .sa_flags = SA_SIGINFO};
  sigaction(SIGBUS, &sa, NULL);
  int fd = open("hole", O_RDWR | O_CREAT, 0600);
  R(ftruncate(fd, 1 << 20));
  char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  MUST(p != MAP_FAILED);
  volatile int n = 0;
  int code = sigsetjmp(out, 1);
  if (code == 0)
    for (; n < 256; n++) p[n * 4096] = 'm';
  printf("%d pages, then SIGBUS with code %d\n", n, code);
  R(msync(p, 1 << 20, MS_SYNC));
  R(munmap(p, 1 << 20));
  char c = 0;
  R(pread(fd, &c, 1, (n - 1) * 4096));
  printf("%c\n", c);
  R(pread(fd, &c, 1, n * 4096));
  printf("%d\n", c);
  close(fd);
  R(unlink("hole"));
}

int main(int argc, char **argv) {
  MUST(argc > 1 && chdir(argv[1]) == 0);
  memset(block, 'b', sizeof block);
  struct statfs sf;
  R(statfs(".", &sf));
  printf("%ld blocks of %ld, %ld free\n", (long)sf.f_blocks, (long)sf.f_bsize, (long)sf.f_bfree);
  int a = open("a", O_RDWR | O_CREAT, 0600), b = open("b", O_RDWR | O_CREAT, 0600);
  long n = fill(a, sizeof block);
  printf("%ld bytes, then errno %d\n", n, errno);
  R(write(a, "x", 1));
  R(pwrite(a, "y", 1, 0)); /* over what is there */
  R(write(b, "x", 1));
  R(pwrite(a, block, 4096, 1 << 20));
  R(fsync(a));
  R(mkdir("d", 0700));
  R(rmdir("d"));
  struct stat st;
  R(fstat(a, &st));
  printf("size %ld\n", (long)st.st_size);
  R(statfs(".", &sf));
  printf("%ld free\n", (long)sf.f_bfree);
  /* Room for ten pages: a write of twelve is short. */
  R(ftruncate(a, st.st_size - 40960));
  R(pwrite(b, block, 49152, 0));
  R(write(b, block, 1));
  struct iovec v[2] = {{block, 4096}, {block, 4096}};
  R(ftruncate(b, 0));
  R(ftruncate(a, st.st_size - 40960 - 4096));
  R(pwritev(b, v, 2, 36864));
  R(copy_file_range(a, &(off_t){0}, b, &(off_t){45056}, 8192, 0));
  R(unlink("a")); /* still open */
  R(statfs(".", &sf));
  printf("%ld free\n", (long)sf.f_bfree);
  R(close(a));
  R(statfs(".", &sf));
  printf("%d free\n", sf.f_bfree > 40);
  R(write(b, block, 4096));
  R(unlink("b"));
  R(close(b));
  mapped();
  b = open("b", O_RDWR | O_CREAT, 0600);
  /* So many names and no more. */
  int made = 0;
  char name[16];
  for (; made < 100; made++) {
    snprintf(name, sizeof name, "n%d", made);
    if (made % 2 ? mkdir(name, 0700) : close(creat(name, 0600))) break;
    errno = 0;
  }
  if (made % 2 == 0) creat(name, 0600);
  printf("%d names, then errno %d\n", made, errno);
  R(symlink("x", "s"));
  R(link("b", "b2"));
  R(rename("b", "c"));
  return 0;
}
