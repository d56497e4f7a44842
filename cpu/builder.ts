/**
 * What instruction definitions are written against. The arithmetic part emits WebAssembly through `Fn`; how guest
 * registers, memory and control flow look is up to the subclass (interpreter handlers now, compiled regions later).
 */
import type { Fn } from './wasm/function.ts';
import { type Label, type Val, type Var } from './wasm/function.ts';
import type { ValType } from './wasm/ops.ts';

export type { Label, Val, Var };

export abstract class Builder {
  abstract readonly fn: Fn;

  // Constants.
  i32(n: number): Val {
    return this.fn.konst('i32', n);
  }
  i64(n: number | bigint): Val {
    return this.fn.konst('i64', n);
  }
  f32(n: number): Val {
    return this.fn.konst('f32', n);
  }
  f64(n: number): Val {
    return this.fn.konst('f64', n);
  }
  /** 16 bytes, lowest lane first. */
  v128(bytes: readonly number[] | Uint8Array): Val {
    return this.fn.v128(Uint8Array.from(bytes));
  }

  /** Any WebAssembly instruction by name. `imm`: memory offset, lane, or shuffle bytes. */
  op(name: string, ...args: Val[]): Val {
    return this.fn.op(name, args);
  }
  lane(name: string, lane: number, ...args: Val[]): Val {
    const [from] = args;
    // What was put into a lane comes out of it again.
    if (args.length === 1 && isOp(from) && from.imm === lane && name.startsWith(from.op.name.slice(0, 5))) {
      if (from.op.name.endsWith('64x2.replace_lane') || from.op.name.endsWith('32x4.replace_lane'))
        return from.args[1];
    }
    return this.fn.op(name, args, lane);
  }
  shuffle(a: Val, b: Val, lanes: readonly number[]): Val {
    return this.fn.op('i8x16.shuffle', [a, b], Uint8Array.from(lanes));
  }

  // Integer arithmetic on i32 or i64, by the type of the first argument; a number on the right is a constant.
  private int(name: string, a: Val, b: Val | number | bigint): Val {
    const y = typeof b === 'object' ? b : this.fn.konst(a.type, b);
    return fold(this.fn, name, a, y) ?? this.fn.op(`${a.type}.${name}`, [a, y]);
  }
  add(a: Val, b: Val | number | bigint): Val {
    return this.int('add', a, b);
  }
  sub(a: Val, b: Val | number | bigint): Val {
    return this.int('sub', a, b);
  }
  mul(a: Val, b: Val | number | bigint): Val {
    return this.int('mul', a, b);
  }
  and(a: Val, b: Val | number | bigint): Val {
    return this.int('and', a, b);
  }
  or(a: Val, b: Val | number | bigint): Val {
    return this.int('or', a, b);
  }
  xor(a: Val, b: Val | number | bigint): Val {
    return this.int('xor', a, b);
  }
  not(a: Val): Val {
    return this.int('xor', a, -1);
  }
  neg(a: Val): Val {
    return this.fn.op(`${a.type}.sub`, [this.fn.konst(a.type, 0), a]);
  }
  shl(a: Val, b: Val | number): Val {
    return this.int('shl', a, b);
  }
  shrU(a: Val, b: Val | number): Val {
    return this.int('shr_u', a, b);
  }
  shrS(a: Val, b: Val | number): Val {
    return this.int('shr_s', a, b);
  }
  rotl(a: Val, b: Val | number): Val {
    return this.int('rotl', a, b);
  }
  rotr(a: Val, b: Val | number): Val {
    return this.int('rotr', a, b);
  }
  clz(a: Val): Val {
    return this.fn.op(`${a.type}.clz`, [a]);
  }
  ctz(a: Val): Val {
    return this.fn.op(`${a.type}.ctz`, [a]);
  }
  popcnt(a: Val): Val {
    return this.fn.op(`${a.type}.popcnt`, [a]);
  }
  /** Traps the host on zero: check first. */
  divU(a: Val, b: Val | number | bigint): Val {
    return this.int('div_u', a, b);
  }
  divS(a: Val, b: Val | number | bigint): Val {
    return this.int('div_s', a, b);
  }
  remU(a: Val, b: Val | number | bigint): Val {
    return this.int('rem_u', a, b);
  }
  remS(a: Val, b: Val | number | bigint): Val {
    return this.int('rem_s', a, b);
  }

  // Comparisons give an i32 of 0 or 1.
  eqz(a: Val): Val {
    if (a.op === 'const') return this.i32(constantOf(a) === 0n ? 1 : 0);
    return this.fn.op(`${a.type}.eqz`, [a]);
  }
  nez(a: Val): Val {
    return this.int('ne', a, 0);
  }
  eq(a: Val, b: Val | number | bigint): Val {
    return this.int('eq', a, b);
  }
  ne(a: Val, b: Val | number | bigint): Val {
    return this.int('ne', a, b);
  }
  ltU(a: Val, b: Val | number | bigint): Val {
    return this.int('lt_u', a, b);
  }
  ltS(a: Val, b: Val | number | bigint): Val {
    return this.int('lt_s', a, b);
  }
  gtU(a: Val, b: Val | number | bigint): Val {
    return this.int('gt_u', a, b);
  }
  gtS(a: Val, b: Val | number | bigint): Val {
    return this.int('gt_s', a, b);
  }
  leU(a: Val, b: Val | number | bigint): Val {
    return this.int('le_u', a, b);
  }
  leS(a: Val, b: Val | number | bigint): Val {
    return this.int('le_s', a, b);
  }
  geU(a: Val, b: Val | number | bigint): Val {
    return this.int('ge_u', a, b);
  }
  geS(a: Val, b: Val | number | bigint): Val {
    return this.int('ge_s', a, b);
  }

