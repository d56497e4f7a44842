/* /proc/self and a few system files, in so far as their contents are fixed. */
#include "guest.h"
#include <dirent.h>
#include <sys/utsname.h>

static char text[100000];
static long slurp(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -errno;
  long n = 0, r;
  while ((r = read(fd, text + n, sizeof text - 1 - (size_t)n)) > 0) n += r;
  close(fd);
  text[n] = 0;
  return n;
}
static int has(const char *what) { return strstr(text, what) != NULL; }

int main(int argc, char **argv) {
  (void)argc;
  long n = slurp("/proc/self/cmdline");
  OK(n == (long)strlen(argv[0]) + 1 && !strcmp(text, argv[0]));
  slurp("/proc/self/comm");
  OK(text[strlen(text) - 1] == '\n' && !strncmp(text, strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0], 15 < strlen(text) - 1 ? 15 : strlen(text) - 1));
  int pid;
  char comm[64], state;
  slurp("/proc/self/stat");
  OK(sscanf(text, "%d (%63[^)]) %c", &pid, comm, &state) == 3 && pid == getpid() && state == 'R');
  int fields = 1;
  for (char *c = strrchr(text, ')'); *c; c++) fields += *c == ' ';
  OK(fields + 1 == 52);
  slurp("/proc/self/status");
  OK(has("Name:\t") && has("State:\tR (running)\n") && has("VmRSS:") && has("Threads:\t1\n") && has("SigBlk:\t0000000000000000\n"));
  char line[64];
  snprintf(line, sizeof line, "\nPid:\t%d\nPPid:\t%d\n", getpid(), getppid());
  OK(has(line));

  char *area = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(area + 4096, 4096, PROT_NONE);
  slurp("/proc/self/maps");
  char *save, *l;
  unsigned long last = 0, lo, hi;
  int ordered = 1, stack = 0, heap = 0, none = 0, code = 0, lines = 0;
  char perms[8];
  free(malloc(1));
  slurp("/proc/self/maps");
  for (l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
    lines++;
    if (sscanf(l, "%lx-%lx %7s", &lo, &hi, perms) != 3) continue;
    ordered &= lo >= last && hi > lo;
    last = hi;
    stack |= strstr(l, "[stack]") && (unsigned long)&lo >= lo && (unsigned long)&lo < hi && !strcmp(perms, "rw-p");
    heap |= strstr(l, "[heap]") != NULL;
    none |= lo == (unsigned long)area + 4096 && hi == lo + 4096 && !strcmp(perms, "---p");
    code |= (unsigned long)main >= lo && (unsigned long)main < hi && !strcmp(perms, "r-xp");
  }
  OK(ordered && lines > 4);
  OK(stack);
  OK(heap);
  OK(none);
  OK(code);

  int fd = open("/dev/null", O_RDONLY);
  char path[64], target[200] = "";
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  R(readlink(path, target, sizeof target));
  printf("%s\n", target);
  R(readlink("/proc/self/fd/99", target, sizeof target));
  R(readlink("/proc/self/cwd", target, sizeof target) > 0);
  R(readlink("/proc/self/root", target, sizeof target));
  snprintf(line, sizeof line, "%d", getpid());
  memset(target, 0, sizeof target);
  readlink("/proc/self", target, sizeof target);
  OK(!strcmp(target, line));
  memset(target, 0, sizeof target);
  n = readlink("/proc/self/exe", target, sizeof target);
  OK(n > 0 && target[0] == '/' && access(target, X_OK) == 0);
  DIR *d = opendir("/proc/self/fd");
  struct dirent *e;
  int count = 0;
  while ((e = readdir(d))) count += e->d_name[0] != '.';
  OK(count >= 5);
  R(slurp("/proc/self/missing"));
  R(slurp("/proc/99999999/stat"));
  OK(slurp("/proc/meminfo") > 0 && has("MemTotal:") && has("MemFree:") && has("MemAvailable:"));
  OK(slurp("/proc/cpuinfo") > 0);
  OK(slurp("/proc/uptime") > 0 && strchr(text, '.'));
  OK(slurp("/proc/version") > 0 && !strncmp(text, "Linux version ", 14));
  OK(slurp("/proc/stat") > 0 && !strncmp(text, "cpu ", 4));
  OK(slurp("/proc/loadavg") > 0);
  OK(slurp("/proc/self/mountinfo") > 0 && has(" / "));
  OK(slurp("/proc/self/mounts") > 0);
  OK(slurp("/proc/filesystems") > 0 && has("tmpfs"));
  OK(slurp("/proc/sys/kernel/ostype") == 6 && !strcmp(text, "Linux\n"));
  OK(slurp("/proc/sys/kernel/pid_max") > 0);
  OK(slurp("/proc/sys/vm/overcommit_memory") == 2);
  OK(slurp("/proc/self/cgroup") > 0);
  OK(slurp("/proc/self/auxv") % 16 == 0);
  OK(slurp("/proc/self/environ") >= 0);
  OK(slurp("/proc/self/limits") > 0 && has("Max open files"));
  OK(slurp("/proc/self/oom_score_adj") > 0);
  int tasks = 0;
  d = opendir("/proc/self/task");
  while (d && (e = readdir(d))) tasks += e->d_name[0] != '.';
  printf("tasks %d\n", tasks);
  struct utsname u;
  R(uname(&u));
  printf("%s %s\n", u.sysname, u.machine);
  /* What ls -l adds up to its total. */
  const char *made[] = {"/proc", "/proc/self", "/proc/self/status", "/proc/self/fd/0", "/proc/self/exe", "/sys", "/sys/kernel", "/dev/null"};
  for (int i = 0; i < (int)(sizeof made / sizeof *made); i++) {
    struct stat st;
    MUST(lstat(made[i], &st) == 0);
    printf("%s: %ld bytes in %ld blocks\n", made[i], (long)st.st_size, (long)st.st_blocks);
  }
  int ends[2];
  struct stat st;
  MUST(pipe(ends) == 0 && fstat(ends[0], &st) == 0);
  printf("pipe: %ld blocks\n", (long)st.st_blocks);
  return 0;
}
