static void *map(void *at, size_t n, int prot, int flags, int fd, off_t offset) {
  return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, offset);
}
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

PROBE(mmap_first_fit) {
  unsigned long a = (unsigned long)map(0, 4096, RW, ANON, -1, 0);
  unsigned long b = (unsigned long)map(0, 4096, RW, ANON, -1, 0);
  printf("mappings lie below 4 MiB: %s\n", a < 0x400000 ? "yes" : "no");
  printf("the next is above: %s\n", b > a ? "yes" : "no");
}

PROBE(low_stack_and_heap) {
  int local;
  unsigned long stack = (unsigned long)&local, heap = syscall(SYS_brk, 0);
  printf("stack in 0x3fe00000-0x40000000: %s\n", stack >= 0x3fe00000 && stack < 0x40000000 ? "yes" : "no");
  printf("heap in 0x3fa00000-0x3fe00000: %s\n", heap >= 0x3fa00000 && heap < 0x3fe00000 ? "yes" : "no");
}

PROBE(brk_128k) {
  char *base = (char *)syscall(SYS_brk, 0);
  printf("brk 1 MiB further: %s\n", (char *)syscall(SYS_brk, base + 0x100000) == base ? "stays" : "moves");
}

static sigjmp_buf back;
static void jump_back(int sig) { siglongjmp(back, sig); }
static int readable(volatile char *p) {
  signal(SIGSEGV, jump_back);
  signal(SIGBUS, jump_back);
  if (sigsetjmp(back, 1)) return 0;
  (void)*p;
  return 1;
}

PROBE(mmap_inverted_area) {
  char *p = map(0, 16 * 4096, PROT_READ, ANON, -1, 0);
  mprotect(p + 4096, 15 * 4096, PROT_NONE);
  map(p + 4096, 4 * 4096, RW, ANON | MAP_FIXED, -1, 0);
  p[4096] = 1;
  void *q = map(p + 5 * 4096, 2 * 4096, PROT_NONE, ANON | MAP_FIXED, -1, 0);
  printf("mapped where asked: %s\n", q == p + 5 * 4096 ? "yes" : "no");
  printf("it is PROT_NONE: %s\n", readable(p + 5 * 4096) ? "no" : "yes");
}

PROBE(unaligned_range_panic) {
  char *p = map(0, 8192, RW, ANON, -1, 0);
  show("mprotect of 5000 bytes", syscall(SYS_mprotect, p, 5000, PROT_READ));
  show("munmap of an odd address", syscall(SYS_munmap, p + 1, 4096));
}

PROBE(mprotect_unmapped) {
  char *p = map(0, 3 * 4096, RW, ANON, -1, 0);
  munmap(p + 4096, 4096);
  show("mprotect over a hole", mprotect(p, 3 * 4096, PROT_READ));
}

PROBE(mmap_length_zero) {
  works("mmap of 0 bytes", (long)map(0, 0, RW, ANON, -1, 0));
  show("munmap of 0 bytes", munmap((void *)0x100000, 0));
}

PROBE(mmap_anonymous_offset) { works("MAP_ANONYMOUS with an offset", (long)map(0, 4096, RW, ANON, -1, 4096)); }

PROBE(mmap_noreplace_dropped) {
  char *p = map(0, 4096, RW, ANON, -1, 0);
  works("MAP_FIXED_NOREPLACE over a mapping", (long)map(p, 4096, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
}

PROBE(mmap_bad_fd_einval) { works("mmap of descriptor 99", (long)map(0, 4096, RW, MAP_PRIVATE, 99, 0)); }

PROBE(prot_none_readable) {
  printf("PROT_NONE can be read: %s\n", readable(map(0, 4096, PROT_NONE, ANON, -1, 0)) ? "yes" : "no");
}

PROBE(map_shared_private) {
  char b = 0;
  int fd = open("/tmp/quirk-shared", O_RDWR | O_CREAT | O_TRUNC, 0600);
  write(fd, "a", 1);
  char *p = map(0, 4096, RW, MAP_SHARED, fd, 0);
  *p = 'b';
  pread(fd, &b, 1, 0);
  printf("the file says: %c\n", b);
  unlink("/tmp/quirk-shared");
}

PROBE(mremap_moves) {
  char *p = map(0, 16 * 4096, RW, ANON, -1, 0);
  munmap(p + 8 * 4096, 8 * 4096);
  void *q = (void *)syscall(SYS_mremap, p, 8 * 4096, 12 * 4096, 0, 0);
  printf("grown where there is room: %s\n", q == p ? "in place" : q == MAP_FAILED ? strerrorname_np(errno) : "moved");
}

PROBE(memory_advice_ignored) {
  char *p = map(0, 4096, RW, ANON, -1, 0);
  *p = 1;
  show("MADV_DONTNEED", madvise(p, 4096, MADV_DONTNEED));
  printf("the page is zero again: %s\n", *p == 0 ? "yes" : "no");
  show("madvise 999", madvise(p, 4096, 999));
}
