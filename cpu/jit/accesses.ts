/** How the memory accesses of a block are made: which window or the TLB, and which of them are checked together. */
import { constantOf, termsOf } from '../builder.ts';
import { R, UNUSUAL, W, WINDOWS, WINDOW_BYTES, WINDOW_SIZES } from '../layout.ts';
import { Fn, type Val, type Var } from '../wasm/function.ts';
import type { Block, DecodedInstruction } from './blocks.ts';
import { Cells, type Knowledge } from './cells.ts';
import type { CompileRequest } from './compile.ts';
import type { RegionIsa, Signature } from './isa.ts';
import type { WindowExtent } from './job.ts';
import type { Flow, RegionContext } from './region-builder.ts';

/** An access of a block: at a value + `by`, through a window or (−1) the TLB. */
export interface Planned {
  readonly window: number;
  readonly by: bigint;
  /** What its check covers, from the same value on: its own bytes, and those of accesses that follow it. */
  from: bigint;
  to: bigint;
  /** The access whose check it relies on; null: its own. */
  leader: Planned | null;
  /** Linear address at `from`. */
  at: Val | null;
}

const WIDEST = BigInt(WINDOW_SIZES[WINDOW_SIZES.length - 1]);

/** Leaves an access to a check before it, where one is or can be made wide enough. */
function join(leaders: Map<Val | null, Planned[]>, base: Val | null, p: Planned): void {
  const known = leaders.get(base) ?? [];
  for (const l of known) {
    const from = p.from < l.from ? p.from : l.from;
    const to = p.to > l.to ? p.to : l.to;
    if (l.window !== p.window || to - from > WIDEST) continue;
    l.from = from;
    l.to = to;
    p.leader = l;
    return;
  }
  known.push(p);
  leaders.set(base, known);
}

const nothing = (): void => undefined;
/** The window for an access, by where its instruction went last; −1: through the TLB. `wandering`: as the job has it. */
function windowFor(
  { windows, stack, view }: CompileRequest,
  wandering: ReadonlySet<number>,
  { instruction, first, rec }: DecodedInstruction,
  access: 'r' | 'w',
): number {
  if (wandering.has(first)) return -1;
  const onStack = instruction.flow === 'call' ? access === 'w' : instruction.flow === 'return';
  if (onStack) return stack;
  const address = Number(view.getBigUint64(rec + R.accessed, true));
  const holds = ({ lo, hi }: WindowExtent): boolean => address >= lo && address < hi;
  const found = windows.findIndex((w) => w.write && holds(w));
  return found >= 0 || access === 'w' ? found : windows.findIndex(holds);
}

/** What is known where a block goes on. */
export interface Onward {
  readonly knowledge: Knowledge;
  readonly leaders: ReadonlyMap<Val | null, readonly Planned[]>;
}

/** The accesses of a block in their order, and what is known on each way out of it. */
export interface Plan {
  readonly accesses: readonly Planned[];
  readonly direct: Onward | null;
  readonly fallThrough: Onward | null;
  readonly indirect: Onward | null;
}

/**
 * Emits blocks once for nothing, to see their accesses: those that lie near each other, from the same value, are checked
 * with the first of them.
 */
export class Planner {
  private readonly isa: RegionIsa;
  private readonly request: CompileRequest;
  private readonly wandering: ReadonlySet<number>;
  private readonly signature: (kind: 'host' | 'helper', name: string) => Signature;
  private readonly fn = new Fn(['i32'], 'i32');
  private readonly cells: Cells;

  constructor(isa: RegionIsa, request: CompileRequest, signature: Planner['signature']) {
    this.isa = isa;
    this.request = request;
    this.wandering = new Set(request.wandering);
    this.signature = signature;
    this.cells = new Cells(this.fn, isa.cells);
  }

  /** Accesses of each cell in all blocks so far. */
  get uses(): readonly number[] {
    return this.cells.uses;
  }

