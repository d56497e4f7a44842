/** Files and descriptors in StarryOS. */
import {
  EACCES, EAGAIN, EBADF, EEXIST, EFAULT, EINVAL, EMFILE, ENOENT, ENOTDIR, EOPNOTSUPP, EPERM, EPIPE, ESPIPE,
} from '../../abi/errno.ts'; // prettier-ignore
import { Socket } from '../../net/socket.ts';
import { O_ACCMODE, O_APPEND, O_CREAT, O_NONBLOCK, O_TRUNC, O_WRONLY, type File } from '../../fs/file.ts';
import { PipeFile } from '../../fs/pipe/pipe-file.ts';
import { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFL, F_SETFD, F_SETFL } from '../../fs/syscalls-fcntl.ts';
import { creat, open } from '../../fs/syscalls-open.ts';
import { stat } from '../../fs/syscalls-stat.ts';
import { S_IFMT, S_IFREG } from '../../fs/inode.ts';
import { AT_FDCWD, LOOKUP_FOLLOW } from '../../fs/vfs.ts';
import type { Args } from '../../syscall/args.ts';
import type { Task } from '../../task/task.ts';
import { panic, unknownCall } from '../panic.ts';
import type { Quirk, Wrap } from '../quirk.ts';
import { after, answers, argument, before, both, each, errno, withArg } from '../wrap.ts';
import { isKnown } from './known-calls.ts';
import { pathByName } from './nowhere.ts';

const IO = 'linux_syscall_api src/syscall_fs/imp/io.rs';
const CTL = 'linux_syscall_api src/syscall_fs/imp/ctl.rs';
const STAT = 'linux_syscall_api src/syscall_fs/imp/stat.rs';
const LINK = 'linux_syscall_api src/syscall_fs/imp/link.rs';
const PIPE = 'linux_syscall_api src/syscall_fs/ctype/pipe.rs';
const MOD = 'linux_syscall_api src/syscall_fs/mod.rs';

const TCGETS = 0x5401;
const TIOCGPGRP = 0x540f;
const TIOCSPGRP = 0x5410;
const TIOCGWINSZ = 0x5413;
const FIONBIO = 0x5421;
const FIOCLEX = 0x5451;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
/** OpenFlags::from_bits: anything else in F_SETFL is EINVAL. */
const OPEN_FLAGS = 0x2bcbc3 | (1 << 8) | (1 << 9);
/** Four pages: 16 KiB. */
const PIPE_PAGES = 4;

const noTruncAppend = (n: number): Wrap =>
  argument(n, (_t, a) => {
    const flags = a.i32(n);
    return flags & (O_TRUNC | O_APPEND) ? flags & ~(O_TRUNC | O_APPEND) : undefined;
  });

const openErrors = after((_t, _a, r) => (r < 0 && ![-EMFILE, -EFAULT].includes(r) ? -ENOENT : r));

/** Every descriptor of a file has the same close-on-exec flag. */
function spread(t: Task, file: File, cloexec: boolean): void {
  for (const fd of t.fds.list()) {
    const d = t.fds.descriptor(fd)!;
    if (d.file === file) d.cloexec = cloexec;
  }
}

const shared = (n: number): Wrap =>
  after((t, a, r) => {
    const from = t.fds.descriptor(a.i32(n));
    if (r >= 0 && from) {
      // dup3 with O_CLOEXEC marks the file; a plain copy shows what the file has.
      const to = t.fds.descriptor(r);
      if (to) spread(t, from.file, from.cloexec || to.cloexec);
    }
    return r;
  });

const fcntlPerFile: Wrap = (linux) => (t, a) => {
  const d = t.fds.descriptor(a.i32(0));
  const r = linux(t, a);
  if (!d || typeof r !== 'number' || r < 0) return r;
  const cmd = a.u32(1);
  if (cmd === F_SETFD) spread(t, d.file, (a.u32(2) & 1) !== 0);
  if (cmd === F_DUPFD) spread(t, d.file, d.cloexec);
  // The least number is read as the flag.
  if (cmd === F_DUPFD_CLOEXEC) spread(t, d.file, (a.u32(2) & 1) !== 0);
  return r;
};

const isRegular = (file: File): boolean => file.inode !== null && (file.inode.mode & S_IFMT) === S_IFREG;

