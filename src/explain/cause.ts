/**
 * Finds what is wrong among waiting tasks. A task is *stuck* when everybody who could end its wait is stuck: the largest
 * such set. Inside it, arrows lead from each task to those who could wake it; where they end is the cause: a circle, or a
 * task nobody is left to wake.
 */
import { durationText } from './files.ts';
import type { FileWait, FutexWait, Livelock, TaskReport, Verdict, Wait } from './types.ts';

export interface Cause {
  readonly verdict: Verdict;
  readonly cause: string;
  readonly involved: readonly number[];
}

/** `closed`: nobody is outside. */
export function findCause(tasks: readonly TaskReport[], livelock: Livelock | null, closed = false): Cause {
  const live = tasks.filter((t) => t.state !== 'zombie');
  if (livelock !== null) return livelockCause(livelock, live);
  const stuck = stuckTasks(live, closed);
  const found = stuck.size > 0 ? stuckCause(stuck) : null;
  const active = live.filter((t) => t.state === 'running' || t.state === 'runnable');
  // Threads that wait for each other are worth telling whatever else goes on; one that could be woken by nobody is often a
  // process's own business (a parent that never closed its end) unless nothing else can run.
  if (found !== null && (active.length === 0 || found.verdict === 'deadlock')) return found;
  if (active.length > 0) return running(active, live);
  return nothingRuns(live);
}

/** The largest set of waiting tasks all of whose wakers are in it. */
function stuckTasks(live: readonly TaskReport[], closed: boolean): Map<number, TaskReport> {
  const stuck = new Map<number, TaskReport>();
  for (const t of live) {
    if (t.state !== 'waiting' || t.timeLeft !== null || (t.outside !== null && !closed)) continue;
    if (
      t.waits.length === 0 ||
      t.waits.some((w) => w.type === 'time' || (w.type === 'signal' && !t.complete))
    )
      continue;
    // Whoever else might be meant: while anybody runs, it could be them.
    if (!t.complete && live.some((o) => o !== t && o.state !== 'waiting')) continue;
    stuck.set(t.tid, t);
  }
  for (let changed = true; changed;) {
    changed = false;
    for (const t of stuck.values()) {
      const open = t.wakers.some((w) => !stuck.has(w.tid));
      const unknown = !t.complete && live.some((o) => o !== t && !stuck.has(o.tid));
      if (!open && !unknown) continue;
      stuck.delete(t.tid);
      changed = true;
    }
  }
  return stuck;
}

/** Wakers that are known to be meant: a futex's owner, the end of a thread, a pipe's other end; not "anybody who could". */
function certainWakers(t: TaskReport): readonly number[] {
  if (!t.complete) return [];
  if (
    t.waits.some(
      (w) =>
        w.type === 'queue' ||
        w.type === 'signal' ||
        (w.type === 'futex' && w.owner === null && w.endOf === null),
    )
  )
    return [];
  return t.wakers.map((w) => w.tid);
}

function stuckCause(stuck: Map<number, TaskReport>): Cause {
  const components = sinks(stuck);
  const circle = components.find((c) => c.length > 1);
  if (circle) return circleCause(circle.map((tid) => stuck.get(tid)!));
  // What is idle, and not in anybody's way, waits for the outside: others wait for it to have something to do.
  const idle = [...stuck.values()].filter((t) => t.outside !== null);
  if (idle.length > 0) {
    const waiting = `${outsideText(idle)}, where nobody is`;
    return { verdict: 'outside', cause: waiting, involved: idle.map((t) => t.tid) };
  }
  const roots = components.map((c) => stuck.get(c[0])!);
  const rank = (t: TaskReport): number =>
    changedWord(t) ? 0 : t.waits.some((w) => w.type === 'futex') ? 1 : 2;
  const root = [...roots].sort((a, b) => rank(a) - rank(b) || a.tid - b.tid)[0];
  const locked = roots.filter((r) => heldLock(r) !== undefined);
  if (locked.includes(root)) return locksCause(locked, stuck.size);
  const also = roots.length - 1;
  const cause = rootCause(root, stuck.size - also);
  const like = roots.filter((r) => r !== root).map((r) => r.tid);
  const more = also > 0 ? ` (and so ${also === 1 ? 'does' : 'do'} ${list(like.map(String))})` : '';
  return { ...cause, cause: cause.cause + more };
}

