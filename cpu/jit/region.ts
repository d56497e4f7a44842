/**
 * Which blocks make a region: what is reached from its seed by ways that were taken, short callees once for each call
 * (so that their returns are ordinary jumps), long ones not at all.
 */
import { R } from '../layout.ts';
import type { Block, BlockReader } from './blocks.ts';
import type { FlowNode } from './graph.ts';

/** Bounds of one region. */
export const LIMITS = { nodes: 200, instructions: 1000, calleeBlocks: 24, calleeInstructions: 200, depth: 3 };

/** Calls a node is inside of, as copies within the region. */
interface Context {
  readonly id: number;
  readonly returnTo: number;
  readonly parent: Context | null;
  readonly depth: number;
}

/** A way out of a block: within the region, or (node null) out of it. */
export interface Exit {
  readonly pc: number;
  node: RegionNode | null;
}

export class RegionNode implements FlowNode {
  readonly id: number;
  readonly block: Block;
  readonly context: Context | null;
  direct: Exit | null = null;
  fallThrough: Exit | null = null;
  /** Places an indirect jump is compared with first. */
  readonly expected: Exit[] = [];
  dispatched = false;
  /** The rest of the machine may enter here. */
  entry = false;

  constructor(id: number, block: Block, context: Context | null) {
    this.id = id;
    this.block = block;
    this.context = context;
  }

  get successors(): readonly RegionNode[] {
    const out: RegionNode[] = [];
    for (const e of [this.direct, this.fallThrough, ...this.expected]) if (e?.node) out.push(e.node);
    return out;
  }
}

export interface Region {
  readonly nodes: readonly RegionNode[];
  readonly instructions: number;
}

/** `keep`: blocks that belong to it however long ago the way to them was taken. */
export function growRegion(reader: BlockReader, seeds: readonly number[], keep: ReadonlySet<number>): Region {
  const grower = new Grower(reader, keep);
  for (const pc of seeds) {
    const n = grower.node(pc, null);
    if (n) grower.enter(n);
  }
  grower.run();
  return { nodes: grower.nodes, instructions: grower.instructions };
}

class Grower {
  readonly nodes: RegionNode[] = [];
  instructions = 0;
  private readonly reader: BlockReader;
  private readonly keep: ReadonlySet<number>;
  private readonly byKey = new Map<string, RegionNode>();
  private readonly queue: RegionNode[] = [];
  private contexts = 0;
  private readonly sizes = new Map<number, { blocks: number; instructions: number } | null>();

  constructor(reader: BlockReader, keep: ReadonlySet<number>) {
    this.reader = reader;
    this.keep = keep;
  }

  /** Is the way at a link field of the block part of what runs? */
  private runs(block: Block, link: number, to: number): boolean {
    return this.reader.taken(block, link, to) || this.keep.has(to);
  }

  node(pc: number, context: Context | null): RegionNode | null {
    const key = `${pc}:${context?.id ?? 0}`;
    const known = this.byKey.get(key);
    if (known) return known;
    // Copies for a call are short; anything else is compiled in one large region only.
    if (!context && this.nodes.length > 0 && !this.keep.has(pc) && this.reader.isElsewhere(pc)) return null;
    const block = this.reader.at(pc);
    if (!block) return null;
    const full =
      this.nodes.length >= LIMITS.nodes ||
      this.instructions + block.instructions.length > LIMITS.instructions;
    if (full && this.nodes.length > 0) return null;
    const n = new RegionNode(this.nodes.length, block, context);
    this.nodes.push(n);
    this.byKey.set(key, n);
    this.queue.push(n);
    this.instructions += block.instructions.length;
    return n;
  }

  enter(n: RegionNode): void {
    n.entry = true;
    n.dispatched = true;
  }

  run(): void {
    for (let n = this.queue.shift(); n; n = this.queue.shift()) this.extend(n);
    // Ways never taken so far may lead to what is in the region for other reasons.
    for (const n of this.nodes)
      for (const e of [n.direct, n.fallThrough])
        if (e && !e.node) e.node = this.byKey.get(`${e.pc}:${n.context?.id ?? 0}`) ?? null;
  }

