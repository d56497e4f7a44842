/** How the arguments of this folder's calls read in a trace: tables and structures as strace 6.1 prints them. */
import type { UserMemory } from '../mm/user-memory.ts';
import type { Args } from '../syscall/args.ts';
import type { ArgType } from '../trace/arg-types.ts';
import { special, struct, type Table, valued } from '../trace/args.ts';
import {
  bits, chars, i64, layout, limit, part, readAt, structure, TIMEVAL, u16, u32, u64, type ValueOf,
} from '../trace/layout.ts'; // prettier-ignore
import { siginfoText } from '../trace/siginfo.ts';
import { numbered, signalName } from '../trace/tables.ts';
import {
  addrText,
  enumText,
  flagsText,
  hexText,
  quoteBytes,
  stringText,
  traceFormat,
} from '../trace/text.ts';
import type { Task } from './task.ts';

// prettier-ignore
export const CLONE_FLAGS = [
  [0x100, 'CLONE_VM'], [0x200, 'CLONE_FS'], [0x400, 'CLONE_FILES'], [0x800, 'CLONE_SIGHAND'], [0x1000, 'CLONE_PIDFD'],
  [0x2000, 'CLONE_PTRACE'], [0x4000, 'CLONE_VFORK'], [0x8000, 'CLONE_PARENT'], [0x10000, 'CLONE_THREAD'],
  [0x20000, 'CLONE_NEWNS'], [0x40000, 'CLONE_SYSVSEM'], [0x80000, 'CLONE_SETTLS'], [0x100000, 'CLONE_PARENT_SETTID'],
  [0x200000, 'CLONE_CHILD_CLEARTID'], [0x800000, 'CLONE_UNTRACED'],
  [0x1000000, 'CLONE_CHILD_SETTID'], [0x2000000, 'CLONE_NEWCGROUP'], [0x4000000, 'CLONE_NEWUTS'],
  [0x8000000, 'CLONE_NEWIPC'], [0x10000000, 'CLONE_NEWUSER'], [0x20000000, 'CLONE_NEWPID'],
  [0x40000000, 'CLONE_NEWNET'], [0x80000000, 'CLONE_IO'],
] as const satisfies Table;
export const UNSHARE_FLAGS = [[0x80, 'CLONE_NEWTIME'], ...CLONE_FLAGS] as const satisfies Table;
export const WAIT_OPTIONS = [
  [1, 'WNOHANG'], [2, 'WSTOPPED'], [4, 'WEXITED'], [8, 'WCONTINUED'], [0x1000000, 'WNOWAIT'],
  [0x20000000, '__WNOTHREAD'], [0x40000000, '__WALL'], [0x80000000, '__WCLONE'],
] as const satisfies Table; // prettier-ignore
export const WAITID_TYPES = [[0, 'P_ALL'], [1, 'P_PID'], [2, 'P_PGID'], [3, 'P_PIDFD']] as const satisfies Table; // prettier-ignore
export const RESOURCES = numbered([
  'RLIMIT_CPU', 'RLIMIT_FSIZE', 'RLIMIT_DATA', 'RLIMIT_STACK', 'RLIMIT_CORE', 'RLIMIT_RSS', 'RLIMIT_NPROC',
  'RLIMIT_NOFILE', 'RLIMIT_MEMLOCK', 'RLIMIT_AS', 'RLIMIT_LOCKS', 'RLIMIT_SIGPENDING', 'RLIMIT_MSGQUEUE',
  'RLIMIT_NICE', 'RLIMIT_RTPRIO', 'RLIMIT_RTTIME',
]); // prettier-ignore
export const RUSAGE_WHO = [[0, 'RUSAGE_SELF'], [-1, 'RUSAGE_CHILDREN'], [1, 'RUSAGE_THREAD']] as const satisfies Table; // prettier-ignore
export const PRIORITY_WHICH = [[0, 'PRIO_PROCESS'], [1, 'PRIO_PGRP'], [2, 'PRIO_USER']] as const satisfies Table; // prettier-ignore
export const IOPRIO_WHICH = [[1, 'IOPRIO_WHO_PROCESS'], [2, 'IOPRIO_WHO_PGRP'], [3, 'IOPRIO_WHO_USER']] as const satisfies Table; // prettier-ignore
export const POLICIES = [
  [0, 'SCHED_OTHER'], [1, 'SCHED_FIFO'], [2, 'SCHED_RR'], [3, 'SCHED_BATCH'], [5, 'SCHED_IDLE'], [6, 'SCHED_DEADLINE'],
] as const satisfies Table; // prettier-ignore
export const GRND_FLAGS = [[1, 'GRND_NONBLOCK'], [2, 'GRND_RANDOM'], [4, 'GRND_INSECURE']] as const satisfies Table; // prettier-ignore
export const MEMBARRIER_CMDS = [
  [0, 'MEMBARRIER_CMD_QUERY'], [1, 'MEMBARRIER_CMD_GLOBAL'], [2, 'MEMBARRIER_CMD_GLOBAL_EXPEDITED'],
  [4, 'MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED'], [8, 'MEMBARRIER_CMD_PRIVATE_EXPEDITED'],
  [16, 'MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED'], [32, 'MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE'],
  [64, 'MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE'], [128, 'MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ'],
  [256, 'MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ'],
] as const satisfies Table; // prettier-ignore
export const KCMP_TYPES = numbered([
  'KCMP_FILE', 'KCMP_VM', 'KCMP_FILES', 'KCMP_FS', 'KCMP_SIGHAND', 'KCMP_IO', 'KCMP_SYSVSEM', 'KCMP_EPOLL_TFD',
]); // prettier-ignore
export const ARCH_PRCTL = [
  [0x1001, 'ARCH_SET_GS'], [0x1002, 'ARCH_SET_FS'], [0x1003, 'ARCH_GET_FS'], [0x1004, 'ARCH_GET_GS'],
  [0x1011, 'ARCH_GET_CPUID'], [0x1012, 'ARCH_SET_CPUID'], [0x1021, 'ARCH_GET_XCOMP_SUPP'],
  [0x1022, 'ARCH_GET_XCOMP_PERM'], [0x1023, 'ARCH_REQ_XCOMP_PERM'],
] as const satisfies Table; // prettier-ignore
export const SYSLOG_ACTIONS = numbered([
  'SYSLOG_ACTION_CLOSE', 'SYSLOG_ACTION_OPEN', 'SYSLOG_ACTION_READ', 'SYSLOG_ACTION_READ_ALL',
  'SYSLOG_ACTION_READ_CLEAR', 'SYSLOG_ACTION_CLEAR', 'SYSLOG_ACTION_CONSOLE_OFF', 'SYSLOG_ACTION_CONSOLE_ON',
  'SYSLOG_ACTION_CONSOLE_LEVEL', 'SYSLOG_ACTION_SIZE_UNREAD', 'SYSLOG_ACTION_SIZE_BUFFER',
]); // prettier-ignore

