// Random memory calls on the real kernel: prints each call, its result and the areas after it, for the test that
// repeats them on ours. Freestanding calls only, so that nothing else maps memory meanwhile.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef unsigned long ul;
static char out[1 << 16];
static int len;

static long sc(long n, ul a, ul b, ul c, ul d, ul e, ul f) {
  register ul r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return r;
}
static void flush(void) {
  sc(SYS_write, 1, (ul)out, len, 0, 0, 0);
  len = 0;
}
static void ch(char c) { out[len++] = c; }
static void str(const char *s) { while (*s) ch(*s++); }
static void num(ul n) {
  char b[20];
  int i = 0;
  do b[i++] = "0123456789abcdef"[n & 15]; while (n >>= 4);
  while (i) ch(b[--i]);
  ch(' ');
}
static void maps(void) {
  flush();
  long fd = sc(SYS_open, (ul) "/proc/self/maps", 0, 0, 0, 0, 0), n;
  while ((n = sc(SYS_read, fd, (ul)out, sizeof out, 0, 0, 0)) > 0) sc(SYS_write, 1, (ul)out, n, 0, 0, 0);
  sc(SYS_close, fd, 0, 0, 0, 0, 0);
  str("-\n");
}
static ul state;
static ul rnd(ul n) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (state >> 11) % n;
}
static ul pick(const ul *list, ul n) { return list[rnd(n)]; }
#define ONE(...) ({ static const ul l[] = {__VA_ARGS__}; pick(l, sizeof l / sizeof *l); })

static long call(const char *name, long n, ul a, ul b, ul c, ul d, ul e, ul f) {
  long r = sc(n, a, b, c, d, e, f);
  str(name);
  ch(' ');
  num(a), num(b), num(c), num(d), num(e), num(f);
  num(r);
  ch('\n');
  return r;
}

#define ARENA 0x10000000ul
#define PAGES 48
static ul last;
/** An address: mostly in the arena, sometimes the last result, odd, or absurd. */
static ul addr(void) {
  switch (rnd(40)) {
  case 0: return ONE(0, 1, 0x1000, 0x10000, 0x7fffffffe000, 0x7ffffffff000, 0x800000000000, 0xfffffffffffff000, 0xffff800000000000);
  case 1: return ARENA + rnd(PAGES * 4096);
  case 2: case 3: case 4: case 5: return last;
  default: return ARENA + rnd(PAGES) * 4096;
  }
}
static ul size(void) {
  switch (rnd(40)) {
  case 0: return ONE(0, 1, 4095, 4097, 0x7ffffffff000, 0x800000000000, 0xfffffffffffff001, 0xffffffffffffffff);
  case 1: return rnd(8 * 4096);
  default: return (1 + rnd(8)) * 4096;
  }
}
static ul prot(void) { return rnd(60) ? ONE(0, 1, 3, 3, 3, 5, 7) : ONE(2, 4, 8, 16, 0x1000003, 0x2000003); }

int main(int argc, char **argv) {
  state = atol(argv[1]) * 2654435761ul + 88172645463325252ul;
  long ops = atol(argv[2]);
  long zero = sc(SYS_open, (ul) "/dev/zero", O_RDONLY, 0, 0, 0, 0);
  long file = sc(SYS_open, (ul)argv[3], O_RDWR, 0, 0, 0, 0);
  long ro = sc(SYS_open, (ul)argv[3], O_RDONLY, 0, 0, 0, 0);
  long wo = sc(SYS_open, (ul)argv[3], O_WRONLY, 0, 0, 0, 0);
  ul top = sc(SYS_brk, 0, 0, 0, 0, 0, 0);
  str("brk ");
  num(top);
  num((ul)argv - 8);
  ch('\n');
  maps();
  for (int i = 0; i < 20; i++) rnd(2);
  while (ops--) {
    long r = 0;
    switch (rnd(15)) {
    case 0: case 1:
      r = call("mmap", SYS_mmap, rnd(3) ? 0 : addr(), size(), prot(), ONE(0x22, 0x22, 0x22, 0x22, 0x4022, 0x21, 0x20, 0x23, 0x122, 0x62), -1, 0);
      if (r > 0) last = r;
      break;
    case 2: case 3: case 4:
      r = call("mmap", SYS_mmap, addr(), size(), prot(), ONE(0x32, 0x32, 0x32, 0x32, 0x31, 0x100022, 0x100032, 0x4032, 0x8032), -1, 0);
      if (r > 0) last = r;
      break;
    case 5: {
      long fd = ONE(0, 0, 0, 1, 2, 3);
      r = call("mmap", SYS_mmap, rnd(2) ? 0 : addr(), size(), prot() & 3, ONE(1, 2, 2, 2, 3, 0, 4, 0x12, 0x11, 0x102, 0x80003),
               fd == 0 ? file : fd == 1 ? ro : fd == 2 ? wo : 99, rnd(8) * 4096 + (rnd(50) == 0));
      if (r > 0) last = r;
      break;
    }
    case 6: case 7: call("munmap", SYS_munmap, addr(), size(), 0, 0, 0, 0); break;
    case 8: case 9: call("mprotect", SYS_mprotect, addr(), size(), prot(), 0, 0, 0); break;
    case 10: {
      // 6.1 and later disagree on sizes that are equal.
      ul f = ONE(0, 1, 1, 1, 3, 3, 5, 7, 2, 8);
      ul old = rnd(8) ? size() : 0, new = size();
      if (f & 2 && (old + 4095 & -4096) == (new + 4095 & -4096)) new += 4096; // 6.17 moves several areas at once
      r = call("mremap", SYS_mremap, addr(), old, new, f, addr(), 0);
      if (r > 0) last = r;
      break;
    }
    case 11: call("madvise", SYS_madvise, addr(), size(), rnd(20) ? ONE(0, 1, 2, 3, 4, 8, 10, 11, 16, 17, 18, 19, 22, 23) : rnd(30), 0, 0, 0); break;
    case 12: if (rnd(2)) call("touch", SYS_read, zero, addr(), 1, 0, 0, 0);
      else call("touch", SYS_read, zero, last, 1, 0, 0, 0);
      break;
    case 13: switch (rnd(5)) {
      case 0: call("mlock", SYS_mlock, addr(), size(), 0, 0, 0, 0); break;
      case 1: call("munlock", SYS_munlock, addr(), size(), 0, 0, 0, 0); break;
      case 2: call("msync", SYS_msync, addr(), size(), rnd(9), 0, 0, 0); break;
      case 3: call("mlock2", SYS_mlock2, addr(), size(), rnd(3), 0, 0, 0); break;
      case 4: if (rnd(10) == 0) call("mlockall", SYS_mlockall, rnd(9), 0, 0, 0, 0, 0); else call("munlockall", SYS_munlockall, 0, 0, 0, 0, 0, 0);
      }
      break;
    case 14: call("brk", SYS_brk, top + rnd(20 * 4096), 0, 0, 0, 0, 0); break;
    }
    maps();
  }
  flush();
  return 0;
}