const flagsReplaced: Wrap = (linux) => (t, a) => {
  const d = t.fds.descriptor(a.i32(0));
  if (!d) return linux(t, a);
  if (a.u32(1) === F_GETFL && d.file.shownFlags !== null) return d.file.shownFlags;
  if (a.u32(1) !== F_SETFL) return linux(t, a);
  if (a.u32(2) & ~OPEN_FLAGS) return -EINVAL;
  const r = linux(t, a);
  if (r !== 0) return r;
  const { file } = d;
  // A socket keeps that it does not block; of a file the access mode is replaced too, and is what read and write go by.
  file.shownFlags = file instanceof Socket ? a.u32(2) & O_NONBLOCK : a.u32(2);
  if (isRegular(file)) file.flags = (file.flags & ~O_ACCMODE) | (a.u32(2) & O_ACCMODE);
  return r;
};

/** Where the input is, is asked first: pipes, sockets and terminals have no such place. */
const sendfilePanics = before((t, a) => {
  const input = t.fds.opened(a.i32(1));
  return input === undefined || isRegular(input)
    ? undefined
    : panic(
        t,
        'linux_syscall_api/src/syscall_fs/imp/io.rs',
        'called `Result::unwrap()` on an `Err` value: Unsupported',
      );
});

/** What the output does not take of a piece that was read is lost: it is one read and one write. */
const sendfileOnce: Wrap = (linux) => (t, a) => {
  const out = t.fds.opened(a.i32(0));
  const input = t.fds.opened(a.i32(1));
  if (out === undefined || input === undefined) return linux(t, a);
  const end = Math.min(input.pos + a.size(3), input.inode?.size ?? 0);
  const { flags } = out;
  out.flags |= O_NONBLOCK;
  let r = linux(t, a);
  out.flags = flags;
  if (r === -EAGAIN && !out.nonblocking) r = linux(t, a); // it waits for the first byte's room
  if (typeof r === 'number' && r >= 0 && a.ptr(2) === 0) input.pos = Math.max(input.pos, end);
  return r;
};

const terminalEverywhere = before((t, a) => {
  if (!t.fds.get(a.i32(0))) return undefined;
  switch (a.u32(1)) {
    case TCGETS:
    case TIOCSPGRP:
      return 0;
    case TIOCGPGRP:
      return t.mm.putU32(a.ptr(2), 0);
    case TIOCGWINSZ:
      return t.mm.copyOut(a.ptr(2), new Uint8Array(8));
    case FIONBIO:
    case FIOCLEX:
      return undefined;
    default:
      return -EOPNOTSUPP;
  }
});

const exists = (t: Task, at: number): boolean => {
  const name = t.mm.cstring(at, 4096);
  return (
    typeof name !== 'number' && typeof t.kernel.vfs.lookup(t, AT_FDCWD, name, LOOKUP_FOLLOW) !== 'number'
  );
};

function unchecked(t: Task, a: Args, r: number): number {
  const name = r === -ENOENT || r === -ENOTDIR ? t.mm.cstring(a.ptr(0), 4096) : r;
  const at = typeof name === 'string' ? pathByName(t, name) : null;
  if (at === null) return r;
  t.fs.cwd = at;
  return 0;
}

const unlinkPanics = (removes: (a: Args) => boolean): Wrap =>
  after((t, a, r) =>
    r === -ENOENT && !removes(a)
      ? panic(
          t,
          'linux_syscall_api/src/syscall_fs/imp/link.rs',
          'called `Result::unwrap()` on an `Err` value: NotFound',
        )
      : r,
  );

/** struct stat: device 1, mode 0777, no times; its place of st_mode differs. */
const constantStat = (n: number): Wrap =>
  after((t, a, r) => {
    if (r !== 0) return r;
    const at = a.ptr(n);
    const modeAt = at + (t.regs.arch === 'x86_64' ? 24 : 16);
    const mode = t.mm.u32(modeAt);
    if (mode < 0) return r;
    t.mm.putU64(at, 1);
    t.mm.putU32(modeAt, mode | 0o777);
    t.mm.copyOut(at + 72, new Uint8Array(48));
    return r;
  });

