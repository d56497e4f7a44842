/** epoll instances (fs/eventpoll.c): items keyed by (file, fd), and a ready list fed by the files' wait queues. */
import { EEXIST, EINVAL, ELOOP, ENOENT, ENOSPC, EPERM } from '../abi/errno.ts';
import { File, O_RDWR, POLLERR, POLLHUP, POLLIN, POLLRDNORM } from '../fs/file.ts';
import type { FileWatch } from '../fs/file.ts';
import { WATCH_COST, type KernelMemory } from '../mm/kernel-memory.ts';
import type { Inode } from '../fs/inode.ts';
import type { Kernel } from '../kernel.ts';
import { LINUX, type Behaviour } from '../personality/behaviour.ts';
import type { WaitQueue, Waiter } from '../wait.ts';
import { WaitQueue as Queue } from '../wait.ts';

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

/** Unsigned: these sit in the top bits of a u32. */
export const EPOLLEXCLUSIVE = 0x10000000;
export const EPOLLWAKEUP = 0x20000000;
export const EPOLLONESHOT = 0x40000000;
export const EPOLLET = 0x80000000;

/** Bits that say how to report, not what (EP_PRIVATE_BITS); an item with nothing else is disabled. */
const PRIVATE_BITS = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE | 0;
/** IN, OUT, ERR, HUP, WAKEUP, ET and EXCLUSIVE itself: all that may accompany EPOLLEXCLUSIVE. */
const EXCLUSIVE_OK = (0x1d | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE) | 0; // prettier-ignore
/** Epoll files may nest this deep below one another (EP_MAX_NESTS). */
const MAX_NESTS = 4;
/** How many wakeup paths of each length one file may have (path_limits). */
const PATH_LIMITS = [1000, 500, 100, 50, 10];

/** struct epoll_event, its 64-bit data kept as two halves. */
export interface EpollEvent {
  readonly events: number;
  readonly lo: number;
  readonly hi: number;
}

/** One watched (file, fd) pair. */
export class EpollItem implements Waiter, FileWatch {
  readonly ep: EventPoll;
  readonly file: File;
  readonly fd: number;
  readonly exclusive: boolean;
  /** Signed 32 bits: EPOLLET is the sign bit. */
  events: number;
  lo: number;
  hi: number;

  constructor(ep: EventPoll, file: File, fd: number, e: EpollEvent) {
    this.ep = ep;
    this.file = file;
    this.fd = fd;
    this.events = e.events | POLLERR | POLLHUP;
    this.lo = e.lo;
    this.hi = e.hi;
    this.exclusive = (e.events & EPOLLEXCLUSIVE) !== 0;
  }

  /** What the file has that the item asks for. */
  poll(): number {
    const { look } = this.ep;
    const ready = look === null ? this.file.poll() : look(this.file);
    return ready & this.events & ~PRIVATE_BITS;
  }

  /** ep_poll_callback. False (exclusive only): nobody was woken for it. */
  wake(_queue: WaitQueue, events: number): boolean {
    if ((this.events & ~PRIVATE_BITS) === 0) return false;
    if (events !== 0 && (events & this.events) === 0) return false;
    const waited = this.ep.makeReady(this);
    if (!this.exclusive) return true;
    // As Linux: an event the item does not name by itself (HUP, ERR) counts as used.
    const inOut = events & (POLLIN | 0x4);
    if (inOut === POLLIN || inOut === 0x4) return waited && (this.events & inOut) !== 0;
    return waited || inOut === 0;
  }

  fileGone(): void {
    this.ep.remove(this);
  }
}

/** What a personality may turn. */
type EpollWays = Pick<Behaviour, 'readiness' | 'epollAnyFile'>;

export class EventPoll extends File {
  /** By fd; two files may share one after dup2, so each holds a (short) list. */
  private readonly items = new Map<number, EpollItem[]>();
  /** Items that may have events, in the order they are reported. */
  private readonly ready = new Set<EpollItem>();
  /** Tasks in epoll_wait. `waiters`, from File, is for those who poll this epoll file itself. */
  readonly sleepers = new Queue('epoll_wait');

