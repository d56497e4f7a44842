/**
 * Listings of small regions, kept in regions/: a change in generated code is seen as a change of these. When it is meant:
 * npx vitest run test/cpu/jit/listing.test.ts -u
 */
import { describe, expect, it } from 'vitest';
import { A64Cpu, type CpuCore } from '../../../cpu/index.ts';
import { a64RegionIsa } from '../../../cpu/jit/a64-isa.ts';
import { compileRegion } from '../../../cpu/jit/compile.ts';
import { loadA64Core } from '../../../src/host/core-files.ts';
import { bytes, CODE, CoreRig, DATA, PAGE, R, Rig } from '../rig.ts';

const heat = { slice: 50, longest: 50, samples: 1 };

function x86(code: string): string {
  const listings: string[] = [];
  const rig = new Rig({ heat, onRegion: (text) => listings.push(text) }).usual();
  rig.poke(CODE, [...bytes(code), 0x0f, 0x05]);
  rig.regs.setNum(R.rcx, 400);
  rig.regs.setNum(R.rsi, DATA);
  rig.regs.setNum(R.rdi, DATA + PAGE);
  expect(rig.run()).toBe('syscall');
  return listings[listings.length - 1]; // the one that knows its windows
}

function a64(words: readonly number[]): string {
  const core = loadA64Core();
  const isa = a64RegionIsa(core.isa);
  const listings: string[] = [];
  const rig = new CoreRig<CpuCore>(
    new A64Cpu({
      ...core,
      memoryBytes: 8 << 20,
      heat,
      compiler: () => (request) => compileRegion(isa, request),
      onRegion: (text) => listings.push(text),
    }),
  );
  rig.map(CODE, 1, 5);
  rig.map(DATA, 2, 3);
  const code = Uint8Array.from([...words, 0xd4000001].flatMap((w) => [w, w >>> 8, w >>> 16, w >>> 24]));
  rig.poke(CODE, code);
  rig.regs.pc = CODE;
  rig.regs.setNum(1, DATA);
  rig.regs.setNum(2, 400);
  expect(rig.run()).toBe('syscall');
  return listings[listings.length - 1]; // the one that knows its windows
}

describe('listings', () => {
  it('x86_64: a loop that sums memory', async () => {
    // add rax, [rsi]; add rsi, 8; dec ecx; jnz
    const text = x86('48 03 06 48 83 c6 08 ff c9 75 f5');
    await expect(text).toMatchFileSnapshot('regions/x86_64-sum.txt');
    expect(text).toContain('jnz');
  });

  it('x86_64: a call in a loop, a comparison and a store', async () => {
    // again: call f; dec ecx; jnz again; jmp end; f: cmp eax, 100; jl +3; xor eax, eax; nop; inc eax; mov [rdi], al; ret
    const text = x86('e8 06 00 00 00 ff c9 75 f7 eb 0d 83 f8 64 7c 03 31 c0 90 ff c0 88 07 c3');
    await expect(text).toMatchFileSnapshot('regions/x86_64-call.txt');
    expect(text).toContain('ret');
  });

  it('aarch64: a loop that copies and sums', async () => {
    // ldr x3, [x1], #8; add x0, x0, x3; str x0, [x1]; subs x2, x2, #1; b.ne
    const text = a64([0xf8408423, 0x8b030000, 0xf9000020, 0xf1000442, 0x54ffff81]);
    await expect(text).toMatchFileSnapshot('regions/aarch64-sum.txt');
    expect(text).toContain('region 10000000');
  });
});
