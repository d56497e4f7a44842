/* sigaltstack: a stack overflow caught on the alternate stack; nested handlers; autodisarm. */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf back;
static char *alt;
#define ALT 65536
static volatile int depth;

static int on_alt(void *p) { return (char *)p >= alt && (char *)p < alt + ALT; }

static void overflowed(int sig, siginfo_t *info, void *context) {
  (void)info, (void)context;
  int here;
  stack_t now;
  sigaltstack(NULL, &now);
  printf("signal %d on alt %d flags %d\n", sig, on_alt(&here), now.ss_flags);
  errno = 0;
  stack_t other = {.ss_sp = alt, .ss_size = ALT, .ss_flags = 0};
  int r = sigaltstack(&other, NULL);
  printf("change while on it = %d errno %d\n", r, errno);
  siglongjmp(back, 1);
}
static void plain(int sig) {
  int here;
  printf("signal %d on alt %d\n", sig, on_alt(&here));
}
static void outer(int sig) {
  int here;
  printf("outer %d on alt %d\n", sig, on_alt(&here));
  raise(SIGUSR2);
  printf("outer done\n");
}

__attribute__((noinline)) static int recurse(int n) {
  volatile char frame[4096];
  frame[0] = (char)n;
  depth++;
  return recurse(n + 1) + frame[0];
}

int main(void) {
  alt = mmap(NULL, ALT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack_t ss = {.ss_sp = alt, .ss_size = ALT}, old;
  R(sigaltstack(NULL, &old));
  printf("flags %d\n", old.ss_flags);
  R(sigaltstack(&ss, &old));
  R(sigaltstack(&(stack_t){.ss_sp = alt, .ss_size = 100}, NULL));
  R(sigaltstack(&(stack_t){.ss_sp = alt, .ss_size = ALT, .ss_flags = 77}, NULL));
  struct sigaction sa = {.sa_sigaction = overflowed, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &sa, NULL);
  for (int i = 0; i < 2; i++) {
    depth = 0;
    if (sigsetjmp(back, 1) == 0) recurse(0);
    OK(depth > 1000 && depth < 2100);
  }
  sa.sa_handler = plain;
  sa.sa_flags = 0;
  sigaction(SIGUSR1, &sa, NULL);
  sigaction(SIGUSR2, &(struct sigaction){.sa_handler = plain, .sa_flags = SA_ONSTACK}, NULL);
  raise(SIGUSR1);
  raise(SIGUSR2);
  sigaction(SIGUSR1, &(struct sigaction){.sa_handler = outer, .sa_flags = SA_ONSTACK}, NULL);
  raise(SIGUSR1);
  R(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL));
  raise(SIGUSR2);
  R(sigaltstack(NULL, &old));
  printf("flags %d\n", old.ss_flags);
  return 0;
}
