/** A store that faults leaves nothing behind, on every core: not where it crosses pages, nor where it is several. */
import { describe, expect, it } from 'vitest';
import { A64Cpu, UnicornA64Cpu, UnicornX86Cpu, X86Cpu } from '../../cpu/index.ts';
import { loadA64Core, loadCore } from '../../src/host/core-files.ts';
import { loadNativeUnicorn } from '../../src/host/unicorn-native.ts';
import { bytes, CODE, CoreRig, DATA, PAGE, R } from './rig.ts';

const unicorn = loadNativeUnicorn;
if (!unicorn())
  console.log('Left out: precise stores on Unicorn: libunicorn2 or the package koffi is not here');
const memoryBytes = 8 << 20;
const SYSCALL = '0f 05';
const END = DATA + PAGE;

const X86 = [
  { core: 'interpreter', make: () => new X86Cpu({ ...loadCore(), memoryBytes }) },
  { core: 'unicorn', make: () => new UnicornX86Cpu({ unicorn: unicorn()!, memoryBytes }) },
].filter(({ core }) => core === 'interpreter' || unicorn());
const A64 = [
  { core: 'interpreter', make: () => new A64Cpu({ ...loadA64Core(), memoryBytes }) },
  { core: 'unicorn', make: () => new UnicornA64Cpu({ unicorn: unicorn()!, memoryBytes }) },
].filter(({ core }) => core === 'interpreter' || unicorn());

const COUNT = Array.from({ length: 256 }, (_, i) => i);

/** Code, a writable page, and behind it one that can only be read. */
function rig(make: () => X86Cpu | UnicornX86Cpu | A64Cpu | UnicornA64Cpu, code: readonly number[]) {
  const r = new CoreRig(make());
  r.map(CODE, 1, 5);
  r.poke(CODE, code);
  r.map(DATA, 1, 3);
  r.map(END, 1, 1);
  r.poke(END - 128, COUNT);
  r.regs.pc = CODE;
  return r;
}
type AnyRig = ReturnType<typeof rig>;

/** A core may come back before it got anywhere, when a page was missing. */
function run(r: AnyRig): string {
  let exit = 'preempt';
  for (let i = 0; exit === 'preempt' && i < 8; i++) exit = r.run();
  return exit;
}

function faults(r: AnyRig, at: number): void {
  expect(run(r)).toBe('fault');
  expect(r.cpu.faultAddress).toBe(BigInt(at));
  expect(r.peek(END - 128, 256)).toEqual(COUNT);
}

/** As a kernel ends copy-on-write. */
function allow(r: AnyRig): void {
  r.table.set(END, r.table.frame(END), 3);
}

const read64 = (r: AnyRig, at: number): bigint =>
  new DataView(Uint8Array.from(r.peek(at, 8)).buffer).getBigUint64(0, true);

describe.each(X86)('x86_64 on the $core', ({ make }) => {
  it.each([
    ['mov [rbx-3], rax', '48 89 43 fd', 3],
    ['mov [rbx-1], ax', '66 89 43 ff', 1],
    ['movups [rbx-7], xmm0', '0f 11 43 f9', 7],
    ['movups [rbx-8], xmm0', '0f 11 43 f8', 8],
    ['push rax', '50', 5],
    ['xchg [rbx-4], rax', '48 87 43 fc', 4],
  ])('%s', (_, code, before) => {
    const r = rig(make, bytes(`${code} ${SYSCALL}`));
    r.regs.setNum(R.rbx, END);
    r.regs.setNum(R.rsp, END + 8 - before);
    faults(r, END);
    expect([r.regs.pc, r.cpu.retired, r.regs.num(R.rsp)]).toEqual([CODE, 0, END + 8 - before]);
  });

  it('an addition across pages is made once, though it is restarted', () => {
    const r = rig(make, bytes(`48 01 43 fd 48 01 43 fd ${SYSCALL}`)); // add [rbx-3], rax; twice
    r.regs.setNum(R.rbx, END);
    r.regs.setNum(R.rax, 0x010101);
    const before = read64(r, END - 3);
    faults(r, END);
    allow(r);
    expect(run(r)).toBe('syscall');
    expect(read64(r, END - 3)).toBe(before + 2n * 0x010101n);
  });

  it('what earlier instructions stored there stays', () => {
    const r = rig(make, bytes(`89 43 f8 89 43 fc 48 89 43 fd ${SYSCALL}`)); // mov [rbx-8], eax; [rbx-4]; mov [rbx-3], rax
    r.regs.setNum(R.rbx, END);
    r.regs.setNum(R.rax, 0x55555555);
    expect(run(r)).toBe('fault');
    expect(r.peek(END - 9, 10)).toEqual([119, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 128]);
    expect(r.cpu.retired).toBe(2);
  });
});

describe.each(A64)('aarch64 on the $core', ({ make }) => {
  const word = (w: number): number[] => [w & 255, (w >> 8) & 255, (w >> 16) & 255, w >>> 24];
  const SVC = 0xd4000001;
  it.each([
    ['stur x1, [x0, #-3]', 0xf81fd001],
    ['stp x1, x2, [x0, #-8]', 0xa93f8801],
    ['stp q1, q2, [x0, #-16]', 0xad3f8801],
    ['stur q1, [x0, #-8]', 0x3c9f8001],
  ])('%s', (_, code) => {
    const r = rig(make, [...word(code), ...word(SVC)]);
    r.regs.setNum(0, END);
    faults(r, END);
    expect([r.regs.pc, r.cpu.retired]).toEqual([CODE, 0]);
    allow(r);
    expect(run(r)).toBe('syscall');
  });

  it('st1 of four registers, which ends behind a border', () => {
    const r = rig(make, [...word(0x4c002001), ...word(SVC)]); // st1 {v1.16b-v4.16b}, [x0]
    r.regs.setNum(0, END - 40);
    faults(r, END);
  });

  it('a pair whose first half faults leaves the second, too', () => {
    const r = rig(make, [...word(0xa93f8801), ...word(SVC)]); // stp x1, x2, [x0, #-8]
    r.table.set(DATA, r.table.frame(DATA), 1);
    allow(r);
    r.regs.setNum(0, END);
    faults(r, END - 8);
  });
});
