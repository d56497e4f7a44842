/**
 * aarch64's flags in compiled code: the operands of whatever set them last, or the values the state has. Conditions right
 * behind it become comparisons; the rest is computed when somebody asks.
 */
import type { Builder, Val } from '../builder.ts';
import { A } from '../isa/aarch64/layout.ts';
import type { StateAccess } from './isa.ts';

/** Derived locals. */
export const FLAGS_A = 0;
export const FLAGS_B = 1;
export const FLAGS_C = 2;
/** kind | (64 − operand bits) << 4. */
export const FLAGS_KIND = 3;

export const KIND = {
  /** a, b, c: A.n, A.z and A.carry. */
  values: 0,
  /** Operands. */
  sub: 1,
  add: 2,
  /** a: result. */
  logic: 3,
} as const;
export type Kind = keyof typeof KIND;

/** What is known of the flags where the instruction that set them is known. */
export interface Flags {
  readonly kind: Kind;
  readonly bits: number;
  readonly a: Val;
  readonly b: Val;
  readonly c: Val;
}

/** A.n, A.z and A.carry. */
export function valuesOf(
  m: Builder,
  kind: Kind,
  shift: Val,
  a: Val,
  b: Val,
  c: Val,
): { n: Val; z: Val; carry: Val } {
  if (kind === 'values') return { n: a, z: b, carry: c };
  const x = m.shl(a, shift);
  if (kind === 'logic') return { n: x, z: x, carry: m.i64(0) };
  const y = m.shl(b, shift);
  const r = kind === 'sub' ? m.sub(x, y) : m.add(x, y);
  const term = kind === 'sub' ? m.not(y) : y;
  return { n: r, z: r, carry: m.or(m.and(x, term), m.and(m.or(x, term), m.not(r))) };
}

export function fillFlags({ b, cells, load }: StateAccess): void {
  cells.setDerived(FLAGS_A, load('i64.load', A.n));
  cells.setDerived(FLAGS_B, load('i64.load', A.z));
  cells.setDerived(FLAGS_C, load('i64.load', A.carry));
  cells.setDerived(FLAGS_KIND, b.i32(KIND.values));
}

export function spillFlags({ b, cells, store }: StateAccess): void {
  const [x, y, c, number] = [FLAGS_A, FLAGS_B, FLAGS_C, FLAGS_KIND].map((n) => cells.derived(n)) as [
    Val,
    Val,
    Val,
    Val,
  ];
  const shift = b.extU(b.shrU(number, 4));
  const as = (kind: Kind) => (): void => {
    const { n, z, carry } = valuesOf(b, kind, shift, x, y, c);
    store('i64.store', A.n, n);
    store('i64.store', A.z, z);
    store('i64.store', A.carry, carry);
  };
  b.switch(b.and(number, 15), [as('values'), as('sub'), as('add')], as('logic'));
}
