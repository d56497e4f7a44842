/** Stores that fault half-way leave nothing behind: restarted, they end as if they never had. */
import { describe, expect, it } from 'vitest';
import { A64Cpu, X86Cpu, type CpuCore } from '../../cpu/index.ts';
import { loadA64Core, loadCore } from '../../src/host/core-files.ts';
import { bytes, CODE, CoreRig, DATA, PAGE, R } from './rig.ts';

const memoryBytes = 8 << 20;
const END = DATA + PAGE;
const x86 = (): CpuCore => new X86Cpu({ ...loadCore(), memoryBytes });
const a64 = (): CpuCore => new A64Cpu({ ...loadA64Core(), memoryBytes });

const COUNT = Array.from({ length: 256 }, (_, i) => i);

/** Code, a writable page, and behind it one that can only be read, with numbers around the border. */
function rig(make: () => CpuCore, code: readonly number[]): CoreRig<CpuCore> {
  const r = new CoreRig(make());
  r.map(CODE, 1, 5);
  r.poke(CODE, code);
  r.map(DATA, 1, 3);
  r.map(END, 1, 1);
  r.poke(END - 128, COUNT);
  r.regs.pc = CODE;
  return r;
}

/** Faults at END, gets permission as a kernel gives it after copy-on-write, and goes on to the system call. */
function restarted(r: CoreRig<CpuCore>, prepare: () => void): number[] {
  prepare();
  const { pc } = r.regs;
  expect(r.run()).toBe('fault');
  expect([r.cpu.faultAddress, r.cpu.faultAccess, r.regs.pc]).toEqual([BigInt(END), 2, pc]);
  expect(r.peek(END - 128, 256)).toEqual(COUNT);
  r.table.set(END, r.table.frame(END), 3);
  expect(r.run()).toBe('syscall');
  return r.peek(END - 128, 256);
}

/** Without a fault. */
function straight(r: CoreRig<CpuCore>, prepare: () => void): number[] {
  prepare();
  r.table.set(END, r.table.frame(END), 3);
  expect(r.run()).toBe('syscall');
  return r.peek(END - 128, 256);
}

function prepareX86(r: CoreRig<CpuCore>): () => void {
  return () => {
    r.regs.setNum(R.rax, 0x01010101);
    r.regs.setNum(R.rcx, 4);
    r.regs.setNum(R.rbx, END);
    r.regs.setNum(R.rsp, END + 5);
    r.regs.setNum(R.rsi, DATA);
    r.regs.setNum(R.rdi, END - 2);
  };
}

describe('x86_64', () => {
  it.each([
    ['mov [rbx-3], rax', '48 89 43 fd'],
    ['mov [rbx-1], ax', '66 89 43 ff'],
    ['movups [rbx-7], xmm0', '0f 11 43 f9'],
    ['add [rbx-3], rax', '48 01 43 fd'],
    ['lock xadd [rbx-3], rax', 'f0 48 0f c1 43 fd'],
    ['xchg [rbx-4], rax', '48 87 43 fc'],
    ['neg qword [rbx-5]', '48 f7 5b fb'],
    ['rol qword [rbx-1], 3', '48 c1 43 ff 03'],
    ['btc [rbx-4], rcx', '48 0f bb 4b fc'],
    ['push rax', '50'],
    ['call +0', 'e8 00 00 00 00'],
    ['rep movsd', 'f3 a5'],
  ])('%s', (_, code) => {
    const make2 = (): CoreRig<CpuCore> => rig(x86, bytes(`${code} 0f 05`));
    const [a, b] = [make2(), make2()];
    expect(restarted(a, prepareX86(a))).toEqual(straight(b, prepareX86(b)));
    for (let i = 0; i < 18; i++) expect([i, a.regs.get(i)]).toEqual([i, b.regs.get(i)]);
  });
});

describe('aarch64', () => {
  const words = (...list: number[]): number[] => [...new Uint8Array(Uint32Array.from(list).buffer)];
  it.each([
    ['stur x1, [x0, #-3]', 0xf81fd001],
    ['stp x1, x2, [x0, #-8]', 0xa93f8801],
    ['stp q1, q2, [x0, #-16]', 0xad3f8801],
    ['stur q1, [x0, #-8]', 0x3c9f8001],
    ['str x1, [x3], #16', 0xf8010461],
    ['st1 {v1.16b-v4.16b}, [x3]', 0x4c002061],
  ])('%s', (_, code) => {
    const make2 = (): CoreRig<CpuCore> => rig(a64, words(code, 0xd4000001));
    const [a, b] = [make2(), make2()];
    const prepare = (r: CoreRig<CpuCore>) => () => {
      r.regs.setNum(0, END);
      r.regs.setNum(1, 0x1111);
      r.regs.setNum(2, 0x2222);
      r.regs.setNum(3, END - 5);
    };
    expect(restarted(a, prepare(a))).toEqual(straight(b, prepare(b)));
    for (let i = 0; i < 34; i++) expect([i, a.regs.get(i)]).toEqual([i, b.regs.get(i)]);
  });
});
