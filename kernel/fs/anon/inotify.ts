/** inotify(7): watches on inodes, and queues of what happened to them. After fs/notify/ of Linux 6.1. */
import { EAGAIN, EEXIST, EFAULT, EINVAL, EMFILE, ENOMEM, ENOSPC, ENOTTY } from '../../abi/errno.ts';
import type { IoBuf } from '../../mm/iobuf.ts';
import { RECORD_COST, WATCH_COST, type KernelMemory } from '../../mm/kernel-memory.ts';
import type { Task } from '../../task/task.ts';
import { File, O_RDONLY, POLLIN, POLLRDNORM } from '../file.ts';
import { S_IFDIR, type Inode } from '../inode.ts';
import {
  IN_DELETE_SELF, IN_IGNORED, IN_ISDIR, IN_MOVED_FROM, IN_MOVED_TO, IN_MOVE_SELF, IN_Q_OVERFLOW, IN_UNMOUNT,
  type FsNotify,
} from '../notify.ts'; // prettier-ignore

export const IN_ONLYDIR = 0x01000000;
export const IN_DONT_FOLLOW = 0x02000000;
export const IN_EXCL_UNLINK = 0x04000000;
export const IN_MASK_CREATE = 0x10000000;
export const IN_MASK_ADD = 0x20000000;
export const IN_ONESHOT = 0x80000000;
export const IN_ALL_EVENTS = 0xfff;

/** A name changed within its directory: for F_NOTIFY alone (FS_RENAME). */
export const IN_RENAMED = 0x10000000;
const TOLD = IN_ALL_EVENTS | IN_RENAMED;

const FIONREAD = 0x541b;
/** struct inotify_event without its name; names are padded to this too. */
const EVENT_SIZE = 16;

/** Who is told of what happens to an inode: an inotify instance, or a directory's F_NOTIFY. */
export interface Watch {
  readonly wd: number;
  readonly inode: Inode;
  readonly owner: {
    queue(wd: number, mask: number, cookie: number, name: string): void;
    ignored(w: Watch): void;
  };
  mask: number;
}

interface Event {
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
}

/** /proc/sys/fs/inotify. */
export interface InotifyLimits {
  maxQueuedEvents: number;
  maxUserInstances: number;
  maxUserWatches: number;
}

/** All watches of a kernel. `active` is false while there are none: the VFS then has nothing to tell. */
export class Notifier implements FsNotify {
  readonly limits: InotifyLimits = { maxQueuedEvents: 16384, maxUserInstances: 128, maxUserWatches: 8192 };
  private readonly watches = new Map<Inode, Watch[]>();
  private readonly instances = new Map<number, number>();
  private readonly watchCount = new Map<number, number>();
  private cookie = 0;
  readonly kmem: KernelMemory;

  constructor(kmem: KernelMemory) {
    this.kmem = kmem;
  }

  get active(): boolean {
    return this.watches.size > 0;
  }

  event(mask: number, inode: Inode, dir: Inode | null, name: string, unlinked = false): void {
    if (inode.type === S_IFDIR) mask |= IN_ISDIR;
    if (dir !== null) this.tell(dir, mask, 0, name, unlinked);
    this.tell(inode, mask, 0, '', unlinked);
  }

  entry(mask: number, dir: Inode, name: string, inode: Inode): void {
    this.tell(dir, inode.type === S_IFDIR ? mask | IN_ISDIR : mask, 0, name);
  }

  moved(inode: Inode, fromDir: Inode, fromName: string, toDir: Inode, toName: string): void {
    const isDir = inode.type === S_IFDIR ? IN_ISDIR : 0;
    this.cookie = (this.cookie + 1) >>> 0 || 1;
    this.tell(fromDir, IN_MOVED_FROM | isDir, this.cookie, fromName);
    this.tell(toDir, IN_MOVED_TO | isDir, this.cookie, toName);
    this.tell(inode, IN_MOVE_SELF, 0, '');
    if (fromDir === toDir) this.tell(fromDir, IN_RENAMED, 0, '');
  }

