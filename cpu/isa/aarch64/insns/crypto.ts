/** AES, SHA-1 and SHA-256. Arm ARM C4.1.96, "Cryptographic AES", "two-register SHA", "three-register SHA". */
import type { Val } from '../../../builder.ts';
import type { Helper } from '../../../interp/helpers.ts';
import {
  AES_INVERSE_SHIFT_ROWS,
  AES_SHIFT_ROWS,
  inverseMixColumns,
  mixColumns,
  reordered,
} from '../../common.ts';
import type { A64Builder } from '../builder.ts';
import { insn, type Definition, type Reg } from '../define.ts';

const WORDS = [0, 1, 2, 3];

const word = (b: A64Builder, v: Val, i: number): Val => b.lane('i32x4.extract_lane', i, v);
function vector(b: A64Builder, words: readonly Val[]): Val {
  let r = b.op('i32x4.splat', words[0]);
  for (let i = 1; i < 4; i++) r = b.lane('i32x4.replace_lane', i, r, words[i]);
  return r;
}

// FIPS 180-4, 4.1.
const choose = (b: A64Builder, x: Val, y: Val, z: Val): Val => b.xor(b.and(b.xor(y, z), x), z);
const parity = (b: A64Builder, x: Val, y: Val, z: Val): Val => b.xor(b.xor(x, y), z);
const majority = (b: A64Builder, x: Val, y: Val, z: Val): Val => b.or(b.and(x, y), b.and(b.or(x, y), z));

/** Four rounds of SHA-1: (a b c d, e, schedule plus constant) → a b c d. */
const sha1 = (name: string, f: typeof choose): Helper<A64Builder> => ({
  name,
  params: ['v128', 'i32', 'v128'],
  result: 'v128',
  build: (b, abcd, e0, schedule) => {
    let [a, bb, c, d] = WORDS.map((i) => word(b, abcd, i));
    let e = e0;
    for (let i = 0; i < 4; i++) {
      const next = b.add(b.add(b.add(e, b.rotl(a, 5)), f(b, bb, c, d)), word(b, schedule, i));
      [a, bb, c, d, e] = [next, a, b.rotl(bb, 30), c, d];
    }
    b.fn.return(vector(b, [a, bb, c, d]));
  },
});

const rotations = (b: A64Builder, v: Val, x: number, y: number, z: number): Val =>
  b.xor(b.xor(b.rotr(v, x), b.rotr(v, y)), b.rotr(v, z));

/** Four rounds of SHA-256: (a b c d, e f g h, schedule plus constant) → a b c d, or e f g h. */
const sha256 = (name: string, first: boolean): Helper<A64Builder> => ({
  name,
  params: ['v128', 'v128', 'v128'],
  result: 'v128',
  build: (b, abcd, efgh, schedule) => {
    let x = WORDS.map((i) => word(b, abcd, i));
    let y = WORDS.map((i) => word(b, efgh, i));
    for (let i = 0; i < 4; i++) {
      const sum = b.add(b.add(y[3], rotations(b, y[0], 6, 11, 25)), choose(b, y[0], y[1], y[2]));
      const t = b.add(sum, word(b, schedule, i));
      const e = b.add(t, x[3]);
      const a = b.add(b.add(t, rotations(b, x[0], 2, 13, 22)), majority(b, x[0], x[1], x[2]));
      x = [a, x[0], x[1], x[2]];
      y = [e, y[0], y[1], y[2]];
    }
    b.fn.return(vector(b, first ? x : y));
  },
});

export const cryptoHelpers: readonly Helper<A64Builder>[] = [
  sha1('sha1c', choose),
  sha1('sha1p', parity),
  sha1('sha1m', majority),
  sha256('sha256h', true),
  sha256('sha256h2', false),
];

const xor = (b: A64Builder, x: Val, y: Val): Val => b.op('v128.xor', x, y);
const rotated = (b: A64Builder, v: Val, right: number): Val =>
  b.op('v128.or', b.op('i32x4.shr_u', v, b.i32(right)), b.op('i32x4.shl', v, b.i32(32 - right)));
const sigma = (b: A64Builder, v: Val, x: number, y: number, shift: number): Val =>
  xor(b, xor(b, rotated(b, v, x), rotated(b, v, y)), b.op('i32x4.shr_u', v, b.i32(shift)));