/** The call succeeds and the buffer stays as it was. */
const unfilled =
  (n: number, size: number): Wrap =>
  (linux) =>
  (t, a) => {
    const before = t.mm.copyIn(a.ptr(n), size)?.slice();
    const r = linux(t, a);
    if (r === 0 && before) t.mm.copyOut(a.ptr(n), before);
    return r;
  };

const isPipe = (t: Task, a: Args): PipeFile | null => {
  const file = t.fds.opened(a.i32(0));
  return file instanceof PipeFile ? file : null;
};

const smallPipe = (n: number): Wrap =>
  after((t, a, r) => {
    const fd = r === 0 ? t.mm.u32(a.ptr(n)) : -1;
    const pipe = t.fds.opened(fd)?.pipe;
    if (pipe) pipe.maxUsage = PIPE_PAGES;
    return r;
  });

/** A pipe nobody reads takes nothing and says so with 0, as a full one that does not block. */
const writeTakesNothing: Wrap = (linux) => (t, a) => {
  const file = isPipe(t, a);
  if (file !== null && file.shared.readers === 0) return 0;
  const r = linux(t, a);
  return file !== null && (r === -EAGAIN || r === -EPIPE) ? 0 : r;
};

const emptyRange = before((_t, a) => (a.size(2) === 0 ? -EFAULT : undefined));

/** The name with a slash behind it, unless it is the root. */
const cwd: Wrap = after((t, a, r) => {
  if (r <= 0) return r;
  const at = a.ptr(0);
  if (r > 2 && r < a.size(1)) t.mm.copyOut(at + r - 1, Uint8Array.of(0x2f, 0));
  return at;
});