/** Strongly connected components from which no arrow leads out (Tarjan's algorithm), in order of their lowest tid. */
function sinks(stuck: Map<number, TaskReport>): number[][] {
  const order = new Map<number, number>();
  const low = new Map<number, number>();
  const stack: number[] = [];
  const component = new Map<number, number>();
  const components: number[][] = [];
  const visit = (tid: number): void => {
    order.set(tid, order.size);
    low.set(tid, order.get(tid)!);
    stack.push(tid);
    for (const to of certainWakers(stuck.get(tid)!)) {
      if (!order.has(to)) {
        visit(to);
        low.set(tid, Math.min(low.get(tid)!, low.get(to)!));
      } else if (!component.has(to)) low.set(tid, Math.min(low.get(tid)!, order.get(to)!));
    }
    if (low.get(tid) !== order.get(tid)) return;
    const members = stack.splice(stack.indexOf(tid));
    for (const m of members) component.set(m, components.length);
    components.push(members);
  };
  for (const tid of [...stuck.keys()].sort((a, b) => a - b)) if (!order.has(tid)) visit(tid);
  return components
    .filter((c, i) => c.every((tid) => certainWakers(stuck.get(tid)!).every((to) => component.get(to) === i)))
    .map((c) => c.sort((a, b) => a - b))
    .sort((a, b) => a[0] - b[0]);
}

const who = (t: TaskReport): string => `${t.tid} (${t.name})`;

