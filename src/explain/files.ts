/** Why a file is not ready, and who could make it so. */
import { EventPoll } from '../../kernel/epoll/eventpoll.ts';
import { SignalFd } from '../../kernel/epoll/signalfd.ts';
import { TimerFd } from '../../kernel/epoll/timerfd.ts';
import { EventFd } from '../../kernel/fs/anon/eventfd.ts';
import { HostInputFile, HostOutputFile } from '../../kernel/fs/dev/host-stream.ts';
import { type File, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP } from '../../kernel/fs/file.ts';
import { PipeFile } from '../../kernel/fs/pipe/pipe-file.ts';
import { Pty, PtyMasterFile } from '../../kernel/fs/tty/pty.ts';
import { TtyFile } from '../../kernel/fs/tty/tty-file.ts';
import { Socket } from '../../kernel/net/socket.ts';
import { TcpSocket } from '../../kernel/net/tcp.ts';
import { UnixSocket } from '../../kernel/net/unix.ts';
import { PidFile } from '../../kernel/task/pidfd.ts';
import type { Task } from '../../kernel/task/task.ts';
import { signalName } from '../../kernel/trace/tables.ts';
import { fromBinary } from '../machine/guest-files.ts';
import type { FileWait, Holder, Waker } from './types.ts';
import type { World } from './world.ts';

/** What a task wants of a file: an operation, or a mask of POLL* events. */
export type Want = 'read' | 'write' | 'accept' | 'connect' | number;

/** A FileWait under way, and what follows from it. */
export interface Found {
  readonly wait: FileWait;
  readonly wakers: readonly Waker[];
  /** The wakers are all there are. */
  readonly complete: boolean;
  readonly outside: string | null;
  /** Monotonic nanoseconds at which it becomes ready by itself. */
  readonly due: number;
}

const POLL_NAMES: readonly (readonly [number, string])[] = [
  [POLLIN, 'POLLIN'], [POLLPRI, 'POLLPRI'], [POLLOUT, 'POLLOUT'], [POLLRDHUP, 'POLLRDHUP'],
]; // prettier-ignore

const READING = POLLIN | 0x40 | 0x80 | POLLPRI | POLLRDHUP;
const WRITING = POLLOUT | 0x100 | 0x200;

function wanted(want: Want): string {
  if (typeof want === 'string') return want;
  const names = POLL_NAMES.filter(([bit]) => (want & bit) !== 0).map(([, name]) => name);
  return names.length > 0 ? names.join('|') : 'no events';
}

/** "fd 4 of 1000, fd 5 of 1001" */
export function holdersText(holders: readonly Holder[]): string {
  if (holders.length === 0) return 'nobody';
  const shown = holders.slice(0, 4).map((h) => `${h.pid} (fd ${h.fd})`);
  if (holders.length > shown.length) shown.push(`${holders.length - shown.length} more`);
  return shown.join(', ');
}

/** `depth`: how many epoll files it lies inside. */
export function explainFile(world: World, t: Task, fd: number, file: File, want: Want, depth = 0): Found {
  const reads = want === 'read' || want === 'accept' || (typeof want === 'number' && (want & READING) !== 0);
  const writes =
    want === 'write' || want === 'connect' || (typeof want === 'number' && (want & WRITING) !== 0);
  const part = partOf(world, t, file, reads, writes, want, depth);
  const wait: FileWait = {
    type: 'file',
    fd,
    name: fromBinary(file.traceName?.() ?? file.name),
    kind: part.kind,
    wants: wanted(want),
    ready: part.ready ?? false,
    why: part.why,
    holders: part.holders ?? [],
    ...(part.members ? { members: part.members } : {}),
  };
  return {
    wait,
    wakers: part.wakers ?? [],
    complete: part.complete ?? false,
    outside: part.outside ?? null,
    due: part.due ?? Infinity,
  };
}

interface Part {
  readonly kind: FileWait['kind'];
  readonly why: string;
  readonly ready?: boolean;
  readonly holders?: readonly Holder[];
  readonly wakers?: readonly Waker[];
  readonly complete?: boolean;
  readonly outside?: string | null;
  readonly due?: number;
  readonly members?: readonly FileWait[];
}

