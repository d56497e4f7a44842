/** POSIX message queues (mq_overview(7); ipc/mqueue.c). Names without the slash that the C library takes off. */
import {
  EACCES, EAGAIN, EBADF, EBUSY, EEXIST, EFAULT, EINVAL, EMFILE, EMSGSIZE, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC, ENOTSOCK,
  ERESTARTSYS, ETIMEDOUT,
} from '../abi/errno.ts'; // prettier-ignore
import { PseudoInode, realtime } from '../fs/anon/pseudo-fs.ts';
import {
  File, O_ACCMODE, O_CLOEXEC, O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_WRONLY, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, installFile,
} from '../fs/file.ts'; // prettier-ignore
import { S_IFREG } from '../fs/inode.ts';
import type { Kernel } from '../kernel.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import { RECORD_COST } from '../mm/kernel-memory.ts';
import { NetlinkSocket } from '../net/netlink.ts';
import { Socket } from '../net/socket.ts';
import { sendToGroup } from '../signal/send.ts';
import type { Args } from '../syscall/args.ts';
import { CAP_SYS_RESOURCE, hasCapability } from '../task/creds.ts';
import type { Task } from '../task/task.ts';
import type { ThreadGroup } from '../task/thread-group.ts';
import { readTimespecExact } from '../time/timespec.ts';
import { WaitQueue, park, type Park, type SysResult } from '../wait.ts';

const RLIMIT_MSGQUEUE = 12;
export const MSG_MAX = 10;
export const MSGSIZE_MAX = 8192;
export const QUEUES_MAX = 256;
const HARD_MSGMAX = 65536;
const HARD_MSGSIZEMAX = 16 * 1024 * 1024;
const MQ_PRIO_MAX = 32768;
const NAME_MAX = 255;
const SIGEV_SIGNAL = 0;
const SIGEV_NONE = 1;
const SIGEV_THREAD = 2;
/** What a SIGEV_THREAD request gives back, with one of these in its last byte. */
const NOTIFY_COOKIE_LEN = 32;
const NOTIFY_WOKENUP = 1;
const NOTIFY_REMOVED = 2;
const SI_MESGQ = -3;
const CAP_DAC_OVERRIDE = 1n << 1n;
const CAP_FOWNER = 1n << 3n;
const QUEUE_COST = 2048;

interface Message {
  readonly priority: number;
  readonly bytes: Uint8Array;
}

/** A task in mq_timedreceive or mq_timedsend; who comes by does its part for it. */
interface Waiting {
  readonly task: Task;
  readonly done: WaitQueue;
  /** What it sends, or what it was given. */
  message: Message | null;
  finished: boolean;
}

/** Who is told of a message in an empty queue. */
interface Notice {
  readonly group: ThreadGroup;
  readonly how: number;
  readonly signo: number;
  readonly value: bigint;
  readonly file: MqFile;
  /** SIGEV_THREAD: where a thread of the C library's listens, and what it knows the request by. */
  readonly thread: { readonly socket: NetlinkSocket; readonly cookie: Uint8Array } | null;
}

class Queue {
  readonly inode: PseudoInode;
  readonly maxmsg: number;
  readonly msgsize: number;
  /** By priority, then by age. */
  readonly messages: Message[] = [];
  readonly receivers: Waiting[] = [];
  readonly senders: Waiting[] = [];
  /** Open descriptions of it, which polls wait on. */
  readonly files = new Set<MqFile>();
  notice: Notice | null = null;
  /** It has a name. */
  linked = true;
  /** Bytes it counts for in its maker's RLIMIT_MSGQUEUE. */
  readonly footprint: number;
  readonly uid: number;

  constructor(inode: PseudoInode, maxmsg: number, msgsize: number, footprint: number, uid: number) {
    this.inode = inode;
    this.maxmsg = maxmsg;
    this.msgsize = msgsize;
    this.footprint = footprint;
    this.uid = uid;
  }

