/** Random aarch64 instructions, from the definitions' own encodings, and random states to run them from. */
import { NEED_MORE, UNDEFINED } from '../../cpu/code-space.ts';
import type { Definition } from '../../cpu/isa/aarch64/define.ts';
import { parseEncoding, parseOperands } from '../../cpu/isa/aarch64/encoding.ts';
import { IMMEDIATES } from '../../cpu/isa/aarch64/immediates.ts';
import { definitions } from '../../cpu/isa/aarch64/instructions.ts';
import type { Random } from './x86-cases.ts';

export { NEED_MORE, UNDEFINED };

export const CODE = 0x10000000;
export const DATA = 0x20000000;
export const DATA_BYTES = 256;
/** Where the compared bytes of the data pages are in their middle. */
export const DATA_AT = DATA + 4096;
/** Offsets in a state; see a64-driver.c. */
export const AT = { x: 0, sp: 248, nzcv: 256, pc: 264, fpcr: 272, fpsr: 276, v: 288, data: 800 } as const;
export const STATE_BYTES = 800 + DATA_BYTES;

export interface Case {
  readonly def: Definition;
  readonly words: readonly number[];
  /** Register that must hold an address in the data, and what is added to it; −1: none. */
  readonly base: number;
  readonly offset: number;
  /** Register that indexes from it: kept small; −1: none. */
  readonly index: number;
  /** Register that must hold the address behind the next instruction (an indirect branch); −1: none. */
  readonly target: number;
}

/** add x9, x9, #1: what a branch taken skips. */
const SKIPPED = 0x91000529;

/** Definitions random instructions can be made of. */
export const testable = (filter?: (d: Definition) => boolean): readonly Definition[] =>
  definitions.filter((d) => d.special !== true && !d.name.includes('tpidr') && (filter?.(d) ?? true));

/** A random instruction of a definition; null when the drawn fields are not allocated. */
export function makeCase(def: Definition, r: Random, decodes: (word: number) => boolean): Case | null {
  const { mask, value, fields } = parseEncoding(def.name, def.encoding);
  let word = ((value | (r.u32() & ~mask)) >>> 0) >>> 0;
  const set = (name: string, v: number): void => {
    const [low, width] = fields.get(name)!;
    const m = (2 ** width - 1) * 2 ** low;
    word = ((word & ~m) | (v << low)) >>> 0;
  };
  const get = (name: string): number => {
    const [low, width] = fields.get(name)!;
    return (word >>> low) & (2 ** width - 1);
  };
  // Branches and literals stay near.
  if (def.target) set(def.target, 2);
  if (def.imm === 'literal') set('imm19', 64 + r.below(8));
  const regs = parseOperands(def.operands);
  const memory = regs.find((o) => o.field === 'Rn' && o.sp && /^(ld|st|swp|cas|prf)/.test(def.name));
  const zva = /^(dc|ic) /.test(def.name);
  if (!decodes(word)) return null;
  let base = -1;
  let offset = 0;
  let index = -1;
  if (memory || zva) {
    base = get(zva ? 'Rt' : 'Rn');
    if (base === 31 && zva) return null;
    if (fields.has('Rm') && !memory?.field.startsWith('V')) index = get('Rm');
    if (def.imm && !/post/.test(def.name)) offset = Number(IMMEDIATES[def.imm](word, CODE) ?? 0);
    if (index === base) return null;
    // Write-back into a register that is loaded or stored is unpredictable; so are pairs loaded into one register.
    const data = regs
      .filter((o) => o.kind === 'x' && o.field !== 'Rn' && o.field !== 'Rm')
      .map((o) => get(o.field));
    if (memory && data.includes(base) && base !== 31) return null;
    if (/^(ldp|ldxp)/.test(def.name) && data.length > 1 && data[0] === data[1]) return null;
    if (/^stx/.test(def.name) && data.slice(1).includes(data[0])) return null;
  }
  const indirect = /^(br|blr|ret)$/.test(def.name);
  return {
    def,
    words: def.ends ? [word, SKIPPED] : [word],
    base,
    offset,
    index,
    target: indirect ? get('Rn') : -1,
  };
}

