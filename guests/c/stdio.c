/* A filter: numbers the lines of standard input, and writes their count to standard error. Options as arguments. */
#include "guest.h"
#include <ctype.h>

int main(int argc, char **argv) {
  int upper = argc > 1 && !strcmp(argv[1], "-u");
  char *line = NULL;
  size_t room = 0;
  long n = 0, bytes = 0;
  for (ssize_t len; (len = getline(&line, &room, stdin)) > 0; bytes += len) {
    if (upper)
      for (ssize_t i = 0; i < len; i++) line[i] = (char)toupper((unsigned char)line[i]);
    printf("%4ld %s", ++n, line);
  }
  fprintf(stderr, "%ld lines, %ld bytes, tty %d\n", n, bytes, isatty(0));
  return n > 3 ? 3 : (int)n;
}
