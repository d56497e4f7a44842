PROBE(main_tid_follows_pid) {
  printf("gettid is getpid: %s\n", syscall(SYS_gettid) == getpid() ? "yes" : "no");
  show("tgkill of it with SIGURG", syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGURG));
}

static volatile int body_done;
static void *sleep_then_done(void *arg) {
  sleep_ms(50);
  body_done = 1;
  return NULL;
}
PROBE(cleartid_at_clone) {
  pthread_t t;
  pthread_create(&t, NULL, sleep_then_done, NULL);
  pthread_join(t, NULL);
  printf("pthread_join waited for the thread: %s\n", body_done ? "yes" : "no");
}

PROBE(clone_flags_panic) {
  long pid = syscall(SYS_clone, 0x80000000ul | SIGCHLD, 0, 0, 0, 0); /* CLONE_IO */
  if (pid == 0) _exit(0);
  works("clone with CLONE_IO", pid);
}

/* What a forked child exits with. */
static int in_child(int (*f)(void)) {
  pid_t pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(f());
  return WEXITSTATUS(wait_status(pid));
}
static int child_umask(void) { return syscall(SYS_umask, 0); }
PROBE(fork_resets_umask) {
  umask(077);
  printf("umask of a child: %03o\n", in_child(child_umask));
}

static int child_altstack(void) {
  stack_t s;
  syscall(SYS_sigaltstack, NULL, &s);
  return !(s.ss_flags & SS_DISABLE);
}
PROBE(fork_drops_altstack) {
  static char room[65536];
  stack_t s = {.ss_sp = room, .ss_size = sizeof room};
  syscall(SYS_sigaltstack, &s, NULL);
  printf("a child has the alternate stack: %s\n", in_child(child_altstack) ? "yes" : "no");
}

static unsigned long parent_brk;
static int child_brk(void) { return syscall(SYS_brk, 0) == parent_brk; }
PROBE(fork_resets_brk) {
  parent_brk = syscall(SYS_brk, syscall(SYS_brk, 0) + 8192);
  printf("a child's break is its parent's: %s\n", in_child(child_brk) ? "yes" : "no");
}

static int exec_nothing(void) {
  char *argv[] = {"nothing", NULL};
  syscall(SYS_execve, "/nothing-there", argv, NULL);
  return errno == ENOENT ? 7 : 8;
}
PROBE(exec_missing_ends) { printf("status after execve of nothing: %d\n", in_child(exec_nothing)); }

PROBE(exec_no_scripts) {
  int fd = open("/tmp/quirk-script", O_WRONLY | O_CREAT | O_TRUNC, 0755);
  char *argv[] = {"script", NULL};
  write(fd, "#!/no-interpreter\n", 18);
  close(fd);
  show("execve of a script without an interpreter", syscall(SYS_execve, "/tmp/quirk-script", argv, NULL));
  unlink("/tmp/quirk-script");
}

static int exec_self(const char *probe) {
  char *argv[] = {"quirks", (char *)probe, "-", NULL};
  syscall(SYS_execve, "/proc/self/exe", argv, NULL);
  return 9;
}
static int ignoring_child(void) { return exec_self("exec-resets-signals"); }
PROBE(exec_resets_signals) {
  if (argument) { /* the program that was executed */
    struct sigaction a;
    unsigned long mask = 0;
    syscall(SYS_rt_sigaction, SIGUSR1, NULL, &a, 8);
    syscall(SYS_rt_sigprocmask, 0, NULL, &mask, 8);
    printf("after execve: SIGUSR1 %s, mask %lx\n", a.sa_handler == SIG_IGN ? "ignored" : "default", mask);
    return;
  }
  unsigned long mask = 1ul << (SIGUSR2 - 1);
  signal(SIGUSR1, SIG_IGN);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
  in_child(ignoring_child);
}

PROBE(exec_linker_as_program) {
  /* A program with an interpreter: this one, its header changed to say that it is its own. */
  if (argument) {
    printf("started with %d arguments\n", argument_count);
    return;
  }
  make_interpreted("/tmp/quirk-dynamic");
  pid_t pid = fork();
  if (pid == 0) {
    char *argv[] = {"quirks", "exec-linker-as-program", "-", NULL};
    syscall(SYS_execve, "/tmp/quirk-dynamic", argv, NULL);
    _exit(9);
  }
  puts(WIFSIGNALED(wait_status(pid)) ? "the program's headers are not its interpreter's: it dies" : "it ends well");
  unlink("/tmp/quirk-dynamic");
  unlink("/tmp/quirk-linker");
}

