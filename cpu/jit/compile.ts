/** Turns a region into a WebAssembly module with one function, of the type of the interpreter's handlers. */
import {
  COUNTERS, CROSSINGS, CROSSING_COUNT, CROSSING_SIZE, EXIT, EXIT_CAUSES, MISSES, R, S, STATE, UNUSUAL, type ExitCause,
} from '../layout.ts'; // prettier-ignore
import { GO, JUMP_CACHE_ENTRIES, SETTLE } from '../interp/helpers.ts';
import { Fn, type Label, type Val, type Var } from '../wasm/function.ts';
import { ModuleWriter } from '../wasm/module.ts';
import { BlockReader, type DecodedInstruction } from './blocks.ts';
import { Arithmetic, Cells, type Knowledge } from './cells.ts';
import { Planner, Sites, type Onward, type Plan } from './accesses.ts';
import { structure, type Structure } from './graph.ts';
import type { CompileJob } from './job.ts';
import type { RegionIsa, Signature, StateAccess } from './isa.ts';
import { regionListing } from './listing.ts';
import { growRegion, type Exit, type Region, type RegionNode } from './region.ts';
import type { Callee, Flow } from './region-builder.ts';

/** `view`: what holds the job's records, each at its address. */
export interface CompileRequest extends CompileJob {
  readonly view: DataView;
  /** Instructions it may have. */
  readonly most?: number;
}

export interface CompiledRegion {
  readonly listing?: string;
  readonly bytes: Uint8Array;
  /** Functions it imports: "host" and "helper" with their names. */
  readonly imports: readonly (readonly ['host' | 'helper', string])[];
  /** Head records of the blocks it may be entered at, and the number of each entry. */
  readonly entries: readonly { readonly pc: number; readonly head: number; readonly id: number }[];
  /** Guest addresses of all blocks in it. */
  readonly blocks: readonly number[];
  /** Those that are in it for a call alone. */
  readonly copies: ReadonlySet<number>;
  /** First and last records of these. */
  readonly records: readonly (readonly [number, number])[];
  /** Records of its indirect jumps and calls, returns apart, each with the places it was known to go to. */
  readonly indirect: ReadonlyMap<number, readonly number[]>;
  readonly instructions: number;
  /** It has arithmetic that could be faster once results are known to have been inexact. */
  readonly unsettled: boolean;
}

/** What the common exit does: the interpreter goes on at a record, a link is followed, or `run` comes back. */
const ASIDE = 0;
const LINK = 1;
const LEAVE = 2;
/** As ASIDE, and it is noted. */
const MISSED = 3;
/** On at a record, which may be another region's. */
const JUMP = 4;

/** null: there is nothing to compile at the seeds, or too much. */
export function compileRegion(isa: RegionIsa, request: CompileRequest): CompiledRegion | null {
  const reader = new BlockReader(isa, request);
  const region = growRegion(reader, request.seeds, new Set(request.keep));
  if (region.nodes.length === 0 || region.instructions > (request.most ?? Infinity)) return null;
  return new RegionEmitter(isa, request, reader, region).emit();
}

/** Instructions of a region that is entered and left more often than it goes round. */
const LARGE = 200;
/** A cell is kept in a local when one instruction in so many uses it. */
const OFTEN = 40;

/** It goes where only samples can tell. */
const leads = ({ block }: RegionNode): boolean => block.ways.indirect && block.flow !== 'return';

/** Nodes that are reached from one other node, by one way and never from outside, with that other. */
function onlyWays(nodes: readonly RegionNode[]): Map<RegionNode, RegionNode> {
  const from = new Map<RegionNode, RegionNode | null>();
  for (const n of nodes) for (const s of n.successors) from.set(s, from.has(s) ? null : n);
  return new Map([...from].filter((e): e is [RegionNode, RegionNode] => e[1] !== null && !e[0].dispatched));
}

/** What is known on the way from one node to another. */
function wayOn(plan: Plan, from: RegionNode, to: RegionNode): Onward | null {
  if (from.direct?.node === to) return plan.direct;
  return from.fallThrough?.node === to ? plan.fallThrough : plan.indirect;
}

