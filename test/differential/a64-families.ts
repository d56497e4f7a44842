/** Which family of instructions an aarch64 definition belongs to, for the counts. */
import type { Definition } from '../../cpu/isa/aarch64/define.ts';
import { atomics } from '../../cpu/isa/aarch64/insns/atomic.ts';
import { control } from '../../cpu/isa/aarch64/insns/control.ts';
import { crypto } from '../../cpu/isa/aarch64/insns/crypto.ts';
import { fp } from '../../cpu/isa/aarch64/insns/fp.ts';
import { integer } from '../../cpu/isa/aarch64/insns/integer.ts';
import { memory } from '../../cpu/isa/aarch64/insns/memory.ts';
import { simdArith } from '../../cpu/isa/aarch64/insns/simd-arith.ts';
import { simdFp } from '../../cpu/isa/aarch64/insns/simd-fp.ts';
import { simdMove } from '../../cpu/isa/aarch64/insns/simd-move.ts';
import { simdShift } from '../../cpu/isa/aarch64/insns/simd-shift.ts';
import { simdUnary } from '../../cpu/isa/aarch64/insns/simd-unary.ts';
import { simdWide } from '../../cpu/isa/aarch64/insns/simd-wide.ts';
import { structures } from '../../cpu/isa/aarch64/insns/structures.ts';

const BY_FAMILY: Readonly<Record<string, readonly Definition[]>> = {
  integer,
  'branches and system': control,
  'loads and stores': memory,
  'exclusives and atomics': atomics,
  structures,
  'SIMD moves': simdMove,
  'SIMD integers': [...simdArith, ...simdUnary, ...simdWide],
  'SIMD shifts': simdShift,
  'AES, SHA, CRC32': crypto,
  'floating point': fp,
  'SIMD floating point': simdFp,
};

export const A64_FAMILIES: ReadonlyMap<Definition, string> = new Map(
  Object.entries(BY_FAMILY).flatMap(([family, defs]) => defs.map((d) => [d, family] as const)),
);
