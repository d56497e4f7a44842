/** Retired instructions, fuel and preemption: however a program is cut into runs, it does and counts the same. */
import { describe, expect, it } from 'vitest';
import { definitions } from '../../cpu/isa/x86_64/instructions.ts';
import { casesOf, Sequences, testable, type X86Case } from '../differential/x86-generate.ts';
import { drawX86 } from '../differential/x86-states.ts';
import { X86_STATE_BYTES } from '../differential/layouts.ts';
import { Random } from '../support/random.ts';
import { bytes, CODE, DATA, PAGE, R, Rig } from './rig.ts';

const le32 = (v: number): number[] => [v & 255, (v >> 8) & 255, (v >> 16) & 255, (v >> 24) & 255];

/** A loop with calls, indirect jumps, strings and page-crossing accesses in it. */
const LOOP = bytes(`
  bd 09 00 00 00          /* mov ebp, 9 */
  48 8d 7b fa             /* again: lea rdi, [rbx-6] */
  48 89 fe b9 05 00 00 00 /* mov rsi, rdi; mov ecx, 5 */
  66 f3 a5                /* rep movsw */
  48 01 43 fd             /* add [rbx-3], rax, which crosses */
  48 11 43 fb             /* adc [rbx-5], rax */
  e8 16 00 00 00          /* call f */
  ff ca 75 02             /* dec edx; jnz +2 */
  ff c2                   /* inc edx */
  ff cd 75 da             /* dec ebp; jnz again */
  0f 05                   /* syscall */
`.replace(/\/\*.*?\*\//g, '')); // prettier-ignore
/** f: push and pop around a small loop. */
const F = bytes('50 b9 04 00 00 00 e2 fe 48 83 c0 07 58 48 ff c0 c3');

function looping(): Rig {
  const rig = new Rig().usual();
  const code = [...LOOP];
  const call = code.indexOf(0xe8);
  code.splice(call + 1, 4, ...le32(0x80 - (call + 5)));
  const back = code.lastIndexOf(0x75);
  code[back + 1] = (5 - (back + 2)) & 255;
  rig.poke(CODE, code);
  rig.poke(CODE + 0x80, F);
  rig.regs.setNum(R.rbx, DATA + PAGE);
  rig.regs.setNum(R.rax, 0x0123456789ab);
  rig.regs.setNum(R.rdx, 3);
  return rig;
}

const outcome = (rig: Rig): unknown => [rig.state(), rig.peek(DATA + PAGE - 64, 128)];

describe('retired instructions', () => {
  it('single steps and one long run agree', () => {
    const a = looping();
    let steps = 0;
    let exit: string;
    do {
      exit = a.step();
      steps += a.cpu.retired;
    } while (exit === 'stop' && steps < 10_000);
    const b = looping();
    expect([exit, b.run()]).toEqual(['syscall', 'syscall']);
    expect(b.cpu.retired).toBe(steps);
    expect(outcome(b)).toEqual(outcome(a));
  });

  it('any fuel gives the same end and the same count, and stops only where it may', () => {
    const whole = looping();
    whole.run();
    const total = whole.cpu.retired;
    for (let fuel = 0; fuel <= total + 1; fuel += fuel < 60 ? 1 : 7) {
      const rig = looping();
      let count = 0;
      let runs = 0;
      for (;;) {
        const exit = rig.run(fuel);
        count += rig.cpu.retired;
        if (exit === 'syscall') break;
        expect(exit).toBe('preempt');
        expect(rig.cpu.retired).toBeGreaterThan(fuel);
        expect(++runs).toBeLessThan(10_000);
      }
      expect(count).toBe(total);
      expect(outcome(rig)).toEqual(outcome(whole));
    }
  });

  it('random snippets: run, step and any fuel end alike', () => {
    const sequences = new Sequences(definitions);
    const plain = definitions.filter((d) => testable(d) && d.ends !== true && d.name !== 'popf');
    const r = new Random(11);
    for (let n = 0; n < 100; n++) {
      let c: X86Case | null = null;
      while (!c) c = sequences.make(r, 1);
      // Before it, what works on memory, strings and vectors, as long as no two want one register.
      for (let i = 0; i < 6; i++) {
        const [other] = casesOf(r.pick(plain), 1, 1, r);
        const taken = new Set(c.pins.map((p) => p.reg));
        if (other.pins.some((p) => p.memory || taken.has(p.reg))) continue;
        c = {
          ...c,
          code: [...other.code, ...c.code],
          pins: [...c.pins, ...other.pins],
          fp: c.fp || other.fp,
        };
      }
      const state = new Int32Array(X86_STATE_BYTES / 4);
      drawX86(c, state, 0, r);
      const registers = new BigUint64Array(state.buffer, 0, 16);
      const flags = r.u32() & 0x8d5;
      const ends: unknown[] = [];
      for (const way of [-1, 1_000_000, r.below(6)]) {
        const rig = new Rig({ memoryBytes: 8 << 20 }).usual();
        rig.poke(CODE, [...c.code, 0x0f, 0x05]);
        rig.poke(
          DATA,
          Array.from({ length: 256 }, (_, i) => (i * 37) & 255),
        );
        registers.forEach((v, i) => {
          if (i !== R.rsp) rig.regs.set(i, v);
        });
        rig.regs.setNum(17, flags);
        let count = 0;
        let exit = '';
        for (let i = 0; i < 2000; i++) {
          exit = way < 0 ? rig.step() : rig.run(way);
          count += rig.cpu.retired;
          if (exit !== 'stop' && exit !== 'preempt') break;
        }
        ends.push([exit, count, rig.state(), rig.peek(DATA, 2 * PAGE)]);
      }
      expect(ends[1], c.name).toEqual(ends[0]);
      expect(ends[2], c.name).toEqual(ends[0]);
    }
  });
});
