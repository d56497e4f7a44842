/**
 * Random instructions on Unicorn and on the interpreter: each difference must be a deviation of Unicorn's that is known,
 * and each of those must show itself in its own case. Beside single instructions: counts, CPUID, stores across pages.
 */
import { describe, expect, it } from 'vitest';
import { UnicornX86Cpu, X86Cpu, type CpuCore } from '../../cpu/index.ts';
import { Decoder } from '../../cpu/isa/aarch64/translator.ts';
import { loadA64Core, loadCore } from '../../src/host/core-files.ts';
import { loadNativeUnicorn } from '../../src/host/unicorn-native.ts';
import { bytes, CODE, CoreRig, DATA, PAGE, R } from '../cpu/rig.ts';
import * as a64 from './a64-cases.ts';
import { A64_DEVIATIONS, X86_DEVIATIONS, type Deviation } from './unicorn-deviations.ts';
import { Tandem, type Difference } from './unicorn-run.ts';
import * as x86 from './x86-cases.ts';

const SEED = Number(process.env['RING3_DIFF_SEED'] ?? 1);
/** Instances of each encoding or definition, and states each is run from. */
const EACH = Number(process.env['RING3_DIFF_EACH'] ?? 4);
const RUNS = Number(process.env['RING3_DIFF_RUNS'] ?? 10);

const unicorn = loadNativeUnicorn();
if (!unicorn) console.log('Left out: instructions on Unicorn: libunicorn2 or the package koffi is not here');

const known = (rows: readonly Deviation[], name: string, d: Difference): boolean =>
  rows.some((row) => row.instructions.test(name) && row.parts.test(d.part) && (row.explains?.(d) ?? true));

const text = (code: Uint8Array, d: Difference): string =>
  `${Buffer.from(code).toString('hex')}: ${d.part}: Unicorn ${d.unicorn}, ours ${d.ours}`;

/** Flags the manual leaves undefined are a part of their own. */
function parted(c: x86.Case, d: Difference): Difference {
  const differing = parseInt(d.unicorn.slice(-8), 16) ^ parseInt(d.ours.slice(-8), 16);
  return d.part === 'rflags' && (differing & ~c.undefinedFlags) === 0 ? { ...d, part: 'undefined flags' } : d;
}

describe.skipIf(!unicorn)('Unicorn', () => {
  it.each([
    ...X86_DEVIATIONS.map((row) => ({ arch: 'x86_64' as const, row, what: row.what })),
    ...A64_DEVIATIONS.map((row) => ({ arch: 'aarch64' as const, row, what: row.what })),
  ])('$arch: $what', ({ arch, row }) => {
    const tandem = new Tandem(arch, unicorn!);
    tandem.load(arch === 'x86_64' ? Uint8Array.from(row.code) : words(row.code));
    const value = (v: string): bigint | string =>
      /^[0-9a-f]+$/.test(v) && v.length % 2 === 0 ? BigInt(`0x${v}`) : v;
    const found = tandem
      .run(tandem.state(row.start))
      .map((d) =>
        d.part === 'exit' ? [d.part, [d.unicorn, d.ours]] : [d.part, [value(d.unicorn), value(d.ours)]],
      );
    expect(Object.fromEntries(found)).toEqual(row.shows);
  });

  it('x86_64: all else is as here', async () => {
    const tandem = new Tandem('x86_64', unicorn!);
    const r = new x86.Random(SEED);
    const state = new Uint8Array(x86.STATE_BYTES);
    const failures: string[] = [];
    let executed = 0;
    for (const e of x86.testableEncodings()) {
      if (e.def.name.startsWith('pcmpestr')) continue; // may crash it
      await new Promise(setImmediate);
      for (let i = 0; i < EACH; i++) {
        const c = x86.makeCase(e, r);
        if (!c) continue;
        tandem.load(c.code);
        for (let k = 0; k < RUNS; k++) {
          x86.fillState(state, c, r);
          executed++;
          for (const d of tandem.run(state))
            if (!known(X86_DEVIATIONS, e.def.name, parted(c, d)))
              failures.push(`${c.what}: ${text(c.code, d)}`);
        }
      }
    }
    expect(failures, `${failures.length} differ:\n${failures.slice(0, 20).join('\n')}\n`).toEqual([]);
    expect(executed).toBeGreaterThan(0);
  });

  it('aarch64: all else is as here', async () => {
    const tandem = new Tandem('aarch64', unicorn!);
    const decoder = new Decoder(loadA64Core().isa.encodings);
    const r = new x86.Random(SEED);
    const state = new Uint8Array(a64.STATE_BYTES);
    const failures: string[] = [];
    let executed = 0;
    for (const def of a64.testable()) {
      await new Promise(setImmediate);
      for (let made = 0, tries = 0; made < EACH && tries < 50 * EACH; tries++) {
        const c = a64.makeCase(def, r, (w) => decoder.decode(w, 0) && decoder.encoding.name === def.name);
        if (!c) continue;
        made++;
        const code = words(c.words);
        tandem.load(code);
        for (let k = 0; k < RUNS; k++) {
          a64.fillState(state, c, r);
          executed++;
          for (const d of tandem.run(state))
            if (!known(A64_DEVIATIONS, def.name, d)) failures.push(`${def.name}: ${text(code, d)}`);
        }
      }
    }
    expect(failures, `${failures.length} differ:\n${failures.slice(0, 20).join('\n')}\n`).toEqual([]);
    expect(executed).toBeGreaterThan(0);
  });
});

function words(list: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(list).buffer);
}

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
