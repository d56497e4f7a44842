/**
 * The tokio echo server's main thread on aarch64, call by call beside a trace of it on a real machine: Ubuntu 20.04's
 * libraries, dynamically linked, Linux with cgroup v1. From set_robust_list to the futex it waits in for clients.
 */
import { expect, it } from 'vitest';
import { Machine, Strace } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';

const echo = guestPath('tokio-echo', 'aarch64');
if (!echo) console.log('Left out: the tokio trace on aarch64: the server is not built here');

/** Where both make the same call: its text. Else what the real trace had, what ours has, and why. */
type Step =
  string | { readonly real: readonly string[]; readonly ours: readonly string[]; readonly why: string };

const CLONE =
  'clone(child_stack=A, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|CLONE_SETTLS|CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID, parent_tid=[T], tls=A, child_tidptr=A) = T';
const GUARD = 'arm64: glibc 2.34 made the least guard of a stack 64 KiB';
const thread = (after: readonly string[], why: string): Step[] => [
  {
    real: ['mmap(NULL, 2101248, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_STACK, -1, 0) = A'],
    ours: ['mmap(NULL, 2162688, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_STACK, -1, 0) = A'],
    why: GUARD,
  },
  'mprotect(A, 2097152, PROT_READ|PROT_WRITE) = 0',
  {
    real: [],
    ours: ['rt_sigprocmask(SIG_BLOCK, ~[], [], 8) = 0'],
    why: 'glibc 2.32: signals are blocked while a thread starts',
  },
  CLONE,
  { real: after, ours: ['rt_sigprocmask(SIG_SETMASK, [], NULL, 8) = 0'], why },
];
const STARTED = 'the same; and whether the new thread was faster than its maker at the lock between them';