/** An int behind a pointer, and ids behind three of them. */
export const idPtr = <N extends string>(name: N) =>
  struct(name, (m, p) => (m.u32(p) < 0 ? null : `[${idText(m.u32(p))}]`), { out: true });
/** uid_t, gid_t: −1 means "leave alone". */
export const id = <N extends string>(name: N) => special(name, (_t, a, i) => idText(a.u32(i)));
const idText = (n: number): string => (n === 0xffffffff ? '-1' : String(n));

/** A list of ids whose number is argument `countArg`, or the result. */
export const idList = <N extends string>(name: N, countArg: number, out: boolean) =>
  struct(
    name,
    (m, p, _t, a, ret) => {
      const n = Math.max(0, Math.min(out ? (ret ?? 0) : a.i32(countArg), 65536));
      const v = m.viewIn(p, 4 * n);
      if (v === null) return null;
      const ids: string[] = [];
      for (let i = 0; i < Math.min(n, 32); i++) ids.push(idText(v.getUint32(4 * i, true)));
      return `[${ids.join(', ')}${n > 32 ? ', ...' : ''}]`;
    },
    { out },
  );

function flagsWithSignal(flags: number): string {
  const signo = flags & 0xff;
  const bits = (flags & ~0xff) >>> 0;
  if (signo === 0) return flagsText(bits, CLONE_FLAGS, 'CLONE_???');
  return bits === 0 ? signalName(signo) : `${flagsText(bits, CLONE_FLAGS, 'CLONE_???')}|${signalName(signo)}`;
}

const has = (a: Args, bits: number): boolean => (a.u32(0) & bits) !== 0;

