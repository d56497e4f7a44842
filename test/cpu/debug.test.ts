/**
 * Breakpoints, watched memory and exact counts: random programs, compiled as soon as they run, stop where single steps say
 * they should, and go on as if nobody had looked.
 */
import { describe, expect, it } from 'vitest';
import { A64Cpu, EXIT, X86Cpu, type Cpu, type Heat, type TaskRegs, type Watch } from '../../cpu/index.ts';
import { definitions as a64Definitions } from '../../cpu/isa/aarch64/instructions.ts';
import { definitions as x86Definitions } from '../../cpu/isa/x86_64/instructions.ts';
import { a64RegionIsa } from '../../cpu/jit/a64-isa.ts';
import { compileRegion } from '../../cpu/jit/compile.ts';
import { x86RegionIsa } from '../../cpu/jit/x86-isa.ts';
import { loadA64Core, loadCore } from '../../src/host/core-files.ts';
import * as a64 from '../differential/a64-generate.ts';
import { CODE, DATA, DATA_PAGES, PAGE } from '../differential/driver.ts';
import { a64Program, BLOCK, x86Program } from '../differential/programs.ts';
import * as x86 from '../differential/x86-generate.ts';
import { Random } from '../support/random.ts';
import { bytes, R, Rig } from './rig.ts';

const SEED = Number(process.env['RING3_FUZZ_SEED'] ?? 1);
const PROGRAMS = Number(process.env['RING3_FUZZ_PROGRAMS'] ?? 4);
const RUNS = 20;
const AT_ONCE: Heat = { slice: 100, longest: 100, samples: 0 };
const NEVER: Heat = { slice: 100, longest: 100, samples: Infinity };

type AnyCpu = Cpu<TaskRegs>;

interface Arch {
  readonly cpu: (heat: Heat) => AnyCpu;
  readonly program: (r: Random) => readonly number[];
  readonly registers: number;
  readonly fpBytes: number;
}

class Side {
  readonly cpu: AnyCpu;
  readonly regs: TaskRegs;
  readonly table;
  private readonly arch: Arch;

  constructor(arch: Arch, heat: Heat, code: readonly number[], data: readonly number[], start: readonly number[]) {
    this.arch = arch;
    this.cpu = arch.cpu(heat);
    this.regs = this.cpu.newRegs();
    this.table = this.cpu.newPageTable();
    const { memory } = this.cpu;
    const at = memory.alloc(1);
    memory.u8.set(code, at);
    this.table.set(CODE, at, 5);
    const frames = memory.alloc(DATA_PAGES + 1);
    memory.u8.set(data, frames);
    for (let i = 0; i <= DATA_PAGES; i++) this.table.set(DATA + i * PAGE, frames + i * PAGE, 3);
    this.regs.pc = CODE;
    start.forEach((v, i) => {
      this.regs.setNum(i, v);
    });
  }

  state(exit: number, retired: number): string {
    const fp = new Uint8Array(this.arch.fpBytes);
    this.regs.saveFp(fp);
    const values = Array.from({ length: this.arch.registers }, (_, i) => this.regs.get(i).toString(16));
    const fault = exit === EXIT.fault ? this.cpu.faultAddress.toString(16) : '';
    return `${exit} after ${retired} at ${this.regs.pc.toString(16)} ${fault} ${values.join(' ')} ${Buffer.from(fp).toString('hex')}`;
  }

  /** Of the data, which lies together. */
  bytes(start: number, end: number): Buffer {
    const at = this.table.frame(DATA) + start - DATA;
    return Buffer.from(this.cpu.memory.u8.slice(at, at + end - start));
  }
} // prettier-ignore

/** What a side would stop at, by single steps: places arrived at, and instructions that changed watched bytes. */
function reference(s: Side, retired: number, breaks: ReadonlySet<number>, watches: readonly Watch[]) {
  const arrivals: number[] = [];
  const changes: number[] = [];
  for (let n = 0; ;) {
    const { pc } = s.regs;
    if (breaks.has(pc) && n <= retired) arrivals.push(pc);
    const before = watches.map((w) => s.bytes(w.start, w.end));
    if (n === retired) break;
    const exit = s.cpu.step(s.regs, s.table);
    n += s.cpu.retired;
    watches.forEach((w, i) => {
      if (w.kind !== 'read' && !s.bytes(w.start, w.end).equals(before[i])) changes.push(pc);
    });
    if (exit !== EXIT.stop) break;
  }
  return { arrivals, changes };
}

