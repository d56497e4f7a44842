/**
 * What is the same in two runs under other names: tasks and pids, descriptors, addresses. Learned as the calls go by;
 * what was learned must hold from then on.
 */
import { syscalls } from '../../../kernel/syscall/table.ts';
import type { LogCall } from '../events.ts';

/** One-to-one between numbers of the one run and of the other. */
class Pairs {
  private readonly to = new Map<number, number>();
  private readonly from = new Map<number, number>();

  put(a: number, b: number): void {
    this.drop(a, b);
    this.to.set(a, b);
    this.from.set(b, a);
  }
  drop(a: number, b: number): void {
    const b0 = this.to.get(a);
    if (b0 !== undefined) this.from.delete(b0);
    const a0 = this.from.get(b);
    if (a0 !== undefined) this.to.delete(a0);
    this.to.delete(a);
    this.from.delete(b);
  }
  /** Whether they go together; two numbers never met before do from now on. */
  meet(a: number, b: number): boolean {
    const known = this.to.get(a);
    if (known === undefined && !this.from.has(b)) {
      this.put(a, b);
      return true;
    }
    return known === b;
  }
  of(a: number): number | undefined {
    return this.to.get(a);
  }
  copy(): Pairs {
    const out = new Pairs();
    for (const [a, b] of this.to) out.put(a, b);
    return out;
  }
}

interface Mapping {
  readonly a: number;
  readonly b: number;
  readonly length: number;
  /** Address space without rights, to be used bit by bit. */
  readonly reserved: boolean;
}

/** What a pair of processes has in common. */
export class ProcessPair {
  readonly fds: Pairs;
  private mappings: Mapping[];
  /** Offset between the two heaps: the first break each reported. */
  private brk: number | null = null;

  constructor(fds: Pairs = standardFds(), mappings: Mapping[] = []) {
    this.fds = fds;
    this.mappings = mappings;
  }

  copy(): ProcessPair {
    return new ProcessPair(this.fds.copy(), [...this.mappings]);
  }

  mapped(a: number, b: number, length: number, reserved: boolean): void {
    this.mappings = this.mappings.filter((m) => m.a !== a);
    this.mappings.push({ a, b, length, reserved });
  }

  /** A call that cuts an allocator's reservation to its alignment, or gives rights to part of it. */
  trims(call: LogCall, side: 'a' | 'b'): boolean {
    if (call.name !== 'munmap' && call.name !== 'mprotect') return false;
    const at = Number(call.values[0] ?? 0n);
    return this.mappings.some((m) => m.reserved && at >= m[side] && at < m[side] + m.length);
  }

  /** execve: a new address space. */
  renew(): void {
    this.mappings = [];
    this.brk = null;
  }

  /** Whether two addresses go together; unknown ones do. */
  address(a: number, b: number): boolean {
    if ((a === 0) !== (b === 0)) return false;
    // The latest mapping there is the one that counts.
    const inside = (at: number, start: number, m: Mapping): boolean => at >= start && at < start + m.length;
    const ma = this.mappings.findLast((m) => inside(a, m.a, m));
    const mb = this.mappings.findLast((m) => inside(b, m.b, m));
    if (!ma || !mb) return true;
    return a - ma.a === b - ma.b || a - mb.a === b - mb.b;
  }

  /** The same of two breaks. */
  heap(a: number, b: number): boolean {
    this.brk ??= a - b;
    return a - b === this.brk;
  }
}

function standardFds(): Pairs {
  const p = new Pairs();
  for (const fd of [0, 1, 2]) p.put(fd, fd);
  return p;
}

export type Part = 'result' | 'arguments';
/** What is not the same, in words; `part`: where. */
export interface Mismatch {
  readonly part: Part;
  readonly text: string;
  /** It may well come from another schedule, or another moment, alone. */
  readonly soft: boolean;
}

