/** Parses encoding strings and enumerates the variants of each definition: one variant is one interpreter handler. */
import type { Operand, OperandKind } from './builder.ts';
import type { Definition } from './define.ts';

/** One encoding of one definition. */
export interface Encoding {
  readonly def: Definition;
  /** 0 one-byte, 1 0F, 2 0F38, 3 0F3A. */
  readonly map: number;
  readonly opcode: number;
  readonly prefix: '' | 'NP' | '66' | 'F3' | 'F2';
  readonly modrm: boolean;
  /** Required reg field, or −1. */
  readonly digit: number;
  /** Required whole modrm byte (register form), or −1. */
  readonly exact: number;
  /** Register number in the opcode's low three bits. */
  readonly plusR: boolean;
  readonly operands: readonly OperandCode[];
  /** Which r/m forms it accepts. */
  readonly allowReg: boolean;
  readonly allowMem: boolean;
  /** Depends on the operand size. */
  readonly sized: boolean;
  /** Only 32 and 64 (a 66 prefix is ignored for the size). */
  readonly ySized: boolean;
  /**
   * Handler by size (0: 16, 1: 32, 2: 64 bits) × 3 + form (0 register, 1 base + disp, 2 base + index × scale + disp).
   * Filled by `enumerate`.
   */
  readonly handlers: number[];
}

export interface OperandCode {
  /** E G R M Z I J O V W U P Q N, a fixed register, or . for none. */
  readonly kind: string;
  readonly size: string;
}

/** One handler: a definition with its operand shapes fixed. */
export interface Variant {
  readonly key: string;
  readonly def: Definition;
  readonly operands: readonly Operand[];
  readonly bits: number;
}

export const FIXED: Readonly<Record<string, { reg: number; size: string }>> = {
  AL: { reg: 0, size: 'b' },
  CL: { reg: 1, size: 'b' },
  AX: { reg: 0, size: 'w' },
  EAX: { reg: 0, size: 'd' },
  DX: { reg: 2, size: 'w' },
  rAX: { reg: 0, size: 'v' },
};

const MAPS: Readonly<Record<string, number>> = { '38': 2, '3A': 3 };

export function parseEncoding(def: Definition, text: string): Encoding {
  const tokens = text.split(' ');
  let i = 0;
  let prefix: Encoding['prefix'] = '';
  const first = tokens[0];
  if (
    first === 'NP' ||
    ((first === '66' || first === 'F3' || first === 'F2') && tokens.length > 1 && isHex(tokens[1]))
  ) {
    prefix = first;
    i++;
  }
  let map = 0;
  if (tokens[i] === '0F' && tokens[i + 1] !== undefined && isHex(tokens[i + 1])) {
    map = 1;
    i++;
    const sub = MAPS[tokens[i]];
    if (sub !== undefined && tokens[i + 1] !== undefined && isHex(tokens[i + 1])) {
      map = sub;
      i++;
    }
  }
  const opcode = parseInt(tokens[i++], 16);
  let digit = -1;
  let exact = -1;
  let modrm = false;
  let plusR = false;
  while (i < tokens.length && /^[/+=]/.test(tokens[i])) {
    const t = tokens[i++];
    if (t === '/r') modrm = true;
    else if (t === '+r') plusR = true;
    else if (t.startsWith('=')) {
      exact = parseInt(t.slice(1), 16);
      modrm = true;
    } else {
      digit = Number(t[1]);
      modrm = true;
    }
  }
  const operands = tokens.slice(i).map(parseOperand);
  const kinds = operands.map((o) => o.kind);
  const regOnly = kinds.some((k) => 'RUN'.includes(k));
  const memOnly = kinds.includes('M');
  const sizes = operands.filter((o) => o.kind !== 'J').map((o) => o.size);
  const sized =
    sizes.some((s) => s === 'v' || s === 'z' || s === 'bs') || (def.d64 === true && sizes.includes('v'));
  const ySized = !sized && sizes.includes('y');
  return {
    def, map, opcode, prefix, modrm, digit, exact, plusR, operands,
    allowReg: !memOnly, allowMem: !regOnly && exact < 0, sized: sized || ySized, ySized,
    handlers: Array<number>(9).fill(-1),
  }; // prettier-ignore
}

function isHex(t: string): boolean {
  return /^[0-9A-F]{2}$/.test(t);
}

function parseOperand(t: string): OperandCode {
  if (t === '1') return { kind: '1', size: 'b' };
  const fixed = FIXED[t];
  if (fixed) return { kind: t, size: fixed.size };
  return { kind: t[0], size: t.slice(1) };
}

const WIDTH: Readonly<Record<string, number>> = {
  b: 8,
  w: 16,
  d: 32,
  q: 64,
  dq: 128,
  u: 128,
  t: 80,
  '': 0,
  n: 0,
};

function widthOf(size: string, bits: number): number {
  if (size === 'v' || size === 'z' || size === 'bs') return bits;
  if (size === 'y') return bits === 64 ? 64 : 32;
  const w = WIDTH[size];
  if (w === undefined) throw new Error(`no operand size '${size}'`);
  return w;
}

