/** What one task waits for. */
import { EventPoll } from '../../kernel/epoll/eventpoll.ts';
import { type File, POLLIN, POLLOUT, POLLPRI } from '../../kernel/fs/file.ts';
import { F_RDLCK, F_WRLCK } from '../../kernel/fs/locks.ts';
import { PipeFile } from '../../kernel/fs/pipe/pipe-file.ts';
import { FutexWaiter } from '../../kernel/futex/futex.ts';
import { FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_WAIT_REQUEUE_PI } from '../../kernel/futex/syscalls.ts';
import { A64_REG, REG } from '../../kernel/ports.ts';
import { PidFile } from '../../kernel/task/pidfd.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { ThreadGroup } from '../../kernel/task/thread-group.ts';
import { callEntry } from '../../kernel/trace/call-text.ts';
import type { Park } from '../../kernel/wait.ts';
import { fromBinary } from '../machine/guest-files.ts';
import { explainFile, explainSet, signalNames, together, type Found, type Want } from './files.ts';
import { ownerOf } from './futex-owner.ts';
import type { ChildWait, FutexWait, LockWait, TaskReport, Wait, Waker } from './types.ts';
import type { World } from './world.ts';

const P_PID = 1;
const P_PGID = 2;
const P_PIDFD = 3;
const FUTEX_COMMAND = 0x7f;
/** A thread's own descriptor lies this near its thread pointer (musl keeps what pthread_join waits on there). */
const DESCRIPTOR = 0x200;

interface Why {
  readonly waits: readonly Wait[];
  readonly wakers: readonly Waker[];
  readonly complete: boolean;
  readonly outside: string | null;
  /** When it could end by itself, beside the call's own deadline. */
  readonly due?: number;
}

const NOTHING: Why = { waits: [], wakers: [], complete: false, outside: null };

export function explainTask(world: World, t: Task): TaskReport {
  const running = world.kernel.scheduler.current === t;
  const state = t.state === 'parked' ? 'waiting' : t.state === 'runnable' ? (running ? 'running' : 'runnable') : t.state;
  const why = t.state === 'stopped' ? stopped() : t.state === 'parked' && t.parked ? explainPark(world, t, t.parked) : NOTHING;
  const { row, args } = t;
  const gone = t.state === 'zombie' || t.state === 'dead';
  const deadline = Math.min(t.state === 'parked' ? (t.parked?.deadline ?? Infinity) : Infinity, why.due ?? Infinity);
  return {
    tid: t.tid,
    pid: t.pid,
    name: fromBinary(t.comm),
    state: state === 'dead' ? 'zombie' : state,
    call: row === null || gone || t.parked === null ? null : {
      name: row.name, nr: t.nr, args: [0, 1, 2, 3, 4, 5].map((i) => args.big(i)), text: callText(t),
    },
    pc: gone ? { address: 0, symbol: null } : world.symbols.place(t, t.regs.pc),
    instructions: t.retired,
    waits: why.waits,
    timeLeft: deadline === Infinity ? null : Math.max(0, deadline - world.kernel.clock.monotonic()),
    wakers: why.wakers,
    complete: why.complete,
    outside: why.outside,
  };
} // prettier-ignore

/** `futex(0x4c7300, FUTEX_WAIT_PRIVATE, 2, NULL)`; what the kernel would fill in is left out. */
function callText(t: Task): string {
  const text = callEntry(t);
  return text.endsWith(', ') ? `${text}…)` : `${text})`;
}

const stopped = (): Why => ({
  ...NOTHING,
  waits: [{ type: 'signal', signals: ['SIGCONT'] }],
});

