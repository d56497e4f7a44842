/**
 * Offsets from STATE of an aarch64 task's registers. What generated code of every architecture uses keeps its place
 * (S.rip is the pc, S.zero reads as XZR).
 */
import { S } from '../../layout.ts';

export const A = {
  pc: S.rip,
  zero: S.zero,
  /** Where writes to XZR go. */
  sink: 160,
  /** NZCV: N is the sign of n, Z whether z is zero, C bit 63 of carry and V its bits 63 and 62 compared. */
  n: 168,
  z: 176,
  carry: 184,
  fpcr: 192,
  fpsr: 196,
  tpidr: 200,
  tpidrro: 208,
  /** Exclusive monitor: guest address (−1: open), bytes marked and their value. */
  monitor: 216,
  monitorSize: 224,
  monitorLow: 232,
  monitorHigh: 240,
  /** While compiled code runs: what n, z and carry hold (jit/a64-flags.ts). 0 at all other times. */
  flagsKind: 248,
  /** x0…x30, then sp. */
  x: 256,
  sp: 256 + 31 * 8,
  /** v0…v31, 16 bytes each. */
  v: 512,
} as const;

/** Bytes a context switch saves. */
export const A64_CONTEXT_SIZE = 1024;

/** QC and the cumulative exception flags. */
export const FPSR_BITS = 0x0800009f;
/** AHP, DN, FZ, RMode: what FPCR can hold without trapping and FP16 arithmetic. */
export const FPCR_BITS = 0x07c00000;

/** Linux lets a program use an address's top byte as it likes (TCR_EL1.TBI0, Documentation/arm64/tagged-pointers.rst). */
export const TAG_BITS = 8;

/** FPCR: flush to zero, rounding mode. */
export const FZ = 0x01000000;
export const RMODE = 0x00c00000;
