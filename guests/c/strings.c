/* String functions at all alignments, and the rep string instructions with both directions and prefixes. */
#include "guest.h"

static unsigned char a[512], b[512];
static uint64_t hash = 14695981039346656037u;
static void mix(const void *p, size_t n) {
  for (const unsigned char *c = p; n--; c++) hash = (hash ^ *c) * 1099511628211u;
}
static void fill(void) {
  for (int i = 0; i < 512; i++) {
    a[i] = (unsigned char)(i * 37 + 11);
    b[i] = (unsigned char)(i * 53 + 7);
  }
}

int main(void) {
  for (size_t from = 0; from < 17; from++)
    for (size_t to = 0; to < 17; to++)
      for (size_t n = 0; n < 130; n += n < 40 ? 1 : 13) {
        fill();
        memcpy(b + to, a + from, n);
        mix(b, 200);
        memmove(a + to, a + from, n);
        mix(a, 200);
        memset(a + from, (int)n, to);
        mix(a, 200);
        int r = memcmp(a + from, b + to, n);
        mix(&(int){r < 0 ? -1 : r > 0}, 4);
      }
  printf("copies %016lx\n", (unsigned long)hash);
  char s[300], d[600];
  for (size_t len = 0; len < 200; len++)
    for (size_t at = 0; at < 4; at++) {
      memset(s, 'x', sizeof s);
      s[at + len] = 0;
      if (len > 3) s[at + len / 2] = 'y';
      size_t results[] = {strlen(s + at),
                          (size_t)(strchr(s + at, 'y') ? strchr(s + at, 'y') - s : 999),
                          (size_t)(strrchr(s + at, 'x') ? strrchr(s + at, 'x') - s : 999),
                          (size_t)((char *)memchr(s, 0, sizeof s) - s),
                          strspn(s + at, "x"), strcspn(s + at, "yz"), strnlen(s + at, 50),
                          (size_t)(strstr(s + at, "yxx") ? strstr(s + at, "yxx") - s : 999)};
      mix(results, sizeof results);
      strcpy(d, s + at);
      strcat(d, s + at);
      strncpy(d + 400, d, 100);
      mix(d, strlen(d) + 1);
      mix(d + 400, 100);
      int order = strcmp(d, s + at);
      mix(&(int){order < 0 ? -1 : order > 0}, 4);
    }
  printf("strings %016lx\n", (unsigned long)hash);
  char *list = strdup("one,two;;three"), *save, *tok;
  for (tok = strtok_r(list, ",;", &save); tok; tok = strtok_r(NULL, ",;", &save)) printf("[%s]", tok);
  printf(" %d %d %s\n", strcasecmp("HeLLo", "hEllO"), atoi("-42x"), strpbrk("abcdef", "fd"));

#if defined(__x86_64__)
#define REP(insn, size)                                                                                              \
  do {                                                                                                               \
    for (long n = 0; n < 32; n += 7)    \
      for (int down = 0; down < 2; down++) {                                                                         \
        fill();                                                                                                      \
        unsigned char *src = a + 256, *dst = b + 256;                                                                \
        unsigned long cx = (unsigned long)n, flags, ax = 0x1122334455667788;                                         \
        if (down) __asm__ volatile("std");                                                                           \
        __asm__ volatile(insn "; pushf; pop %4" : "+S"(src), "+D"(dst), "+c"(cx), "+a"(ax), "=r"(flags)::"memory", "cc"); \
        __asm__ volatile("cld");                                                                                     \
        long at[5] = {src - a, dst - b, (long)cx, (long)ax, (long)(flags & 0xcd5)};                                  \
        mix(at, sizeof at);                                                                                          \
        mix(b, sizeof b);                                                                                            \
      }                                                                                                              \
    puts(insn + (insn[0] == 'x' ? 18 : 0)), printf("%016lx\n", (unsigned long)hash);                                                                \
  } while (0)
  REP("rep movsb", 1);
  REP("rep movsw", 2);
  REP("rep movsl", 4);
  REP("rep movsq", 8);
  REP("rep stosb", 1);
  REP("rep stosl", 4);
  REP("rep stosq", 8);
  REP("rep lodsw", 2);
  REP("xor %%edx, %%edx\n\trepe cmpsb", 1);
  REP("xor %%edx, %%edx\n\trepne cmpsq", 8);
  REP("xor %%edx, %%edx\n\trepne scasb", 1);
  REP("xor %%edx, %%edx\n\trepe scasl", 4);
  memset(a, 'm', 300);
  memset(b, 'm', 300);
  b[123] = 'n';
  unsigned char *src = a, *dst = b;
  unsigned long cx = 300;
  __asm__ volatile("repe cmpsb" : "+S"(src), "+D"(dst), "+c"(cx)::"memory", "cc");
  printf("differs after %ld, %lu left\n", (long)(src - a), cx);
  /* Overlapping forward copy repeats the first byte: rep movsb is byte by byte as far as anyone can see. */
  fill();
  src = a, dst = a + 1, cx = 100;
  __asm__ volatile("rep movsb" : "+S"(src), "+D"(dst), "+c"(cx)::"memory");
  int same = 0;
  for (int i = 0; i <= 100; i++) same += a[i] == a[0];
  printf("spread %d\n", same);
#endif
  return 0;
}
