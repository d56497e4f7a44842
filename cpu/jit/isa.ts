/** Instruction definitions as the compiler finds them: by the handler number of a decoded record. */
import type { Builder, Val } from '../builder.ts';
import type { HostImport } from '../interp/generate.ts';
import type { ValType } from '../wasm/ops.ts';
import type { CellLayout, Cells } from './cells.ts';
import type { RegionContext } from './region-builder.ts';

export interface Instruction {
  /** Of its definition, for listings. */
  readonly name?: string;
  /** Emits its semantics. One that ends a block goes on through `context.flow`. */
  readonly emit: (context: RegionContext) => void;
  /** 'prepares': belongs to the record behind it. 'fused': its branch's fields are in the record behind it. */
  readonly kind: 'plain' | 'ends' | 'prepares' | 'fused';
  readonly flow?: 'call' | 'return' | undefined;
}

export interface Signature {
  readonly params: readonly ValType[];
  readonly result: ValType | null;
}

export interface RegionIsa {
  readonly cells: CellLayout;
  /** By handler number; undefined: only the interpreter can do it. */
  readonly instruction: (handler: number) => Instruction | undefined;
  readonly host: readonly HostImport[];
  readonly helpers: ReadonlyMap<string, Signature>;
  usesCells(host: string, args: readonly Val[]): boolean;
  /** The host has a fused multiply-add. */
  readonly fuses: boolean;
  /** The derived locals from the state in memory, and back. */
  fillDerived(s: StateAccess): void;
  spillDerived(s: StateAccess): void;
}

/** For `fillDerived` and `spillDerived`. */
export interface StateAccess {
  readonly b: Builder;
  readonly cells: Cells;
  load(name: string, offset: number): Val;
  store(name: string, offset: number, value: Val): void;
}

/** Remembers what `make` gave for each handler. */
export function lazily(make: (handler: number) => Instruction | undefined): RegionIsa['instruction'] {
  const known = new Map<number, Instruction | undefined>();
  return (handler) => {
    if (known.has(handler)) return known.get(handler);
    const made = make(handler);
    known.set(handler, made);
    return made;
  };
}

/** Takes the numbers of fused handlers apart: `conditions` of them from each `fused` value on. */
export function fuser(
  fused: ReadonlyMap<number, number>,
  conditions: number,
): (handler: number) => { first: number; condition: number } | null {
  const firsts = [...fused].sort((a, b) => a[1] - b[1]);
  return (handler) => {
    const hit = firsts.findLast(([, n]) => n <= handler);
    if (!hit || handler >= hit[1] + conditions) return null;
    return { first: hit[0], condition: handler - hit[1] };
  };
}