class RegionEmitter {
  private readonly isa: RegionIsa;
  private readonly request: CompileRequest;
  private readonly reader: BlockReader;
  private readonly region: Region;
  private readonly fn = new Fn(['i32'], 'i32');
  private readonly cells: Cells;
  private readonly module = new ModuleWriter();
  private readonly callees = new Map<string, Callee>();
  private readonly imports: ['host' | 'helper', string][] = [];
  private readonly structure: Structure<RegionNode>;
  private readonly labels = new Map<RegionNode, Label>();
  private readonly loopLabels = new Map<RegionNode, Label>();
  private readonly ids = new Map<RegionNode, number>();
  private readonly sites: Sites;
  private readonly wandering: ReadonlySet<number>;
  private unsettled = false;
  private readonly plans = new Map<RegionNode, Plan>();
  /** Blocks reached from one other alone, with that one; and what is known on the way, once it is emitted. */
  private readonly onlyWays: ReadonlyMap<RegionNode, RegionNode>;
  private readonly known = new Map<RegionNode, Knowledge>();
  /** Accesses of each cell in the whole region. */
  private readonly uses: readonly number[];
  /** Entering and leaving it must be cheap: what is not used everywhere stays in memory. */
  private readonly large: boolean;
  private dispatcher!: Label;
  private exit!: Label;
  /** To the exit for instructions that the interpreter has to carry out; `missed`: because a supposition failed. */
  private asideExit!: Label;
  private missed!: Label;
  private readonly fuel: Var;
  private readonly next: Var;
  /** What the common exit is to do, and with what. */
  private readonly how: Var;
  private readonly rec: Var;
  private readonly info: Var;
  private readonly pc: Var;
  /** Which kind of supposition failed; 0 unless set. */
  private readonly kind: Var;

  constructor(isa: RegionIsa, request: CompileRequest, reader: BlockReader, region: Region) {
    this.isa = isa;
    this.request = request;
    this.reader = reader;
    this.region = region;
    this.wandering = new Set(request.wandering);
    const { fn } = this;
    this.large = region.instructions > LARGE;
    this.structure = structure(region.nodes);
    this.onlyWays = onlyWays(region.nodes);
    const planner = new Planner(isa, request, (kind, name) => this.signature(kind, name));
    const plan = (parent: RegionNode | null): void => {
      for (const n of this.structure.children.get(parent)!) {
        const from = this.onlyWays.get(n);
        this.plans.set(n, planner.plan(n.block, from ? wayOn(this.plans.get(from)!, from, n) : null));
        plan(n);
      }
    };
    plan(null);
    this.uses = planner.uses;
    this.cells = new Cells(fn, isa.cells, this.rarelyUsed());
    this.sites = new Sites(fn, this.large || this.structure.loops.size === 0);
    this.fuel = fn.var('i32');
    this.next = fn.var('i32');
    this.how = fn.var('i32');
    this.rec = fn.var('i32');
    this.info = fn.var('i32');
    this.pc = fn.var('i64');
    this.kind = fn.var('i32');
    for (const n of region.nodes) if (n.dispatched) this.ids.set(n, this.ids.size);
  }

  /** Flags and the like between locals and memory. */
  private readonly derived = {
    spill: (): void => {
      this.isa.spillDerived(this.access());
    },
    fill: (): void => {
      this.isa.fillDerived(this.access());
    },
  };

  private access(): StateAccess {
    return {
      b: new Arithmetic(this.fn),
      cells: this.cells,
      load: (name, offset) => this.stateLoad(name, offset),
      store: (name, offset, value) => {
        this.stateStore(name, offset, value);
      },
    };
  }

  emit(): CompiledRegion {
    const { fn, module, request } = this;
    fn.block((exit) => {
      this.exit = exit;
      fn.block((missed) => {
        this.missed = missed;
        fn.block((aside) => {
          this.asideExit = aside;
          fn.loop((again) => {
            this.dispatcher = again;
            this.emitTree(null, () => {
              this.dispatch();
            });
          });
        });
        // Records in the middle of blocks have their own handlers always.
        fn.set(this.info, fn.op('i32.load16_u', [fn.get(this.rec)], R.handler));
        fn.set(this.how, this.i32(ASIDE));
        fn.br(exit);
      });
      fn.set(this.info, fn.op('i32.load16_u', [fn.get(this.rec)], R.handler));
      fn.set(this.how, this.i32(MISSED));
    });
    this.emitExit();
    fn.prologue(() => {
      this.cells.fill();
      if (this.cells.derivedUsed) this.derived.fill();
      this.sites.fill();
      fn.set(this.fuel, this.stateLoad('i32.load', S.fuel));
      fn.set(this.next, fn.op('i32.load16_u', [fn.param(0)], R.entry));
      this.count('entered');
    });
    const index = module.declare('region', ['i32'], 'i32');
    module.define(index, fn);
    module.export('region', index);
    const entries = [...this.ids].filter(([n]) => n.entry);
    const { nodes } = this.region;
    const blocks = new Set(nodes.map((n) => n.block.pc));
    const own = new Set(nodes.filter((n) => !n.context).map((n) => n.block.pc));
    const bytes = module.encode(request.pages, request.pages, false);
    return {
      bytes,
      ...(request.bytes ? { listing: this.listing(request.bytes) } : {}),
      imports: this.imports,
      entries: entries.map(([n, id]) => ({ pc: n.block.pc, head: n.block.head, id })),
      blocks: [...blocks],
      copies: new Set([...blocks].filter((pc) => !own.has(pc))),
      records: this.region.nodes.map((n) => [n.block.head, n.block.end] as const),
      indirect: new Map(
        this.region.nodes.filter(leads).map((n) => [n.block.end, this.reader.targets(n.block)]),
      ),
      instructions: this.region.instructions,
      unsettled: this.unsettled,
    };
  }

