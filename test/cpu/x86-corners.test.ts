/** Corners of single x86_64 instructions that random ones seldom meet. */
import { describe, expect, it } from 'vitest';
import { bytes, CODE, DATA, R, Rig, STACK } from './rig.ts';

const SYSCALL = '0f 05';
/** Index of the segment bases in `regs`. */
const FS_BASE = 18;

describe('pop to memory counts its address with rsp already moved (SDM, POP)', () => {
  it.each([
    ['[rsp]', '8f 04 24', 0],
    ['[rsp+16]', '8f 44 24 10', 16],
    ['[rsp+rcx*4+16]', '8f 44 8c 10', 4 * 5 + 16],
    ['fs:[rsp+16]', '64 8f 44 24 10', 0x100 + 16],
    ['fs:[rsp+rcx*4+16]', '64 8f 44 8c 10', 0x100 + 4 * 5 + 16],
    ['[esp+ecx*4+16]', '67 8f 44 8c 10', 4 * 5 + 16],
    ['fs:[esp+ecx*4+16]', '64 67 8f 44 8c 10', 0x100 + 4 * 5 + 16],
    ['word [rsp+16]', '66 8f 44 24 10', 16],
    ['word fs:[rsp+rcx*4+16]', '66 64 8f 44 8c 10', 0x100 + 4 * 5 + 16],
  ])('%s', (_text, code, distance) => {
    const size = code.startsWith('66') ? 2 : 8;
    const rig = new Rig().usual();
    rig.poke(CODE, bytes(`${code} ${SYSCALL}`));
    const sp = STACK + 64;
    const value = [1, 2, 3, 4, 5, 6, 7, 8].slice(0, size);
    rig.poke(sp, value);
    rig.regs.setNum(R.rsp, sp);
    rig.regs.setNum(R.rcx, 5);
    rig.regs.setNum(FS_BASE, 0x100);
    expect(rig.run()).toBe('syscall');
    expect(rig.regs.num(R.rsp)).toBe(sp + size);
    const at = sp + size + distance;
    expect(rig.peek(at - 2, size + 4)).toEqual([...(at === sp + size ? value.slice(-2) : [0, 0]), ...value, 0, 0]);
  });
}); // prettier-ignore

describe('the explicit lengths of PCMPESTRI and PCMPESTRM (SDM: 64 bits wide with REX.W)', () => {
  // Equal each (imm 8): elements behind both strings' ends compare equal; ZF and SF tell that a string is shorter than 16.
  const run = (code: string, rax: bigint, rdx: bigint): string => {
    const rig = new Rig().usual();
    rig.poke(CODE, bytes(`${code} 9c 5e ${SYSCALL}`)); // pushfq; pop rsi
    rig.poke(DATA, Array.from({ length: 16 }, (_, i) => i));
    rig.regs.setNum(R.rbx, DATA);
    rig.regs.set(R.rax, rax);
    rig.regs.set(R.rdx, rdx);
    expect(rig.run()).toBe('syscall');
    const flags = rig.regs.num(R.rsi);
    return `x ${flags & 0x80 ? 'short' : 'full'}, y ${flags & 0x40 ? 'short' : 'full'}`;
  };
  it.each([['pcmpestri', '61'], ['pcmpestrm', '60']])('%s', (_name, opcode) => {
    const narrow = `66 0f 3a ${opcode} 03 08`;
    const wide = `66 48 0f 3a ${opcode} 03 08`;
    expect(run(narrow, 1n << 32n, 16n)).toBe('x short, y full');
    expect(run(wide, 1n << 32n, 16n)).toBe('x full, y full');
    expect(run(wide, 16n, (1n << 32n) | 3n)).toBe('x full, y full');
    expect(run(narrow, 16n, (1n << 32n) | 3n)).toBe('x full, y short');
    // Their magnitude counts.
    expect(run(wide, 0xffff_ffff_ffff_fff0n, 0x8000_0000_0000_0000n)).toBe('x full, y full');
    expect(run(narrow, 0xffff_fff0n, 0x8000_0000n)).toBe('x full, y full');
    expect(run(wide, 0xffff_fff0n, 0xffff_ffff_ffff_fffdn)).toBe('x full, y short');
  });
}); // prettier-ignore

describe('estimates take denormal operands for zeros and make tiny results zeros (SDM, RCPPS, RSQRTPS)', () => {
  const estimate = (opcode: string, operand: number): string => {
    const rig = new Rig().usual();
    rig.poke(CODE, bytes(`f3 0f ${opcode} c1 ${SYSCALL}`)); // rcpss or rsqrtss xmm0, xmm1
    const fx = new Uint8Array(512);
    rig.regs.saveFp(fx);
    new DataView(fx.buffer).setUint32(176, operand, true);
    rig.regs.loadFp(fx);
    expect(rig.run()).toBe('syscall');
    rig.regs.saveFp(fx);
    return new DataView(fx.buffer).getUint32(160, true).toString(16);
  };
  it('rcpss', () => {
    expect(estimate('53', 0x00000001)).toBe('7f800000');
    expect(estimate('53', 0x807fffff)).toBe('ff800000');
    expect(estimate('53', 0x7f7fffff)).toBe('0');
    expect(estimate('53', 0xff7fffff)).toBe('80000000');
    expect(estimate('53', 0x40000000)).toBe('3f000000');
  });
  it('rsqrtss', () => {
    expect(estimate('52', 0x007fffff)).toBe('7f800000');
    expect(estimate('52', 0x80000001)).toBe('ff800000');
    expect(estimate('52', 0xbf800000)).toBe('ffc00000');
    expect(estimate('52', 0x40800000)).toBe('3f000000');
  });
});

describe('FPREM and FPREM1 of denormal numbers', () => {
  /** Status word and ST0 behind it; `control`: x87 control word. */
  const fprem = (opcode: string, st0: string, st1: string, control: number): [status: string, st0: string] => {
    const rig = new Rig().usual();
    rig.poke(CODE, bytes(`d9 ${opcode} ${SYSCALL}`));
    const fx = new Uint8Array(512);
    rig.regs.saveFp(fx);
    fx.set([control & 255, control >> 8, 0, 0, 0xff]);
    fx.set(bytes(st0).reverse(), 32);
    fx.set(bytes(st1).reverse(), 48);
    rig.regs.loadFp(fx);
    expect(rig.run()).toBe('syscall');
    rig.regs.saveFp(fx);
    const hex = (from: number, to: number): string => Buffer.from(fx.slice(from, to).reverse()).toString('hex');
    return [hex(2, 4), hex(32, 42)];
  };
  const INFINITY = '7fff8000000000000000';
  const LEAST = '00000000000000000001';
  it('a pseudo-denormal comes back normal', () => {
    expect(fprem('f5', '0000da19dee8612a743e', INFINITY, 0x37f)).toEqual(['0002', '0001da19dee8612a743e']);
  });
  it('a tiny result is an underflow where that is not masked, though it is exact', () => {
    expect(fprem('f8', '00000000000000000005', '00000000000000000003', 0x37f)).toEqual(['0202', '00000000000000000002']);
    const [status] = fprem('f8', '00000000000000000005', '00000000000000000003', 0x36f);
    expect(status).toBe('8292'); // UE, and with it ES and B
  });
  it('an unmasked exception of the operands comes before', () => {
    expect(fprem('f5', LEAST, INFINITY, 0x36d)).toEqual(['8082', LEAST]);
  });
}); // prettier-ignore
