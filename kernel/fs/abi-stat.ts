/** struct stat, struct statx, struct statfs and directory entries as each architecture lays them out. */
import type { Arch } from '../ports.ts';
import type { Mount } from './dentry.ts';
import { MNT_NOATIME, MNT_NODEV, MNT_NODIRATIME, MNT_NOEXEC, MNT_NOSUID, MNT_RELATIME } from './dentry.ts';
import {
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_IFBLK,
  type Inode,
} from './inode.ts';

const NS = 1_000_000_000n;

/** Nanoseconds → seconds (rounded down) and the nanoseconds in them. */
export function splitTime(ns: bigint): [sec: bigint, nsec: number] {
  let sec = ns / NS;
  let rest = Number(ns - sec * NS);
  if (rest < 0) {
    sec -= 1n;
    rest += 1_000_000_000;
  }
  return [sec, rest];
}

function putTime(v: DataView, at: number, ns: bigint): void {
  const [sec, nsec] = splitTime(ns);
  v.setBigInt64(at, sec, true);
  v.setUint32(at + 8, nsec, true);
}

function putU64(v: DataView, at: number, value: number): void {
  v.setUint32(at, value >>> 0, true);
  v.setUint32(at + 4, Math.floor(value / 4294967296), true);
}

export const STAT_SIZE: Readonly<Record<Arch, number>> = { x86_64: 144, aarch64: 128 };

/** struct stat: arch/x86/include/uapi/asm/stat.h, asm-generic/stat.h. */
export function encodeStat(arch: Arch, inode: Inode): Uint8Array {
  const out = new Uint8Array(STAT_SIZE[arch]);
  const v = new DataView(out.buffer);
  putU64(v, 0, inode.fs.dev);
  putU64(v, 8, inode.ino);
  if (arch === 'x86_64') {
    putU64(v, 16, inode.nlink);
    v.setUint32(24, inode.mode, true);
    v.setUint32(28, inode.uid, true);
    v.setUint32(32, inode.gid, true);
    putU64(v, 40, inode.rdev);
  } else {
    v.setUint32(16, inode.mode, true);
    v.setUint32(20, inode.nlink, true);
    v.setUint32(24, inode.uid, true);
    v.setUint32(28, inode.gid, true);
    putU64(v, 32, inode.rdev);
  }
  putU64(v, 48, inode.size);
  putU64(v, 56, inode.blksize);
  putU64(v, 64, inode.blocks);
  putTime(v, 72, inode.atime);
  putTime(v, 88, inode.mtime);
  putTime(v, 104, inode.ctime);
  return out;
}

export const STATX_SIZE = 256;
const STATX_BASIC_STATS = 0x7ff;
const STATX_BTIME = 0x800;
const STATX_MNT_ID = 0x1000;
const STATX_ATTR_MOUNT_ROOT = 0x2000;

const major = (dev: number): number => (dev >>> 8) & 0xfff;
const minor = (dev: number): number => (dev & 0xff) | ((dev >>> 12) & 0xfff00);

/** struct statx (include/uapi/linux/stat.h), the same everywhere. `mnt` null: an object without a mount. */
export function encodeStatx(inode: Inode, mnt: Mount | null, isMountRoot: boolean): Uint8Array {
  const out = new Uint8Array(STATX_SIZE);
  const v = new DataView(out.buffer);
  let mask = STATX_BASIC_STATS | STATX_MNT_ID;
  if (inode.btime !== null) mask |= STATX_BTIME;
  v.setUint32(0, mask, true);
  v.setUint32(4, inode.blksize, true);
  putU64(v, 8, isMountRoot ? STATX_ATTR_MOUNT_ROOT : 0);
  v.setUint32(16, inode.nlink, true);
  v.setUint32(20, inode.uid, true);
  v.setUint32(24, inode.gid, true);
  v.setUint16(28, inode.mode, true);
  putU64(v, 32, inode.ino);
  putU64(v, 40, inode.size);
  putU64(v, 48, inode.blocks);
  putU64(v, 56, STATX_ATTR_MOUNT_ROOT);
  putTime(v, 64, inode.atime);
  if (inode.btime !== null) putTime(v, 80, inode.btime);
  putTime(v, 96, inode.ctime);
  putTime(v, 112, inode.mtime);
  v.setUint32(128, major(inode.rdev), true);
  v.setUint32(132, minor(inode.rdev), true);
  v.setUint32(136, major(inode.fs.dev), true);
  v.setUint32(140, minor(inode.fs.dev), true);
  putU64(v, 144, mnt?.id ?? 0);
  return out;
}

