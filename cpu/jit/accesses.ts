/** How the memory accesses of a block are made: which window or the TLB, and which of them are checked together. */
import { constantOf, termsOf } from '../builder.ts';
import { R, UNUSUAL, WINDOW_SIZES } from '../layout.ts';
import { Fn, type Val } from '../wasm/function.ts';
import type { Block, DecodedInstruction } from './blocks.ts';
import { Cells } from './cells.ts';
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
const NOWHERE: Flow = {
  aside: nothing,
  missed: nothing,
  unusual: nothing,
  leave: nothing,
  direct: nothing,
  fallThrough: nothing,
  indirect: nothing,
};

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

/**
 * Emits a block once for nothing, to see its accesses in their order: those that lie near each other, from the same value,
 * are checked with the first of them. `uses`: how often each cell is accessed, added to.
 */
export function planAccesses(
  block: Block,
  isa: RegionIsa,
  request: CompileRequest,
  wandering: ReadonlySet<number>,
  signature: (kind: 'host' | 'helper', name: string) => Signature,
  uses: number[],
): Planned[] {
  const fn = new Fn(['i32'], 'i32');
  const cells = new Cells(fn, isa.cells);
  const out: Planned[] = [];
  const leaders = new Map<Val | null, Planned[]>();
  const site =
    (d: DecodedInstruction): RegionContext['site'] =>
    (address, size, access) => {
      const { base, by } =
        address.op === 'const' ? { base: null, by: constantOf(address) } : termsOf(address);
      const p: Planned = {
        window: WINDOW_SIZES.includes(size as 1) ? windowFor(request, wandering, d, access) : -1,
        by, from: by, to: by + BigInt(size), at: null, leader: null,
      }; // prettier-ignore
      out.push(p);
      // What is computed inside an instruction's own branches is not there behind them.
      if (p.window >= 0 && cells.depth === 0) join(leaders, base, p);
      return { kind: 'tlb' };
    };
  for (const d of block.instructions)
    d.instruction.emit({
      fn, cells, flow: NOWHERE, view: request.view, rec: d.rec, fuses: isa.fuses,
      callee: (kind, name) => ({ index: 0, result: signature(kind, name).result }),
      derived: { spill: nothing, fill: nothing },
      fails: () => !request.settled || wandering.has(d.first + UNUSUAL),
      site: site(d),
      usesCells: isa.usesCells.bind(isa),
    }); // prettier-ignore
  cells.uses.forEach((n, i) => {
    uses[i] = (uses[i] ?? 0) + n;
  });
  return out;
}
