/** Which family of instructions an x86_64 definition belongs to, for the counts. */
import type { Definition } from '../../cpu/isa/x86_64/define.ts';
import { alu } from '../../cpu/isa/x86_64/insns/alu.ts';
import { bits } from '../../cpu/isa/x86_64/insns/bits.ts';
import { control } from '../../cpu/isa/x86_64/insns/control.ts';
import { flags } from '../../cpu/isa/x86_64/insns/flags.ts';
import { move } from '../../cpu/isa/x86_64/insns/move.ts';
import { muldiv } from '../../cpu/isa/x86_64/insns/muldiv.ts';
import { shifts } from '../../cpu/isa/x86_64/insns/shift.ts';
import { sse42 } from '../../cpu/isa/x86_64/insns/sse42.ts';
import { sseFloat } from '../../cpu/isa/x86_64/insns/sse-float.ts';
import { sseInt } from '../../cpu/isa/x86_64/insns/sse-int.ts';
import { sseMove } from '../../cpu/isa/x86_64/insns/sse-move.ts';
import { strings } from '../../cpu/isa/x86_64/insns/string.ts';
import { x87 } from '../../cpu/isa/x86_64/insns/x87.ts';

const BY_FAMILY: Readonly<Record<string, readonly Definition[]>> = {
  'arithmetic and logic': alu,
  moves: move,
  'shifts and rotates': shifts,
  'multiply and divide': muldiv,
  bits,
  'branches and calls': control,
  flags,
  strings,
  'MMX and SSE moves': sseMove,
  'MMX and SSE integers': sseInt,
  'SSE floating point': sseFloat,
  'SSE4.2, AES, PCLMULQDQ': sse42,
  x87,
};

export const FAMILIES: ReadonlyMap<Definition, string> = new Map(
  Object.entries(BY_FAMILY).flatMap(([family, defs]) => defs.map((d) => [d, family] as const)),
);
