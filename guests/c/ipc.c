// System V shared memory, semaphores and message queues, and POSIX message queues: what each call answers, who waits for
// whom, and what is left when a process ends. Everything made is removed again.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

union arg { int val; struct semid_ds *buf; unsigned short *array; void *info; };

static const char *e(long r) {
  static char s[4][40];
  static int i;
  i = (i + 1) % 4;
  if (r >= 0) sprintf(s[i], "%ld", r);
  else sprintf(s[i], "%s", strerrorname_np(errno));
  return s[i];
}
static const char *ok(long r) { return r >= 0 ? "ok" : e(r); }

static int child(int (*f)(void *), void *p) {
  fflush(stdout);
  int pid = fork();
  if (pid == 0) {
    int r = f(p);
    fflush(stdout);
    _exit(r);
  }
  return pid;
}
static int end(int pid) {
  int st;
  waitpid(pid, &st, 0);
  return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}
static void pause_ms(int ms) {
  struct timespec t = {0, ms * 1000000l};
  nanosleep(&t, 0);
}
static void handler(int s) {}

static int shm_child(void *p) {
  int *v = p;
  v[0] = 42;
  return shmdt(p) ? 1 : 0;
}

static void shm(void) {
  int key = 0x52330000 | (getpid() & 0xffff);
  int id = shmget(key, 5000, IPC_CREAT | IPC_EXCL | 0600);
  printf("shmget %s, again %s, bigger %s, smaller %d, no key %s\n", ok(id), ok(shmget(key, 1, IPC_CREAT | IPC_EXCL | 0600)),
         ok(shmget(key, 5001, 0)), shmget(key, 0, 0) == id, ok(shmget(key + 1, 1, 0)));
  printf("size 0 %s, huge %s\n", ok(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600)), ok(shmget(IPC_PRIVATE, ~0ul, IPC_CREAT | 0600)));
  char *p = shmat(id, 0, 0), *ro = shmat(id, 0, SHM_RDONLY);
  struct shmid_ds ds;
  shmctl(id, IPC_STAT, &ds);
  printf("attached %d, size %zu, mode %o, cpid %d, lpid %d\n", (int)ds.shm_nattch, ds.shm_segsz, ds.shm_perm.mode, ds.shm_cpid == getpid(),
         ds.shm_lpid == getpid());
  p[8191] = 'x'; // within the last page
  int r = end(child(shm_child, p));
  printf("child %d, value %d %d, tail %c\n", r, *(int *)p, *(int *)ro, ro[8191]);
  printf("misaligned %s, taken %s, remap %s, remap of nothing %s, bad id %s\n", ok((long)shmat(id, p + 1, 0)), ok((long)shmat(id, p, 0)),
         shmat(id, p, SHM_REMAP) == p ? "ok" : e(-1), ok((long)shmat(id, 0, SHM_REMAP)), ok((long)shmat(-5, 0, 0)));
  printf("after remap %d\n", *(int *)p);
  mprotect(p + 4096, 4096, PROT_READ); // two pieces, taken away together
  printf("shmdt inside %s, ", ok(shmdt(p + 4096)));
  printf("at the start %s, ", ok(shmdt(p)));
  printf("again %s, misaligned %s\n", ok(shmdt(p)), ok(shmdt(ro + 1)));
  shmctl(id, IPC_STAT, &ds);
  printf("attached %d\n", (int)ds.shm_nattch);
  printf("rmid %s, ", ok(shmctl(id, IPC_RMID, 0)));
  printf("by key %s, ", ok(shmget(key, 1, 0)));
  printf("still attached %d, ", *(int *)ro);
  printf("stat %s, ", ok(shmctl(id, IPC_STAT, &ds)));
  printf("mode %o key %d, ", ds.shm_perm.mode, ds.shm_perm.__key);
  p = shmat(id, 0, 0);
  printf("attach once more %d, ", *(int *)p);
  shmdt(p);
  shmdt(ro);
  printf("gone %s\n", ok(shmctl(id, IPC_STAT, &ds)));
  struct shminfo info;
  r = shmctl(0, IPC_INFO, (void *)&info);
  printf("info %d: min %lu mni %lu max %lx\n", r >= 0, info.shmmin, info.shmmni, info.shmmax);
  printf("cmd %s, negative %s\n", ok(shmctl(0, 77, 0)), ok(shmctl(-1, IPC_STAT, &ds)));
}

