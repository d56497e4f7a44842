/**
 * Random instructions on Unicorn and on the interpreter: each difference must be a deviation of Unicorn's that is known,
 * and each of those must show itself in its own case. Beside single instructions: counts, CPUID, stores across pages.
 */
import { describe, expect, it } from 'vitest';
import { UnicornX86Cpu, X86Cpu, type CpuCore } from '../../cpu/index.ts';
import { definitions as a64Definitions } from '../../cpu/isa/aarch64/instructions.ts';
import { definitions as x86Definitions } from '../../cpu/isa/x86_64/instructions.ts';
import { loadCore } from '../../src/host/core-files.ts';
import { loadNativeUnicorn } from '../../src/host/unicorn-native.ts';
import { bytes, CODE, CoreRig, DATA, PAGE, R } from '../cpu/rig.ts';
import { Random } from '../support/random.ts';
import * as a64 from './a64-generate.ts';
import { X86_AT } from './layouts.ts';
import type { Case } from './runner.ts';
import { A64_DEVIATIONS, X86_DEVIATIONS, type Deviation } from './unicorn-deviations.ts';
import { a64Tandem, x86Tandem, type Difference, type Tandem } from './unicorn-run.ts';
import * as x86 from './x86-generate.ts';
import { drawX86 } from './x86-states.ts';

const SEED = Number(process.env['RING3_DIFF_SEED'] ?? 1);
/** Instances of each encoding or definition, and states each is run from. */
const EACH = Number(process.env['RING3_DIFF_EACH'] ?? 4);
const RUNS = Number(process.env['RING3_DIFF_RUNS'] ?? 10);

const unicorn = loadNativeUnicorn();
if (!unicorn) console.log('Left out: instructions on Unicorn: libunicorn2 or the package koffi is not here');

/** PCMPESTRx may crash it; estimates differ between any two. */
const LEFT_OUT = /^(pcmpestr|rcp[ps]s|rsqrt[ps]s)/;

const known = (rows: readonly Deviation[], name: string, d: Difference): boolean =>
  rows.some((row) => row.instructions.test(name) && row.parts.test(d.part) && (row.explains?.(d) ?? true));

const text = (code: Uint8Array, d: Difference): string =>
  `${Buffer.from(code).toString('hex')}: ${d.part}: Unicorn ${d.unicorn}, ours ${d.ours}`;

/** Flags the manual leaves undefined are a part of their own. */
function parted(c: x86.X86Case, d: Difference): Difference {
  const differing = parseInt(d.unicorn.slice(-8), 16) ^ parseInt(d.ours.slice(-8), 16);
  return d.part === 'rflags' && (differing & ~c.undefinedFlags) === 0 ? { ...d, part: 'undefined flags' } : d;
}

describe.skipIf(!unicorn)('Unicorn', () => {
  it.each([
    ...X86_DEVIATIONS.map((row) => ({ arch: 'x86_64' as const, row, what: row.what })),
    ...A64_DEVIATIONS.map((row) => ({ arch: 'aarch64' as const, row, what: row.what })),
  ])('$arch: $what', ({ arch, row }) => {
    const tandem: Tandem<never> = arch === 'x86_64' ? x86Tandem(unicorn!) : a64Tandem(unicorn!);
    const c = arch === 'x86_64' ? x86.fixedCase(row.what, row.code, 1) : a64.fixedCase(row.what, row.code, 1);
    tandem.load({ ...c, fp: true } as never);
    const start = arch === 'x86_64' ? X86_START : {};
    const value = (v: string): bigint | string =>
      /^[0-9a-f]+$/.test(v) && v.length % 2 === 0 ? BigInt(`0x${v}`) : v;
    const found = tandem
      .run(tandem.state({ ...start, ...row.start }))
      .map((d) =>
        d.part === 'exit' ? [d.part, [d.unicorn, d.ours]] : [d.part, [value(d.unicorn), value(d.ours)]],
      );
    expect(Object.fromEntries(found)).toEqual(row.shows);
  });

  it('x86_64: all else is as here', async () => {
    const tandem = x86Tandem(unicorn!);
    const r = new Random(SEED);
    const defs = x86Definitions.filter((d) => x86.testable(d) && !LEFT_OUT.test(d.name));
    const cases = defs
      .flatMap((d) => x86.casesOf(d, EACH, RUNS, r))
      .map((c) => ({ ...c, kinds: c.kinds & ~x86.KIND.UNMASKED }));
    await expectKnown(
      tandem,
      cases,
      (s, c) => {
        drawX86(c, s, 0, r);
        s[X86_AT.fx / 4] = 0x37f; // TOP 0
        s[X86_AT.fx / 4 + 1] = 0xff;
      },
      X86_DEVIATIONS,
      parted,
    );
  });

  it('aarch64: all else is as here', async () => {
    const r = new Random(SEED);
    const cases = a64Definitions.filter(a64.testable).flatMap((d) => a64.casesOf(d, EACH, RUNS, r));
    await expectKnown(
      a64Tandem(unicorn!),
      cases,
      (s, c) => {
        a64.drawA64(c, s, 0, r);
      },
      A64_DEVIATIONS,
      (_c, d) => d,
    );
  });
});

