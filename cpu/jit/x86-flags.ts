/**
 * x86_64's flags in compiled code: the operands of whatever set them last. Conditions right behind it become comparisons
 * of these; others, and the state in memory, are computed when somebody asks.
 */
import type { Val } from '../builder.ts';
import { CC_COMPILED, S } from '../layout.ts';
import type { StateAccess } from './isa.ts';

/** Derived locals. */
export const FLAGS_A = 0;
export const FLAGS_B = 1;
/** kind | (64 − operand bits) << 4. */
export const FLAGS_KIND = 2;

export const KIND = {
  /** a: rflags image. */
  image: 0,
  /** a: result, b: carry vector, shifted as ccResult and ccCarry are. */
  lazy: 1,
  /** Operands. */
  sub: 2,
  add: 3,
  /** a: result. */
  logic: 4,
  /** a: operand, b: CF. */
  inc: 5,
  dec: 6,
} as const;
export type Kind = keyof typeof KIND;

/** What is known of the flags where the instruction that set them is known. */
export interface Flags {
  readonly kind: Kind;
  readonly bits: number;
  readonly a: Val;
  readonly b: Val;
}

/** From the state, where the interpreter or another region left them. */
export function fillFlags({ b, cells, load }: StateAccess): void {
  const op = load('i32.load', S.ccOp);
  const lazy = b.or(b.shl(op, 4), KIND.lazy);
  const plain = b.select(b.ltS(op, 0), b.i32(KIND.image), lazy);
  cells.setDerived(FLAGS_A, load('i64.load', S.ccResult));
  cells.setDerived(FLAGS_B, load('i64.load', S.ccCarry));
  cells.setDerived(FLAGS_KIND, b.select(b.geS(op, CC_COMPILED), b.sub(op, CC_COMPILED), plain));
}

/** As they are, for another region; the helper `settle` makes what the rest of the machine understands of it. */
export function spillFlags({ cells, b, store }: StateAccess): void {
  store('i64.store', S.ccResult, cells.derived(FLAGS_A));
  store('i64.store', S.ccCarry, cells.derived(FLAGS_B));
  store('i32.store', S.ccOp, b.add(cells.derived(FLAGS_KIND), CC_COMPILED));
}
