/* Quicksort of N thousand integers through a comparison function: qsort [THOUSANDS]. */
#include "bare.h"

static uint32_t v[4000000];

static int compare(const uint32_t *x, const uint32_t *y) { return *x < *y ? -1 : *x > *y; }

static void sort(uint32_t *lo, uint32_t *hi, int (*cmp)(const uint32_t *, const uint32_t *)) {
  while (lo < hi) {
    uint32_t pivot = lo[(hi - lo) / 2];
    uint32_t *i = lo, *j = hi;
    while (i <= j) {
      while (cmp(i, &pivot) < 0) i++;
      while (cmp(j, &pivot) > 0) j--;
      if (i <= j) {
        uint32_t t = *i;
        *i++ = *j;
        *j-- = t;
      }
    }
    if (j - lo < hi - i) {
      sort(lo, j, cmp);
      lo = i;
    } else {
      sort(i, hi, cmp);
      hi = j;
    }
  }
}

int bare_main(int argc, char **argv) {
  unsigned long n = (argc > 1 ? parse(argv[1]) : 2) * 1000;
  if (n > sizeof v / sizeof *v) return 2;
  uint32_t x = 12345;
  for (unsigned long i = 0; i < n; i++) v[i] = x = x * 1664525 + 1013904223;
  int (*volatile cmp)(const uint32_t *, const uint32_t *) = compare;
  if (n) sort(v, v + n - 1, cmp);
  uint64_t sum = 0;
  for (unsigned long i = 0; i < n; i++) {
    if (i && v[i - 1] > v[i]) return 1;
    sum = sum * 31 + v[i];
  }
  put_number("sorted ", sum, "\n");
  return 0;
}