static int sem;
static int op(int num, int n, int flags) {
  struct sembuf b = {num, n, flags};
  return semop(sem, &b, 1);
}
static int taker(void *p) {
  int r = op(0, *(int *)p, 0);
  return r ? errno : 0;
}
static int undoer(void *p) {
  op(1, 5, SEM_UNDO);
  op(1, -1, SEM_UNDO);
  return semctl(sem, 1, GETVAL);
}
static int zero(void *p) { return op(0, 0, 0) ? errno : 0; }
static int interrupted(void *p) {
  struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &a, 0);
  return op(2, -1, 0) ? errno : 0;
}

static void sems(void) {
  union arg a;
  sem = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
  printf("semget %s, none %s, too many %s\n", ok(sem), ok(semget(IPC_PRIVATE, 0, 0600)), ok(semget(IPC_PRIVATE, 32001, 0600)));
  printf("big num %s, bad id %s, nothing %s, nowait %s, ", ok(op(3, 1, 0)), ok(semop(123456, &(struct sembuf){0, 1, 0}, 1)),
         ok(semop(sem, 0, 0)), ok(op(0, -1, IPC_NOWAIT)));
  printf("range %s, ", ok(op(0, 32767, 0)));
  printf("over %s, value %d, pid %d\n", ok(op(0, 1, 0)), semctl(sem, 0, GETVAL), semctl(sem, 0, GETPID) == getpid());
  a.val = 0;
  semctl(sem, 0, SETVAL, a);
  struct sembuf both[2] = {{0, 2, 0}, {1, -1, IPC_NOWAIT}};
  printf("all or none %s, value %d\n", ok(semop(sem, both, 2)), semctl(sem, 0, GETVAL));
  struct timespec ts = {0, 20000000};
  printf("timed %s, ", ok(semtimedop(sem, &(struct sembuf){0, -1, 0}, 1, &ts)));
  ts.tv_nsec = 1000000000;
  printf("bad time %s\n", ok(semtimedop(sem, &(struct sembuf){0, -1, 0}, 1, &ts)));
  int two = -2, one = -1;
  int c2 = child(taker, &two);
  pause_ms(60);
  int c1 = child(taker, &one);
  pause_ms(60);
  printf("waiting %d, for zero %d\n", semctl(sem, 0, GETNCNT), semctl(sem, 0, GETZCNT));
  op(0, 1, 0); // the one that wants one gets it, though it came later
  printf("one: %d, ", end(c1));
  op(0, 2, 0);
  printf("two: %d, value %d\n", end(c2), semctl(sem, 0, GETVAL));
  printf("undo: in child %d, ", end(child(undoer, 0)));
  printf("after %d\n", semctl(sem, 1, GETVAL));
  op(0, 1, 0);
  c1 = child(zero, 0);
  pause_ms(60);
  printf("for zero %d, ", semctl(sem, 0, GETZCNT));
  op(0, -1, 0);
  printf("done %d\n", end(c1));
  c1 = child(interrupted, 0);
  pause_ms(100);
  kill(c1, SIGUSR1);
  printf("interrupted %s\n", strerrorname_np(end(c1)));
  unsigned short v[3] = {7, 8, 9}, w[3];
  a.array = v;
  printf("setall %s, ", ok(semctl(sem, 0, SETALL, a)));
  a.array = w;
  semctl(sem, 0, GETALL, a);
  printf("getall %d %d %d, ", w[0], w[1], w[2]);
  a.val = 40000;
  printf("setval %s, num %s\n", ok(semctl(sem, 0, SETVAL, a)), ok(semctl(sem, 9, GETVAL)));
  struct semid_ds ds;
  a.buf = &ds;
  printf("stat %s, ", ok(semctl(sem, 0, IPC_STAT, a)));
  printf("nsems %d, mode %o\n", (int)ds.sem_nsems, ds.sem_perm.mode);
  op(0, -7, 0);
  c1 = child(taker, &one);
  pause_ms(60);
  semctl(sem, 0, IPC_RMID);
  printf("removed: waiter %s, then %s\n", strerrorname_np(end(c1)), ok(op(0, 1, 0)));
}