  gone(inode: Inode): void {
    this.tell(inode, IN_DELETE_SELF, 0, '');
    for (const w of [...(this.watches.get(inode) ?? [])]) w.owner.ignored(w);
  }

  /** The file system is unmounted: every watch on it goes. */
  unmounted(fs: Inode['fs']): void {
    for (const [inode, list] of [...this.watches]) {
      if (inode.fs !== fs) continue;
      for (const w of [...list]) {
        w.owner.queue(w.wd, IN_UNMOUNT, 0, '');
        w.owner.ignored(w);
      }
    }
  }

  private tell(inode: Inode, mask: number, cookie: number, name: string, unlinked = false): void {
    const list = this.watches.get(inode);
    if (!list) return;
    // IN_ISDIR never comes with the two self events (inotify_handle_inode_event).
    const shown = mask & (IN_DELETE_SELF | IN_MOVE_SELF) ? mask & ~IN_ISDIR : mask;
    for (const w of list.length > 1 ? [...list] : list) {
      if (!(w.mask & mask & TOLD) || (unlinked && w.mask & IN_EXCL_UNLINK)) continue;
      w.owner.queue(w.wd, shown, cookie, name);
      if (w.mask & IN_ONESHOT) w.owner.ignored(w);
    }
  }

  /** A new instance for `uid`, or -EMFILE. */
  open(inode: Inode, flags: number, uid: number): InotifyFile | number {
    const n = this.instances.get(uid) ?? 0;
    if (n >= this.limits.maxUserInstances) return -EMFILE;
    this.instances.set(uid, n + 1);
    return new InotifyFile(this, inode, flags, uid);
  }

  /** Bookkeeping of instances and watches; called by InotifyFile only. */
  closed(uid: number): void {
    this.instances.set(uid, (this.instances.get(uid) ?? 1) - 1);
  }
  /** `uid` null: counts for no user. */
  add(w: Watch, uid: number | null): number {
    const n = uid === null ? 0 : (this.watchCount.get(uid) ?? 0);
    if (n >= this.limits.maxUserWatches) return -ENOSPC;
    if (!this.kmem.charge(WATCH_COST)) return -ENOMEM;
    if (uid !== null) this.watchCount.set(uid, n + 1);
    const list = this.watches.get(w.inode);
    if (list) list.push(w);
    else this.watches.set(w.inode, [w]);
    return 0;
  }
  remove(w: Watch, uid: number | null): void {
    const list = this.watches.get(w.inode);
    if (!list) return;
    list.splice(list.indexOf(w), 1);
    if (list.length === 0) this.watches.delete(w.inode);
    this.kmem.uncharge(WATCH_COST);
    if (uid !== null) this.watchCount.set(uid, (this.watchCount.get(uid) ?? 1) - 1);
  }
}

export class InotifyFile extends File {
  readonly name = 'anon_inode:inotify';
  private readonly notifier: Notifier;
  private readonly uid: number;
  private readonly byWd = new Map<number, Watch>();
  private readonly byInode = new Map<Inode, Watch>();
  private lastWd = 0;
  private events: Event[] = [];

  constructor(notifier: Notifier, inode: Inode, flags: number, uid: number) {
    super(O_RDONLY | flags, inode, 'inotify');
    this.notifier = notifier;
    this.uid = uid;
  }

  override poll(): number {
    return this.events.length > 0 ? POLLIN | POLLRDNORM : 0;
  }

