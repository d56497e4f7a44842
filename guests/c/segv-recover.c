/* sigaction with siglongjmp out of SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP; what siginfo and ucontext say. */
#include "guest.h"
#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile sig_atomic_t last_sig, last_code;
static void *volatile last_addr;
static volatile int skip;

static void handler(int sig, siginfo_t *info, void *context) {
  last_sig = sig;
  last_code = info->si_code;
  last_addr = info->si_addr;
#if defined(__x86_64__)
  if (skip) {
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += skip;
    return;
  }
#else
  (void)context;
#endif
  siglongjmp(back, 1);
}

static void report(const char *what, void *base) {
  printf("%s: signal %d code %d", what, (int)last_sig, (int)last_code);
  if (base) printf(" addr +%ld", (long)((char *)last_addr - (char *)base));
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  printf(" masked %d\n", sigismember(&now, last_sig));
}

#define CATCH(what, base, code)                  \
  do {                                           \
    if (sigsetjmp(back, 1) == 0) {               \
      code;                                      \
      printf("%s: nothing happened\n", what);    \
    } else                                       \
      report(what, base);                        \
  } while (0)

int main(void) {
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  int sigs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int i = 0; i < 5; i++) R(sigaction(sigs[i], &sa, NULL));
  char *page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(page != MAP_FAILED);
  MUST(mprotect(page, 4096, PROT_READ) == 0);
  char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(munmap(page + 8192, 4096) == 0);

  CATCH("null read", (void *)8, *(volatile int *)8);
  CATCH("null write", NULL, *(volatile int *)NULL = 1);
  CATCH("read-only write", page, ((volatile char *)page)[100] = 1);
  CATCH("unmapped read", page, (void)((volatile char *)page)[8192]);
  CATCH("across the end", page, *(volatile long *)(page + 8188) = 1);
  printf("nothing written before the fault: %d\n", *(int *)(page + 8188));
  CATCH("PROT_NONE", none, (void)*(volatile char *)none);
  CATCH("no exec", page, ((void (*)(void))(page + 4096))());
  CATCH("jump to null", (void *)0x10, ((void (*)(void))0x10)());

  int fd = memfd_create("short", 0);
  MUST(ftruncate(fd, 100) == 0);
  char *file = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
  CATCH("past the end of a file", file, (void)((volatile char *)file)[4096]);
  printf("tail of the last page: %d\n", file[4000]);

#if defined(__x86_64__)
  CATCH("divide by zero", NULL, __asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; mov $1, %%eax; div %%ecx" ::: "eax", "ecx", "edx"));
  CATCH("divide overflow", NULL, __asm__ volatile("mov $0x80000000, %%eax; cltd; mov $-1, %%ecx; idiv %%ecx" ::: "eax", "ecx", "edx"));
  CATCH("ud2", NULL, __asm__ volatile("ud2"));
  CATCH("privileged hlt", NULL, __asm__ volatile("hlt"));
  CATCH("privileged cli", NULL, __asm__ volatile("cli"));
  CATCH("int3", NULL, __asm__ volatile("int3"));
  CATCH("int 0x81", NULL, __asm__ volatile("int $0x81"));
  CATCH("non-canonical read", NULL, __asm__ volatile("movabs $0x8000000000000000, %%rax; mov (%%rax), %%rax" ::: "rax"));
  CATCH("misaligned movaps", NULL, __asm__ volatile("movaps (%0), %%xmm0" ::"r"(page + 4097) : "xmm0"));
  CATCH("sse divide unmasked", NULL, ({
          unsigned csr = 0x1f80 & ~0x200u;
          __asm__ volatile("ldmxcsr %0; xorps %%xmm0, %%xmm0; movl $0x3f800000, -4(%%rsp); movss -4(%%rsp), %%xmm1; divss %%xmm0, %%xmm1" ::"m"(csr) : "xmm0", "xmm1", "memory");
        }));
  __asm__ volatile("ldmxcsr %0" ::"m"((unsigned){0x1f80}));
  CATCH("x87 divide unmasked", NULL, ({
          unsigned short cw = 0x37f & ~4;
          __asm__ volatile("fninit; fldcw %0; fldz; fld1; fdivp; fwait" ::"m"(cw));
        }));
  __asm__ volatile("fninit");
  skip = 2; /* the handler steps over ud2 and returns */
  __asm__ volatile("ud2");
  skip = 0;
  report("stepped over ud2", NULL);
#endif

  for (int i = 0; i < 1000; i++)
    if (sigsetjmp(back, 1) == 0) *(volatile int *)16 = 1;
  printf("1000 more\n");

  sa.sa_handler = SIG_DFL;
  sa.sa_flags = 0;
  for (int i = 0; i < 5; i++) sigaction(sigs[i], &sa, NULL);
  pid_t pid;
  CHILD(pid, *(volatile int *)NULL = 1);
  reap(pid, "unhandled");
  sa.sa_handler = SIG_IGN;
  sigaction(SIGSEGV, &sa, NULL);
  CHILD(pid, *(volatile int *)NULL = 1);
  reap(pid, "ignored all the same");
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  CHILD(pid, *(volatile int *)NULL = 1);
  reap(pid, "blocked all the same");
  return 0;
}