function kindOf(code: OperandCode, form: number): OperandKind {
  switch (code.kind) {
    case 'E':
      return form === 0 ? 'reg' : 'mem';
    case 'W':
      return form === 0 ? 'xmm' : 'mem';
    case 'Q':
      return form === 0 ? 'mmx' : 'mem';
    case 'M':
    case 'O':
      return 'mem';
    case 'I':
    case '1':
    case '.':
      return 'imm';
    case 'J':
      return 'rel';
    case 'V':
    case 'U':
      return 'xmm';
    case 'P':
    case 'N':
      return 'mmx';
    default:
      return 'reg';
  }
}

/** The operands of a variant. Register operands take record slots 1 and 2 in order of appearance. */
export function operandsOf(e: Encoding, bits: number, form: number): Operand[] {
  let slot: 1 | 2 = 1;
  return e.operands.map((code, i) => {
    const kind = kindOf(code, form);
    const width = widthOf(code.size, bits);
    const isReg = kind === 'reg' || kind === 'xmm' || kind === 'mmx';
    const o: Operand = {
      kind,
      bits: kind === 'xmm' && width === 0 ? 128 : width,
      slot,
      indexed: form === 2,
      access: e.def.access[i] ?? 'r',
      aligned: kind === 'mem' && code.size === 'dq' && code.kind === 'W',
    };
    if (isReg) slot = 2;
    return o;
  });
}

function shape(o: Operand): string {
  switch (o.kind) {
    case 'mem':
      return `${o.indexed ? 'M' : 'm'}${o.bits}${o.aligned ? 'a' : ''}`;
    case 'imm':
    case 'rel':
      return o.kind[0];
    case 'mmx':
      return `q${o.bits}`;
    default:
      return `${o.kind[0]}${o.bits}`;
  }
}

const SIZES = [16, 32, 64] as const;

/**
 * The variant of a handler, from the encodings it was numbered with (`enumerate`), which need not be made of these
 * definitions' objects. Null: no variant's handler.
 */
export function variantFinder(
  defs: readonly Definition[],
  encodings: readonly Omit<Encoding, 'def'>[],
): (handler: number) => Omit<Variant, 'key'> | null {
  const owners = defs.flatMap((def) => def.encodings.map(() => def));
  const places = new Map<number, number>();
  encodings.forEach((e, i) => {
    e.handlers.forEach((h, k) => {
      if (h >= 0 && !places.has(h)) places.set(h, i * 9 + k);
    });
  });
  return (handler) => {
    const place = places.get(handler);
    if (place === undefined) return null;
    const [i, k] = [Math.floor(place / 9), place % 9];
    const def = owners[i];
    const e = { ...encodings[i], def };
    const size = Math.floor(k / 3);
    // A size without a handler of its own has a larger one's.
    const s = e.ySized && size === 0 ? 1 : def.d64 && e.sized && size === 1 ? 2 : size;
    const bits = e.sized ? SIZES[s] : 0;
    return { def, operands: operandsOf(e, bits, k % 3), bits };
  };
}

/** All encodings and all variants, numbered in a stable order: the order of `defs`. */
export function enumerate(defs: readonly Definition[]): { encodings: Encoding[]; variants: Variant[] } {
  const variants: Variant[] = [];
  const byKey = new Map<string, number>();
  const encodings: Encoding[] = [];
  for (const def of defs) {
    for (const text of def.encodings) {
      const e = parseEncoding(def, text);
      for (let s = 0; s < 3; s++) {
        if (e.ySized && s === 0) continue;
        if (def.d64 && e.sized && s === 1) continue;
        const bits = e.sized ? SIZES[s] : 0;
        for (let form = 0; form < 3; form++) {
          if (!e.modrm && form > 0) continue;
          if (e.modrm && (form === 0 ? !e.allowReg : !e.allowMem)) continue;
          if (!e.sized && s > 0) {
            e.handlers[s * 3 + form] = e.handlers[form]!;
            continue;
          }
          const operands = operandsOf(e, bits, form);
          const hasMem = operands.some((o) => o.kind === 'mem');
          // A memory form without a memory operand (nop Ev) needs no second addressing variant.
          const key = `${def.name}${e.sized ? ' ' + String(bits) : ''} ${operands.map(shape).join(',')}`;
          let id = byKey.get(key);
          if (id === undefined) {
            id = variants.push({ key, def, operands, bits }) - 1;
            byKey.set(key, id);
          }
          e.handlers[s * 3 + form] = id;
          if (!hasMem && form === 1) {
            e.handlers[s * 3 + 2] = id;
            break;
          }
        }
      }
      if (e.ySized) for (let f = 0; f < 3; f++) e.handlers[f] = e.handlers[3 + f]!;
      if (def.d64 && e.sized) for (let f = 0; f < 3; f++) e.handlers[3 + f] = e.handlers[6 + f]!;
      encodings.push(e);
    }
  }
  return { encodings, variants };
}
