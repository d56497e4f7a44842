/**
 * Guest registers as WebAssembly locals. A cell is a field of the cpu state that a compiled region keeps in a local: it
 * is read from the state when the region is entered and written back when it is left. Accesses of any width to any part
 * of a cell become arithmetic on its local.
 */
import { Builder, type Val, type Var } from '../builder.ts';
import { Facts } from '../facts.ts';
import type { Fn } from '../wasm/function.ts';
import { STATE } from '../layout.ts';
import type { ValType } from '../wasm/ops.ts';

export interface Cell {
  /** From STATE. */
  readonly offset: number;
  readonly type: 'i32' | 'i64' | 'v128';
}

const BYTES: Readonly<Record<Cell['type'], number>> = { i32: 4, i64: 8, v128: 16 };
const LOAD: Readonly<Record<Cell['type'], string>> = { i32: 'i32.load', i64: 'i64.load', v128: 'v128.load' };
const STORE: Readonly<Record<Cell['type'], string>> = {
  i32: 'i32.store',
  i64: 'i64.store',
  v128: 'v128.store',
};

/** Which cells an architecture has, by their bytes. */
export class CellLayout {
  readonly cells: readonly Cell[];
  /** Cell number + 1 of each byte from STATE. */
  private readonly byByte: Uint8Array;
  readonly end: number;
  /** Types of locals behind the cells that stand for more than a field of the state (flags). */
  readonly derived: readonly ValType[];

  constructor(cells: readonly Cell[], derived: readonly ValType[]) {
    this.cells = cells;
    this.derived = derived;
    this.end = Math.max(...cells.map((c) => c.offset + BYTES[c.type]));
    this.byByte = new Uint8Array(this.end);
    cells.forEach((c, i) => this.byByte.fill(i + 1, c.offset, c.offset + BYTES[c.type]));
  }

  /** The cell that holds `size` bytes at `offset`, −1: they are in memory alone. Throws when they are only partly in one. */
  find(offset: number, size: number): number {
    const first = (this.byByte[offset] ?? 0) - 1;
    const last = (this.byByte[offset + size - 1] ?? 0) - 1;
    if (first !== last) throw new Error(`state ${offset}…${offset + size - 1} lies in two cells`);
    return first;
  }
}

/** Type, bytes and extension of a load or store by its name. */
interface Shape {
  readonly type: ValType;
  readonly bytes: number;
  readonly signed: boolean;
}

const shapes = new Map<string, Shape>();
function shapeOf(name: string): Shape {
  const known = shapes.get(name);
  if (known) return known;
  const m = /^(\w+)\.(?:load|store)(\d*)(?:_([us]))?$/.exec(name);
  if (!m) throw new Error(`${name} of a cell`);
  const type = m[1] as ValType;
  const full = type === 'v128' ? 16 : type.endsWith('64') ? 8 : 4;
  const shape = { type, bytes: m[2] ? Number(m[2]) / 8 : full, signed: m[3] === 's' };
  shapes.set(name, shape);
  return shape;
}

/** Arithmetic alone. */
export class Arithmetic extends Builder {
  readonly fn: Fn;
  constructor(fn: Fn) {
    super();
    this.fn = fn;
  }
}

/** Values of cells at some place, and what was made sure of. */
export interface Knowledge {
  readonly known: readonly (Val | null)[];
  readonly facts: ReadonlyMap<Val, ReadonlySet<string>>;
}

/** The cells of one region under construction. */
export class Cells {
  readonly layout: CellLayout;
  private readonly b: Arithmetic;
  private readonly types: readonly ValType[];
  private readonly vars: (Var | null)[];
  /** What each cell's local holds now, when a value at hand is the same. */
  private known: (Val | null)[];
  private readonly dirty: boolean[];
  /** Cells written since the outermost open `nested` began. */
  private written: boolean[];

  /** Accesses of each cell so far. */
  readonly uses: number[];
  /** Cells that stay in memory: too little used to be worth moving whenever the region is entered and left. */
  private readonly apart: ReadonlySet<number>;
  /** How many `nested` are open: what is computed inside is not there behind them. */
  depth = 0;
  readonly facts = new Facts();
  private readonly entryValues = new Map<string, { readonly v: Var; readonly build: () => Val }>();
  /** What instructions know of a value beside the value. */
  readonly notes = new Map<Val, unknown>();

