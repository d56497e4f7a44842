/** How file system arguments read in a trace: as strace 6.1 prints them. */
import {
  hexText,
  addrText,
  bytesText,
  enumText,
  flagsText,
  octalText,
  stringText,
  traceFormat,
} from '../trace/text.ts';
import { special, struct, valued, type Table } from '../trace/args.ts';
import { flagNames, namedWords } from '../trace/values.ts';
import { OPEN_ACCMODE, OPEN_FLAGS, WHENCE, signalName } from '../trace/tables.ts';
import type { UserMemory } from '../mm/user-memory.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { FILE_TYPES } from './abi-stat.ts';
import { O_ACCMODE, O_CREAT, O_TMPFILE } from './file.ts';
import { openFlagsIn } from './syscalls-open.ts';

/** Access mode first, then what is ORed to it. `flags` with x86_64's values. */
export function openFlagsText(flags: number): string {
  const mode = enumText(flags & O_ACCMODE, OPEN_ACCMODE);
  const rest = flags & ~O_ACCMODE;
  return rest === 0 ? mode : `${mode}|${flagsText(rest, OPEN_FLAGS)}`;
}

const openWord = namedWords<(typeof OPEN_FLAGS | typeof OPEN_ACCMODE)[number][1]>([
  ...flagNames(OPEN_FLAGS),
  ...OPEN_ACCMODE.map(([value, name]) => ({ name, mask: O_ACCMODE, value })),
]);

/** open's flags; as a value with x86_64's bits on every architecture. */
export const openFlags = <N extends string>(name: N) =>
  valued(
    name,
    (t, a, i) => openFlagsText(openFlagsIn(t.regs.arch, a.i32(i))),
    (t, a, i) => {
      const flags = openFlagsIn(t.regs.arch, a.i32(i));
      return openWord(flags, openFlagsText(flags));
    },
  );

/** The mode of open: shown only where something may be created. */
export const openMode = <N extends string>(name: N, flagsArg: number) => {
  const used = (t: Task, a: Args): boolean => {
    const flags = openFlagsIn(t.regs.arch, a.i32(flagsArg));
    return (flags & O_CREAT) !== 0 || (flags & O_TMPFILE) === O_TMPFILE;
  };
  return valued(
    name,
    (t, a, i) => (used(t, a) ? octalText(a.u32(i) & 0xffff) : ''),
    (t, a, i) => (used(t, a) ? a.u32(i) & 0xffff : null),
  );
};

const SPECIAL_BITS = [[0o4000, 'S_ISUID'], [0o2000, 'S_ISGID'], [0o1000, 'S_ISVTX']] as const satisfies Table; // prettier-ignore

/** S_IFREG|0644: a whole st_mode. */
export function modeText(mode: number): string {
  const type = mode & 0o170000;
  if (type === 0) return octalText(mode & 0o7777);
  const special = (mode & 0o7000) === 0 ? '' : `${flagsText(mode & 0o7000, SPECIAL_BITS)}|`;
  return `${enumText(type, FILE_TYPES)}|${special}${octalText(mode & 0o777)}`;
}
export const fileMode = <N extends string>(name: N) =>
  special(name, (_t, a, i) => modeText(a.u32(i) & 0xffff));