  private listing(bytes: ReadonlyMap<number, Uint8Array>): string {
    const { request, region, fn, ids: entries, imports } = this;
    return regionListing({
      seeds: request.seeds, region, fn, entries, imports, view: request.view, bytes,
    }); // prettier-ignore
  }

  // ---- structure

  private emitTree(n: RegionNode | null, own: () => void): void {
    const { fn } = this;
    const children = this.structure.children.get(n)!;
    const nest = (i: number): void => {
      if (i < 0) {
        own();
        return;
      }
      const child = children[i];
      fn.block((label) => {
        this.labels.set(child, label);
        nest(i - 1);
      });
      this.emitNode(child);
    };
    nest(children.length - 1);
  }

  private emitNode(n: RegionNode): void {
    const tree = (): void => {
      this.emitTree(n, () => {
        this.emitBlock(n);
      });
    };
    if (!this.structure.loops.has(n)) {
      tree();
      return;
    }
    this.fn.loop((again) => {
      this.loopLabels.set(n, again);
      tree();
    });
  }

  private dispatch(): void {
    const { fn } = this;
    const targets = [...this.ids.keys()].map((n) => this.labels.get(n)!);
    if (targets.length === 1) fn.br(targets[0]);
    else fn.brTable(fn.get(this.next), targets.slice(0, -1), targets[targets.length - 1]);
  }

  // ---- blocks

  private emitBlock(n: RegionNode): void {
    const known = this.known.get(n);
    if (known) this.cells.resume(known);
    else this.cells.forget();
    const { instructions, cut, end } = n.block;
    const site = this.sites.of(this.plans.get(n)!.accesses);
    for (const d of instructions) {
      d.instruction.emit({
        fn: this.fn,
        cells: this.cells,
        flow: this.flow(n, d),
        view: this.request.view,
        rec: d.rec,
        fuses: this.isa.fuses,
        callee: (kind, name) => this.callee(kind, name),
        derived: this.derived,
        fails: this.fails(d),
        site,
        usesCells: this.isa.usesCells.bind(this.isa),
      });
    }
    if (cut) this.aside('interpreter', end, 0, -1);
  }

  /** Is an instruction's arithmetic to look after everything itself? Asked where there is any. */
  private fails(d: DecodedInstruction): () => boolean {
    return () => {
      this.unsettled ||= !this.request.settled;
      return this.unsettled || this.wandering.has(d.first + UNUSUAL);
    };
  }

  /** Vector registers of a large region that few of its instructions touch. */
  private rarelyUsed(): ReadonlySet<number> {
    const rare = new Set<number>();
    if (!this.large) return rare;
    this.isa.cells.cells.forEach((c, i) => {
      if (c.type === 'v128' && this.uses[i] * OFTEN < this.region.instructions) rare.add(i);
    });
    return rare;
  }

  private flow(n: RegionNode, d: DecodedInstruction): Flow {
    const { view } = this.request;
    const { block } = n;
    return {
      aside: () => {
        this.aside('memory', d.first, d.firstHandler, n.block.head);
      },
      missed: () => {
        this.aside('memory', d.first, d.firstHandler, n.block.head, 0);
      },
      unusual: () => {
        this.aside('numbers', d.first, d.firstHandler, n.block.head, UNUSUAL);
      },
      leave: (exit, counts) => {
        if (counts) this.retire(d.rec);
        this.leave(exit, d.rec, this.i64(this.reader.u64(d.rec + R.pc)));
      },
      direct: () => {
        const left = this.retire(block.end);
        const target = n.direct ?? { pc: this.reader.directTarget(block), node: null };
        if (view.getUint8(block.end + R.backward)) this.preemptIf(left, block.end, this.i64(target.pc));
        this.go(n, target, R.link0);
      },
      fallThrough: () => {
        this.retire(block.end);
        this.go(n, n.fallThrough ?? { pc: this.reader.next(block), node: null }, R.link1);
      },
      indirect: (target) => {
        const left = this.retire(block.end);
        this.preemptIf(left, block.end, target);
        for (const e of n.expected) {
          const { node } = e;
          if (!node) continue;
          this.fn.if(this.op('i64.eq', target, this.i64(e.pc)), () => {
            this.branch(n, node);
          });
        }
        this.lookUp(n, target);
      },
    };
  }

