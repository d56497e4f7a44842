/* Double-precision matrix product, N times over: matrix [ROUNDS]. */
#include "bare.h"

#define N 64
static double a[N][N], b[N][N], c[N][N];

int bare_main(int argc, char **argv) {
  unsigned long rounds = argc > 1 ? parse(argv[1]) : 1;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      a[i][j] = (i * 31 + j * 17) % 97 / 8.0;
      b[i][j] = (i * 13 + j * 29) % 89 / 16.0;
    }
  for (unsigned long r = 0; r < rounds; r++)
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        double sum = c[i][j] / 2;
        for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
        c[i][j] = sum;
      }
  double trace = 0;
  for (int i = 0; i < N; i++) trace += c[i][i];
  put_number("trace ", (uint64_t)(trace * 1024), "\n");
  return 0;
}
