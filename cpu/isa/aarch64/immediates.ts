/** Immediates of A64 encodings: what the decoder puts into a record. Arm ARM, C4 and shared/functions. */

/** Bits [high:low] of an instruction word. */
export const bits = (word: number, high: number, low: number): number =>
  (word >>> low) & (2 ** (high - low + 1) - 1);

const signed = (v: number, width: number): number => (v << (32 - width)) >> (32 - width);

/** DecodeBitMasks: the mask of a logical immediate, or null where N:imms is reserved. */
export function bitmask(n: number, imms: number, immr: number, width: 32 | 64): bigint | null {
  const length = 31 - Math.clz32((n << 6) | (~imms & 0x3f));
  if (length < 1 || (width === 32 && n === 1)) return null;
  const size = 1 << length;
  const levels = size - 1;
  const s = imms & levels;
  const r = immr & levels;
  if (s === levels) return null;
  const ones = (1n << BigInt(s + 1)) - 1n;
  const all = (1n << BigInt(size)) - 1n;
  let element = ((ones >> BigInt(r)) | (ones << BigInt(size - r))) & all;
  for (let have = size; have < width; have *= 2) element |= element << BigInt(have);
  return element;
}

/** AdvSIMDExpandImm: 64 bits from op, cmode and the eight bits a…h; null where op and cmode are reserved. */
export function expandSimd(op: number, cmode: number, imm8: number): bigint | null {
  const v = BigInt(imm8);
  const twice = (x: bigint): bigint => x | (x << 32n);
  const four = (x: bigint): bigint => twice(x | (x << 16n));
  switch (cmode >> 1) {
    case 0:
    case 1:
    case 2:
    case 3:
      return twice(v << BigInt(8 * (cmode >> 1)));
    case 4:
    case 5:
      return four(v << BigInt(8 * ((cmode >> 1) & 1)));
    case 6:
      return twice(cmode & 1 ? (v << 16n) | 0xffffn : (v << 8n) | 0xffn);
    default: {
      if (!(cmode & 1)) {
        if (op === 0) return four(v | (v << 8n));
        let out = 0n;
        for (let i = 0n; i < 8n; i++) if ((v >> i) & 1n) out |= 0xffn << (8n * i);
        return out;
      }
      return op === 0 ? twice(expandFloat(imm8, 32)) : expandFloat(imm8, 64);
    }
  }
}

/** VFPExpandImm: the bit pattern of the floating-point number an imm8 stands for. */
export function expandFloat(imm8: number, width: 16 | 32 | 64): bigint {
  const exponentBits = width === 16 ? 5 : width === 32 ? 8 : 11;
  const sign = BigInt(imm8 >> 7);
  const b6 = (imm8 >> 6) & 1;
  const repeated = b6 ? (1n << BigInt(exponentBits - 3)) - 1n : 0n;
  const exponent = (BigInt(b6 ^ 1) << BigInt(exponentBits - 1)) | (repeated << 2n) | BigInt((imm8 >> 4) & 3);
  const fractionBits = BigInt(width - exponentBits - 1);
  return (
    (sign << BigInt(width - 1)) | (exponent << fractionBits) | (BigInt(imm8 & 15) << (fractionBits - 4n))
  );
}

/** log2 of the bytes a load or store of a vector register accesses: size and opc<1>; 16 bytes are size 0 with opc<1>. */
const vectorScale = (word: number): number => bits(word, 31, 30) | (bits(word, 23, 23) << 2);

/** ORR and BIC among the modified immediates: cmode 0xx1 and 10x1. */
const isSimdLogical = (word: number): boolean => bits(word, 12, 12) === 1 && bits(word, 15, 14) !== 3;

/** FMOV of a double has no 64-bit form. */
const simdValue = (word: number): bigint | null =>
  bits(word, 30, 29) === 1 && bits(word, 15, 12) === 15
    ? null
    : expandSimd(bits(word, 29, 29), bits(word, 15, 12), bits(word, 18, 16) * 32 + bits(word, 9, 5));

/** log2 of a lane's bytes by imm5's lowest set bit. */
const laneSize = (word: number): number => 31 - Math.clz32(bits(word, 20, 16) & -bits(word, 20, 16));

/** log2 of a lane's bytes by immh's highest set bit. */
const shiftSize = (word: number): number => 31 - Math.clz32(bits(word, 22, 19));

type Immediate = (word: number, pc: number) => bigint | number | null;

