/** aarch64's soft-float where Arm's rules are its own, and against this machine's arithmetic where they are everyone's. */
import { describe, expect, it } from 'vitest';
import { DZC, IDC, IOC, IXC, OFC, UFC } from '../../../cpu/float/arm-float.ts';
import { fpOperation } from '../../../cpu/float/fp.ts';
import { CONVERT_ODD, fpOp, type FpOp, type FpType } from '../../../cpu/float/fp-ops.ts';
import { Random } from '../../support/random.ts';

const FZ = 1 << 24;
const DN = 1 << 25;
const AHP = 1 << 26;
const UP = 1 << 22;

const run = (op: FpOp, t: FpType, operands: readonly bigint[], fpcr = 0): string => {
  const [a, b, c] = operands;
  const { value, flags } = fpOperation(fpOp(op, t), a ?? 0n, b ?? 0n, c ?? 0n, fpcr);
  return `${value.toString(16)} ${flags}`;
};

describe('Arm’s rules', () => {
  it('takes the first signaling NaN, else the first quiet one', () => {
    expect(run('add', 'f32', [0x7fc00001n, 0xff800002n])).toBe(`ffc00002 ${IOC}`);
    expect(run('add', 'f32', [0x7fc00001n, 0xffc00002n])).toBe('7fc00001 0');
    expect(run('mulAdd', 'f32', [0x7fc00001n, 0x7fc00002n, 0x7f800003n])).toBe(`7fc00003 ${IOC}`);
    expect(run('add', 'f32', [0x7fc00001n, 0x3f800000n], DN)).toBe('7fc00000 0');
  });

  it('makes a positive default NaN, of zero times infinity even when a quiet NaN is added', () => {
    expect(run('mul', 'f64', [0n, 0x7ff0000000000000n])).toBe(`7ff8000000000000 ${IOC}`);
    expect(run('mulAdd', 'f32', [0x7fc12345n, 0n, 0x7f800000n])).toBe(`7fc00000 ${IOC}`);
    expect(run('mulx', 'f32', [0x80000000n, 0x7f800000n])).toBe('c0000000 0');
    expect(run('recps', 'f32', [0n, 0xff800000n])).toBe('40000000 0');
    expect(run('rsqrts', 'f32', [0n, 0xff800000n])).toBe('3fc00000 0');
  });

  it('underflows by the value before rounding', () => {
    // (2^-126 · (1 − 2^-24)) rounds up to 2^-126.
    expect(run('mul', 'f32', [0x00800000n, 0x3f7fffffn])).toBe(`800000 ${UFC | IXC}`);
    expect(run('mul', 'f32', [0x00800000n, 0x3f7fffffn], FZ)).toBe(`0 ${UFC}`);
  });

  it('flushes denormal operands with IDC alone, halves never', () => {
    expect(run('add', 'f32', [0x80000001n, 0x80000000n], FZ)).toBe(`80000000 ${IDC}`);
    expect(run('add', 'f32', [0x80000001n, 0x80000000n])).toBe('80000001 0');
    expect(run('toSingle', 'f16', [1n], FZ)).toBe('33800000 0');
    expect(run('toHalf', 'f32', [0x33800000n], FZ)).toBe('1 0');
  });

  it('converts to integers with saturation', () => {
    expect(run('toFixed', 'f32', [0x7fc00000n, 3n])).toBe(`0 ${IOC}`);
    expect(run('toFixed', 'f32', [0xff800000n, 3n])).toBe(`80000000 ${IOC}`);
    expect(run('toFixed', 'f32', [0xbf800000n, 3n | 32n])).toBe(`0 ${IOC}`);
    expect(run('toFixed', 'f32', [0xbf000000n, 3n | 32n])).toBe(`0 ${IXC}`);
    expect(run('toFixed', 'f64', [0x3fe0000000000000n, 4n])).toBe(`1 ${IXC}`);
  });

  it('knows halves without infinities', () => {
    expect(run('toHalf', 'f32', [0x7f800000n], AHP)).toBe(`7fff ${IOC}`);
    expect(run('toHalf', 'f32', [0x7fc00000n], AHP)).toBe(`0 ${IOC}`);
    expect(run('toHalf', 'f32', [0x47800000n], AHP)).toBe('7c00 0');
    expect(run('toHalf', 'f32', [0x47800000n])).toBe(`7c00 ${OFC | IXC}`);
    expect(run('toSingle', 'f16', [0x7c00n], AHP)).toBe('47800000 0');
  });

  it('rounds FCVTXN to odd', () => {
    const odd = BigInt(CONVERT_ODD);
    expect(run('toSingle', 'f64', [0x3ff0000000000001n, odd])).toBe(`3f800001 ${IXC}`);
    expect(run('toSingle', 'f64', [0x7fefffffffffffffn, odd])).toBe(`7f7fffff ${OFC | IXC}`);
  });

  it('estimates', () => {
    expect(run('recpe', 'f32', [0x3f800000n])).toBe('3f7f8000 0');
    expect(run('rsqrte', 'f32', [0x40800000n])).toBe('3eff8000 0');
    expect(run('recpe', 'f64', [0n])).toBe(`7ff0000000000000 ${DZC}`);
    expect(run('recpe', 'f32', [1n], UP)).toBe(`7f800000 ${OFC | IXC}`);
    expect(run('urecpe', 'f32', [0x80000000n])).toBe('ff800000 0');
    expect(run('recpx', 'f32', [0x3f800000n])).toBe('40000000 0');
  });
});

it('agrees with this machine’s rounding to nearest', () => {
  const v = new DataView(new ArrayBuffer(8));
  const bits = (x: number): bigint => {
    v.setFloat64(0, x);
    return v.getBigUint64(0);
  };
  const r = new Random(9);
  const draw = (): number => {
    v.setBigUint64(0, r.u64());
    const any = v.getFloat64(0);
    return r.chance(0.5) && !Number.isNaN(any) ? any : (r.u32() - 2 ** 31) * 2 ** (r.below(60) - 30);
  };
  for (let i = 0; i < 3000; i++) {
    const [x, y] = [draw(), draw()];
    const check = (op: FpOp, expected: number): void => {
      if (Number.isNaN(expected)) return;
      const { value } = fpOperation(fpOp(op, 'f64'), bits(x), bits(y), 0n, 0);
      expect(value, `${op} ${x} ${y}`).toBe(bits(expected));
    };
    check('add', x + y);
    check('sub', x - y);
    check('mul', x * y);
    check('div', x / y);
    check('sqrt', Math.sqrt(x));
    check('max', Math.max(x, y));
    check('min', Math.min(x, y));
    v.setFloat32(0, Math.fround(x));
    const single = fpOperation(fpOp('toSingle', 'f64'), bits(x), 0n, 0n, 0).value;
    v.setFloat32(0, Math.fround(x));
    expect(single).toBe(BigInt(v.getUint32(0)));
  }
});
