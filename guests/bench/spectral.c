/* Spectral norm of the infinite matrix 1/((i+j)(i+j+1)/2+i+1), cut to N rows, by ten power steps: spectral [N]. */
#include "bare.h"

#define MOST 4096
static double u[MOST], v[MOST], between[MOST];

static double element(int i, int j) { return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1); }

__attribute__((noinline)) static void times(int n, const double *from, double *to) {
  for (int i = 0; i < n; i++) {
    double sum = 0;
    for (int j = 0; j < n; j++) sum += element(i, j) * from[j];
    to[i] = sum;
  }
}

__attribute__((noinline)) static void times_transposed(int n, const double *from, double *to) {
  for (int i = 0; i < n; i++) {
    double sum = 0;
    for (int j = 0; j < n; j++) sum += element(j, i) * from[j];
    to[i] = sum;
  }
}

int bare_main(int argc, char **argv) {
  unsigned long n = argc > 1 ? parse(argv[1]) : 50;
  if (n > MOST) return 2;
  for (unsigned long i = 0; i < n; i++) u[i] = 1;
  for (int i = 0; i < 10; i++) {
    times((int)n, u, between);
    times_transposed((int)n, between, v);
    times((int)n, v, between);
    times_transposed((int)n, between, u);
  }
  double uv = 0, vv = 0;
  for (unsigned long i = 0; i < n; i++) {
    uv += u[i] * v[i];
    vv += v[i] * v[i];
  }
  put_number("norm squared ", (uint64_t)(uv / vv * 1e12), " e-12\n");
  return 0;
}