export const IMMEDIATES = {
  /** Nothing. */
  none: () => 0,
  /** The instruction's own address. */
  pc: (_w, pc) => pc,
  /** ADD, SUB: imm12, shifted by 12 if sh. */
  arithmetic: (w) => bits(w, 21, 10) * (bits(w, 22, 22) ? 4096 : 1),
  logical: (w) => bitmask(bits(w, 22, 22), bits(w, 15, 10), bits(w, 21, 16), w >>> 31 ? 64 : 32),
  /** MOVZ, MOVK: shifted into place. */
  moveWide: (w) =>
    w >>> 31 === 0 && bits(w, 22, 22) ? null : BigInt(bits(w, 20, 5)) << BigInt(16 * bits(w, 22, 21)),
  imm16: (w) => bits(w, 20, 5),
  /** Shift amount of a shifted register. */
  imm6: (w) => (w >>> 31 === 0 && bits(w, 15, 15) ? null : bits(w, 15, 10)),
  /** Shift amount of an extended register: at most 4. */
  imm3: (w) => (bits(w, 12, 10) > 4 ? null : bits(w, 12, 10)),
  /** Bit field moves: after shifting left by `fieldLeft`, how far to shift right. */
  fieldRight: (w) => {
    const wide = w >>> 31;
    const immr = bits(w, 21, 16);
    const imms = bits(w, 15, 10);
    if (bits(w, 22, 22) !== wide || (!wide && (immr | imms) & 32)) return null;
    return imms >= immr ? 63 - imms + immr : (wide ? -1 : 31) + immr - imms;
  },
  /** EXTR's lowest bit. */
  extract: (w) =>
    bits(w, 22, 22) !== w >>> 31 || (w >>> 31 === 0 && bits(w, 15, 15)) ? null : bits(w, 15, 10),
  /** CCMP's comparand. */
  imm5: (w) => bits(w, 20, 16),
  adr: (w, pc) => pc + (signed(bits(w, 23, 5), 19) * 4 + bits(w, 30, 29)),
  adrp: (w, pc) => pc - (pc % 4096) + (signed(bits(w, 23, 5), 19) * 4 + bits(w, 30, 29)) * 4096,
  literal: (w, pc) => pc + signed(bits(w, 23, 5), 19) * 4,
  imm9: (w) => signed(bits(w, 20, 12), 9),
  /** LDR, STR: unsigned offset in units of the access, general and vector registers. */
  scaled: (w) => bits(w, 21, 10) * 2 ** bits(w, 31, 30),
  scaledVector: (w) => bits(w, 21, 10) * 2 ** vectorScale(w),
  /** LDP, STP: signed offset in units of one register. */
  pair: (w) => signed(bits(w, 21, 15), 7) * (bits(w, 31, 31) ? 8 : 4),
  pairVector: (w) => signed(bits(w, 21, 15), 7) * 4 * 2 ** bits(w, 31, 30),
  /** ORR, BIC (vector, immediate); null for what is MOVI, MVNI or FMOV. */
  simdLogical: (w) => (isSimdLogical(w) ? simdValue(w) : null),
  /** MOVI, MVNI, FMOV (vector, immediate): the value moved. */
  simdMove: (w) => {
    const v = isSimdLogical(w) ? null : simdValue(w);
    const inverted = bits(w, 29, 29) === 1 && bits(w, 15, 13) !== 7;
    return v !== null && inverted ? BigInt.asUintN(64, ~v) : v;
  },
  /** INS (element): byte offset of the source lane, as wide as imm5 says. */
  sourceLane: (w) => {
    const size = laneSize(w);
    return (bits(w, 14, 11) >> size) << size;
  },
  /** FMOV (scalar, immediate), by its type field. */
  float: (w) => {
    const width = ([32, 64, null, 16] as const)[bits(w, 23, 22)];
    return width === null || width === undefined ? null : expandFloat(bits(w, 20, 13), width);
  },
} as const satisfies Record<string, Immediate>;
export type ImmediateKind = keyof typeof IMMEDIATES;

export const SMALLS = {
  none: () => 0,
  /** Bit field moves: how far to shift left. */
  fieldLeft: (w) => 63 - bits(w, 15, 10),
  /** TBZ, TBNZ: bit number. */
  bit: (w) => (bits(w, 31, 31) << 5) | bits(w, 23, 19),
  /** CCMP: the flags if the condition fails. */
  nzcv: (w) => bits(w, 3, 0),
  /** Byte offset of the lane imm5 names. */
  lane: (w) => (bits(w, 20, 16) >> (laneSize(w) + 1)) << laneSize(w),
  /** Loads and stores of one lane: its byte offset, Q:S:size but for 64 bits. */
  structureLane: (w) => {
    const at = bits(w, 30, 30) * 8 + bits(w, 12, 10);
    return bits(w, 15, 14) === 2 && at & 1 ? at & 8 : at;
  },
  /** By element: byte offset of the lane in H:L:M (16 bits) or H:L (32 bits). */
  element: (w) => {
    const hl = bits(w, 11, 11) * 2 + bits(w, 21, 21);
    return bits(w, 23, 22) === 1 ? (hl * 2 + bits(w, 20, 20)) * 2 : hl * 4;
  },
  /** Shift by immediate: left from 0 on, right from 1 on. */
  shiftLeft: (w) => bits(w, 22, 16) - (8 << shiftSize(w)),
  shiftRight: (w) => (16 << shiftSize(w)) - bits(w, 22, 16),
  /** Fixed-point conversions: fraction bits. */
  fraction: (w) => 64 - bits(w, 15, 10),
} as const satisfies Record<string, (word: number) => number>;
export type SmallKind = keyof typeof SMALLS;

export const TARGETS = {
  imm26: (w: number, pc: number) => pc + signed(w, 26) * 4,
  imm19: (w: number, pc: number) => pc + signed(bits(w, 23, 5), 19) * 4,
  imm14: (w: number, pc: number) => pc + signed(bits(w, 18, 5), 14) * 4,
} as const;
export type TargetKind = keyof typeof TARGETS;
