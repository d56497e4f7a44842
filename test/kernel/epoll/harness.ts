/** A task with 64 KiB of flat memory that parks and wakes as under the scheduler, for calls that wait on files. */
import { File, FdTable, O_RDWR } from '../../../kernel/fs/file.ts';
import { PseudoFs } from '../../../kernel/fs/anon/pseudo-fs.ts';
import { SignalHandlers, SignalQueue } from '../../../kernel/signal/state.ts';
import { IoBuf } from '../../../kernel/mm/iobuf.ts';
import { KernelMemory } from '../../../kernel/mm/kernel-memory.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import type { UserMemory } from '../../../kernel/mm/user-memory.ts';
import { TaskAttributes } from '../../../kernel/task/attributes.ts';
import { userCredentials } from '../../../kernel/task/creds.ts';
import type { Task } from '../../../kernel/task/task.ts';
import { LINUX } from '../../../kernel/personality/behaviour.ts';
import { Args } from '../../../kernel/syscall/args.ts';
import type { Handler, SyscallSpec } from '../../../kernel/syscall/define.ts';
import { WaitQueue } from '../../../kernel/wait.ts';
import type { Park, WakeReason, Waiter } from '../../../kernel/wait.ts';

export const BASE = 0x10000;
const SIZE = 0x40000;
export const EFAULT = 14;

export class FlatMemory implements UserMemory {
  readonly u8 = new Uint8Array(SIZE);
  private ok(a: number, n: number): boolean {
    return a >= BASE && a + n <= BASE + SIZE;
  }
  iov(a: number, n: number): IoBuf | number {
    if (n === 0) return new IoBuf([]);
    if (!this.ok(a, 1)) return -EFAULT;
    return IoBuf.of(this.u8.subarray(a - BASE, Math.min(a - BASE + n, SIZE)));
  }
  copyIn(a: number, n: number): Uint8Array | null {
    return this.ok(a, n) ? this.u8.slice(a - BASE, a - BASE + n) : null;
  }
  viewIn(a: number, n: number): DataView | null {
    const c = this.copyIn(a, n);
    return c && new DataView(c.buffer);
  }
  copyOut(a: number, bytes: Uint8Array): number {
    if (!this.ok(a, bytes.length)) return -EFAULT;
    this.u8.set(bytes, a - BASE);
    return 0;
  }
  cstring(a: number, max = 4096): string | number {
    let s = '';
    for (let i = 0; i < max; i++) {
      if (!this.ok(a + i, 1)) return -EFAULT;
      const c = this.u8[a + i - BASE];
      if (c === 0) return s;
      s += String.fromCharCode(c);
    }
    return -36;
  }
  u32(a: number): number {
    return this.viewIn(a, 4)?.getUint32(0, true) ?? -EFAULT;
  }
  ptr(a: number): number {
    return Number(this.viewIn(a, 8)?.getBigUint64(0, true) ?? -EFAULT);
  }
  i32(a: number): number | null {
    return this.viewIn(a, 4)?.getInt32(0, true) ?? null;
  }
  u64(a: number): bigint | null {
    return this.viewIn(a, 8)?.getBigUint64(0, true) ?? null;
  }
  putU8(a: number, v: number): number {
    return this.copyOut(a, Uint8Array.of(v));
  }
  putU16(a: number, v: number): number {
    return this.copyOut(a, new Uint8Array(Uint16Array.of(v).buffer));
  }
  putU32(a: number, v: number): number {
    return this.copyOut(a, new Uint8Array(Uint32Array.of(v).buffer));
  }
  putU64(a: number, v: number | bigint): number {
    return this.copyOut(a, new Uint8Array(BigUint64Array.of(BigInt(v)).buffer));
  }
}

export interface TestKernel extends Kernel {
  now: number;
}

export function testKernel(extra: Record<string, unknown> = {}): TestKernel {
  let dev = 1;
  const k = {
    now: 1000,
    kmem: new KernelMemory(1 << 28),
    clock: { monotonic: () => k.now, realtimeOffset: 0n, setRealtimeOffset: () => undefined },
    limits: { maxTasks: 100, maxFds: 65536, maxFileBytes: 1 << 26 },
    tracer: null,
    behaviour: LINUX,
    scheduler: { current: null, wake: () => undefined },
    entropy: { fill: (b: Uint8Array) => b.fill(0x5a), below: () => 0 },
    options: { hostname: 'ring3', cpus: 1 },
    processes: { init: null, tasks: new Map(), groups: new Map() },
    ...extra,
  } as unknown as TestKernel;
  (k as { pseudo: PseudoFs }).pseudo = new PseudoFs(k.clock, () => dev++);
  return k;
}

