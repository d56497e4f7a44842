/** Random aarch64 instructions, from the definitions' own encodings, alone and in sequences, and states to run them from. */
import type { Definition } from '../../cpu/isa/aarch64/define.ts';
import { enumerate, parseEncoding, parseOperands } from '../../cpu/isa/aarch64/encoding.ts';
import { IMMEDIATES } from '../../cpu/isa/aarch64/immediates.ts';
import { definitions } from '../../cpu/isa/aarch64/instructions.ts';
import { Decoder } from '../../cpu/isa/aarch64/translator.ts';
import type { Random } from '../support/random.ts';
import { A64_FAMILIES } from './a64-families.ts';
import { CODE, DATA, PAGE, ZONE_BYTES } from './driver.ts';
import type { Case } from './runner.ts';
import { UNPREDICTABLE, type AvoidedA64 } from './tolerances.ts';
import { integer64, relatedNumbers, vectorWord } from './values.ts';

/** Middle of the memory that is part of a state. */
const MIDDLE = DATA + PAGE;

export interface A64Case extends Case {
  readonly words: readonly number[];
  /** Register that must hold an address in the zone, and what is added to it; −1: none. */
  readonly base: number;
  readonly offset: number;
  /** Register that indexes from it: kept small; −1: none. */
  readonly index: number;
  /** Register that must hold the address behind the next instruction (an indirect branch); −1: none. */
  readonly target: number;
}

/** add x9, x9, #1: what a branch taken skips. */
const SKIPPED = 0x91000529;

/** Definitions random instructions can be made of. */
export const testable = (d: Definition): boolean => d.special !== true && !d.name.includes('tpidr');

const decoder = new Decoder(enumerate(definitions).encodings);

const bytesOf = (words: readonly number[]): number[] =>
  words.flatMap((w) => [w & 255, (w >>> 8) & 255, (w >>> 16) & 255, w >>> 24]);

/** A random instruction of a definition; null when the drawn fields are not allocated. */
function makeCase(
  def: Definition,
  r: Random,
  runs: number,
  avoided: readonly AvoidedA64[] = UNPREDICTABLE,
): A64Case | null {
  const { mask, value, fields } = parsed(def);
  let word = (value | (r.u32() & ~mask)) >>> 0;
  const set = (name: string, v: number): void => {
    const [low, width] = fields.get(name)!;
    const m = (2 ** width - 1) * 2 ** low;
    word = ((word & ~m) | (v << low)) >>> 0;
  };
  const get = (name: string): number => {
    const [low, width] = fields.get(name)!;
    return (word >>> low) & (2 ** width - 1);
  };
  // Branches and literals stay near.
  if (def.target) set(def.target, 2);
  if (def.imm === 'literal') set('imm19', 64 + r.below(8));
  if (!decoder.decode(word, 0) || decoder.encoding.name !== def.name) return null;
  const regs = parseOperands(def.operands);
  const memory = regs.find((o) => o.field === 'Rn' && o.sp && /^(ld|st|swp|cas|prf)/.test(def.name));
  const maintenance = /^(dc|ic) /.test(def.name);
  let [base, offset, index] = [-1, 0, -1];
  if (memory || maintenance) {
    base = get(maintenance ? 'Rt' : 'Rn');
    if (base === 31 && maintenance) return null;
    if (fields.has('Rm') && !memory?.field.startsWith('V')) index = get('Rm');
    if (def.imm && !/post/.test(def.name)) offset = Number(IMMEDIATES[def.imm](word, CODE) ?? 0);
    if (index === base) return null;
  }
  if (avoided.some((a) => a.matches(word))) return null;
  const words = def.ends ? [word, SKIPPED] : [word];
  return {
    name: def.name,
    family: A64_FAMILIES.get(def)!,
    instructions: 1,
    code: bytesOf(words),
    words,
    runs,
    fp: true,
    zone: MIDDLE - ZONE_BYTES / 2,
    base,
    offset,
    index,
    target: /^(br|blr|ret)$/.test(def.name) ? get('Rn') : -1,
  };
}

/** Words as they stand. */
export const fixedCase = (name: string, words: readonly number[], runs: number): A64Case => ({
  name,
  family: 'fixed',
  instructions: 1,
  code: bytesOf(words),
  words,
  runs,
  fp: true,
  zone: MIDDLE - ZONE_BYTES / 2,
  base: -1,
  offset: 0,
  index: -1,
  target: -1,
});

const PARSED = new Map<Definition, ReturnType<typeof parseEncoding>>();
function parsed(def: Definition): ReturnType<typeof parseEncoding> {
  let p = PARSED.get(def);
  if (!p) PARSED.set(def, (p = parseEncoding(def.name, def.encoding)));
  return p;
}

/** Random instances of a definition, each to be executed `runs` times. */
export function casesOf(
  def: Definition,
  instances: number,
  runs: number,
  r: Random,
  avoided?: readonly AvoidedA64[],
): A64Case[] {
  const out: A64Case[] = [];
  for (let tries = 0; out.length < instances && tries < instances * 50 + 1000; tries++) {
    const c = makeCase(def, r, runs, avoided);
    if (c) out.push(c);
  }
  if (out.length === 0) throw new Error(`no instance of ${def.name}`);
  return out;
}

