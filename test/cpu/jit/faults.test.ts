/** Faults, preemption and moving memory inside hot loops: what was compiled stops at the same instruction as the interpreter. */
import { describe, expect, it } from 'vitest';
import { bytes, CODE, DATA, PAGE, R, Rig } from '../rig.ts';

const heat = { slice: 40, longest: 40, samples: 1 };
const NEVER = { ...heat, samples: Infinity };

/** The same program on both; `check` is done to each, and everything it returns must be equal. */
function both(code: string, check: (rig: Rig) => unknown[]): void {
  const [want, got] = [NEVER, heat].map((h) => {
    const rig = new Rig({ heat: h }).usual();
    rig.poke(CODE, [...bytes(code), 0x0f, 0x05]);
    const seen = [...check(rig), rig.state(), rig.peek(DATA, 2 * PAGE)];
    return { seen, regions: rig.cpu.compilerStats!.regions };
  });
  expect(want.regions).toBe(0);
  expect(got.regions).toBeGreaterThan(0);
  expect(got.seen).toEqual(want.seen);
}

const fault = (rig: Rig, exit: string): unknown[] => [
  exit,
  rig.regs.pc,
  rig.cpu.retired,
  rig.cpu.faultAddress,
  rig.cpu.faultAccess,
];

/** mov [rdi], rax; add rdi, 8; inc rax; dec ecx; jnz */
const FILL = '48 89 07 48 83 c7 08 48 ff c0 ff c9 75 f2';

describe('in a hot loop', () => {
  it.each([0, 1, 4, 7])('a store runs into what is not mapped, %i bytes off', (off) => {
    both(FILL, (rig) => {
      rig.regs.setNum(R.rcx, 5000);
      rig.regs.setNum(R.rdi, DATA + off);
      const first = fault(rig, rig.run());
      expect(first.slice(0, 2)).toEqual(['fault', CODE]);
      expect(rig.cpu.faultAddress).toBe(BigInt(DATA + 2 * PAGE));
      rig.map(DATA + 2 * PAGE, 1, 1); // read-only
      const second = fault(rig, rig.run());
      expect(second.slice(0, 2)).toEqual(['fault', CODE]);
      rig.table.protect(DATA + 2 * PAGE, 3);
      const third = fault(rig, rig.run());
      expect(rig.cpu.faultAddress).toBe(BigInt(DATA + 3 * PAGE));
      return [first, second, third, rig.peek(DATA + 2 * PAGE, PAGE)];
    });
  });

  it('a page that another process shares is copied between two rounds', () => {
    // again: add [rdi], rax; add rax, [rdi+4090]; dec ecx; jnz again
    both('48 01 07 48 03 87 fa 0f 00 00 ff c9 75 f2', (rig) => {
      rig.regs.setNum(R.rcx, 3000);
      rig.regs.setNum(R.rdi, DATA + 16);
      rig.regs.setNum(R.rax, 3);
      const seen: unknown[] = [];
      for (let i = 0; ; i++) {
        const exit = rig.run(700);
        seen.push([exit, rig.cpu.retired, rig.regs.pc]);
        if (exit !== 'preempt') break;
        const { memory } = rig.cpu;
        const page = DATA + PAGE * (i % 2);
        const old = rig.table.frame(page);
        const copy = memory.alloc(1);
        memory.u8.copyWithin(copy, old, old + PAGE);
        memory.u8.fill(0xee, old, old + PAGE); // nobody may look there any more
        rig.table.set(page, copy, 3);
      }
      return seen;
    });
  });

  it('rights come and go', () => {
    both(FILL, (rig) => {
      const seen: unknown[] = [];
      for (let i = 0; i < 12; i++) {
        rig.regs.setNum(R.rcx, 400);
        rig.regs.setNum(R.rdi, DATA + PAGE - 1600 + 8 * i);
        rig.regs.pc = CODE;
        rig.table.protect(DATA + PAGE, i % 3 === 2 ? 1 : 3);
        const exit = rig.run();
        expect(exit).toBe(i % 3 === 2 ? 'fault' : 'syscall');
        seen.push(fault(rig, exit));
      }
      return seen;
    });
  });

  it('the loop writes its own immediate', () => {
    // again: add eax, 1; test cl, 63; jnz +6; inc byte [rip-12] (that 1); dec ecx; jnz again
    both('83 c0 01 f6 c1 3f 75 06 fe 05 f4 ff ff ff ff c9 75 ee', (rig) => {
      rig.regs.setNum(R.rax, 0);
      rig.regs.setNum(R.rcx, 3000);
      const exit = rig.run();
      expect(exit).toBe('syscall');
      let [sum, n] = [0, 1];
      for (let ecx = 3000; ecx > 0; ecx--) {
        sum += n;
        if (ecx % 64 === 0) n++;
      }
      expect(rig.regs.num(R.rax) | 0).toBe(sum);
      return [exit, rig.cpu.retired];
    });
  });

  it('another address of the same page writes the code', () => {
    // again: add eax, 1; mov [rdi], dl; inc dl; dec ecx; jnz again
    both('83 c0 01 88 17 fe c2 ff c9 75 f5', (rig) => {
      const frame = rig.table.frame(CODE);
      rig.cpu.memory.retain(frame);
      rig.table.writers = (_, fn): void => {
        fn(rig.table, CODE);
        fn(rig.table, DATA + 5 * PAGE);
      };
      rig.table.set(DATA + 5 * PAGE, frame, 3);
      rig.regs.setNum(R.rax, 0);
      rig.regs.setNum(R.rdx, 5);
      rig.regs.setNum(R.rcx, 200);
      rig.regs.setNum(R.rdi, DATA + PAGE); // harmless until it is hot
      const seen: unknown[] = [rig.run(300), rig.cpu.retired];
      rig.regs.setNum(R.rdi, DATA + 5 * PAGE + 2);
      seen.push(rig.run(), rig.cpu.retired);
      return seen;
    });
  });

  it('code loses its page, its right to be executed, and gets other bytes', () => {
    both(FILL, (rig) => {
      const seen: unknown[] = [];
      const start = (n: number): void => {
        rig.regs.setNum(R.rcx, 1000);
        rig.regs.setNum(R.rdi, DATA);
        rig.regs.setNum(R.rax, n);
        rig.regs.pc = CODE;
      };
      start(0);
      seen.push(fault(rig, rig.run(2000)));
      rig.table.protect(CODE, 3);
      seen.push(fault(rig, rig.run(2000)));
      expect(rig.cpu.faultAccess).toBe(4);
      rig.table.protect(CODE, 7);
      seen.push(fault(rig, rig.run(500)));
      rig.poke(CODE + 7, bytes('48 ff c8')); // dec rax instead of inc
      seen.push(fault(rig, rig.run(500)));
      rig.table.clear(CODE, CODE + PAGE);
      seen.push(fault(rig, rig.run(500)));
      expect(seen.map((s) => (s as unknown[])[0])).toEqual([
        'preempt',
        'fault',
        'preempt',
        'preempt',
        'fault',
      ]);
      return seen;
    });
  });

  it('a division by zero, an undefined instruction and a trap are where they are', () => {
    // again: mov eax, ecx; xor edx, edx; mov ebx, ecx; sub ebx, 7; div ebx; dec ecx; jmp again
    both('89 c8 31 d2 89 cb 83 eb 07 f7 f3 ff c9 eb f1', (rig) => {
      rig.regs.setNum(R.rcx, 900);
      const exit = rig.run();
      expect([exit, rig.regs.pc, rig.regs.num(R.rcx)]).toEqual(['divide', CODE + 9, 7]);
      return fault(rig, exit);
    });
  });

  it('a handler runs between any two rounds', () => {
    both(FILL, (rig) => {
      rig.map(CODE + 4 * PAGE, 1, 7);
      rig.poke(CODE + 4 * PAGE, [...bytes('48 ff c3 66 0f ef c0 31 c0 39 c3'), 0x0f, 0x05]);
      rig.regs.setNum(R.rcx, 900);
      rig.regs.setNum(R.rdi, DATA);
      const seen: unknown[] = [];
      for (let i = 0; ; i++) {
        const exit = rig.run(37 + i);
        seen.push([exit, rig.regs.pc, rig.cpu.retired, rig.regs.num(17)]);
        if (exit !== 'preempt') return seen;
        const saved = Array.from({ length: 18 }, (_, k) => rig.regs.get(k));
        rig.regs.pc = CODE + 4 * PAGE;
        expect(rig.run()).toBe('syscall');
        saved.forEach((v, k) => rig.regs.set(k, v));
      }
    });
  });
});

