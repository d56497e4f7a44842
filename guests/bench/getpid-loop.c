/* The cheapest system call, over and over: getpid-loop [CALLS]. */
#include "bare.h"

int bare_main(int argc, char **argv) {
  unsigned long calls = argc > 1 ? parse(argv[1]) : 1000;
  long first = syscall0(NR_getpid);
  for (unsigned long i = 1; i < calls; i++) {
    if (syscall0(NR_getpid) != first) return 1;
  }
  put_number("", calls, " calls\n");
  return 0;
}