/** clone's arguments, named and in strace's own order; those the flags make meaningless are left out. */
export const cloneArgs = [
  special('child_stack', (_t, a) => `child_stack=${addrText(a.big(1))}`),
  special('flags', (_t, a) => `flags=${flagsWithSignal(a.u32(0))}`),
  special(
    'parent_tid',
    (t, a, _i, ret) => {
      if (!has(a, 0x101000)) return '';
      const n = ret !== null && ret > 0 ? t.mm.i32(a.ptr(2)) : null;
      return `${has(a, 0x100000) ? 'parent_tid' : 'pidfd'}=${n === null ? addrText(a.ptr(2)) : `[${n}]`}`;
    },
    { out: true },
  ),
  special(
    'tls',
    (t, a) => (has(a, 0x80000) ? `tls=${addrText(a.big(t.regs.arch === 'x86_64' ? 4 : 3))}` : ''),
    { out: true },
  ),
  special(
    'child_tidptr',
    (t, a) => (has(a, 0x1200000) ? `child_tidptr=${addrText(a.ptr(t.regs.arch === 'x86_64' ? 3 : 4))}` : ''),
    { out: true },
  ),
] as const;

/** struct clone_args, and what the kernel wrote through it. */
/** struct clone_args: the first version's fields. */
const CLONE_ARGS = layout(64, {
  flags: bits(0, CLONE_FLAGS),
  pidfd: u64(8),
  child_tid: u64(16),
  parent_tid: u64(24),
  exit_signal: u64(32),
  stack: u64(40),
  stack_size: u64(48),
  tls: u64(56),
});
const clone3Text = struct(
  'cl_args',
  (m, p, _t, a, ret) => {
    const size = Math.min(a.size(1), 88);
    const v = m.viewIn(p, Math.max(size, 0));
    if (v === null || size < 64) return null;
    const word = (at: number): bigint => (at + 8 <= size ? v.getBigUint64(at, true) : 0n);
    const flags = word(0);
    const low = Number(flags & 0xffffffffn);
    const high = flags >> 32n;
    let names = flagsText(low, CLONE_FLAGS);
    if (high !== 0n) {
      const extra = flagsText(Number(high), [[1, 'CLONE_CLEAR_SIGHAND'], [2, 'CLONE_INTO_CGROUP']]); // prettier-ignore
      names = low === 0 ? extra : `${names}|${extra}`;
    }
    const on = (bits: number): boolean => (low & bits) !== 0;
    let out = `{flags=${names}`;
    if (on(0x1000)) out += `, pidfd=${addrText(word(8))}`;
    if (on(0x1200000)) out += `, child_tid=${addrText(word(16))}`;
    if (on(0x100000)) out += `, parent_tid=${addrText(word(24))}`;
    const signo = Number(word(32));
    out += `, exit_signal=${signo === 0 ? '0' : signalName(signo)}`;
    out += `, stack=${addrText(word(40))}, stack_size=${hexText(word(48))}`;
    if (on(0x80000)) out += `, tls=${addrText(word(56))}`;
    if (word(64) !== 0n || word(72) !== 0n)
      out += `, set_tid=${addrText(word(64))}, set_tid_size=${word(72)}`;
    out += '}';
    if (ret === null || ret < 0) return out;
    const results: string[] = [];
    if (on(0x1000)) results.push(`pidfd=[${m.i32(Number(word(8))) ?? '?'}]`);
    if (on(0x100000)) results.push(`parent_tid=[${m.i32(Number(word(24))) ?? '?'}]`);
    return results.length === 0 ? out : `${out} => {${results.join(', ')}}`;
  },
  { out: true },
);

export const clone3Args: ArgType<'cl_args', ValueOf<typeof CLONE_ARGS> | null> = {
  ...clone3Text,
  value: (t, a, i) => readAt(t, a.ptr(i), CLONE_ARGS),
};

/** A NULL-terminated vector of strings: argv in full, the environment as a count unless -v. */
export const stringVector = <N extends string>(name: N, countOnly: boolean) =>
  special(name, (t, a, i) => {
    const address = a.ptr(i);
    if (address === 0) return 'NULL';
    const { verbose, strsize } = traceFormat(t);
    if (countOnly && !verbose) {
      let n = 0;
      for (let p = t.mm.ptr(address); p > 0; p = t.mm.ptr(address + 8 * n)) n++;
      if (t.mm.ptr(address + 8 * n) < 0) return addrText(address);
      return `${addrText(address)} /* ${n} var${n === 1 ? '' : 's'} */`;
    }
    const parts: string[] = [];
    for (let n = 0; ; n++) {
      const p = t.mm.ptr(address + 8 * n);
      if (p < 0)
        return n === 0 ? addrText(address) : `[${parts.join(', ')}, ... /* ${addrText(address + 8 * n)} */]`;
      if (p === 0) return `[${parts.join(', ')}]`;
      if (!verbose && n >= strsize) return `[${parts.join(', ')}, ...]`;
      parts.push(stringText(t, p));
    }
  });