export function devText(dev: number): string {
  const major = (dev >>> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  return `makedev(${hexText(major)}, ${hexText(minor)})`;
}
/** mknod's device: shown only for device nodes. */
export const deviceOf = <N extends string>(name: N, modeArg: number) =>
  special(name, (_t, a, i) => {
    const type = a.u32(modeArg) & 0o170000;
    return type === 0o020000 || type === 0o060000 ? devText(a.u32(i)) : '';
  });

/** ustat's device. */
export const deviceNumber = <N extends string>(name: N) => special(name, (_t, a, i) => devText(a.u32(i)));

/** `2026-11-21T03:16:30.000000005+0000`; '' for the epoch itself. */
export function dateText(sec: bigint, nsec: number, digits = 9): string {
  if ((sec === 0n || sec === -1n) && nsec === 0) return '';
  const ms = Number(sec) * 1000;
  if (!(Math.abs(ms) <= 8.64e15)) return '';
  const day = new Date(ms).toISOString().slice(0, 19);
  const fraction = nsec === 0 ? '' : `.${String(nsec).padStart(digits, '0')}`;
  return `${day}${fraction}+0000`;
}
const commented = (text: string, date: string): string => (date === '' ? text : `${text} /* ${date} */`);

const STAT_FIELDS = {
  x86_64: { mode: 24, nlink: 16, uid: 28, gid: 32, rdev: 40 },
  aarch64: { mode: 16, nlink: 20, uid: 24, gid: 28, rdev: 32 },
} as const;

function statText(m: UserMemory, address: number, t: Task): string | null {
  const arch = t.regs.arch;
  const v = m.viewIn(address, arch === 'x86_64' ? 144 : 128);
  if (v === null) return null;
  const f = STAT_FIELDS[arch];
  const mode = v.getUint32(f.mode, true);
  const type = mode & 0o170000;
  const device = type === 0o020000 || type === 0o060000;
  const body = device
    ? `st_rdev=${devText(v.getUint32(f.rdev, true))}`
    : `st_size=${v.getBigInt64(48, true)}`;
  if (!traceFormat(t).verbose) return `{st_mode=${modeText(mode)}, ${body}, ...}`;
  const nlink = arch === 'x86_64' ? v.getBigUint64(f.nlink, true) : BigInt(v.getUint32(f.nlink, true));
  let out = `{st_dev=${devText(v.getUint32(0, true))}, st_ino=${v.getBigUint64(8, true)}, st_mode=${modeText(mode)}`;
  out += `, st_nlink=${nlink}, st_uid=${v.getUint32(f.uid, true)}, st_gid=${v.getUint32(f.gid, true)}`;
  out += `, st_blksize=${v.getUint32(56, true)}, st_blocks=${v.getBigInt64(64, true)}, ${body}`;
  for (const [name, at] of [
    ['atime', 72],
    ['mtime', 88],
    ['ctime', 104],
  ] as const) {
    const sec = v.getBigInt64(at, true);
    const nsec = Number(v.getBigInt64(at + 8, true));
    out += `, ${commented(`st_${name}=${sec}`, dateText(sec, nsec))}, st_${name}_nsec=${nsec}`;
  }
  return `${out}}`;
}
/** struct stat as a value: as `strace -v` writes it. */
export interface Stat {
  /** makedev(0xfd, 0x1) */
  readonly st_dev: string;
  readonly st_ino: number;
  /** S_IFREG|0644 */
  readonly st_mode: string;
  readonly st_nlink: number;
  readonly st_uid: number;
  readonly st_gid: number;
  readonly st_blksize: number;
  readonly st_blocks: number;
  readonly st_size: number;
  readonly st_atime: number;
  readonly st_atime_nsec: number;
  readonly st_mtime: number;
  readonly st_mtime_nsec: number;
  readonly st_ctime: number;
  readonly st_ctime_nsec: number;
}
export const statbuf = struct<'statbuf', Stat>('statbuf', statText, { out: true });

const STATX_MASK = [
  [0xfff, 'STATX_ALL'], [0x7ff, 'STATX_BASIC_STATS'], [1, 'STATX_TYPE'], [2, 'STATX_MODE'], [4, 'STATX_NLINK'],
  [8, 'STATX_UID'], [16, 'STATX_GID'], [32, 'STATX_ATIME'], [64, 'STATX_MTIME'], [128, 'STATX_CTIME'],
  [256, 'STATX_INO'], [512, 'STATX_SIZE'], [1024, 'STATX_BLOCKS'], [2048, 'STATX_BTIME'], [0x1000, 'STATX_MNT_ID'],
  [0x2000, 'STATX_DIOALIGN'],
] as const satisfies Table; // prettier-ignore
const STATX_ATTRS = [
  [0x4, 'STATX_ATTR_COMPRESSED'], [0x10, 'STATX_ATTR_IMMUTABLE'], [0x20, 'STATX_ATTR_APPEND'],
  [0x40, 'STATX_ATTR_NODUMP'], [0x800, 'STATX_ATTR_ENCRYPTED'], [0x1000, 'STATX_ATTR_AUTOMOUNT'],
  [0x2000, 'STATX_ATTR_MOUNT_ROOT'], [0x100000, 'STATX_ATTR_VERITY'], [0x200000, 'STATX_ATTR_DAX'],
] as const satisfies Table; // prettier-ignore

export const statxMask = special('mask', (_t, a, i) => flagsText(a.u32(i), STATX_MASK, 'STATX_???'));
const STATX_SYNC = [
  [0, 'AT_STATX_SYNC_AS_STAT'],
  [0x2000, 'AT_STATX_FORCE_SYNC'],
  [0x4000, 'AT_STATX_DONT_SYNC'],
] as const satisfies Table;
export const statxFlags = special('flags', (_t, a, i) => {
  const flags = a.u32(i);
  const sync = enumText(flags & 0x6000, STATX_SYNC);
  const rest = flags & ~0x6000;
  return rest === 0 ? sync : `${sync}|${flagsText(rest, AT_STAT_FLAGS)}`;
});

/** The AT_* of stat-like calls, in strace's order. */
export const AT_STAT_FLAGS = [
  [0x100, 'AT_SYMLINK_NOFOLLOW'], [0x200, 'AT_REMOVEDIR'], [0x400, 'AT_SYMLINK_FOLLOW'], [0x800, 'AT_NO_AUTOMOUNT'],
  [0x1000, 'AT_EMPTY_PATH'],
] as const satisfies Table; // prettier-ignore

export const statxbuf = struct(
  'statxbuf',
  (m, address, t) => {
    const v = m.viewIn(address, 256);
    if (v === null) return null;
    const mode = v.getUint16(28, true);
    let out = `{stx_mask=${flagsText(v.getUint32(0, true), STATX_MASK)}`;
    const verbose = traceFormat(t).verbose;
    if (verbose) out += `, stx_blksize=${v.getUint32(4, true)}`;
    out += `, stx_attributes=${flagsText(v.getUint32(8, true), STATX_ATTRS)}`;
    if (verbose) {
      out += `, stx_nlink=${v.getUint32(16, true)}, stx_uid=${v.getUint32(20, true)}, stx_gid=${v.getUint32(24, true)}`;
    }
    out += `, stx_mode=${modeText(mode)}`;
    if (verbose) out += `, stx_ino=${v.getBigUint64(32, true)}`;
    out += `, stx_size=${v.getBigUint64(40, true)}`;
    if (!verbose) return `${out}, ...}`;
    out += `, stx_blocks=${v.getBigUint64(48, true)}`;
    out += `, stx_attributes_mask=${flagsText(v.getUint32(56, true), STATX_ATTRS)}`;
    for (const [name, at] of [
      ['atime', 64],
      ['btime', 80],
      ['ctime', 96],
      ['mtime', 112],
    ] as const) {
      const sec = v.getBigInt64(at, true);
      const nsec = v.getUint32(at + 8, true);
      out += `, stx_${name}={tv_sec=${sec}, tv_nsec=${nsec}}`;
      const date = dateText(sec, nsec);
      if (date !== '') out += ` /* ${date} */`;
    }
    out += `, stx_rdev_major=${v.getUint32(128, true)}, stx_rdev_minor=${v.getUint32(132, true)}`;
    out += `, stx_dev_major=${v.getUint32(136, true)}, stx_dev_minor=${v.getUint32(140, true)}`;
    return `${out}, stx_mnt_id=${hexText(v.getBigUint64(144, true))}}`;
  },
  { out: true },
);

const FS_MAGICS = [
  [0x01021994, 'TMPFS_MAGIC'], [0x9fa0, 'PROC_SUPER_MAGIC'], [0x62656572, 'SYSFS_MAGIC'], [0xef53, 'EXT2_SUPER_MAGIC'],
  [0x794c7630, 'OVERLAYFS_SUPER_MAGIC'], [0x1cd1, 'DEVPTS_SUPER_MAGIC'], [0x63677270, 'CGROUP2_SUPER_MAGIC'],
  [0x27e0eb, 'CGROUP_SUPER_MAGIC'], [0x858458f6, 'RAMFS_MAGIC'], [0x50495045, 'PIPEFS_MAGIC'],
  [0x534f434b, 'SOCKFS_MAGIC'], [0x09041934, 'ANON_INODE_FS_MAGIC'], [0x6969, 'NFS_SUPER_MAGIC'],
  [0x9123683e, 'BTRFS_SUPER_MAGIC'], [0x58465342, 'XFS_SUPER_MAGIC'], [0x01021997, 'V9FS_MAGIC'],
] as const satisfies Table; // prettier-ignore
const ST_FLAGS = [
  [0x20, 'ST_VALID'], [1, 'ST_RDONLY'], [2, 'ST_NOSUID'], [4, 'ST_NODEV'], [8, 'ST_NOEXEC'], [16, 'ST_SYNCHRONOUS'],
  [64, 'ST_MANDLOCK'], [1024, 'ST_NOATIME'], [2048, 'ST_NODIRATIME'], [4096, 'ST_RELATIME'],
] as const satisfies Table; // prettier-ignore

export const ustatbuf = struct(
  'ubuf',
  (m, address) => {
    const v = m.viewIn(address, 32);
    if (v === null) return null;
    return `{f_tfree=${v.getInt32(0, true)}, f_tinode=${v.getBigUint64(8, true)}, f_fname="", f_fpack=""}`;
  },
  { out: true },
);

export const statfsbuf = struct(
  'buf',
  (m, address) => {
    const v = m.viewIn(address, 120);
    if (v === null) return null;
    const u = (at: number): string => v.getBigUint64(at, true).toString();
    const fsid = `[${hexText(v.getUint32(56, true))}, ${hexText(v.getUint32(60, true))}]`;
    return (
      `{f_type=${enumText(v.getUint32(0, true), FS_MAGICS)}, f_bsize=${u(8)}, f_blocks=${u(16)}, f_bfree=${u(24)}` +
      `, f_bavail=${u(32)}, f_files=${u(40)}, f_ffree=${u(48)}, f_fsid={val=${fsid}}, f_namelen=${u(64)}` +
      `, f_frsize=${u(72)}, f_flags=${flagsText(v.getUint32(80, true), ST_FLAGS)}}`
    );
  },
  { out: true },
);

/** getdents: `0x7ffc… /* 8 entries *\/`, or the entries with -v. */
export const dirents = (old: boolean) =>
  special(
    'dirp',
    (t, a, i, ret) => {
      const address = a.ptr(i);
      if (ret === null || ret < 0) return addrText(address);
      const bytes = ret === 0 ? new Uint8Array(0) : t.mm.copyIn(address, ret);
      if (bytes === null) return addrText(address);
      const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const shown: string[] = [];
      for (let at = 0; at + 19 <= bytes.length;) {
        const length = v.getUint16(at + 16, true);
        const nameAt = at + (old ? 18 : 19);
        let end = nameAt;
        while (end < at + length && bytes[end] !== 0) end++;
        const type = enumText(old ? bytes[at + length - 1] : bytes[at + 18], D_TYPES);
        const head = `{d_ino=${v.getBigUint64(at, true)}, d_off=${v.getBigInt64(at + 8, true)}, d_reclen=${length}`;
        const name = stringText(t, address + nameAt);
        shown.push(
          old ? `${head}, d_name=${name}, d_type=${type}}` : `${head}, d_type=${type}, d_name=${name}}`,
        );
        at += Math.max(length, 19);
      }
      if (!traceFormat(t).verbose) return `${addrText(address)} /* ${shown.length} entries */`;
      return `[${shown.join(', ')}]`;
    },
    { out: true },
  );
const D_TYPES = [
  [0, 'DT_UNKNOWN'], [1, 'DT_FIFO'], [2, 'DT_CHR'], [4, 'DT_DIR'], [6, 'DT_BLK'], [8, 'DT_REG'], [10, 'DT_LNK'],
  [12, 'DT_SOCK'], [14, 'DT_WHT'],
] as const satisfies Table; // prettier-ignore

/** A path the kernel writes, NUL included (getcwd). */
export const outPath = <N extends string>(name: N) =>
  special(name, (t, a, i, ret) => (ret === null || ret < 0 ? addrText(a.ptr(i)) : stringText(t, a.ptr(i))), {
    out: true,
  });

/** An id where −1 means "leave alone". */
export const ownerId = <N extends string>(name: N) =>
  special(name, (_t, a, i) => (a.i32(i) === -1 ? '-1' : String(a.u32(i))));

// fcntl

export const FCNTL_COMMANDS = [
  [0, 'F_DUPFD'], [1, 'F_GETFD'], [2, 'F_SETFD'], [3, 'F_GETFL'], [4, 'F_SETFL'], [5, 'F_GETLK'], [6, 'F_SETLK'],
  [7, 'F_SETLKW'], [8, 'F_SETOWN'], [9, 'F_GETOWN'], [10, 'F_SETSIG'], [11, 'F_GETSIG'], [15, 'F_SETOWN_EX'],
  [16, 'F_GETOWN_EX'], [17, 'F_GETOWNER_UIDS'], [36, 'F_OFD_GETLK'], [37, 'F_OFD_SETLK'], [38, 'F_OFD_SETLKW'],
  [1024, 'F_SETLEASE'], [1025, 'F_GETLEASE'], [1026, 'F_NOTIFY'], [1029, 'F_CANCELLK'], [1030, 'F_DUPFD_CLOEXEC'],
  [1031, 'F_SETPIPE_SZ'], [1032, 'F_GETPIPE_SZ'], [1033, 'F_ADD_SEALS'], [1034, 'F_GET_SEALS'],
  [1035, 'F_GET_RW_HINT'], [1036, 'F_SET_RW_HINT'], [1037, 'F_GET_FILE_RW_HINT'], [1038, 'F_SET_FILE_RW_HINT'],
] as const satisfies Table; // prettier-ignore
const LOCK_TYPES = [[0, 'F_RDLCK'], [1, 'F_WRLCK'], [2, 'F_UNLCK']] as const satisfies Table; // prettier-ignore
const OWNER_TYPES = [[0, 'F_OWNER_TID'], [1, 'F_OWNER_PID'], [2, 'F_OWNER_PGRP']] as const satisfies Table; // prettier-ignore
const SEALS = [
  [1, 'F_SEAL_SEAL'], [2, 'F_SEAL_SHRINK'], [4, 'F_SEAL_GROW'], [8, 'F_SEAL_WRITE'], [16, 'F_SEAL_FUTURE_WRITE'],
] as const satisfies Table; // prettier-ignore
const NOTIFY = [
  [1, 'DN_ACCESS'], [2, 'DN_MODIFY'], [4, 'DN_CREATE'], [8, 'DN_DELETE'], [16, 'DN_RENAME'], [32, 'DN_ATTRIB'],
  [0x80000000, 'DN_MULTISHOT'],
] as const satisfies Table; // prettier-ignore

function flockText(m: UserMemory, address: number, withPid: boolean): string | null {
  const v = m.viewIn(address, 32);
  if (v === null) return null;
  const pid = withPid ? `, l_pid=${v.getInt32(24, true)}` : '';
  return (
    `{l_type=${enumText(v.getInt16(0, true), LOCK_TYPES, 'F_???')}, l_whence=${enumText(v.getInt16(2, true), WHENCE, 'SEEK_???')}` +
    `, l_start=${v.getBigInt64(8, true)}, l_len=${v.getBigInt64(16, true)}${pid}}`
  );
}
const ownerText = (m: UserMemory, address: number): string | null => {
  const v = m.viewIn(address, 8);
  return v && `{type=${enumText(v.getInt32(0, true), OWNER_TYPES)}, pid=${v.getInt32(4, true)}}`;
};

const NO_ARGUMENT = new Set([1, 3, 9, 11, 1025, 1032, 1034]);

/** F_GETLK and F_GETOWN_EX show what the kernel wrote, so the argument is printed after the call. */
export const fcntlArg = special(
  'arg',
  (t, a, i, ret) => {
    const cmd = a.u32(1);
    if (NO_ARGUMENT.has(cmd)) return '';
    const address = a.ptr(i);
    const behind = (text: string | null): string => (address === 0 ? 'NULL' : (text ?? addrText(address)));
    switch (cmd) {
      case 0:
      case 1030:
      case 1031:
        return a.big(i).toString();
      case 8:
        return String(a.i32(i));
      case 2:
        return flagsText(a.u32(i), [[1, 'FD_CLOEXEC']]);
      case 4:
        return openFlagsText(openFlagsIn(t.regs.arch, a.i32(i)));
      case 5:
      case 36:
        return ret === null || ret < 0 ? addrText(address) : behind(flockText(t.mm, address, true));
      case 6:
      case 7:
      case 37:
      case 38:
        return behind(flockText(t.mm, address, false));
      case 10:
        return signalName(a.i32(i));
      case 15:
        return behind(ownerText(t.mm, address));
      case 16:
        return ret === null || ret < 0 ? addrText(address) : behind(ownerText(t.mm, address));
      case 1024:
        return enumText(a.i32(i), LOCK_TYPES, 'F_???');
      case 1026:
        return flagsText(a.u32(i), NOTIFY, 'DN_???');
      case 1033:
        return flagsText(a.u32(i), SEALS, 'F_SEAL_???');
      default:
        return hexText(address);
    }
  },
  { out: true },
);

/** What strace adds after fcntl's result. */
export function fcntlNote(t: Task, cmd: number, ret: number): string | null {
  if (ret < 0) return null;
  if (cmd === 1) return ret === 0 ? null : `flags ${flagsText(ret, [[1, 'FD_CLOEXEC']])}`;
  if (cmd === 3) return `flags ${openFlagsText(openFlagsIn(t.regs.arch, ret))}`;
  if (cmd === 11) return ret === 0 ? null : signalName(ret);
  if (cmd === 1025) return enumText(ret, LOCK_TYPES);
  if (cmd === 1034) return ret === 0 ? null : `seals ${flagsText(ret, SEALS)}`;
  return null;
}

// Times.

/** struct timespec[2] of utimensat. */
export const utimeSpecs = struct('times', (m, address) => {
  const v = m.viewIn(address, 32);
  if (v === null) return null;
  const one = (at: number): string => {
    const sec = v.getBigInt64(at, true);
    const nsec = v.getBigInt64(at + 8, true);
    if (nsec === 0x3fffffffn) return 'UTIME_NOW';
    if (nsec === 0x3ffffffen) return 'UTIME_OMIT';
    return commented(`{tv_sec=${sec}, tv_nsec=${nsec}}`, dateText(sec, Number(nsec)));
  };
  return `[${one(0)}, ${one(16)}]`;
});
/** struct timeval[2] of utimes. */
export const utimeVals = struct('times', (m, address) => {
  const v = m.viewIn(address, 32);
  if (v === null) return null;
  const one = (at: number): string => {
    const sec = v.getBigInt64(at, true);
    const usec = v.getBigInt64(at + 8, true);
    return commented(`{tv_sec=${sec}, tv_usec=${usec}}`, dateText(sec, Number(usec), 6));
  };
  return `[${one(0)}, ${one(16)}]`;
});
/** struct utimbuf. */
export const utimbuf = struct('times', (m, address) => {
  const v = m.viewIn(address, 16);
  if (v === null) return null;
  const [actime, modtime] = [v.getBigInt64(0, true), v.getBigInt64(8, true)];
  const a = commented(`actime=${actime}`, dateText(actime, 0));
  return `{${a}, ${commented(`modtime=${modtime}`, dateText(modtime, 0))}}`;
});

/** sendfile's loff_t *: `[0] => [3]` once it moved by the result. */
export const sendOffset = special(
  'offset',
  (t, a, i, ret) => {
    const address = a.ptr(i);
    const n = address === 0 ? null : t.mm.u64(address);
    if (n === null) return addrText(address);
    const now = BigInt.asIntN(64, n);
    return ret !== null && ret > 0 ? `[${now - BigInt(ret)}] => [${now}]` : `[${now}]`;
  },
  { out: true }, // printed once the result is known
);

/** loff_t * the call reads. */
export const offset = <N extends string>(name: N) =>
  struct(name, (m, address) => {
    const n = m.u64(address);
    return n === null ? null : `[${BigInt.asIntN(64, n)}]`;
  });

/** struct open_how. */
export const openHow = special('how', (t, a, i) => {
  const address = a.ptr(i);
  if (address === 0) return 'NULL';
  const size = a.size(i + 1);
  const v = size < 24 ? null : t.mm.viewIn(address, 24);
  if (v === null) return addrText(address);
  const flags = openFlagsIn(t.regs.arch, v.getUint32(0, true));
  let out = `{flags=${openFlagsText(flags)}`;
  const mode = v.getUint32(8, true);
  if (mode !== 0 || flags & O_CREAT || (flags & O_TMPFILE) === O_TMPFILE) out += `, mode=${octalText(mode)}`;
  return `${out}, resolve=${flagsText(v.getUint32(16, true), RESOLVE_FLAGS, 'RESOLVE_???')}}`;
});
const RESOLVE_FLAGS = [
  [1, 'RESOLVE_NO_XDEV'], [2, 'RESOLVE_NO_MAGICLINKS'], [4, 'RESOLVE_NO_SYMLINKS'], [8, 'RESOLVE_BENEATH'],
  [16, 'RESOLVE_IN_ROOT'], [32, 'RESOLVE_CACHED'],
] as const satisfies Table; // prettier-ignore

/** A value of an extended attribute the kernel writes. */
export const outValue = <N extends string>(name: N) =>
  special(
    name,
    (t, a, i, ret) =>
      ret === null || ret < 0 || a.size(i + 1) === 0 ? addrText(a.ptr(i)) : bytesText(t, a.ptr(i), ret),
    { out: true },
  );

/** The arguments of sysfs after its first, which says what they are. */
export const sysfsArg = <N extends 1 | 2>(n: N) =>
  special(
    `arg${n}`,
    (t, a, i, ret) => {
      switch (a.i32(0)) {
        case 1:
          return n === 1 ? stringText(t, a.ptr(i)) : '';
        case 2:
          if (n === 1) return String(a.u32(i));
          return ret === null || ret < 0 ? addrText(a.ptr(i)) : stringText(t, a.ptr(i));
        case 3:
          return '';
        default:
          return hexText(a.ptr(i));
      }
    },
    { out: n === 2 },
  );

/** mount's data: a string for everything but bind mounts, where it is not looked at. */
export const mountData = special('data', (t, a, i) =>
  a.u32(3) & (4096 | 8192) ? addrText(a.ptr(i)) : stringText(t, a.ptr(i)),
);