/** Argument names that are pids. */
const PIDS = new Set(['pid', 'tid', 'tgid', 'pgid', 'which']);
/** Calls that return pids. */
const RETURNS_PID = new Set([
  'getpid', 'gettid', 'getppid', 'getpgid', 'getpgrp', 'getsid', 'setsid', 'clone', 'clone3', 'fork', 'vfork', 'wait4',
  'waitpid', 'set_tid_address',
]); // prettier-ignore
/** Calls that return a moment. */
const RETURNS_TIME = new Set(['time', 'times']);
/** Calls whose address argument names a mapping. */
const NAMES_MAPPING = new Set([
  'mmap',
  'munmap',
  'mprotect',
  'mremap',
  'madvise',
  'msync',
  'mlock',
  'munlock',
]);
/** Calls whose results tell who came first. */
const RACY = new Set([
  'futex', 'epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'poll', 'ppoll', 'select', 'pselect6', 'sched_yield',
]); // prettier-ignore

/** What both runs share outside of processes. */
export class World {
  readonly pids = new Pairs();

  /** Compares two calls that were made at the same place; null: the same. */
  compare(a: LogCall, b: LogCall, pair: ProcessPair): Mismatch | null {
    const row = syscalls.get(a.name);
    const n = Math.max(a.args.length, b.args.length);
    const whole = !a.args.includes('...') && !b.args.includes('...');
    let soft: Mismatch | null = null;
    for (let i = 0; i < n && whole; i++) {
      const [x, y] = [a.args[i], b.args[i]];
      const type = row?.args[i];
      const name = type?.name ?? `argument ${i + 1}`;
      if (x === undefined || y === undefined) {
        if (a.exit === null || b.exit === null) break;
        return this.differ('arguments', `${name}: ${x ?? 'absent'}, ${y ?? 'absent'}`);
      }
      // What a log does not tell.
      if (x === '?' || y === '?') continue;
      if (this.argument(a, i, x, y, type?.kind === 'fd', PIDS.has(name), pair)) continue;
      // Which futex, and how often, is up to who comes first. What the kernel filled in may be a moment's; an arena is trimmed to where the kernel happened to put it.
      const benign =
        a.name === 'futex' ||
        (type?.out === true ? isContent(x) && isContent(y) : pair.trims(a, 'a') && pair.trims(b, 'b'));
      soft ??= this.differ('arguments', `${name}: ${x}, ${y}`, benign);
      if (!soft.soft) return soft;
    }
    return this.result(a, b, pair) ?? soft;
  }

  private differ(part: Part, text: string, soft = false): Mismatch {
    return { part, text, soft };
  }

  private argument(
    call: LogCall,
    i: number,
    x: string,
    y: string,
    isFd: boolean,
    isPid: boolean,
    pair: ProcessPair,
  ): boolean {
    const [nx, ny] = [small(x), small(y)];
    if (isFd && nx !== null && ny !== null) return nx < 0 || ny < 0 ? nx === ny : pair.fds.meet(nx, ny);
    if (isPid && nx !== null && ny !== null) return nx <= 0 || ny <= 0 ? nx === ny : this.pids.meet(nx, ny);
    if (x === y) return true;
    const [px, py] = [address(plainText(x)), address(plainText(y))];
    if (px !== null && py !== null) {
      if (call.name === 'brk') return pair.heap(px, py);
      const names = NAMES_MAPPING.has(call.name) && i === 0;
      return names ? pair.address(px, py) : (px === 0) === (py === 0);
    }
    // One log shows what is behind the pointer, the other only the pointer.
    if (px !== null || py !== null)
      return (px ?? 1) !== 0 && (py ?? 1) !== 0 && isContent(px === null ? x : y);
    return sameContent(x, y);
  }