function explainPark(world: World, t: Task, parked: Park): Why {
  if (parked instanceof FutexWaiter) return futex(world, t, [parked]);
  const name = t.row?.name ?? '';
  if (name === 'futex_waitv') return futex(world, t, (parked.data as { members: FutexWaiter[] }).members);
  const queue = parked.on.length === 1 ? parked.on[0] : null;
  if (queue !== null && queue === t.group.childEvents) return children(world, t);
  if (queue?.what.startsWith('vfork child')) return vfork(world, t, parked);
  if (queue?.what === 'file lock') return lock(world, t);
  if (name === 'rt_sigtimedwait') return forSignal(world, t, signalNames(parked.data as bigint));
  if (name === 'pause' || name === 'rt_sigsuspend') return forSignal(world, t, []);
  if (queue?.what === 'epoll_wait') return epoll(world, t, t.args.i32(0));
  const files = filesOf(t, parked);
  if (name === 'poll' || name === 'ppoll' || name === 'select' || name === 'pselect6') {
    if (files.length > 0)
      return several(files.map(({ fd, file, want }) => explainFile(world, t, fd, file, want)));
    return parked.deadline === Infinity ? forSignal(world, t, []) : timeOnly();
  }
  if (files.length > 0)
    return several(files.map(({ fd, file, want }) => explainFile(world, t, fd, file, want)));
  const what = parked.on.map((q) => q.what).filter((w) => w !== 'clock change');
  if (what.length === 0) return parked.deadline === Infinity ? forSignal(world, t, []) : timeOnly();
  const wakers = world.living.filter((o) => o !== t).map((o) => ({ tid: o.tid, by: 'use it' }));
  return { waits: what.map((w) => ({ type: 'queue', what: w })), wakers, complete: true, outside: null };
}

const timeOnly = (): Why => ({ ...NOTHING, waits: [{ type: 'time' }], complete: true });

/** Anybody may send one: from outside too, or, in a closed world, only the others. */
function forSignal(world: World, t: Task, signals: readonly string[]): Why {
  const waits: readonly Wait[] = [{ type: 'signal', signals }];
  if (!world.closed) return { ...NOTHING, waits };
  const wakers = world.living.filter((o) => o !== t).map((o) => ({ tid: o.tid, by: 'send it' }));
  return { ...NOTHING, waits, wakers, complete: true };
}

const several = (found: readonly Found[]): Why => ({ waits: found.map((f) => f.wait), ...together(found) });

/** The files whose queues it is on, and what it wants of them. */
function filesOf(t: Task, parked: Park): { fd: number; file: File; want: Want }[] {
  const name = t.row?.name ?? '';
  if (name === 'poll' || name === 'ppoll') return polled(t);
  if (name === 'select' || name === 'pselect6') return selected(t);
  const out: { fd: number; file: File; want: Want }[] = [];
  const open = new Map<unknown, { fd: number; file: File }>();
  // The descriptor the call names comes first: others may be copies of it.
  for (const fd of [t.args.i32(0), t.args.i32(1), t.args.i32(2), ...t.fds.list()]) {
    const file = t.fds.get(fd);
    if (file && !open.has(file.waiters)) open.set(file.waiters, { fd, file });
  }
  for (const q of parked.on) {
    const found = open.get(q);
    if (found) out.push({ ...found, want: wantOf(name, found.file) });
  }
  return out;
}

function wantOf(name: string, file: File): Want {
  if (name.startsWith('accept')) return 'accept';
  if (name === 'connect') return 'connect';
  if (/^(p?write|send(to|msg|mmsg)|vmsplice)/.test(name)) return 'write';
  // splice and its like wait for whichever side is not ready: a pipe's end says which.
  if (/^(splice|tee|sendfile)/.test(name) && file instanceof PipeFile)
    return file.readable ? 'read' : 'write';
  if (name === 'sendfile') return 'write';
  return 'read';
}

function polled(t: Task): { fd: number; file: File; want: Want }[] {
  const out: { fd: number; file: File; want: Want }[] = [];
  const n = Math.min(t.args.u32(1), 1024);
  const v = n === 0 ? null : t.mm.viewIn(t.args.ptr(0), n * 8);
  if (v === null) return out;
  for (let i = 0; i < n; i++) {
    const fd = v.getInt32(8 * i, true);
    const file = fd < 0 ? undefined : t.fds.opened(fd);
    if (file) out.push({ fd, file, want: v.getUint16(8 * i + 4, true) });
  }
  return out;
}

