/** System V shared memory (shmget(2), shmop(2), shmctl(2); ipc/shm.c). */
import { EACCES, EFAULT, EIDRM, EINVAL, ENOMEM, ENOSPC, EPERM } from '../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import { MAP_FIXED, MAP_SHARED, RLIMIT_MEMLOCK } from '../mm/flags.ts';
import { CAP_SYS_RAWIO } from '../mm/syscalls-map.ts';
import { pageUp } from '../mm/layout.ts';
import { AnonObject } from '../mm/objects.ts';
import { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE } from '../ports.ts';
import type { Args } from '../syscall/args.ts';
import { hasCapability } from '../task/creds.ts';
import type { Task } from '../task/task.ts';
import {
  IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, S_IRUGO, S_IWUGO, charge, mayControl, mayUse, newPerm, seconds, updatePerm,
  writePerm, type IpcObject,
} from './ids.ts'; // prettier-ignore

export const SHMMNI = 4096;
/** shmmax, and shmall in pages: ULONG_MAX − 2^24. */
const SHMMAX = 2n ** 64n - 1n - 2n ** 24n;
export const SHM_HUGETLB = 0o4000;
const SHM_NORESERVE = 0o10000;
export const SHM_RDONLY = 0o10000;
export const SHM_RND = 0o20000;
export const SHM_REMAP = 0o40000;
export const SHM_EXEC = 0o100000;
/** Bits of `mode`. */
const SHM_DEST = 0o1000;
const SHM_LOCKED = 0o2000;
export const SHM_LOCK = 11;
export const SHM_UNLOCK = 12;
export const SHM_STAT = 13;
export const SHM_INFO = 14;
export const SHM_STAT_ANY = 15;

const CAP_IPC_LOCK = 1n << 14n;
const SEGMENT_COST = 512;

/** struct shmid_kernel. */
export interface Segment extends IpcObject {
  /** Bytes asked for. */
  readonly size: number;
  readonly cpid: number;
  lpid: number;
  /** Mappings, in all processes. */
  nattch: number;
  /** Seconds since 1970. */
  atime: number;
  dtime: number;
  ctime: number;
  memory: SegmentMemory | null;
}

/** The bytes of a segment. The table holds a reference for as long as the segment is there, every mapping another. */
class SegmentMemory extends AnonObject {
  readonly segment: Segment;
  private readonly kernel: Kernel;

  constructor(kernel: Kernel, segment: Segment) {
    const key = (segment.key >>> 0).toString(16).padStart(8, '0');
    super(kernel.memory, segment.size, { name: `/SYSV${key} (deleted)`, ino: segment.id });
    this.kernel = kernel;
    this.segment = segment;
    super.retain();
  }

  /** shm_open: one more mapping. */
  override retain(): void {
    super.retain();
    const { segment, kernel } = this;
    segment.nattch++;
    segment.atime = seconds(kernel);
    segment.lpid = kernel.scheduler.current?.pid ?? segment.lpid;
  }

  /** shm_close: one less; the last takes a segment that was removed with it. */
  override release(): void {
    const { segment, kernel } = this;
    segment.nattch--;
    segment.dtime = seconds(kernel);
    segment.lpid = kernel.scheduler.current?.pid ?? segment.lpid;
    super.release();
    if (segment.nattch === 0 && (segment.mode & SHM_DEST) !== 0) destroy(kernel, segment);
  }

  /** The segment is gone. */
  end(): void {
    super.release();
  }

  /** Pages that exist. */
  get present(): number {
    return this.pages.size;
  }
}

const pagesOf = (s: Segment): number => Math.ceil(s.size / PAGE_SIZE);

function destroy(k: Kernel, s: Segment): void {
  const { shm } = k.ipc;
  if (shm.get(s.id) !== s) return;
  shm.remove(s);
  k.kmem.uncharge(SEGMENT_COST);
  s.memory!.end();
}

/** shmget(2). */
export function shmget(t: Task, a: Args): number {
  const flags = a.i32(2);
  const size = a.size(1);
  const { ipc } = t.kernel;
  return ipc.shm.getOrMake(
    t,
    a.i32(0),
    flags,
    () => newSegment(t, a.i32(0), a.big(1), flags),
    (s) => (s.size < size ? -EINVAL : 0),
  );
}

