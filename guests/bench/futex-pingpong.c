/* Two threads hand a token to and fro with bare futex calls: futex-pingpong [ROUND TRIPS]. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic int turn;
static long trips;

static void pass(int from, int to) {
  while (atomic_load(&turn) != from) syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, to, NULL, NULL, 0);
  atomic_store(&turn, to);
  syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *pong(void *unused) {
  for (long i = 0; i < trips; i++) pass(1, 0);
  return unused;
}

int main(int argc, char **argv) {
  trips = argc > 1 ? atol(argv[1]) : 1000;
  pthread_t t;
  if (pthread_create(&t, NULL, pong, NULL)) return 1;
  for (long i = 0; i < trips; i++) pass(0, 1);
  pthread_join(t, NULL);
  printf("%ld round trips\n", trips);
  return 0;
}