  override read(buf: IoBuf, _t: Task): number {
    if (this.events.length === 0) return -EAGAIN;
    let at = 0;
    let taken = 0;
    for (const e of this.events) {
      const bytes = encode(e);
      if (at + bytes.length > buf.length) break;
      buf.put(bytes, at);
      at += bytes.length;
      taken++;
    }
    if (taken === 0) return -EINVAL;
    for (const e of this.events.splice(0, taken)) this.notifier.kmem.uncharge(cost(e));
    return at;
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    if (cmd !== FIONREAD) return -ENOTTY;
    const bytes = this.events.reduce((n, e) => n + EVENT_SIZE + nameSize(e.name), 0);
    return t.mm.putU32(arg, bytes) < 0 ? -EFAULT : 0;
  }

  /** inotify_add_watch after the path is resolved: the watch descriptor, or -errno. */
  watch(inode: Inode, mask: number): number {
    const old = this.byInode.get(inode);
    const kept = mask & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK);
    if (old) {
      if (mask & IN_MASK_CREATE) return -EEXIST;
      old.mask = mask & IN_MASK_ADD ? old.mask | kept : kept;
      return old.wd;
    }
    const w: Watch = { wd: this.lastWd + 1, inode, owner: this, mask: kept };
    const err = this.notifier.add(w, this.uid);
    if (err < 0) return err;
    this.lastWd++;
    this.byWd.set(w.wd, w);
    this.byInode.set(inode, w);
    return w.wd;
  }

  /** inotify_rm_watch. */
  unwatch(wd: number): number {
    const w = this.byWd.get(wd);
    if (!w) return -EINVAL;
    this.ignored(w);
    return 0;
  }

  /** The watch ends: the reader is told with IN_IGNORED. */
  ignored(w: Watch): void {
    this.forget(w);
    this.queue(w.wd, IN_IGNORED, 0, '');
  }

  queue(wd: number, mask: number, cookie: number, name: string): void {
    const last = this.events[this.events.length - 1];
    if (last && last.mask === mask && last.wd === wd && last.name === name && !(mask & IN_IGNORED)) return;
    const { limits, kmem } = this.notifier;
    const event = { wd, mask, cookie, name };
    if (this.events.length < limits.maxQueuedEvents && kmem.charge(cost(event))) this.events.push(event);
    else if (last?.mask === IN_Q_OVERFLOW) return;
    else this.events.push({ wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: '' });
    this.waiters.wake(0);
  }

  private forget(w: Watch): void {
    this.notifier.remove(w, this.uid);
    this.byWd.delete(w.wd);
    this.byInode.delete(w.inode);
  }

  override fdinfo(): string {
    let out = '';
    for (const w of [...this.byWd.values()].reverse()) {
      const { ino, fs } = w.inode;
      const dev = (Math.floor(fs.dev / 256) * 2 ** 20 + (fs.dev % 256)).toString(16);
      out += `inotify wd:${w.wd} ino:${ino.toString(16)} sdev:${dev} mask:${((w.mask & (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT)) >>> 0).toString(16)} ignored_mask:0 \n`;
    }
    return out;
  }

  override release(): void {
    for (const w of [...this.byWd.values()]) this.forget(w);
    for (const e of this.events.splice(0)) this.notifier.kmem.uncharge(cost(e));
    this.notifier.closed(this.uid);
  }
}

/** What an event takes; the overflow mark, of which there is one, is the instance's own. */
const cost = (e: Event): number => (e.mask === IN_Q_OVERFLOW ? 0 : RECORD_COST + e.name.length);

function nameSize(name: string): number {
  return name === '' ? 0 : Math.ceil((name.length + 1) / EVENT_SIZE) * EVENT_SIZE;
}

function encode(e: Event): Uint8Array {
  const size = nameSize(e.name);
  const out = new Uint8Array(EVENT_SIZE + size);
  const v = new DataView(out.buffer);
  v.setInt32(0, e.wd, true);
  v.setUint32(4, e.mask, true);
  v.setUint32(8, e.cookie, true);
  v.setUint32(12, size, true);
  for (let i = 0; i < e.name.length; i++) out[EVENT_SIZE + i] = e.name.charCodeAt(i);
  return out;
}
