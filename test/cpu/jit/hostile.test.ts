/**
 * Random programs on two cpus, one of which compiles what it sees, while somebody else (a kernel, as far as they know)
 * changes pages, code and registers under them. Both must agree after every run.
 */
import { describe, expect, it } from 'vitest';
import { A64Cpu, EXIT, X86Cpu, type CpuCore, type Heat, type PageTable } from '../../../cpu/index.ts';
import { definitions as a64Definitions } from '../../../cpu/isa/aarch64/instructions.ts';
import { definitions as x86Definitions } from '../../../cpu/isa/x86_64/instructions.ts';
import { a64RegionIsa } from '../../../cpu/jit/a64-isa.ts';
import { compileRegion } from '../../../cpu/jit/compile.ts';
import { x86RegionIsa } from '../../../cpu/jit/x86-isa.ts';
import { loadA64Core, loadCore } from '../../../src/host/core-files.ts';
import * as a64 from '../../differential/a64-generate.ts';
import { CODE, DATA, DATA_PAGES, PAGE } from '../../differential/driver.ts';
import { a64Program, BLOCK, x86Program } from '../../differential/programs.ts';
import * as x86 from '../../differential/x86-generate.ts';
import { Random } from '../../support/random.ts';

const SEED = Number(process.env['RING3_FUZZ_SEED'] ?? 1);
const PROGRAMS = Number(process.env['RING3_FUZZ_PROGRAMS'] ?? 30);
const STEPS = 40;
const NEVER: Heat = { slice: 100, longest: 100, samples: Infinity };
const AT_ONCE: Heat = { ...NEVER, samples: 0 };
/** Data pages, and one behind them that comes and goes. */
const PAGES = DATA_PAGES + 1;

interface Arch {
  readonly cpu: (heat: Heat) => CpuCore & { readonly compilerStats: { readonly regions: number } | null };
  readonly program: (r: Random) => readonly number[];
  readonly registers: number;
  readonly fpBytes: number;
}

const exitName = (exit: number): string =>
  Object.entries(EXIT).find(([, n]) => n === exit)?.[0] ?? String(exit);

/** One of the two cpus, and what the kernel would do to it. */
class Side {
  readonly cpu: ReturnType<Arch['cpu']>;
  readonly regs: ReturnType<CpuCore['newRegs']>[];
  readonly tables: PageTable[];
  private readonly fpBytes: number;
  private readonly registers: number;
  current = 0;

  constructor(arch: Arch, heat: Heat) {
    this.cpu = arch.cpu(heat);
    this.fpBytes = arch.fpBytes;
    this.registers = arch.registers;
    this.regs = [this.cpu.newRegs(), this.cpu.newRegs()];
    this.tables = [this.cpu.newPageTable()];
    this.set(this.tables[0], CODE, this.cpu.memory.alloc(1), 7);
    const data = this.cpu.memory.alloc(PAGES);
    for (let i = 0; i < PAGES; i++) this.set(this.tables[0], DATA + i * PAGE, data + i * PAGE, 3);
  }

  get table(): PageTable {
    return this.tables[this.current];
  }

  /** Maps a frame in place of what was there. */
  set(table: PageTable, page: number, frame: number, prot: number): void {
    const old = table.frame(page);
    table.writers = (at, fn): void => {
      for (const t of this.tables) fn(t, at);
    };
    table.set(page, frame, prot);
    if (old >= 0 && old !== frame) this.cpu.memory.release(old);
  }

  /** Gives a page a frame of its own, with what it holds. */
  copy(page: number, prot: number): void {
    const { memory } = this.cpu;
    const old = this.table.frame(page);
    const frame = memory.alloc(1);
    if (old >= 0) memory.u8.copyWithin(frame, old, old + PAGE);
    this.set(this.table, page, frame, prot);
  }

  unmap(page: number): void {
    const old = this.table.frame(page);
    this.table.clear(page, page + PAGE);
    if (old >= 0) this.cpu.memory.release(old);
  }

