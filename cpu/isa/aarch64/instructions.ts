/** All aarch64 definitions, in the order that numbers their handlers. */
import type { Helper } from '../../interp/helpers.ts';
import { multiplyHigh } from '../common.ts';
import type { A64Builder } from './builder.ts';
import type { Definition } from './define.ts';
import { atomics } from './insns/atomic.ts';
import { control } from './insns/control.ts';
import { integer } from './insns/integer.ts';
import { memory } from './insns/memory.ts';

export const definitions: readonly Definition[] = [...integer, ...control, ...memory, ...atomics];

export const helpers: readonly Helper<A64Builder>[] = [...multiplyHigh];
