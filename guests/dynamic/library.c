/* Loaded and unloaded by program.c: thread-local variables, an IFUNC, a constructor and a destructor. */
#include <stdio.h>

__thread int local = 5;
__thread char large[5000];
static int calls;

static int second(void) { return 22; }
static void *resolve(void) { return second; }
int chosen(void) __attribute__((ifunc("resolve")));

int next(void) { return ++local * 100 + ++calls; }
char *buffer(void) {
  large[4999] = 'x';
  return large;
}

__attribute__((constructor)) static void loaded(void) { printf("loaded\n"); }
__attribute__((destructor)) static void unloaded(void) { printf("unloaded\n"); }
