/**
 * What Linux 6.1 answers to one call, judged from its arguments and result alone. A rule names a result Linux does not
 * give; it says nothing where the answer depends on what the log does not show.
 */
import { syscalls } from '../../../kernel/syscall/table.ts';
import { PRCTL_OPTIONS } from '../../../kernel/task/trace-prctl.ts';
import type { Verdict, View } from './finding.ts';
import { futexRule } from './futex-rules.ts';
import { pollRules } from './poll-rules.ts';

export type Rule = (c: View) => Verdict | null;

const SIGKILL = 9;
const SIGSTOP = 19;
const NSIG = 64;
const WAIT_OPTIONS = 0xe0000007 | 0x8; // WNOHANG WUNTRACED WEXITED WCONTINUED __WNOTHREAD __WALL __WCLONE
const WNOHANG = 1;
const F_DUPFD = 0;
const F_GETFD = 1;
const F_DUPFD_CLOEXEC = 1030;
const O_CLOEXEC = 0o2000000;
/** Below this, a buffer is in user space, and one of no bytes is never looked at. */
const TASK_SIZE = 2 ** 47;
/** clock ids of clock_gettime(2): REALTIME … TAI. */
const CLOCKS = new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]);

/** The result may not be more than argument `i` says there is room for. */
const atMost =
  (i: number, man: string): Rule =>
  (c) => {
    const room = c.u64(i);
    if (room === null || !c.ok || c.result <= room) return null;
    return {
      rule: 'too-many-bytes', man,
      linux: `at most ${room}`,
      why: `It says ${c.result} bytes were transferred where ${room} were asked for.`,
    }; // prettier-ignore
  };

/** A transfer of no bytes does not look at the buffer. */
const noBytes =
  (count: number, man: string): Rule =>
  (c) =>
    c.error === 'EFAULT' && c.u64(count) === 0 && (c.u64(1) ?? Infinity) < TASK_SIZE
      ? {
          rule: 'zero-bytes', man, linux: '0, or an error of the descriptor',
          why: 'No byte is transferred, so the buffer is not looked at.',
        }
      : null; // prettier-ignore

/** An error the call does not have. */
const never =
  (errors: string, rule: string, linux: string, why: string, man: string, certain = true): Rule =>
  (c) =>
    c.error !== null && errors.split(' ').includes(c.error) ? { rule, linux, why, man, certain } : null;

/** 0 is the only success. */
const onlyZero =
  (man: string): Rule =>
  (c) =>
    c.ok && c.result !== 0
      ? { rule: 'not-zero', linux: '0', why: 'The call has no other successful result.', man }
      : null;

const notEperm = (man: string): Rule =>
  never('EPERM', 'eperm', 'EBADF for a descriptor that is not open', 'The call has no EPERM.', man);

const count = (i: number, page: string): Rule[] => [atMost(i, `${page}(2), RETURN VALUE`)];

/** Descriptors below this are plausible; used where a result must be one. */
const getcwd: Rule = (c) => {
  const size = c.u64(1);
  if (!c.ok || size === null || c.result <= size) return null;
  const buffer = c.result === c.u64(0);
  return {
    rule: 'getcwd-length', linux: `the length of the path with its NUL, at most ${size}`,
    why: `The system call returns a length; ${buffer ? 'this is the address of the buffer, which only the C function returns' : `${c.result} is more than the buffer holds`}.`,
    man: 'getcwd(2), NOTES, C library/kernel differences',
  }; // prettier-ignore
};

const execve: Rule = (c) =>
  c.ok && c.result !== 0
    ? {
        rule: 'execve-result', linux: '0',
        why: 'A new program starts with all its registers zero but the stack pointer: what the old one would have got as a result is not left in them.',
        man: 'execve(2); x86-64 psABI 3.4.1',
      }
    : null; // prettier-ignore