const EDGES: readonly bigint[] = [
  0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n,
  0x7fffffffffffffffn, 0x8000000000000000n, 0xffffffffffffffffn, 0xfffffffffffffffen, 31n, 32n, 63n, 64n,
  0x8080808080808080n, 0x7f7f7f7f7f7f7f7fn, 0x8000800080008000n, 0x7fff7fff7fff7fffn, 0x8000000080000000n,
  0x7fffffff7fffffffn, 0x0001000100010001n, 0x0101010101010101n,
]; // prettier-ignore

const DOUBLES = [0, -0, 1, -1, 0.5, 1.5, 2.5, -2.5, 3, 1e300, -1e300, 1e-300, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, Infinity, -Infinity, 1 / 3, Math.PI, 2147483647, 2147483648, -2147483649, 9.223372036854775e18, 1.8446744073709552e19, 4294967295.5, 65504, 65520, 2 ** -14, 2 ** -24, 2 ** -25]; // prettier-ignore
const FLOATS = [0, -0, 1, -1, 0.5, 1.5, 2.5, 3e38, -3e38, 1e-38, 1e-45, Infinity, -Infinity, 1 / 3, 16777217, 2147483648, 65504, 65520, 2 ** -14, 2 ** -24]; // prettier-ignore
const NANS32 = [0x7fc00000, 0xffc00001, 0x7f800001, 0xffa12345];
const NANS64 = [0x7ff8000000000000n, 0xfff8000000000001n, 0x7ff0000000000001n, 0xfff4123456789abcn];

/** 128 bits for a vector register: integers with edges, doubles, floats, halves, or noise. */
function fillVector(v: DataView, at: number, r: Random): void {
  const kind = r.below(6);
  for (let i = 0; i < 2; i++) {
    const p = at + 8 * i;
    if (kind === 0) v.setBigUint64(p, r.u64(), true);
    else if (kind === 1) v.setBigUint64(p, r.pick(EDGES), true);
    else if (kind === 2) {
      if (r.chance(12)) v.setBigUint64(p, r.pick(NANS64), true);
      else if (r.chance(50)) v.setFloat64(p, r.pick(DOUBLES), true);
      else v.setFloat64(p, (r.u32() / 2 ** 31 - 1) * 2 ** (r.below(80) - 40), true);
    } else if (kind === 3 || kind === 4) {
      for (let k = 0; k < 8; k += 4) {
        if (r.chance(12)) v.setUint32(p + k, r.pick(NANS32), true);
        else if (r.chance(50)) v.setFloat32(p + k, r.pick(FLOATS), true);
        else v.setFloat32(p + k, (r.u32() / 2 ** 31 - 1) * 2 ** (r.below(40) - 20), true);
      }
    } else
      for (let k = 0; k < 8; k++)
        v.setUint8(p + k, r.chance(30) ? r.pick([0, 0x7f, 0x80, 0xff, 1]) : r.u32() & 255);
  }
}

const FORMATS = [[5, 10], [8, 23], [11, 52]] as const; // prettier-ignore

/**
 * Numbers of one format in all vector registers that meet: equal or neighbouring ones, products, quotients and sums at
 * the format's ends, and few enough bits for exact and halfway results.
 */