const ST_VALID = 0x20;

/** struct statfs of 64-bit architectures. */
export function encodeStatfs(mnt: Mount | null, inode: Inode): Uint8Array {
  const out = new Uint8Array(120);
  const v = new DataView(out.buffer);
  const s = inode.fs.statfs?.() ?? { bsize: 4096, blocks: 0, bfree: 0, files: 0, ffree: 0 };
  putU64(v, 0, inode.fs.magic);
  putU64(v, 8, s.bsize);
  putU64(v, 16, s.blocks);
  putU64(v, 24, s.bfree);
  putU64(v, 32, s.bfree);
  putU64(v, 40, s.files);
  putU64(v, 48, s.ffree);
  v.setUint32(56, inode.fs.dev, true);
  putU64(v, 64, 255);
  putU64(v, 72, s.bsize);
  // ST_* are the MS_* values but for the two that differ.
  const f = mnt?.flags ?? 0;
  let flags = ST_VALID | (f & (MNT_NOSUID | MNT_NODEV | MNT_NOEXEC | MNT_NOATIME | MNT_NODIRATIME));
  if (mnt?.readOnly || inode.fs.readOnly) flags |= 1;
  if (f & MNT_RELATIME) flags |= 0x1000;
  putU64(v, 80, flags);
  return out;
}

/** d_type of a mode's S_IFMT bits. */
export function dirType(type: number): number {
  return (type & S_IFMT) >>> 12;
}

/** Bytes of one linux_dirent64 with this name. */
export function dirent64Length(name: string): number {
  return (19 + name.length + 1 + 7) & ~7;
}

/** Writes one linux_dirent64; `next` is the position after it. */
export function putDirent64(
  v: DataView,
  at: number,
  name: string,
  ino: number,
  next: number,
  type: number,
): number {
  const length = dirent64Length(name);
  putU64(v, at, ino);
  putU64(v, at + 8, next);
  v.setUint16(at + 16, length, true);
  v.setUint8(at + 18, dirType(type));
  for (let i = 0; i < name.length; i++) v.setUint8(at + 19 + i, name.charCodeAt(i));
  return length;
}

/** Bytes of one old linux_dirent: the type is its last byte. */
export function direntLength(name: string): number {
  return (18 + name.length + 2 + 7) & ~7;
}

export function putDirent(
  v: DataView,
  at: number,
  name: string,
  ino: number,
  next: number,
  type: number,
): number {
  const length = direntLength(name);
  putU64(v, at, ino);
  putU64(v, at + 8, next);
  v.setUint16(at + 16, length, true);
  for (let i = 0; i < name.length; i++) v.setUint8(at + 18 + i, name.charCodeAt(i));
  v.setUint8(at + length - 1, dirType(type));
  return length;
}

/** S_IF* by name, in strace's order. */
export const FILE_TYPES: readonly (readonly [value: number, name: string])[] = [
  [S_IFREG, 'S_IFREG'],
  [S_IFSOCK, 'S_IFSOCK'],
  [S_IFIFO, 'S_IFIFO'],
  [S_IFLNK, 'S_IFLNK'],
  [S_IFDIR, 'S_IFDIR'],
  [S_IFBLK, 'S_IFBLK'],
  [S_IFCHR, 'S_IFCHR'],
];