  /** cond ? a : b; both are computed. */
  select(cond: Val, a: Val, b: Val): Val {
    return this.fn.select(cond, a, b);
  }
  /** i64 → i32. */
  wrap(a: Val): Val {
    if (a.op === 'const') return this.i32(Number(BigInt.asIntN(32, constantOf(a))));
    return this.fn.op('i32.wrap_i64', [a]);
  }
  /** i32 → i64, zero- or sign-extended. */
  extU(a: Val): Val {
    if (a.op === 'const') return this.i64(BigInt.asUintN(32, constantOf(a)));
    return this.fn.op('i64.extend_i32_u', [a]);
  }
  extS(a: Val): Val {
    return this.fn.op('i64.extend_i32_s', [a]);
  }
  /** Keeps the low `bits` of an i64, zero-extended. */
  zext(a: Val, bits: number): Val {
    return bits === 64 ? a : this.and(a, (1n << BigInt(bits)) - 1n);
  }
  /** Sign-extends the low `bits` of an i64. */
  sext(a: Val, bits: number): Val {
    return bits === 64 ? a : this.fn.op(`i64.extend${bits}_s`, [a]);
  }

  // Control flow and mutable locals.
  var(type: ValType, init?: Val): Var {
    return this.fn.var(type, init);
  }
  get(v: Var): Val {
    return this.fn.get(v);
  }
  set(v: Var, value: Val): void {
    this.fn.set(v, value);
  }
  if(cond: Val, then: () => void, otherwise?: () => void): void {
    this.fn.if(cond, then, otherwise);
  }
  block(body: (exit: Label) => void): void {
    this.fn.block(body);
  }
  loop(body: (again: Label) => void): void {
    this.fn.loop(body);
  }
  /** cases[index](), or `otherwise`. */
  switch(index: Val, cases: readonly (() => void)[], otherwise: () => void): void {
    this.fn.switch(index, cases, otherwise);
  }
  br(l: Label): void {
    this.fn.br(l);
  }
  brIf(l: Label, cond: Val): void {
    this.fn.brIf(l, cond);
  }

  // Host memory at a linear address (i32), for operands already translated and for the machine's own tables.
  rawLoad(name: string, address: Val, offset = 0): Val {
    return this.fn.op(name, [address], offset);
  }
  rawStore(name: string, address: Val, value: Val, offset = 0): void {
    this.fn.effect(name, [address, value], offset);
  }
}

/** A constant's value, signed. */
export const constantOf = (v: Val): bigint => BigInt(v.imm as number | bigint);

/** Integer operations on constants, and those that leave the left operand as it is. null: to be computed. */
function fold(fn: Fn, name: string, a: Val, b: Val): Val | null {
  if (b.op !== 'const') return null;
  if (a.type === 'i64' && (name === 'add' || name === 'sub'))
    return sumWith(fn, a, name === 'add' ? constantOf(b) : -constantOf(b));
  const bits = a.type === 'i64' ? 64 : 32;
  const y = BigInt.asIntN(bits, constantOf(b));
  if (y === 0n && NEUTRAL_ZERO.has(name)) return a;
  if (y === -1n && name === 'and') return a;
  if (a.op !== 'const') return null;
  const compute = FOLDS[name];
  if (!compute) return null;
  const r = compute(constantOf(a), y, BigInt(bits));
  return fn.konst(COMPARISONS.has(name) ? 'i32' : a.type, BigInt.asIntN(bits, r));
}

/** An i64 and a constant, with what was added to it before: addresses from one register differ by constants alone. */
function sumWith(fn: Fn, a: Val, n: bigint): Val {
  if (n === 0n) return a;
  if (a.op === 'const') return fn.konst('i64', BigInt.asIntN(64, constantOf(a) + n));
  const { base, by } = termsOf(a);
  const sum = BigInt.asIntN(64, by + n);
  return sum === 0n ? base : fn.op('i64.add', [base, fn.konst('i64', sum)]);
}

/** An i64 as a value and a constant added to it. */
export function termsOf(a: Val): { base: Val; by: bigint } {
  const isSum = isOp(a) && a.op.name === 'i64.add' && a.args[1].op === 'const';
  return isSum ? { base: a.args[0], by: constantOf(a.args[1]) } : { base: a, by: 0n };
}

const NEUTRAL_ZERO = new Set(['add', 'sub', 'or', 'xor', 'shl', 'shr_u', 'shr_s', 'rotl', 'rotr']);
const COMPARISONS = new Set(['eq', 'ne']);
const FOLDS: Readonly<Record<string, (a: bigint, b: bigint, bits: bigint) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b, bits) => a << (b & (bits - 1n)),
  shr_u: (a, b, bits) => BigInt.asUintN(Number(bits), a) >> (b & (bits - 1n)),
  eq: (a, b, bits) => (BigInt.asIntN(Number(bits), a - b) === 0n ? 1n : 0n),
  ne: (a, b, bits) => (BigInt.asIntN(Number(bits), a - b) === 0n ? 0n : 1n),
};

const isOp = (v: Val): v is Val & { op: { name: string } } => typeof v.op === 'object';