export const fileQuirks: readonly Quirk[] = [
  {
    name: 'open-no-truncate-append',
    group: 'files',
    symptom:
      'O_TRUNC and O_APPEND are ignored: what was in the file stays, and is written over from its start',
    linux: 'honoured',
    source: 'linux_syscall_api src/syscall_fs/mod.rs new_file',
    calls: {
      open: noTruncAppend(1),
      openat: noTruncAppend(2),
      creat: (linux) => (t, a) =>
        linux === creat
          ? withArg((u, b) => withArg(open, u, b, 2, a.u32(1)), t, a, 1, O_CREAT | O_WRONLY)
          : linux(t, a),
    },
  },
  {
    name: 'open-errors-enoent',
    group: 'files',
    symptom: 'every error of open is ENOENT',
    linux: 'EACCES, EISDIR, ENOTDIR, EEXIST…',
    source: `${IO} syscall_openat`,
    calls: each(['open', 'openat', 'creat'], openErrors),
  },
  {
    name: 'cloexec-per-file',
    group: 'files',
    symptom:
      'close-on-exec belongs to the open file: a dup2 of a pipe2(O_CLOEXEC) end is closed at execve (popen reads nothing)',
    linux: 'to the descriptor; dup clears it',
    source: `${IO} syscall_dup2; Starry modules/axprocess/src/fd_manager.rs`,
    calls: { dup: shared(0), dup2: shared(0), dup3: shared(0), fcntl: fcntlPerFile },
  },
  {
    name: 'dupfd-no-minimum',
    group: 'files',
    symptom: 'F_DUPFD takes the lowest number, whatever minimum it is given',
    linux: 'not below the minimum',
    source: `${CTL} syscall_fcntl64`,
    calls: {
      fcntl: argument(2, (_t, a) => ([F_DUPFD, F_DUPFD_CLOEXEC].includes(a.u32(1)) ? 0 : undefined)),
    },
  },
  {
    name: 'setfl-replaces',
    group: 'files',
    symptom:
      'F_SETFL replaces all flags, the access mode too (a file becomes read-only); with O_APPEND it is EINVAL',
    linux: 'it changes O_APPEND, O_NONBLOCK and the like only',
    source: `${CTL} syscall_fcntl64 (OpenFlags::from_bits)`,
    calls: { fcntl: flagsReplaced },
  },
  {
    name: 'terminal-everywhere',
    group: 'files',
    symptom:
      'TCGETS, TIOCGWINSZ, TIOCGPGRP and TIOCSPGRP succeed on any descriptor and set nothing or 0; other requests are EOPNOTSUPP',
    linux: 'ENOTTY; pipes, sockets and terminals have their own',
    source: `${CTL} syscall_ioctl; the log: "stdin TCGETS | TIOCSPPGRP, pretend to be tty."`,
    calls: { ioctl: terminalEverywhere },
  },
  {
    name: 'fionbio-sticks',
    group: 'files',
    symptom: 'FIONBIO with 0 does not make a file blocking again',
    linux: 'it does',
    source: `${CTL} syscall_ioctl`,
    calls: {
      ioctl: before((t, a) =>
        a.u32(1) === FIONBIO && t.fds.get(a.i32(0)) && t.mm.u32(a.ptr(2)) !== 1 ? 0 : undefined,
      ),
    },
  },
  {
    name: 'ioctl-all-succeed',
    group: 'files',
    symptom: 'every ioctl returns 0: everything is a terminal',
    linux: 'ENOTTY where there is no such request',
    source: 'linux_syscall_api before 4a96142',
    until: '2024-04-30',
    calls: { ioctl: answers(0) },
  },
  {
    name: 'rename-eexist',
    group: 'files',
    symptom: 'rename onto a file that is there is EEXIST',
    linux: 'the file is replaced',
    source: `${CTL} syscall_rename (RENAME_NOREPLACE)`,
    calls: { rename: before((t, a) => (exists(t, a.ptr(0)) && exists(t, a.ptr(1)) ? -EEXIST : undefined)) },
  },
  {
    name: 'unlink-missing-panic',
    group: 'files',
    symptom: 'unlink of a name that is not there panics',
    linux: 'ENOENT',
    source: `${LINK} syscall_unlinkat`,
    calls: {
      unlink: unlinkPanics(() => false),
      unlinkat: unlinkPanics((a) => (a.u32(2) & AT_REMOVEDIR) !== 0),
    },
  },
  {
    name: 'rmdir-einval',
    group: 'files',
    symptom: 'every error of rmdir is EINVAL',
    linux: 'ENOTEMPTY, ENOENT, ENOTDIR…',
    source: LINK,
    calls: {
      rmdir: after((_t, _a, r) => (r < 0 ? -EINVAL : r)),
      unlinkat: after((_t, a, r) => (r < 0 && a.u32(2) & AT_REMOVEDIR ? -EINVAL : r)),
    },
  },
  {
    name: 'stat-constant',
    group: 'files',
    symptom: 'stat says mode 0777, device 1 and no times',
    linux: "the file's",
    source: 'linux_syscall_api src/syscall_fs/ctype/file.rs, mount.rs',
    calls: {
      stat: constantStat(1),
      lstat: constantStat(1),
      fstat: constantStat(1),
      newfstatat: constantStat(2),
    },
  },
  {
    name: 'lstat-follows',
    group: 'files',
    symptom: 'lstat follows symbolic links',
    linux: 'it describes the link',
    source: STAT,
    calls: {
      lstat: () => stat,
      newfstatat: argument(3, (_t, a) => a.u32(3) & ~AT_SYMLINK_NOFOLLOW),
    },
  },
  {
    name: 'statx-unfilled',
    group: 'files',
    symptom: 'statx and statfs return 0 and fill in nothing',
    linux: 'filled in',
    source: `${STAT} (only "/" is written)`,
    calls: { statx: unfilled(4, 256), statfs: unfilled(1, 120) },
  },
  {
    name: 'access-eperm',
    group: 'files',
    symptom: 'access without the right returns −1, which reads as EPERM',
    linux: 'EACCES',
    source: `${CTL} syscall_faccessat`,
    calls: each(['access', 'faccessat'], errno(EACCES, EPERM)),
  },
  {
    name: 'getcwd-address',
    group: 'files',
    symptom: 'getcwd returns the address of its buffer; the name ends in a slash ("/tmp/")',
    linux: 'the length; no slash',
    source: `${CTL} syscall_getcwd; the log: "id = 79, args = [67352736, …], return 67352736"`,
    calls: { getcwd: cwd },
  },
  {
    name: 'chdir-unchecked',
    group: 'files',
    symptom:
      'chdir to what is not there returns 0, and is where the process is from then on: no name is found there',
    linux: 'ENOENT, ENOTDIR',
    source: `${CTL} syscall_chdir`,
    calls: { chdir: after(unchecked) },
  },
  {
    name: 'mkdir-eperm',
    group: 'files',
    symptom: 'mkdir in a directory that is not there is EPERM',
    linux: 'ENOENT',
    source: `${CTL} syscall_mkdirat`,
    calls: each(['mkdir', 'mkdirat'], errno(ENOENT, EPERM)),
  },
  {
    name: 'empty-transfer-efault',
    group: 'files',
    symptom: 'read and write of 0 bytes are EFAULT',
    linux: '0',
    source: `${IO} (the range ends before it begins)`,
    calls: each(['read', 'write'], emptyRange),
  },
  {
    name: 'bad-fd-eperm',
    group: 'files',
    symptom: 'close, dup2, dup3 and fstat of a descriptor that is not open are EPERM',
    linux: 'EBADF',
    source: IO,
    calls: each(['close', 'dup2', 'dup3', 'fstat'], errno(EBADF, EPERM)),
  },
  {
    name: 'lseek-einval',
    group: 'files',
    symptom: 'lseek of a pipe is EINVAL, of descriptors 0 to 2 EBADF',
    linux: 'ESPIPE; the number does not matter',
    source: `${IO} syscall_lseek`,
    calls: {
      lseek: both(
        errno(ESPIPE, EINVAL),
        before((_t, a) => (a.i32(0) < 3 ? -EBADF : undefined)),
      ),
    },
  },
  {
    name: 'sendfile-unseekable-panic',
    group: 'files',
    symptom: 'sendfile from what has no position (a pipe, a socket, a terminal) panics',
    linux: 'EINVAL',
    source: `${IO} syscall_sendfile64 (in_file.seek(…).unwrap())`,
    calls: { sendfile: sendfilePanics },
  },
  {
    name: 'sendfile-loses-rest',
    group: 'files',
    symptom:
      'sendfile is one read and one write: what the output (a pipe) had no room for is lost, for the position is behind it',
    linux: 'the position is behind what was written; a blocking output is waited for',
    source: `${IO} syscall_sendfile64`,
    calls: { sendfile: sendfileOnce },
  },
  {
    name: 'pipe-16k',
    group: 'files',
    symptom: 'a pipe holds 16 KiB',
    linux: '64 KiB',
    source: PIPE,
    calls: { pipe: smallPipe(0), pipe2: smallPipe(0) },
  },
  {
    name: 'pipe-write-zero',
    group: 'files',
    symptom: 'a write to a full non-blocking pipe, or to one nobody reads, returns 0',
    linux: 'EAGAIN; EPIPE and SIGPIPE',
    source: PIPE,
    calls: each(['write', 'writev'], writeTakesNothing),
  },
  {
    name: 'pipe-read-zero',
    group: 'files',
    symptom: 'a read of an empty non-blocking pipe returns 0, as at its end',
    linux: 'EAGAIN',
    source: 'linux_syscall_api before c1d3175',
    until: '2024-07-06',
    calls: each(
      ['read', 'readv'],
      after((t, a, r) => (r === -EAGAIN && isPipe(t, a) && (isPipe(t, a)!.flags & O_NONBLOCK) !== 0 ? 0 : r)),
    ),
  },
  {
    name: 'no-op-calls',
    group: 'files',
    symptom:
      'chmod, chown, fchown, fsync, sync, symlinkat, mknodat, alarm, time, rseq, setgid, syslog and shmctl return 0 and do nothing',
    linux: 'they have their effects',
    source: `${MOD}, src/syscall_task/mod.rs, src/syscall_mem/mod.rs`,
    calls: each(
      [
        'chmod',
        'chown',
        'fchown',
        'fsync',
        'sync',
        'symlinkat',
        'mknodat',
        'alarm',
        'time',
        'rseq',
        'setgid',
        'syslog',
        'shmctl',
      ],
      answers(0),
    ),
  },
  {
    name: 'unknown-call-panic',
    group: 'files',
    symptom:
      'a system call StarryOS has not panics: recvmsg, waitid, timerfd, signalfd, inotify, faccessat2, symlink, flock, fallocate…',
    linux: 'it works',
    source: 'linux_syscall_api src/syscall.rs',
    behaviour: { unknownPanics: true },
    every: (row) =>
      isKnown('x86_64', row.x86_64) && isKnown('aarch64', row.aarch64)
        ? undefined
        : (linux) => (t, a) => (isKnown(t.regs.arch, row[t.regs.arch]) ? linux(t, a) : unknownCall(t, t.nr)),
  },
];
