/* The aarch64 kernel interface by hand: exceptions and their frames, raw structure layouts, flags, clone's arguments. */
#include "guest.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <ucontext.h>

/* struct _aarch64_ctx of asm/sigcontext.h. */
struct record {
  uint32_t magic, size;
};

static volatile unsigned long resume;
static volatile int sig, code, fpsimd, vector_ok, order_ok;
static volatile unsigned long addr, pc, x19, at_pc;
static void *volatile last_frame;

static void handler(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  sig = signo;
  code = info->si_code;
  addr = (unsigned long)info->si_addr;
  pc = uc->uc_mcontext.pc;
  x19 = uc->uc_mcontext.regs[19];
  fpsimd = 0;
  for (char *p = (char *)uc->uc_mcontext.__reserved;;) {
    struct record *r = (struct record *)p;
    if (r->magic == 0) break;
    if (r->magic == 0x46508001) {
      fpsimd = (int)r->size;
      vector_ok = *(unsigned long *)(p + 16 + 8 * 16) == 0x0123456789abcdef;
      *(unsigned long *)(p + 16 + 9 * 16) = 0xfeedface;
    }
    p += r->size;
  }
  order_ok = (char *)info < (char *)uc && (char *)uc - (char *)info == 128 && (unsigned long)info % 16 == 0;
  last_frame = info;
  uc->uc_mcontext.regs[20] = 4321;
  uc->uc_mcontext.pc = resume;
}

