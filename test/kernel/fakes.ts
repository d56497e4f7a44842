/** Stand-ins for the ports: registers, page tables, RAM, clock and entropy small enough to read at a glance. */
import type { Arch, Clock, CpuFactory, Entropy, Limits, PageTable, Ram, Regs } from '../../kernel/ports.ts';
import { PAGE_SIZE, PROT_NONE } from '../../kernel/ports.ts';

const MASK = (1n << 64n) - 1n;

export class FakeRegs implements Regs {
  readonly arch: Arch;
  readonly r = new BigUint64Array(40);
  fp = new Uint8Array(528);
  released = false;
  private readonly halves = new Int32Array(this.r.buffer);

  constructor(arch: Arch = 'x86_64') {
    this.arch = arch;
  }
  get(i: number): bigint {
    return this.r[i];
  }
  set(i: number, value: bigint): void {
    this.r[i] = value & MASK;
  }
  num(i: number): number {
    return Number(this.r[i]);
  }
  setNum(i: number, value: number): void {
    this.r[i] = BigInt(value) & MASK;
  }
  lo(i: number): number {
    return this.halves[2 * i];
  }
  hi(i: number): number {
    return this.halves[2 * i + 1];
  }
  get pc(): number {
    return this.num(this.arch === 'x86_64' ? 16 : 32);
  }
  set pc(v: number) {
    this.setNum(this.arch === 'x86_64' ? 16 : 32, v);
  }
  get sp(): number {
    return this.num(this.arch === 'x86_64' ? 4 : 31);
  }
  set sp(v: number) {
    this.setNum(this.arch === 'x86_64' ? 4 : 31, v);
  }
  saveFp(out: Uint8Array): void {
    out.set(this.fp.subarray(0, out.length));
  }
  loadFp(image: Uint8Array): void {
    this.fp.set(image.subarray(0, this.fp.length));
  }
  copyFrom(other: Regs): void {
    this.r.set((other as FakeRegs).r);
    this.fp.set((other as FakeRegs).fp);
  }
  reset(): void {
    this.r.fill(0n);
    this.fp.fill(0);
  }
  release(): void {
    this.released = true;
  }
}

export class FakePageTable implements PageTable {
  prefault: ((page: number) => void) | null = null;
  writers: PageTable['writers'] = null;
  readonly pages = new Map<number, { frame: number; prot: number }>();
  readonly writes: [number, number][] = [];
  destroyed = false;

  set(page: number, frame: number, prot: number): void {
    this.pages.set(page, { frame, prot });
  }
  frame(page: number): number {
    return this.pages.get(page)?.frame ?? -1;
  }
  prot(page: number): number {
    return this.pages.get(page)?.prot ?? PROT_NONE;
  }
  protect(page: number, prot: number): void {
    const p = this.pages.get(page);
    if (!p) throw new Error('protect of an unmapped page');
    p.prot = prot;
  }
  clear(start: number, end: number): void {
    for (const page of [...this.pages.keys()]) if (page >= start && page < end) this.pages.delete(page);
  }
  forEach(start: number, end: number, fn: (page: number, frame: number, prot: number) => void): void {
    const list = [...this.pages].filter(([page]) => page >= start && page < end).sort((a, b) => a[0] - b[0]);
    for (const [page, { frame, prot }] of list) fn(page, frame, prot);
  }
  written(address: number, length: number): void {
    this.writes.push([address, length]);
  }
  /** Pages there were when it was abandoned. */
  mappedAtEnd = -1;
  abandon(): void {
    this.mappedAtEnd = this.pages.size;
  }
  destroy(): void {
    this.pages.clear();
    this.destroyed = true;
  }
}

export class FakeRam implements Ram {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly view: DataView;
  readonly total: number;
  private readonly counts: Int32Array;

  constructor(frames = 1024) {
    this.u8 = new Uint8Array(frames * PAGE_SIZE);
    this.i32 = new Int32Array(this.u8.buffer);
    this.view = new DataView(this.u8.buffer);
    this.total = frames;
    this.counts = new Int32Array(frames);
    this.counts[0] = 1; // frame 0 is never handed out, so that 0 is no frame
  }
  get used(): number {
    return this.counts.reduce((n, c) => n + (c > 0 ? 1 : 0), 0) - 1;
  }
  /** No places: what is asked for together lies together, first fit. */
  place(): number {
    return -1;
  }
  unplace(): void {
    throw new Error('there are no places');
  }
  alloc(count: number): number {
    for (let at = 1; at + count <= this.total; at++) {
      let n = 0;
      while (n < count && this.counts[at + n] === 0) n++;
      if (n < count) {
        at += n;
        continue;
      }
      this.counts.fill(1, at, at + count);
      this.u8.fill(0, at * PAGE_SIZE, (at + count) * PAGE_SIZE);
      return at * PAGE_SIZE;
    }
    return -1;
  }
  retain(frame: number): void {
    this.counts[frame / PAGE_SIZE]++;
  }
  release(frame: number): void {
    const i = frame / PAGE_SIZE;
    if (this.counts[i] <= 0) throw new Error('frame released twice');
    this.counts[i]--;
  }
  refs(frame: number): number {
    return this.counts[frame / PAGE_SIZE];
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