  /** Counts the block's instructions; returns what is left. */
  private retire(rec: number): Val {
    const { fn } = this;
    const count = this.request.view.getUint16(rec + R.count, true);
    const left = this.op('i32.sub', fn.get(this.fuel), this.i32(count));
    fn.set(this.fuel, left);
    return left;
  }

  private preemptIf(left: Val, rec: number, target: Val): void {
    this.fn.if(this.op('i32.lt_s', left, this.i32(0)), () => {
      this.leave(EXIT.preempt, rec, target);
    });
  }

  private go(from: RegionNode, to: Exit, link: number): void {
    if (to.node) {
      this.branch(from, to.node);
      return;
    }
    this.leaveBy('link', LINK, this.i32(from.block.end), this.i32(link), this.i64(to.pc));
  }

  private branch(from: RegionNode, to: RegionNode): void {
    const { fn } = this;
    if (this.onlyWays.get(to) === from) this.known.set(to, this.cells.knowledge);
    switch (this.structure.edge(from, to)) {
      case 'forward':
        fn.br(this.labels.get(to)!);
        return;
      case 'back':
        fn.br(this.loopLabels.get(to)!);
        return;
      default:
        fn.set(this.next, this.i32(this.ids.get(to)!));
        fn.br(this.dispatcher);
    }
  }

  /** The jump cache: to another entry of this region, to other code, or out to have it found. */
  private lookUp(n: RegionNode, target: Val): void {
    const { fn } = this;
    const low = this.op('i32.wrap_i64', target);
    const mixed = this.op('i32.xor', low, this.op('i32.shr_u', low, this.i32(11)));
    const slot = this.op('i32.shl', this.op('i32.and', mixed, this.i32(JUMP_CACHE_ENTRIES - 1)), this.i32(4));
    const entry = this.op('i32.add', this.stateLoad('i32.load', S.jumpCache), slot);
    fn.if(this.op('i64.eq', fn.op('i64.load', [entry]), target), () => {
      const to = fn.op('i32.load', [entry], 8);
      const handler = fn.op('i32.load16_u', [to], R.handler);
      fn.if(this.op('i32.eq', handler, this.i32(this.request.slot)), () => {
        fn.set(this.next, fn.op('i32.load16_u', [to], R.entry));
        fn.br(this.dispatcher);
      });
      this.leaveBy('indirect', JUMP, to, handler);
    });
    this.leaveBy('lookup', LEAVE, this.i32(n.block.end), this.i32(EXIT.lookup), target);
  }

  // ---- leaving

  /** The interpreter carries on at a record. `failed`: because of a supposition of that kind. */
  private aside(
    cause: ExitCause,
    rec: number,
    handler: number,
    head: number,
    failed?: 0 | typeof UNUSUAL,
  ): void {
    const missed = failed !== undefined;
    if (failed) this.fn.set(this.kind, this.i32(failed));
    if (rec === head) {
      // A region may have taken its handler's place.
      this.leaveBy(cause, missed ? MISSED : ASIDE, this.i32(rec), this.i32(handler));
      return;
    }
    this.count(cause);
    this.fn.set(this.rec, this.i32(rec));
    this.fn.br(missed ? this.missed : this.asideExit);
  }

  private leave(exit: number, rec: number, pc: Val): void {
    this.leaveBy(exit === EXIT.preempt ? 'preempt' : 'other', LEAVE, this.i32(rec), this.i32(exit), pc);
  }

  private leaveBy(cause: ExitCause, how: number, rec: Val, info: Val, pc?: Val): void {
    const { fn } = this;
    this.count(cause);
    fn.set(this.how, this.i32(how));
    fn.set(this.rec, rec);
    fn.set(this.info, info);
    if (pc) fn.set(this.pc, pc);
    fn.br(this.exit);
  }

