/** Precise faults: the instruction at fault has had no effect, and the exit says what could not be accessed. */
import { describe, expect, it } from 'vitest';
import { bytes, CODE, DATA, PAGE, R, Rig, STACK } from './rig.ts';

const END = DATA + 2 * PAGE;

/** Hex code, registers, and what must not be accessible: address and access (1 read, 2 write). */
interface FaultCase {
  readonly what: string;
  readonly code: string;
  readonly regs: Readonly<Partial<Record<number, number>>>;
  readonly address: number;
  readonly access: number;
}

const CASES: readonly FaultCase[] = [
  { what: 'mov rax, [rbx]', code: '48 8b 03', regs: { [R.rbx]: END }, address: END, access: 1 },
  { what: 'mov rax, [rbx] crossing', code: '48 8b 03', regs: { [R.rbx]: END - 3 }, address: END, access: 1 },
  { what: 'mov [rbx], rax crossing', code: '48 89 03', regs: { [R.rbx]: END - 3 }, address: END, access: 2 },
  { what: 'add [rbx], rax', code: '48 01 03', regs: { [R.rbx]: END - 3 }, address: END, access: 2 },
  { what: 'lock xadd', code: 'f0 48 0f c1 03', regs: { [R.rbx]: END - 1 }, address: END, access: 2 },
  { what: 'xchg', code: '48 87 03', regs: { [R.rbx]: END - 1 }, address: END, access: 2 },
  { what: 'cmpxchg', code: '48 0f b1 03', regs: { [R.rbx]: END - 1 }, address: END, access: 2 },
  { what: 'push rax', code: '50', regs: { [R.rsp]: END + 4 }, address: END, access: 2 },
  { what: 'push [rbx] to a bad stack', code: 'ff 33', regs: { [R.rbx]: DATA, [R.rsp]: END + 16 }, address: END + 8, access: 2 },
  { what: 'push [rbx] from bad memory', code: 'ff 33', regs: { [R.rbx]: END }, address: END, access: 1 },
  { what: 'pop [rbx]', code: '8f 03', regs: { [R.rbx]: END - 4 }, address: END, access: 2 },
  { what: 'pop rax', code: '58', regs: { [R.rsp]: END - 4 }, address: END, access: 1 },
  { what: 'call', code: 'e8 10 00 00 00', regs: { [R.rsp]: END + 4 }, address: END, access: 2 },
  { what: 'call [rbx] from bad memory', code: 'ff 13', regs: { [R.rbx]: END - 1 }, address: END, access: 1 },
  { what: 'ret', code: 'c3', regs: { [R.rsp]: END }, address: END, access: 1 },
  { what: 'ret 8', code: 'c2 08 00', regs: { [R.rsp]: END - 7 }, address: END, access: 1 },
  { what: 'leave', code: 'c9', regs: { [R.rbp]: END - 2 }, address: END, access: 1 },
  { what: 'enter 16, 0', code: 'c8 10 00 00', regs: { [R.rsp]: END + 4, [R.rbp]: DATA }, address: END - 4 + 0, access: 2 },
  { what: 'movaps load', code: '0f 28 03', regs: { [R.rbx]: END }, address: END, access: 1 },
  { what: 'movups store crossing', code: '0f 11 03', regs: { [R.rbx]: END - 15 }, address: END, access: 2 },
  { what: 'fxsave crossing', code: '0f ae 03', regs: { [R.rbx]: END - 256 }, address: END, access: 2 },
  { what: 'xsave crossing', code: '0f ae 23', regs: { [R.rbx]: END - 64, [R.rax]: 3 }, address: END, access: 2 },
  { what: 'fstp tbyte', code: 'db 3b', regs: { [R.rbx]: END - 9 }, address: END, access: 2 },
  { what: 'cmpxchg16b', code: '48 0f c7 0b', regs: { [R.rbx]: END }, address: END, access: 2 },
  { what: 'bts [rbx], rcx', code: '48 0f ab 0b', regs: { [R.rbx]: DATA, [R.rcx]: 2 * PAGE * 8 }, address: END, access: 2 },
  { what: 'xlat', code: 'd7', regs: { [R.rbx]: END, [R.rax]: 5 }, address: END + 5, access: 1 },
].map((c) => (c.what.startsWith('enter') ? { ...c, address: END } : c)); // prettier-ignore