function partOf(
  world: World,
  t: Task,
  file: File,
  reads: boolean,
  writes: boolean,
  want: Want,
  depth: number,
): Part {
  // prettier-ignore
  if (file instanceof PipeFile) return pipe(world, t, file, reads, writes);
  if (file instanceof EventPoll) return nested(world, t, file, depth);
  if (file instanceof EventFd) return eventfd(world, t, file, reads);
  if (file instanceof TimerFd) return timerfd(world, t, file);
  if (file instanceof SignalFd) return signalfd(t, file);
  if (file instanceof PidFile) return pidfd(world, file);
  if (file instanceof HostInputFile)
    return { kind: 'input', why: 'nothing has come yet', outside: `input on ${file.name}` };
  if (file instanceof HostOutputFile)
    return { kind: 'output', why: 'the host takes no more now', outside: `whoever reads ${file.name}` };
  if (file instanceof TtyFile) return terminal(world, t, file, reads);
  if (file instanceof PtyMasterFile) return ptyMaster(world, t, file, reads);
  if (file instanceof UnixSocket) return unixSocket(world, t, file, reads, writes, want);
  if (file instanceof TcpSocket) return tcpSocket(world, t, file, reads, writes, want);
  if (file instanceof Socket) return otherSocket(file, reads);
  return { kind: 'other', why: 'it is not ready' };
}

/** Threads of the processes that hold one of `files`, as those who could do `what` to it. */
function byHolders(world: World, files: Iterable<File>, t: Task, what: (fd: number) => string): Waker[] {
  const out = new Map<number, Waker>();
  for (const f of files) {
    for (const h of world.holders(f)) {
      for (const task of world.threadsOf(h.pid)) {
        if (task !== t && !out.has(task.tid)) out.set(task.tid, { tid: task.tid, by: what(h.fd) });
      }
    }
  }
  return [...out.values()];
}

const holdersOf = (world: World, files: Iterable<File>): Holder[] => {
  const out: Holder[] = [];
  for (const f of files) out.push(...world.holders(f));
  return out;
};

/** Somebody reads or writes where the waiter alone holds the other end: it waits for itself. */
const selfHeld = (t: Task, holders: readonly Holder[]): boolean =>
  holders.length > 0 && holders.every((h) => h.pid === t.pid);

function pipe(world: World, t: Task, file: PipeFile, reads: boolean, writes: boolean): Part {
  const { shared } = file;
  const reading = reads && file.readable;
  const other = [...shared.ends].filter((e) => (reading ? e.writable : e.readable));
  const holders = holdersOf(world, other);
  const name = fromBinary(file.name);
  const inTransit = other.length > 0 && holders.length === 0;
  const base = {
    kind: 'pipe',
    holders,
    complete: !inTransit,
    wakers: byHolders(world, other, t, (fd) => (reading ? `write to ${name} or close it (fd ${fd})` : `read from ${name} (fd ${fd})`)),
  } as const; // prettier-ignore
  const alone = selfHeld(t, holders) && t.group.live === 1 ? ', the reader itself,' : '';
  if (reading) {
    if (!shared.pipe.empty) return { ...base, ready: true, why: `${shared.pipe.bytes} bytes are in it` };
    if (shared.writers === 0)
      return { ...base, ready: true, why: 'it is empty and nobody writes to it any more' };
    return { ...base, why: `it is empty, and ${holdersText(holders)}${alone} can still write to it` };
  }
  if (!writes) return { ...base, why: 'no event it asks for' };
  if (!shared.pipe.full) return { ...base, ready: true, why: 'there is room' };
  return {
    ...base,
    why: `it is full (${shared.pipe.bytes} bytes); ${holdersText(holders)} can read from it`,
  };
}

function eventfd(world: World, t: Task, file: EventFd, reads: boolean): Part {
  const holders = world.holders(file);
  const wakers = byHolders(world, [file], t, (fd) => `${reads ? 'write to' : 'read from'} the eventfd (fd ${fd})`);
  if (reads) {
    return { kind: 'eventfd', ready: file.count > 0n, why: `its counter is ${file.count}`, holders, wakers, complete: true };
  }
  return { kind: 'eventfd', why: `its counter is ${file.count}: there is no room`, holders, wakers, complete: true };
} // prettier-ignore

function timerfd(world: World, t: Task, file: TimerFd): Part {
  const holders = world.holders(file);
  const wakers = byHolders(world, [file], t, (fd) => `set the timer (fd ${fd})`);
  if (file.poll() !== 0) return { kind: 'timerfd', ready: true, why: 'it has expired', holders };
  const { value } = file.get();
  if (value === 0n) return { kind: 'timerfd', why: 'it is not armed', holders, wakers, complete: true };
  const due = world.kernel.clock.monotonic() + Number(value);
  return { kind: 'timerfd', why: `it expires in ${durationText(Number(value))}`, holders, wakers, due };
}