/** 16 bytes of two registers side by side, from byte `at` on. */
const across = (b: A64Builder, low: Val, high: Val, at: number): Val =>
  b.shuffle(low, high, Array.from({ length: 16 }, (_, i) => i + at)); // prettier-ignore

/** v shifted right by bytes, zeros coming in. */
const down = (b: A64Builder, v: Val, bytes: number): Val => across(b, v, b.v128(new Uint8Array(16)), bytes);

const aes = (name: string, opcode: string, f: (b: A64Builder, vd: Reg, vn: Reg) => Val): Definition =>
  insn(name, `01001110 00 10100 ${opcode} 10 Vn Vd`, 'w:Vd r:Vn', (b, vd, vn) => {
    b.setV(vd, f(b, vd, vn));
  }); // prettier-ignore
const three = (name: string, opcode: string, f: (b: A64Builder, vd: Reg, vn: Reg, vm: Reg) => Val): Definition =>
  insn(name, `01011110 00 0 Vm 0 ${opcode} 00 Vn Vd`, 'w:Vd r:Vn r:Vm', (b, vd, vn, vm) => {
    b.setV(vd, f(b, vd, vn, vm));
  }); // prettier-ignore

export const crypto: readonly Definition[] = [
  aes('aese', '00100', (b, vd, vn) => b.callHelper('aes_sub', reordered(b, xor(b, b.v(vd), b.v(vn)), AES_SHIFT_ROWS))!),
  aes('aesd', '00101', (b, vd, vn) =>
    b.callHelper('aes_inv_sub', reordered(b, xor(b, b.v(vd), b.v(vn)), AES_INVERSE_SHIFT_ROWS))!),
  aes('aesmc', '00110', (b, _vd, vn) => mixColumns(b, b.v(vn))),
  aes('aesimc', '00111', (b, _vd, vn) => inverseMixColumns(b, b.v(vn))),
  ...['sha1c', 'sha1p', 'sha1m'].map((name, k) =>
    three(name, `0${k >> 1}${k & 1}`, (b, vd, vn, vm) => b.callHelper(name, b.v(vd), b.loadReg('i32.load', vn), b.v(vm))!)),
  three('sha1su0', '011', (b, vd, vn, vm) => {
    const d = b.v(vd);
    return xor(b, xor(b, across(b, d, b.v(vn), 8), d), b.v(vm));
  }),
  three('sha256h', '100', (b, vd, vn, vm) => b.callHelper('sha256h', b.v(vd), b.v(vn), b.v(vm))!),
  three('sha256h2', '101', (b, vd, vn, vm) => b.callHelper('sha256h2', b.v(vn), b.v(vd), b.v(vm))!),
  three('sha256su1', '110', (b, vd, vn, vm) => {
    const m = b.v(vm);
    const rest = b.op('i32x4.add', b.v(vd), across(b, b.v(vn), m, 4));
    // The last two words need the first two.
    const low = b.op('i32x4.add', rest, sigma(b, down(b, m, 8), 17, 19, 10));
    const high = b.op('i32x4.add', rest, sigma(b, b.shuffle(low, low, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]), 17, 19, 10));
    return b.shuffle(low, high, [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31]);
  }),
  insn('sha1h', '01011110 00 10100 00000 10 Vn Vd', 'w:Vd r:Vn', (b, vd, vn) => {
    b.setLow(vd, b.extU(b.rotl(b.loadReg('i32.load', vn), 30)), 64);
  }),
  insn('sha1su1', '01011110 00 10100 00001 10 Vn Vd', 'w:Vd r:Vn', (b, vd, vn) => {
    const t = xor(b, b.v(vd), down(b, b.v(vn), 4));
    const first = b.lane('i32x4.replace_lane', 3, b.v128(new Uint8Array(16)), b.rotl(word(b, t, 0), 2));
    b.setV(vd, xor(b, rotated(b, t, 31), first));
  }),
  insn('sha256su0', '01011110 00 10100 00010 10 Vn Vd', 'w:Vd r:Vn', (b, vd, vn) => {
    const d = b.v(vd);
    b.setV(vd, b.op('i32x4.add', sigma(b, across(b, d, b.v(vn), 4), 7, 18, 3), d));
  }),
]; // prettier-ignore
