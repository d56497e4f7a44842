/** Numbers by which generated code asks for soft-float operations. */
export const SSE_OP = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  sqrt: 4,
  min: 5,
  max: 6,
  /** Result: −1, 0, 1 or 2 (unordered). */
  compareQuiet: 7,
  compareSignaling: 8,
  /** Second operand: rounding (0…3), 8: no PE. */
  round: 9,
  toInt32: 10,
  toInt32Truncate: 11,
  toInt64: 12,
  toInt64Truncate: 13,
  /** First operand: a signed 64-bit integer. */
  fromInt: 14,
  /** To the other format. */
  convert: 15,
} as const;
export type SseOp = keyof typeof SSE_OP;

const DOUBLE = 0x100;

export function sseOp(op: number, type: 'f32' | 'f64'): number {
  return op | (type === 'f64' ? DOUBLE : 0);
}
export function sseOpIsDouble(op: number): boolean {
  return (op & DOUBLE) !== 0;
}

/** MXCSR bits that must be as after reset for the host's arithmetic to do: FZ, RC, DAZ clear, all masks set. */
export const MXCSR_MODE = 0xffc0;
export const MXCSR_PLAIN = 0x1f80;