function fillRelated(v: DataView, r: Random): void {
  const [exponentBits, fractionBits] = r.pick(FORMATS);
  const width = 1 + exponentBits + fractionBits;
  const max = 2 ** exponentBits - 1;
  const bias = max >> 1;
  const center = r.chance(40) ? r.below(max) : r.pick([0, 1, bias, bias + fractionBits, max - 1]);
  const shared = r.u64();
  const fractions = (): bigint => {
    const all = (1n << BigInt(fractionBits)) - 1n;
    const noise = r.u64() & all;
    switch (r.below(8)) {
      case 0:
        return 0n;
      case 1:
        return all;
      case 2:
        return noise & ~(all >> BigInt(1 + r.below(fractionBits)));
      case 3:
        return shared & all;
      case 4:
        return (shared + BigInt(r.below(5) - 2)) & all;
      case 5:
        return BigInt(r.below(4));
      case 6:
        return noise & all & ~((1n << BigInt(fractionBits >> 1)) - 1n);
      default:
        return noise;
    }
  };
  for (let at = AT.v; at < AT.data; at += width / 8) {
    const near = r.chance(70) ? r.below(3) - 1 : r.below(2 * fractionBits + 4) - fractionBits - 2;
    const places = [center, center, bias, 2 * bias - center, bias - center, max - 1 + bias - center];
    let e = Math.min(Math.max(r.pick(places) + near, 0), max - 1);
    if (r.chance(5)) e = max;
    const fraction = r.chance(30) && (e === max || e === 0) ? 0n : fractions();
    const bits = (BigInt(r.below(2)) << BigInt(width - 1)) | (BigInt(e) << BigInt(fractionBits)) | fraction;
    if (width === 16) v.setUint16(at, Number(bits), true);
    else if (width === 32) v.setUint32(at, Number(bits), true);
    else v.setBigUint64(at, bits, true);
  }
}

/** Compare-and-swap finds what it expects: its Rs (and the next one) from the state's data at `from`. */
function expectMemory(v: DataView, c: Case, from: number): void {
  const [word] = c.words;
  const rs = (word >>> 16) & 31;
  const expected = [v.getBigUint64(from, true)];
  if (c.def.name.startsWith('casp')) {
    if ((word >>> 30) & 1) expected.push(v.getBigUint64(from + 8, true));
    else expected.push(BigInt(v.getUint32(from + 4, true)));
    if (rs === 30) {
      // Behind X30 is XZR.
      if ((word >>> 30) & 1) v.setBigUint64(from + 8, 0n, true);
      else v.setUint32(from + 4, 0, true);
    }
  }
  expected.forEach((value, i) => {
    if (rs + i < 31 && rs + i !== c.base) v.setBigUint64(AT.x + 8 * (rs + i), value, true);
  });
}

/** A random state for a case. */
export function fillState(out: Uint8Array, c: Case, r: Random): void {
  const v = new DataView(out.buffer, out.byteOffset, STATE_BYTES);
  for (let i = 0; i < 31; i++) v.setBigUint64(AT.x + 8 * i, r.chance(40) ? r.pick(EDGES) : r.u64() >> BigInt(r.below(64)), true);
  v.setBigUint64(AT.sp, BigInt(DATA_AT - 64), true);
  v.setBigUint64(AT.nzcv, BigInt(r.below(16)) << 28n, true);
  // Round mode, flush to zero, default NaN: mostly as programs have them.
  const mode = r.chance(60) ? 0 : (r.below(4) << 22) | (r.chance(30) ? 1 << 24 : 0) | (r.chance(30) ? 1 << 25 : 0) | (r.chance(30) ? 1 << 26 : 0);
  v.setUint32(AT.fpcr, mode, true);
  v.setUint32(AT.fpsr, r.chance(50) ? 0 : r.u32() & 0x0800009f, true);
  for (let i = 0; i < 32; i++) fillVector(v, AT.v + 16 * i, r);
  if (r.chance(50)) fillRelated(v, r);
  for (let i = 0; i < DATA_BYTES; i += 16) fillVector(v, AT.data + i, r);
  const put = (reg: number, value: number, tag = 0n): void => {
    v.setBigUint64(reg === 31 ? AT.sp : AT.x + 8 * reg, BigInt.asUintN(64, BigInt(value) | (tag << 56n)), true);
  };
  if (c.index >= 0 && c.index < 31) put(c.index, r.below(17) - 8);
  // Linux ignores an address's top byte.
  const tag = r.chance(15) ? BigInt(r.below(256)) : 0n;
  const accessed = DATA_AT - 32 + 16 * r.below(2) + (r.chance(25) ? r.below(16) : 0);
  if (c.base >= 0) put(c.base, accessed - c.offset, tag);
  if (c.def.name.startsWith('cas') && r.chance(50)) expectMemory(v, c, AT.data + accessed - (DATA_AT - DATA_BYTES / 2));
  if (c.target >= 0 && c.target < 31) put(c.target, CODE + 8);
} // prettier-ignore