  private readonly kmem: KernelMemory;
  /** What it sees of a file, where that is not what the file says. */
  readonly look: ((file: File) => number) | null;
  /** Files without a poll method may be watched. */
  private readonly anyFile: boolean;

  constructor(inode: Inode | null, kmem: KernelMemory, ways: EpollWays = LINUX) {
    super(O_RDWR, inode, 'epoll');
    this.kmem = kmem;
    this.look = ways.readiness;
    this.anyFile = ways.epollAnyFile;
  }

  static of(k: Kernel): EventPoll {
    return new EventPoll(k.pseudo.anonInode, k.kmem, k.behaviour);
  }

  get name(): string {
    return 'anon_inode:[eventpoll]';
  }

  /** ep_show_fdinfo. */
  override fdinfo(): string {
    const hex = (n: number): string => (n >>> 0).toString(16);
    let out = '';
    for (const i of this.list()) {
      const { pos, inode } = i.file;
      const data = (i.hi ? hex(i.hi) + hex(i.lo).padStart(8, '0') : hex(i.lo)).padStart(16);
      const where = `pos:${pos} ino:${hex(inode?.ino ?? 0)} sdev:${hex(inode?.fs.dev ?? 0)}`;
      out += `tfd: ${String(i.fd).padStart(8)} events: ${hex(i.events).padStart(8)} data: ${data}  ${where}\n`;
    }
    return out;
  }

  find(file: File, fd: number): EpollItem | undefined {
    return this.items.get(fd)?.find((i) => i.file === file);
  }

  /** Items by fd, for /proc/PID/fdinfo and the hang explainer. */
  *list(): Iterable<EpollItem> {
    for (const items of this.items.values()) yield* items;
  }

  ctl(op: number, file: File, fd: number, e: EpollEvent): number {
    if (!file.pollable && !this.anyFile) return -EPERM;
    if (file === this) return -EINVAL;
    if (op !== EPOLL_CTL_DEL && e.events & EPOLLEXCLUSIVE) {
      if (op === EPOLL_CTL_MOD) return -EINVAL;
      if (op === EPOLL_CTL_ADD && (file instanceof EventPoll || e.events & ~EXCLUSIVE_OK)) return -EINVAL;
    }
    if (op === EPOLL_CTL_ADD && file instanceof EventPoll && this.tooDeep(file)) return -ELOOP;
    const item = this.find(file, fd);
    switch (op) {
      case EPOLL_CTL_ADD:
        return item ? -EEXIST : this.insert(file, fd, e);
      case EPOLL_CTL_DEL:
        if (!item) return -ENOENT;
        this.remove(item);
        return 0;
      case EPOLL_CTL_MOD:
        if (!item) return -ENOENT;
        if (item.exclusive) return -EINVAL;
        item.events = e.events | POLLERR | POLLHUP;
        item.lo = e.lo;
        item.hi = e.hi;
        if (item.poll()) this.makeReady(item);
        return 0;
      default:
        return -EINVAL;
    }
  }

  private insert(file: File, fd: number, e: EpollEvent): number {
    // fs.epoll.max_user_watches says the same of a user's items.
    if (!this.kmem.charge(WATCH_COST)) return -ENOSPC;
    const item = new EpollItem(this, file, fd, e);
    file.watches ??= new Set();
    file.watches.add(item);
    if (pathsTooMany(file instanceof EventPoll ? leavesOf(file) : this.watches?.size ? [file] : [])) {
      file.watches.delete(item);
      this.kmem.uncharge(WATCH_COST);
      return -EINVAL;
    }
    const same = this.items.get(fd);
    if (same) same.push(item);
    else this.items.set(fd, [item]);
    file.waiters.add(item);
    if (item.poll()) this.makeReady(item);
    return 0;
  }

  remove(item: EpollItem): void {
    this.kmem.uncharge(WATCH_COST);
    item.file.waiters.remove(item);
    item.file.watches?.delete(item);
    this.ready.delete(item);
    const left = this.items.get(item.fd)?.filter((i) => i !== item) ?? [];
    if (left.length) this.items.set(item.fd, left);
    else this.items.delete(item.fd);
  }