/** wait4's status. */
export function waitStatusText(s: number): string {
  if (s === 0xffff) return '{WIFCONTINUED(s)}';
  if ((s & 0xff) === 0x7f) return `{WIFSTOPPED(s) && WSTOPSIG(s) == ${signalName(s >> 8)}}`;
  const signo = s & 0x7f;
  if (signo === 0) return `{WIFEXITED(s) && WEXITSTATUS(s) == ${s >> 8}}`;
  return `{WIFSIGNALED(s) && WTERMSIG(s) == ${signalName(signo)}${s & 0x80 ? ' && WCOREDUMP(s)' : ''}}`;
}

/** Filled in only when a child was found. */
const onlyFound = (ret: number | null): boolean => ret !== null && ret > 0;

export const waitStatus = special(
  'wstatus',
  (t, a, i, ret) => {
    const s = a.ptr(i) !== 0 && onlyFound(ret) ? t.mm.u32(a.ptr(i)) : -1;
    return s < 0 ? addrText(a.ptr(i)) : `[${waitStatusText(s)}]`;
  },
  { out: true },
);

export const waitInfo = struct(
  'infop',
  (m, p) => {
    const v = m.viewIn(p, 32);
    if (v === null) return null;
    const int = (at: number): number => v.getInt32(at, true);
    if (int(0) === 0) return '{}';
    return siginfoText({ signo: int(0), code: int(8), pid: int(16), uid: int(20), status: int(24) });
  },
  { out: true },
);

function rusageText(t: Task, p: number): string | null {
  const v = t.mm.viewIn(p, 144);
  if (v === null) return null;
  const n = (at: number): bigint => v.getBigInt64(at, true);
  const time = (at: number): string => `{tv_sec=${n(at)}, tv_usec=${n(at + 8)}}`;
  const head = `{ru_utime=${time(0)}, ru_stime=${time(16)}`;
  if (!traceFormat(t).verbose) return `${head}, ...}`;
  const names = [
    'maxrss', 'ixrss', 'idrss', 'isrss', 'minflt', 'majflt', 'nswap', 'inblock', 'oublock', 'msgsnd', 'msgrcv',
    'nsignals', 'nvcsw', 'nivcsw',
  ]; // prettier-ignore
  return `${head}, ${names.map((name, i) => `ru_${name}=${n(32 + 8 * i)}`).join(', ')}}`;
}
const RUSAGE = layout(144, {
  ru_utime: part(0, TIMEVAL), ru_stime: part(16, TIMEVAL), ru_maxrss: i64(32), ru_ixrss: i64(40), ru_idrss: i64(48),
  ru_isrss: i64(56), ru_minflt: i64(64), ru_majflt: i64(72), ru_nswap: i64(80), ru_inblock: i64(88), ru_oublock: i64(96),
  ru_msgsnd: i64(104), ru_msgrcv: i64(112), ru_nsignals: i64(120), ru_nvcsw: i64(128), ru_nivcsw: i64(136),
}); // prettier-ignore
export const rusageOut = structure('usage', (_m, p, t) => rusageText(t, p), RUSAGE, { out: true });
/** wait4's: only when a child was found. */
export const rusageFound = valued(
  'rusage',
  (t, a, i, ret) => (a.ptr(i) !== 0 && onlyFound(ret) ? rusageText(t, a.ptr(i)) : null) ?? addrText(a.ptr(i)),
  (t, a, i, ret) => (onlyFound(ret) ? readAt(t, a.ptr(i), RUSAGE) : null),
  { out: true },
);

const RLIMIT = layout(16, { rlim_cur: limit(0), rlim_max: limit(8) });
/** struct rlimit: multiples of 1024 as such. */
export const rlimit = <N extends string>(name: N, out: boolean) =>
  structure(
    name,
    (m, p) => {
      const value = (at: number): string | null => {
        const n = m.u64(at);
        if (n === null) return null;
        if (n === (1n << 64n) - 1n) return 'RLIM64_INFINITY';
        return n > 1024n && n % 1024n === 0n ? `${n / 1024n}*1024` : String(n);
      };
      const [cur, max] = [value(p), value(p + 8)];
      return cur === null || max === null ? null : `{rlim_cur=${cur}, rlim_max=${max}}`;
    },
    RLIMIT,
    { out },
  );

