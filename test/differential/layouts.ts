/** Offsets in the driver's struct state (guests/differential/driver-*.h). */

export const X86_AT = { gpr: 0, flags: 128, pc: 136, address: 144, signal: 152, fx: 160, zone: 672 } as const;
export const X86_STATE_BYTES = 928;
/** Offsets in an FXSAVE image. SDM vol. 1, table 10-2. */
export const FX = { control: 0, status: 2, tags: 4, opcode: 6, mxcsr: 24, st: 32, xmm: 160 } as const;

export const A64_AT = {
  x: 0, sp: 248, nzcv: 256, pc: 264, address: 272, signal: 280, fpcr: 288, fpsr: 292, v: 304, zone: 816,
} as const; // prettier-ignore
export const A64_STATE_BYTES = 1072;
