/** Runs the same cases interpreted and compiled, and compares everything: registers, memory, exit and count. */
import { A64Cpu, X86Cpu, type CpuOptions } from '../../cpu/index.ts';
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
import type { X86Case } from './x86-generate.ts';
import { X86Target } from './x86-target.ts';

/** Every backward jump is a sample, and every sample of decoded code has it compiled. */
const AT_ONCE = { slice: 1, longest: 1, samples: 0 };
const MEMORY = { memoryBytes: 8 << 20, codeBytes: 1 << 20 };

interface Side<C extends Case> {
  readonly target: Target<C>;
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
  run(c: C, r: Random): string | null {
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
      const exits = [this.interpreted.target.run(before, a), this.compiled.target.run(before, b)];
      const counts = sides.map(({ cpu }) => cpu.retired);
      this.instructions += counts[1];
      if (exits[0] === exits[1] && counts[0] === counts[1] && a.every((byte, i) => byte === b[i])) continue;
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
    return [
      `${c.name}: ${Buffer.from(c.code).toString('hex')}, execution ${run}: ${exits.map(exitName).join(' / ')}, retired ${counts.join(' / ')}`,
      ...parts.slice(0, 8),
    ].join('\n  ');
  }
}

/** A compiler that notes the names of what is in its regions. */
function compiling(
  isa: RegionIsa,
  nameOf: (handler: number) => string | undefined,
  into: Set<string>,
): Pick<CpuOptions, 'compiler' | 'heat'> {
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
    heat: AT_ONCE,
  };
}

export function x86Pair(): CompiledPair<X86Case> {
  const core = loadCore();
  const emitted = new Set<string>();
  const variantOf = x86Variants(x86Definitions, core.isa.encodings);
  const fusedOf = fuser(core.isa.ids.fused, 16);
  const nameOf = (h: number): string | undefined => variantOf(fusedOf(h)?.first ?? h)?.def.name;
  const options = { ...core, ...MEMORY, tsc: () => 12345678901n };
  const [a, b] = [
    new X86Cpu(options),
    new X86Cpu({ ...options, ...compiling(x86RegionIsa(core.isa), nameOf, emitted) }),
  ];
  return new CompiledPair(
    { cpu: a, target: new X86Target(a, PAD) },
    { cpu: b, target: new X86Target(b, PAD) },
    emitted,
  );
}

export function a64Pair(): CompiledPair<A64Case> {
  const core = loadA64Core();
  const emitted = new Set<string>();
  const variantOf = a64Variants(a64Definitions, core.isa.encodings);
  const fusedOf = fuser(core.isa.ids.fused, 16);
  const nameOf = (h: number): string | undefined => variantOf(fusedOf(h)?.first ?? h)?.def.name;
  const options = { ...core, ...MEMORY, counter: () => 12345678901n };
  const [a, b] = [
    new A64Cpu(options),
    new A64Cpu({ ...options, ...compiling(a64RegionIsa(core.isa), nameOf, emitted) }),
  ];
  return new CompiledPair(
    { cpu: a, target: new A64Target(a, PAD) },
    { cpu: b, target: new A64Target(b, PAD) },
    emitted,
  );
}
