/** Numbers by which aarch64's generated code asks for soft-float operations: operation | type. */
export const FP_OP = {
  add: 0,
  sub: 1,
  mul: 2,
  mulx: 3,
  div: 4,
  sqrt: 5,
  /** Addend, then the factors. */
  mulAdd: 6,
  max: 7,
  min: 8,
  maxnm: 9,
  minnm: 10,
  recps: 11,
  rsqrts: 12,
  /** Result: NZCV. */
  compareQuiet: 13,
  compareSignaling: 14,
  /** Second operand: rounding, EXACT, CURRENT. */
  roundInt: 15,
  /** Second operand: rounding, UNSIGNED, WIDE; third: fraction bits. */
  toFixed: 16,
  /** First operand: 64 bits; second: UNSIGNED; third: fraction bits. */
  fromFixed: 17,
  /** From the type to another; second operand: `CONVERT_ODD` for round to odd. */
  toHalf: 18,
  toSingle: 19,
  toDouble: 20,
  recpe: 21,
  rsqrte: 22,
  recpx: 23,
  urecpe: 24,
  ursqrte: 25,
} as const;
export type FpOp = keyof typeof FP_OP;

/** Besides a rounding mode 0…4. */
export const EXACT = 8;
/** FPCR's rounding mode. */
export const CURRENT = 16;
export const UNSIGNED = 32;
/** 64 bits, not 32. */
export const WIDE = 64;
export const CONVERT_ODD = 1;

export type FpType = 'f16' | 'f32' | 'f64';
const TYPES = { f32: 0, f64: 0x100, f16: 0x200 } as const;

export const fpOp = (op: FpOp, type: FpType): number => FP_OP[op] | TYPES[type];
export const fpTypeOf = (op: number): FpType => (op & 0x100 ? 'f64' : op & 0x200 ? 'f16' : 'f32');
