/** What System V objects have in common: numbers, keys and permissions (ipc/util.c). */
import { EACCES, EEXIST, EINVAL, ENOENT, ENOMEM, ENOSPC, EPERM } from '../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import { CAP_SYS_ADMIN, hasCapability } from '../task/creds.ts';
import type { Task } from '../task/task.ts';

export const IPC_PRIVATE = 0;
export const IPC_CREAT = 0o1000;
export const IPC_EXCL = 0o2000;
export const IPC_NOWAIT = 0o4000;

export const IPC_RMID = 0;
export const IPC_SET = 1;
export const IPC_STAT = 2;
export const IPC_INFO = 3;

export const S_IRUGO = 0o444;
export const S_IWUGO = 0o222;

const CAP_IPC_OWNER = 1n << 15n;
/** Bits of an id that number a slot; the rest is the sequence number. */
const INDEX_BITS = 15;
const MAX_INDEX = 2 ** INDEX_BITS;
/** A slot is used again only when as many others were (ipc_min_cycle). */
const MIN_CYCLE = 64;
const MAX_SEQUENCE = 0xffff;

/** struct kern_ipc_perm. */
export interface IpcObject {
  id: number;
  key: number;
  uid: number;
  gid: number;
  cuid: number;
  cgid: number;
  /** Permission bits, and whatever the object keeps above them. */
  mode: number;
  seq: number;
  /** Removed: whoever still waits for it gets EIDRM. */
  removed: boolean;
}

/** Seconds since 1970. */
export const seconds = (k: Kernel): number => Number(k.timers.realtime() / 1_000_000_000n);

export function newPerm(
  t: Task,
  key: number,
  flags: number,
): Pick<IpcObject, 'id' | 'key' | 'uid' | 'gid' | 'cuid' | 'cgid' | 'mode' | 'seq' | 'removed'> {
  const { euid, egid } = t.creds;
  const mode = flags & 0o777;
  return { id: -1, key, uid: euid, gid: egid, cuid: euid, cgid: egid, mode, seq: 0, removed: false };
}

/** The table of one kind of object. */
export class IpcIds<T extends IpcObject> {
  private readonly slots = new Map<number, T>();
  private readonly byKey = new Map<number, T>();
  private readonly limit: number;
  private last = -1;
  private sequence = 0;

  /** `limit`: how many there may be (shmmni and the like). */
  constructor(limit: number) {
    this.limit = limit;
  }

  get count(): number {
    return this.slots.size;
  }

  /** Highest slot in use; 0 when there is none. */
  get highest(): number {
    return Math.max(0, ...this.slots.keys());
  }

  /** In order of their slots, for /proc/sysvipc. */
  list(): T[] {
    return [...this.slots].sort((a, b) => a[0] - b[0]).map(([, o]) => o);
  }

  /** The object of an id, or undefined (EINVAL). */
  get(id: number): T | undefined {
    const o = id < 0 ? undefined : this.slots.get(id % MAX_INDEX);
    return o?.id === id ? o : undefined;
  }

  /** The object in a slot (SHM_STAT and the like). */
  at(index: number): T | undefined {
    return index < 0 ? undefined : this.slots.get(index % MAX_INDEX);
  }

  /** Gives an object its id; -ENOSPC when there are too many. */
  add(o: T): number {
    if (this.slots.size >= this.limit) return -ENOSPC;
    const cycle = Math.min(Math.max(Math.floor((this.slots.size * 3) / 2), MIN_CYCLE), MAX_INDEX);
    let index = this.last + 1;
    for (let i = 0; i <= MAX_INDEX; i++, index++) {
      if (index >= cycle) index = 0;
      if (!this.slots.has(index)) break;
    }
    if (index <= this.last && ++this.sequence > MAX_SEQUENCE) this.sequence = 0;
    this.last = index;
    o.seq = this.sequence;
    o.id = this.sequence * MAX_INDEX + index;
    this.slots.set(index, o);
    if (o.key !== IPC_PRIVATE) this.byKey.set(o.key, o);
    return o.id;
  }

  /** The object is found by its number only: it goes when nobody uses it (ipc_set_key_private). */
  forgetKey(o: T): void {
    if (this.byKey.get(o.key) === o) this.byKey.delete(o.key);
    o.key = IPC_PRIVATE;
  }

  remove(o: T): void {
    this.forgetKey(o);
    this.slots.delete(o.id % MAX_INDEX);
    o.removed = true;
  }

  /**
   * ipcget: the id behind a key, made by `make` where there is none. `fits` checks an object that exists against what is
   * asked for: 0 or -errno.
   */
  getOrMake(
    t: Task,
    key: number,
    flags: number,
    make: () => T | number,
    fits: (o: T) => number = () => 0,
  ): number {
    const found = key === IPC_PRIVATE ? undefined : this.byKey.get(key);
    if (!found) {
      if (key !== IPC_PRIVATE && (flags & IPC_CREAT) === 0) return -ENOENT;
      const made = make();
      return typeof made === 'number' ? made : made.id;
    }
    if ((flags & IPC_CREAT) !== 0 && (flags & IPC_EXCL) !== 0) return -EEXIST;
    return fits(found) || (mayUse(t, found, flags) ? found.id : -EACCES);
  }
}

/** ipcperms: whether the caller has the rights in `wanted` (any of its three triples). */
export function mayUse(t: Task, o: IpcObject, wanted: number): boolean {
  const { creds } = t;
  const asked = (wanted >> 6) | (wanted >> 3) | wanted;
  let granted = o.mode;
  const inGroup = (gid: number): boolean => creds.egid === gid || creds.groups.includes(gid);
  if (creds.euid === o.cuid || creds.euid === o.uid) granted >>= 6;
  else if (inGroup(o.cgid) || inGroup(o.gid)) granted >>= 3;
  return (asked & ~granted & 7) === 0 || hasCapability(t, CAP_IPC_OWNER);
}

/** ipcctl_obtain_check: whether the caller may change or remove it. 0 or -EPERM. */
export function mayControl(t: Task, o: IpcObject): number {
  const { euid } = t.creds;
  return euid === o.cuid || euid === o.uid || hasCapability(t, CAP_SYS_ADMIN) ? 0 : -EPERM;
}

export const PERM_SIZE = 48;

/** struct ipc64_perm, the same on both architectures. */
export function writePerm(v: DataView, o: IpcObject): void {
  v.setInt32(0, o.key, true);
  v.setUint32(4, o.uid, true);
  v.setUint32(8, o.gid, true);
  v.setUint32(12, o.cuid, true);
  v.setUint32(16, o.cgid, true);
  v.setUint32(20, o.mode, true);
  v.setUint16(24, o.seq, true);
}

/** What IPC_SET takes of a struct ipc64_perm: 0 or -EINVAL for ids that are none. */
export function updatePerm(o: IpcObject, v: DataView): number {
  const uid = v.getUint32(4, true);
  const gid = v.getUint32(8, true);
  if (uid === 0xffffffff || gid === 0xffffffff) return -EINVAL;
  o.uid = uid;
  o.gid = gid;
  o.mode = (o.mode & ~0o777) | (v.getUint32(20, true) & 0o777);
  return 0;
}

/** Takes kernel memory for an object, or -ENOMEM. */
export const charge = (k: Kernel, bytes: number): number => (k.kmem.charge(bytes) ? 0 : -ENOMEM);