  put(m: Message): void {
    let i = this.messages.length;
    while (i > 0 && this.messages[i - 1].priority < m.priority) i--;
    this.messages.splice(i, 0, m);
  }

  get queued(): number {
    return this.messages.reduce((n, m) => n + m.bytes.length, 0);
  }

  wake(events: number): void {
    for (const f of this.files) f.waiters.wake(events);
  }
}

class MqFile extends File {
  readonly queue: Queue;
  readonly name: string;
  private readonly space: MessageQueues;

  constructor(queue: Queue, name: string, flags: number, space: MessageQueues) {
    super(flags, queue.inode, 'message queue');
    this.queue = queue;
    this.name = `/${name}`;
    this.space = space;
    queue.files.add(this);
  }

  override get pollable(): boolean {
    return true;
  }
  override poll(): number {
    const n = this.queue.messages.length;
    return (n > 0 ? POLLIN | POLLRDNORM : 0) | (n < this.queue.maxmsg ? POLLOUT | POLLWRNORM : 0);
  }
  /** What reading one in a mounted mqueue file system shows (mq_overview(7)). */
  override read(buf: IoBuf, _t: Task): number {
    const { queue } = this;
    const n = queue.notice;
    const text =
      `QSIZE:${String(queue.queued).padEnd(10)} NOTIFY:${String(n?.how ?? 0).padEnd(5)} ` +
      `SIGNO:${String(n?.how === SIGEV_SIGNAL ? n.signo : 0).padEnd(5)} NOTIFY_PID:${String(n?.group.pid ?? 0).padEnd(6)}\n`;
    const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0)).subarray(this.pos);
    const part = bytes.subarray(0, Math.min(bytes.length, buf.length));
    buf.put(part);
    this.pos += part.length;
    return part.length;
  }
  /** Closing any descriptor of the queue takes the process's request away (mqueue_flush_file). */
  override flush(t: Task | null): number {
    if (t !== null && this.queue.notice?.group === t.group) withdraw(this.queue);
    return 0;
  }
  override release(): void {
    this.queue.files.delete(this);
    this.space.let(this.queue);
  }
}

/** The machine's queues by name. */
export class MessageQueues {
  private readonly queues = new Map<string, Queue>();
  /** All, those without a name included. */
  private readonly all = new Set<Queue>();
  private readonly kernel: Kernel;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  find(name: string): Queue | undefined {
    return this.queues.get(name);
  }

  get count(): number {
    return this.queues.size;
  }

  /** Bytes the queues a user made count for. */
  footprint(uid: number): number {
    let n = 0;
    for (const q of this.all) if (q.uid === uid) n += q.footprint;
    return n;
  }

  make(name: string, q: Queue): void {
    this.queues.set(name, q);
    this.all.add(q);
  }

  unlink(name: string, q: Queue): void {
    this.queues.delete(name);
    q.linked = false;
    this.let(q);
  }

  /** Gives a queue up that has no name and is not open. */
  let(q: Queue): void {
    if (q.linked || q.files.size > 0 || !this.all.delete(q)) return;
    this.kernel.kmem.uncharge(QUEUE_COST + q.messages.reduce((n, m) => n + RECORD_COST + m.bytes.length, 0));
    q.messages.length = 0;
  }
}

function nameOf(t: Task, address: number): string | number {
  const name = t.mm.cstring(address, NAME_MAX + 2);
  if (typeof name === 'number') return name;
  if (name === '') return -ENOENT;
  if (name.includes('/')) return -EACCES;
  return name.length > NAME_MAX ? -ENAMETOOLONG : name;
}

/** inode_permission for the rights in `wanted` (4 to read, 2 to write). */
function permitted(t: Task, inode: PseudoInode, wanted: number): boolean {
  const { fsuid, fsgid, groups } = t.creds;
  let mode = inode.mode;
  if (fsuid === inode.uid) mode >>= 6;
  else if (fsgid === inode.gid || groups.includes(inode.gid)) mode >>= 3;
  return (wanted & ~mode & 7) === 0 || hasCapability(t, CAP_DAC_OVERRIDE);
}

