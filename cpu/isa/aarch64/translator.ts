/** Decodes A64 instruction words by the tables the definitions give, and writes their records. */
import { NEED_MORE, storeInteger, UNDEFINED, type Translator } from '../../code-space.ts';
import { SLOTS } from '../../interp/a64-handler-builder.ts';
import { R, RECORD_SIZE } from '../../layout.ts';
import type { Memory } from '../../memory/memory.ts';
import type { Encoding } from './encoding.ts';
import type { DecodeTables, HandlerIds } from './handlers.ts';
import { IMMEDIATES, SMALLS, TARGETS } from './immediates.ts';
import { A } from './layout.ts';

/** Encodings are looked up by the words' bits 31:21. */
const BUCKET_SHIFT = 21;
const BUCKETS = 1 << (32 - BUCKET_SHIFT);

export class Decoder {
  private readonly buckets: Encoding[][] = Array.from({ length: BUCKETS }, () => []);
  /** What `decode` found. */
  encoding: Encoding;
  handler = -1;
  imm: bigint | number = 0;

  constructor(encodings: readonly Encoding[]) {
    this.encoding = encodings[0]!;
    const ones = (v: number): number => {
      let n = 0;
      for (; v > 0; v = Math.floor(v / 2)) n += v & 1;
      return n;
    };
    // The more bits an encoding fixes, the earlier it is asked.
    for (const e of [...encodings].sort((a, b) => ones(b.mask) - ones(a.mask))) {
      const mask = e.mask >>> BUCKET_SHIFT;
      const free = ~mask & (BUCKETS - 1);
      // Every subset of the free bits.
      for (let s = free; ; s = (s - 1) & free) {
        this.buckets[(e.value >>> BUCKET_SHIFT) | s].push(e);
        if (s === 0) break;
      }
    }
  }

  /** Finds the encoding, handler and immediate of `word`; false when it is no instruction. */
  decode(word: number, pc: number): boolean {
    for (const e of this.buckets[word >>> BUCKET_SHIFT]) {
      if ((word & e.mask) >>> 0 !== e.value) continue;
      let index = 0;
      for (const [low, width] of e.by) index = (index << width) | ((word >>> low) & ((1 << width) - 1));
      const handler = e.handlers[index];
      if (handler < 0) continue;
      const imm = IMMEDIATES[e.imm](word, pc);
      if (imm === null) continue;
      this.encoding = e;
      this.handler = handler;
      this.imm = imm;
      return true;
    }
    return false;
  }
}

const SPECIAL = { zero: A.zero, sink: A.sink, sp: A.sp } as const;

export class A64Translator implements Translator {
  readonly ids: HandlerIds;
  readonly undefinedHandler: number;
  readonly maxLength = 4;
  private readonly memory: Memory;
  private readonly decoder: Decoder;
  private word = 0;

  constructor(memory: Memory, isa: DecodeTables) {
    this.memory = memory;
    this.decoder = new Decoder(isa.encodings);
    this.ids = isa.ids;
    this.undefinedHandler = isa.undefinedHandler;
  }

  decode(bytes: Uint8Array, at: number, end: number, pc: number): number {
    if (at + 4 > end) return NEED_MORE;
    this.word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    return this.decoder.decode(this.word, pc) ? 4 : UNDEFINED;
  }

  get ends(): boolean {
    return this.decoder.encoding.ends;
  }
  get name(): string {
    return this.decoder.encoding.name;
  }

  fuse(rec: number): void {
    const { condition } = this.decoder.encoding;
    if (condition < 0) return;
    const cc = (this.word >>> condition) & 15;
    const { i32 } = this.memory;
    const at = (rec + R.handler) >> 2;
    const fused = this.ids.fused.get(i32[at]);
    if (fused !== undefined && cc < 14) i32[at] = fused + cc;
  }

  write(at: number, pc: number, count: number): number {
    const { view, i32 } = this.memory;
    const { word } = this;
    const { encoding: e, handler, imm } = this.decoder;
    i32[(at + R.handler) >> 2] = handler;
    for (let i = 0; i < e.slots.length; i++) {
      const [low, width, kind] = e.slots[i];
      const field = (word >>> low) & ((1 << width) - 1);
      const n = field << (5 - width);
      view.setUint16(
        at + SLOTS[i],
        kind === 'v' ? A.v + 16 * field : n === 31 ? SPECIAL[kind] : A.x + 8 * n,
        true,
      );
    }
    view.setUint8(at + R.scale, SMALLS[e.small](word));
    view.setUint16(at + R.count, count, true);
    const target = e.target === '' ? 0 : TARGETS[e.target](word, pc);
    view.setUint8(at + R.backward, e.target !== '' && target <= pc ? 0xff : 0);
    storeInteger(i32, at + R.disp, target);
    if (e.ends && e.imm === 'none') storeInteger(i32, at + R.imm, pc + 4);
    else if (typeof imm === 'number') storeInteger(i32, at + R.imm, imm);
    else view.setBigInt64(at + R.imm, imm, true);
    i32[(at + R.link0) >> 2] = 0;
    i32[(at + R.link1) >> 2] = 0;
    storeInteger(i32, at + R.pc, pc);
    return at + RECORD_SIZE;
  }
}