const STEPS: readonly Step[] = [
  'set_robust_list(A, 24) = 0',
  {
    real: [
      'rt_sigaction(SIGRTMIN, {sa_handler=A, sa_mask=[], sa_flags=SA_SIGINFO}, NULL, 8) = 0',
      'rt_sigaction(SIGRT_1, {sa_handler=A, sa_mask=[], sa_flags=SA_RESTART|SA_SIGINFO}, NULL, 8) = 0',
      'rt_sigprocmask(SIG_UNBLOCK, [RTMIN RT_1], NULL, 8) = 0',
    ],
    ours: ['rseq(A, 0x20, 0, A) = 0'],
    why: 'glibc 2.34 takes its two signals when they are first needed; 2.35 registers rseq',
  },
  'prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0',
  {
    real: [],
    ours: [
      'readlinkat(AT_FDCWD, "/proc/self/exe", S, 4096) = N',
      'getrandom(S, 8, GRND_NONBLOCK) = 8',
      'brk(NULL) = A',
      'brk(A) = A',
      'brk(A) = A',
      'mprotect(A, N, PROT_READ) = 0',
    ],
    why: 'a static program finds its own name, seeds malloc (glibc 2.36) and relocates itself',
  },
  'ppoll([{fd=0, events=0}, {fd=1, events=0}, {fd=2, events=0}], 3, {tv_sec=0, tv_nsec=0}, NULL, 0) = 0 (Timeout)',
  'rt_sigaction(SIGPIPE, {sa_handler=SIG_IGN, sa_mask=[PIPE], sa_flags=SA_RESTART}, {sa_handler=SIG_DFL, sa_mask=[], sa_flags=0}, 8) = 0',
  'rt_sigaction(SIGSEGV, NULL, {sa_handler=SIG_DFL, sa_mask=[], sa_flags=0}, 8) = 0',
  'rt_sigaction(SIGSEGV, {sa_handler=A, sa_mask=[], sa_flags=SA_ONSTACK|SA_SIGINFO}, NULL, 8) = 0',
  'rt_sigaction(SIGBUS, NULL, {sa_handler=SIG_DFL, sa_mask=[], sa_flags=0}, 8) = 0',
  'rt_sigaction(SIGBUS, {sa_handler=A, sa_mask=[], sa_flags=SA_ONSTACK|SA_SIGINFO}, NULL, 8) = 0',
  'sigaltstack(NULL, {ss_sp=NULL, ss_flags=SS_DISABLE, ss_size=0}) = 0',
  'mmap(NULL, 20480, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_STACK, -1, 0) = A',
  'mprotect(A, 4096, PROT_NONE) = 0',
  'sigaltstack({ss_sp=A, ss_flags=0, ss_size=16384}, NULL) = 0',
  { real: ['brk(NULL) = A', 'brk(A) = A'], ours: [], why: 'malloc began before, see above' },
  'openat(AT_FDCWD, "/proc/self/maps", O_RDONLY|O_CLOEXEC) = 3',
  'prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0',
  {
    real: ['fstat(3, {st_mode=S_IFREG|0444, st_size=0, ...}) = 0'],
    ours: ['newfstatat(3, "", {st_mode=S_IFREG|0444, st_size=0, ...}, AT_EMPTY_PATH) = 0'],
    why: 'glibc 2.33 makes fstat so',
  },
  'read(3, S, 1024) = N',
  {
    real: ['read(3, S, 1024) = N', 'read(3, S, 1024) = N', 'read(3, S, 1024) = N'],
    ours: [],
    why: 'a static program has fewer mappings',
  },
  'close(3) = 0',
  'sched_getaffinity(T, 32, [0 1 2 3]) = 8',
  'getrandom(S, 16, GRND_INSECURE) = 16',
  'openat(AT_FDCWD, "/proc/self/cgroup", O_RDONLY|O_CLOEXEC) = 3',
  'read(3, S, 8192) = N',
  'read(3, "", 8192) = 0',
  'close(3) = 0',
  'openat(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY|O_CLOEXEC) = 3',
  'read(3, S, 8192) = N',
  'close(3) = 0',
  {
    real: [
      'openat(AT_FDCWD, "/sys/fs/cgroup/cpu,cpuacct/user.slice/cpu.cfs_quota_us", O_RDONLY|O_CLOEXEC) = 3',
    ],
    ours: [
      'openat(AT_FDCWD, "/sys/fs/cgroup/cpu.max", O_RDONLY|O_CLOEXEC) = 3',
      'statx(0, NULL, AT_STATX_SYNC_AS_STAT, STATX_ALL, NULL) = -1 EFAULT (Bad address)',
    ],
    why: 'cgroup v2 here; and the first file statx is asked about shows whether there is statx (a 1.63 std)',
  },
  {
    real: [
      'statx(3, "", AT_STATX_SYNC_AS_STAT|AT_EMPTY_PATH, STATX_ALL, {stx_mask=STATX_BASIC_STATS, stx_attributes=0, stx_mode=S_IFREG|0644, stx_size=0, ...}) = 0',
      'lseek(3, 0, SEEK_CUR) = 0',
      'read(3, S, 32) = N',
      'read(3, "", 29) = 0',
    ],
    ours: [
      'statx(3, "", AT_STATX_SYNC_AS_STAT|AT_EMPTY_PATH, STATX_ALL, {stx_mask=STATX_BASIC_STATS|STATX_MNT_ID, stx_attributes=0, stx_mode=S_IFREG|0444, stx_size=0, ...}) = 0',
      'lseek(3, 0, SEEK_CUR) = 0',
      'read(3, S, 32) = N',
      'read(3, "", 21) = 0',
    ],
    why: 'Linux 5.8 tells the mount; "max 100000" is longer than "-1", and may only be read',
  },
  'close(3) = 0',
  'sched_getaffinity(0, 128, [0 1 2 3]) = 8',
  'epoll_create1(EPOLL_CLOEXEC) = 3',
  'eventfd2(0, EFD_CLOEXEC|EFD_NONBLOCK) = 4',
  'epoll_ctl(3, EPOLL_CTL_ADD, 4, {EPOLLIN|EPOLLRDHUP|EPOLLET}) = 0',
  'fcntl(3, F_DUPFD_CLOEXEC, 3) = 5',
  'socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0, [6, 7]) = 0',
  {
    real: ['fcntl(6, F_DUPFD_CLOEXEC, 3) = 8'],
    ours: ['fcntl(6, F_DUPFD_CLOEXEC, 0) = 8'],
    why: 'mio of that time began at 0, later at 3',
  },
  'epoll_ctl(5, EPOLL_CTL_ADD, 8, {EPOLLIN|EPOLLRDHUP|EPOLLET}) = 0',
  {
    real: ['futex(A, FUTEX_WAKE_PRIVATE, 2147483647) = 0'],
    ours: [
      'rt_sigaction(SIGRT_1, {sa_handler=A, sa_mask=[], sa_flags=SA_ONSTACK|SA_RESTART|SA_SIGINFO}, NULL, 8) = 0',
      'rt_sigprocmask(SIG_UNBLOCK, [RTMIN RT_1], NULL, 8) = 0',
    ],
    why: 'libc loads libgcc for threads once, with a futex, when it is a library; its signals: see above',
  },
  ...thread(['futex(A, FUTEX_WAKE_PRIVATE, 1) = 0'], STARTED),
  ...thread([], STARTED),
  ...thread(['futex(A, FUTEX_WAKE_PRIVATE, 1) = 1'], STARTED),
  ...thread(['futex(A, FUTEX_WAKE_PRIVATE, 1) = 1'], STARTED),
  'socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_IP) = 9',
  'setsockopt(9, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0',
  'bind(9, {sa_family=AF_INET, sin_port=htons(12345), sin_addr=inet_addr("0.0.0.0")}, 16) = 0',
  'listen(9, 1024) = 0',
  'epoll_ctl(5, EPOLL_CTL_ADD, 9, {EPOLLIN|EPOLLOUT|EPOLLRDHUP|EPOLLET}) = 0',
  {
    real: [],
    ours: ['write(1, S, 10) = 10'],
    why: 'this server says that it listens',
  },
  'futex(A, FUTEX_WAIT_PRIVATE, 1, NULL',
];

