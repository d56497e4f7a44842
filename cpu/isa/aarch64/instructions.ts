/** All aarch64 definitions, in the order that numbers their handlers. */
import type { Helper } from '../../interp/helpers.ts';
import { settle } from '../../jit/a64-flags.ts';
import { ciphers, multiplyHigh } from '../common.ts';
import type { A64Builder } from './builder.ts';
import type { Definition } from './define.ts';
import { atomics } from './insns/atomic.ts';
import { control } from './insns/control.ts';
import { crypto, cryptoHelpers } from './insns/crypto.ts';
import { fp } from './insns/fp.ts';
import { fpHelpers } from './insns/fp-arith.ts';
import { integer } from './insns/integer.ts';
import { memory } from './insns/memory.ts';
import { simdArith } from './insns/simd-arith.ts';
import { simdFp } from './insns/simd-fp.ts';
import { simdMove } from './insns/simd-move.ts';
import { simdShift, simdShiftHelpers } from './insns/simd-shift.ts';
import { simdUnary } from './insns/simd-unary.ts';
import { simdWide } from './insns/simd-wide.ts';
import { structures } from './insns/structures.ts';

export const definitions: readonly Definition[] = [
  ...integer,
  ...control,
  ...memory,
  ...atomics,
  ...structures,
  ...simdMove,
  ...simdArith,
  ...simdShift,
  ...simdWide,
  ...simdUnary,
  ...crypto,
  ...fp,
  ...simdFp,
];

export const helpers: readonly Helper<A64Builder>[] = [
  settle,
  ...multiplyHigh,
  ...ciphers,
  ...simdShiftHelpers,
  ...cryptoHelpers,
  ...fpHelpers,
];
