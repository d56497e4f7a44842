/**
 * How an aarch64 instruction is written down: one encoding in the Arm ARM's notation and one function that says what it
 * does. The decoder, the interpreter's handlers, the tests and later the compiler all read this one definition.
 *
 * Encoding: 32 bits from bit 31 down, tokens separated by spaces. A run of 0, 1 and x (any) stands for itself; `name:n` is
 * a field of n bits; register fields (R or V and a letter…) have 5, `sf`, `Q`, `S`, `U`, `N` have 1 when no width is given.
 *
 * Operands: "w:Rd r:Rn|sp r:Vm" names up to four register fields in the order the semantics get them. r: read (31 is XZR),
 * w: written (31: nowhere), |sp: 31 is SP. A field that is read and written appears twice, except vector registers.
 */
import type { A64Builder } from './builder.ts';
import type { ImmediateKind, SmallKind, TargetKind } from './immediates.ts';

/** A register operand: which record slot holds its offset. */
export interface Reg {
  readonly slot: 0 | 1 | 2 | 3;
  readonly field: string;
  readonly kind: 'x' | 'v';
  readonly access: 'r' | 'w';
  readonly sp: boolean;
  /** Vector registers: this many behind the field's, v0 following v31 (lists of structures and tables). */
  readonly behind?: number;
}

export type Semantics = (b: A64Builder, ...regs: Reg[]) => void;

/** Values of the fields a handler is made for. */
export type Fields = Readonly<Record<string, number>>;

export interface DefinitionOptions {
  /** Fields (space-separated) every value of which has its own handler: `b.f` tells it. The others are not looked at. */
  readonly by?: string;
  /** Which values of these fields are allocated. Default: all. */
  readonly where?: (f: Fields) => boolean;
  /** How the decoder makes the immediate (`b.imm()`), the small one (`b.small()`) and a branch's target. */
  readonly imm?: ImmediateKind;
  readonly small?: SmallKind;
  readonly target?: TargetKind;
  /** Ends the block: the semantics say where to go. Its immediate is the address behind it unless `imm` says else. */
  readonly ends?: boolean;
  /** A call (its immediate is the return address) or a return: where the compiler expects it to go. */
  readonly flow?: 'call' | 'return';
  /** A conditional branch that a compare before it can take into its own handler: the field with the condition. */
  readonly condition?: string;
  /** Such a compare. */
  readonly fuses?: boolean;
  /** Not for random tests: raises an exception by design, or depends on the machine. */
  readonly special?: boolean;
}

export interface Definition extends DefinitionOptions {
  readonly name: string;
  readonly encoding: string;
  readonly operands: string;
  readonly semantics: Semantics;
}

export function insn(
  name: string,
  encoding: string,
  operands: string,
  semantics: Semantics,
  options: DefinitionOptions = {},
): Definition {
  return { name, encoding, operands, semantics, ...options };
}