function signalfd(t: Task, file: SignalFd): Part {
  const pending = (t.pending.mask | t.group.pending.mask) & file.mask;
  const names = signalNames(file.mask).join(', ');
  return {
    kind: 'signalfd',
    ready: pending !== 0n,
    why: pending !== 0n ? 'a signal is pending' : `none of ${names || 'its signals'} is pending`,
  };
}

function pidfd(world: World, file: PidFile): Part {
  const { group } = file;
  return {
    kind: 'pidfd',
    ready: group.live === 0,
    why: group.live === 0 ? `process ${group.pid} has ended` : `process ${group.pid} has not ended`,
    wakers: world.threads(group).map((x) => ({ tid: x.tid, by: 'end' })),
    complete: true,
  };
}

function terminal(world: World, t: Task, file: TtyFile, reads: boolean): Part {
  const { driver, name, stopped } = file.tty;
  if (driver instanceof Pty) {
    const holders = world.holders(driver.master);
    const wakers = byHolders(world, [driver.master], t, (fd) => `${reads ? 'type on' : 'read from'} ${name} (fd ${fd})`);
    const why = reads ? 'nothing was typed' : 'its master does not read';
    return { kind: 'terminal', why: `${why}; ${holdersText(holders)} has its master`, holders, wakers, complete: true };
  }
  if (reads) return { kind: 'terminal', why: 'nothing was typed', outside: `input from the terminal (${name})` };
  return { kind: 'terminal', why: stopped ? 'its output is stopped (^S)' : 'it takes no more now', outside: `the terminal (${name})` };
} // prettier-ignore

function ptyMaster(world: World, t: Task, file: PtyMasterFile, reads: boolean): Part {
  const slaves = [...file.tty.files];
  const holders = holdersOf(world, slaves);
  const wakers = byHolders(world, slaves, t, (fd) => `${reads ? 'write to' : 'read from'} ${file.tty.name} (fd ${fd})`);
  const why = reads ? 'nothing was written to the terminal' : 'the terminal takes no more input';
  return { kind: 'terminal', why: `${why}; ${holdersText(holders)} has it open`, holders, wakers, complete: slaves.length > 0 };
} // prettier-ignore

function stream(
  world: World,
  t: Task,
  file: Socket,
  peer: Socket | null,
  reads: boolean,
  writes: boolean,
): Part {
  // prettier-ignore
  const holders = peer ? world.holders(peer) : [];
  const wakers = peer
    ? byHolders(
        world,
        [peer],
        t,
        (fd) => `${reads ? 'send on or close' : 'receive from'} ${peer.name} (fd ${fd})`,
      )
    : [];
  const at =
    peer === null ? 'it is not connected' : `the other end is ${peer.name}, held by ${holdersText(holders)}`;
  const ready = (file.poll() & ((reads ? READING : 0) | (writes ? WRITING : 0) | POLLERR | POLLHUP)) !== 0;
  const why = ready
    ? 'it is ready'
    : reads
      ? `nothing was received; ${at}`
      : `there is no room to send; ${at}`;
  // Descriptors under way in messages are nobody's: then these are not all.
  return { kind: 'socket', ready, why, holders, wakers, complete: peer !== null && holders.length > 0 };
}

const ACCEPTING = 'no connection waits to be accepted';

function unixSocket(
  world: World,
  t: Task,
  file: UnixSocket,
  reads: boolean,
  writes: boolean,
  want: Want,
): Part {
  // prettier-ignore
  if (file.listening) return { kind: 'listener', ready: file.queue.length > 0, why: ACCEPTING };
  if (want === 'connect') return { kind: 'socket', why: "the listener's queue is full" };
  return stream(world, t, file, file.peer, reads, writes);
}