describe('a fault leaves everything as it was', () => {
  it.each(CASES.map((c) => [c.what, c] as const))('%s', (_what, c) => {
    for (const way of ['run', 'step'] as const) {
      const rig = new Rig().usual();
      rig.poke(CODE, bytes(c.code));
      rig.poke(
        DATA,
        Array.from({ length: 2 * PAGE }, (_, i) => (i * 7) & 0xff),
      );
      rig.poke(
        STACK,
        Array.from({ length: 2 * PAGE }, (_, i) => (i * 5) & 0xff),
      );
      for (const [reg, value] of Object.entries(c.regs)) rig.regs.setNum(Number(reg), value!);
      rig.regs.setNum(17, 0x8d7);
      const before = rig.state();
      const memory = [rig.peek(DATA, 2 * PAGE), rig.peek(STACK, 2 * PAGE)];
      expect(rig[way]()).toBe('fault');
      expect(rig.cpu.faultAddress).toBe(BigInt(c.address));
      expect(rig.cpu.faultAccess & 2 ? 2 : 1).toBe(c.access);
      expect(rig.cpu.retired).toBe(0);
      expect(rig.state()).toBe(before);
      expect([rig.peek(DATA, 2 * PAGE), rig.peek(STACK, 2 * PAGE)]).toEqual(memory);
    }
  });

  it('tells a write to a read-only page from a read', () => {
    const rig = new Rig().usual();
    rig.map(END, 1, 1);
    rig.regs.setNum(R.rbx, END + 8);
    rig.poke(CODE, bytes('48 8b 03 48 83 03 01'));
    expect(rig.run()).toBe('fault');
    expect([rig.regs.pc, rig.cpu.faultAddress, rig.cpu.faultAccess & 2]).toEqual([
      CODE + 3,
      BigInt(END + 8),
      2,
    ]);
    expect(rig.cpu.retired).toBe(1);
  });

  it.each([
    ['rep movsb', 'f3 a4', 1], ['rep movsq', 'f3 48 a5', 8], ['rep stosd', 'f3 ab', 4], ['repe cmpsb', 'f3 a6', 1],
    ['repne scasw', '66 f2 af', 2],
  ] as const)('%s stops at the element it cannot access and goes on from there', (name, code, size) => {
    const rig = new Rig().usual();
    rig.poke(CODE, [...bytes(code), 0x0f, 0x05]);
    const far = 3 * size + (size > 1 ? 1 : 0); // not aligned: the element at fault crosses
    const whole = Math.floor(far / size);
    rig.regs.setNum(R.rax, 0xabcd);
    rig.regs.setNum(R.rcx, 10);
    rig.regs.setNum(R.rsi, DATA);
    rig.regs.setNum(R.rdi, END - far);
    expect(rig.run()).toBe('fault');
    expect(rig.cpu.faultAddress).toBe(BigInt(END));
    expect(rig.regs.pc).toBe(CODE);
    expect(rig.regs.num(R.rcx)).toBe(10 - whole);
    expect(rig.regs.num(R.rdi)).toBe(END - far + whole * size);
    if (name.includes('movs') || name.includes('cmps')) expect(rig.regs.num(R.rsi)).toBe(DATA + whole * size);
    rig.map(END, 1, 3);
    expect(rig.run()).toBe('syscall');
    expect(rig.regs.num(R.rcx)).toBe(CODE + bytes(code).length + 2); // what SYSCALL leaves there: REP ran to its end
    expect(rig.regs.num(R.rdi)).toBe(END - far + 10 * size);
  }); // prettier-ignore

  it('a pattern fill across a page border sees what the element before wrote', () => {
    const rig = new Rig().usual();
    rig.poke(CODE, bytes('66 f3 a5 0f 05')); // rep movsw
    const start = DATA + PAGE - 11;
    rig.poke(start, [1, 2, 3]);
    rig.regs.setNum(R.rcx, 12);
    rig.regs.setNum(R.rsi, start);
    rig.regs.setNum(R.rdi, start + 3);
    expect(rig.run()).toBe('syscall');
    // Words at distance 3: each reads one byte that the element before has written.
    const model = [1, 2, 3, ...Array<number>(24).fill(0)];
    for (let i = 0; i < 12; i++) for (const k of [0, 1]) model[3 + 2 * i + k] = model[2 * i + k]!;
    expect(rig.peek(start, 27)).toEqual(model);
  });

  it('compares two strings that both cross the same border', () => {
    for (const [si, di] of [[-3, -5], [-1, -6], [-40, -2], [-2, -40]] as const) {
      const rig = new Rig().usual();
      rig.poke(CODE, bytes('f3 48 a7 0f 05')); // repe cmpsq
      rig.poke(DATA, Array.from({ length: 2 * PAGE }, () => 0x5a));
      rig.regs.setNum(R.rcx, 9);
      rig.regs.setNum(R.rsi, DATA + PAGE + si);
      rig.regs.setNum(R.rdi, DATA + PAGE + di);
      expect(rig.run()).toBe('syscall');
      expect(rig.regs.num(R.rsi)).toBe(DATA + PAGE + si + 72);
      expect(rig.regs.num(R.rdi)).toBe(DATA + PAGE + di + 72);
    }
  }); // prettier-ignore
});

