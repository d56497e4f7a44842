/**
 * What compiled code supposes and has made sure of. Where a supposition fails the interpreter carries out the
 * instruction; one that fails often is not made again.
 */
import type { Val } from './wasm/function.ts';
import type { ValType } from './wasm/ops.ts';

/** Properties of values (each a name): what passed a test need not be tested again by code that is only reached through it. */
export class Facts {
  private readonly held = new Map<Val, Set<string>>();
  /** Code that may be skipped is being built: nothing can be learned from it. */
  tentative = false;

  know(v: Val, property: string): void {
    if (this.tentative) return;
    const known = this.held.get(v);
    if (known) known.add(property);
    else this.held.set(v, new Set([property]));
  }
  knows(v: Val, property: string): boolean {
    return this.held.get(v)?.has(property) ?? false;
  }
  forget(): void {
    this.held.clear();
  }
  /** What is known, to be known again where the code goes on. */
  get all(): ReadonlyMap<Val, ReadonlySet<string>> {
    return new Map([...this.held].map(([v, names]) => [v, new Set(names)]));
  }
  resume(all: ReadonlyMap<Val, ReadonlySet<string>>): void {
    this.held.clear();
    for (const [v, names] of all) this.held.set(v, new Set(names));
  }
}

/** For one instruction of a region. */
export interface Speculation {
  readonly facts: Facts;
  /** Its suppositions failed often: leave them, and with them what others may know of its results. */
  readonly failed: boolean;
  /** Leaves it to the interpreter when the condition (i32) holds; before it had any effect. */
  leaveIf(cond: Val): void;
  /** A value that is computed whenever the region is entered. `build` is the same for each name. */
  atEntry(name: string, type: ValType, build: () => Val): Val;
  /** Computes it anew, here. */
  renew(name: string, type: ValType, build: () => Val): void;
}
