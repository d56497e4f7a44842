/** Runs the same cases interpreted and compiled, and compares everything: registers, memory, exit and count. */
import { A64Cpu, X86Cpu, type CpuOptions, type Heat } from '../../cpu/index.ts';
import { variantFinder as a64Variants } from '../../cpu/isa/aarch64/encoding.ts';
import { definitions as a64Definitions } from '../../cpu/isa/aarch64/instructions.ts';
import { variantFinder as x86Variants } from '../../cpu/isa/x86_64/encoding.ts';
import { definitions as x86Definitions } from '../../cpu/isa/x86_64/instructions.ts';
import { a64RegionIsa } from '../../cpu/jit/a64-isa.ts';
import { compileRegion } from '../../cpu/jit/compile.ts';
import { fuser, type RegionIsa } from '../../cpu/jit/isa.ts';
import { x86RegionIsa } from '../../cpu/jit/x86-isa.ts';
import { EXIT } from '../../cpu/layout.ts';
import { loadA64Core, loadCore } from '../../src/host/core-files.ts';
import type { Random } from '../support/random.ts';
import type { A64Case } from './a64-generate.ts';
import { A64Target } from './a64-target.ts';
import { PAD } from './driver.ts';
import type { Case, Target } from './runner.ts';
import { PATIENT, type Patience } from './sandbox.ts';
import type { X86Case } from './x86-generate.ts';
import { X86Target } from './x86-target.ts';

/** Every backward jump is a sample, and every sample of decoded code has it compiled. */
export const AT_ONCE: Heat = { slice: 1, longest: 1, samples: 0 };
const MEMORY = { memoryBytes: 8 << 20, codeBytes: 1 << 20 };

interface Side<C extends Case> {
  readonly target: Target<C> & { readonly data: Uint8Array; patience: Patience };
  /** A line for each sample of a run. */
  readonly samples: string[];
  readonly cpu: { readonly retired: number; readonly compilerStats: { readonly regions: number } | null };
}

const exitName = (exit: number): string =>
  Object.entries(EXIT).find(([, n]) => n === exit)?.[0] ?? String(exit);

export class CompiledPair<C extends Case> {
  /** Definitions the compiler emitted. */
  readonly emitted: Set<string>;
  /** Cases of which nothing was compiled. */
  uncompiled = 0;
  cases = 0;
  instructions = 0;
  private readonly interpreted: Side<C>;
  private readonly compiled: Side<C>;
  private readonly states: readonly [Uint8Array, Uint8Array, Uint8Array];

  constructor(interpreted: Side<C>, compiled: Side<C>, emitted: Set<string>) {
    this.interpreted = interpreted;
    this.compiled = compiled;
    this.emitted = emitted;
    const { stateBytes } = interpreted.target;
    this.states = [new Uint8Array(stateBytes), new Uint8Array(stateBytes), new Uint8Array(stateBytes)];
  }

  get regions(): number {
    return this.compiled.cpu.compilerStats!.regions;
  }

  /** What the first execution that differs shows, null: none does. */
  run(c: C, r: Random, patience = PATIENT): string | null {
    const [before, a, b] = this.states;
    const sides = [this.interpreted, this.compiled] as const;
    for (const { target } of sides) {
      target.reset();
      target.load(c);
    }
    const { regions } = this;
    this.cases++;
    for (let k = 0; k < c.runs; k++) {
      before.fill(0);
      this.interpreted.target.draw(c, new Int32Array(before.buffer), 0, r);
      for (const side of sides) {
        side.target.patience = patience;
        side.samples.length = 0;
        if (c.family === 'programs') side.target.reset();
      }
      const exits = [this.interpreted.target.run(before, a), this.compiled.target.run(before, b)];
      const counts = sides.map(({ cpu }) => cpu.retired);
      this.instructions += counts[1];
      if (
        exits[0] === exits[1] &&
        counts[0] === counts[1] &&
        Buffer.compare(a, b) === 0 &&
        Buffer.compare(sides[0].target.data, sides[1].target.data) === 0 &&
        sides[0].samples.every((line, i) => line === sides[1].samples[i])
      )
        continue;
      return this.describe(c, k, exits, counts);
    }
    if (this.regions === regions) this.uncompiled++;
    return null;
  }