/** A file whose readiness is a variable. */
export class FakeFile extends File {
  events: number;
  readonly name = 'fake';
  constructor(events = 0) {
    super(O_RDWR, null, 'fake');
    this.events = events;
  }
  override poll(): number {
    return this.events;
  }
  /** Becomes ready and says so. */
  become(events: number, key = events): void {
    this.events = events;
    this.waiters.wake(key);
  }
}

export type Row = SyscallSpec | Handler;

/** One thread. `call` runs a row to its end or to its first wait; `resume` carries on. */
export class TestTask {
  readonly task: Task;
  readonly mem = new FlatMemory();
  readonly signals: number[] = [];
  /** Set by a wakeup, until `resume`. */
  woken = false;
  private next = BASE;
  private handler: Handler | null = null;
  private waiters: { q: WaitQueue; w: Waiter }[] = [];
  parkedOn: Park | null = null;

  constructor(
    kernel: Kernel,
    options: { pid?: number; arch?: 'x86_64' | 'aarch64'; uid?: number; nofile?: number } = {},
  ) {
    const { pid = 100, arch = 'x86_64', uid = 0, nofile = 65536 } = options;
    const rlimits = Array.from({ length: 16 }, () => ({ cur: nofile, max: nofile }));
    const pending = new SignalQueue();
    const group = {
      pid, pgrp: pid, session: pid, pending: new SignalQueue(), rlimits, groupExit: null, tasks: new Set(),
      parent: null, children: new Set(),
    }; // prettier-ignore
    const sighand = Object.assign(new SignalHandlers(), { signalfd: new WaitQueue('signalfd') });
    this.task = {
      kernel, tid: pid, pid, group, mm: this.mem, fds: new FdTable(), creds: userCredentials(uid, uid), pending,
      sighand, sigmask: 0n, savedSigmask: null, realSigmask: null, parked: null, woken: null, state: 'runnable',
      regs: { arch }, args: new Args(), comm: 'test', stopRequested: false, sigPending: false, attrs: new TaskAttributes(),
    } as unknown as Task; // prettier-ignore
    (group.tasks as Set<Task>).add(this.task);
    (this.task.group as { leader: Task }).leader = this.task;
  }

  /** Room for `n` bytes of guest memory, zeroed, 16-byte aligned. */
  alloc(n: number): number {
    const at = this.next;
    this.next += Math.ceil(n / 16) * 16;
    return at;
  }
  bytes(data: Uint8Array | readonly number[]): number {
    const b = Uint8Array.from(data);
    const at = this.alloc(b.length);
    this.mem.copyOut(at, b);
    return at;
  }
  text(s: string): number {
    return this.bytes(Uint8Array.from(s, (c) => c.charCodeAt(0)));
  }
  read(at: number, n: number): string {
    return String.fromCharCode(...this.mem.copyIn(at, n)!);
  }
  install(file: File): number {
    const fd = this.task.fds.lowest(0, 65536);
    this.task.fds.set(fd, file, false, this.task);
    return fd;
  }

  /** The result, or 'parked'. */
  call(row: Row, ...args: (number | bigint)[]): number | 'parked' {
    this.handler = typeof row === 'function' ? row : row.run!;
    const a = this.task.args;
    a.words.fill(0);
    args.forEach((v, i) => {
      const b = BigInt.asUintN(64, BigInt(v));
      a.words[2 * i] = Number(b & 0xffffffffn);
      a.words[2 * i + 1] = Number(b >> 32n);
    });
    this.task.parked = null;
    this.task.woken = null;
    return this.run();
  }
  /** Carries on a parked call. */
  resume(reason: WakeReason = 'event'): number | 'parked' {
    if (!this.parkedOn) throw new Error('nothing to resume');
    this.unwait();
    this.task.parked = this.parkedOn;
    this.task.woken = reason;
    const r = this.run();
    if (r === 'parked' && reason === 'signal') {
      this.unwait();
      const code = this.parkedOn.interrupted;
      this.parkedOn = null;
      return -code;
    }
    return r;
  }
  private run(): number | 'parked' {
    const r = this.handler!(this.task, this.task.args);
    this.parkedOn = null;
    if (typeof r === 'number') return r;
    this.parkedOn = r;
    this.woken = false;
    for (const q of r.on) {
      const w: Waiter = { exclusive: r.exclusive === true, wake: () => void (this.woken = true) };
      q.add(w);
      this.waiters.push({ q, w });
    }
    return 'parked';
  }
  private unwait(): void {
    for (const { q, w } of this.waiters.splice(0)) q.remove(w);
  }
}
