/** Two cores side by side: the first instruction after which they differ is named. */
import { describe, expect, it } from 'vitest';
import {
  A64Cpu,
  EXIT,
  interpreterOf,
  LockstepCpu,
  type A64Regs,
  type X86Cpu,
  type X86Regs,
} from '../../cpu/index.ts';
import { REG } from '../../kernel/ports.ts';
import { loadA64Core } from '../../src/host/core-files.ts';
import { R, Rig } from './rig.ts';

const CODE = 0x10000;
const DATA = 0x20000;
const NAMES = [...Array.from({ length: 31 }, (_, i) => `x${i}`), 'sp', 'pc', 'pstate', 'tpidr'];

/** mov x0, #5; add x1, x1, x0; str x1, [x2]; sub x0, x0, #1; cbnz x0, -12; svc #0 */
const PROGRAM = [0xd28000a0, 0x8b000021, 0xf9000041, 0xd1000400, 0xb5ffffa0, 0xd4000001];

/** The second core is the first, gone step by step, with one mistake: `wrong` is called behind each instruction. */
function rig(wrong: (pc: number, regs: A64Regs) => void, program: readonly number[] = PROGRAM) {
  const first = new A64Cpu({ ...loadA64Core(), memoryBytes: 8 << 20 });
  const second = Object.create(first) as A64Cpu & { retired: number };
  second.run = (regs, table, fuel) => {
    second.retired = 0;
    for (;;) {
      const { pc } = regs;
      const exit = first.step(regs, table);
      if (exit === EXIT.stop || exit === EXIT.syscall) second.retired++;
      wrong(pc, regs);
      if (exit !== EXIT.stop) return exit;
      if (second.retired >= fuel) return EXIT.preempt;
    }
  };
  const cpu = new LockstepCpu({
    first: first,
    second: second,
    names: NAMES,
    fpBytes: 528,
    countsRounds: false,
    fpIgnored: [],
  });
  const table = cpu.newPageTable();
  const regs = cpu.newRegs() as A64Regs;
  const map = (at: number, prot: number): number => {
    const frame = first.memory.alloc(1);
    table.set(at, frame, prot);
    return frame;
  };
  const code = map(CODE, 5);
  program.forEach((w, i) => {
    first.memory.view.setUint32(code + 4 * i, w, true);
  });
  const data = map(DATA, 3);
  regs.setNum(2, DATA);
  regs.pc = CODE;
  return { cpu, regs, table, result: () => first.memory.view.getUint32(data, true) };
}

describe('lockstep', () => {
  it('runs what both do alike, once', () => {
    const r = rig(() => undefined);
    expect(r.cpu.run(r.regs, r.table, 10_000)).toBe(EXIT.syscall);
    expect(r.regs.num(1)).toBe(15);
    expect(r.result()).toBe(15);
    expect(r.cpu.retired).toBe(22);
  });

  it('names the first instruction that leaves another register', () => {
    const r = rig((pc, regs) => {
      if (pc === CODE + 12 && regs.num(0) === 2) regs.setNum(7, 1);
    });
    expect(() => r.cpu.run(r.regs, r.table, 10_000)).toThrow(
      /differ after the instruction at 0x1000c \(00 04 00 d1[^]*\n {2}x7: 0x0 and 0x1$/,
    );
  });

  it('takes half a store that faulted for none', () => {
    // str x0, [x2]; str x1, [x3], which faults
    const r = rig(
      (pc) => {
        if (pc === CODE + 4) r.table.forEach(DATA, DATA + 4096, (_p, frame) => r.cpu.memory.u8[frame + 64]++);
      },
      [0xf9000040, 0xf9000061],
    );
    r.regs.setNum(0, 77);
    r.regs.setNum(3, DATA + 4096);
    expect(r.cpu.run(r.regs, r.table, 10_000)).toBe(EXIT.fault);
    expect([r.cpu.retired, r.regs.pc, r.result()]).toEqual([1, CODE + 4, 77]);
    r.table.forEach(DATA, DATA + 4096, (_p, frame) => expect(r.cpu.memory.u8[frame + 64]).toBe(0));
  });

  it('or other memory, though the registers are the same', () => {
    const r = rig((pc) => {
      if (pc === CODE + 8) r.table.forEach(DATA, DATA + 4096, (_p, frame) => r.cpu.memory.u8[frame + 64]++);
    });
    expect(() => r.cpu.run(r.regs, r.table, 10_000)).toThrow(
      /differ after the instruction at 0x10008 [^]*memory \(frame 0x[0-9a-f]+ \+ 0x40\): 0x0 and 0x1$/,
    );
  });
});

/** add eax, 1; dec ecx; jnz back; syscall */
const LOOP = [0x83, 0xc0, 1, 0xff, 0xc9, 0x75, 0xf9, 0x0f, 0x05];
const HEAT = { slice: 40, longest: 40, samples: 1 };

describe('lockstep of what one core interprets and compiles', () => {
  const boot = (wrong: (cpu: X86Cpu, regs: X86Regs) => void) => {
    const rig = new Rig({ heat: HEAT });
    const second = Object.create(rig.cpu, {
      retired: { get: () => rig.cpu.retired },
      run: {
        value: (...args: Parameters<X86Cpu['run']>) => {
          const exit = rig.cpu.run(...args);
          wrong(rig.cpu, args[0]);
          return exit;
        },
      },
    }) as X86Cpu;
    const names = Object.keys(REG);
    const options = { names, fpBytes: 512, countsRounds: false, fpIgnored: [], alike: true };
    const cpu = new LockstepCpu({ first: interpreterOf(rig.cpu), second, ...options });
    const table = cpu.newPageTable();
    const frame = cpu.memory.alloc(1);
    table.set(CODE, frame, 5);
    cpu.memory.u8.set(LOOP, frame);
    const regs = cpu.newRegs() as X86Regs;
    regs.setNum(R.rcx, 10_000);
    regs.pc = CODE;
    return { cpu, regs, table };
  };

  it('runs what both do alike, compiled', () => {
    const { cpu, regs, table } = boot(() => undefined);
    let retired = 0;
    for (;;) {
      const exit = cpu.run(regs, table, 100_000);
      retired += cpu.retired;
      if (exit === EXIT.syscall) break;
      expect(exit).toBe(EXIT.preempt);
    }
    expect(regs.num(R.rax)).toBe(10_000);
    expect(retired).toBe(30_001);
    expect(cpu.compilerStats!.regions).toBe(1);
  });

  it('names the round after which they differ', () => {
    // Behind 600 rounds or more.
    const { cpu, regs, table } = boot((_, r) => {
      if (r.num(R.rax) >= 600) r.setNum(R.rbx, 7);
    });
    expect(() => cpu.run(regs, table, 100_000)).toThrow(
      /^the cores differ after one of these instructions:\n {2}0x10000 \(83 c0 01 [^]*0x10005 \(75 f9 [^]*\nin\n {2}rbx: 0x0 and 0x7$/,
    );
    expect(regs.num(R.rax)).toBeGreaterThanOrEqual(599);
    expect(regs.num(R.rax)).toBeLessThanOrEqual(602);
  });
});