const kill: Rule = (c) => {
  const sig = c.i32(c.name === 'tgkill' ? 2 : 1);
  if (sig === null) return null;
  const man = `${c.name}(2)`;
  const valid = sig >= 0 && sig <= NSIG;
  if (c.error === 'EINVAL' && valid && (c.i32(0) ?? 0) > 0)
    return {
      rule: 'kill-einval', man,
      linux: sig === 0 ? '0, ESRCH or EPERM: whether the process is there' : '0, ESRCH or EPERM',
      why: sig === 0 ? 'Signal 0 is valid: it only asks.' : `${sig} is a valid signal.`,
    }; // prettier-ignore
  if (c.ok && !valid) return { rule: 'kill-signal', linux: 'EINVAL', why: `There is no signal ${sig}.`, man };
  if (c.name === 'kill' && c.error === 'ESRCH' && c.i32(0) === 0)
    return {
      rule: 'kill-own-group', man, linux: '0',
      why: "Pid 0 is the caller's own process group, which has at least the caller in it.",
    }; // prettier-ignore
  if (c.name === 'kill' && c.error === 'EINVAL' && valid)
    return {
      rule: 'kill-group', man, linux: '0, ESRCH or EPERM',
      why: 'Pid 0 and negative pids name process groups; they are valid.',
    }; // prettier-ignore
  return null;
};

const wait4: Rule = (c) => {
  const pid = c.i32(0);
  const options = c.u32(2);
  if (options === null || pid === null) return null;
  const man = 'wait4(2)';
  if (c.error === 'EINVAL' && (options & ~WAIT_OPTIONS) === 0)
    return {
      rule: 'wait-einval',
      man,
      linux: 'a pid, 0 or ECHILD',
      why: 'All bits of the options are valid.',
    };
  if (c.result === 0 && !(options & WNOHANG))
    return {
      rule: 'wait-zero', man, linux: 'a pid or ECHILD',
      why: 'Without WNOHANG the call waits until there is something to tell.',
    }; // prettier-ignore
  if (pid > 0 && c.result > 0 && c.result !== pid)
    return { rule: 'wait-other', man, linux: `${pid}, 0 or ECHILD`, why: `Only ${pid} was asked for.` };
  return null;
};

const affinity: Rule = (c) => {
  if (!c.ok || c.result === 0) return null;
  const length = c.u64(1);
  if (c.result % 8 === 0 && (length === null || c.result <= length)) return null;
  return {
    rule: 'affinity-length', linux: 'the number of bytes of the mask, a multiple of 8',
    why: `The system call returns how many bytes it stored; ${c.result} is no such number.`,
    man: 'sched_getaffinity(2), NOTES, C library/kernel differences',
  }; // prettier-ignore
};

const prctl: Rule = (c) => {
  const option = c.i32(0);
  if (option === null || !c.ok || PRCTL_OPTIONS.some(([v]) => v === option)) return null;
  return {
    rule: 'prctl-unknown', linux: 'EINVAL', why: `There is no option ${option}.`, man: 'prctl(2), ERRORS',
  }; // prettier-ignore
};

const sigaction: Rule = (c) => {
  const sig = c.i32(0);
  const act = c.u64(1);
  const size = c.u64(3);
  const man = 'sigaction(2), ERRORS';
  if (sig === null) return null;
  if (size !== null && size !== 8)
    return c.ok
      ? { rule: 'sigset-size', linux: 'EINVAL', why: `A signal set has 8 bytes, not ${size}.`, man }
      : null;
  const valid = sig >= 1 && sig <= NSIG;
  const fixed = (sig === SIGKILL || sig === SIGSTOP) && act !== 0;
  if (c.ok && !valid)
    return { rule: 'sigaction-signal', linux: 'EINVAL', why: `There is no signal ${sig}.`, man };
  if (c.ok && fixed && act !== null)
    return {
      rule: 'sigaction-fixed',
      linux: 'EINVAL',
      why: 'SIGKILL and SIGSTOP cannot be caught or ignored.',
      man,
    };
  if (c.error === 'EINVAL' && valid && !(sig === SIGKILL || sig === SIGSTOP))
    return { rule: 'sigaction-einval', linux: '0', why: `Signal ${sig} may have a handler.`, man };
  return null;
};

const sigprocmask: Rule = (c) => {
  const how = c.i32(0);
  const set = c.u64(1);
  const man = 'sigprocmask(2), ERRORS';
  if (how === null || set === null || set === 0) return null;
  if (c.ok && (how < 0 || how > 2))
    return { rule: 'sigmask-how', linux: 'EINVAL', why: `There is no way ${how} to change a mask.`, man };
  if (c.error === 'EINVAL' && how >= 0 && how <= 2 && c.u64(3) === 8)
    return { rule: 'sigmask-einval', linux: '0', why: 'All arguments are valid.', man };
  return null;
};