  constructor(fn: Fn, layout: CellLayout, apart: ReadonlySet<number> = new Set()) {
    this.b = new Arithmetic(fn);
    this.apart = apart;
    this.uses = layout.cells.map(() => 0);
    this.layout = layout;
    this.types = [...layout.cells.map((c) => c.type), ...layout.derived];
    this.vars = this.types.map(() => null);
    this.known = this.types.map(() => null);
    this.dirty = this.types.map(() => false);
    this.written = this.types.map(() => false);
  }

  private local(i: number): Var {
    return (this.vars[i] ??= this.b.var(this.types[i]));
  }

  /** A derived local by its number. */
  derived(n: number): Val {
    return this.get(this.layout.cells.length + n);
  }
  setDerived(n: number, value: Val): void {
    this.set(this.layout.cells.length + n, value);
  }
  /** What a derived local is known to hold here. */
  knownDerived(n: number): Val | null {
    return this.known[this.layout.cells.length + n];
  }
  get derivedUsed(): boolean {
    return this.vars.slice(this.layout.cells.length).some((v) => v !== null);
  }
  get derivedDirty(): boolean {
    return this.dirty.slice(this.layout.cells.length).some(Boolean);
  }

  get(i: number): Val {
    return (this.known[i] ??= this.b.fn.get(this.local(i)));
  }

  set(i: number, value: Val): void {
    this.b.fn.set(this.local(i), value);
    this.known[i] = value;
    this.dirty[i] = true;
    this.written[i] = true;
  }

  /** Nothing is known any more: code that is reached from several places. */
  forget(): void {
    this.known.fill(null);
    this.facts.forget();
  }

  /** What is known here: it holds in code that is reached from here alone. */
  get knowledge(): Knowledge {
    return { known: [...this.known], facts: this.facts.all };
  }
  resume({ known, facts }: Knowledge): void {
    this.known = [...known];
    this.facts.resume(facts);
  }

  /**
   * Statements that may be skipped or repeated: what they compute is not known behind them. `enter`: nothing from outside
   * is known inside (a loop). Returns a function to call between alternatives.
   */
  nested(loop: boolean, body: (alternative: () => void) => void): void {
    this.depth++;
    this.facts.tentative = true;
    const before = [...this.known];
    const outer = this.written;
    this.written = outer.map(() => false);
    const start = (): void => {
      this.known = loop ? before.map(() => null) : [...before];
    };
    start();
    body(start);
    this.depth--;
    this.facts.tentative = this.depth > 0;
    const { written } = this;
    this.known = before.map((v, i) => (written[i] ? null : v));
    this.written = outer.map((w, i) => w || written[i]);
  }

  // ---- by offset

  private find(offset: number, size: number): number {
    const i = this.layout.find(offset, size);
    if (i < 0) return -1;
    this.uses[i]++;
    return this.apart.has(i) ? -1 : i;
  }

  /** null: the bytes are in no cell. */
  load(name: string, offset: number): Val | null {
    if (name.endsWith('_splat') || name.endsWith('_zero')) return this.loadVector(name, offset);
    const { type, bytes, signed } = shapeOf(name);
    const i = this.find(offset, bytes);
    if (i < 0) return null;
    const cell = this.layout.cells[i];
    const at = offset - cell.offset;
    const v = this.get(i);
    if (cell.type === 'v128') return this.fromVector(v, type, bytes, signed, at);
    const { b } = this;
    if (cell.type === 'i32') {
      if (type === 'i32' && bytes === 4) return v;
      if (type === 'i64' && bytes === 4) return signed ? b.extS(v) : b.extU(v);
      throw new Error(`${name} of an i32 cell`);
    }
    const part = b.shrU(v, 8 * at);
    switch (type) {
      case 'i64':
        return signed ? b.sext(part, 8 * bytes) : b.zext(part, 8 * bytes);
      case 'i32':
        return bytes === 4
          ? b.wrap(part)
          : signed
            ? b.op(`i32.extend${8 * bytes}_s`, b.wrap(part))
            : b.and(b.wrap(part), 2 ** (8 * bytes) - 1);
      case 'f64':
        return b.op('f64.reinterpret_i64', part);
      default:
        throw new Error(`${name} of a general register`);
    }
  }

  private fromVector(v: Val, type: ValType, bytes: number, signed: boolean, at: number): Val {
    const { b } = this;
    const lane = at / bytes;
    switch (type) {
      case 'v128':
        return v;
      case 'f64':
        return b.lane('f64x2.extract_lane', lane, v);
      case 'f32':
        return b.lane('f32x4.extract_lane', lane, v);
      default: {
        if (bytes === 8) return b.lane('i64x2.extract_lane', lane, v);
        if (bytes === 4) {
          const w = b.lane('i32x4.extract_lane', lane, v);
          return type === 'i32' ? w : signed ? b.extS(w) : b.extU(w);
        }
        const w = b.lane(`${bytes === 2 ? 'i16x8' : 'i8x16'}.extract_lane_${signed ? 's' : 'u'}`, lane, v);
        return type === 'i32' ? w : signed ? b.extS(w) : b.extU(w);
      }
    }
  }

