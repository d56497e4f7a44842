static volatile int handled, depth, deepest;
static void count(int sig) { handled++; }

PROBE(signal_ignored_deafens) {
  signal(SIGUSR2, SIG_IGN);
  signal(SIGUSR1, count);
  raise(SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR1);
  printf("SIGUSR1 twice after an ignored SIGUSR2: handled %d times\n", handled);
}

static void raise_other(int sig) {
  raise(SIGUSR2);
  sleep_ms(1);
}
PROBE(signal_nested_dropped) {
  signal(SIGUSR1, raise_other);
  signal(SIGUSR2, count);
  raise(SIGUSR1);
  sleep_ms(1);
  printf("SIGUSR2 raised in a handler: handled %d times\n", handled);
}

static void nest(int sig) {
  if (++depth > deepest) deepest = depth;
  if (handled++ < 2) raise(sig);
  depth--;
}
PROBE(sigaction_flags_ignored) {
  struct sigaction a = {.sa_handler = nest, .sa_flags = 0};
  sigaction(SIGUSR1, &a, NULL);
  raise(SIGUSR1);
  printf("handlers of one signal inside one another: %d\n", deepest);
}

static volatile int code, sender;
static void note(int sig, siginfo_t *info, void *context) {
  code = info->si_code;
  sender = info->si_pid;
}
PROBE(siginfo_empty) {
  struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &a, NULL);
  kill(getpid(), SIGUSR1);
  printf("si_code %d, si_pid is the sender's: %s\n", code, sender == getpid() ? "yes" : "no");
}

static volatile unsigned long sp_seen;
static void look(int sig, siginfo_t *info, void *context) {
  ucontext_t *u = context;
#ifdef __x86_64__
  sp_seen = u->uc_mcontext.gregs[REG_RSP];
#else
  sp_seen = u->uc_mcontext.sp;
#endif
}
PROBE(ucontext_pc_only) {
  struct sigaction a = {.sa_sigaction = look, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &a, NULL);
  raise(SIGUSR1);
  printf("the stack pointer is in the ucontext: %s\n", sp_seen != 0 ? "yes" : "no");
  raise(SIGUSR1);
  puts("and the program goes on");
}

PROBE(kill_positive_only) {
  show("kill with signal 0", kill(getpid(), 0));
  show("kill of a group", kill(-getpgrp(), SIGURG));
  show("kill of pid 0", kill(0, SIGURG));
  show("kill of pid 4194303", kill(4194303, SIGURG));
}

PROBE(tkill_missing_ok) {
  show("tkill of 4194303", syscall(SYS_tkill, 4194303, SIGURG));
  show("tkill with signal 0", syscall(SYS_tkill, syscall(SYS_gettid), 0));
}

static void *unblock_and_wait(void *arg) {
  sigset_t s;
  sigemptyset(&s);
  pthread_sigmask(SIG_SETMASK, &s, NULL);
  sleep_ms(200);
  return NULL;
}
PROBE(process_signals_leader) {
  sigset_t s;
  signal(SIGUSR1, count);
  sigemptyset(&s);
  sigaddset(&s, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &s, NULL);
  thread(unblock_and_wait, NULL);
  sleep_ms(50);
  kill(getpid(), SIGUSR1);
  sleep_ms(50);
  printf("another thread handled what the first one blocks: %s\n", handled ? "yes" : "no");
}

PROBE(stop_signals_panic) {
  pid_t pid = fork();
  if (pid == 0) {
    sleep_ms(1000);
    _exit(0);
  }
  kill(pid, SIGSTOP);
  int status = 0;
  syscall(SYS_wait4, pid, &status, WUNTRACED, NULL);
  printf("stopped: %s\n", WIFSTOPPED(status) ? "yes" : "no");
  kill(pid, SIGKILL);
}

PROBE(no_sigpipe) {
  int p[2];
  signal(SIGPIPE, count);
  pipe(p);
  close(p[0]);
  show("write to a pipe nobody reads", write(p[1], "x", 1));
  printf("SIGPIPE: %s\n", handled ? "yes" : "no");
}

PROBE(sigsuspend_keeps_mask) {
  sigset_t block, none, now;
  sigemptyset(&none);
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  signal(SIGUSR1, count);
  sigprocmask(SIG_SETMASK, &block, NULL);
  raise(SIGUSR1);
  syscall(SYS_rt_sigsuspend, &none, 8);
  sigprocmask(SIG_SETMASK, NULL, &now);
  printf("SIGUSR1 is blocked again: %s\n", sigismember(&now, SIGUSR1) ? "yes" : "no");
}

PROBE(sigtimedwait_at_once) {
  sigset_t s;
  struct timespec t = {0, 1000000};
  sigemptyset(&s);
  sigaddset(&s, SIGUSR1);
  sigprocmask(SIG_BLOCK, &s, NULL);
  raise(SIGUSR1);
  show("rt_sigtimedwait of a pending SIGUSR1", syscall(SYS_rt_sigtimedwait, &s, NULL, &t, 8));
}

PROBE(sigaction_kill_eperm) {
  char old[64];
  show("rt_sigaction reading SIGKILL's", syscall(SYS_rt_sigaction, SIGKILL, NULL, old, 8));
}