async function fuzz(arch: Arch): Promise<{ breaks: number; hits: number; counts: number; regions: number }> {
  const seen = { breaks: 0, hits: 0, counts: 0, regions: 0 };
  for (let n = 0; n < PROGRAMS; n++) {
    await new Promise((resolve) => setImmediate(resolve));
    const seed = SEED * 100_003 + n;
    const r = new Random(seed);
    const code = arch.program(r);
    const data = Array.from({ length: PAGE }, () => r.below(256));
    const start = Array.from({ length: 16 }, () => r.u32());
    const [plain, debugged, stepped] = [AT_ONCE, AT_ONCE, NEVER].map((heat) => new Side(arch, heat, code, data, start));
    const { debug } = debugged.cpu;
    const breaks = new Set<number>();
    const watches: Watch[] = [];
    for (let run = 0; run < RUNS; run++) {
      const fuel = r.pick([50, 300, 1000]);
      const { pc } = plain.regs;
      const exit = plain.cpu.run(plain.regs, plain.table, fuel);
      const total = plain.cpu.retired;
      const wanted = plain.state(exit, total);
      const expected = reference(stepped, total, breaks, watches);

      const stops: number[] = [];
      const changed: number[] = [];
      let done = 0;
      let at = -1;
      let got: number;
      if (r.chance(0.5)) debug.stopAfter(debugged.regs, (at = 1 + r.below(total + 5)));
      for (let turns = 0; ; turns++) {
        got = debugged.cpu.run(debugged.regs, debugged.table, fuel - done);
        done += debugged.cpu.retired;
        if (got !== EXIT.debug) break;
        if (turns > 20_000) throw new Error(`program ${seed}: stops for ever at ${debugged.regs.pc.toString(16)}`);
        const { stop } = debug;
        if (stop.kind === 'break') stops.push(debugged.regs.pc);
        else if (stop.kind === 'watch') {
          seen.hits++;
          if (!stop.hits.every((h) => h.address < h.watch.end && h.address + h.size > h.watch.start)) throw new Error(`program ${seed}: a hit elsewhere`);
          if (stop.hits.some((h) => h.write) && changed.at(-1) !== stop.pc) changed.push(stop.pc);
        } else {
          seen.counts++;
          expect(done, `program ${seed}: instructions done`).toBe(at);
        }
      }
      if (at > 0) debug.stopAfter(debugged.regs, Infinity);
      const what = `program ${seed}, run ${run} from ${pc.toString(16)}, breaks ${[...breaks].map((b) => b.toString(16)).join(' ')}`;
      expect(debugged.state(got, done), what).toBe(wanted);
      expect(debugged.bytes(DATA, DATA + PAGE).equals(plain.bytes(DATA, DATA + PAGE)), what).toBe(true);
      // Whether a run's last pc is an arrival too depends on why it ended.
      const last = exit === EXIT.preempt && stops.length < expected.arrivals.length ? 1 : 0;
      expect(stops, what).toEqual(expected.arrivals.slice(0, expected.arrivals.length - last));
      for (const c of expected.changes) expect(changed, `${what}: change by ${c.toString(16)}`).toContain(c);
      seen.breaks += stops.length;

      if (exit !== EXIT.preempt || r.chance(0.1)) {
        const to = CODE + BLOCK * r.below(8);
        for (const s of [plain, debugged, stepped]) s.regs.pc = to;
        debug.moved(debugged.regs);
      }
      stepped.regs.load(plain.regs.save());
      // The program's instructions begin where single steps find them.
      const probe = r.below(4);
      if (probe === 0 && breaks.size > 0) {
        const [old] = breaks;
        breaks.delete(old);
        expect(debug.removeBreak(debugged.table, old)).toBe(true);
      } else if (probe < 3) {
        const next = plain.regs.pc;
        if (!breaks.has(next)) {
          breaks.add(next);
          debug.addBreak(debugged.table, next);
        }
      } else if (watches.length > 1) {
        debug.removeWatch(debugged.table, watches.shift()!);
      } else {
        const first = DATA + r.pick([r.below(PAGE), PAGE - 4, r.below(64)]);
        const watch: Watch = { start: first, end: first + r.pick([8, 100, 3 * PAGE]), kind: r.pick(['read', 'write', 'access']), before: r.chance(0.3) };
        watches.push(watch);
        debug.addWatch(debugged.table, watch);
      }
    }
    seen.regions += debugged.cpu.compilerStats!.regions;
  }
  return seen;
} // prettier-ignore

const MEMORY = { memoryBytes: 4 << 20, codeBytes: 256 << 10 };

describe('a debugged program stops where it should and runs as it would alone', () => {
  it('x86_64', async () => {
    const core = loadCore();
    const isa = x86RegionIsa(core.isa);
    const sequences = new x86.Sequences(x86Definitions);
    const compiler = () => (request: Parameters<typeof compileRegion>[1]) => compileRegion(isa, request);
    const seen = await fuzz({
      cpu: (heat) => new X86Cpu({ ...core, ...MEMORY, heat, compiler, tsc: () => 5n }),
      program: (r) => x86Program(sequences, r, 1).code,
      registers: 20,
      fpBytes: 512,
    });
    expect(Math.min(seen.breaks, seen.hits, seen.counts, seen.regions), JSON.stringify(seen)).toBeGreaterThan(0); // prettier-ignore
  }, 300_000);

  it('aarch64', async () => {
    const core = loadA64Core();
    const isa = a64RegionIsa(core.isa);
    const sequences = new a64.Sequences(a64Definitions);
    const compiler = () => (request: Parameters<typeof compileRegion>[1]) => compileRegion(isa, request);
    const seen = await fuzz({
      cpu: (heat) => new A64Cpu({ ...core, ...MEMORY, heat, compiler, counter: () => 5n }),
      program: (r) => a64Program(sequences, r, 1).code,
      registers: 35,
      fpBytes: 528,
    });
    expect(Math.min(seen.breaks, seen.hits, seen.counts, seen.regions), JSON.stringify(seen)).toBeGreaterThan(0); // prettier-ignore
  }, 300_000);
});

