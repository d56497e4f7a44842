/**
 * Our kernel without a processor: it says how a call reads and what it would answer, for callers that have numbers and
 * no program.
 */
import { bootKernel, type KernelInstance } from '../../../kernel/boot.ts';
import { File, O_CREAT, O_RDWR } from '../../../kernel/fs/file.ts';
import { openPath } from '../../../kernel/fs/open.ts';
import { AddressSpace } from '../../../kernel/mm/address-space.ts';
import { layoutOf, type Layout } from '../../../kernel/mm/layout.ts';
import type { KernelOptions } from '../../../kernel/kernel.ts';
import type { Arch } from '../../../kernel/ports.ts';
import type { SyscallRow } from '../../../kernel/syscall/define.ts';
import type { Task } from '../../../kernel/task/task.ts';
import { argsText, resultText, unknownRow } from '../../../kernel/trace/call-text.ts';
import { writeGuestFile } from '../../machine/guest-files.ts';
import { modelPorts } from './ports.ts';

const MACHINE: Readonly<Record<Arch, number>> = { x86_64: 62, aarch64: 183 };
const ENTRY = 0x401000n;

/** Addresses of 48 bits. */
const WIDE: Layout = {
  taskSize: 2 ** 48,
  stackTop: 2 ** 48,
  unmappedBase: 2 ** 46,
  dynBase: 0xaaaaaaaa0000,
};

/** The smallest program there is: one page at 0x400000 and nothing in it. */
function tinyProgram(arch: Arch): Uint8Array {
  const bytes = new Uint8Array(0x1010);
  const v = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  v.setUint16(16, 2, true); // ET_EXEC
  v.setUint16(18, MACHINE[arch], true);
  v.setUint32(20, 1, true);
  v.setBigUint64(24, ENTRY, true);
  v.setBigUint64(32, 64n, true);
  v.setUint16(52, 64, true);
  v.setUint16(54, 56, true);
  v.setUint16(56, 1, true);
  v.setUint32(64, 1, true); // PT_LOAD
  v.setUint32(68, 5, true);
  for (const at of [80, 88]) v.setBigUint64(at, 0x400000n, true);
  for (const at of [96, 104]) v.setBigUint64(at, BigInt(bytes.length), true);
  v.setBigUint64(112, 0x1000n, true);
  return bytes;
}

export class ModelKernel {
  readonly arch: Arch;
  readonly kernel: KernelInstance;
  readonly task: Task;
  private readonly rows: readonly (SyscallRow | null)[];

  constructor(arch: Arch, options: Partial<KernelOptions> = {}) {
    this.arch = arch;
    this.kernel = bootKernel(modelPorts(), { ...options, arches: [arch] });
    writeGuestFile(this.kernel.vfs, null, '/program', { data: tinyProgram(arch), mode: 0o755 });
    const t = this.kernel.spawnInit({ path: '/program', argv: ['program'], envp: [] });
    if (typeof t === 'number') throw new Error(`the model kernel does not start: errno ${-t}`);
    this.task = t;
    this.rows = this.kernel.syscalls[arch];
    // Nothing is mapped: an address of the log means nothing here, and must not be read.
    t.mm.unmap(0, t.mm.taskSize);
  }

  /** A call's arguments and result as strace prints them. `result` null: it has not returned. */
  text(
    nr: number,
    values: readonly bigint[],
    result: bigint | null,
  ): { name: string; args: string[]; result: string } {
    const t = this.task;
    const row = this.rows[nr] ?? unknownRow(nr);
    this.load(nr, values);
    t.row = row;
    const ret = result === null ? null : Number(result);
    const args = row.args.map((_, i) => argsText(t, row, i, i + 1, ret)).filter((s) => s !== '');
    const out = { name: row.name, args, result: ret === null ? '?' : resultText(t, row, ret) };
    t.row = null;
    return out;
  }

  /** One argument as strace prints it; '' where it is left out. */
  argument(nr: number, values: readonly bigint[], index: number): string {
    const t = this.task;
    const row = this.rows[nr] ?? unknownRow(nr);
    this.load(nr, values);
    t.row = row;
    const text = row.args[index]?.format(t, t.args, index, null) ?? '';
    t.row = null;
    return text;
  }

  /** What this kernel answers. For calls that neither wait nor read the caller's memory. */
  ask(name: string, values: readonly bigint[]): number {
    const row = this.rows.find((r) => r?.name === name);
    if (!row?.run) throw new Error(`the model kernel has no call ${name}`);
    this.load(row[this.arch]!, values);
    this.task.row = row;
    const result = row.run(this.task, this.task.args);
    this.task.row = null;
    if (typeof result !== 'number') throw new Error(`${name} waits in the model kernel`);
    return result;
  }

  /** An address space with nothing in it; `wide`: of 48-bit addresses, as most aarch64 kernels have. */
  emptyMemory(wide = false): AddressSpace {
    return AddressSpace.create(this.kernel, this.arch, this.task.group, wide ? WIDE : layoutOf(this.arch));
  }

  /** Makes `fd` a file that can be mapped any way, larger than any mapping. */
  mappableFile(fd: number): void {
    const { fds } = this.task;
    if (fd < 0 || fds.get(fd)) return;
    const file = openPath(this.kernel.vfs, null, -100, '/mapped', O_CREAT | O_RDWR, 0o755);
    if (!(file instanceof File)) throw new Error('the model kernel cannot make a file');
    fds.set(fd, file, false, this.task);
  }

  private load(nr: number, values: readonly bigint[]): void {
    const { words } = this.task.args;
    this.task.nr = nr;
    for (let i = 0; i < 6; i++) {
      const v = BigInt.asUintN(64, values[i] ?? 0n);
      words[2 * i] = Number(BigInt.asIntN(32, v));
      words[2 * i + 1] = Number(BigInt.asIntN(32, v >> 32n));
    }
  }
}
