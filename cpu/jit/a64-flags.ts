/**
 * aarch64's flags in compiled code: the operands of whatever set them last, or the values the state has. Conditions right
 * behind it become comparisons; the rest is computed when somebody asks.
 */
import type { Builder, Val } from '../builder.ts';
import { SETTLE, type Helper } from '../interp/helpers.ts';
import type { A64Builder } from '../isa/aarch64/builder.ts';
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

/** From the state, where the interpreter or another region left them. */
export function fillFlags({ cells, load }: StateAccess): void {
  cells.setDerived(FLAGS_A, load('i64.load', A.n));
  cells.setDerived(FLAGS_B, load('i64.load', A.z));
  cells.setDerived(FLAGS_C, load('i64.load', A.carry));
  cells.setDerived(FLAGS_KIND, load('i32.load', A.flagsKind));
}

/** As they are, for another region. */
export function spillFlags({ cells, store }: StateAccess): void {
  store('i64.store', A.n, cells.derived(FLAGS_A));
  store('i64.store', A.z, cells.derived(FLAGS_B));
  store('i64.store', A.carry, cells.derived(FLAGS_C));
  store('i32.store', A.flagsKind, cells.derived(FLAGS_KIND));
}

/** They become those of the state. */
export const settle: Helper<A64Builder> = {
  name: SETTLE,
  params: [],
  result: null,
  build: (b) => {
    const number = b.getState('i32.load', A.flagsKind);
    b.if(b.eqz(number), () => {
      b.fn.return();
    });
    const [x, y, c] = [A.n, A.z, A.carry].map((at) => b.getState('i64.load', at)) as [Val, Val, Val];
    const shift = b.extU(b.shrU(number, 4));
    const as = (kind: Kind) => (): void => {
      const { n, z, carry } = valuesOf(b, kind, shift, x, y, c);
      b.setState('i64.store', A.n, n);
      b.setState('i64.store', A.z, z);
      b.setState('i64.store', A.carry, carry);
    };
    b.switch(b.and(number, 15), [as('values'), as('sub'), as('add')], as('logic'));
    b.setState('i32.store', A.flagsKind, b.i32(0));
  },
};
