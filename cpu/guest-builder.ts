/**
 * The part of a definition's builder that every guest architecture shares: the cpu state, guest memory, leaving. The
 * interpreter (interp/handler-builder.ts) implements it; each architecture adds its registers, operands and flags.
 */
import { Builder, type Val } from './builder.ts';
import type { Speculation } from './facts.ts';
import { EXIT } from './layout.ts';

export type ExitKind =
  'undefined' | 'divide' | 'protection' | 'breakpoint' | 'syscall' | 'simd' | 'x87' | 'alignment';

export const EXIT_OF: Readonly<Record<ExitKind, number>> = {
  undefined: EXIT.undefined,
  divide: EXIT.divide,
  protection: EXIT.protection,
  breakpoint: EXIT.breakpoint,
  syscall: EXIT.syscall,
  simd: EXIT.simd,
  x87: EXIT.x87,
  alignment: EXIT.alignment,
};

export abstract class GuestBuilder extends Builder {
  /** null: nothing is known of the code around (a handler), and code is to be short. */
  get speculation(): Speculation | null {
    return null;
  }
  /** `relaxed_madd` is there and rounds once. */
  get fuses(): boolean {
    return false;
  }

  // ---- state

  /** Reads and writes a field of the cpu state by its offset, with a load or store instruction's name. */
  abstract getState(load: string, offset: number): Val;
  abstract setState(store: string, offset: number, value: Val): void;

  /** The immediate as i64. */
  abstract imm(): Val;
  /** The record's small immediate as i32, 0…255. */
  abstract small(): Val;

  // ---- memory

  /**
   * Linear (host) address as i32 of `size` bytes at a guest address. Does not come back when they cannot be accessed:
   * so it must come before the instruction's first write to any state.
   */
  abstract translate(address: Val, size: number, access: 'r' | 'w'): Val;

  /** As `translate` for reading, but independent of the TLB slot an earlier read of the same instruction uses. */
  abstract translateApart(address: Val, size: number): Val;

  /** Loads with a load instruction's name (i64.load16_u…) from a guest address. */
  load(name: string, address: Val, size: number): Val {
    return this.rawLoad(name, this.translate(address, size, 'r'));
  }
  store(name: string, address: Val, value: Val, size: number): void {
    this.rawStore(name, this.translate(address, size, 'w'), value);
  }

  // ---- flags

  /** Condition `cc` from what the compare in the same handler just computed. */
  abstract fusedCondition(cc: number): Val;

  // ---- leaving

  /** Ends the instruction here without effect: an exception (or a syscall). */
  abstract raise(kind: ExitKind): void;
  /** Raises when the condition (i32) holds. */
  raiseIf(cond: Val, kind: ExitKind): void {
    this.if(cond, () => {
      this.raise(kind);
    });
  }

  // Only in definitions that end a block.
  /** Goes to the record's direct target. `retire`: this is the path's last act. */
  abstract jumpDirect(): void;
  /** Goes on behind this instruction (a branch not taken). */
  abstract fallThrough(): void;
  /** Goes to an address known only now (i64). */
  abstract jumpIndirect(target: Val): void;
  /** The address behind this instruction, i64 (only in `call`). */
  abstract nextPc(): Val;
  /** Goes on with the next instruction. Every path of a definition that does not end otherwise ends so by itself. */
  abstract next(): void;

  /** Calls the host: `name` is one of the imports; they work on the state in memory. */
  abstract callHost(name: string, ...args: Val[]): Val | null;
  /** Calls a shared helper function defined beside the handlers (see interp/helpers.ts). */
  abstract callHelper(name: string, ...args: Val[]): Val | null;
}