  /** `from`: the only way to the block is from one that was planned before. */
  plan(block: Block, from: Onward | null): Plan {
    const { isa, request, wandering, signature, fn, cells } = this;
    const accesses: Planned[] = [];
    const leaders = new Map<Val | null, Planned[]>(
      [...(from?.leaders ?? [])].map(([base, l]) => [base, [...l]]),
    );
    if (from) cells.resume(from.knowledge);
    else cells.forget();
    const ways: { -readonly [K in 'direct' | 'fallThrough' | 'indirect']: Onward | null } = {
      direct: null, fallThrough: null, indirect: null,
    }; // prettier-ignore
    const on = (way: keyof typeof ways) => (): void => {
      ways[way] = {
        knowledge: cells.knowledge,
        leaders: new Map([...leaders].map(([base, l]) => [base, [...l]])),
      };
    };
    const flow: Flow = {
      aside: nothing,
      missed: nothing,
      unusual: nothing,
      leave: nothing,
      direct: on('direct'),
      fallThrough: on('fallThrough'),
      indirect: on('indirect'),
    };
    const site =
      (d: DecodedInstruction): RegionContext['site'] =>
      (address, size, access) => {
        const { base, by } =
          address.op === 'const' ? { base: null, by: constantOf(address) } : termsOf(address);
        const p: Planned = {
          window: WINDOW_SIZES.includes(size as 1) ? windowFor(request, wandering, d, access) : -1,
          by, from: by, to: by + BigInt(size), at: null, leader: null,
        }; // prettier-ignore
        accesses.push(p);
        // What is computed inside an instruction's own branches is not there behind them.
        if (p.window >= 0 && cells.depth === 0) join(leaders, base, p);
        return { kind: 'tlb' };
      };
    for (const d of block.instructions)
      d.instruction.emit({
        fn, cells, flow, view: request.view, rec: d.rec, fuses: isa.fuses,
        callee: (kind, name) => ({ index: 0, result: signature(kind, name).result }),
        derived: { spill: nothing, fill: nothing },
        fails: () => !request.settled || wandering.has(d.first + UNUSUAL),
        site: site(d),
        usesCells: isa.usesCells.bind(isa),
      }); // prettier-ignore
    return { accesses, ...ways };
  }
}

interface WindowLocals {
  readonly lo: Var;
  readonly delta: Var;
  /** By size. */
  readonly limits: (Var | undefined)[];
}

/** How a region's accesses find their bytes. */
export class Sites {
  private readonly fn: Fn;
  /** Windows' fields are read where they are needed, not once when the region is entered. */
  private readonly inMemory: boolean;
  private readonly windows = new Map<number, WindowLocals>();

  constructor(fn: Fn, inMemory: boolean) {
    this.fn = fn;
    this.inMemory = inMemory;
  }

  /** To be asked for each access of a block in their order. */
  of(accesses: readonly Planned[]): RegionContext['site'] {
    let next = 0;
    return () => {
      const p = accesses[next++];
      if (p.window < 0) return { kind: 'tlb' };
      if (p.leader) return { kind: 'known', at: p.leader.at!, by: Number(p.by - p.leader.from) };
      const field = WINDOW_SIZES.findIndex((size) => size >= Number(p.to - p.from));
      return {
        kind: 'window',
        ...(this.inMemory ? this.fields(p.window, field) : this.locals(p.window, field)),
        before: Number(p.by - p.from),
        found: (at) => {
          p.at = at;
        },
      };
    };
  }

  private load(name: string, window: number, offset: number): Val {
    return this.fn.op(name, [this.fn.konst('i32', 0)], WINDOWS + window * WINDOW_BYTES + offset);
  }

  private fields(window: number, field: number): { lo: Val; delta: Val; limit: Val } {
    return {
      lo: this.load('i64.load', window, W.lo),
      delta: this.load('i32.load', window, W.delta),
      limit: this.load('i64.load', window, W.limits + 8 * field),
    };
  }

  private locals(i: number, field: number): { lo: Val; delta: Val; limit: Val } {
    const { fn } = this;
    let w = this.windows.get(i);
    if (!w) this.windows.set(i, (w = { lo: fn.var('i64'), delta: fn.var('i32'), limits: [] }));
    const limit = (w.limits[field] ??= fn.var('i64'));
    return { lo: fn.get(w.lo), delta: fn.get(w.delta), limit: fn.get(limit) };
  }

  /** The fields into their locals: they only change while no compiled code runs. */
  fill(): void {
    const { fn } = this;
    for (const [i, w] of this.windows) {
      fn.set(w.lo, this.load('i64.load', i, W.lo));
      fn.set(w.delta, this.load('i32.load', i, W.delta));
      w.limits.forEach((limit, k) => {
        if (limit) fn.set(limit, this.load('i64.load', i, W.limits + 8 * k));
      });
    }
  }
}