/** A line of the trace without what differs from run to run. */
function normal(line: string): string {
  return line
    .replace(/ +=/, ' =')
    .replace(/0x[0-9a-f]{5,}/g, 'A')
    .replace(/"(?!\/)[^"]+"(\.\.\.)?(?=,)/g, 'S')
    .replace(/^(read\(.*) = [1-9]\d*$/, '$1 = N')
    .replace(/^(readlinkat\(.*"), S, (.*) = \d+$/, '$1, S, $2 = N')
    .replace(/(\/proc\/self\/exe"), "[^"]*"(\.\.\.)?/, '$1, S')
    .replace(/^(readlinkat.*) = \d+$/, '$1 = N')
    .replace(/^mprotect\(A, \d+, PROT_READ\)/, 'mprotect(A, N, PROT_READ)')
    .replace(/tv_sec=\d+, tv_nsec=[1-9]\d*/g, 'tv_sec=N, tv_nsec=N')
    .replace(/parent_tid=\[\d+\](.*) = \d+$/, 'parent_tid=[T]$1 = T')
    .replace(/^sched_getaffinity\([1-9]\d*/, 'sched_getaffinity(T')
    .replace(/\{events=([A-Z|]+), data=.*\}\}/, '{$1}')
    .replace(/(FUTEX_WAIT_PRIVATE, 1, NULL).*/, '$1');
}

it.skipIf(echo === null)("the tokio echo server's trace on aarch64 is the real one, but for the listed", async () => {
  let trace = '';
  const tracer = new Strace({ write: (text) => (trace += text), toFile: true });
  const machine = await Machine.boot({
    program: echo!,
    argv: [echo!, '0.0.0.0:12345'],
    publish: [{ hostPort: 0, guestPort: 12345 }],
    cpus: 4,
    seed: 1,
    tracer,
  });
  const run = machine.run().catch(() => undefined);
  while (!machine.stdout.includes('listening')) await new Promise((r) => setTimeout(r, 5));
  await new Promise((r) => setTimeout(r, 100));
  machine.stop();
  await run;
  tracer.finish();
  machine.dispose();
  const lines = trace.split('\n').map(normal);
  const from = lines.findIndex((l) => l.startsWith('set_robust_list'));
  const to = lines.findIndex((l) => l.includes('FUTEX_WAIT_PRIVATE, 1, NULL'));
  const ours = lines.slice(from, to + 1);
  expect(ours).toEqual(STEPS.flatMap((s) => (typeof s === 'string' ? [s] : s.ours)));
  // Of the real one's calls, these are the same here: nearly all that is not its libraries' age.
  expect(STEPS.filter((s) => typeof s === 'string').length).toBeGreaterThan(45);
}); // prettier-ignore
