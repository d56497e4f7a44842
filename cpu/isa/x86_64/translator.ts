/** x86_64 instructions as records for the code arena. */
import { bareRecord, storeInteger, type Translator } from '../../code-space.ts';
import { R, RECORD_SIZE, S } from '../../layout.ts';
import type { Memory } from '../../memory/memory.ts';
import { Decoder } from './decoder.ts';
import type { DecodeTables, EncodingProperties, HandlerIds } from './handlers.ts';

export class X86Translator implements Translator {
  readonly ids: HandlerIds;
  readonly undefinedHandler: number;
  readonly maxLength = 15;
  private readonly memory: Memory;
  private readonly decoder: Decoder;

  constructor(memory: Memory, isa: DecodeTables) {
    this.memory = memory;
    this.decoder = new Decoder(isa.encodings);
    this.ids = isa.ids;
    this.undefinedHandler = isa.undefinedHandler;
  }

  decode(bytes: Uint8Array, at: number, end: number, pc: number): number {
    return this.decoder.decode(bytes, at, end, pc);
  }

  get definition(): EncodingProperties {
    return this.decoder.out.encoding.def;
  }
  get ends(): boolean {
    return this.definition.ends === true;
  }
  get name(): string {
    return this.definition.name;
  }

  fuse(rec: number): void {
    const { condition } = this.definition;
    if (condition === undefined) return;
    const { i32 } = this.memory;
    const at = (rec + R.handler) >> 2;
    const fused = this.ids.fused.get(i32[at]);
    // A preparing record before the compare would run it with an address the branch's record does not have.
    if (fused !== undefined && this.plain) i32[at] = fused + condition;
  }

  /** The instruction written last has no preparing record. */
  private plain = true;

  /** Writes the decoded instruction and its preparing record, if it needs one. */
  write(at: number, pc: number, count: number): number {
    const d = this.decoder.out;
    const { view, i32 } = this.memory;
    let { base, index, scale, dispLo, dispHi } = d;
    this.plain = d.segment === 0 && !d.address32;
    if (!this.plain) {
      bareRecord(this.memory, at, d.address32 ? this.ids.address32 : this.ids.address, pc, count);
      view.setUint16(at + R.r1, d.segment || S.zero, true);
      view.setUint16(at + R.base, base, true);
      view.setUint16(at + R.index, index, true);
      view.setUint8(at + R.scale, scale);
      if (d.address32) {
        i32[(at + R.disp) >> 2] = dispLo;
        i32[(at + R.disp + 4) >> 2] = dispHi;
        dispLo = dispHi = 0;
      }
      base = S.tmp;
      index = S.zero;
      scale = 0;
      at += RECORD_SIZE;
    }
    // Two halves at once: r1 and r2, base and index; scale, backward and count.
    const word = at >> 2;
    i32[word + (R.handler >> 2)] = d.handler;
    i32[word + (R.r1 >> 2)] = d.r1 | (d.r2 << 16);
    i32[word + (R.base >> 2)] = base | (index << 16);
    i32[word + (R.scale >> 2)] = scale | (d.backward ? 0xff00 : 0) | (count << 16);
    i32[word + (R.disp >> 2)] = dispLo;
    i32[word + (R.disp >> 2) + 1] = dispHi;
    i32[word + (R.imm >> 2)] = d.immLo;
    i32[word + (R.imm >> 2) + 1] = d.immHi;
    i32[word + (R.link0 >> 2)] = 0;
    i32[word + (R.link1 >> 2)] = 0;
    storeInteger(i32, at + R.pc, pc);
    return at + RECORD_SIZE;
  }
}