function selected(t: Task): { fd: number; file: File; want: Want }[] {
  const out: { fd: number; file: File; want: Want }[] = [];
  const n = Math.min(Math.max(t.args.i32(0), 0), 1024);
  const size = Math.ceil(n / 64) * 8;
  const sets = [1, 2, 3].map((i) => (t.args.ptr(i) === 0 || size === 0 ? null : t.mm.copyIn(t.args.ptr(i), size)));
  const bits = [POLLIN, POLLOUT, POLLPRI];
  for (let fd = 0; fd < n; fd++) {
    let want = 0;
    sets.forEach((s, i) => {
      if (s && s[fd >> 3] & (1 << (fd & 7))) want |= bits[i];
    });
    const file = want === 0 ? undefined : t.fds.opened(fd);
    if (file) out.push({ fd, file, want });
  }
  return out;
} // prettier-ignore

function epoll(world: World, t: Task, fd: number): Why {
  const ep = t.fds.opened(fd);
  if (!(ep instanceof EventPoll)) return { ...NOTHING, waits: [{ type: 'epoll', fd, members: [] }] };
  const set = explainSet(world, t, ep);
  // Who shares the epoll file could also add members to it.
  const others = world.holders(ep).flatMap((h) => world.threadsOf(h.pid)).filter((o) => o !== t);
  const complete = set.complete && others.length === 0;
  return { waits: [{ type: 'epoll', fd, members: set.members }], wakers: set.wakers, complete, outside: set.outside, due: set.due };
} // prettier-ignore

function children(world: World, t: Task): Why {
  const eligible = [...t.group.children].filter(chooser(t));
  const waits: ChildWait = {
    type: 'children',
    children: eligible.map((g) => ({
      pid: g.pid,
      name: fromBinary(g.leader.comm),
      state: g.stopped ? 'stopped' : 'alive',
    })),
  };
  const wakers = eligible.flatMap((g) => world.threads(g).map((x) => ({ tid: x.tid, by: 'end' })));
  return { waits: [waits], wakers, complete: true, outside: null };
}

/** Which children wait4 or waitid is for. */
function chooser(t: Task): (g: ThreadGroup) => boolean {
  const a = t.args;
  const first = a.i32(0);
  if (t.row?.name !== 'waitid') {
    if (first === -1) return () => true;
    if (first > 0) return (g) => g.pid === first;
    const pgrp = first === 0 ? t.group.pgrp : -first;
    return (g) => g.pgrp === pgrp;
  }
  const id = a.i32(1);
  if (first === P_PID) return (g) => g.pid === id;
  if (first === P_PGID) return (g) => g.pgrp === (id === 0 ? t.group.pgrp : id);
  if (first === P_PIDFD) {
    const file = t.fds.opened(id);
    return (g) => file instanceof PidFile && file.group === g;
  }
  return () => true;
}

function vfork(world: World, t: Task, parked: Park): Why {
  const child = parked.data as number;
  const task = world.kernel.processes.tasks.get(child);
  const wakers = task ? world.threads(task.group).map((x) => ({ tid: x.tid, by: 'call execve or end' })) : [];
  return { waits: [{ type: 'vfork', child }], wakers, complete: true, outside: null };
}

function lock(world: World, t: Task): Why {
  const fd = t.args.i32(0);
  const file = t.fds.opened(fd);
  const locks = file?.inode?.locks;
  const pids = new Set<number>();
  if (file && locks) {
    if (t.row?.name === 'flock') {
      const shared = (t.args.u32(1) & 1) !== 0;
      for (const [holder, l] of locks.flocks) {
        if (holder === file || (shared && l.type === F_RDLCK)) continue;
        const holders = world.holders(holder);
        for (const h of holders) pids.add(h.pid);
        if (holders.length === 0) pids.add(l.pid);
      }
    } else {
      const want = t.mm.viewIn(t.args.ptr(2), 2)?.getInt16(0, true) ?? F_WRLCK;
      const data = t.parked!.data as { owner: unknown; blocker: unknown } | undefined;
      for (const r of locks.records) {
        if (
          r.owner !== data?.blocker &&
          (r.owner === data?.owner || (want === F_RDLCK && r.type === F_RDLCK))
        )
          continue;
        if (r.owner !== data?.blocker) continue;
        for (const other of world.living) if (other.fds === r.owner) pids.add(other.pid);
        if (r.pid < 0) for (const h of world.holders(r.owner as File)) pids.add(h.pid);
      }
    }
  }
  const wait: LockWait = { type: 'lock', fd, name: fromBinary(file?.name ?? '?'), heldBy: [...pids] };
  const wakers = [...pids].flatMap((pid) =>
    world.threadsOf(pid).filter((x) => x !== t).map((x) => ({ tid: x.tid, by: 'unlock the file' })),
  ); // prettier-ignore
  return { waits: [wait], wakers, complete: pids.size > 0, outside: null };
}

