/** Decoded blocks as the compiler reads them out of their records, and the ways that were taken from them. */
import { R, RECORD_SIZE } from '../layout.ts';
import { Fn } from '../wasm/function.ts';
import { Cells } from './cells.ts';
import type { CompileRequest } from './compile.ts';
import type { Instruction, RegionIsa } from './isa.ts';
import { readBlocks, type NearBlock } from './job.ts';
import type { Flow } from './region-builder.ts';

export interface DecodedInstruction {
  readonly instruction: Instruction;
  /** Where the interpreter takes it up: its preparing record, if it has one. */
  readonly first: number;
  readonly firstHandler: number;
  readonly rec: number;
}

/** Which ways an instruction that ends a block has. */
export interface Ways {
  readonly direct: boolean;
  readonly fallThrough: boolean;
  readonly indirect: boolean;
}

export interface Block {
  readonly pc: number;
  readonly head: number;
  readonly instructions: readonly DecodedInstruction[];
  /** Record with the branch's fields: targets, count, links. */
  readonly end: number;
  readonly ways: Ways;
  readonly flow: 'call' | 'return' | undefined;
  /** It ends with an instruction only the interpreter can do. */
  readonly cut: boolean;
}

const NO_WAY: Ways = { direct: false, fallThrough: false, indirect: false };
/** As long as blocks are decoded (cpu/code-space.ts), preparing records included. */
const MAX_RECORDS = 256;

export class BlockReader {
  private readonly isa: RegionIsa;
  private readonly job: CompileRequest;
  private readonly near: ReadonlyMap<number, NearBlock>;
  private readonly places: ReadonlyMap<number, readonly number[]>;
  private readonly ways = new Map<number, Ways>();
  private readonly known = new Map<number, Block | null>();

  constructor(isa: RegionIsa, job: CompileRequest) {
    this.isa = isa;
    this.job = job;
    this.near = readBlocks(job);
    this.places = new Map(job.targets);
  }

  u64(at: number): number {
    const { view } = this.job;
    return view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
  }

  /** null: nothing is decoded there, or its first instruction is not for the compiler. */
  at(pc: number): Block | null {
    const known = this.known.get(pc);
    if (known !== undefined) return known;
    const block = this.read(pc);
    this.known.set(pc, block);
    return block;
  }

  private read(pc: number): Block | null {
    const near = this.near.get(pc);
    if (!near) return null;
    const { head } = near;
    const { view } = this.job;
    const instructions: DecodedInstruction[] = [];
    let first = -1;
    let firstHandler = -1;
    for (let rec = head; rec < head + MAX_RECORDS * RECORD_SIZE; rec += RECORD_SIZE) {
      const handler = rec === head ? near.handler : view.getUint16(rec + R.handler, true);
      const instruction = this.isa.instruction(handler);
      if (first < 0) [first, firstHandler] = [rec, handler];
      if (!instruction) {
        if (instructions.length === 0) return null;
        return { pc, head, instructions, end: rec, ways: NO_WAY, flow: undefined, cut: true };
      }
      if (instruction.kind === 'prepares') {
        instructions.push({ instruction, first, firstHandler, rec });
        continue;
      }
      instructions.push({ instruction, first, firstHandler, rec });
      first = -1;
      if (instruction.kind === 'plain') continue;
      const end = instruction.kind === 'fused' ? rec + RECORD_SIZE : rec;
      const ways = this.waysOf(handler, rec);
      return { pc, head, instructions, end, ways, flow: instruction.flow, cut: false };
    }
    return null;
  }

  /** Runs the semantics once without keeping the code. */
  private waysOf(handler: number, rec: number): Ways {
    const known = this.ways.get(handler);
    if (known) return known;
    const ways = { direct: false, fallThrough: false, indirect: false };
    const flow: Flow = {
      aside: () => undefined,
      missed: () => undefined,
      unusual: () => undefined,
      leave: () => undefined,
      direct: () => {
        ways.direct = true;
      },
      fallThrough: () => {
        ways.fallThrough = true;
      },
      indirect: () => {
        ways.indirect = true;
      },
    };
    const fn = new Fn(['i32'], 'i32');
    this.isa.instruction(handler)!.emit({
      fn,
      cells: new Cells(fn, this.isa.cells),
      flow,
      view: this.job.view,
      rec,
      fuses: false,
      callee: (kind, name) => ({
        index: 0,
        result:
          (kind === 'helper' ? this.isa.helpers.get(name) : this.isa.host.find((h) => h.name === name))
            ?.result ?? null,
      }),
      derived: { spill: () => undefined, fill: () => undefined },
      fails: () => false,
      site: () => ({ kind: 'tlb' }),
      usesCells: () => false,
    });
    this.ways.set(handler, ways);
    return ways;
  }

  // ---- ways on

  directTarget(b: Block): number {
    return this.u64(b.end + R.disp);
  }
  /** Where a block not taken, or a call, goes on. */
  next(b: Block): number {
    return this.u64(b.end + R.imm);
  }
  /** Is the way at a link field taken, as far as is known? */
  taken(b: Block, link: number, to: number): boolean {
    if (this.job.view.getUint32(b.end + link, true) !== 0) return true;
    return this.runs(b.pc) && this.runs(to);
  }
  isElsewhere(pc: number): boolean {
    return this.near.get(pc)?.elsewhere ?? false;
  }
  private runs(pc: number): boolean {
    return this.near.get(pc)?.compiled ?? false;
  }
  targets(b: Block): readonly number[] {
    return this.places.get(b.end) ?? [];
  }
}
