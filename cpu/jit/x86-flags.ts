/**
 * x86_64's flags in compiled code: the operands of whatever set them last. Conditions right behind it become comparisons
 * of these; others, and the state in memory, are computed when somebody asks.
 */
import type { Val } from '../builder.ts';
import { S } from '../layout.ts';
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

export function fillFlags({ b, cells, load }: StateAccess): void {
  const op = load('i32.load', S.ccOp);
  const lazy = b.or(b.shl(op, 4), KIND.lazy);
  cells.setDerived(FLAGS_A, load('i64.load', S.ccResult));
  cells.setDerived(FLAGS_B, load('i64.load', S.ccCarry));
  cells.setDerived(FLAGS_KIND, b.select(b.ltS(op, 0), b.i32(KIND.image), lazy));
}

export function spillFlags({ b, cells, store, helper }: StateAccess): void {
  const [x, y, number] = [cells.derived(FLAGS_A), cells.derived(FLAGS_B), cells.derived(FLAGS_KIND)];
  const kind = b.and(number, 15);
  const op = b.shrU(number, 4);
  const shift = b.extU(op);
  const lazy = (result: Val, carry: Val): void => {
    store('i64.store', S.ccResult, result);
    store('i64.store', S.ccCarry, carry);
    store('i32.store', S.ccOp, op);
  };
  const [u, v] = [b.shl(x, shift), b.shl(y, shift)];
  const image = (): void => {
    store('i64.store', S.ccResult, b.extU(helper('flags_of', x, y, number)));
    store('i32.store', S.ccOp, b.i32(-1));
  };
  b.switch(
    kind,
    [
      image,
      (): void => {
        lazy(x, y);
      },
      (): void => {
        const r = b.sub(u, v);
        const n = b.not(u);
        lazy(r, b.or(b.and(n, v), b.and(b.or(n, v), r)));
      },
      (): void => {
        const r = b.add(u, v);
        lazy(r, b.or(b.and(u, v), b.and(b.or(u, v), b.not(r))));
      },
      (): void => {
        lazy(u, b.i64(0));
      },
    ],
    image,
  );
}
