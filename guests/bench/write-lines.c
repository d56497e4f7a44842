/* Something to trace: write-lines [CALLS] writes a byte to /dev/null that often. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  long calls = argc > 1 ? atol(argv[1]) : 1000;
  int fd = open("/dev/null", O_WRONLY);
  if (fd < 0) return 1;
  for (long i = 0; i < calls; i++) {
    if (write(fd, "x", 1) != 1) return 1;
  }
  printf("%ld writes\n", calls);
  return 0;
}
