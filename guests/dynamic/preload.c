/* LD_PRELOAD: takes the place of two functions of the C library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

pid_t getpid(void) {
  pid_t (*real)(void) = (pid_t(*)(void))dlsym(RTLD_NEXT, "getpid");
  return real() > 0 ? 4242 : -1;
}

int puts(const char *s) { return printf("[%s]\n", s); }
