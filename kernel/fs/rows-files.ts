/** Rows of the calls on names, descriptors and attributes. */
import { defineSyscalls, FULL, partial, refused } from '../syscall/define.ts';
import {
  dirfd, enumOf, fd, flags, hex, inBytes, int, octal, outBytes, path, ptr, size, special, str, uint, ulong, type Table,
} from '../trace/args.ts'; // prettier-ignore
import { ACCESS_MODES, OPEN_FLAGS } from '../trace/tables.ts';
import { flagsText } from '../trace/text.ts';
import { EOPNOTSUPP } from '../abi/errno.ts';
import * as attr from './syscalls-attr.ts';
import { fcntl, flock } from './syscalls-fcntl.ts';
import * as m from './syscalls-mount.ts';
import * as n from './syscalls-names.ts';
import * as o from './syscalls-open.ts';
import * as s from './syscalls-stat.ts';
import { sysfs, ustat } from './syscalls-superblocks.ts';
import {
  AT_STAT_FLAGS, FCNTL_COMMANDS, deviceNumber, deviceOf, dirents, fcntlArg, fcntlNote, fileMode, mountData, openFlags, openHow,
  openMode, outPath, outValue, ownerId, statbuf, statfsbuf, statxFlags, statxMask, statxbuf, utimbuf, utimeSpecs,
  sysfsArg, ustatbuf, utimeVals,
} from './trace.ts'; // prettier-ignore

const atFlags = flags('flags', AT_STAT_FLAGS, 'AT_???');
const UNLINK_FLAGS = [[0x200, 'AT_REMOVEDIR']] as const satisfies Table;
const ACCESS_FLAGS = [
  [0x100, 'AT_SYMLINK_NOFOLLOW'], [0x200, 'AT_EACCESS'], [0x1000, 'AT_EMPTY_PATH'],
] as const satisfies Table; // prettier-ignore
const RENAME_FLAGS = [[1, 'RENAME_NOREPLACE'], [2, 'RENAME_EXCHANGE'], [4, 'RENAME_WHITEOUT']] as const satisfies Table; // prettier-ignore
const CLOSE_RANGE = [[2, 'CLOSE_RANGE_UNSHARE'], [4, 'CLOSE_RANGE_CLOEXEC']] as const satisfies Table; // prettier-ignore
const FLOCK = [
  [1, 'LOCK_SH'], [2, 'LOCK_EX'], [4, 'LOCK_NB'], [8, 'LOCK_UN'], [32, 'LOCK_MAND'], [64, 'LOCK_READ'],
  [128, 'LOCK_WRITE'],
] as const satisfies Table; // prettier-ignore
const XATTR = [[1, 'XATTR_CREATE'], [2, 'XATTR_REPLACE']] as const satisfies Table; // prettier-ignore
const MOUNT = [
  [1, 'MS_RDONLY'], [2, 'MS_NOSUID'], [4, 'MS_NODEV'], [8, 'MS_NOEXEC'], [16, 'MS_SYNCHRONOUS'], [32, 'MS_REMOUNT'],
  [64, 'MS_MANDLOCK'], [128, 'MS_DIRSYNC'], [256, 'MS_NOSYMFOLLOW'], [1024, 'MS_NOATIME'], [2048, 'MS_NODIRATIME'],
  [4096, 'MS_BIND'], [8192, 'MS_MOVE'], [16384, 'MS_REC'], [32768, 'MS_SILENT'], [1 << 16, 'MS_POSIXACL'],
  [1 << 17, 'MS_UNBINDABLE'], [1 << 18, 'MS_PRIVATE'], [1 << 19, 'MS_SLAVE'], [1 << 20, 'MS_SHARED'],
  [1 << 21, 'MS_RELATIME'], [1 << 22, 'MS_KERNMOUNT'], [1 << 23, 'MS_I_VERSION'], [1 << 24, 'MS_STRICTATIME'],
  [1 << 25, 'MS_LAZYTIME'],
] as const satisfies Table; // prettier-ignore
const UMOUNT = [[1, 'MNT_FORCE'], [2, 'MNT_DETACH'], [4, 'MNT_EXPIRE'], [8, 'UMOUNT_NOFOLLOW']] as const satisfies Table; // prettier-ignore

const dupFlags = special('flags', (t, a, i) =>
  flagsText(o.openFlagsIn(t.regs.arch, a.i32(i)), OPEN_FLAGS, 'O_???'),
);
const owner = [ownerId('owner'), ownerId('group')] as const;
const setValue = [inBytes('value', 3), size('size'), flags('flags', XATTR, 'XATTR_???')] as const;
const getValue = [outValue('value'), size('size')] as const;
const listOut = [outBytes('list'), size('size')] as const;

