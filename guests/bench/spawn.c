/*
 * fork, exec and wait, over and over: spawn [COUNT [EMULATOR]]. With COUNT 0 it does nothing, which is what the children
 * do. qemu's user mode would hand execve to the host, so there each child is started through EMULATOR.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 10;
  if (count == 0) return 0;
  for (long i = 0; i < count; i++) {
    pid_t pid = fork();
    if (pid < 0) return 1;
    if (pid == 0) {
      if (argc > 2) execl(argv[2], argv[2], argv[0], "0", (char *)0);
      else execl(argv[0], argv[0], "0", (char *)0);
      _exit(127);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0) return 1;
  }
  printf("%ld processes\n", count);
  return 0;
}
