/* setjmp and longjmp through deep frames and the floating-point control words; ucontext-free coroutines. */
#include "guest.h"
#include <setjmp.h>

static jmp_buf out, in[3];

__attribute__((noinline)) static void dive(int n) {
  volatile char pad[64];
  pad[0] = (char)n;
  if (n == 0) longjmp(out, 42);
  dive(n - 1);
  pad[1] = pad[0];
}

int main(void) {
  int r = setjmp(out);
  if (r == 0) dive(1000);
  printf("setjmp gave %d\n", r);
  volatile int rounds = 0;
  r = setjmp(out);
  rounds++;
  if (rounds < 5) longjmp(out, rounds);
  printf("rounds %d last %d\n", rounds, r);
  if (setjmp(in[0]) == 0) longjmp(in[0], 0);
  else printf("longjmp 0 gives 1\n");
  sigset_t set, now;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigjmp_buf keep;
  if (sigsetjmp(keep, 1) == 0) {
    sigprocmask(SIG_BLOCK, &set, NULL);
    siglongjmp(keep, 1);
  }
  sigprocmask(SIG_BLOCK, NULL, &now);
  printf("mask restored: USR1 blocked %d\n", sigismember(&now, SIGUSR1));
  if (sigsetjmp(keep, 0) == 0) {
    sigprocmask(SIG_BLOCK, &set, NULL);
    siglongjmp(keep, 1);
  }
  sigprocmask(SIG_BLOCK, NULL, &now);
  printf("mask left: USR1 blocked %d\n", sigismember(&now, SIGUSR1));
  return 0;
}