const UTSNAME = layout(390, {
  sysname: chars(0, 65), nodename: chars(65, 65), release: chars(130, 65), version: chars(195, 65), machine: chars(260, 65),
  domainname: chars(325, 65),
}); // prettier-ignore
export const utsname = structure(
  'buf',
  (m, p, t) => {
    const { verbose } = traceFormat(t);
    const names = ['sysname', 'nodename', 'release', 'version', 'machine', 'domainname'];
    const bytes = m.copyIn(p, 390);
    if (bytes === null) return null;
    const field = (i: number): string => {
      const b = bytes.subarray(65 * i, 65 * i + 65);
      const end = b.indexOf(0);
      return `${names[i]}=${quoteBytes(b, end < 0 ? 65 : end)}`;
    };
    const shown = names.map((_, i) => i).slice(0, verbose ? 6 : 2);
    return `{${shown.map(field).join(', ')}${verbose ? '' : ', ...'}}`;
  },
  UTSNAME,
  { out: true },
);

const SYSINFO = layout(112, {
  uptime: u64(0), totalram: u64(32), freeram: u64(40), sharedram: u64(48), bufferram: u64(56), totalswap: u64(64),
  freeswap: u64(72), procs: u16(80), totalhigh: u64(88), freehigh: u64(96), mem_unit: u32(104),
}); // prettier-ignore
export const sysinfoOut = structure(
  'info',
  (m, p) => {
    const v = m.viewIn(p, 112);
    if (v === null) return null;
    const n = (at: number): bigint => v.getBigUint64(at, true);
    return (
      `{uptime=${n(0)}, loads=[${n(8)}, ${n(16)}, ${n(24)}], totalram=${n(32)}, freeram=${n(40)}, ` +
      `sharedram=${n(48)}, bufferram=${n(56)}, totalswap=${n(64)}, freeswap=${n(72)}, procs=${v.getUint16(80, true)}, ` +
      `totalhigh=${n(88)}, freehigh=${n(96)}, mem_unit=${v.getUint32(104, true)}}`
    );
  },
  SYSINFO,
  { out: true },
);

const TMS = layout(32, { tms_utime: i64(0), tms_stime: i64(8), tms_cutime: i64(16), tms_cstime: i64(24) });
export const tmsOut = structure(
  'buf',
  (m, p) => {
    const v = m.viewIn(p, 32);
    if (v === null) return null;
    const names = ['tms_utime', 'tms_stime', 'tms_cutime', 'tms_cstime'];
    return `{${names.map((name, i) => `${name}=${v.getBigInt64(8 * i, true)}`).join(', ')}}`;
  },
  TMS,
  { out: true },
);

/** A cpu mask as the list of its cpus: `[0 1]`. */
export const cpuMask = (out: boolean) =>
  struct(
    'mask',
    (m, p, _t, a, ret) => {
      const bytes = m.copyIn(p, Math.min(out ? (ret ?? 0) : a.size(1), 128));
      if (bytes === null) return null;
      const cpus: number[] = [];
      bytes.forEach((b, i) => {
        for (let bit = 0; bit < 8; bit++) if ((b & (1 << bit)) !== 0) cpus.push(8 * i + bit);
      });
      return `[${cpus.join(' ')}]`;
    },
    { out },
  );

export const schedParam = (out: boolean) =>
  struct('param', (m, p) => (m.i32(p) === null ? null : `[${m.i32(p)}]`), { out });
export const policy = <N extends string>(name: N) =>
  special(name, (_t, a, i) => {
    const value = a.u32(i);
    const base = enumText(value & ~0x40000000, POLICIES, 'SCHED_???');
    return value & 0x40000000 ? `${base}|SCHED_RESET_ON_FORK` : base;
  });