  private extend(n: RegionNode): void {
    const { block, context } = n;
    const { reader } = this;
    const { ways } = block;
    if (block.flow === 'call') {
      this.call(n);
      return;
    }
    if (ways.direct) {
      const pc = reader.directTarget(block);
      n.direct = { pc, node: this.runs(block, R.link0, pc) ? this.node(pc, context) : null };
    }
    if (ways.fallThrough) {
      const pc = reader.next(block);
      n.fallThrough = { pc, node: this.runs(block, R.link1, pc) ? this.node(pc, context) : null };
    }
    if (!ways.indirect) return;
    if (block.flow === 'return' && context) {
      n.expected.push({ pc: context.returnTo, node: this.node(context.returnTo, context.parent) });
      return;
    }
    if (block.flow === 'return') return;
    const targets = reader.targets(block);
    if (targets.length === 1) n.expected.push({ pc: targets[0], node: this.node(targets[0], context) });
    else
      for (const pc of targets) {
        const to = this.node(pc, null);
        if (to) this.enter(to);
      }
  }

  private call(n: RegionNode): void {
    const { reader } = this;
    const { block, context } = n;
    const returnTo = reader.next(block);
    const targets = block.ways.direct
      ? this.runs(block, R.link0, reader.directTarget(block))
        ? [reader.directTarget(block)]
        : []
      : reader.targets(block);
    const callee = targets[0];
    const wayTo = (node: RegionNode | null): void => {
      if (block.ways.direct) n.direct = { pc: reader.directTarget(block), node };
      else if (node) n.expected.push({ pc: callee, node });
    };
    if (callee !== undefined && this.isShort(callee, context)) {
      wayTo(
        this.node(callee, {
          id: ++this.contexts,
          returnTo,
          parent: context,
          depth: (context?.depth ?? 0) + 1,
        }),
      );
      return;
    }
    // A long callee is there once, and returns through the dispatcher.
    const long = callee === undefined ? null : this.node(callee, null);
    if (long) this.enter(long);
    wayTo(long);
    const back = this.node(returnTo, null);
    if (back) this.enter(back);
  }

  /** Is the function at `pc` to be copied into the region? */
  private isShort(pc: number, context: Context | null): boolean {
    const size = this.measure(pc, new Set(), (context?.depth ?? 0) + 1);
    return (
      size !== null &&
      this.nodes.length + size.blocks < LIMITS.nodes &&
      this.instructions + size.instructions < LIMITS.instructions
    );
  }

  /** Blocks and instructions of a function and what it calls; null when it is too long, recursive or leaves for elsewhere. */
  private measure(
    pc: number,
    within: Set<number>,
    depth: number,
  ): { blocks: number; instructions: number } | null {
    if (depth > LIMITS.depth || within.has(pc)) return null;
    const known = this.sizes.get(pc);
    if (known !== undefined) return known;
    within.add(pc);
    const size = this.walk(pc, within, depth);
    within.delete(pc);
    this.sizes.set(pc, size);
    return size;
  }

  private walk(
    pc: number,
    within: Set<number>,
    depth: number,
  ): { blocks: number; instructions: number } | null {
    const { reader } = this;
    const size = { blocks: 0, instructions: 0 };
    const seen = new Set([pc]);
    const queue = [pc];
    const go = (to: number): void => {
      if (!seen.has(to)) {
        seen.add(to);
        queue.push(to);
      }
    };
    let returns = false;
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      const b = reader.at(at);
      if (!b) return null;
      size.blocks++;
      size.instructions += b.instructions.length;
      if (size.blocks > LIMITS.calleeBlocks || size.instructions > LIMITS.calleeInstructions) return null;
      if (b.flow === 'call') {
        const callee = b.ways.direct ? reader.directTarget(b) : reader.targets(b)[0];
        const inner = callee === undefined ? null : this.measure(callee, within, depth + 1);
        if (!inner) return null;
        size.blocks += inner.blocks;
        size.instructions += inner.instructions;
        go(reader.next(b));
        continue;
      }
      if (b.flow === 'return') returns = true;
      else if (b.ways.indirect) {
        const targets = reader.targets(b);
        if (targets.length !== 1) return null;
        go(targets[0]);
      }
      if (b.ways.direct && this.runs(b, R.link0, reader.directTarget(b))) go(reader.directTarget(b));
      if (b.ways.fallThrough && this.runs(b, R.link1, reader.next(b))) go(reader.next(b));
    }
    return returns ? size : null;
  }
}
