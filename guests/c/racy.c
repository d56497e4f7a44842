/* Threads print without a lock between them: the order is the scheduler's, and with it the seed's. */
#include "guest.h"
#include <pthread.h>

static void *chatter(void *arg) {
  char c = (char)('a' + (long)arg);
  for (int i = 0; i < 40; i++) {
    for (volatile int k = 0; k < 2000; k++) {
    }
    if (write(1, &c, 1) != 1) return NULL;
  }
  return NULL;
}

int main(void) {
  pthread_t t[4];
  for (long i = 0; i < 4; i++) pthread_create(&t[i], NULL, chatter, (void *)i);
  for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
  return write(1, "\n", 1) == 1 ? 0 : 1;
}