static int queue;
static struct { long type; char text[9000]; } m;
static int receiver(void *p) {
  int r = msgrcv(queue, &m, 100, *(long *)p, 0);
  return r < 0 ? errno : m.text[0];
}
static int sender(void *p) {
  m.type = 5;
  return msgsnd(queue, &m, 8000, 0) ? errno : 0;
}
static const char *take(long type, int size, int flags) {
  static char s[64];
  int r = msgrcv(queue, &m, size, type, flags | IPC_NOWAIT);
  if (r < 0) return strerrorname_np(errno);
  sprintf(s, "%ld:%.*s", m.type, r, m.text);
  return s;
}
static void put(long type, const char *text) {
  m.type = type;
  strcpy(m.text, text);
  if (msgsnd(queue, &m, strlen(text), IPC_NOWAIT)) printf("put: %s\n", e(-1));
}

static void msgs(void) {
  queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
  m.type = 0;
  printf("msgget %s, type 0 %s, ", ok(queue), ok(msgsnd(queue, &m, 1, 0)));
  m.type = 1;
  printf("long %s, bad id %s, empty %s\n", ok(msgsnd(queue, &m, 8193, 0)), ok(msgsnd(987654, &m, 1, 0)), take(0, 10, 0));
  put(3, "three"), put(1, "one"), put(2, "two"), put(1, "uno"), put(3, "drei");
  printf("copy %s, ", take(1, 100, MSG_COPY));
  printf("up to 2 %s, ", take(-2, 100, 0));
  printf("up to 2 %s, ", take(-2, 100, 0));
  printf("not 3 %s, ", take(3, 100, MSG_EXCEPT));
  printf("short %s, ", take(3, 2, 0));
  printf("cut %s, ", take(3, 2, MSG_NOERROR));
  printf("type 9 %s, ", take(9, 100, 0));
  printf("any %s\n", take(0, 100, 0));
  long seven = 7, any = 0;
  int c7 = child(receiver, &seven);
  pause_ms(60);
  int c0 = child(receiver, &any);
  pause_ms(60);
  put(1, "a"), put(7, "b");
  printf("receivers %c %c\n", end(c0), end(c7));
  m.type = 1;
  msgsnd(queue, &m, 8000, 0), msgsnd(queue, &m, 8000, 0);
  printf("full %s, ", ok(msgsnd(queue, &m, 8000, IPC_NOWAIT)));
  c0 = child(sender, 0);
  pause_ms(60);
  struct msqid_ds ds;
  msgctl(queue, IPC_STAT, &ds);
  printf("bytes %ld, number %ld, limit %ld, ", (long)ds.__msg_cbytes, (long)ds.msg_qnum, (long)ds.msg_qbytes);
  take(1, 9000, 0);
  printf("sender %d, ", end(c0));
  take(1, 9000, 0);
  printf("%.2s\n", take(5, 9000, 0));
  c7 = child(receiver, &seven);
  pause_ms(60);
  msgctl(queue, IPC_RMID, 0);
  printf("removed: waiter %s, then %s\n", strerrorname_np(end(c7)), ok(msgsnd(queue, &m, 1, 0)));
}