function newSegment(t: Task, key: number, size: bigint, flags: number): Segment | number {
  const k = t.kernel;
  if (size < 1n || size > SHMMAX) return -EINVAL;
  if ((flags & SHM_HUGETLB) !== 0) return -ENOMEM; // no huge pages are reserved
  const bytes = Number(size);
  if (bytes >= 2 ** 63) return -EINVAL;
  if ((flags & SHM_NORESERVE) === 0 && !k.memory.enough(Math.ceil(bytes / PAGE_SIZE))) return -ENOMEM;
  if (k.ipc.shm.count >= SHMMNI) return -ENOSPC;
  const err = charge(k, SEGMENT_COST);
  if (err < 0) return err;
  const s: Segment = {
    ...newPerm(t, key, flags), size: bytes, cpid: t.pid, lpid: 0, nattch: 0, atime: 0, dtime: 0, ctime: seconds(k), memory: null,
  }; // prettier-ignore
  k.ipc.shm.add(s);
  s.memory = new SegmentMemory(k, s);
  return s;
}

/** shmat(2): do_shmat. */
export function shmat(t: Task, a: Args): number {
  const flags = a.i32(2);
  let address = a.ptr(1);
  if (a.i32(0) < 0) return -EINVAL;
  let map = MAP_SHARED;
  if (address !== 0) {
    if (address % PAGE_SIZE !== 0) {
      if ((flags & SHM_RND) === 0) return -EINVAL;
      address -= address % PAGE_SIZE;
      if (address === 0 && (flags & SHM_REMAP) !== 0) return -EINVAL;
    }
    map |= MAP_FIXED;
  } else if ((flags & SHM_REMAP) !== 0) return -EINVAL;
  const readOnly = (flags & SHM_RDONLY) !== 0;
  const exec = (flags & SHM_EXEC) !== 0;
  const prot = PROT_READ | (readOnly ? 0 : PROT_WRITE) | (exec ? PROT_EXEC : 0);
  const s = t.kernel.ipc.shm.get(a.i32(0));
  if (!s) return -EINVAL;
  if (!mayUse(t, s, S_IRUGO | (readOnly ? 0 : S_IWUGO) | (exec ? 0o111 : 0))) return -EACCES;
  const { mm } = t;
  const length = pageUp(s.size);
  if (address !== 0 && (flags & SHM_REMAP) === 0) {
    if (address + length >= 2 ** 64 || mm.vmas.intersects(address, address + s.size)) return -EINVAL;
  }
  mm.mapsLow = hasCapability(t, CAP_SYS_RAWIO);
  return mm.map({ start: address, length, prot, flags: map, object: s.memory });
}

/** shmdt(2): takes the mapping away that shmat made at this address, in all the pieces it has now. */
export function shmdt(t: Task, a: Args): number {
  const { mm } = t;
  const address = a.ptr(0);
  if (address % PAGE_SIZE !== 0) return -EINVAL;
  let memory: SegmentMemory | null = null;
  let end = Infinity;
  for (const v of mm.vmas.within(address, mm.taskSize)) {
    if (v.start >= end) break;
    if (!(v.object instanceof SegmentMemory) || (v.start - address) / PAGE_SIZE !== v.pgoff) continue;
    if (memory !== null && v.object !== memory) continue;
    memory = v.object;
    end = address + pageUp(memory.segment.size);
    mm.unmap(v.start, v.end);
  }
  return memory === null ? -EINVAL : 0;
}