/** What a program starts with. */
const X86_START = { rflags: 0x202n, 'fpu control': 0x37fn, mxcsr: 0x1f80n, r4: BigInt(DATA + PAGE) };

/** Each difference between the cores is one that `rows` explain. */
async function expectKnown<C extends Case>(
  tandem: Tandem<C>,
  cases: readonly C[],
  draw: (state: Int32Array, c: C) => void,
  rows: readonly Deviation[],
  parted: (c: C, d: Difference) => Difference,
): Promise<void> {
  const failures: string[] = [];
  for (const c of cases) {
    await new Promise(setImmediate);
    tandem.load(c);
    for (let k = 0; k < c.runs; k++) {
      const state = tandem.state({});
      draw(new Int32Array(state.buffer), c);
      for (const d of tandem.run(state))
        if (!known(rows, c.name, parted(c, d))) failures.push(`${c.name}: ${text(Uint8Array.from(c.code), d)}`);
    }
  }
  expect(failures, `${failures.length} differ:\n${failures.slice(0, 20).join('\n')}\n`).toEqual([]);
  expect(cases.length).toBeGreaterThan(0);
} // prettier-ignore

const memoryBytes = 8 << 20;

/** Both cores, with a snippet before a system call, a writable page and one behind it that can only be read. */
function pair(code: string): { theirs: CoreRig<CpuCore>; ours: CoreRig<CpuCore> } {
  const rig = (cpu: CpuCore): CoreRig<CpuCore> => {
    const r = new CoreRig(cpu);
    r.map(CODE, 1, 5);
    r.poke(CODE, bytes(`${code} 0f 05`));
    r.map(DATA, 1, 3);
    r.map(DATA + PAGE, 1, 1);
    r.regs.pc = CODE;
    return r;
  };
  return {
    theirs: rig(new UnicornX86Cpu({ unicorn: unicorn!, memoryBytes })),
    ours: rig(new X86Cpu({ ...loadCore(), memoryBytes })),
  };
}

/** Runs to the end; a core may come back before, when a page was missing. */
function finish(r: CoreRig<CpuCore>): { exit: string; retired: number } {
  let exit = 'preempt';
  let retired = 0;
  for (let i = 0; exit === 'preempt' && i < 8; i++) {
    exit = r.run();
    retired += r.cpu.retired;
  }
  return { exit, retired };
}

describe.skipIf(!unicorn)('Unicorn on x86_64, beside single instructions,', () => {
  // Each round is a block of its own that asks its count; with the rounds used up there is one more, which finds that.
  it.each([
    ['rep stosb', 'f3 aa', 100, 101],
    ['rep movsb', 'f3 a4', 7, 8],
    ['rep stosb of nothing', 'f3 aa', 0, 1],
    ['repne scasb that finds at once', 'f2 ae', 9, 1],
  ])('counts each round of %s', (_, code, rcx, rounds) => {
    const { theirs, ours } = pair(code);
    for (const r of [theirs, ours]) {
      r.regs.setNum(R.rcx, rcx);
      r.regs.setNum(R.rdi, DATA);
      r.regs.setNum(R.rsi, DATA + 256);
    }
    expect(finish(ours)).toEqual({ exit: 'syscall', retired: 2 });
    expect(finish(theirs)).toEqual({ exit: 'syscall', retired: rounds + 1 });
  });

  it.each([
    ['PCLMULQDQ, POPCNT, XSAVE', 1, '0f a2 89 cb', 0x0c800002], // cpuid; mov ebx, ecx (SYSCALL takes rcx)
    ['FSGSBASE', 7, '0f a2', 1],
  ])('has no %s in CPUID', (_, leaf, code, missing) => {
    const { theirs, ours } = pair(code);
    for (const r of [theirs, ours]) {
      r.regs.setNum(R.rax, leaf);
      r.regs.setNum(R.rcx, 0);
      expect(finish(r).exit).toBe('syscall');
    }
    expect(ours.regs.num(R.rbx) & ~theirs.regs.num(R.rbx)).toBe(missing);
    expect(theirs.regs.num(R.rbx) & ~ours.regs.num(R.rbx)).toBe(0);
  });

  it('has written the first part of a store across pages when the second faults', () => {
    const { theirs, ours } = pair('48 89 43 fd'); // mov [rbx-3], rax
    for (const r of [theirs, ours]) {
      r.regs.setNum(R.rbx, DATA + PAGE);
      r.regs.set(R.rax, 0x1111111111111111n);
      expect(finish(r).exit).toBe('fault');
      expect(r.cpu.faultAddress).toBe(BigInt(DATA + PAGE));
    }
    expect(ours.peek(DATA + PAGE - 4, 8)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(theirs.peek(DATA + PAGE - 4, 8)).toEqual([0, 0x11, 0x11, 0x11, 0, 0, 0, 0]);
  });
});