const clock: Rule = (c) => {
  const id = c.i32(0);
  if (id === null || id < 0) return null; // a process's or a device's clock
  const man = 'clock_getres(2), ERRORS';
  if (c.error === 'EINVAL' && CLOCKS.has(id))
    return { rule: 'clock-unknown', linux: '0', why: `Linux has clock ${id}.`, man };
  if (c.ok && id > 11)
    return { rule: 'clock-accepted', linux: 'EINVAL', why: `There is no clock ${id}.`, man };
  return null;
};

const getrandom: Rule = (c) => {
  const length = c.u64(1);
  if (length === null || !c.ok) return null;
  if (c.result < length && length <= 256)
    return {
      rule: 'getrandom-short', linux: String(length),
      why: 'Requests of up to 256 bytes are always answered whole.', man: 'getrandom(2), NOTES',
    }; // prettier-ignore
  return null;
};

const fcntl: Rule = (c) => {
  const cmd = c.i32(1);
  const arg = c.i32(2);
  if (cmd === null || !c.ok) return null;
  if ((cmd === F_DUPFD || cmd === F_DUPFD_CLOEXEC) && arg !== null && c.result < arg)
    return {
      rule: 'dupfd-minimum', linux: `a descriptor of ${arg} or more`,
      why: `F_DUPFD takes the lowest free number that is not below its argument.`, man: 'fcntl(2), F_DUPFD',
    }; // prettier-ignore
  if (cmd === F_GETFD && c.result > 1)
    return {
      rule: 'getfd-bits', linux: '0 or 1', why: 'FD_CLOEXEC is the only flag there is.', man: 'fcntl(2), F_GETFD',
    }; // prettier-ignore
  return null;
};

const dup2: Rule = (c) => {
  const to = c.i32(1);
  if (!c.ok || to === null || c.result === to) return null;
  return {
    rule: 'dup2-number',
    linux: String(to),
    why: 'The new descriptor is the one asked for.',
    man: 'dup2(2)',
  };
};

const lseek: Rule = (c) => {
  const offset = c.i64(1);
  if (c.i32(2) !== 0 || offset === null || offset < 0 || !c.ok || c.result === offset) return null;
  return {
    rule: 'lseek-set', linux: String(offset), why: 'SEEK_SET sets the offset to exactly this.', man: 'lseek(2), SEEK_SET',
  }; // prettier-ignore
};

const positive =
  (rule: string, why: string, man: string): Rule =>
  (c) =>
    c.ok && c.result <= 0 ? { rule, linux: 'a positive number', why, man } : null;

const brkError: Rule = (c) =>
  c.result < 0
    ? {
        rule: 'brk-error', linux: 'the break, changed or not',
        why: 'The system call has no errors: it returns the break as it is then.',
        man: 'brk(2), NOTES, C library/kernel differences',
      }
    : null; // prettier-ignore

const pipeFlags: Rule = (c) => {
  const flags = c.u32(1);
  if (c.name !== 'pipe2' || flags === null || !c.ok) return null;
  const known = O_CLOEXEC | 0o4000 | 0o40000 | 0o200; // O_NONBLOCK, O_DIRECT, O_NOTIFICATION_PIPE
  return flags & ~known
    ? {
        rule: 'pipe-flags',
        linux: 'EINVAL',
        why: 'A bit of the flags is not one of pipe2.',
        man: 'pipe2(2), ERRORS',
      }
    : null;
};

const inet6: Rule = (c) =>
  c.error === 'EAFNOSUPPORT' && [1, 2, 10].includes(c.i32(0) ?? -1)
    ? {
        rule: 'socket-family', kind: 'remark', certain: false, linux: 'a descriptor',
        why: 'Linux answers so only when it was built or started without this family; programs fall back to another.',
        man: 'socket(2), ERRORS',
      }
    : null; // prettier-ignore

