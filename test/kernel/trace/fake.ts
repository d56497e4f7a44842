/** A task with one readable range of memory: what argument formatters and the tracer look at. */
import { LINUX } from '../../../kernel/personality/behaviour.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { IoBuf } from '../../../kernel/mm/iobuf.ts';
import type { UserMemory } from '../../../kernel/mm/user-memory.ts';
import { Args } from '../../../kernel/syscall/args.ts';
import type { SyscallRow, SyscallSpec } from '../../../kernel/syscall/define.ts';
import type { Task } from '../../../kernel/task/task.ts';
import type { Tracer } from '../../../kernel/trace/tracer.ts';
import { FakeClock, FakeRegs } from '../fakes.ts';

export const BASE = 0x1000;

/** `size` bytes at BASE; everything else faults. */
export class FakeMemory {
  readonly bytes: Uint8Array;
  constructor(size = 4096) {
    this.bytes = new Uint8Array(size);
  }
  private at(address: number, length: number): Uint8Array | null {
    const from = address - BASE;
    return from < 0 || from + length > this.bytes.length ? null : this.bytes.subarray(from, from + length);
  }
  iov(address: number, length: number): IoBuf | number {
    const from = address - BASE;
    if (from < 0 || from >= this.bytes.length) return -14;
    return IoBuf.of(this.bytes.subarray(from, from + length));
  }
  copyIn(address: number, length: number): Uint8Array | null {
    return this.at(address, length)?.slice() ?? null;
  }
  viewIn(address: number, length: number): DataView | null {
    const b = this.copyIn(address, length);
    return b && new DataView(b.buffer);
  }
  cstring(address: number, max = 4096): string | number {
    let out = '';
    for (let i = 0; i < max; i++) {
      const b = this.at(address + i, 1);
      if (!b) return -14;
      if (b[0] === 0) return out;
      out += String.fromCharCode(b[0]);
    }
    return -36;
  }
  u64(address: number): bigint | null {
    return this.viewIn(address, 8)?.getBigUint64(0, true) ?? null;
  }
  i32(address: number): number | null {
    return this.viewIn(address, 4)?.getInt32(0, true) ?? null;
  }
  put(address: number, text: string): void {
    for (let i = 0; i < text.length; i++) this.bytes[address - BASE + i] = text.charCodeAt(i);
  }
}

export interface FakeTask {
  task: Task;
  memory: FakeMemory;
  clock: FakeClock;
  /** Begins a call with these arguments. */
  enter(row: SyscallRow, ...args: (number | bigint)[]): void;
  exit(result: number): void;
}

export function row(name: string, spec: Partial<SyscallSpec>): SyscallRow {
  return { name, x86_64: 0, aarch64: 0, ret: 'int', support: { level: 'full' }, args: [], ...spec };
}

/** Tasks of one kernel with this tracer. */
export function fakeKernel(tracer: Tracer): (tid: number) => FakeTask {
  const clock = new FakeClock();
  const kernel = { tracer, clock, behaviour: LINUX } as unknown as Kernel;
  return (tid) => {
    const memory = new FakeMemory();
    const args = new Args();
    const files = new Map<number, { name: string }>();
    const fields = {
      kernel, tid, args, regs: new FakeRegs(), mm: memory as unknown as UserMemory,
      fds: { get: (fd: number) => files.get(fd) }, row: null as SyscallRow | null, nr: -1, woken: null, tampering: null,
    }; // prettier-ignore
    const task = fields as unknown as Task;
    return {
      task,
      memory,
      clock,
      enter(r, ...values) {
        values.forEach((v, i) => {
          const big = BigInt.asUintN(64, BigInt(v));
          args.words[2 * i] = Number(big & 0xffffffffn);
          args.words[2 * i + 1] = Number(big >> 32n);
        });
        fields.row = r;
        fields.nr = r.x86_64 ?? -1;
        tracer.enter(task);
      },
      exit(result) {
        tracer.exit(task, result);
        fields.row = null;
      },
    };
  };
}
