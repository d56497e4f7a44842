/* mmap, munmap, mprotect, mremap, madvise, mincore, msync, brk: results, contents and copy-on-write. */
#include "guest.h"

#define P 4096L
static char *map(size_t pages, int prot, int flags) {
  char *p = mmap(NULL, pages * P, prot, flags | MAP_ANONYMOUS, -1, 0);
  MUST(p != MAP_FAILED);
  return p;
}
#define RW (PROT_READ | PROT_WRITE)

int main(void) {
  enter_dir();
  char *p = map(4, RW, MAP_PRIVATE);
  OK(((uintptr_t)p & 4095) == 0);
  memset(p, 'a', 4 * P);
  R(mprotect(p + P, P, PROT_READ));
  R(mprotect(p + P, P, RW));
  R(mprotect(p + 1, P, PROT_READ));
  R(mprotect(p, 0, PROT_READ));
  R(mprotect((void *)0x10000, P, PROT_READ));
  R(munmap(p + P, P));
  R(munmap(p + P, P));
  R(munmap(p + 1, P));
  R(munmap(p, 0));
  R(mprotect(p, 4 * P, RW)); /* has a hole */
  printf("%c %c\n", p[0], p[3 * P]);
  OK(mmap(p + P, P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == p + P);
  OK(mmap(p + P, P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
  OK(mmap(p, P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p && p[0] == 0);
  OK(mmap(p, P, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != p);
  OK(mmap(p + 1, P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EINVAL);
  OK(mmap(NULL, 0, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
  OK(mmap(NULL, P, RW, MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
  OK(mmap(NULL, P, RW, MAP_PRIVATE, 99, 0) == MAP_FAILED && errno == EBADF);
  OK(mmap(NULL, 1UL << 47, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
  OK(mmap(NULL, 1UL << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED);

  char *m = map(2, RW, MAP_PRIVATE);
  strcpy(m, "moved");
  strcpy(m + P, "second");
  char *blocker = mmap(m + 2 * P, P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  OK(blocker == m + 2 * P);
  OK(mremap(m, 2 * P, 4 * P, 0) == MAP_FAILED && errno == ENOMEM);
  char *n = mremap(m, 2 * P, 4 * P, MREMAP_MAYMOVE);
  OK(n != MAP_FAILED && n != m);
  printf("%s %s %d\n", n, n + P, n[3 * P]);
  OK(mremap(n, 4 * P, P, 0) == n);
  OK(mremap(n, P, P, MREMAP_FIXED | MREMAP_MAYMOVE, p) == p);
  printf("%s\n", p);
  OK(mremap(n, P, 2 * P, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
  OK(mremap(p, P, 0, 0) == MAP_FAILED && errno == EINVAL);

  p = map(4, RW, MAP_PRIVATE);
  memset(p, 'x', 4 * P);
  unsigned char vec[4];
  R(mincore(p, 4 * P, vec));
  printf("resident %d%d%d%d\n", vec[0] & 1, vec[1] & 1, vec[2] & 1, vec[3] & 1);
  R(madvise(p + P, P, MADV_DONTNEED));
  R(mincore(p, 4 * P, vec));
  printf("resident %d%d%d%d\n", vec[0] & 1, vec[1] & 1, vec[2] & 1, vec[3] & 1);
  printf("%c %d %c\n", p[0], p[P], p[2 * P]);
  R(madvise(p, P, 7777));
  R(madvise(p + 1, P, MADV_DONTNEED));
  R(madvise(p, P, MADV_WILLNEED));
  R(mlock(p, P));
  R(munlock(p, P));
  R(munmap(p, 4 * P));
  R(mincore(p, P, vec));

  int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  for (int i = 0; i < 10000; i++) MUST(write(fd, &(char){(char)('A' + i / 1000)}, 1) == 1);
  char *f = mmap(NULL, 3 * P, RW, MAP_SHARED, fd, 0);
  char *g = mmap(NULL, 2 * P, RW, MAP_PRIVATE, fd, P);
  printf("%c %c %c %d\n", f[0], f[9999], g[0], f[10000]);
  f[5000] = '#';
  f[11000] = '!'; /* past the end: never in the file */
  printf("%c\n", g[5000 - P]);
  g[5000 - P] = '@';
  char c;
  R(pread(fd, &c, 1, 5000));
  printf("%c %c\n", c, f[5000]);
  R(msync(f, 3 * P, MS_SYNC));
  R(msync(f, 3 * P, MS_SYNC | MS_ASYNC));
  R(msync(f + 1, P, MS_SYNC));
  struct stat st;
  fstat(fd, &st);
  printf("size %ld\n", (long)st.st_size);
  R(ftruncate(fd, 20000));
  printf("%d %d\n", f[10000], f[11000]);
  int ro = open("file", O_RDONLY), wo = open("file", O_WRONLY);
  OK(mmap(NULL, P, RW, MAP_SHARED, ro, 0) == MAP_FAILED && errno == EACCES);
  OK(mmap(NULL, P, RW, MAP_PRIVATE, ro, 0) != MAP_FAILED);
  OK(mmap(NULL, P, PROT_READ, MAP_PRIVATE, wo, 0) == MAP_FAILED && errno == EACCES);
  OK(mmap(NULL, P, PROT_READ, MAP_PRIVATE, ro, 1) == MAP_FAILED && errno == EINVAL);
  char *shared_ro = mmap(NULL, P, PROT_READ, MAP_SHARED, ro, 0);
  R(mprotect(shared_ro, P, RW));
  int p2[2];
  MUST(pipe(p2) == 0);
  OK(mmap(NULL, P, PROT_READ, MAP_PRIVATE, p2[0], 0) == MAP_FAILED && errno == ENODEV);
  int zero = open("/dev/zero", O_RDWR);
  char *z = mmap(NULL, P, RW, MAP_PRIVATE, zero, 0);
  OK(z != MAP_FAILED && z[0] == 0);

  char *cow = map(100, RW, MAP_PRIVATE);
  for (int i = 0; i < 100; i++) cow[i * P] = (char)i;
  pid_t pid;
  for (int k = 0; k < 3; k++) {
    CHILD(pid, {
      int bad = 0;
      for (int i = 0; i < 100; i++) bad += cow[i * P] != (char)(i + k);
      for (int i = 0; i < 100; i += 2) cow[i * P] = 'z';
      for (int i = 1; i < 100; i += 2) bad += cow[i * P] != (char)(i + k);
      _exit(bad);
    });
    reap(pid, "child");
    for (int i = 0; i < 100; i++) cow[i * P]++;
  }

  char *b = sbrk(0);
  OK(sbrk(10000) == b);
  memset(b, 7, 10000);
  OK(sbrk(0) == b + 10000);
  OK(sbrk(-10000) == b + 10000);
  OK(sbrk(10000) == b);

  char *guard = mmap(NULL, 2 * P, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(munmap(guard + P, P) == 0);
  memset(guard, 'q', P);
  R(write(fd, guard + P - 4, 4));
  R(write(fd, guard + P - 4, 8));
  R(write(fd, guard + P, 8));
  R(read(ro, guard + P - 4, 8));
  R(read(ro, guard + P, 8));
  unlink("file");
  leave_dir();
  return 0;
}