  private describe(c: C, run: number, exits: readonly number[], counts: readonly number[]): string {
    const [before, a, b] = this.states;
    const hex = (s: Uint8Array, at: number, size: number): string =>
      Buffer.from(s.slice(at, at + size))
        .reverse()
        .toString('hex');
    const { fields } = this.interpreted.target;
    const parts = fields.flatMap(({ name, at, bytes }) => {
      const [x, y] = [hex(a, at, bytes), hex(b, at, bytes)];
      return x === y ? [] : [`${name}: ${x} interpreted, ${y} compiled (${hex(before, at, bytes)} before)`];
    });
    const [x, y] = [this.interpreted.samples, this.compiled.samples];
    const n = x.findIndex((line, i) => line !== y[i]);
    if (n >= 0)
      parts.unshift(`sample ${n} of ${x.length}:`, ...(n > 0 ? [x[n - 1]] : []), x[n], y[n] ?? 'none');
    return [
      `${c.name}: ${Buffer.from(c.code).toString('hex')}, execution ${run}: ${exits.map(exitName).join(' / ')}, retired ${counts.join(' / ')}`,
      ...parts.slice(0, 12),
    ].join('\n  ');
  }
}

/** A compiler that notes the names of what is in its regions. */
function compiling(
  isa: RegionIsa,
  nameOf: (handler: number) => string | undefined,
  into: Set<string>,
): Pick<CpuOptions, 'compiler'> {
  let emitted: number[] = [];
  const noting: RegionIsa = {
    ...isa,
    instruction: (handler) => {
      const i = isa.instruction(handler);
      if (!i) return undefined;
      return {
        ...i,
        emit: (context) => {
          emitted.push(handler);
          i.emit(context);
        },
      };
    },
  };
  return {
    compiler: () => (request) => {
      emitted = [];
      const region = compileRegion(noting, request);
      if (region) for (const h of emitted) into.add(nameOf(h) ?? '');
      return region;
    },
  };
}

/** Notes what registers hold at samples. */
function sampling(samples: string[], fpBytes: number): Pick<CpuOptions, 'onSample'> {
  const fp = new Uint8Array(fpBytes);
  return {
    onSample: (regs, retired) => {
      regs.saveFp(fp);
      const values = Array.from({ length: fpBytes === 512 ? 18 : 34 }, (_, i) => regs.get(i).toString(16));
      samples.push(
        `${retired} ${regs.pc.toString(16)}: ${values.join(' ')} ${Buffer.from(fp).toString('hex')}`,
      );
    },
  };
}

export function x86Pair(heat = AT_ONCE): CompiledPair<X86Case> {
  const core = loadCore();
  const emitted = new Set<string>();
  const variantOf = x86Variants(x86Definitions, core.isa.encodings);
  const fusedOf = fuser(core.isa.ids.fused, 16);
  const nameOf = (h: number): string | undefined => variantOf(fusedOf(h)?.first ?? h)?.def.name;
  const options = { ...core, ...MEMORY, tsc: () => 12345678901n };
  const cpu = (samples: string[], longing: number): X86Cpu =>
    new X86Cpu({
      ...options,
      ...compiling(x86RegionIsa(core.isa), nameOf, emitted),
      ...(heat === AT_ONCE ? {} : sampling(samples, 512)),
      heat: { ...heat, samples: longing },
    });
  const side = (longing: number): Side<X86Case> => {
    const samples: string[] = [];
    const made = cpu(samples, longing);
    return { cpu: made, target: new X86Target(made, PAD), samples };
  };
  return new CompiledPair(side(Infinity), side(heat.samples), emitted);
}

export function a64Pair(heat = AT_ONCE): CompiledPair<A64Case> {
  const core = loadA64Core();
  const emitted = new Set<string>();
  const variantOf = a64Variants(a64Definitions, core.isa.encodings);
  const fusedOf = fuser(core.isa.ids.fused, 16);
  const nameOf = (h: number): string | undefined => variantOf(fusedOf(h)?.first ?? h)?.def.name;
  const options = { ...core, ...MEMORY, counter: () => 12345678901n };
  const cpu = (samples: string[], longing: number): A64Cpu =>
    new A64Cpu({
      ...options,
      ...compiling(a64RegionIsa(core.isa), nameOf, emitted),
      ...(heat === AT_ONCE ? {} : sampling(samples, 528)),
      heat: { ...heat, samples: longing },
    });
  const side = (longing: number): Side<A64Case> => {
    const samples: string[] = [];
    const made = cpu(samples, longing);
    return { cpu: made, target: new A64Target(made, PAD), samples };
  };
  return new CompiledPair(side(Infinity), side(heat.samples), emitted);
}
