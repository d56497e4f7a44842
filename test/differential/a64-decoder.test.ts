/**
 * The whole space of A64 words: no word has two meanings among the definitions, and what is an instruction here is one
 * for objdump, and the other way round but for the extensions the cpu does not offer.
 */
import { appendFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { enumerate, type Encoding } from '../../cpu/isa/aarch64/encoding.ts';
import { IMMEDIATES } from '../../cpu/isa/aarch64/immediates.ts';
import { definitions } from '../../cpu/isa/aarch64/instructions.ts';
import { Decoder } from '../../cpu/isa/aarch64/translator.ts';
import { absentFeature, refusedByObjdump } from './a64-features.ts';
import { objdump, objdumpMissing } from './a64-objdump.ts';
import { Random } from '../support/random.ts';

const SEED = Number(process.env['RING3_DIFF_SEED'] ?? 1);
const WORDS = Number(process.env['RING3_DECODER_WORDS'] ?? 2 ** 19);
/** File that the summary is added to (scripts/differential.mjs). */
const REPORT = process.env['RING3_DIFF_REPORT'];
const CHUNK = 2 ** 18;

const { encodings } = enumerate(definitions);
const hex = (word: number): string => word.toString(16).padStart(8, '0');

/** Whether `e`, asked alone, takes a word that has its fixed bits. */
function takes(e: Encoding, word: number): boolean {
  let index = 0;
  for (const [low, width] of e.by) index = (index << width) | ((word >>> low) & ((1 << width) - 1));
  return e.handlers[index] >= 0 && IMMEDIATES[e.imm](word, 0) !== null;
}

/** Every bit `b` fixes `a` fixes too, and others: the decoder asks `a` first. */
const isSpecialCase = (a: Encoding, b: Encoding): boolean =>
  a.mask !== b.mask && (a.mask & b.mask) >>> 0 === b.mask && (a.value & b.mask) >>> 0 === b.value;

/**
 * A word both encodings take and no special case of the two; null when there seems to be none: all values of the fields
 * they look at are tried.
 */
function commonWord(a: Encoding, b: Encoding, r: Random): number | null {
  const special = encodings.filter((e) => isSpecialCase(e, a) && isSpecialCase(e, b));
  const fixed = (a.mask | b.mask) >>> 0;
  const value = (a.value | b.value) >>> 0;
  let looked = 0;
  for (const [low, width] of [...a.by, ...b.by]) looked |= ((1 << width) - 1) << low;
  looked = (looked & ~fixed) >>> 0;
  const rest = ~(fixed | looked) >>> 0;
  for (let s = looked; ; s = ((s - 1) & looked) >>> 0) {
    // The other bits matter to immediates alone, some of whose values are reserved.
    for (const others of [0, 0xffffffff, r.u32(), r.u32(), r.u32(), r.u32(), r.u32(), r.u32()]) {
      const word = (value | s | (others & rest)) >>> 0;
      if (!takes(a, word) || !takes(b, word)) continue;
      if (!special.some((e) => (word & e.mask) >>> 0 === e.value && takes(e, word))) return word;
    }
    if (s === 0) return null;
  }
}

describe('aarch64 encodings', () => {
  it('overlap only where one is a special case of the other', () => {
    const r = new Random(SEED);
    const offenders: string[] = [];
    encodings.forEach((a, i) => {
      for (const b of encodings.slice(i + 1)) {
        const both = a.mask & b.mask;
        if (((a.value ^ b.value) & both) !== 0) continue;
        if (isSpecialCase(a, b) || isSpecialCase(b, a)) continue;
        const word = commonWord(a, b, r);
        if (word !== null) offenders.push(`${hex(word)}: ${a.name} and ${b.name}`);
      }
    });
    expect(offenders).toEqual([]);
  });
});

/**
 * A third of the words from all of them; a third with the same share for each group of op0 (bits 28:25) and runs of
 * equal bits, as sparse groups have; a third at the borders of what is defined: an encoding with up to two bits flipped.
 */
function sample(count: number, r: Random): Uint32Array {
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    let word = r.u32();
    if (i % 3 === 1) {
      for (let k = 0; k < 2; k++) {
        const run = (2 ** (1 + r.below(6)) - 1) << r.below(28);
        word = r.chance(0.5) ? word | run : word & ~run;
      }
      word = (word & ~0x1e000000) | ((Math.floor(i / 3) & 15) << 25);
    } else if (i % 3 === 2) {
      const e = encodings[r.below(encodings.length)];
      word = (word & ~e.mask) | e.value;
      for (let k = r.below(3); k > 0; k--) word ^= 1 << r.below(32);
    }
    words[i] = word;
  }
  return words;
}

const missing = objdumpMissing();
if (missing !== null) console.log(`Left out: the aarch64 decoder against objdump: ${missing}`);

describe.skipIf(missing !== null)('aarch64 decoder against objdump', () => {
  it(
    'agrees on what is an instruction',
    async () => {
      const decoder = new Decoder(encodings);
      const wrong = new Map<string, { n: number; example: string }>();
      const note = (kind: string, word: number, text: string): void => {
        const e = wrong.get(kind);
        if (e) e.n++;
        else wrong.set(kind, { n: 1, example: `${hex(word)} ${text.replace('\t', ' ')}` });
      };
      const count = { both: 0, neither: 0, absent: 0 };
      for (let from = 0, chunk = 0; from < WORDS; from += CHUNK, chunk++) {
        const words = sample(Math.min(CHUNK, WORDS - from), new Random(SEED * 100003 + chunk));
        await objdump(words, (word, text) => {
          const ours = decoder.decode(word | 0, 0);
          const { name } = decoder.encoding;
          if (text === '') {
            if (!ours || name === 'udf') count.neither++;
            else if (!refusedByObjdump(word)) note(`none for objdump, here ${name}`, word, '');
            return;
          }
          const absent = absentFeature(word, text);
          if (ours && absent !== null) note(`${absent} is not offered, here ${name}`, word, text);
          else if (!ours && absent === null) note(`none here: ${text.split('\t')[0]}`, word, text);
          else if (ours) count.both++;
          else count.absent++;
        });
      }
      const lines = [...wrong].map(([kind, { n, example }]) => `${kind}: ${example} (${n} times)`);
      expect(lines, `${lines.length} kinds differ:\n${lines.slice(0, 80).join('\n')}\n`).toEqual([]);
      const text =
        `${WORDS.toLocaleString('en-US')} A64 words: ${count.both.toLocaleString('en-US')} instructions here and for ` +
        `objdump, ${count.neither.toLocaleString('en-US')} for neither, ${count.absent.toLocaleString('en-US')} of ` +
        `extensions the cpu does not offer, ${lines.length} kinds of difference`;
      console.log(text);
      if (REPORT !== undefined) appendFileSync(REPORT, `## ${text}\n\n`);
      expect(count.both).toBeGreaterThan(WORDS / 5);
    },
    24 * 3600_000,
  );
});