describe('other exceptions', () => {
  it.each([
    ['div by zero', '48 31 c9 48 f7 f1', 'divide', 3],
    ['quotient too large', '48 f7 f1', 'divide', 0],
    ['ud2', '0f 0b', 'undefined', 0],
    ['lock on a register', 'f0 48 01 c3', 'undefined', 0],
    ['lock mov', 'f0 48 89 03', 'undefined', 0],
    ['a VEX prefix', 'c5 f8 77', 'undefined', 0],
    ['push es', '06', 'undefined', 0],
    ['hlt', 'f4', 'protection', 0],
    ['in al, dx', 'ec', 'protection', 0],
    ['int 0x80', 'cd 80', 'protection', 0],
    ['movaps of an unaligned address', '0f 28 43 01', 'protection', 0],
    ['cmpxchg16b of an unaligned address', '48 0f c7 4b 08', 'protection', 0],
    ['int3', 'cc', 'breakpoint', 1],
  ])('%s', (_what, code, exit, at) => {
    for (const way of ['run', 'step'] as const) {
      const rig = new Rig().usual();
      rig.poke(CODE, bytes(code));
      rig.regs.setNum(R.rbx, DATA);
      rig.regs.setNum(R.rcx, 1);
      rig.regs.setNum(R.rdx, 5);
      if (way === 'step' && at === 3) expect(rig.step()).toBe('stop');
      expect(rig[way]()).toBe(exit);
      expect(rig.regs.pc).toBe(CODE + at);
    }
  });

  it('jumps to addresses that are not canonical, or not executable', () => {
    const rig = new Rig().usual();
    rig.poke(CODE, bytes('ff e3')); // jmp rbx
    rig.regs.set(R.rbx, 0x8000_0000_0000_0000n);
    expect(rig.run()).toBe('protection');
    rig.regs.pc = CODE;
    rig.regs.setNum(R.rbx, DATA);
    expect(rig.run()).toBe('fault');
    expect([rig.cpu.faultAddress, rig.cpu.faultAccess & 4, rig.regs.pc]).toEqual([BigInt(DATA), 4, DATA]);
  });

  it('a SIMD exception of an operand that crosses pages is over when it is told', () => {
    const rig = new Rig().usual();
    rig.poke(CODE, bytes('f2 0f 5e 03 f2 0f 2c c1 0f 05')); // divsd xmm0, [rbx]; cvttsd2si eax, xmm1; syscall
    rig.regs.setNum(R.rbx, DATA + PAGE - 3);
    const fx = new Uint8Array(512);
    rig.regs.saveFp(fx);
    fx.set([0x80, 0x1d], 24); // division by zero is not masked
    fx.set([0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0c, 0x40], 160); // 1 and 3.5
    rig.regs.loadFp(fx);
    expect(rig.run()).toBe('simd');
    expect(rig.regs.pc).toBe(CODE);
    rig.regs.pc = CODE + 4;
    expect(rig.run()).toBe('syscall');
    expect(rig.regs.num(R.rax)).toBe(3);
  });

  it.each([['paddd mm0, [rbx]', '0f fe 03'], ['movq mm0, [rbx]', '0f 6f 03'], ['movd mm0, [rbx]', '0f 6e 03'], ['pshufw', '0f 70 03 1b'], ['pinsrw', '0f c4 03 01'], ['cvtps2pi', '0f 2d 03']])(
    'a pending x87 exception comes before the page fault of %s (SDM vol. 3, table 6-2)',
    (_what, code) => {
      const rig = new Rig().usual();
      rig.poke(CODE, bytes(code));
      rig.regs.setNum(R.rbx, END);
      const fx = new Uint8Array(512);
      rig.regs.saveFp(fx);
      fx.set([0x7e, 0x03, 0x81, 0x80]); // invalid operation raised and not masked
      rig.regs.loadFp(fx);
      expect(rig.run()).toBe('x87');
    },
  ); // prettier-ignore

  it('an instruction cut off by the end of executable memory faults at the page behind it', () => {
    const rig = new Rig().usual();
    rig.poke(CODE + 2 * PAGE - 3, bytes('90 48 b8'));
    rig.regs.pc = CODE + 2 * PAGE - 3;
    expect(rig.run()).toBe('fault');
    expect(rig.cpu.faultAddress).toBe(BigInt(CODE + 2 * PAGE));
    expect(rig.regs.pc).toBe(CODE + 2 * PAGE - 2);
    expect(rig.cpu.retired).toBe(1);
  });
});