function list(items: readonly string[]): string {
  if (items.length > 6) return `${items.slice(0, 5).join(', ')} and ${items.length - 5} more`;
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

function circleCause(tasks: readonly TaskReport[]): Cause {
  const inside = new Set(tasks.map((t) => t.tid));
  const parts = tasks.map((t) => {
    const from = t.wakers.filter((w) => inside.has(w.tid)).map((w) => String(w.tid));
    return `${t.tid} for ${waitText(t)}${heldText(t, from)}`;
  });
  const shown = parts.length > 4 ? [...parts.slice(0, 4), `${parts.length - 4} more`] : parts;
  return {
    verdict: 'deadlock',
    cause: `deadlock: ${list(tasks.map(who))} wait for each other: ${shown.join('; ')}`,
    involved: tasks.map((t) => t.tid),
  };
}

/** ", which 1002 holds", where the wait's own text does not say it. */
function heldText(t: TaskReport, from: readonly string[]): string {
  const w = t.waits[0];
  if (w.type === 'futex' && w.owner !== null) return `, which ${w.owner.tid} holds`;
  if (w.type === 'lock')
    return `, which ${list(w.heldBy.map(String))} ${w.heldBy.length > 1 ? 'hold' : 'holds'}`;
  if (w.type === 'file' || w.type === 'epoll') return `, which only ${list(from)} could make ready`;
  return '';
}

export const placeText = (p: { address: number; symbol: string | null }): string =>
  `0x${p.address.toString(16)}${p.symbol === null ? '' : ` (${p.symbol})`}`;

/** "the mutex at 0x4c7300 (queue_lock)", "data on pipe:[5]", "the end of thread 1001". */
function waitText(t: TaskReport): string {
  const w: Wait = t.waits[0];
  switch (w.type) {
    case 'futex':
      if (w.endOf !== null) return `the end of thread ${w.endOf}`;
      return `the ${w.owner === null && w.abandonedBy === null ? 'futex' : 'mutex'} at ${placeText(w)}`;
    case 'file':
      return `${fileVerb(w)} ${w.name}${w.fd < 0 ? '' : ` (fd ${w.fd})`}${t.waits.length > 1 ? ` or ${t.waits.length - 1} more` : ''}`;
    case 'epoll':
      return w.members.length === 0
        ? `an event of an empty epoll set (fd ${w.fd})`
        : `an event of ${list(w.members.map((m) => m.name))} (epoll fd ${w.fd})`;
    case 'children':
      return `the end of ${w.children.length === 1 ? `process ${w.children[0].pid}` : `its children ${list(w.children.map((c) => String(c.pid)))}`}`;
    case 'lock':
      return `a lock on ${w.name}`;
    case 'vfork':
      return `the execve or end of ${w.child}`;
    case 'signal':
      return w.signals.length > 0 && w.signals.length < 4 ? list(w.signals) : 'a signal';
    case 'time':
      return 'time to pass';
    case 'queue':
      return queueText(w.what);
  }
} // prettier-ignore

/** A wait queue's name as people would say what one waits for there. */
export function queueText(what: string): string {
  const m = /^(semaphore|message of queue|open of) (.+)$/.exec(what);
  switch (m?.[1] ?? what) {
    case 'semaphore':
      return `System V semaphores ${m![2]}`;
    case 'message of queue':
      return `a message in System V queue ${m![2]}`;
    case 'message queue':
      return 'room in a System V message queue';
    case 'message queue receive':
      return 'a message in a POSIX queue';
    case 'message queue send':
      return 'room in a POSIX message queue';
    case 'open of':
      return `somebody to open the other end of ${m![2]}`;
    default:
      return `the ${what}`;
  }
}

/** "and nobody is left who could …" */
function remedy(w: Wait): string {
  if (w.type === 'lock') return 'unlock it';
  if (w.type === 'epoll') return 'make one happen';
  if (w.type === 'file') {
    if (w.wants === 'accept') return 'connect to it';
    if (w.wants === 'connect') return 'accept it';
    if (w.wants === 'write') return 'make some';
    return w.wants === 'read' && w.kind !== 'eventfd' && w.kind !== 'timerfd' ? 'send any' : 'make it ready';
  }
  if (w.type !== 'queue') return 'bring it';
  if (w.what.startsWith('semaphore')) return 'raise them';
  if (w.what.startsWith('open of')) return 'do so';
  if (w.what === 'message queue' || w.what === 'message queue send') return 'make some';
  return w.what.startsWith('message') ? 'send one' : 'bring it';
}

function fileVerb(w: FileWait): string {
  if (w.wants === 'write') return 'room in';
  if (w.wants === 'accept') return 'a connection to';
  if (w.wants === 'connect') return 'the connection of';
  return w.wants === 'read' ? 'data on' : `${w.wants} of`;
}

const changedWord = (t: TaskReport): FutexWait | undefined =>
  t.waits.find(
    (w): w is FutexWait =>
      w.type === 'futex' && w.owner === null && w.value !== null && w.expected !== null && w.value !== w.expected,
  ); // prettier-ignore

/** The word of a normal mutex of musl that is taken and waited for: EBUSY, and that there are waiters. */
const MUSL_TAKEN = 0x80000010;

/** It sleeps on a lock that does not say who holds it. */
const heldLock = (t: TaskReport): FutexWait | undefined =>
  t.waits.find(
    (w): w is FutexWait =>
      w.type === 'futex' && w.owner === null && w.endOf === null && w.value === MUSL_TAKEN && w.expected === MUSL_TAKEN,
  ); // prettier-ignore

function locksCause(tasks: readonly TaskReport[], stuck: number): Cause {
  const parts = tasks.slice(0, 4).map((t) => `${who(t)} on the lock at ${placeText(heldLock(t)!)}`);
  if (tasks.length > 4) parts.push(`${tasks.length - 4} more`);
  const rest = stuck - tasks.length;
  const waiting = rest > 0 ? `; ${rest} more ${rest > 1 ? 'wait' : 'waits'} in vain with ${tasks.length > 1 ? 'them' : 'it'}` : ''; // prettier-ignore
  const says = tasks.length > 1 ? 'these locks do not say who holds them' : 'it does not say who holds it';
  return {
    verdict: 'deadlock',
    cause: `deadlock: nobody is left who could unlock what others sleep on: ${list(parts)} (${says})${waiting}`,
    involved: tasks.map((t) => t.tid),
  };
}

/** `stuck`: how many wait for it, itself included. */
function rootCause(t: TaskReport, stuck: number): Cause {
  const involved = [t.tid];
  const waiting = stuck > 1 ? `; ${stuck - 1} more ${stuck > 2 ? 'wait' : 'waits'} in vain with it` : '';
  const self = (held: string): Cause => ({
    verdict: 'deadlock',
    cause: `deadlock: ${who(t)} waits for itself: for ${waitText(t)}, ${held}${waiting}`,
    involved,
  });
  const changed = changedWord(t);
  if (changed) {
    return {
      verdict: 'lost-wakeup',
      cause:
        `lost wakeup: the futex at ${placeText(changed)} holds ${changed.value}, ${who(t)} went to sleep when it held ` +
        `${changed.expected}, and nobody who could wake it can run any more${waiting}`,
      involved,
    };
  }
  const futex = t.waits.find((w) => w.type === 'futex');
  if (futex?.owner?.tid === t.tid) return self('which it holds already');
  if (futex && futex.abandonedBy !== null) {
    return {
      verdict: 'deadlock',
      cause: `deadlock: ${who(t)} waits for ${waitText(t)}, which ${futex.abandonedBy} held when it ended: nobody is left who could unlock it${waiting}`,
      involved,
    };
  }
  if (futex) {
    return {
      verdict: 'lost-wakeup',
      cause:
        `lost wakeup: ${who(t)} sleeps on the futex at ${placeText(futex)}, and nobody is left who could wake it: ` +
        `the wake-up came before the wait, or was never sent${waiting}`,
      involved,
    };
  }
  const [w] = t.waits;
  if (w.type === 'signal') {
    return {
      verdict: 'lost-wakeup',
      cause: `lost wakeup: ${who(t)} sleeps until ${waitText(t)} comes, and nobody is left who could send it: it came before the wait, or was never sent${waiting}`,
      involved,
    };
  }
  if (w.type === 'file' && w.holders.length > 0 && w.holders.every((h) => h.pid === t.pid) && t.wakers.length === 0) {
    const fds = list(w.holders.map((h) => String(h.fd)));
    return self(w.kind === 'eventfd' ? 'which only it could write to' : `whose other end only it holds (fd ${fds})`);
  } // prettier-ignore
  if (w.type === 'lock' && w.heldBy.length === 1 && w.heldBy[0] === t.pid && t.wakers.length === 0)
    return self('which it holds already, through another descriptor');
  return {
    verdict: 'abandoned',
    cause: `deadlock: ${who(t)} waits for ${waitText(t)}, and nobody is left who could ${remedy(w)}${waiting}`,
    involved,
  };
}

function livelockCause(l: Livelock, live: readonly TaskReport[]): Cause {
  const first = l.loops[0];
  const name = (tid: number): string => {
    const t = live.find((x) => x.tid === tid);
    return t ? who(t) : String(tid);
  };
  const round = first.round.length > 3 ? [...first.round.slice(0, 3), '…'] : first.round;
  const others = l.loops.length > 1 ? `, ${list(l.loops.slice(1).map((x) => String(x.tid)))} likewise` : '';
  const starved = l.starved.length > 0 ? `; ${list(l.starved.map(name))} could run and ${l.starved.length > 1 ? 'do' : 'does'} not get to` : ''; // prettier-ignore
  return {
    verdict: 'livelock',
    cause: `livelock: ${name(first.tid)} repeats ${round.join(', ')} (${first.rounds} times in ${durationText(l.nanoseconds)}${others})${starved}`,
    involved: l.loops.map((x) => x.tid),
  };
}

function running(active: readonly TaskReport[], live: readonly TaskReport[]): Cause {
  const rest = live.length - active.length;
  const others = rest > 0 ? `; ${rest} ${rest > 1 ? 'wait' : 'waits'}` : '';
  return {
    verdict: 'running',
    cause: `running: ${list(active.map(who))}${others}`,
    involved: active.map((t) => t.tid),
  };
}

const outsideText = (tasks: readonly TaskReport[]): string =>
  `waiting for the outside: ${tasks.slice(0, 4).map((t) => `${who(t)} for ${t.outside}`).join('; ')}`; // prettier-ignore

function nothingRuns(live: readonly TaskReport[]): Cause {
  if (live.length === 0) return { verdict: 'abandoned', cause: 'every task has ended', involved: [] };
  if (live.every((t) => t.state === 'stopped'))
    return { verdict: 'stopped', cause: `stopped: ${list(live.map(who))} until SIGCONT`, involved: live.map((t) => t.tid) }; // prettier-ignore
  const timed = live.filter((t) => t.timeLeft !== null);
  const outside = live.filter((t) => t.outside !== null);
  if (timed.length > 0) {
    const next = timed.reduce((a, b) => (a.timeLeft! <= b.timeLeft! ? a : b));
    return {
      verdict: 'sleeping',
      cause: `sleeping: ${who(next)} goes on in ${durationText(next.timeLeft!)} at the latest, ${timed.length} of ${live.length} tasks have a timeout${outside.length > 0 ? `; ${outsideText(outside)}` : ''}`,
      involved: timed.map((t) => t.tid),
    };
  } // prettier-ignore
  if (outside.length > 0) {
    return { verdict: 'outside', cause: outsideText(outside), involved: outside.map((t) => t.tid) };
  }
  const waiting = live.map((t) => `${who(t)} for ${t.waits.length > 0 ? waitText(t) : 'nothing known'}`);
  return {
    verdict: live.some((t) => t.waits.some((w) => w.type === 'signal')) ? 'outside' : 'abandoned',
    cause: `nothing can run: ${waiting.slice(0, 4).join('; ')}`,
    involved: live.map((t) => t.tid),
  };
}