const PRODUCERS = /^(add|sub|and|bic)s|^(adc|sbc)s|^ccm[np]|^fc?cmpe?|^(cls|clz|rbit|rev|mul|madd|[su]div)/;
const CONSUMERS = /^(b\.cond|cbn?z|tbn?z|cs(el|inc|inv|neg)|adc|sbc|ccm[np]|mrs nzcv|fcsel)/;
/** Left out of sequences: control that leaves, and registers the driver needs whole. */
const ALONE = /^(br|blr|ret|bl|b)$|^msr fp/;

/** Makes sequences of instructions that run into each other: compares fused with branches, registers written and read. */
export class Sequences {
  private readonly all: Definition[];
  private readonly producers: Definition[];
  private readonly consumers: Definition[];

  constructor(defs: readonly Definition[]) {
    this.all = defs.filter((d) => testable(d) && !ALONE.test(d.name));
    this.producers = this.all.filter((d) => PRODUCERS.test(d.name));
    this.consumers = this.all.filter((d) => CONSUMERS.test(d.name));
  }

  /** One of 4 to 12 instructions; null when the dice fell badly. */
  make(r: Random, runs: number): A64Case | null {
    const parts: A64Case[] = [];
    const wanted = 4 + r.below(9);
    for (let tries = 0; parts.length < wanted && tries < 200; tries++) {
      const kind = r.below(10);
      const c = makeCase(r.pick(kind < 4 ? this.producers : kind < 7 ? this.consumers : this.all), r, runs);
      // An address is sure of its registers in the first alone.
      if (c && (parts.length === 0 || c.base < 0)) parts.push(c);
    }
    if (parts.length < 4) return null;
    const words = parts.flatMap((c) => c.words);
    return {
      ...parts[0],
      name: parts.map((c) => c.name).join('; '),
      family: 'sequences',
      instructions: parts.length,
      words,
      code: bytesOf(words),
    };
  }
}

// The state's words.
const SP = 62;
const NZCV = 64;
const FPCR = 72;
const FPSR = 73;
const V = 76;
const ZONE = 204;

/** Compare-and-swap finds what it expects: its Rs (and the next one) from the zone's bytes at `from`. */
function expectMemory(c: A64Case, s: Int32Array, at: number, from: number): void {
  const [word] = c.words;
  const rs = (word >>> 16) & 31;
  const zone = new DataView(s.buffer, s.byteOffset + 4 * (at + ZONE), ZONE_BYTES);
  const wide = (word >>> 30) & 1;
  const pair = c.name.startsWith('casp');
  if (pair && rs === 30) {
    // Behind X30 is XZR.
    zone.setInt32(from + (wide ? 8 : 4), 0, true);
    if (wide) zone.setInt32(from + 12, 0, true);
  }
  for (let i = 0; i < (pair ? 2 : 1); i++) {
    if (rs + i >= 31 || rs + i === c.base) continue;
    const place = from + i * (pair && !wide ? 4 : 8);
    s[at + 2 * (rs + i)] = zone.getInt32(place, true);
    s[at + 2 * (rs + i) + 1] = pair && !wide && i === 1 ? 0 : zone.getInt32(place + 4, true);
  }
}

/** Draws a state for a case. */
export function drawA64(c: A64Case, s: Int32Array, at: number, r: Random): void {
  for (let i = 0; i < 31; i++) integer64(s, at + 2 * i, r);
  s[at + SP] = MIDDLE - 64;
  s[at + NZCV] = r.u32() & 0xf0000000;
  // Rounding mode, flush to zero, default NaN, alternative halves: mostly as programs have them.
  if (r.chance(0.4)) s[at + FPCR] = (r.u32() & 0xc00000) | (r.u32() & r.u32() & 0x07000000);
  if (r.chance(0.5)) s[at + FPSR] = r.u32() & 0x0800009f;
  const floats = r.chance(0.7);
  if (r.chance(0.5)) relatedNumbers(s, at + V, 128, r, true);
  else for (let i = 0; i < 128; i += 2) vectorWord(s, at + V + i, r, floats);
  for (let i = 0; i < ZONE_BYTES / 4; i += 2) vectorWord(s, at + ZONE + i, r, floats);
  // Linux ignores an address's top byte.
  const tag = r.chance(0.15) ? r.below(256) << 24 : 0;
  const put = (reg: number, value: number, top: number): void => {
    const word = at + (reg === 31 ? SP : 2 * reg);
    s[word] = value;
    s[word + 1] = Math.floor(value / 4294967296) | top;
  };
  if (c.index >= 0 && c.index < 31) put(c.index, r.below(17) - 8, 0);
  const accessed = MIDDLE - 32 + 16 * r.below(2) + (r.chance(0.25) ? r.below(16) : 0);
  if (c.base >= 0) put(c.base, accessed - c.offset, tag);
  if (c.name.startsWith('cas') && r.chance(0.5)) expectMemory(c, s, at, accessed - c.zone);
  if (c.target >= 0 && c.target < 31) put(c.target, CODE + 8, 0);
}