/* Runs one instruction in a known state, the handler goes on behind it. Says what the frame had and what came back. */
#define TRAP(name, insn, ...)                                                                                       \
  do {                                                                                                              \
    unsigned long d9, r20, r19, here;                                                                               \
    sig = 0;                                                                                                        \
    __asm__ volatile(                                                                                               \
        "adr x0, 2f\n str x0, %[resume]\n mov x19, #1234\n ldr x1, =0x0123456789abcdef\n fmov d8, x1\n"             \
        "adr %[here], 1f\n mov x0, %[arg]\n 1: " insn "\n 2: fmov %[d9], d9\n mov %[r20], x20\n mov %[r19], x19"    \
        : [d9] "=r"(d9), [r20] "=r"(r20), [r19] "=r"(r19), [here] "=&r"(here), [resume] "=m"(resume)                \
        : [arg] "r"(__VA_ARGS__)                                                                                    \
        : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",     \
          "x16", "x17", "x18", "x19", "x20", "x30", "v8", "v9", "memory", "cc");                                    \
    /* qemu says ILL_ILLOPN where Linux says ILL_ILLOPC. */                                                         \
    printf(name ": signal %d code %d", sig, sig == SIGILL && code == ILL_ILLOPN ? ILL_ILLOPC : code);                                                                  \
    if (addr == here) printf(" addr at it");                                                                        \
    else printf(" addr +%ld", (long)(addr - (unsigned long)(__VA_ARGS__)));                                         \
    printf(" pc +%ld x19 %lu fpsimd %d %d order %d; back: %lx %lu %lu\n", (long)(pc - here), x19, fpsimd, vector_ok, \
           order_ok, d9, r20, r19);                                                                                 \
  } while (0)

static void traps(void) {
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  int sigs[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
  for (int i = 0; i < 4; i++) MUST(sigaction(sigs[i], &sa, NULL) == 0);
  char *page = mmap(NULL, 12288, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(page != MAP_FAILED && munmap(page + 8192, 4096) == 0);
  TRAP("udf", "udf #7", 0UL);
  TRAP("unallocated", ".inst 0x00ffffff", 0UL);
  TRAP("brk", "brk #3", 0UL);
  TRAP("null", "ldr x2, [x0]", 8UL);
  TRAP("read-only", "str x2, [x0, #8]", (unsigned long)page);
  TRAP("pair across the end", "ldp x2, x3, [x0]", (unsigned long)page + 8184);
  TRAP("store pair, write-back", "stp x2, x3, [x0, #-16]!", (unsigned long)page + 4096);
  TRAP("privileged", "mrs x2, ttbr0_el1", 0UL);
  for (int i = 0; i < 4; i++) signal(sigs[i], SIG_DFL);
}

static void misaligned(void) {
  static const uint32_t words[] = {0xd65f03c0, 0xd65f03c0};
  char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(page != MAP_FAILED);
  memcpy(page, words, sizeof words);
  __builtin___clear_cache(page, page + 8);
  pid_t pid;
  CHILD(pid, ((void (*)(void))(page + 2))());
  reap(pid, "pc off by two");
  CHILD(pid, ((void (*)(void))page)());
  reap(pid, "pc aligned");
}

static volatile int hits, deep;
static char alt[32768] __attribute__((aligned(16)));

static void on_alt(int signo, siginfo_t *info, void *context) {
  (void)signo;
  ucontext_t *uc = context;
  char here;
  int inside = &here >= alt && &here < alt + sizeof alt;
  stack_t now;
  sigaltstack(NULL, &now);
  printf("alt: inside %d flags %d uc_stack size %zu info below %d\n", inside, now.ss_flags,
         uc->uc_stack.ss_size, (char *)info >= alt && (char *)info < alt + sizeof alt);
  if (hits++ == 0) raise(SIGUSR1);
}

static void altstacks(void) {
  stack_t small = {.ss_sp = alt, .ss_size = 2047};
  printf("sigaltstack too small: %d", sigaltstack(&small, NULL));
  printf(" errno %d\n", errno);
  stack_t s = {.ss_sp = alt, .ss_size = sizeof alt};
  R(sigaltstack(&s, NULL));
  struct sigaction sa = {.sa_sigaction = on_alt, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigaction(SIGUSR1, &sa, NULL);
  raise(SIGUSR1);
  printf("hits %d\n", hits);
  s.ss_flags = SS_DISABLE;
  R(sigaltstack(&s, NULL));
}

/* Frame records lead from the handler into the code it interrupted. */
static volatile int found;
__attribute__((noinline)) static void walker(int signo) {
  (void)signo;
  unsigned long *fp = __builtin_frame_address(0);
  for (int i = 0; fp && i < 20; i++, fp = (unsigned long *)fp[0])
    if (fp[1] == at_pc) found = i;
}
__attribute__((noinline)) static void interrupted(void) {
  at_pc = (unsigned long)__builtin_return_address(0);
  raise(SIGUSR2);
  __asm__ volatile("");
}

static void frames(void) {
  signal(SIGUSR2, walker);
  interrupted();
  printf("frame chain reaches the caller: %d\n", found > 0);
}

static void layouts(void) {
  unsigned char raw[256];
  memset(raw, 0xaa, sizeof raw);
  int fd = memfd_create("x", 0);
  MUST(ftruncate(fd, 5000) == 0 && fchmod(fd, 0640) == 0);
  MUST(syscall(SYS_fstat, fd, raw) == 0);
  printf("stat: mode %o nlink %u size %ld blksize %d blocks %ld end %02x\n", *(unsigned *)(raw + 16),
         *(unsigned *)(raw + 20), *(long *)(raw + 48), *(int *)(raw + 56), *(long *)(raw + 64), raw[128]);
  int ep = epoll_create1(0), p[2];
  MUST(pipe2(p, O_NONBLOCK) == 0);
  struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0x1122334455667788};
  MUST(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev) == 0);
  MUST(write(p[1], "x", 1) == 1);
  memset(raw, 0xaa, sizeof raw);
  long n = syscall(SYS_epoll_pwait, ep, raw, 2, 0, NULL, 8);
  printf("epoll: %ld size %zu events %u data %lx end %02x\n", n, sizeof ev, *(unsigned *)raw, *(unsigned long *)(raw + 8), raw[16]);
  MUST(pipe2(p, O_DIRECT) == 0);
  printf("F_GETFL: pipe %o memfd %o\n", fcntl(p[1], F_GETFL) & ~0400000, fcntl(fd, F_GETFL) & ~0400000);
  int dir = open("/", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
  printf("dir: %d F_GETFL %o\n", dir >= 0, fcntl(dir, F_GETFL) & ~0400000);
  printf("O_DIRECTORY of a file: %d", open("/proc/self/exe", O_RDONLY | O_DIRECTORY));
  printf(" errno %d\n", errno);
  symlink("/", "/tmp/aarch64-abi-link");
  printf("O_NOFOLLOW of a link: %d", open("/tmp/aarch64-abi-link", O_RDONLY | O_NOFOLLOW));
  printf(" errno %d\n", errno);
  unlink("/tmp/aarch64-abi-link");
  printf("O_TMPFILE: %d\n", open("/tmp", O_TMPFILE | O_RDWR, 0600) >= 0);
}

static int child_tid;
static char stack[65536] __attribute__((aligned(16)));

static void clones(void) {
  static unsigned long seen;
  static int ptid;
  long tls = 0x123456780;
  unsigned long args[2] = {0, (unsigned long)&seen};
  memcpy(stack + sizeof stack - 16, args, 16);
  unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                        CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
  child_tid = 77;
  register long x8 __asm__("x8") = SYS_clone;
  register long x0 __asm__("x0") = (long)flags;
  register long x1 __asm__("x1") = (long)(stack + sizeof stack - 16);
  register long x2 __asm__("x2") = (long)&ptid;
  register long x3 __asm__("x3") = tls;
  register long x4 __asm__("x4") = (long)&child_tid;
  /* The child keeps clear of the stack and of what needs thread-local storage. */
  __asm__ volatile("svc 0\n cbnz x0, 1f\n ldr x0, [sp, #8]\n mrs x2, tpidr_el0\n str x2, [x0]\n mov x0, #0\n mov x8, #93\n svc 0\n 1:"
                   : "+r"(x0), "+r"(x1), "+r"(x2)
                   : "r"(x8), "r"(x3), "r"(x4)
                   : "memory");
  long tid = x0;
  while (__atomic_load_n(&child_tid, __ATOMIC_ACQUIRE) != 0) sched_yield();
  printf("clone: parent_tid %d tls %lx\n", ptid == tid, seen);
}

static void odds(void) {
  struct utsname u;
  uname(&u);
  printf("%s, platform %s, clktck %lu, pagesz %lu\n", u.machine, (char *)getauxval(AT_PLATFORM),
         getauxval(AT_CLKTCK), getauxval(AT_PAGESZ));
  /* fp asimd crc32 atomics cpuid */
  printf("hwcap has %#lx\n", getauxval(AT_HWCAP) & 0x983);
  errno = 0;
  printf("fork by x86_64's number: %ld", syscall(1057));
  printf(" errno %d\n", errno);
  struct timespec a, b;
  printf("clock %d\n", clock_gettime(CLOCK_MONOTONIC, &a) == 0 && clock_gettime(CLOCK_MONOTONIC, &b) == 0 &&
                           (b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec)));
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  traps();
  misaligned();
  altstacks();
  frames();
  layouts();
  clones();
  odds();
  return 0;
}
