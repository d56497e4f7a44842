/** Parses A64 encodings and enumerates the handlers of each definition. */
import type { Definition, Fields, Reg } from './define.ts';
import type { ImmediateKind, SmallKind, TargetKind } from './immediates.ts';

/** One encoding as the decoder uses it: plain data. */
export interface Encoding {
  readonly name: string;
  /** An instruction word is this one when (word & mask) === value, both unsigned. */
  readonly mask: number;
  readonly value: number;
  /** Fields the handler depends on, [lowest bit, width]; the first is the most significant part of the index. */
  readonly by: readonly (readonly [number, number])[];
  /** Handler by the fields' values; −1 where they are not allocated. */
  readonly handlers: readonly number[];
  /**
   * Register slots: [lowest bit, width, what 31 is]; a field narrower than 5 bits holds the number's upper ones, that of
   * a vector register the lower ones.
   */
  readonly slots: readonly (readonly [number, number, 'zero' | 'sink' | 'sp' | 'v'])[];
  readonly imm: ImmediateKind;
  readonly small: SmallKind;
  readonly target: TargetKind | '';
  readonly ends: boolean;
  /** Lowest bit of the condition field of a branch that can be fused, or −1. */
  readonly condition: number;
}

/** One handler: a definition with its fields fixed. */
export interface Variant {
  readonly key: string;
  readonly def: Definition;
  readonly fields: Fields;
  readonly regs: readonly Reg[];
}

const WIDTHS: Readonly<Record<string, number>> = { sf: 1, Q: 1, S: 1, U: 1, N: 1 };

export interface ParsedEncoding {
  readonly mask: number;
  readonly value: number;
  /** Field name → [lowest bit, width]. */
  readonly fields: ReadonlyMap<string, readonly [number, number]>;
}

export function parseEncoding(name: string, text: string): ParsedEncoding {
  let at = 32;
  let mask = 0;
  let value = 0;
  const fields = new Map<string, readonly [number, number]>();
  for (const token of text.split(' ')) {
    if (/^[01x]+$/.test(token)) {
      for (const c of token) {
        at--;
        if (c !== 'x') mask += 2 ** at;
        if (c === '1') value += 2 ** at;
      }
      continue;
    }
    const [field, width] = token.split(':') as [string, string | undefined];
    const n = width !== undefined ? Number(width) : (WIDTHS[field] ?? (/^[RV]/.test(field) ? 5 : NaN));
    at -= n;
    if (!(at >= 0)) throw new Error(`${name}: no width for field '${field}', or more than 32 bits`);
    fields.set(field, [at, n]);
  }
  if (at !== 0) throw new Error(`${name}: ${32 - at} bits in '${text}'`);
  return { mask, value, fields };
}

export function parseOperands(text: string): Reg[] {
  return text
    .split(' ')
    .filter(Boolean)
    .map((t, slot) => {
      const m = /^([rw]):([RV]\w+)(\|sp)?$/.exec(t);
      if (!m || slot > 3) throw new Error(`bad operand '${t}' in '${text}'`);
      return {
        slot: slot as Reg['slot'],
        field: m[2],
        kind: m[2].startsWith('V') ? 'v' : 'x',
        access: m[1] as 'r' | 'w',
        sp: m[3] !== undefined,
      };
    });
}

/** The variant of a handler, from the encodings it was numbered with (`enumerate`). Null: no variant's handler. */
export function variantFinder(
  defs: readonly Definition[],
  encodings: readonly Encoding[],
): (handler: number) => Omit<Variant, 'key'> | null {
  // Handlers are numbered in the encodings' order.
  const firsts = encodings.map((e) => e.handlers.find((h) => h >= 0) ?? Infinity);
  return (handler) => {
    const i = firsts.findLastIndex((h) => h <= handler);
    const index = i < 0 ? -1 : encodings[i].handlers.indexOf(handler);
    if (index < 0) return null;
    const def = defs[i];
    const { by } = encodings[i];
    const fields: Record<string, number> = {};
    let rest = by.reduce((n, [, width]) => n + width, 0);
    (def.by ?? '')
      .split(' ')
      .filter(Boolean)
      .forEach((name, k) => {
        rest -= by[k][1];
        fields[name] = (index >>> rest) & (2 ** by[k][1] - 1);
      });
    return { def, fields, regs: parseOperands(def.operands) };
  };
}

/** All encodings and all handlers, numbered in a stable order: the order of `defs`. */
export function enumerate(defs: readonly Definition[]): { encodings: Encoding[]; variants: Variant[] } {
  const variants: Variant[] = [];
  const encodings: Encoding[] = [];
  for (const def of defs) {
    const { mask, value, fields } = parseEncoding(def.name, def.encoding);
    const place = (field: string): readonly [number, number] => {
      const p = fields.get(field);
      if (!p) throw new Error(`${def.name}: no field '${field}' in '${def.encoding}'`);
      return p;
    };
    const regs = parseOperands(def.operands);
    const names = (def.by ?? '').split(' ').filter(Boolean);
    const by = names.map(place);
    const handlers: number[] = [];
    const total = by.reduce((n, [, width]) => n + width, 0);
    for (let i = 0; i < 2 ** total; i++) {
      const f: Record<string, number> = {};
      let rest = total;
      names.forEach((n, k) => {
        rest -= by[k][1];
        f[n] = (i >>> rest) & (2 ** by[k][1] - 1);
      });
      if (def.where && !def.where(f)) {
        handlers.push(-1);
        continue;
      }
      const key = [def.name, ...names.map((n) => `${n}=${f[n]}`)].join(' ');
      handlers.push(variants.push({ key, def, fields: f, regs }) - 1);
    }
    encodings.push({
      name: def.name,
      mask,
      value,
      by,
      handlers,
      slots: regs.map((r) => [
        ...place(r.field),
        r.kind === 'v' ? 'v' : r.sp ? 'sp' : r.access === 'w' ? 'sink' : 'zero',
      ]),
      imm: def.imm ?? 'none',
      small: def.small ?? 'none',
      target: def.target ?? '',
      ends: def.ends === true,
      condition: def.condition === undefined ? -1 : place(def.condition)[0],
    });
  }
  return { encodings, variants };
}