describe('watched memory', () => {
  const watch = (start: number, size: number, kind: Watch['kind'], before = false): Watch => ({ start, end: start + size, kind, before }); // prettier-ignore
  const rig = (code: string): Rig => {
    const rig = new Rig().usual();
    rig.poke(CODE, bytes(code));
    rig.regs.setNum(R.rbx, DATA);
    return rig;
  };

  it('tells reads from writes', () => {
    for (const [kind, expected] of [
      ['read', [0]],
      ['write', [3, 6]],
      ['access', [0, 3, 6]],
    ] as const) {
      // mov rax, [rbx]; mov [rbx], rax; mov [rbx+4], ecx; mov [rbx+8], rax; mov rax, [rbx+8]; syscall
      const r = rig('48 8b 03 48 89 03 89 4b 04 48 89 43 08 48 8b 43 08 0f 05');
      r.cpu.debug.addWatch(r.table, watch(DATA, 8, kind));
      const seen: number[] = [];
      while (r.run() === 'debug') {
        const { stop } = r.cpu.debug;
        if (stop.kind === 'watch') seen.push(stop.pc - CODE);
      }
      expect(seen).toEqual(expected);
      expect(r.regs.pc).toBe(CODE + 19);
    }
  });

  it('stops behind the instruction, or before it with nothing done', () => {
    const code = '48 c7 03 05 00 00 00 0f 05'; // mov qword [rbx], 5; syscall
    const behind = rig(code);
    behind.cpu.debug.addWatch(behind.table, watch(DATA, 1, 'write'));
    expect([behind.run(), behind.regs.pc - CODE, behind.cpu.retired, behind.peek(DATA, 1)]).toEqual(['debug', 7, 1, [5]]); // prettier-ignore
    const before = rig(code);
    before.cpu.debug.addWatch(before.table, watch(DATA, 1, 'write', true));
    const old = before.peek(DATA, 1);
    expect([before.run(), before.regs.pc - CODE, before.cpu.retired, before.peek(DATA, 1)]).toEqual(['debug', 0, 0, old]); // prettier-ignore
    expect([before.run(), before.peek(DATA, 1)]).toEqual(['syscall', [5]]);
  });

  it('stops within a repeated instruction', () => {
    const r = rig('f3 a4 0f 05'); // rep movsb; syscall
    r.regs.setNum(R.rsi, DATA + 100);
    r.regs.setNum(R.rdi, DATA);
    r.regs.setNum(R.rcx, 40);
    r.cpu.debug.addWatch(r.table, watch(DATA + 10, 2, 'write'));
    const seen: unknown[] = [];
    while (r.run() === 'debug') seen.push([r.regs.pc - CODE, r.regs.num(R.rcx), r.cpu.retired]);
    expect(seen).toEqual([[0, 29, 0], [0, 28, 0]]); // prettier-ignore
    expect([r.peek(DATA + 39, 1), r.cpu.retired]).toEqual([r.peek(DATA + 139, 1), 2]);
  });

  it('sees both reads of a comparison of strings, and an access that crosses pages', () => {
    const r = rig('a6 48 8b 93 fc 0f 00 00 0f 05'); // cmpsb; mov rdx, [rbx+4092]; syscall
    r.regs.setNum(R.rsi, DATA + 100);
    r.regs.setNum(R.rdi, DATA + 8);
    r.cpu.debug.addWatch(r.table, watch(DATA + 8, 1, 'read'));
    r.cpu.debug.addWatch(r.table, watch(DATA + PAGE, 1, 'access'));
    const seen: unknown[] = [];
    while (r.run() === 'debug') {
      const { stop } = r.cpu.debug;
      if (stop.kind === 'watch') seen.push([stop.pc - CODE, stop.hits.map((h) => h.address - DATA)]);
    }
    expect(seen).toEqual([[0, [8]], [1, [PAGE - 4]]]); // prettier-ignore
  });

  it('costs nothing when it is over: compiled code has its windows back', () => {
    // mov ecx, 100000; again: add [rbx], rcx; dec ecx; jnz again; syscall
    const r = new Rig({ heat: AT_ONCE }).usual();
    r.poke(CODE, bytes('b9 a0 86 01 00 48 01 0b ff c9 75 f9 0f 05'));
    r.regs.setNum(R.rbx, DATA);
    const w = watch(DATA, 8, 'access');
    r.cpu.debug.addWatch(r.table, w);
    expect(r.run(10)).toBe('debug');
    r.cpu.debug.removeWatch(r.table, w);
    expect(r.run()).toBe('syscall');
    expect(r.cpu.compilerStats!.regions).toBeGreaterThan(0);
  });
});
