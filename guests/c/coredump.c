/*
 * Core dumps. Without arguments: which deaths leave a core, where, and what is in it, read back from the file. "crash": dies
 * with threads, for a debugger; "ABRT" and so on: dies of that signal.
 */
#include "guest.h"
#include <elf.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>

int answer = 42;
const char *text = "text in a core";
static char written[5000] = "written before the end";

static struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

__attribute__((noinline)) int inner(int *p, int depth) {
  if (depth > 0) return inner(p, depth - 1) + depth;
  return *(volatile int *)p;
}

static pthread_barrier_t barrier;
static pid_t crasher;

__attribute__((noinline)) void *worker(void *arg) {
  pthread_barrier_wait(&barrier);
  for (;;) pause();
  return arg;
}

static void *crashing(void *arg) {
  crasher = syscall(SYS_gettid);
  *(pid_t *)arg = crasher;
  pthread_barrier_wait(&barrier);
  inner((int *)0x1230, 3);
  return NULL;
}

static int crash(void) {
  pthread_t a, b;
  pthread_barrier_init(&barrier, NULL, 3);
  pthread_create(&a, NULL, worker, (void *)1);
  pthread_create(&b, NULL, worker, (void *)2);
  pthread_barrier_wait(&barrier);
  printf("answer %p tid %d\n", (void *)&answer, (int)syscall(SYS_gettid));
  fflush(stdout);
  return inner((int *)0x1230, 3);
}

/* A core file, whole in memory. */
static unsigned char *core;
static size_t core_size;

static int read_core(void) {
  free(core);
  core = NULL;
  struct stat st;
  int fd = open("core", O_RDONLY);
  if (fd < 0 || fstat(fd, &st) != 0) return 0;
  core_size = st.st_size;
  core = malloc(core_size);
  size_t n = 0;
  for (ssize_t r; n < core_size && (r = read(fd, core + n, core_size - n)) > 0;) n += r;
  close(fd);
  return n == core_size;
}

/* Where the file has the byte at `address`; NULL: nowhere. */
static void *in_core(const void *address) {
  Elf64_Ehdr *e = (void *)core;
  Elf64_Phdr *p = (void *)(core + e->e_phoff);
  for (int i = 0; i < e->e_phnum; i++) {
    uintptr_t at = (uintptr_t)address;
    if (p[i].p_type == PT_LOAD && at >= p[i].p_vaddr && at < p[i].p_vaddr + p[i].p_filesz)
      return core + p[i].p_offset + (at - p[i].p_vaddr);
  }
  return NULL;
}

/* The nth note of a type. */
static void *note(unsigned type, int nth, size_t *size) {
  Elf64_Ehdr *e = (void *)core;
  Elf64_Phdr *p = (void *)(core + e->e_phoff);
  unsigned char *at = core + p[0].p_offset, *end = at + p[0].p_filesz;
  while (p[0].p_type == PT_NOTE && at < end) {
    Elf64_Nhdr *n = (void *)at;
    unsigned char *desc = at + sizeof *n + ((n->n_namesz + 3) & ~3);
    if (n->n_type == type && nth-- == 0) {
      if (size) *size = n->n_descsz;
      return desc;
    }
    at = desc + ((n->n_descsz + 3) & ~3);
  }
  return NULL;
}

static void ended(const char *what, pid_t pid) {
  int status = 0;
  MUST(waitpid(pid, &status, 0) == pid);
  struct stat st;
  int there = lstat("core", &st) == 0;
  printf("%s: signal %d, core %d, ", what, WTERMSIG(status), WCOREDUMP(status) != 0);
  if (there) printf("file %o\n", st.st_mode);
  else printf("no file\n");
}

#define DIES(what, ...)                 \
  do {                                  \
    pid_t pid_;                         \
    setrlimit(RLIMIT_CORE, &unlimited); \
    CHILD(pid_, __VA_ARGS__);           \
    ended(what, pid_);                  \
  } while (0)

