/*
 * One probe for each quirk of a personality: what it prints on Linux differs from what it prints with the quirk.
 * quirks NAME: one; quirks all: every one in a process of its own; quirks list: their names.
 */
#include "probe.h"

/* A third argument: the probe executed itself. */
static const char *argument;
static int argument_count;
static unsigned long *start_of_auxv;

#include "elf.h"
#include "scheduling.h"
#include "futex.h"
#include "tasks.h"
#include "signals.h"
#include "epoll.h"
#include "files.h"
#include "memory.h"
#include "network.h"

static const char *name_of(const struct probe *p) {
  static char name[64];
  strcpy(name, p->name);
  for (char *c = name; *c; c++)
    if (*c == '_') *c = '-';
  return name;
}

static int all(const char *self) {
  for (const struct probe *p = first_probe; p; p = p->next) {
    printf("== %s\n", name_of(p));
    pid_t pid = fork();
    if (pid == 0) {
      execl("/proc/self/exe", self, name_of(p), NULL);
      _exit(3);
    }
    int status;
    while (waitpid(pid, &status, 0) != pid)
      ;
    if (status != 0) printf("status %#x\n", status);
  }
  return 0;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  char **e = environ;
  while (*e) e++;
  start_of_auxv = (unsigned long *)(e + 1);
  if (argc < 2) return 2;
  argument_count = argc;
  if (argc > 3) { /* run by an interpreter's name: /tmp/quirk-… quirks NAME - */
    argv += argc - 3;
    argc = 3;
  }
  argument = argc > 2 ? argv[2] : NULL;
  if (strcmp(argv[1], "all") == 0) return all(argv[0]);
  for (const struct probe *p = first_probe; p; p = p->next) {
    if (strcmp(argv[1], "list") == 0) puts(name_of(p));
    else if (strcmp(argv[1], name_of(p)) == 0) {
      p->run();
      _exit(0);
    }
  }
  return strcmp(argv[1], "list") == 0 ? 0 : 2;
}
