/* Something of everything a debugger is asked to stop at: threads, a variable that changes, calls, a signal, a fork. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int counter;
char text[4];
static volatile sig_atomic_t got;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((noinline)) int add(int by) {
  int old = counter;
  counter = old + by;
  return old;
}

static void *worker(void *arg) {
  for (int i = 0; i < 3; i++) {
    pthread_mutex_lock(&lock);
    add((int)(long)arg);
    pthread_mutex_unlock(&lock);
    usleep(10);
  }
  return arg;
}

static void handler(int signo) {
  got = signo;
}

__attribute__((noinline)) int inchild(int x) {
  return x + 1;
}

int main(void) {
  pthread_t t[2];
  for (long i = 0; i < 2; i++) pthread_create(&t[i], NULL, worker, (void *)(i + 1));
  for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
  signal(SIGUSR1, handler);
  raise(SIGUSR1);
  int p[2], status;
  if (pipe(p) != 0 || write(p[1], "hi", 3) != 3 || read(p[0], text, 4) != 3) return 1;
  pid_t pid = fork();
  if (pid == 0) _exit(inchild(6));
  waitpid(pid, &status, 0);
  printf("counter %d, signal %d, %s, child %d\n", counter, (int)got, text, WEXITSTATUS(status));
  return 0;
}