export const schedAttr = (out: boolean) =>
  struct(
    'attr',
    (m, p) => {
      const v = m.viewIn(p, 48);
      if (v === null) return null;
      const u = (at: number): number => v.getUint32(at, true);
      const n = (at: number): bigint => v.getBigUint64(at, true);
      const flags = flagsText(u(8), [
        [1, 'SCHED_FLAG_RESET_ON_FORK'], [2, 'SCHED_FLAG_RECLAIM'], [4, 'SCHED_FLAG_DL_OVERRUN'],
        [8, 'SCHED_FLAG_KEEP_POLICY'], [16, 'SCHED_FLAG_KEEP_PARAMS'],
      ]); // prettier-ignore
      let text =
        `{size=${u(0)}, sched_policy=${enumText(u(4), POLICIES, 'SCHED_???')}, sched_flags=${flags}, ` +
        `sched_nice=${v.getInt32(16, true)}, sched_priority=${u(20)}, sched_runtime=${n(24)}, ` +
        `sched_deadline=${n(32)}, sched_period=${n(40)}`;
      const w = u(0) >= 56 ? m.viewIn(p + 48, 8) : null;
      if (w !== null)
        text += `, sched_util_min=${w.getUint32(0, true)}, sched_util_max=${w.getUint32(4, true)}`;
      return `${text}}`;
    },
    { out },
  );

/** An ioprio: class and level. */
export function ioprioText(value: number): string {
  const classes = [[0, 'IOPRIO_CLASS_NONE'], [1, 'IOPRIO_CLASS_RT'], [2, 'IOPRIO_CLASS_BE'], [3, 'IOPRIO_CLASS_IDLE']] as const satisfies Table; // prettier-ignore
  return `IOPRIO_PRIO_VALUE(${enumText(value >> 13, classes, 'IOPRIO_CLASS_???')}, ${value & 0x1fff})`;
}

const CAPABILITIES = [
  'CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP',
  'LINUX_IMMUTABLE', 'NET_BIND_SERVICE', 'NET_BROADCAST', 'NET_ADMIN', 'NET_RAW', 'IPC_LOCK', 'IPC_OWNER',
  'SYS_MODULE', 'SYS_RAWIO', 'SYS_CHROOT', 'SYS_PTRACE', 'SYS_PACCT', 'SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE',
  'SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'MKNOD', 'LEASE', 'AUDIT_WRITE', 'AUDIT_CONTROL', 'SETFCAP',
  'MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ', 'PERFMON', 'BPF',
  'CHECKPOINT_RESTORE',
].map((name) => `CAP_${name}`); // prettier-ignore
export const CAPABILITY_TABLE: Table = CAPABILITIES.map((name, i) => [i, name] as const);

export const capHeader = struct('hdrp', (m, p) => {
  const v = m.viewIn(p, 8);
  if (v === null) return null;
  const version = enumText(v.getUint32(0, true), [
    [0x19980330, '_LINUX_CAPABILITY_VERSION_1'], [0x20071026, '_LINUX_CAPABILITY_VERSION_2'],
    [0x20080522, '_LINUX_CAPABILITY_VERSION_3'],
  ], '_LINUX_CAPABILITY_VERSION_???'); // prettier-ignore
  return `{version=${version}, pid=${v.getInt32(4, true)}}`;
});
export const capData = (out: boolean) =>
  struct(
    'datap',
    (m, p, _t, a) => {
      const version = m.u32(a.ptr(0));
      const words = version === 0x19980330 ? 1 : 2;
      const v = m.viewIn(p, 12 * words);
      if (v === null) return null;
      const set = (at: number): string => {
        const names: string[] = [];
        for (let i = 0; i < 32 * words; i++) {
          const on = (v.getUint32(12 * (i >> 5) + at, true) >>> (i & 31)) & 1;
          if (on) names.push(`1<<${CAPABILITIES[i] ?? String(i)}`);
        }
        return names.length === 0 ? '0' : names.join('|');
      };
      return `{effective=${set(0)}, permitted=${set(4)}, inheritable=${set(8)}}`;
    },
    { out },
  );

/** Random bytes are always shown in hexadecimal. */
export const randomBytes = special(
  'buf',
  (t, a, i, ret) => {
    if (ret === null || ret < 0) return addrText(a.ptr(i));
    const n = Math.min(ret, traceFormat(t).strsize);
    const bytes = t.mm.copyIn(a.ptr(i), n);
    if (bytes === null) return addrText(a.ptr(i));
    return quoteBytes(bytes, n, 2) + (ret > n ? '...' : '');
  },
  { out: true },
);

/** A pointer-sized number behind a pointer. */
export const wordPtr = <N extends string>(name: N, text: (n: bigint) => string) =>
  struct(name, (m: UserMemory, p) => {
    const n = m.u64(p);
    return n === null ? null : `[${text(n)}]`;
  }, { out: true }); // prettier-ignore
