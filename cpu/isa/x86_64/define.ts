/**
 * How an instruction is written down: encodings in the SDM's notation and one function that says what it does. The
 * decoder, the interpreter's handlers, the tests and later the compiler all read this one definition.
 *
 * Encoding: `[NP|66|F3|F2] [0F [38|3A]] OP [/r|/0…/7|+r|=MODRM] [operands…]`. NP: no mandatory prefix allowed; without one
 * a 66 is the operand size. Operand codes after SDM vol. 2D, appendix A: E r/m, G reg, R r/m register only, M memory
 * only, Z register in the opcode, I immediate, J branch offset, O absolute offset, V xmm reg, W xmm r/m, U xmm r/m register
 * only, P mmx reg, Q mmx r/m, N mmx r/m register only. Sizes: b w d q dq (128 bits), v (16/32/64 by operand size), y (32/64), z (immediate
 * 16 or 32 bits sign-extended to v), bs (signed byte extended to v); u after W or M: 128 bits, no alignment asked.
 * Fixed operands: AL AX EAX rAX CL DX 1. `.y`: no operand, but REX.W makes it another instruction (PCMPESTRI).
 */
import type { Operand, X86Builder } from './builder.ts';

export type Semantics = (b: X86Builder, ...operands: Operand[]) => void;

export interface DefinitionOptions {
  /** LOCK allowed with a memory destination. */
  readonly lock?: boolean;
  /** Default operand size 64 in long mode (push, call, near branches). */
  readonly d64?: boolean;
  /** Ends the block: the semantics say where to go. */
  readonly ends?: boolean;
  /** An `ends` instruction that needs its immediate (ret Iw) and not the address behind it. */
  readonly endsWithImmediate?: boolean;
  /** A call (its immediate is the return address) or a return: where the compiler expects it to go. */
  readonly flow?: 'call' | 'return';
  /** Only without REX.B (90 is NOP, 41 90 is XCHG r8). */
  readonly noRexB?: boolean;
  /** POP: a memory operand's address counts with rsp already moved. */
  readonly addressAfterPop?: boolean;
  /** May follow a compare in one record (conditional jumps): the condition code. */
  readonly condition?: number;
  /** A compare with which a conditional jump can be fused. */
  readonly fuses?: boolean;
  /** Works element by element, rcx times: always, or as long as ZF is set (repe) or clear (repne). */
  readonly repeats?: 'rep' | 'repe' | 'repne';
  /** Flags the manual leaves undefined, as an rflags mask, for the differential tests. */
  readonly undefinedFlags?: number;
  /** Raises an exception by design or depends on the machine: left out of random tests. */
  readonly special?: boolean;
}

export interface Definition extends DefinitionOptions {
  readonly name: string;
  readonly encodings: readonly string[];
  /** One of r, w, rw, n (address only) per operand. */
  readonly access: readonly ('r' | 'w' | 'rw' | 'n')[];
  readonly semantics: Semantics;
}

/** `access`: "rw r" says that the first operand is read and written and the second read. */
export function insn(
  name: string,
  encodings: string | readonly string[],
  access: string,
  semantics: Semantics,
  options: DefinitionOptions = {},
): Definition {
  return {
    name,
    encodings: typeof encodings === 'string' ? [encodings] : encodings,
    access: access.split(' ').filter(Boolean) as Definition['access'],
    semantics,
    ...options,
  };
}
