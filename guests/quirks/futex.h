static int word, word2;
static volatile long waited;
static volatile int waiting_errno = -1;

static void *waiter(void *arg) {
  waited = futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  waiting_errno = waited == -1 ? errno : 0;
  return NULL;
}
/* Lets others run for a while, whatever the scheduler is like. */
static void give_time(void) { sleep_ms(150); }

static const char *how_it_ended(void) {
  return waiting_errno == -1 ? "waits" : waiting_errno == 0 ? "0" : strerrorname_np(waiting_errno);
}

PROBE(futex_polls) {
  thread(waiter, NULL);
  give_time();
  word = 1;
  give_time();
  printf("the word changed, nobody called FUTEX_WAKE: the waiter %s%s\n",
         waiting_errno == -1 ? "" : "got ", how_it_ended());
}

static void *wait_zero_timeout(void *arg) {
  struct timespec none = {0, 0};
  waited = futex(&word, FUTEX_WAIT_PRIVATE, 0, &none, NULL, 0);
  waiting_errno = waited == -1 ? errno : 0;
  return NULL;
}
PROBE(futex_timeout_zero) {
  thread(wait_zero_timeout, NULL);
  give_time();
  printf("FUTEX_WAIT with timeout {0, 0}: %s\n", how_it_ended());
}

PROBE(futex_requeue_loses) {
  thread(waiter, NULL);
  give_time();
  show("FUTEX_REQUEUE of one waiter, waking none", futex(&word, FUTEX_REQUEUE_PRIVATE, 0, (void *)1L, &word2, 0));
  give_time();
  printf("the moved waiter: %s\n", how_it_ended());
}

PROBE(futex_bitset_zero) {
  struct timespec soon = {0, 0};
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &soon);
  show("FUTEX_WAIT_BITSET with bitset 0", futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &soon, NULL, 0));
}

PROBE(futex_unaligned) {
  char room[8] = {0};
  void *odd = (void *)(((uintptr_t)room & ~3ul) + 1);
  show("FUTEX_WAKE at an odd address", futex(odd, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
}

PROBE(futex_ops_missing) {
  int lock = 0;
  show("FUTEX_CMP_REQUEUE", futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1L, &word2, 0));
  show("FUTEX_WAKE_OP", futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &word2, 0));
  show("FUTEX_TRYLOCK_PI", futex(&lock, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
}

PROBE(futex_one_space) {
  pid_t pid = fork();
  if (pid == 0) {
    struct timespec long_time = {1, 0};
    long r = futex(&word, FUTEX_WAIT_PRIVATE, 0, &long_time, NULL, 0);
    _exit(r == 0 ? 1 : 0);
  }
  sleep_ms(100);
  long n = futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  printf("FUTEX_WAKE at the address where another process waits: %ld\n", n);
  wait_status(pid);
}

static void *wait_deadline(void *arg) {
  struct timespec past;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &past);
  past.tv_sec -= 5;
  waited = futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &past, NULL, FUTEX_BITSET_MATCH_ANY);
  waiting_errno = waited == -1 ? errno : 0;
  return NULL;
}
PROBE(futex_bitset_relative) {
  thread(wait_deadline, NULL);
  give_time();
  printf("FUTEX_WAIT_BITSET until five seconds ago: %s\n", how_it_ended());
}

static void *wait_bits(void *arg) {
  waited = futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 7, NULL, NULL, 3);
  waiting_errno = waited == -1 ? errno : 0;
  return NULL;
}
PROBE(futex_bitset_compared) {
  word = 7;
  thread(wait_bits, NULL);
  give_time();
  printf("FUTEX_WAIT_BITSET on a word of 7 with bitset 3: %s\n", how_it_ended());
}

PROBE(futex_wait_bitset_einval) {
  struct timespec soon;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &soon);
  show("futex op 393", futex(&word, 393, 0, &soon, NULL, FUTEX_BITSET_MATCH_ANY));
}

PROBE(futex_clock_realtime_panic) {
  struct timespec soon;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &soon);
  show("a wait on CLOCK_REALTIME", futex(&word, 393, 0, &soon, NULL, FUTEX_BITSET_MATCH_ANY));
}

PROBE(futex_private_enosys) {
  show("FUTEX_WAKE", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
  show("FUTEX_WAKE_PRIVATE", futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
}

static struct {
  void *next;
  long offset;
  void *pending;
} robust_head;
static struct {
  void *next;
  int lock;
} robust_entry;
static void *die_holding(void *arg) {
  robust_head.next = &robust_entry;
  robust_entry.next = &robust_head;
  robust_head.offset = (char *)&robust_entry.lock - (char *)&robust_entry;
  robust_entry.lock = syscall(SYS_gettid);
  syscall(SYS_set_robust_list, &robust_head, sizeof robust_head);
  syscall(SYS_exit, 0);
  return NULL;
}
PROBE(robust_list_ignored) {
  thread(die_holding, NULL);
  give_time();
  printf("the lock of a dead thread says FUTEX_OWNER_DIED: %s\n", robust_entry.lock & FUTEX_OWNER_DIED ? "yes" : "no");
}
