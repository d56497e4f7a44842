/** Instruction definitions as the compiler finds them: by the handler number of a decoded record. */
import type { Val } from '../builder.ts';
import type { HostImport } from '../interp/generate.ts';
import type { ValType } from '../wasm/ops.ts';
import type { CellLayout } from './cells.ts';
import type { RegionContext } from './region-builder.ts';

export interface Instruction {
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
  /** By handler number; absent: only the interpreter can do it. */
  readonly instructions: readonly (Instruction | undefined)[];
  readonly host: readonly HostImport[];
  readonly helpers: ReadonlyMap<string, Signature>;
  usesCells(host: string, args: readonly Val[]): boolean;
}