// prettier-ignore
export const fileRows = defineSyscalls({
  open: { x86_64: 2, aarch64: null, run: o.open, ret: 'fd', support: FULL, blocks: true,
    args: [path('pathname'), openFlags('flags'), openMode('mode', 1)] },
  openat: { x86_64: 257, aarch64: 56, run: o.openat, ret: 'fd', support: FULL, blocks: true,
    args: [dirfd('dirfd'), path('pathname'), openFlags('flags'), openMode('mode', 2)] },
  openat2: { x86_64: 437, aarch64: 437, run: o.openat2, ret: 'fd', support: FULL, blocks: true,
    args: [dirfd('dirfd'), path('pathname'), openHow, size('size')] },
  creat: { x86_64: 85, aarch64: null, run: o.creat, ret: 'fd', support: FULL, blocks: true,
    args: [path('pathname'), octal('mode')] },
  close: { x86_64: 3, aarch64: 57, run: o.close, ret: 'int', support: FULL, args: [fd('fd')] },
  close_range: { x86_64: 436, aarch64: 436, run: o.closeRange, ret: 'int', support: FULL,
    args: [uint('first'), uint('last'), flags('flags', CLOSE_RANGE, 'CLOSE_RANGE_???')] },
  dup: { x86_64: 32, aarch64: 23, run: o.dup, ret: 'fd', support: FULL, args: [fd('oldfd')] },
  dup2: { x86_64: 33, aarch64: null, run: o.dup2, ret: 'fd', support: FULL, args: [fd('oldfd'), fd('newfd')] },
  dup3: { x86_64: 292, aarch64: 24, run: o.dup3, ret: 'fd', support: FULL,
    args: [fd('oldfd'), fd('newfd'), dupFlags] },
  fcntl: { x86_64: 72, aarch64: 25, run: fcntl, blocks: true, support: FULL,
    ret: (a) => ([0, 1030].includes(a.u32(1)) ? 'fd' : [1, 3, 1025, 1034].includes(a.u32(1)) ? 'hex' : 'int'),
    aux: (t, a, ret) => fcntlNote(t, a.u32(1), ret),
    args: [fd('fd'), enumOf('cmd', FCNTL_COMMANDS, 'F_???'), fcntlArg] },
  flock: { x86_64: 73, aarch64: 32, run: flock, ret: 'int', support: FULL, blocks: true,
    args: [fd('fd'), flags('operation', FLOCK, 'LOCK_???')] },

  stat: { x86_64: 4, aarch64: null, run: s.stat, ret: 'int', support: FULL, args: [path('pathname'), statbuf] },
  lstat: { x86_64: 6, aarch64: null, run: s.lstat, ret: 'int', support: FULL, args: [path('pathname'), statbuf] },
  fstat: { x86_64: 5, aarch64: 80, run: s.fstat, ret: 'int', support: FULL, args: [fd('fd'), statbuf] },
  newfstatat: { x86_64: 262, aarch64: 79, run: s.newfstatat, ret: 'int', support: FULL,
    args: [dirfd('dirfd'), path('pathname'), statbuf, atFlags] },
  statx: { x86_64: 332, aarch64: 291, run: s.statx, ret: 'int', support: FULL,
    args: [dirfd('dirfd'), path('pathname'), statxFlags, statxMask, statxbuf] },
  statfs: { x86_64: 137, aarch64: 43, run: s.statfs, ret: 'int', support: FULL, args: [path('path'), statfsbuf] },
  fstatfs: { x86_64: 138, aarch64: 44, run: s.fstatfs, ret: 'int', support: FULL, args: [fd('fd'), statfsbuf] },
  ustat: { x86_64: 136, aarch64: null, run: ustat, ret: 'int', support: FULL, args: [deviceNumber('dev'), ustatbuf] },
  sysfs: { x86_64: 139, aarch64: null, run: sysfs, ret: 'int', support: FULL,
    args: [int('option'), sysfsArg(1), sysfsArg(2)] },
  access: { x86_64: 21, aarch64: null, run: s.access, ret: 'int', support: FULL,
    args: [path('pathname'), flags('mode', ACCESS_MODES, '?_OK')] },
  faccessat: { x86_64: 269, aarch64: 48, run: s.faccessat, ret: 'int', support: FULL,
    args: [dirfd('dirfd'), path('pathname'), flags('mode', ACCESS_MODES, '?_OK')] },
  faccessat2: { x86_64: 439, aarch64: 439, run: s.faccessat2, ret: 'int', support: FULL,
    args: [dirfd('dirfd'), path('pathname'), flags('mode', ACCESS_MODES, '?_OK'), flags('flags', ACCESS_FLAGS, 'AT_???')] },
  readlink: { x86_64: 89, aarch64: null, run: s.readlink, ret: 'size', support: FULL,
    args: [path('pathname'), outBytes('buf'), size('bufsiz')] },
  readlinkat: { x86_64: 267, aarch64: 78, run: s.readlinkat, ret: 'size', support: FULL,
    args: [dirfd('dirfd'), path('pathname'), outBytes('buf'), size('bufsiz')] },
  getdents: { x86_64: 78, aarch64: null, run: s.getdents, ret: 'int', support: FULL,
    args: [fd('fd'), dirents(true), uint('count')] },
  getdents64: { x86_64: 217, aarch64: 61, run: s.getdents64, ret: 'int', support: FULL,
    args: [fd('fd'), dirents(false), uint('count')] },
  getcwd: { x86_64: 79, aarch64: 17, run: s.getcwd, ret: 'int', support: FULL, args: [outPath('buf'), size('size')] },

  chdir: { x86_64: 80, aarch64: 49, run: n.chdir, ret: 'int', support: FULL, args: [path('path')] },
  fchdir: { x86_64: 81, aarch64: 50, run: n.fchdir, ret: 'int', support: FULL, args: [fd('fd')] },
  chroot: { x86_64: 161, aarch64: 51, run: n.chroot, ret: 'int', support: FULL, args: [path('path')] },
  umask: { x86_64: 95, aarch64: 166, run: n.umask, ret: 'octal', support: FULL, args: [octal('mask')] },
  mkdir: { x86_64: 83, aarch64: null, run: n.mkdir, ret: 'int', support: FULL,
    args: [path('pathname'), octal('mode')] },
  mkdirat: { x86_64: 258, aarch64: 34, run: n.mkdirat, ret: 'int', support: FULL,
    args: [dirfd('dirfd'), path('pathname'), octal('mode')] },
  mknod: { x86_64: 133, aarch64: null, run: n.mknod, ret: 'int', support: FULL,
    args: [path('pathname'), fileMode('mode'), deviceOf('dev', 1)] },
  mknodat: { x86_64: 259, aarch64: 33, run: n.mknodat, ret: 'int', support: FULL,
    args: [dirfd('dirfd'), path('pathname'), fileMode('mode'), deviceOf('dev', 2)] },
  rmdir: { x86_64: 84, aarch64: null, run: n.rmdir, ret: 'int', support: FULL, args: [path('pathname')] },
  unlink: { x86_64: 87, aarch64: null, run: n.unlink, ret: 'int', support: FULL, args: [path('pathname')] },
  unlinkat: { x86_64: 263, aarch64: 35, run: n.unlinkat, ret: 'int', support: FULL,
    args: [dirfd('dirfd'), path('pathname'), flags('flags', UNLINK_FLAGS, 'AT_???')] },
  symlink: { x86_64: 88, aarch64: null, run: n.symlink, ret: 'int', support: FULL,
    args: [path('target'), path('linkpath')] },
  symlinkat: { x86_64: 266, aarch64: 36, run: n.symlinkat, ret: 'int', support: FULL,
    args: [path('target'), dirfd('newdirfd'), path('linkpath')] },
  link: { x86_64: 86, aarch64: null, run: n.link, ret: 'int', support: FULL, args: [path('oldpath'), path('newpath')] },
  linkat: { x86_64: 265, aarch64: 37, run: n.linkat, ret: 'int', support: FULL,
    args: [dirfd('olddirfd'), path('oldpath'), dirfd('newdirfd'), path('newpath'), atFlags] },
  rename: { x86_64: 82, aarch64: null, run: n.rename, ret: 'int', support: FULL,
    args: [path('oldpath'), path('newpath')] },
  renameat: { x86_64: 264, aarch64: 38, run: n.renameat, ret: 'int', support: FULL,
    args: [dirfd('olddirfd'), path('oldpath'), dirfd('newdirfd'), path('newpath')] },
  renameat2: { x86_64: 316, aarch64: 276, run: n.renameat2, ret: 'int', support: FULL,
    args: [dirfd('olddirfd'), path('oldpath'), dirfd('newdirfd'), path('newpath'), flags('flags', RENAME_FLAGS, 'RENAME_???')] },

  chmod: { x86_64: 90, aarch64: null, run: attr.chmod, ret: 'int', support: FULL, args: [path('pathname'), octal('mode')] },
  fchmod: { x86_64: 91, aarch64: 52, run: attr.fchmod, ret: 'int', support: FULL, args: [fd('fd'), octal('mode')] },
  fchmodat: { x86_64: 268, aarch64: 53, run: attr.fchmodat, ret: 'int', support: FULL,
    args: [dirfd('dirfd'), path('pathname'), octal('mode')] },
  chown: { x86_64: 92, aarch64: null, run: attr.chown, ret: 'int', support: FULL, args: [path('pathname'), ...owner] },
  lchown: { x86_64: 94, aarch64: null, run: attr.lchown, ret: 'int', support: FULL, args: [path('pathname'), ...owner] },
  fchown: { x86_64: 93, aarch64: 55, run: attr.fchown, ret: 'int', support: FULL, args: [fd('fd'), ...owner] },
  fchownat: { x86_64: 260, aarch64: 54, run: attr.fchownat, ret: 'int', support: FULL,
    args: [dirfd('dirfd'), path('pathname'), ...owner, atFlags] },
  utime: { x86_64: 132, aarch64: null, run: attr.utime, ret: 'int', support: FULL, args: [path('filename'), utimbuf] },
  utimes: { x86_64: 235, aarch64: null, run: attr.utimes, ret: 'int', support: FULL, args: [path('filename'), utimeVals] },
  futimesat: { x86_64: 261, aarch64: null, run: attr.futimesat, ret: 'int', support: FULL,
    args: [dirfd('dirfd'), path('pathname'), utimeVals] },
  utimensat: { x86_64: 280, aarch64: 88, run: attr.utimensat, ret: 'int', support: FULL,
    args: [dirfd('dirfd'), path('pathname'), utimeSpecs, atFlags] },
  truncate: { x86_64: 76, aarch64: 45, run: attr.truncate, ret: 'int', support: FULL, args: [path('path'), ulong('length')] },
  ftruncate: { x86_64: 77, aarch64: 46, run: attr.ftruncate, ret: 'int', support: FULL, args: [fd('fd'), ulong('length')] },

  setxattr: { x86_64: 188, aarch64: 5, run: attr.setxattr, ret: 'int', support: FULL,
    args: [path('path'), str('name'), ...setValue] },
  lsetxattr: { x86_64: 189, aarch64: 6, run: attr.lsetxattr, ret: 'int', support: FULL,
    args: [path('path'), str('name'), ...setValue] },
  fsetxattr: { x86_64: 190, aarch64: 7, run: attr.fsetxattr, ret: 'int', support: FULL,
    args: [fd('fd'), str('name'), ...setValue] },
  getxattr: { x86_64: 191, aarch64: 8, run: attr.getxattr, ret: 'size', support: FULL,
    args: [path('path'), str('name'), ...getValue] },
  lgetxattr: { x86_64: 192, aarch64: 9, run: attr.lgetxattr, ret: 'size', support: FULL,
    args: [path('path'), str('name'), ...getValue] },
  fgetxattr: { x86_64: 193, aarch64: 10, run: attr.fgetxattr, ret: 'size', support: FULL,
    args: [fd('fd'), str('name'), ...getValue] },
  listxattr: { x86_64: 194, aarch64: 11, run: attr.listxattr, ret: 'size', support: FULL, args: [path('path'), ...listOut] },
  llistxattr: { x86_64: 195, aarch64: 12, run: attr.llistxattr, ret: 'size', support: FULL, args: [path('path'), ...listOut] },
  flistxattr: { x86_64: 196, aarch64: 13, run: attr.flistxattr, ret: 'size', support: FULL, args: [fd('fd'), ...listOut] },
  removexattr: { x86_64: 197, aarch64: 14, run: attr.removexattr, ret: 'int', support: FULL,
    args: [path('path'), str('name')] },
  lremovexattr: { x86_64: 198, aarch64: 15, run: attr.lremovexattr, ret: 'int', support: FULL,
    args: [path('path'), str('name')] },
  fremovexattr: { x86_64: 199, aarch64: 16, run: attr.fremovexattr, ret: 'int', support: FULL,
    args: [fd('fd'), str('name')] },

  mount: { x86_64: 165, aarch64: 40, run: m.mount, ret: 'int',
    support: partial('tmpfs, ramfs, the kernel\'s own file systems, bind, move and remount; no block devices, no propagation'),
    args: [path('source'), path('target'), str('filesystemtype'), flags('mountflags', MOUNT, 'MS_???'), mountData] },
  umount2: { x86_64: 166, aarch64: 39, run: m.umount2, ret: 'int', support: FULL,
    args: [path('target'), flags('flags', UMOUNT, 'MNT_???')] },
  pivot_root: { x86_64: 155, aarch64: 41, run: m.pivotRoot, ret: 'int', support: FULL,
    args: [path('new_root'), path('put_old')] },
  name_to_handle_at: { x86_64: 303, aarch64: 264, run: () => -EOPNOTSUPP, ret: 'int',
    support: refused('no file system here exports handles'),
    args: [dirfd('dirfd'), path('pathname'), ptr('handle'), ptr('mount_id'), hex('flags')] },
});