  fork(): void {
    const child = this.cpu.newPageTable();
    this.tables.push(child);
    for (const page of [CODE, ...Array.from({ length: PAGES }, (_, i) => DATA + i * PAGE)]) {
      const frame = this.tables[0].frame(page);
      if (frame < 0) continue;
      this.cpu.memory.retain(frame);
      this.set(child, page, frame, this.tables[0].prot(page));
    }
  }

  /** exec or exit of the second process. */
  end(): void {
    const table = this.tables.pop()!;
    for (const page of [CODE, ...Array.from({ length: PAGES }, (_, i) => DATA + i * PAGE)]) {
      const frame = table.frame(page);
      table.clear(page, page + PAGE);
      if (frame >= 0) this.cpu.memory.release(frame);
    }
    table.destroy();
    this.current = 0;
  }

  poke(address: number, bytes: readonly number[]): void {
    const frame = this.table.frame(address - (address % PAGE));
    if (frame < 0) return;
    this.cpu.memory.u8.set(bytes, frame + (address % PAGE));
    this.table.written(address, bytes.length);
  }

  /** Runs, and says everything about how that went. */
  run(fuel: number): string {
    const { cpu } = this;
    const regs = this.regs[this.current];
    const exit = cpu.run(regs, this.table, fuel);
    const fp = new Uint8Array(this.fpBytes);
    regs.saveFp(fp);
    const values = Array.from({ length: this.registers }, (_, i) => regs.get(i).toString(16));
    const fault = exit === EXIT.fault ? `${cpu.faultAddress.toString(16)} ${cpu.faultAccess}` : '';
    return `${exitName(exit)} ${cpu.retired} ${regs.pc.toString(16)} ${fault} ${values.join(' ')} ${Buffer.from(fp).toString('hex')}`;
  }

  /** All data of all processes. */
  contents(): Buffer {
    const { u8 } = this.cpu.memory;
    const out: Uint8Array[] = [];
    for (const t of this.tables)
      for (let i = 0; i < PAGES; i++) {
        const frame = t.frame(DATA + i * PAGE);
        out.push(frame < 0 ? Uint8Array.of(i) : u8.subarray(frame, frame + PAGE));
      }
    return Buffer.concat(out);
  }
}

/** Something happens to both; returns its name. */
function happen(sides: readonly Side[], arch: Arch, r: Random): string {
  const page = DATA + PAGE * r.below(PAGES);
  const each = (what: string, f: (s: Side) => void): string => {
    for (const s of sides) f(s);
    return what;
  };
  const at = CODE + BLOCK * r.below(8);
  switch (r.below(16)) {
    case 0:
    case 1: {
      const prot = r.pick([0, 1, 1, 3]);
      return each(`mprotect ${page.toString(16)} ${prot}`, (s) => s.table.protect(page, prot));
    }
    case 2:
    case 3:
      return each(`copy ${page.toString(16)}`, (s) => s.copy(page, 3));
    case 4:
      return each(`munmap ${page.toString(16)}`, (s) => s.unmap(page));
    case 5:
    case 6: {
      const from = r.below(PAGES);
      return each(`all pages anew from ${from}`, (s) => {
        for (let i = 0; i < PAGES; i++) s.copy(DATA + PAGE * ((from + i) % PAGES), 3);
      });
    }
    case 7: {
      const bytes = arch.program(r).slice(0, BLOCK);
      return each(`new code at ${at.toString(16)}`, (s) => s.poke(at, bytes));
    }
    case 8: {
      const to = CODE + BLOCK * r.below(8);
      const { u8 } = sides[0].cpu.memory;
      const frame = sides[0].table.frame(CODE);
      if (frame < 0) return 'nothing';
      const bytes = [...u8.slice(frame + to - CODE, frame + to - CODE + BLOCK)];
      return each(`code of ${to.toString(16)} at ${at.toString(16)}`, (s) => s.poke(at, bytes));
    }
    case 9: {
      const prot = r.pick([3, 5, 7]);
      return each(`mprotect code ${prot}`, (s) => s.table.protect(CODE, prot));
    }
    case 10:
      return each('code copied', (s) => s.copy(CODE, 7));
    case 11:
      return each('fork or exit', (s) => {
        if (s.tables.length === 1) s.fork();
        else s.end();
      });
    case 12:
      return each('the other process', (s) => (s.current = s.tables.length - 1 - s.current));
    case 13:
      return each('data becomes code too', (s) => s.copy(page, 7));
    case 14: {
      const shared = DATA + PAGE * r.below(PAGES);
      return each(`${shared.toString(16)} also at ${page.toString(16)}`, (s) => {
        const frame = s.table.frame(shared);
        if (frame < 0 || shared === page) return;
        s.cpu.memory.retain(frame);
        s.set(s.table, page, frame, 3);
      });
    }
    default:
      return each(`jump to ${at.toString(16)}`, (s) => (s.regs[s.current].pc = at));
  }
}

