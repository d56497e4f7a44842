/** The two clocks a machine can run on. */
import type { Clock } from '../../kernel/ports.ts';

/** The host's time. Monotonic time starts at 0 when the machine boots. */
export class HostClock implements Clock {
  realtimeOffset: bigint;
  private readonly start = performance.now();

  constructor() {
    // Date.now is what the host calls realtime; performance.now must not drift against it, so only its origin counts.
    this.realtimeOffset = BigInt(Math.round((performance.timeOrigin + this.start) * 1000)) * 1000n;
  }

  monotonic(): number {
    return Math.floor((performance.now() - this.start) * 1e6);
  }

  setRealtimeOffset(offset: bigint): void {
    this.realtimeOffset = offset;
  }
}

/** 2000-01-01T00:00:00Z in nanoseconds: where virtual time begins. */
export const VIRTUAL_EPOCH = 946_684_800_000_000_000n;

/** Nanoseconds of virtual time one retired instruction takes. */
export const NANOS_PER_INSTRUCTION = 10;

/** Time that passes only with retired instructions, and jumps to the next deadline when nothing can run. */
export class VirtualClock implements Clock {
  realtimeOffset: bigint;
  private now = 0;

  /** `epoch`: nanoseconds since 1970 at the start. */
  constructor(epoch = VIRTUAL_EPOCH) {
    this.realtimeOffset = epoch;
  }

  monotonic(): number {
    return this.now;
  }

  setRealtimeOffset(offset: bigint): void {
    this.realtimeOffset = offset;
  }

  /** `instructions` retired. */
  ran(instructions: number): void {
    this.now += instructions * NANOS_PER_INSTRUCTION;
  }

  pass(nanoseconds: number): void {
    this.now += nanoseconds;
  }

  /** Nothing can run before `deadline` (monotonic nanoseconds). */
  skipTo(deadline: number): void {
    if (deadline > this.now) this.now = deadline;
  }
}