PROBE(auxv_short) {
  int entries = 0, vdso = 0;
  for (unsigned long *a = start_of_auxv; a[0]; a += 2) {
    entries++;
    if (a[0] == 33) vdso = 1;
  }
  printf("more than ten entries: %s\n", entries > 10 ? "yes" : "no");
  printf("a vDSO: %s\n", vdso ? "yes" : "no");
}

static void *leave_group(void *arg) {
  syscall(SYS_exit_group, 3);
  return NULL;
}
static int two_threads(void) {
  thread(leave_group, NULL);
  sleep_ms(100);
  return 4;
}
PROBE(exit_group_is_exit) { printf("status after a thread's exit_group(3): %d\n", in_child(two_threads)); }

static int killed_child(void) {
  signal(SIGTERM, SIG_DFL);
  kill(getpid(), SIGTERM);
  return 0;
}
PROBE(wait_status_exit_only) {
  pid_t pid = fork();
  if (pid == 0) _exit(killed_child());
  int status = wait_status(pid);
  if (WIFSIGNALED(status)) printf("killed by %d\n", WTERMSIG(status));
  else printf("exited with %d\n", WEXITSTATUS(status));
}

static int do_nothing(void) { return 0; }
PROBE(wait_any_group) {
  pid_t pid = fork();
  if (pid == 0) _exit(do_nothing());
  sleep_ms(50);
  long r = syscall(SYS_wait4, -getpid() - 1000, NULL, WNOHANG, NULL);
  printf("wait4 for a group there is not: %s\n", r == pid ? "the child" : r < 0 ? strerrorname_np(errno) : "0");
}

PROBE(wait_status_unshifted) {
  pid_t pid = fork();
  if (pid == 0) _exit(1);
  printf("status of exit(1): %#x\n", wait_status(pid));
}

PROBE(setpgid_ignored) {
  pid_t pid = fork();
  if (pid == 0) {
    show("setpgid", syscall(SYS_setpgid, 0, 0));
    printf("getpgid is the pid: %s\n", syscall(SYS_getpgid, 0) == getpid() ? "yes" : "no");
    _exit(0);
  }
  wait_status(pid);
}

PROBE(setsid_new_process) {
  pid_t pid = fork();
  if (pid == 0) {
    char dir[100] = "";
    chdir("/tmp");
    long before = syscall(SYS_getpid), r = syscall(SYS_setsid);
    syscall(SYS_getcwd, dir, sizeof dir);
    printf("setsid returns the pid: %s\n", r == before ? "yes" : "no");
    printf("the pid is what it was: %s\n", syscall(SYS_getpid) == before ? "yes" : "no");
    printf("the directory: %s\n", dir);
    _exit(0);
  }
  sleep_ms(100);
  printf("its parent sees it end: %s\n", syscall(SYS_wait4, pid, NULL, WNOHANG, NULL) == pid ? "yes" : "no");
}

PROBE(prlimit_unfilled) {
  struct rlimit core = {77, 77};
  show("prlimit64 RLIMIT_CORE", syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &core));
  printf("filled in: %s\n", core.rlim_max != 77 ? "yes" : "no");
  show("prlimit64 of limit 99", syscall(SYS_prlimit64, 0, 99, NULL, &core));
}

PROBE(prctl_unknown) { show("prctl 12345", syscall(SYS_prctl, 12345, 0, 0, 0, 0)); }

PROBE(clone_sixteen_bytes) {
  static char stack[65536] __attribute__((aligned(16)));
  unsigned long args[8] = {CLONE_VM | CLONE_VFORK, 0, 0, 0, SIGCHLD, (unsigned long)stack + 8, 32768 + 8, 0};
  long pid = raw_clone3(args);
  works("clone3 with a stack at 8 modulo 16", pid);
}

PROBE(arch_prctl_gs_panic) {
#ifdef SYS_arch_prctl
  unsigned long base;
  show("ARCH_GET_GS", syscall(SYS_arch_prctl, 0x1004, &base));
#endif
}