function tcpSocket(
  world: World,
  t: Task,
  file: TcpSocket,
  reads: boolean,
  writes: boolean,
  want: Want,
): Part {
  // prettier-ignore
  if (file.listening) {
    return { kind: 'listener', ready: file.pending.length > 0, why: ACCEPTING, outside: world.connects === null ? null : `${world.connects} to ${file.traceName()}` };
  }
  if (want === 'connect') return { kind: 'socket', why: 'the connection is not established' };
  if (file.peer !== null && !(file.peer instanceof TcpSocket)) {
    const ready = (file.poll() & ((reads ? READING : 0) | (writes ? WRITING : 0) | POLLERR | POLLHUP)) !== 0;
    return { kind: 'socket', ready, why: ready ? 'it is ready' : reads ? 'nothing was received from the host' : 'the host takes no more now', outside: 'the other end of a connection to the host' }; // prettier-ignore
  }
  return stream(world, t, file, file.peer, reads, writes);
}

function otherSocket(file: Socket, reads: boolean): Part {
  const ready = (file.poll() & (reads ? READING : WRITING)) !== 0;
  return { kind: 'socket', ready, why: ready ? 'it is ready' : reads ? 'nothing was received' : 'there is no room to send' };
} // prettier-ignore

/** An epoll file inside an epoll set (or poll's): ready when one of its members is. */
function nested(world: World, t: Task, file: EventPoll, depth: number): Part {
  const set = explainSet(world, t, file, depth + 1);
  return {
    kind: 'epoll',
    ready: set.members.some((m) => m.ready),
    why:
      set.members.length === 0 ? 'it watches nothing' : `none of its ${set.members.length} members is ready`,
    members: set.members,
    wakers: set.wakers,
    complete: set.complete,
    outside: set.outside,
    due: set.due,
  };
}

/** Deepest nesting of epoll files that is followed (Linux allows four). */
const DEPTH = 5;
/** Bits of an epoll item that say how to report, and EPOLLONESHOT's "disabled". */
const HOW = 0xf0000000 | 0;

export interface FoundSet {
  readonly members: readonly FileWait[];
  readonly wakers: readonly Waker[];
  readonly complete: boolean;
  readonly outside: string | null;
  readonly due: number;
}

/** The members of an epoll set and why none of them is ready. */
export function explainSet(world: World, t: Task, ep: EventPoll, depth = 0): FoundSet {
  const found: Found[] = [];
  if (depth < DEPTH) {
    for (const item of ep.list()) {
      const events = item.events & ~HOW;
      const f = explainFile(world, t, item.fd, item.file, events & ~(POLLERR | POLLHUP), depth);
      const disabled = events === 0 ? 'it is disabled until EPOLL_CTL_MOD (EPOLLONESHOT)' : null;
      // Nobody reaches the file by this number any more, and yet it is watched: a classic.
      const stale =
        t.fds.get(item.fd) === item.file
          ? null
          : `descriptor ${item.fd} is another file or closed now, but its old file is still open elsewhere`;
      const edge =
        (item.events & 0x80000000) !== 0 && f.wait.ready
          ? 'it is ready, but EPOLLET reported that already'
          : null;
      const why = disabled ?? edge ?? f.wait.why;
      found.push({
        ...f,
        wait: { ...f.wait, why: stale === null ? why : `${why}; ${stale}`, ready: disabled === null && edge === null && f.wait.ready },
        ...(disabled !== null ? { wakers: [], complete: true, outside: null, due: Infinity } : {}),
      }); // prettier-ignore
    }
  }
  return { members: found.map((f) => f.wait), ...together(found) };
}

/** Any of several files would do. */
export function together(found: readonly Found[]): Omit<FoundSet, 'members'> {
  const wakers = new Map<number, Waker>();
  for (const f of found) for (const w of f.wakers) if (!wakers.has(w.tid)) wakers.set(w.tid, w);
  return {
    wakers: [...wakers.values()],
    complete: found.every((f) => f.complete),
    outside: found.find((f) => f.outside !== null)?.outside ?? null,
    due: Math.min(Infinity, ...found.map((f) => f.due)),
  };
}

export function signalNames(mask: bigint): string[] {
  const out: string[] = [];
  for (let n = 1; n <= 64; n++) if ((mask >> BigInt(n - 1)) & 1n) out.push(signalName(n));
  return out.length > 32 ? [] : out;
}

/** "1.5 s", "20 ms", "7 µs", "40 ns". */
export function durationText(ns: number): string {
  const short = (n: number): string => String(Math.round(n * 100) / 100);
  if (ns >= 1e9) return `${short(ns / 1e9)} s`;
  if (ns >= 1e6) return `${short(ns / 1e6)} ms`;
  return ns >= 1e3 ? `${short(ns / 1e3)} µs` : `${Math.round(ns)} ns`;
}