static char name[32];
static int mq_child(void *p) {
  mqd_t q = mq_open(name, O_RDONLY);
  char b[64];
  unsigned prio;
  int n = mq_receive(q, b, 64, &prio);
  printf("child got %.*s with %u\n", n, b, prio);
  return 0;
}

static volatile int told_value;
static void told(union sigval v) { told_value = v.sival_int; }

static void mqs(void) {
  sprintf(name, "/ring3-%d", getpid());
  struct mq_attr at = {0, 3, 64}, now;
  printf("no name %s, absent %s, bad attr %s\n", ok(mq_open("/", O_RDWR | O_CREAT, 0600, 0)), ok(mq_open(name, O_RDWR)),
         ok(mq_open(name, O_RDWR | O_CREAT, 0600, &(struct mq_attr){0, 0, 1})));
  mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &at);
  printf("open %s, again %s\n", ok(q), ok(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, 0)));
  char b[100];
  unsigned prio = 0;
  struct pollfd pf = {q, POLLIN | POLLOUT};
  poll(&pf, 1, 0);
  printf("empty: receive %s, short %s, poll %d\n", ok(mq_receive(q, b, 64, &prio)), ok(mq_receive(q, b, 63, &prio)), pf.revents);
  struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 99};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, 0);
  printf("notify %s, ", ok(mq_notify(q, &ev)));
  printf("busy %s\n", ok(mq_notify(q, &ev)));
  printf("send %s, priority %s, long %s\n", ok(mq_send(q, "low", 3, 1)), ok(mq_send(q, "x", 1, 32768)), ok(mq_send(q, b, 65, 0)));
  siginfo_t si;
  sigwaitinfo(&set, &si);
  printf("told: code %d, value %d, pid %d\n", si.si_code, si.si_value.sival_int, si.si_pid == getpid());
  mq_send(q, "high", 4, 9), mq_send(q, "low too", 7, 1);
  printf("full %s, ", ok(mq_send(q, "more", 4, 0)));
  poll(&pf, 1, 0);
  mq_getattr(q, &now);
  printf("poll %d, has %ld of %ld\n", pf.revents, now.mq_curmsgs, now.mq_maxmsg);
  for (int i = 0; i < 3; i++) {
    int n = mq_receive(q, b, 100, &prio);
    printf("%.*s %u, ", n, b, prio);
  }
  at.mq_flags = 0;
  mq_setattr(q, &at, &now);
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  ts.tv_nsec += 30000000;
  if (ts.tv_nsec >= 1000000000) ts.tv_sec++, ts.tv_nsec -= 1000000000;
  printf("flags were %d, timed %s, ", now.mq_flags == O_NONBLOCK, ok(mq_timedreceive(q, b, 64, 0, &ts)));
  ts.tv_nsec = -1;
  printf("bad time %s\n", ok(mq_timedreceive(q, b, 64, 0, &ts)));
  int c = child(mq_child, 0);
  pause_ms(100);
  mq_send(q, "hello", 5, 3);
  end(c);
  ev = (struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_notify_function = told, .sigev_value.sival_int = 7};
  printf("thread %s, ", ok(mq_notify(q, &ev)));
  printf("busy %s, ", ok(mq_notify(q, &ev)));
  mq_send(q, "wake", 4, 0);
  while (!told_value) pause_ms(1);
  printf("told %d, ", told_value);
  printf("again %s, removed %s, ", ok(mq_notify(q, &ev)), ok(mq_notify(q, NULL)));
  printf("no such socket %s\n", ok(syscall(SYS_mq_notify, q, &(struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_signo = q, .sigev_value.sival_ptr = b})));
  printf("unlink %s, ", ok(mq_unlink(name)));
  printf("again %s, still %s, not a queue %s\n", ok(mq_unlink(name)), ok(mq_send(q, "a", 1, 0)), ok(mq_send(1, "a", 1, 0)));
  mq_close(q);
}

int main(void) {
  shm();
  sems();
  msgs();
  mqs();
  return 0;
}