/** shmctl(2). */
export function shmctl(t: Task, a: Args): number {
  const id = a.i32(0);
  const cmd = a.i32(1);
  if (cmd < 0 || id < 0) return -EINVAL;
  const { kernel: k, mm } = t;
  const { shm } = k.ipc;
  const out = a.ptr(2);
  switch (cmd) {
    case IPC_INFO: {
      const v = new DataView(new ArrayBuffer(72));
      v.setBigUint64(0, SHMMAX, true);
      v.setBigUint64(8, 1n, true);
      v.setBigUint64(16, BigInt(SHMMNI), true);
      v.setBigUint64(24, BigInt(SHMMNI), true);
      v.setBigUint64(32, SHMMAX, true);
      return mm.copyOut(out, new Uint8Array(v.buffer)) !== 0 ? -EFAULT : shm.highest;
    }
    case SHM_INFO: {
      const v = new DataView(new ArrayBuffer(48));
      const all = shm.list();
      v.setInt32(0, all.length, true);
      v.setBigUint64(8, BigInt(all.reduce((n, s) => n + pagesOf(s), 0)), true);
      v.setBigUint64(16, BigInt(all.reduce((n, s) => n + s.memory!.present, 0)), true);
      return mm.copyOut(out, new Uint8Array(v.buffer)) !== 0 ? -EFAULT : shm.highest;
    }
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY: {
      const s = cmd === IPC_STAT ? shm.get(id) : shm.at(id);
      if (!s) return -EINVAL;
      if (cmd !== SHM_STAT_ANY && !mayUse(t, s, S_IRUGO)) return -EACCES;
      if (mm.copyOut(out, status(s)) !== 0) return -EFAULT;
      return cmd === IPC_STAT ? 0 : s.id;
    }
    case IPC_SET: {
      const v = mm.viewIn(out, 112);
      if (v === null) return -EFAULT;
      const s = shm.get(id);
      if (!s) return -EINVAL;
      const err = mayControl(t, s) || updatePerm(s, v);
      if (err === 0) s.ctime = seconds(k);
      return err;
    }
    case IPC_RMID: {
      const s = shm.get(id);
      if (!s) return -EINVAL;
      const err = mayControl(t, s);
      if (err !== 0) return err;
      if (s.nattch === 0) destroy(k, s);
      else {
        s.mode |= SHM_DEST;
        shm.forgetKey(s);
      }
      return 0;
    }
    case SHM_LOCK:
    case SHM_UNLOCK: {
      const s = shm.get(id);
      if (!s) return -EINVAL;
      if (!hasCapability(t, CAP_IPC_LOCK)) {
        const { euid } = t.creds;
        if (euid !== s.uid && euid !== s.cuid) return -EPERM;
        if (cmd === SHM_LOCK && t.mm.rlimit(RLIMIT_MEMLOCK) === 0) return -EPERM;
      }
      if (s.removed) return -EIDRM;
      s.mode = cmd === SHM_LOCK ? s.mode | SHM_LOCKED : s.mode & ~SHM_LOCKED;
      return 0;
    }
  }
  return -EINVAL;
}

/** struct shmid64_ds. */
function status(s: Segment): Uint8Array {
  const v = new DataView(new ArrayBuffer(112));
  writePerm(v, s);
  v.setBigUint64(48, BigInt(s.size), true);
  v.setBigInt64(56, BigInt(s.atime), true);
  v.setBigInt64(64, BigInt(s.dtime), true);
  v.setBigInt64(72, BigInt(s.ctime), true);
  v.setInt32(80, s.cpid, true);
  v.setInt32(84, s.lpid, true);
  v.setBigUint64(88, BigInt(s.nattch), true);
  return new Uint8Array(v.buffer);
}

/** A line of /proc/sysvipc/shm. */
export function shmLine(s: Segment): string {
  const n = (value: number, width: number): string => String(value).padStart(width);
  const perms = s.mode.toString(8).padStart(5);
  return (
    `${n(s.key, 10)} ${n(s.id, 10)} ${perms} ${n(s.size, 21)} ${n(s.cpid, 5)} ${n(s.lpid, 5)}  ${n(s.nattch, 5)} ` +
    `${n(s.uid, 5)} ${n(s.gid, 5)} ${n(s.cuid, 5)} ${n(s.cgid, 5)} ${n(s.atime, 10)} ${n(s.dtime, 10)} ${n(s.ctime, 10)} ` +
    `${n(s.memory!.present * PAGE_SIZE, 21)} ${n(0, 21)}\n`
  );
}
