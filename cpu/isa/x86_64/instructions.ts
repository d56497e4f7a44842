/** All x86_64 definitions, in the order that numbers their handlers. */
import type { Helper } from '../../interp/helpers.ts';
import { ciphers } from '../common.ts';
import type { X86Builder } from './builder.ts';
import type { Definition } from './define.ts';
import { alu } from './insns/alu.ts';
import { bits } from './insns/bits.ts';
import { control } from './insns/control.ts';
import { flags } from './insns/flags.ts';
import { move } from './insns/move.ts';
import { muldiv, muldivHelpers } from './insns/muldiv.ts';
import { shifts } from './insns/shift.ts';
import { sseHelpers } from './insns/sse-arith.ts';
import { sseFloat } from './insns/sse-float.ts';
import { sseInt } from './insns/sse-int.ts';
import { sseMove } from './insns/sse-move.ts';
import { sse42, sse42Helpers } from './insns/sse42.ts';
import { x87 } from './insns/x87.ts';
import { strings } from './insns/string.ts';

export const definitions: readonly Definition[] = [
  ...alu,
  ...move,
  ...shifts,
  ...muldiv,
  ...bits,
  ...control,
  ...flags,
  ...strings,
  ...sseMove,
  ...sseInt,
  ...sseFloat,
  ...sse42,
  ...x87,
];

export const helpers: readonly Helper<X86Builder>[] = [
  ...muldivHelpers,
  ...ciphers,
  ...sseHelpers,
  ...sse42Helpers,
];
