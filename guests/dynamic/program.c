/* What the dynamic linker does with a program: preloading, dlopen and dlclose with TLS in threads, IFUNC, RELRO. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static int (*next)(void);
static char *(*buffer)(void);

static void *thread(void *arg) {
  printf("thread: %d", next());
  printf(" %d", next());
  printf(" %c\n", buffer()[4999]);
  return arg;
}

static sigjmp_buf out;
static void handler(int sig) { siglongjmp(out, sig); }

static int find_relro(struct dl_phdr_info *info, size_t size, void *found) {
  for (int i = 0; i < info->dlpi_phnum; i++)
    if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO) {
      *(volatile char **)found = (char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
      return 1; /* the program comes first */
    }
  return 0;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("main");
  printf("pid is preloaded: %d\n", getpid() == 4242);
  for (int i = 0; i < 3; i++) {
    void *h = dlopen("./library.so", i == 1 ? RTLD_LAZY : RTLD_NOW);
    if (h == NULL) {
      printf("%s\n", dlerror());
      return 1;
    }
    next = (int (*)(void))dlsym(h, "next");
    buffer = (char *(*)(void))dlsym(h, "buffer");
    int (*chosen)(void) = (int (*)(void))dlsym(h, "chosen");
    printf("next %d, chosen %d\n", next(), chosen());
    for (int k = 0; k < 3; k++) {
      pthread_t t;
      pthread_create(&t, NULL, thread, NULL);
      pthread_join(t, NULL);
    }
    void *again = dlopen("./library.so", RTLD_NOLOAD | RTLD_NOW);
    printf("the same %d, next %d\n", h == again, next());
    dlclose(again);
    dlclose(h);
    printf("still there %d\n", dlopen("./library.so", RTLD_NOLOAD | RTLD_NOW) != NULL);
  }
  void *none = dlopen("./nonexistent.so", RTLD_NOW);
  printf("%d %s\n", none == NULL, dlerror());
  volatile char *relro = NULL;
  dl_iterate_phdr(find_relro, (void *)&relro);
  signal(SIGSEGV, handler);
  int sig = sigsetjmp(out, 1);
  if (sig == 0) *relro = *relro;
  printf("writing RELRO: signal %d\n", sig);
  printf("linker %d, started as %s\n", getauxval(AT_BASE) != 0, (char *)getauxval(AT_EXECFN));
  return 0;
}