describe('suppositions of compiled code', () => {
  it('a guest that writes its code over and over is compiled ever less', () => {
    // again: add eax, 1; dec ecx; jnz again
    const code = bytes('83 c0 01 ff c9 75 f9');
    const made = (rounds: number): number => {
      const rig = new Rig({ heat }).usual();
      rig.poke(CODE, [...code, 0x0f, 0x05]);
      rig.regs.setNum(R.rax, 0);
      for (let i = 0; i < rounds; i++) {
        rig.poke(CODE + 2, [i & 127]);
        rig.regs.setNum(R.rcx, 400);
        rig.regs.pc = CODE;
        expect(rig.run()).toBe('syscall');
      }
      return rig.cpu.compilerStats!.regions;
    };
    const few = made(30);
    expect(few).toBeGreaterThan(3);
    expect(made(300)).toBeLessThan(3 * few);
  });

  it.each([
    ['zeros', [0, 0, 0, 1.5]],
    ['denormals', [1e-310, 3, 5e-324, 2 ** -1022]],
    ['infinities and NaNs', [Infinity, NaN, -Infinity, 2]],
    ['what overflows and underflows', [1e308, 1e-300, -1e308, 1e-200]],
  ])('numbers out of the ordinary: %s', (_, numbers) => {
    // again: movsd xmm0, [rdi+rcx*8-8]; mulsd xmm1, xmm0; addsd xmm2, xmm1; mulpd xmm3, xmm0; divsd xmm4, xmm0;
    // sqrtsd xmm5, xmm2; movups [rdi+512], xmm3; dec ecx; jnz again
    const loop =
      'f2 0f 10 44 cf f8 f2 0f 59 c8 f2 0f 58 d1 66 0f 59 d8 f2 0f 5e e0 f2 0f 51 ea 0f 11 9f 00 02 00 00 ff c9 75 db';
    both(loop, (rig) => {
      const data = new Float64Array(60).map((_, i) => (i % 7 === 3 ? numbers[(i >> 3) & 3] : 1 + i / 8));
      rig.poke(DATA, [...new Uint8Array(data.buffer)]);
      const seen: unknown[] = [];
      for (let i = 0; i < 20; i++) {
        rig.regs.setNum(R.rcx, 60);
        rig.regs.setNum(R.rdi, DATA);
        rig.regs.pc = CODE;
        const image = new Uint8Array(512);
        rig.regs.saveFp(image);
        for (const at of [160 + 16, 160 + 32, 160 + 48, 160 + 56, 160 + 64])
          image.set(new Uint8Array(new Float64Array([1.25]).buffer), at);
        rig.regs.loadFp(image);
        seen.push(rig.run(), rig.cpu.retired);
        rig.regs.saveFp(image);
        seen.push([...image]);
      }
      return seen;
    });
  });
});