/** mq_open(2). */
export function mq_open(t: Task, a: Args): number {
  const k = t.kernel;
  const flags = a.i32(1);
  let attr: DataView | null = null;
  if (a.ptr(3) !== 0 && (attr = t.mm.viewIn(a.ptr(3), 64)) === null) return -EFAULT;
  const name = nameOf(t, a.ptr(0));
  if (typeof name === 'number') return name;
  let q = k.ipc.mq.find(name);
  if (!q) {
    if ((flags & O_CREAT) === 0) return -ENOENT;
    const made = create(t, name, a.u32(2) & ~t.fs.umask & 0o777, attr);
    if (typeof made === 'number') return made;
    q = made;
  } else {
    if ((flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0) return -EEXIST;
    if ((flags & O_ACCMODE) === O_ACCMODE) return -EINVAL;
    const access = flags & O_ACCMODE;
    if (!permitted(t, q.inode, access === O_RDONLY ? 4 : access === O_WRONLY ? 2 : 6)) return -EACCES;
  }
  const file = new MqFile(q, name, flags & (O_ACCMODE | O_NONBLOCK), k.ipc.mq);
  const fd = installFile(t, file, (flags & O_CLOEXEC) !== 0);
  if (fd < 0) file.release();
  return fd;
}

function create(t: Task, name: string, mode: number, attr: DataView | null): Queue | number {
  const k = t.kernel;
  let maxmsg = MSG_MAX;
  let msgsize = MSGSIZE_MAX;
  const free = hasCapability(t, CAP_SYS_RESOURCE);
  if (attr) {
    maxmsg = Number(attr.getBigInt64(8, true));
    msgsize = Number(attr.getBigInt64(16, true));
    if (maxmsg <= 0 || msgsize <= 0) return -EINVAL;
    if (maxmsg > (free ? HARD_MSGMAX : MSG_MAX) || msgsize > (free ? HARD_MSGSIZEMAX : MSGSIZE_MAX))
      return -EINVAL;
  }
  if (k.ipc.mq.count >= QUEUES_MAX && !free) return -ENOSPC;
  // struct msg_msg of 48 bytes and a tree leaf of 48 for each message there may be.
  const footprint = maxmsg * msgsize + maxmsg * 48 + Math.min(maxmsg, MQ_PRIO_MAX) * 48;
  if (k.ipc.mq.footprint(t.creds.uid) + footprint > t.group.rlimits[RLIMIT_MSGQUEUE].cur) return -EMFILE;
  if (!k.kmem.charge(QUEUE_COST)) return -ENOMEM;
  const { fsuid, fsgid, uid } = t.creds;
  const { anonInode } = k.pseudo;
  const inode = new PseudoInode(anonInode.fs, k.memory.nextId(), S_IFREG | mode, fsuid, fsgid, realtime(k));
  const q = new Queue(inode, maxmsg, msgsize, footprint, uid);
  k.ipc.mq.make(name, q);
  return q;
}

/** mq_unlink(2). The directory is sticky and for everyone, as that of a mounted mqueue file system. */
export function mq_unlink(t: Task, a: Args): number {
  const name = nameOf(t, a.ptr(0));
  if (typeof name === 'number') return name;
  const { mq } = t.kernel.ipc;
  const q = mq.find(name);
  if (!q) return -ENOENT;
  if (t.creds.fsuid !== q.inode.uid && t.creds.fsuid !== 0 && !hasCapability(t, CAP_FOWNER)) return -EACCES;
  mq.unlink(name, q);
  return 0;
}

function fileOf(t: Task, fd: number): MqFile | null {
  const f = t.fds.get(fd);
  return f instanceof MqFile ? f : null;
}

/** When a wait ends: Infinity for never, −errno for a bad time. CLOCK_REALTIME. */
function deadlineOf(t: Task, address: number): number {
  if (address === 0) return Infinity;
  const at = readTimespecExact(t.mm, address);
  return typeof at === 'number' ? at : Math.max(t.kernel.timers.realtimeToMonotonic(at), 0);
}

/** mq_timedsend(2). */
export function mq_timedsend(t: Task, a: Args): SysResult {
  const k = t.kernel;
  const f = fileOf(t, a.i32(0));
  if (t.parked !== null) return resume(t, a, t.parked);
  const deadline = deadlineOf(t, a.ptr(4));
  if (deadline < 0) return deadline;
  const priority = a.u32(3);
  if (priority >= MQ_PRIO_MAX) return -EINVAL;
  if (!f?.writable) return -EBADF;
  const q = f.queue;
  if (a.size(2) > q.msgsize) return -EMSGSIZE;
  const bytes = t.mm.copyIn(a.ptr(1), a.size(2));
  if (bytes === null) return -EFAULT;
  const message: Message = { priority, bytes };
  if (q.messages.length >= q.maxmsg) {
    if (f.nonblocking) return -EAGAIN;
    return wait(t, q, q.senders, message, deadline, 'send');
  }
  const r = q.receivers.shift();
  if (r) {
    r.message = message;
    r.finished = true;
    r.done.wake();
    return 0;
  }
  if (!k.kmem.charge(RECORD_COST + bytes.length)) return -ENOMEM;
  q.put(message);
  if (q.messages.length === 1) notify(t, q);
  q.wake(POLLIN);
  return 0;
}

/** mq_timedreceive(2). */
export function mq_timedreceive(t: Task, a: Args): SysResult {
  const k = t.kernel;
  const f = fileOf(t, a.i32(0));
  if (t.parked !== null) return resume(t, a, t.parked);
  const deadline = deadlineOf(t, a.ptr(4));
  if (deadline < 0) return deadline;
  if (!f?.readable) return -EBADF;
  const q = f.queue;
  if (a.size(2) < q.msgsize) return -EMSGSIZE;
  const message = q.messages.shift();
  if (!message) {
    if (f.nonblocking) return -EAGAIN;
    return wait(t, q, q.receivers, null, deadline, 'receive');
  }
  k.kmem.uncharge(RECORD_COST + message.bytes.length);
  // A sender that waits puts its message in the place that became free.
  const s = q.senders[0];
  if (s && k.kmem.charge(RECORD_COST + s.message!.bytes.length)) {
    q.senders.shift();
    q.put(s.message!);
    s.finished = true;
    s.done.wake();
  } else q.wake(POLLOUT);
  return deliver(t, a, message);
}

interface WaitData {
  readonly list: Waiting[];
  readonly w: Waiting;
}

function wait(
  t: Task,
  q: Queue,
  list: Waiting[],
  message: Message | null,
  deadline: number,
  what: string,
): Park {
  const done = new WaitQueue(`message queue ${what}`);
  const w: Waiting = { task: t, done, message, finished: false };
  list.push(w);
  const data: WaitData = { list, w };
  return park({ on: done, deadline, interrupted: ERESTARTSYS, data });
}

function resume(t: Task, a: Args, p: Park): SysResult {
  const { list, w } = p.data as WaitData;
  if (w.finished) return t.row!.name === 'mq_timedsend' ? 0 : deliver(t, a, w.message!);
  if (t.woken === 'event') return p;
  list.splice(list.indexOf(w), 1);
  return t.woken === 'timeout' ? -ETIMEDOUT : -p.interrupted;
}

function deliver(t: Task, a: Args, m: Message): number {
  if (a.ptr(3) !== 0 && t.mm.putU32(a.ptr(3), m.priority) !== 0) return -EFAULT;
  return t.mm.copyOut(a.ptr(1), m.bytes) !== 0 ? -EFAULT : m.bytes.length;
}

/** __do_notify: a message arrived in an empty queue and nobody was waiting for it. The request is used up. */
function notify(t: Task, q: Queue): void {
  const n = q.notice;
  if (!n) return;
  q.notice = null;
  if (n.thread !== null) tellThread(n, NOTIFY_WOKENUP);
  if (n.how !== SIGEV_SIGNAL || n.signo === 0) return;
  sendToGroup(n.group, { signo: n.signo, code: SI_MESGQ, pid: t.pid, uid: t.creds.uid, value: n.value });
}

/** remove_notification. */
function withdraw(q: Queue): void {
  const n = q.notice;
  q.notice = null;
  if (n?.thread) tellThread(n, NOTIFY_REMOVED);
}

function tellThread(n: Notice, what: number): void {
  const { socket, cookie } = n.thread!;
  cookie[NOTIFY_COOKIE_LEN - 1] = what;
  socket.deliver(cookie);
  socket.drop();
}

/** mq_notify(2). For SIGEV_THREAD the C library gives a netlink socket in place of a signal, and a cookie to send there. */
export function mq_notify(t: Task, a: Args): number {
  let v: DataView | null = null;
  let thread: Notice['thread'] = null;
  if (a.ptr(1) !== 0) {
    v = t.mm.viewIn(a.ptr(1), 64);
    if (v === null) return -EFAULT;
    const how = v.getInt32(12, true);
    if (how !== SIGEV_NONE && how !== SIGEV_SIGNAL && how !== SIGEV_THREAD) return -EINVAL;
    const signo = v.getInt32(8, true);
    if (how === SIGEV_SIGNAL && (signo < 0 || signo > 64)) return -EINVAL;
    if (how === SIGEV_THREAD) {
      const cookie = t.mm.copyIn(Number(v.getBigUint64(0, true)), NOTIFY_COOKIE_LEN);
      if (cookie === null) return -EFAULT;
      const socket = t.fds.get(signo);
      if (!socket) return -EBADF;
      if (!(socket instanceof Socket)) return -ENOTSOCK;
      if (!(socket instanceof NetlinkSocket)) return -EINVAL;
      thread = { socket, cookie };
    }
  }
  const f = fileOf(t, a.i32(0));
  if (!f) return -EBADF;
  const q = f.queue;
  if (v === null) {
    if (q.notice?.group === t.group) withdraw(q);
    return 0;
  }
  if (q.notice) return -EBUSY;
  thread?.socket.retain();
  q.notice = {
    group: t.group, how: v.getInt32(12, true), signo: v.getInt32(8, true), value: v.getBigUint64(0, true), file: f, thread,
  }; // prettier-ignore
  return 0;
}

/** mq_getsetattr(2). */
export function mq_getsetattr(t: Task, a: Args): number {
  let set: DataView | null = null;
  if (a.ptr(1) !== 0) {
    set = t.mm.viewIn(a.ptr(1), 64);
    if (set === null) return -EFAULT;
    if ((set.getBigInt64(0, true) & ~BigInt(O_NONBLOCK)) !== 0n) return -EINVAL;
  }
  const f = fileOf(t, a.i32(0));
  if (!f) return -EBADF;
  const old = new DataView(new ArrayBuffer(64));
  old.setBigInt64(0, BigInt(f.flags & O_NONBLOCK), true);
  old.setBigInt64(8, BigInt(f.queue.maxmsg), true);
  old.setBigInt64(16, BigInt(f.queue.msgsize), true);
  old.setBigInt64(24, BigInt(f.queue.messages.length), true);
  if (set) f.flags = (f.flags & ~O_NONBLOCK) | Number(set.getBigInt64(0, true));
  return a.ptr(2) !== 0 && t.mm.copyOut(a.ptr(2), new Uint8Array(old.buffer)) !== 0 ? -EFAULT : 0;
}