static void limit(rlim_t n) { setrlimit(RLIMIT_CORE, &(struct rlimit){n, RLIM_INFINITY}); }
static void segv(void) { inner((int *)0x1230, 3); }

static void put(const char *file, const char *value) {
  int fd = open(file, O_WRONLY);
  ssize_t n = write(fd, value, strlen(value));
  printf("write %s: %d %s\n", value, (int)n, n < 0 ? strerror(errno) : "");
  close(fd);
}

static void get(const char *file) {
  char buf[64] = "";
  int fd = open(file, O_RDONLY);
  ssize_t n = read(fd, buf, sizeof buf - 1);
  printf("filter %.*s", (int)(n > 0 ? n : 0), buf);
  close(fd);
}

/* One mapping of each kind, and which of them are in a core under a filter. */
static char *kinds[6];
static void filter(const char *value) {
  pid_t pid;
  unlink("core");
  limit(RLIM_INFINITY);
  CHILD(pid, {
    int fd = open("/proc/self/coredump_filter", O_WRONLY);
    if (write(fd, value, strlen(value)) < 0) _exit(1);
    segv();
  });
  int status;
  waitpid(pid, &status, 0);
  printf("filter %s: core %d:", value, WCOREDUMP(status) != 0);
  if (read_core())
    for (int i = 0; i < 6; i++) {
      char *at = in_core(kinds[i]);
      printf(" %s", at == NULL ? "-" : at[0] == 'k' ? "+" : "?");
    }
  printf("\n");
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "crash") == 0) return crash();
  if (argc > 1 && strcmp(argv[1], "filter") == 0) {
    get("/proc/self/coredump_filter");
    return 0;
  }
  enter_dir();
  umask(022);

  limit(0);
  pid_t pid;
  CHILD(pid, segv());
  ended("limit 0", pid);
  DIES("limit 4095", limit(4095); segv());
  DIES("no limit", segv());
  MUST(read_core());
  size_t whole = core_size;
  Elf64_Ehdr *e = (void *)core;
  printf("type %d, class %d, first header %d\n", e->e_type, e->e_ident[EI_CLASS], ((Elf64_Phdr *)(core + e->e_phoff))->p_type);
  struct elf_prstatus *s = note(NT_PRSTATUS, 0, NULL);
  printf("signal %d %d, one thread %d\n", s->pr_cursig, s->pr_info.si_signo, note(NT_PRSTATUS, 1, NULL) == NULL);
  OK(s->pr_ppid == getpid());
  siginfo_t *si = note(NT_SIGINFO, 0, NULL);
  printf("siginfo %d code %d at %#lx\n", si->si_signo, si->si_code, (long)si->si_addr);
  struct elf_prpsinfo *ps = note(NT_PRPSINFO, 0, NULL);
  OK(strncmp(ps->pr_fname, "coredump", 8) == 0 && ps->pr_sname == 'R');
  OK(ps->pr_pid == s->pr_pid);
  OK(strncmp(ps->pr_psargs, argv[0], strlen(argv[0]) < 79 ? strlen(argv[0]) : 79) == 0);
  OK(memcmp(in_core(written), written, sizeof written) == 0);
  OK(*(int *)in_core(&answer) == 42);
  OK(in_core(&s) != NULL);
  size_t size;
  long *auxv = note(NT_AUXV, 0, &size);
  OK(auxv[size / 8 - 2] == AT_NULL);
  OK(note(NT_FILE, 0, NULL) != NULL);
  OK(note(NT_PRFPREG, 0, &size) != NULL && size >= 512);

  /* An old file makes way, and its other name keeps what it had; what is no file stays. */
  unlink("core");
  close(open("core", O_CREAT | O_WRONLY, 0644));
  R(link("core", "other"));
  DIES("in the place of a file", segv());
  struct stat st;
  R(stat("other", &st));
  printf("other: %ld bytes, %ld names\n", (long)st.st_size, (long)st.st_nlink);
  unlink("core");
  R(symlink("other", "core"));
  DIES("in the place of a link", segv());
  R(stat("other", &st));
  printf("other: %ld bytes\n", (long)st.st_size);
  unlink("core");
  R(mkdir("core", 0755));
  DIES("a directory", segv());
  rmdir("core");
  DIES("umask 0277", umask(0277); segv());
  DIES("not dumpable", prctl(PR_SET_DUMPABLE, 0); segv());
  DIES("limit 20000", limit(20000); segv());
  OK(stat("core", &st) == 0 && st.st_size > 4096 && st.st_size < (off_t)whole);
  unlink("core");

  const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV,
                                SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGPOLL, SIGPWR,
                                SIGSYS, SIGRTMIN};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    DIES("raised", raise(signals[i]));
    unlink("core");
  }

  /* Of several threads the one that died comes first. */
  pid_t *tid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  DIES("threads", {
    pthread_t t;
    pthread_barrier_init(&barrier, NULL, 3);
    pthread_create(&t, NULL, worker, NULL);
    pthread_create(&t, NULL, crashing, tid);
    pthread_barrier_wait(&barrier);
    for (;;) pause();
  });
  MUST(read_core());
  int threads = 0;
  while ((s = note(NT_PRSTATUS, threads, NULL)) != NULL) {
    if (threads++ == 0) OK(s->pr_pid == *tid);
    else OK(s->pr_pid != *tid);
    OK(s->pr_cursig == SIGSEGV && s->pr_fpvalid == 1);
#ifdef __x86_64__
    long call = (long)s->pr_reg[15], sp = (long)s->pr_reg[19];
#else
    long call = *(int *)note(0x404, threads - 1, NULL), sp = (long)s->pr_reg[31];
#endif
    OK(in_core((void *)sp) != NULL);
    if (threads == 1) printf("in no call: %ld\n", call);
    else OK(call >= 0);
  }
  printf("%d threads\n", threads);

  /* /proc/PID/coredump_filter. */
  get("/proc/self/coredump_filter");
  int fd = open("file", O_RDWR | O_CREAT, 0600);
  R(write(fd, "k of a file", 11));
  for (int i = 0; i < 6; i++) {
    int file = i == 2 || i == 3 || i == 5;
    int flags = (i & 1 ? MAP_SHARED : MAP_PRIVATE) | (file ? 0 : MAP_ANONYMOUS);
    kinds[i] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, file ? fd : -1, 0);
    MUST(kinds[i] != MAP_FAILED);
    if (!file) strcpy(kinds[i], "k");
  }
  R(madvise(kinds[4], 4096, MADV_DONTDUMP));
  unlink("file");
  fd = open("named", O_RDWR | O_CREAT, 0600);
  R(write(fd, "k of a file", 11));
  for (int i = 2; i < 4; i++) mmap(kinds[i], 4096, PROT_READ | PROT_WRITE, MAP_FIXED | (i & 1 ? MAP_SHARED : MAP_PRIVATE), fd, 0);
  static const char *filters[] = {"0x33", "0", "1", "2", "4", "8", "0x1f", "16", "017"};
  for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) filter(filters[i]);
  put("/proc/self/coredump_filter", "0x7");
  put("/proc/self/coredump_filter", "nonsense");
  put("/proc/self/coredump_filter", "-1");
  put("/proc/self/coredump_filter", "0xffffffff");
  get("/proc/self/coredump_filter");
  put("/proc/self/coredump_filter", "0x21");
  CHILD(pid, get("/proc/self/coredump_filter"));
  waitpid(pid, NULL, 0);
  CHILD(pid, execl("/proc/self/exe", "coredump", "filter", NULL));
  waitpid(pid, NULL, 0);
  unlink("core");
  unlink("other");
  unlink("named");
  leave_dir();
  return 0;
}