function futex(world: World, t: Task, waiters: readonly FutexWaiter[]): Why {
  const parts = waiters.map((w) => oneFutex(world, t, w, waiters.length > 1));
  const wakers = new Map<number, Waker>();
  for (const p of parts) for (const w of p.wakers) if (!wakers.has(w.tid)) wakers.set(w.tid, w);
  return {
    waits: parts.map((p) => p.wait),
    wakers: [...wakers.values()],
    complete: parts.every((p) => p.complete),
    outside: null,
  };
}

function oneFutex(
  world: World,
  t: Task,
  w: FutexWaiter,
  several: boolean,
): { wait: FutexWait; wakers: Waker[]; complete: boolean } {
  // prettier-ignore
  const command = several ? 0 : t.args.i32(1) & FUTEX_COMMAND;
  const moved = w.pi !== null && command === FUTEX_WAIT_REQUEUE_PI;
  const address = moved ? w.piAddress : w.data.futex;
  const compares = !several && command !== FUTEX_LOCK_PI && command !== FUTEX_LOCK_PI2 && !moved;
  const expected = compares ? t.args.u32(2) : null;
  const value = t.mm.u32(address);
  const shared = w.space === world.kernel.futexes.sharedSpace;
  // A requeue puts it on another futex than it named: then the word it named tells nothing.
  const requeued = !shared && typeof w.at === 'number' && w.space !== null && w.at !== w.data.futex && !moved;
  const at = requeued ? (w.at as number) : address;
  const word = requeued ? t.mm.u32(at) : value;
  const holder = ownerOf(w, t, at, requeued ? word : expected);
  const owner = typeof holder === 'number' ? null : holder;
  const ender = owner === null ? threadEnding(t, at) : null;
  const others = w.space === null ? [] : world.kernel.futexes.waiters(w.space, w.at).filter((o) => o !== w);
  const wait: FutexWait = {
    type: 'futex',
    ...world.symbols.place(t, at),
    shared,
    value: word < 0 ? null : word,
    expected: requeued ? null : expected,
    bitset: w.bitset,
    owner,
    abandonedBy: typeof holder === 'number' ? holder : null,
    endOf: ender?.tid ?? null,
    others: others.map((o) => o.task.tid),
  };
  if (owner !== null) return { wait, wakers: [{ tid: owner.tid, by: 'unlock it' }], complete: true };
  if (ender !== null) return { wait, wakers: [{ tid: ender.tid, by: 'end' }], complete: true };
  // Whoever has the word in memory could.
  const wakers = world.living.filter(
    (o) => o !== t && (o.mm === t.mm || (shared && o.mm.futexKey(at) === w.at)),
  );
  return { wait, wakers: wakers.map((o) => ({ tid: o.tid, by: 'wake it' })), complete: !shared };
}

/** The thread at whose end the word is cleared and woken, if it is one thread's alone. */
function threadEnding(t: Task, address: number): Task | null {
  let found: Task | null = null;
  for (const o of t.group.tasks) {
    if (o.clearChildTid !== address || o.state === 'zombie' || o.state === 'dead') continue;
    if (found !== null) return null;
    found = o;
  }
  return found ?? descriptorOwner(t, address);
}

/** musl: pthread_join waits on a field of the thread's descriptor. */
function descriptorOwner(t: Task, address: number): Task | null {
  for (const o of t.group.tasks) {
    if (o === t || o.state === 'zombie' || o.state === 'dead') continue;
    const pointer = Number(o.regs.get(o.regs.arch === 'x86_64' ? REG.fs_base : A64_REG.tpidr));
    const distance = o.regs.arch === 'x86_64' ? address - pointer : pointer - address;
    if (distance >= 0 && distance < DESCRIPTOR) return o;
  }
  return null;
}