async function fuzz(arch: Arch): Promise<number> {
  let regions = 0;
  for (let n = 0; n < PROGRAMS; n++) {
    await new Promise((resolve) => setImmediate(resolve)); // lets the runner's messages through
    const seed = SEED * 100_003 + n;
    const r = new Random(seed);
    const sides = [new Side(arch, NEVER), new Side(arch, AT_ONCE)];
    const code = arch.program(r);
    const data = Array.from({ length: PAGE }, () => r.below(256));
    const starts = Array.from({ length: 40 }, () => r.u32());
    for (const s of sides) {
      s.poke(CODE, code);
      s.poke(DATA, data);
      for (const regs of s.regs) {
        regs.pc = CODE;
        for (let i = 0; i < 16; i++) regs.setNum(i, starts[i]);
      }
    }
    const log: string[] = [];
    for (let step = 0; step < STEPS; step++) {
      const fuel = r.pick([50, 500, 3000]);
      const [a, b] = sides.map((s) => s.run(fuel));
      log.push(`run ${fuel}: ${a.split(' ').slice(0, 4).join(' ')}`);
      if (a !== b || !sides[0].contents().equals(sides[1].contents()))
        throw new Error(`program ${seed}:\n${log.slice(-12).join('\n')}\ninterpreted ${a}\ncompiled    ${b}`);
      if (!a.startsWith('preempt') || r.chance(0.1)) {
        const to = CODE + BLOCK * r.below(8);
        for (const s of sides) s.regs[s.current].pc = to;
      }
      for (let k = r.below(3); k > 0; k--) log.push(happen(sides, arch, r));
    }
    regions += sides[1].cpu.compilerStats!.regions;
  }
  return regions;
}

const MEMORY = { memoryBytes: 4 << 20, codeBytes: 256 << 10 };

describe('code that is changed and moved while compiled', () => {
  it('x86_64', async () => {
    const core = loadCore();
    const isa = x86RegionIsa(core.isa);
    const sequences = new x86.Sequences(x86Definitions);
    const regions = await fuzz({
      cpu: (heat) =>
        new X86Cpu({
          ...core,
          ...MEMORY,
          heat,
          compiler: () => (request) => compileRegion(isa, request),
          tsc: () => 5n,
        }),
      program: (r) => x86Program(sequences, r, 1).code,
      registers: 20,
      fpBytes: 512,
    });
    expect(regions).toBeGreaterThan(PROGRAMS);
  }, 600_000);

  it('aarch64', async () => {
    const core = loadA64Core();
    const isa = a64RegionIsa(core.isa);
    const sequences = new a64.Sequences(a64Definitions);
    const regions = await fuzz({
      cpu: (heat) =>
        new A64Cpu({
          ...core,
          ...MEMORY,
          heat,
          compiler: () => (request) => compileRegion(isa, request),
          counter: () => 5n,
        }),
      program: (r) => a64Program(sequences, r, 1).code,
      registers: 35,
      fpBytes: 528,
    });
    expect(regions).toBeGreaterThan(PROGRAMS);
  }, 600_000);
});