  private count(cause: ExitCause, by: Val = this.fn.konst('i64', 1)): void {
    if (!this.request.counts) return;
    const { fn } = this;
    const at = COUNTERS + 8 * EXIT_CAUSES.indexOf(cause);
    const n = fn.op('i64.load', [this.i32(0)], at);
    fn.effect('i64.store', [this.i32(0), this.op('i64.add', n, by)], at);
  }

  private emitExit(): void {
    const { fn } = this;
    const go = this.callee('helper', GO.name).index;
    this.cells.forget();
    this.cells.spill();
    if (this.cells.derivedDirty) this.derived.spill();
    if (this.request.counts) {
      // What it had when it was entered is still in memory.
      const used = this.op('i32.sub', this.stateLoad('i32.load', S.fuel), fn.get(this.fuel));
      this.count('instructions', this.op('i64.extend_i32_s', used));
    }
    this.stateStore('i32.store', S.fuel, fn.get(this.fuel));
    const rec = fn.get(this.rec);
    const info = fn.get(this.info);
    const how = fn.get(this.how);
    const call = (name: string, ...args: Val[]): void => {
      fn.call(this.callee('helper', name).index, null, args);
    };
    const goOn = (to: Val, handler: Val): void => {
      fn.if(
        this.op('i32.lt_u', handler, this.i32(this.request.firstSlot)),
        () => {
          call('leaked', to);
          call(SETTLE);
        },
        () => {
          this.noteCrossing(to);
        },
      );
      fn.tailCall(go, [to, handler]);
    };
    fn.if(this.op('i32.eq', how, this.i32(JUMP)), () => {
      goOn(rec, info);
    });
    const follows = this.op('i32.eq', how, this.i32(LINK));
    fn.if(follows, () => {
      const link = fn.op('i32.load', [this.op('i32.add', rec, info)]);
      fn.if(link, () => {
        goOn(link, fn.op('i32.load16_u', [link], R.handler));
      });
    });
    call(SETTLE);
    fn.if(this.op('i32.eq', how, this.i32(MISSED)), () => {
      call('missed', this.op('i32.add', rec, fn.get(this.kind)));
      fn.tailCall(go, [rec, info]);
    });
    fn.if(this.op('i32.eqz', how), () => {
      fn.tailCall(go, [rec, info]);
    });
    this.stateStore('i64.store', S.rip, fn.get(this.pc));
    this.stateStore('i32.store', S.exitRec, rec);
    // Where a link is to be written when the target is found; none for an indirect jump.
    this.stateStore('i32.store', S.faultAccess, fn.select(follows, info, this.i32(0)));
    fn.return(fn.select(follows, this.i32(EXIT.lookup), info));
  }

  private noteCrossing(to: Val): void {
    const { fn } = this;
    const n = fn.op('i32.load', [this.i32(0)], CROSSING_COUNT);
    fn.effect('i32.store', [this.i32(0), this.op('i32.add', n, this.i32(1))], CROSSING_COUNT);
    const at = this.op('i32.mul', this.op('i32.and', n, this.i32(MISSES - 1)), this.i32(CROSSING_SIZE));
    fn.effect('i32.store', [at, to], CROSSINGS);
    fn.effect('i32.store', [at, this.i32(this.request.slot)], CROSSINGS + 4);
  }

  // ---- shorthand

  private callee(kind: 'host' | 'helper', name: string): Callee {
    const key = `${kind} ${name}`;
    const known = this.callees.get(key);
    if (known) return known;
    const f = this.signature(kind, name);
    const callee: Callee = {
      index: this.module.importFunction(kind, name, f.params, f.result),
      result: f.result,
    };
    this.imports.push([kind, name]);
    this.callees.set(key, callee);
    return callee;
  }

  private signature(kind: 'host' | 'helper', name: string): Signature {
    if (name === GO.name) return GO;
    const f = kind === 'host' ? this.isa.host.find((h) => h.name === name) : this.isa.helpers.get(name);
    if (!f) throw new Error(`no ${kind} function ${name}`);
    return f;
  }

  private op(name: string, ...args: Val[]): Val {
    return this.fn.op(name, args);
  }
  private i32(n: number): Val {
    return this.fn.konst('i32', n);
  }
  private i64(n: number): Val {
    return this.fn.konst('i64', n);
  }
  private stateLoad(name: string, offset: number): Val {
    return this.fn.op(name, [this.i32(0)], STATE + offset);
  }
  private stateStore(name: string, offset: number, value: Val): void {
    this.fn.effect(name, [this.i32(0), value], STATE + offset);
  }
}
