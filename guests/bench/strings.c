/* The C library's string functions (SSE or NEON in glibc) and snprintf, over and over: strings [ROUNDS]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 20;
  char *text = malloc(70000), *copy = malloc(70000);
  if (!text || !copy) return 1;
  for (int i = 0; i < 65536; i++) text[i] = (char)('a' + i * 7 % 26);
  text[65536] = 0;
  unsigned long sum = 0;
  for (long r = 0; r < rounds; r++) {
    text[r * 37 % 65536] = '#';
    memcpy(copy, text + r % 16, 65536 - 16);
    copy[65536 - 16] = 0;
    sum += strlen(copy);
    char *hit = strchr(copy, '#');
    sum = sum * 31 + (hit ? (unsigned long)(hit - copy) : 7);
    sum += (unsigned long)(strcmp(copy, text + r % 16) != 0);
    hit = memchr(copy, '!', 65536 - 16);
    sum += hit != NULL;
    hit = strstr(copy, "#zzz");
    sum += hit != NULL;
    memset(copy, (int)r, 4096);
    for (int i = 0; i < 16; i++) { /* short ones, where a call costs more than its bytes */
      char line[80];
      int n = snprintf(line, sizeof line, "%s=%d %08lx %-12.5s|%c %.3f", i & 1 ? "odd" : "even", i * (int)r,
                       sum, text + i, 'a' + i, (double)r / (i + 1));
      sum += strlen(line) + (size_t)n;
      hit = strchr(line, '|');
      sum = sum * 31 + (unsigned char)hit[1];
      memcpy(copy + 100 * i, line, (size_t)n + 1);
    }
  }
  printf("strings %lu\n", sum);
  return 0;
}
