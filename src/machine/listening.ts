/** Who hears of a machine's events, and how it stops at them. */
import { readCall } from '../../kernel/syscall/dispatch.ts';
import type { Tracer } from '../../kernel/trace/tracer.ts';
import type { Debugger } from '../debug/debugger.ts';
import { SITE } from '../record/format.ts';
import type { Wanted } from '../step/stepper.ts';
import type { Assembly } from './assemble.ts';
import type { Driver } from './driver.ts';
import { EventCount } from './event-count.ts';
import { enterEvent, EventTracer, type Listeners, type MachineEvent, TracerList } from './events.ts';
import type { BootOptions } from './options.ts';
import type { ExitStatus } from './status.ts';

type ListenerSets = { [K in keyof Listeners]: Set<Listeners[K]> };

/** Others that want to hear, as they are now. */
export interface Hearers {
  readonly detector: Tracer | null;
  readonly debugging: Debugger | null;
}

export class Listening {
  private readonly assembly: Assembly;
  private readonly driver: Driver;
  private readonly hearers: () => Hearers;
  private readonly listeners: ListenerSets = { syscall: new Set(), signal: new Set(), exit: new Set() };
  private readonly userTracer: Tracer | null;
  private readonly events = new EventTracer((e) => this.heard(e));
  private readonly count: EventCount | null;
  private stepping = false;
  /** What `steps` are wanted; null: all. */
  private wanted: Wanted | null = null;
  /** Steps seen and not yet handed out. */
  readonly steps: MachineEvent[] = [];

  constructor(assembly: Assembly, options: BootOptions, driver: Driver, hearers: () => Hearers) {
    this.assembly = assembly;
    this.driver = driver;
    this.hearers = hearers;
    this.userTracer = options.tracer ?? null;
    const taped = assembly.recorder ?? assembly.replayer;
    this.count = taped?.log ?? (options.countEvents ? new EventCount() : null);
    if (this.count) this.count.reached = () => driver.pause();
  }

  /** What of it belongs to a snapshot. */
  get state(): readonly object[] {
    return [this.userTracer, this.events, this.count].filter((o) => o !== null);
  }

  /** Calls `listener` at each event of a kind. Returns what ends it. */
  on<K extends keyof Listeners>(kind: K, listener: Listeners[K]): () => void {
    if (!Object.hasOwn(this.listeners, kind))
      throw new RangeError(`no events '${kind}'; there are ${Object.keys(this.listeners).join(', ')}`);
    const set = this.listeners[kind] as Set<Listeners[K]>;
    set.add(listener);
    this.update();
    return () => {
      set.delete(listener);
      this.update();
    };
  }

  /** Runs to the next event that is wanted; null: `done` said so, or nobody who may run can. */
  async next(
    wanted: Wanted | null,
    done: () => boolean,
    stuckAlone: () => boolean,
  ): Promise<MachineEvent | null> {
    const { driver, steps } = this;
    while (steps.length > 0) {
      const e = steps.shift()!; // something that happened at the same time as what was told last
      if (wanted === null || wanted.other(e)) return e;
    }
    if (driver.status === null) {
      this.stepping = true;
      this.wanted = wanted;
      this.update();
      try {
        await driver.drive(() => steps.length > 0 || done() || stuckAlone());
      } finally {
        this.stepping = false;
        this.wanted = null;
        this.update();
      }
    }
    return steps.shift() ?? (driver.status === null ? null : { type: 'end', status: driver.status });
  }

  /** Events so far. Null: they are not counted. */
  get position(): number | null {
    return this.count?.position ?? null;
  }

  /** The same; throws Error when they are not counted. */
  needPosition(): number {
    return this.needCount().position;
  }

  /** Runs until so many events have happened, or to the end. Throws Error when they are not counted. */
  async runTo(position: number): Promise<void> {
    const count = this.needCount();
    if (count.position >= position) return;
    count.target = position;
    this.update();
    try {
      await this.driver.drive(() => count.position >= position);
    } finally {
      count.target = Infinity;
      this.update();
    }
  }

  /** The machine is at another moment. */
  restored(): void {
    if (this.count) this.count.target = Infinity;
    this.update();
  }

  ended(status: ExitStatus): void {
    for (const f of this.listeners.exit) f({ type: 'end', status });
  }

  /** Puts together who must hear of calls; nobody is the fast case. */
  update(): void {
    const { count, stepping } = this;
    const { kernel, loop, recorder, replayer } = this.assembly;
    const { detector, debugging } = this.hearers();
    const list: Tracer[] = this.userTracer ? [this.userTracer] : [];
    const heard = Object.values(this.listeners).some((s) => s.size > 0);
    if (heard || stepping) list.push(this.events);
    this.events.only = heard || this.wanted === null ? null : (t): boolean => this.wanted!.exit(t);
    if (detector !== null) list.push(detector);
    if (count) list.push(count);
    if (debugging) list.push(...debugging.tracers);
    const taped = recorder !== null || replayer !== null;
    const alone = list.length === 1 && (!taped || list[0] === count);
    kernel.tracer = list.length === 0 ? null : alone ? list[0] : new TracerList(list, !taped);
    if (replayer) replayer.eager = !alone;
    if (stepping || (count && count.target !== Infinity)) {
      loop.hooks.beforeSyscall = (t) => {
        if (!this.stepping && count!.position + 1 < count!.target) return false;
        readCall(t);
        if (this.wanted !== null && !this.wanted.enter(t)) return false;
        count?.hold(t);
        if (this.stepping) this.steps.push(enterEvent(t));
        return true;
      };
    } else delete loop.hooks.beforeSyscall;
    const follower = debugging?.follower;
    if (!follower) return;
    const others = loop.hooks.beforeSyscall;
    loop.hooks.beforeSyscall = (t) => {
      const stops = follower.atCall(t);
      return others?.(t) === true || stops;
    };
  }

  private heard(e: MachineEvent): void {
    const { recorder } = this.assembly;
    if (recorder) recorder.at(SITE.event, () => this.tell(e));
    else this.tell(e);
  }

  private tell(e: MachineEvent): void {
    this.assembly.owners.call(() => {
      if (e.type === 'enter' || e.type === 'exit') for (const f of this.listeners.syscall) f(e);
      else if (e.type === 'signal') for (const f of this.listeners.signal) f(e);
      else for (const f of this.listeners.exit) f(e);
    });
    if (this.stepping && e.type !== 'enter' && (this.wanted === null || this.wanted.other(e))) {
      this.steps.push(e);
      this.driver.pause();
    }
  }

  private needCount(): EventCount {
    if (this.count === null)
      throw new Error('this machine does not count its events: boot it with countEvents');
    return this.count;
  }
}