  private loadVector(name: string, offset: number): Val | null {
    const { b } = this;
    const bits = Number(/\d+(?=_)/.exec(name.slice(4))![0]);
    if (bits === 64 || bits === 32) {
      const part = this.load(bits === 64 ? 'i64.load' : 'i32.load', offset);
      if (!part) return null;
      const shape = bits === 64 ? 'i64x2' : 'i32x4';
      if (name.endsWith('_splat')) return b.op(`${shape}.splat`, part);
      return b.lane(`${shape}.replace_lane`, 0, b.v128(new Uint8Array(16)), part);
    }
    const part = this.load(`i32.load${bits}_u`, offset);
    return part && b.op(`${bits === 16 ? 'i16x8' : 'i8x16'}.splat`, part);
  }

  /** False: the bytes are in no cell. */
  store(name: string, offset: number, value: Val): boolean {
    const { type, bytes } = shapeOf(name);
    const i = this.find(offset, bytes);
    if (i < 0) return false;
    const cell = this.layout.cells[i];
    const at = offset - cell.offset;
    const { b } = this;
    if (cell.type === 'v128') {
      this.set(i, this.intoVector(i, type, bytes, at, value));
      return true;
    }
    if (cell.type === 'i32') {
      this.set(i, type === 'i64' ? b.wrap(value) : value);
      return true;
    }
    const wide = type === 'i64' ? value : type === 'f64' ? b.op('i64.reinterpret_f64', value) : b.extU(value);
    if (bytes === 8) {
      this.set(i, wide);
      return true;
    }
    const mask = ((1n << BigInt(8 * bytes)) - 1n) << BigInt(8 * at);
    const kept = b.and(this.get(i), BigInt.asIntN(64, ~mask));
    this.set(i, b.or(kept, b.shl(b.zext(wide, 8 * bytes), 8 * at)));
    return true;
  }

  private intoVector(i: number, type: ValType, bytes: number, at: number, value: Val): Val {
    const { b } = this;
    if (bytes === 16) return value;
    const lane = at / bytes;
    if (type === 'f64') return b.lane('f64x2.replace_lane', lane, this.get(i), value);
    if (type === 'f32') return b.lane('f32x4.replace_lane', lane, this.get(i), value);
    if (bytes === 8) return b.lane('i64x2.replace_lane', lane, this.get(i), value);
    const shape = bytes === 4 ? 'i32x4' : bytes === 2 ? 'i16x8' : 'i8x16';
    return b.lane(`${shape}.replace_lane`, lane, this.get(i), type === 'i64' ? b.wrap(value) : value);
  }

  /** A local that has its value whenever the region is entered. */
  atEntry(name: string, type: ValType, build: () => Val): Var {
    let found = this.entryValues.get(name);
    if (!found) this.entryValues.set(name, (found = { v: this.b.var(type), build }));
    return found.v;
  }

  // ---- between locals and the state in memory

  /** Writes back every cell that code emitted so far, or later (`all`), may have changed. */
  spill(): void {
    this.layout.cells.forEach((c, i) => {
      const v = this.vars[i];
      if (v && this.dirty[i])
        this.b.rawStore(STORE[c.type], this.b.i32(0), this.b.fn.get(v), STATE + c.offset);
    });
  }

  /** Reads every cell the region uses: its prologue, emitted last. */
  fill(): void {
    this.layout.cells.forEach((c, i) => {
      const v = this.vars[i];
      if (v) this.b.fn.set(v, this.b.rawLoad(LOAD[c.type], this.b.i32(0), STATE + c.offset));
    });
    for (const { v, build } of this.entryValues.values()) this.b.fn.set(v, build());
  }

  /** The state in memory is to be exact here, and may be changed there by `body`; the derived locals are not its business. */
  through(body: () => void): void {
    const { cells } = this.layout;
    cells.forEach((c, i) => {
      if (this.apart.has(i)) return;
      this.b.rawStore(STORE[c.type], this.b.i32(0), this.get(i), STATE + c.offset);
    });
    body();
    cells.forEach((c, i) => {
      if (this.apart.has(i)) return;
      this.set(i, this.b.rawLoad(LOAD[c.type], this.b.i32(0), STATE + c.offset));
    });
  }
}
