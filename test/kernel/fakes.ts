/** Stand-ins for the ports: those of a kernel without a processor, with an eye on what is done to them; clock and entropy. */
import type { Arch, Clock, CpuFactory, Entropy, Limits, Regs } from '../../kernel/ports.ts';
import { ModelPageTable, ModelRam, ModelRegs } from '../../src/logs/model/ports.ts';

export class FakeRegs extends ModelRegs {
  fp = new Uint8Array(528);
  released = false;

  constructor(arch: Arch = 'x86_64') {
    super(arch);
  }
  override saveFp(out: Uint8Array): void {
    out.set(this.fp.subarray(0, out.length));
  }
  override loadFp(image: Uint8Array): void {
    this.fp.set(image.subarray(0, this.fp.length));
  }
  override copyFrom(other: Regs): void {
    super.copyFrom(other);
    this.fp.set((other as FakeRegs).fp);
  }
  override reset(): void {
    super.reset();
    this.fp.fill(0);
  }
  override release(): void {
    this.released = true;
  }
}

export class FakePageTable extends ModelPageTable {
  readonly writes: [number, number][] = [];
  destroyed = false;
  /** Pages there were when it was abandoned. */
  mappedAtEnd = -1;

  override protect(page: number, prot: number): void {
    if (!this.pages.has(page)) throw new Error('protect of an unmapped page');
    super.protect(page, prot);
  }
  override written(address: number, length: number): void {
    this.writes.push([address, length]);
  }
  override abandon(): void {
    this.mappedAtEnd = this.pages.size;
  }
  override destroy(): void {
    super.destroy();
    this.destroyed = true;
  }
}

export class FakeRam extends ModelRam {
  constructor(frames = 1024) {
    super(frames);
  }
}

export class FakeCpu implements CpuFactory {
  newRegs(arch: Arch): FakeRegs {
    return new FakeRegs(arch);
  }
  newPageTable(): FakePageTable {
    return new FakePageTable();
  }
}

/** A clock that stands still until it is told. */
export class FakeClock implements Clock {
  now = 0;
  realtimeOffset = 1_600_000_000_000_000_000n;
  monotonic(): number {
    return this.now;
  }
  setRealtimeOffset(offset: bigint): void {
    this.realtimeOffset = offset;
  }
}

/** xorshift32: the same numbers for the same seed. */
export class FakeEntropy implements Entropy {
  private state: number;
  constructor(seed = 1) {
    this.state = seed;
  }
  private next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }
  fill(out: Uint8Array): void {
    for (let i = 0; i < out.length; i++) out[i] = this.next() & 255;
  }
  below(n: number): number {
    return this.next() % n;
  }
}

export const fakeLimits: Limits = { maxTasks: 64, maxFds: 1024, maxFileBytes: 1 << 24 };
