/* Calls and returns: recursive Fibonacci of N: fib [N]. */
#include "bare.h"

__attribute__((noinline)) static uint64_t fib(uint64_t n) {
  if (n < 2) return n;
  uint64_t left = fib(n - 1);
  __asm__ volatile("" : "+r"(left)); /* keeps the recursion a recursion */
  return left + fib(n - 2);
}

int bare_main(int argc, char **argv) {
  uint64_t n = argc > 1 ? parse(argv[1]) : 20;
  put_number("fib ", fib(n), "\n");
  return 0;
}
