/** x86_64 instructions as records for the code arena. */
import { bareRecord, type Translator } from '../../code-space.ts';
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
    let { base, index, scale, disp } = d;
    this.plain = d.segment === 0 && !d.address32;
    if (!this.plain) {
      bareRecord(this.memory, at, d.address32 ? this.ids.address32 : this.ids.address, pc, count);
      view.setUint16(at + R.r1, d.segment || S.zero, true);
      view.setUint16(at + R.base, base, true);
      view.setUint16(at + R.index, index, true);
      view.setUint8(at + R.scale, scale);
      if (d.address32) {
        view.setBigInt64(at + R.disp, disp, true);
        disp = 0n;
      }
      base = S.tmp;
      index = S.zero;
      scale = 0;
      at += RECORD_SIZE;
    }
    i32[(at + R.handler) >> 2] = d.handler;
    view.setUint16(at + R.r1, d.r1, true);
    view.setUint16(at + R.r2, d.r2, true);
    view.setUint16(at + R.base, base, true);
    view.setUint16(at + R.index, index, true);
    view.setUint8(at + R.scale, scale);
    view.setUint8(at + R.backward, d.disp <= BigInt(pc) ? 0xff : 0);
    view.setUint16(at + R.count, count, true);
    view.setBigInt64(at + R.disp, disp, true);
    view.setBigInt64(at + R.imm, d.imm, true);
    i32[(at + R.link0) >> 2] = 0;
    i32[(at + R.link1) >> 2] = 0;
    view.setBigUint64(at + R.pc, BigInt(pc), true);
    return at + RECORD_SIZE;
  }
}
