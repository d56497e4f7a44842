/** Just enough of a task and a kernel for the files of kernel/fs that need no memory map and no scheduler. */
import { LINUX } from '../../../kernel/personality/behaviour.ts';
import { IoBuf } from '../../../kernel/mm/iobuf.ts';
import type { UserMemory } from '../../../kernel/mm/user-memory.ts';
import { KernelMemory } from '../../../kernel/mm/kernel-memory.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import type { Task } from '../../../kernel/task/task.ts';
import { ProcessTable } from '../../../kernel/task/process-table.ts';
import { userCredentials } from '../../../kernel/task/creds.ts';
import { FdTable, type File } from '../../../kernel/fs/file.ts';
import { PseudoFs } from '../../../kernel/fs/anon/pseudo-fs.ts';
import { Notifier } from '../../../kernel/fs/anon/inotify.ts';
import { Devices } from '../../../kernel/fs/dev/devices.ts';
import { SignalHandlers, SignalQueue } from '../../../kernel/signal/state.ts';
import { WaitQueue } from '../../../kernel/wait.ts';

/** 64 KiB of guest memory at address 0x1000. */
export const BASE = 0x1000;

export class FlatMemory {
  readonly u8 = new Uint8Array(65536);
  private ok(a: number, n: number): boolean {
    return a >= BASE && a + n <= BASE + this.u8.length;
  }
  copyIn(a: number, n: number): Uint8Array | null {
    return this.ok(a, n) ? this.u8.slice(a - BASE, a - BASE + n) : null;
  }
  viewIn(a: number, n: number): DataView | null {
    const c = this.copyIn(a, n);
    return c && new DataView(c.buffer);
  }
  copyOut(a: number, bytes: Uint8Array): number {
    if (!this.ok(a, bytes.length)) return -14;
    this.u8.set(bytes, a - BASE);
    return 0;
  }
  u32(a: number): number {
    return this.viewIn(a, 4)?.getUint32(0, true) ?? -14;
  }
  i32(a: number): number | null {
    return this.viewIn(a, 4)?.getInt32(0, true) ?? null;
  }
  putU32(a: number, v: number): number {
    return this.copyOut(a, new Uint8Array(new Uint32Array([v]).buffer));
  }
  putU8(a: number, v: number): number {
    return this.copyOut(a, Uint8Array.of(v));
  }
}

export interface FakeKernel extends Kernel {
  now: number;
}

export function fakeKernel(): FakeKernel {
  let dev = 1;
  const kmem = new KernelMemory(1 << 26);
  const k = {
    now: 0,
    behaviour: LINUX,
    clock: { monotonic: () => k.now, realtimeOffset: 0n, setRealtimeOffset: () => undefined },
    limits: { maxTasks: 100, maxFds: 1024, maxFileBytes: 1 << 26 },
    kmem,
    notify: new Notifier(kmem),
    devices: new Devices(),
    tracer: null,
    entropy: { fill: (b: Uint8Array) => b.fill(0x5a), below: () => 0 },
    processes: new ProcessTable(1, null as never, () => undefined as never),
    scheduler: { wake: () => undefined, current: null },
  } as unknown as FakeKernel;
  (k as { pseudo: PseudoFs }).pseudo = new PseudoFs(k.clock, () => dev++);
  return k;
}

export interface FakeTask extends Task {
  memory: FlatMemory;
}

/** A process of one thread. `pid` is also its group and session. */
export function fakeTask(kernel: FakeKernel, pid = 100, arch: 'x86_64' | 'aarch64' = 'x86_64'): FakeTask {
  const memory = new FlatMemory();
  const pending = new SignalQueue();
  const rlimits = Array.from({ length: 16 }, () => ({ cur: 1024, max: 4096 }));
  const group = {
    pid, pgrp: pid, session: pid, tty: null, pending: new SignalQueue(), rlimits, groupExit: null, tasks: new Set(),
    parent: null, children: new Set(), jobctl: { stopCount: 0 }, timers: null, exited: new WaitQueue('exit'),
  } as unknown as Task['group']; // prettier-ignore
  const t = {
    kernel, tid: pid, pid, group, memory, mm: memory as unknown as UserMemory, fds: new FdTable(),
    creds: userCredentials(0, 0), sighand: Object.assign(new SignalHandlers(), { signalfd: new WaitQueue('signalfd') }), pending, sigmask: 0n, parked: null, woken: null,
    state: 'runnable', regs: { arch }, sigPending: false, stopRequested: false, realSigmask: null, comm: 'fake',
  } as unknown as FakeTask; // prettier-ignore
  group.leader = t;
  group.tasks.add(t);
  kernel.processes.groups.set(pid, group);
  kernel.processes.tasks.set(pid, t);
  return t;
}

export const text = (s: string): IoBuf => IoBuf.of(Uint8Array.from(s, (c) => c.charCodeAt(0)));
export const bytes = (n: number, fill = 0x61): IoBuf => IoBuf.of(new Uint8Array(n).fill(fill));

/** Reads up to `n` bytes as a binary string, or gives the -errno. */
export function readText(file: File, n: number, t: Task): string | number {
  const buf = new Uint8Array(n);
  const r = file.read(IoBuf.of(buf), t);
  return r < 0 ? r : String.fromCharCode(...buf.subarray(0, r));
}

/** Events with which a file's queue is woken, recorded. */
export function wakeups(file: File): number[] {
  const seen: number[] = [];
  file.waiters.add({ wake: (_q, events) => void seen.push(events) });
  return seen;
}