  private result(a: LogCall, b: LogCall, pair: ProcessPair): Mismatch | null {
    if (a.exit === null || b.exit === null) return null;
    const [x, y] = [Number(a.result ?? 0n), Number(b.result ?? 0n)];
    const racy = RACY.has(a.name);
    if (a.error !== null || b.error !== null) {
      if (a.error === b.error) return null;
      const benign = racy && isRace(a) && isRace(b);
      return this.differ('result', `${shown(a)}, ${shown(b)}`, benign || a.error === 'EINTR' || b.error === 'EINTR');
    }
    if (a.name === 'execve' || a.name === 'execveat') pair.renew();
    if (RETURNS_TIME.has(a.name)) return null;
    if (RETURNS_PID.has(a.name)) {
      const same = x === 0 || y === 0 ? x === y : this.pids.meet(x, y);
      return same ? null : this.differ('result', `${shown(a)}, ${shown(b)}`);
    }
    if (a.name === 'brk') return pair.heap(x, y) ? null : this.differ('result', `${shown(a)}, ${shown(b)}`);
    const row = syscalls.get(a.name);
    const kind = typeof row?.ret === 'string' ? row.ret : null;
    if (kind === 'addr') {
      const length = Number((a.name === 'mremap' ? a.values[2] : a.values[1]) ?? 0n);
      pair.mapped(x, y, length, a.args.includes('PROT_NONE') && b.args.includes('PROT_NONE'));
      return null;
    }
    if (kind === 'fd' || isDup(a)) {
      pair.fds.put(x, y);
      return null;
    }
    if (a.name === 'close') pair.fds.drop(small(a.args[0]) ?? -1, small(b.args[0]) ?? -1);
    if (x === y) return null;
    return this.differ('result', `${shown(a)}, ${shown(b)}`, racy);
  } // prettier-ignore
}

const isDup = (c: LogCall): boolean => c.name === 'fcntl' && /F_DUPFD/.test(c.args[1] ?? '');
const isRace = (c: LogCall): boolean => c.error === null || c.error === 'EAGAIN' || c.error === 'EINTR';
/** "-1 EFAULT" or the value. */
const shown = (c: LogCall): string => (c.error === null ? c.resultText : `-1 ${c.error}`);

/** A decimal number, with a path behind it perhaps (-y). */
function small(text: string | undefined): number | null {
  const m = /^(-?\d+)(?:<.*>)?$/.exec(text ?? '');
  return m ? Number(m[1]) : null;
}

const address = (text: string): number | null =>
  text === 'NULL' ? 0 : /^0x[0-9a-f]+$/.test(text) ? Number(text) : null;

/** A string, a structure or a list: what was behind a pointer. */
const isContent = (text: string): boolean => /^["[{~]/.test(text);

/** The same but for what a run cannot repeat: moments, addresses, pids, and where a string was cut. */
function sameContent(x: string, y: string): boolean {
  if (!isContent(x) || !isContent(y)) return plainText(x) === plainText(y);
  const [u, v] = [cut(normal(x)), cut(normal(y))];
  if (u.cut || v.cut) return u.text.startsWith(v.text) || v.text.startsWith(u.text);
  return u.text === v.text;
}

const plainText = (text: string): string => {
  const plain = text.replace(/ \/\*.*?\*\//g, '').replace(/<[^>]*>$/, '');
  // Named arguments (clone): addresses and pids in them.
  return /^\w+=/.test(plain) ? plain.replace(/0x[0-9a-f]{3,}/g, '0x#').replace(/\[\d+\]/g, '[#]') : plain;
};

function cut(text: string): { text: string; cut: boolean } {
  const m = /^(".*)"\.\.\.$/s.exec(text);
  return m ? { text: m[1], cut: true } : { text: text.replace(/"$/, ''), cut: false };
}

const normal = (text: string): string =>
  text
    .replace(/\b(\w*(?:_sec|_nsec|_usec|time|uptime|_pid|_uid|_ino|_dev))=[^,}\]]+/g, (all, key: string) =>
      /=0$/.test(all) ? all : `${key}=#`,
    )
    .replace(/0x[0-9a-f]{4,}/g, '0x#')
    .replace(/(parent_tid|child_tid)=\[\d+\]/g, '$1=[#]')
    .replace(/\/\* \d+ vars? \*\//g, '');
