/**
 * A WebAssembly module under construction: one memory (imported), one table (its own, or imported), functions and their
 * imports.
 */
import { ByteWriter } from './bytes.ts';
import type { Fn } from './function.ts';
import { VAL_TYPE_CODE, type ValType } from './ops.ts';

interface FuncSlot {
  readonly type: number;
  fn: Fn | null;
}

export class ModuleWriter {
  private types: string[] = [];
  private typeSigs: [readonly ValType[], ValType | null][] = [];
  private imports: { module: string; name: string; type: number }[] = [];
  private funcs: FuncSlot[] = [];
  private exports: [string, number][] = [];
  private names: string[] = [];
  /** Function indices, in table order. */
  readonly table: number[] = [];
  /** Empty slots behind them. With any the table is exported as "table". */
  spareSlots = 0;

  /** Index of a function type. */
  type(params: readonly ValType[], result: ValType | null): number {
    const key = `${params.join()}>${result ?? ''}`;
    let i = this.types.indexOf(key);
    if (i < 0) {
      i = this.types.push(key) - 1;
      this.typeSigs.push([params, result]);
    }
    return i;
  }

  /** All imports come before the first declared function. */
  importFunction(module: string, name: string, params: readonly ValType[], result: ValType | null): number {
    if (this.funcs.length) throw new Error('imports come first');
    this.imports.push({ module, name, type: this.type(params, result) });
    this.names.push(name);
    return this.imports.length - 1;
  }

  /** Reserves a function index, so that others can call it before it is built. */
  declare(name: string, params: readonly ValType[], result: ValType | null): number {
    this.funcs.push({ type: this.type(params, result), fn: null });
    this.names.push(name);
    return this.imports.length + this.funcs.length - 1;
  }

  define(index: number, fn: Fn): void {
    this.funcs[index - this.imports.length].fn = fn;
  }

  export(name: string, index: number): void {
    this.exports.push([name, index]);
  }

  /** Memory is imported as env.memory with `pages` 64 KiB pages, minimum and maximum. */
  encode(minPages: number, maxPages: number, withNames = false): Uint8Array {
    const out = new ByteWriter();
    out.raw(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    section(out, 1, this.typeSigs.length, (w) => {
      for (const [p, r] of this.typeSigs) {
        w.u8(0x60);
        w.u32(p.length);
        for (const t of p) w.u8(VAL_TYPE_CODE[t]);
        w.u32(r ? 1 : 0);
        if (r) w.u8(VAL_TYPE_CODE[r]);
      }
    });
    section(out, 2, this.imports.length + 1, (w) => {
      w.name('env');
      w.name('memory');
      w.u8(2);
      w.u8(1);
      w.u32(minPages);
      w.u32(maxPages);
      for (const i of this.imports) {
        w.name(i.module);
        w.name(i.name);
        w.u8(0);
        w.u32(i.type);
      }
    });
    section(out, 3, this.funcs.length, (w) => {
      for (const f of this.funcs) w.u32(f.type);
    });
    const slots = this.table.length + this.spareSlots;
    section(out, 4, slots > 0 ? 1 : 0, (w) => {
      w.u8(0x70);
      w.u8(1);
      w.u32(slots);
      w.u32(slots);
    });
    section(out, 7, this.exports.length + (this.spareSlots ? 1 : 0), (w) => {
      if (this.spareSlots) {
        w.name('table');
        w.u8(1);
        w.u32(0);
      }
      for (const [n, i] of this.exports) {
        w.name(n);
        w.u8(0);
        w.u32(i);
      }
    });
    section(out, 9, this.table.length ? 1 : 0, (w) => {
      w.u32(0);
      w.u8(0x41);
      w.s32(0);
      w.u8(0x0b);
      w.u32(this.table.length);
      for (const i of this.table) w.u32(i);
    });
    section(out, 10, this.funcs.length, (w) => {
      this.funcs.forEach((f, i) => {
        if (!f.fn)
          throw new Error(`function ${this.names[this.imports.length + i]} was declared, never defined`);
        const body = f.fn.encode();
        w.u32(body.length);
        w.raw(body);
      });
    });
    if (withNames) {
      const w = new ByteWriter();
      w.name('name');
      const inner = new ByteWriter();
      inner.u32(this.names.length);
      this.names.forEach((n, i) => {
        inner.u32(i);
        inner.name(n);
      });
      w.u8(1);
      w.u32(inner.length);
      w.raw(inner.bytes());
      out.u8(0);
      out.u32(w.length);
      out.raw(w.bytes());
    }
    return out.bytes();
  }
}

function section(out: ByteWriter, id: number, count: number, fill: (w: ByteWriter) => void): void {
  if (count === 0) return;
  const w = new ByteWriter();
  w.u32(count);
  fill(w);
  out.u8(id);
  out.u32(w.length);
  out.raw(w.bytes());
}
