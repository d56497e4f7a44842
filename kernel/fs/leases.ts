/**
 * Leases (fcntl(2), "Leases"; fs/locks.c): who holds one is told by a signal before another opens or truncates the file
 * in a way that does not go with it, and has lease-break-time to give it up.
 */
import { EACCES, EAGAIN, EINVAL, ERESTARTSYS } from '../abi/errno.ts';
import { hasCapability } from '../task/creds.ts';
import type { Task } from '../task/task.ts';
import { SECOND } from '../time/timespec.ts';
import { park, WaitQueue, type Park } from '../wait.ts';
import { O_NONBLOCK, type File } from './file.ts';
import { S_IFREG, type Inode } from './inode.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK } from './locks.ts';
import { POLL_MSG, sendSigio, setOwner } from './sigio.ts';

const CAP_LEASE = 1n << 28n;

interface Lease {
  readonly file: File;
  readonly fd: number;
  type: number;
  /** What it is being broken to; null: it is not. */
  to: number | null;
  /** Monotonic nanoseconds at which that happens anyway. */
  until: number;
}

/** The leases of one inode. */
export class Leases {
  held: Lease[] = [];
  readonly changed = new WaitQueue('lease');

  of(file: File): Lease | undefined {
    return this.held.find((l) => l.file === file);
  }

  set(lease: Lease, type: number): void {
    if (type === F_UNLCK) this.held = this.held.filter((l) => l !== lease);
    else lease.type = type;
    lease.to = null;
    lease.until = Infinity;
    this.changed.wake();
  }

  /** Those whose time is up are broken. */
  timeOut(now: number): void {
    for (const l of this.held) if (l.to !== null && now >= l.until) this.set(l, l.to);
  }
}

/** F_SETLEASE. */
export function setLease(t: Task, file: File, fd: number, type: number): number {
  if (type !== F_RDLCK && type !== F_WRLCK && type !== F_UNLCK) return -EINVAL;
  const { inode } = file;
  if (!inode || inode.type !== S_IFREG) return -EINVAL;
  if (t.creds.fsuid !== inode.uid && !hasCapability(t, CAP_LEASE)) return -EACCES;
  inode.leases?.timeOut(t.kernel.clock.monotonic());
  const mine = inode.leases?.of(file);
  if (type === F_UNLCK) {
    if (!mine) return -EAGAIN;
    inode.leases!.set(mine, F_UNLCK);
    return 0;
  }
  if (type === F_RDLCK ? inode.writers > 0 : inode.opens > 1) return -EAGAIN;
  const leases = (inode.leases ??= new Leases());
  if (leases.held.some((l) => l !== mine && (type === F_WRLCK || l.to === F_UNLCK))) return -EAGAIN;
  if (mine) leases.set(mine, type);
  else leases.held.push({ file, fd, type, to: null, until: Infinity });
  setOwner(t, file, t.pid, false, false);
  return 0;
}

/** F_GETLEASE: what it will be, where it is being broken. */
export function getLease(t: Task, file: File): number {
  const leases = file.inode?.leases;
  leases?.timeOut(t.kernel.clock.monotonic());
  const mine = leases?.of(file);
  return mine ? (mine.to ?? mine.type) : F_UNLCK;
}

/** An open file is gone, and its lease with it. */
export function releaseLease(file: File): void {
  const leases = file.inode?.leases;
  const mine = leases?.of(file);
  if (mine) leases!.set(mine, F_UNLCK);
  if (leases && leases.held.length === 0 && leases.changed.empty) file.inode.leases = null;
}

/** Before a file is opened or truncated (break_lease): 0, -EAGAIN with O_NONBLOCK, or a wait for its holders. */
export function breakLease(t: Task, inode: Inode, write: boolean, flags: number): number | Park {
  const { leases } = inode;
  if (!leases) return 0;
  const now = t.kernel.clock.monotonic();
  leases.timeOut(now);
  const against = leases.held.filter((l) => write || l.type === F_WRLCK);
  if (against.length === 0) return 0;
  const to = write ? F_UNLCK : F_RDLCK;
  for (const l of against) {
    if (l.to === F_UNLCK || l.to === to) continue;
    l.until = Math.min(l.until, now + t.kernel.vfs.leaseBreakTime * SECOND);
    l.to = to;
    sendSigio(t.kernel, l.file, l.fd, POLL_MSG);
  }
  if (flags & O_NONBLOCK) return -EAGAIN;
  if (t.woken === 'signal') return -ERESTARTSYS;
  const deadline = Math.min(...against.map((l) => l.until));
  return park({ on: leases.changed, deadline, interrupted: ERESTARTSYS });
}
