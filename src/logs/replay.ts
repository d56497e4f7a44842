/**
 * A log's calls on memory made again, one after another, in a kernel of ours with the same personality: does it return
 * what the log says? Nothing is taken over from the log but the calls themselves, and what must have been mapped before it
 * begins.
 */
import { personality } from '../../kernel/personality/personality.ts';
import type { AddressSpace } from '../../kernel/mm/address-space.ts';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_PRIVATE } from '../../kernel/mm/flags.ts';
import { pageUp } from '../../kernel/mm/layout.ts';
import { PROT_NONE } from '../../kernel/ports.ts';
import { View } from './check/finding.ts';
import { hasWideAddresses } from './check/mm.ts';
import { RangeSet } from './check/ranges.ts';
import { births, PerTask } from './check/tasks.ts';
import type { Log, LogCall, LogRun, Range } from './events.ts';
import { ModelKernel } from './model/kernel.ts';

/** Names of a personality and of quirks, as `ring3 run` takes them. */
export interface PersonalityChoice {
  readonly name?: string;
  readonly quirks?: readonly string[];
  readonly noQuirks?: readonly string[];
}

export interface ReplayedCall {
  readonly run: number;
  readonly call: LogCall;
  /** What our kernel returns, as strace prints it; "panic: …" where it stops. */
  readonly ours: string;
  readonly same: boolean;
  /** What had to be there already for this answer; null: nothing. */
  readonly assumed: Range | null;
}

/** Calls that are made again. */
const REPLAYED = new Set(['mmap', 'munmap', 'mprotect', 'mremap', 'brk']);
/** StarryOS's heap and stack, which every process has. */
const STARRY_TOP: Range = { start: 0x3fa00000, end: 0x40000000 };

interface Memory {
  readonly space: AddressSpace;
  /** What the calls so far were about. */
  readonly touched: RangeSet;
}

/** Throws PersonalityError for a name nobody knows. */
export function replayMemory(log: Log, choice: PersonalityChoice): ReplayedCall[] {
  const persona = personality(choice.name, choice.quirks, choice.noQuirks);
  const model = new ModelKernel(log.arch, { personality: persona });
  const upwards = placesUpwards(model);
  return log.runs.flatMap((run, i) => new Replay(run, i, model, upwards).calls());
}

/** Whether this kernel looks for room from the bottom up. */
function placesUpwards(model: ModelKernel): boolean {
  const space = model.emptyMemory();
  reserve(space, STARRY_TOP);
  const at = space.unmappedArea(0, 4096, 0);
  return at >= 0 && at < STARRY_TOP.start;
}

class Replay {
  private readonly run: LogRun;
  private readonly index: number;
  private readonly model: ModelKernel;
  /** Room is looked for from the bottom up. */
  private readonly upwards: boolean;
  private readonly memory: PerTask<Memory>;

  constructor(run: LogRun, index: number, model: ModelKernel, upwards: boolean) {
    this.run = run;
    this.index = index;
    this.model = model;
    this.upwards = upwards;
    const wide = hasWideAddresses(run.calls);
    const fresh = (): Memory => {
      const space = model.emptyMemory(wide);
      if (upwards) reserve(space, STARRY_TOP);
      return { space, touched: new RangeSet() };
    };
    const copy = (m: Memory): Memory => ({ space: m.space.fork(), touched: m.touched.copy() });
    this.memory = new PerTask(births(run), (b) => b.sharesMemory, fresh, copy);
  }

  calls(): ReplayedCall[] {
    const out: ReplayedCall[] = [];
    for (const e of this.run.events) {
      if (e.type !== 'exit') continue;
      const { call } = e;
      this.memory.returned(call);
      if (call.name === 'execve' && call.error === null) this.memory.renew(call.tid);
      if (REPLAYED.has(call.name) && call.nr !== null) out.push(this.again(call));
    }
    return out;
  }

  private again(call: LogCall): ReplayedCall {
    const { space, touched } = this.memory.get(call.tid);
    const c = new View(call);
    const [start, length] = [c.u64(0) ?? 0, pageUp(c.u64(1) ?? 0)];
    let assumed: Range | null = null;
    if (call.name === 'mmap') {
      if (!(c.u32(3)! & MAP_ANONYMOUS)) this.model.mappableFile(c.i32(4) ?? -1);
      assumed = this.before(c, space, touched, length);
    } else if (call.name === 'brk' && space.startBrk === 0) {
      space.startBrk = space.brk = Number(call.result ?? 0n);
    } else if (call.name === 'mprotect') this.fill(space, touched, start, start + length);
    const ours = this.ask(space, call);
    if (call.name === 'mmap' && c.ok) touched.add(c.result, c.result + length);
    else if (call.name !== 'brk') touched.add(start, start + length);
    const same = typeof ours === 'bigint' && ours === call.result;
    const shown = typeof ours === 'string' ? ours : this.model.text(call.nr!, values(call), ours).result;
    return { run: this.index, call, ours: shown, same, assumed };
  }

  private ask(space: AddressSpace, call: LogCall): bigint | string {
    const { model } = this;
    model.task.mm = space;
    try {
      return BigInt(model.ask(call.name, values(call)));
    } catch (e) {
      return `panic: ${e instanceof Error ? e.message : String(e)}`;
    }
  }

  /** The kernel went past a range nothing is known of: something was there. */
  private before(c: View, space: AddressSpace, touched: RangeSet, length: number): Range | null {
    const flags = c.u32(3) ?? 0;
    if (!this.upwards || !c.ok || flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) return null;
    const start = space.unmappedArea(c.u64(0) ?? 0, length, flags);
    const end = c.result;
    if (start < 0 || start >= end || touched.meets(start, end)) return null;
    reserve(space, { start, end });
    touched.add(start, end);
    return { start, end };
  }

  /** Protection is changed of what is there; what the log does not tell of is taken to be. */
  private fill(space: AddressSpace, touched: RangeSet, start: number, end: number): void {
    if (end <= start || touched.meets(start, end) || space.vmas.intersects(start, end)) return;
    if (start % 4096 === 0 && end <= space.taskSize) reserve(space, { start, end });
  }
}

const values = (call: LogCall): bigint[] => call.values.map((v) => v ?? 0n);

/** Something is mapped there. */
function reserve(space: AddressSpace, { start, end }: Range): void {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  space.map({ start, length: end - start, prot: PROT_NONE, flags, apart: true });
}
