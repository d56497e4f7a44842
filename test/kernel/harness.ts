/**
 * A whole kernel on fake ports, driven without a cpu: tests put a call's number and arguments into a task's registers
 * and say "syscall". Programs are the smallest ELF files the loader takes; what they "run" is what the test makes them do.
 */
import { bootKernel, type InitRequest, type KernelInstance } from '../../kernel/boot.ts';
import type { KernelOptions } from '../../kernel/kernel.ts';
import { MAP_ANONYMOUS, MAP_PRIVATE } from '../../kernel/mm/flags.ts';
import { IoBuf } from '../../kernel/mm/iobuf.ts';
import { O_CREAT, O_WRONLY, File } from '../../kernel/fs/file.ts';
import type { TmpfsInode } from '../../kernel/fs/tmpfs-inode.ts';
import type { FileSystem } from '../../kernel/fs/inode.ts';
import type { Vfs } from '../../kernel/fs/vfs.ts';
import type { Memory } from '../../kernel/mm/memory.ts';
import { openPath } from '../../kernel/fs/open.ts';
import { PROT_READ, PROT_WRITE, REG, type Arch, type Limits } from '../../kernel/ports.ts';
import { syscalls } from '../../kernel/syscall/table.ts';
import type { Task } from '../../kernel/task/task.ts';
import { FakeClock, FakeCpu, FakeEntropy, FakeRam, fakeLimits } from './fakes.ts';

/** An ELF64 program of one page: entry 0x401000, nothing but a header and zeroes. */
export function tinyElf(machine = 62): Uint8Array {
  const b = new Uint8Array(0x1000 + 16);
  const v = new DataView(b.buffer);
  b.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  v.setUint16(16, 2, true); // ET_EXEC
  v.setUint16(18, machine, true);
  v.setUint32(20, 1, true);
  v.setBigUint64(24, 0x401000n, true);
  v.setBigUint64(32, 64n, true);
  v.setUint16(52, 64, true);
  v.setUint16(54, 56, true);
  v.setUint16(56, 1, true);
  v.setUint32(64, 1, true); // PT_LOAD
  v.setUint32(68, 5, true);
  v.setBigUint64(72, 0n, true);
  v.setBigUint64(80, 0x400000n, true);
  v.setBigUint64(88, 0x400000n, true);
  v.setBigUint64(96, BigInt(b.length), true);
  v.setBigUint64(104, BigInt(b.length), true);
  v.setBigUint64(112, 0x1000n, true);
  return b;
}

/** Where a call's number, arguments and result are. */
const CALL: Readonly<Record<Arch, { nr: number; args: readonly number[]; result: number }>> = {
  x86_64: { nr: REG.rax, args: [REG.rdi, REG.rsi, REG.rdx, REG.r10, REG.r8, REG.r9], result: REG.rax },
  aarch64: { nr: 8, args: [0, 1, 2, 3, 4, 5], result: 0 },
};

export class Harness {
  readonly clock = new FakeClock();
  readonly ram: FakeRam;
  readonly kernel: KernelInstance;
  readonly reports: string[] = [];
  /** The first process's only thread. */
  readonly init: Task;
  private scratchAt = new Map<object, number>();

  constructor(
    options: Partial<KernelOptions> & {
      limits?: Partial<Limits>;
      init?: Partial<InitRequest>;
      frames?: number;
      /** The root file system, unless it is a tmpfs. */
      root?: (vfs: Vfs, memory: Memory) => FileSystem;
    } = {},
  ) {
    const { limits, init, frames, root, ...rest } = options;
    this.ram = new FakeRam(frames ?? 2048);
    this.kernel = bootKernel(
      {
        ram: this.ram,
        cpu: new FakeCpu(),
        clock: this.clock,
        entropy: new FakeEntropy(),
        limits: { ...fakeLimits, ...limits },
      },
      { report: (line) => this.reports.push(line), ...rest },
      root,
    );
    this.file('/prog', tinyElf(rest.arches?.[0] === 'aarch64' ? 183 : 62), 0o755);
    const t = this.kernel.spawnInit({ path: '/prog', argv: ['prog'], envp: [], ...init });
    if (typeof t === 'number') throw new Error(`spawnInit: ${t}`);
    this.init = t;
  }

  /** Makes a file in the root, as root. */
  file(path: string, bytes: Uint8Array | string, mode = 0o644): void {
    const data = typeof bytes === 'string' ? Uint8Array.from(bytes, (c) => c.charCodeAt(0)) : bytes;
    const f = openPath(this.kernel.vfs, null, -100, path, O_CREAT | O_WRONLY, mode);
    if (!(f instanceof File)) throw new Error(`${path}: cannot be made`);
    f.retain();
    (f.inode as TmpfsInode).write(IoBuf.of(data), 0, data.length);
    f.drop();
  }

  /** Scratch memory of a task's address space: two pages, zeroed at first. */
  scratch(t: Task): number {
    let at = this.scratchAt.get(t.mm);
    if (at === undefined) {
      at = t.mm.map({ length: 8192, prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS });
      if (at < 0) throw new Error(`scratch: ${at}`);
      this.scratchAt.set(t.mm, at);
    }
    return at;
  }

  /** Puts a string into a task's memory. */
  poke(t: Task, address: number, text: string): number {
    const bytes = Uint8Array.from(`${text}\0`, (c) => c.charCodeAt(0));
    if (t.mm.copyOut(address, bytes) !== 0) throw new Error('poke');
    return address;
  }

  /** Makes the call; the result, or null when the task waits, stopped or is gone. */
  call(t: Task, name: string, ...args: (number | bigint)[]): number | null {
    this.enter(t, name, ...args);
    return this.finish(t);
  }

  /** Makes the call and leaves it at that. */
  enter(t: Task, name: string, ...args: (number | bigint)[]): void {
    const row = syscalls.get(name);
    const nr = row?.[t.regs.arch] ?? null;
    if (nr === null) throw new Error(`no call ${name}`);
    if (t.state !== 'runnable') throw new Error(`task ${t.tid} is ${t.state}`);
    const where = CALL[t.regs.arch];
    t.regs.setNum(where.nr, nr);
    where.args.forEach((r, i) => t.regs.set(r, BigInt.asUintN(64, BigInt(args[i] ?? 0))));
    this.kernel.scheduler.pick();
    this.kernel.syscall(t);
  }

  /** Returns to user mode if the task can: the result as a signed number. */
  finish(t: Task): number | null {
    if (t.state !== 'runnable' || !this.kernel.prepareUser(t)) return null;
    return Number(BigInt.asIntN(64, t.regs.get(CALL[t.regs.arch].result)));
  }

  /** A child by its number. */
  task(tid: number | null): Task {
    const t = tid === null ? undefined : this.kernel.processes.task(tid);
    if (!t) throw new Error(`no task ${String(tid)}`);
    return t;
  }
}