  /** Queues the item and wakes whoever waits; true when a task in epoll_wait was there to wake. */
  makeReady(item: EpollItem): boolean {
    this.ready.add(item);
    const waited = !this.sleepers.empty;
    this.sleepers.wake(POLLIN);
    this.waiters.wake(POLLIN);
    return waited;
  }

  /** Ready when some queued item really is; items whose event has passed leave the list on the way. */
  override poll(): number {
    for (const item of this.ready) {
      if (item.poll()) return POLLIN | POLLRDNORM;
      this.ready.delete(item);
    }
    return 0;
  }

  /**
   * ep_send_events: hands up to `max` events to `put` (0 or -errno). Level-triggered items go to the end of the list
   * again, so that a full list is served in turns.
   */
  harvest(max: number, put: (index: number, events: number, item: EpollItem) => number): number {
    let done = 0;
    let left = this.ready.size;
    for (const item of this.ready) {
      if (done >= max || left-- === 0) break;
      const events = item.poll();
      if (events) {
        const r = put(done, events, item);
        if (r < 0) return done || r;
        done++;
      }
      this.ready.delete(item);
      if (!events) continue;
      if (item.events & EPOLLONESHOT) item.events &= PRIVATE_BITS;
      else if (!(item.events & EPOLLET)) this.ready.add(item);
    }
    if (this.ready.size && !this.sleepers.empty) this.sleepers.wake(POLLIN);
    return done;
  }

  /** Would watching `target` close a loop or nest deeper than Linux lets it? (ep_loop_check) */
  private tooDeep(target: EventPoll): boolean {
    const below = this.depthBelow(target, 0, new Map());
    if (below > MAX_NESTS) return true;
    return below + 1 + depthAbove(this, 0) > MAX_NESTS;
  }

  private depthBelow(ep: EventPoll, depth: number, seen: Map<EventPoll, number>): number {
    const known = seen.get(ep);
    if (known !== undefined) return known;
    seen.set(ep, 0);
    let result = 0;
    if (ep === this) result = Infinity;
    for (const item of ep.list()) {
      if (result > MAX_NESTS) break;
      if (!(item.file instanceof EventPoll)) continue;
      if (item.file === this || depth > MAX_NESTS) result = Infinity;
      else result = Math.max(result, this.depthBelow(item.file, depth + 1, seen) + 1);
    }
    seen.set(ep, result);
    return result;
  }

  override release(): void {
    for (const item of [...this.list()]) this.remove(item);
  }
}

function* epollsOn(file: File): Iterable<EventPoll> {
  if (file.watches) for (const w of file.watches) if (w instanceof EpollItem) yield w.ep;
}

function depthAbove(ep: EventPoll, depth: number): number {
  if (depth > MAX_NESTS) return depth;
  let result = 0;
  for (const up of epollsOn(ep)) result = Math.max(result, depthAbove(up, depth + 1) + 1);
  return result;
}

/** Files that are not epoll files and can be reached from `ep`. */
function leavesOf(ep: EventPoll, out = new Set<File>(), seen = new Set<EventPoll>()): Set<File> {
  if (seen.has(ep)) return out;
  seen.add(ep);
  for (const item of ep.list()) {
    if (item.file instanceof EventPoll) leavesOf(item.file, out, seen);
    else out.add(item.file);
  }
  return out;
}

/** reverse_path_check: the tree of epolls above a file must not make one event cost too many wakeups. */
function pathsTooMany(files: Iterable<File>): boolean {
  const count = [0, 0, 0, 0, 0];
  const climb = (file: File, depth: number): boolean => {
    if (depth > MAX_NESTS) return true;
    for (const ep of epollsOn(file)) {
      if (ep.watches?.size) {
        if (climb(ep, depth + 1)) return true;
      } else if (depth > 0 && ++count[depth] > PATH_LIMITS[depth]) return true;
    }
    return false;
  };
  for (const file of files) {
    count.fill(0);
    if (climb(file, 0)) return true;
  }
  return false;
}
