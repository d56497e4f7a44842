/* Product of matrices of 32-bit integers, row by row as compilers vectorise it, N times over: intmatrix [ROUNDS]. */
#include "bare.h"

#define N 128
static uint32_t a[N][N], b[N][N], c[N][N];

int bare_main(int argc, char **argv) {
  unsigned long rounds = argc > 1 ? parse(argv[1]) : 1;
  for (uint32_t i = 0; i < N; i++)
    for (uint32_t j = 0; j < N; j++) {
      a[i][j] = i * 31 + j * 17;
      b[i][j] = (i ^ j) * 2654435761u;
    }
  for (unsigned long r = 0; r < rounds; r++)
    for (int i = 0; i < N; i++)
      for (int k = 0; k < N; k++) {
        uint32_t x = a[i][k];
        for (int j = 0; j < N; j++) c[i][j] += x * b[k][j];
      }
  uint64_t sum = 0;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) sum = sum * 31 + c[i][j];
  put_number("product ", sum, "\n");
  return 0;
}
