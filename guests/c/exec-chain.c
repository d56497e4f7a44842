/* execve in many ways: a chain of itself, environment, close-on-exec, scripts, from a thread, errors. */
#include "guest.h"
#include <pthread.h>

static char self[4096];
static void *exec_from_thread(void *arg) {
  execl(self, "exec-chain", "thread", (char *)NULL);
  return arg;
}
static int handled;
static void handler(int sig) { handled = sig; }

int main(int argc, char **argv, char **envp) {
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  MUST(n > 0);
  self[n] = 0;
  const char *stage = argc > 1 ? argv[1] : "start";
  if (!strcmp(stage, "count")) {
    int left = atoi(argv[2]);
    if (left == 0) {
      printf("end of the chain, argc %d env CHAIN=%s\n", argc, getenv("CHAIN"));
      return 5;
    }
    char next[16], env[32];
    snprintf(next, sizeof next, "%d", left - 1);
    snprintf(env, sizeof env, "CHAIN=%d", left);
    execve(self, (char *[]){argv[0], "count", next, NULL}, (char *[]){env, NULL});
    return 99;
  }
  if (!strcmp(stage, "thread")) {
    printf("exec from a thread: one task, argv0 %s\n", argv[0]);
    return 6;
  }
  if (!strcmp(stage, "state")) {
    struct sigaction sa;
    sigset_t mask, pending;
    sigaction(SIGUSR1, NULL, &sa);
    printf("handled signal is default %d", sa.sa_handler == SIG_DFL);
    sigaction(SIGUSR2, NULL, &sa);
    printf(", ignored stays ignored %d", sa.sa_handler == SIG_IGN);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigpending(&pending);
    printf(", mask kept %d, pending kept %d\n", sigismember(&mask, SIGTERM), sigismember(&pending, SIGTERM));
    printf("fd 20 %d, fd 21 %d\n", fcntl(20, F_GETFD), fcntl(21, F_GETFD));
    return 0;
  }
  if (!strcmp(stage, "args")) {
    for (int i = 0; i < argc; i++) printf("[%s]", strcmp(argv[i], self) ? argv[i] : "SELF");
    for (char **e = envp; *e; e++) printf("{%s}", *e);
    printf("\n");
    return 0;
  }
  if (!strcmp(stage, "many")) {
    size_t bytes = 0;
    for (int i = 2; i < argc; i++) bytes += strlen(argv[i]);
    printf("many: argc %d bytes %zu\n", argc, bytes);
    return 0;
  }

  pid_t pid;
  CHILD(pid, execl(self, "chain", "count", "20", (char *)NULL));
  reap(pid, "chain");
  CHILD(pid, pthread_t t; pthread_create(&t, NULL, exec_from_thread, NULL); for (;;) pause_ms(1000));
  reap(pid, "thread");
  CHILD(pid, {
    signal(SIGUSR1, handler);
    signal(SIGUSR2, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGTERM);
    int fd = open("/dev/null", O_RDONLY);
    dup2(fd, 20);
    dup3(fd, 21, O_CLOEXEC);
    execl(self, "state", "state", (char *)NULL);
  });
  reap(pid, "state");
  CHILD(pid, execve(self, (char *[]){"zero", "args", "", "two words", "\xff\x01", NULL}, (char *[]){"A=1", "odd", "", NULL}));
  reap(pid, "args");

  enter_dir();
  int fd = open("script", O_WRONLY | O_CREAT, 0755);
  dprintf(fd, "#!%s args\nnothing else is read\n", self);
  close(fd);
  CHILD(pid, execve("./script", (char *[]){"ignored", "one", "two", NULL}, (char *[]){NULL}));
  reap(pid, "script");
  fd = open("text", O_WRONLY | O_CREAT, 0755);
  dprintf(fd, "just text\n");
  close(fd);
  R(execl("./text", "text", (char *)NULL));
  R(execl("./missing", "missing", (char *)NULL));
  R(execl(".", "dir", (char *)NULL));
  R(execl("./text/under", "under", (char *)NULL));
  chmod("text", 0644);
  R(execl("./text", "text", (char *)NULL));
  fd = open("loop", O_WRONLY | O_CREAT, 0755);
  dprintf(fd, "#!./loop\n");
  close(fd);
  R(execl("./loop", "loop", (char *)NULL));
  fd = open("empty", O_WRONLY | O_CREAT, 0755);
  close(fd);
  R(execl("./empty", "empty", (char *)NULL));
  fd = open("no-interp", O_WRONLY | O_CREAT, 0755);
  dprintf(fd, "#!/no/such/interpreter\n");
  close(fd);
  R(execl("./no-interp", "no-interp", (char *)NULL));
  fd = open("half-elf", O_WRONLY | O_CREAT, 0755);
  MUST(write(fd, "\177ELF\2\1\1", 7) == 7);
  close(fd);
  R(execl("./half-elf", "half-elf", (char *)NULL));
  R(execve((char *)8, (char *[]){"x", NULL}, NULL));
  chmod("text", 0755); /* Linux since 6.9 opens the file before it reads the arguments: EACCES would come first */
  R(execve("./text", (char **)8, NULL));
  static char *lots[5003];
  static char arg[100];
  memset(arg, 'x', 99);
  lots[0] = "lots";
  lots[1] = "many";
  for (int i = 2; i < 5002; i++) lots[i] = arg;
  CHILD(pid, execv(self, lots); printf("errno %d\n", errno));
  reap(pid, "many");
  char *huge = malloc(200000);
  memset(huge, 'y', 199999);
  huge[199999] = 0;
  R(execl(self, "huge", "many", huge, (char *)NULL));
  int memfd = memfd_create("program", 0);
  int in = open(self, O_RDONLY);
  char buf[65536];
  while ((n = read(in, buf, sizeof buf)) > 0) MUST(write(memfd, buf, (size_t)n) == n);
  CHILD(pid, syscall(SYS_execveat, memfd, "", (char *[]){"from-memory", "args", NULL}, (char *[]){NULL}, AT_EMPTY_PATH));
  reap(pid, "execveat");
  static const char *files[] = {"script", "text", "loop", "empty", "no-interp", "half-elf"};
  for (int i = 0; i < 6; i++) unlink(files[i]);
  leave_dir();
  return 0;
}