const rules: Readonly<Record<string, readonly Rule[]>> = {
  read: [...count(2, 'read'), noBytes(2, 'read(2), DESCRIPTION')],
  pread64: [...count(2, 'pread'), noBytes(2, 'pread(2)')],
  write: [...count(2, 'write'), noBytes(2, 'write(2), DESCRIPTION')],
  pwrite64: [...count(2, 'pwrite'), noBytes(2, 'pwrite(2)')],
  sendto: count(2, 'send'),
  getdents64: count(2, 'getdents'),
  readlink: count(2, 'readlink'),
  readlinkat: count(3, 'readlink'),
  sendfile: count(3, 'sendfile'),
  getrandom: [...count(1, 'getrandom'), getrandom],
  close: [notEperm('close(2), ERRORS'), onlyZero('close(2), RETURN VALUE')],
  dup: [notEperm('dup(2), ERRORS')],
  dup2: [notEperm('dup2(2), ERRORS'), dup2],
  dup3: [notEperm('dup3(2), ERRORS'), dup2],
  lseek: [lseek],
  fcntl: [fcntl],
  getcwd: [getcwd],
  pipe: [onlyZero('pipe(2), RETURN VALUE')],
  pipe2: [onlyZero('pipe2(2), RETURN VALUE'), pipeFlags],
  access: [
    never('EPERM', 'access-eperm', 'EACCES', 'EPERM is only for writing to an immutable file.', 'access(2), ERRORS', false),
  ],
  rename: [
    never('EEXIST', 'rename-eexist', '0, or ENOTEMPTY for a directory', 'A file of the new name is replaced.', 'rename(2), DESCRIPTION', false),
  ],
  rmdir: [
    never('EINVAL', 'rmdir-einval', 'ENOTEMPTY for a directory with something in it', 'EINVAL is only for a path that ends in "."', 'rmdir(2), ERRORS', false),
  ],
  mkdir: [
    never('EPERM', 'mkdir-eperm', 'ENOENT where the parent is missing', 'EPERM is only for file systems without directories.', 'mkdir(2), ERRORS', false),
  ],
  execve: [execve],
  kill: [kill],
  tkill: [kill],
  tgkill: [kill],
  wait4: [wait4],
  getpgid: [positive('pgid-zero', 'Every process is in a process group, whose id is a pid.', 'getpgid(2), RETURN VALUE')],
  setsid: [positive('sid-zero', 'The id of the new session is the pid of the caller.', 'setsid(2), RETURN VALUE')],
  getpid: [positive('pid-zero', 'A process has a pid of 1 or more.', 'getpid(2)')],
  gettid: [positive('tid-zero', 'A thread has an id of 1 or more.', 'gettid(2)')],
  set_tid_address: [positive('tid-zero', 'It returns the id of the calling thread.', 'set_tid_address(2), RETURN VALUE')],
  sched_getaffinity: [affinity],
  sched_yield: [onlyZero('sched_yield(2), RETURN VALUE')],
  prctl: [prctl],
  rt_sigaction: [sigaction, onlyZero('sigaction(2), RETURN VALUE')],
  rt_sigprocmask: [sigprocmask, onlyZero('sigprocmask(2), RETURN VALUE')],
  clock_gettime: [clock, onlyZero('clock_gettime(2), RETURN VALUE')],
  clock_getres: [clock, onlyZero('clock_getres(2), RETURN VALUE')],
  brk: [brkError],
  socket: [inet6],
  futex: [futexRule],
  ...pollRules,
}; // prettier-ignore

/** Calls that Linux itself may lack, by configuration or for a program under seccomp. */
const OPTIONAL = new Set([
  'futex', 'rseq', 'clone3', 'membarrier', 'memfd_secret', 'userfaultfd', 'bpf', 'kexec_load', 'acct',
  'io_uring_setup', 'seccomp', 'keyctl', 'add_key', 'request_key', 'kcmp', 'quotactl', 'swapon', 'swapoff',
]); // prettier-ignore

const missing: Rule = (c) => {
  if (c.error !== 'ENOSYS' || OPTIONAL.has(c.name)) return null;
  const level = syscalls.get(c.name)?.support.level;
  if (level !== 'full' && level !== 'partial') return null;
  return {
    rule: 'missing-call',
    linux: 'no ENOSYS',
    why: 'Linux has this call.',
    man: `${c.name}(2)`,
  };
};

const restart: Rule = (c) =>
  c.result <= -512 && c.result >= -516
    ? {
        rule: 'restart-code', linux: 'the result of the call made again, or EINTR',
        why: 'Codes from 512 on are for the kernel itself; programs never see them.', man: 'signal(7), Interruption of system calls',
      }
    : null; // prettier-ignore

/** What the rules say of one call that returned; null: nothing. */
export function judge(c: View): Verdict | null {
  for (const rule of rules[c.name] ?? []) {
    const v = rule(c);
    if (v) return v;
  }
  return missing(c) ?? restart(c);
}
