/**
 * The ports of a kernel that runs no program: it is only asked what it would answer. Memory it says it has is mostly not
 * there, because nobody touches any.
 */
import type { Arch, Clock, CpuFactory, Entropy, PageTable, Ram, Regs } from '../../../kernel/ports.ts';
import { PAGE_SIZE, PROT_NONE } from '../../../kernel/ports.ts';

/** Frames there really are: for the page of the program and its stack. */
const FRAMES = 256;
/** Frames it claims: 4 GiB. */
const CLAIMED = 2 ** 20;

export class ModelRam implements Ram {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly view: DataView;
  readonly total: number;
  used = 0;
  private readonly counts: Int32Array;

  /** `claimed`: frames it says it has; the first of them is never handed out, so that 0 is no frame. */
  constructor(frames: number, claimed = frames) {
    this.u8 = new Uint8Array(frames * PAGE_SIZE);
    this.i32 = new Int32Array(this.u8.buffer);
    this.view = new DataView(this.u8.buffer);
    this.counts = new Int32Array(frames);
    this.total = claimed;
  }

  /** What is asked for together lies together, first fit. */
  alloc(count: number): number {
    for (let at = 1; at + count <= this.counts.length; at++) {
      let n = 0;
      while (n < count && this.counts[at + n] === 0) n++;
      if (n < count) {
        at += n;
        continue;
      }
      this.counts.fill(1, at, at + count);
      this.u8.fill(0, at * PAGE_SIZE, (at + count) * PAGE_SIZE);
      this.used += count;
      return at * PAGE_SIZE;
    }
    return -1;
  }
  place(): number {
    return -1;
  }
  unplace(): void {
    throw new Error('there are no places');
  }
  retain(frame: number): void {
    this.counts[frame / PAGE_SIZE]++;
  }
  release(frame: number): void {
    const left = --this.counts[frame / PAGE_SIZE];
    if (left < 0) throw new Error('frame released twice');
    if (left === 0) this.used--;
  }
  refs(frame: number): number {
    return this.counts[frame / PAGE_SIZE];
  }
}

export class ModelPageTable implements PageTable {
  prefault: PageTable['prefault'] = null;
  writers: PageTable['writers'] = null;
  readonly pages = new Map<number, { frame: number; prot: number }>();

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
    if (p) p.prot = prot;
  }
  clear(start: number, end: number): void {
    for (const page of [...this.pages.keys()]) if (page >= start && page < end) this.pages.delete(page);
  }
  forEach(start: number, end: number, fn: (page: number, frame: number, prot: number) => void): void {
    const list = [...this.pages].filter(([page]) => page >= start && page < end).sort((a, b) => a[0] - b[0]);
    for (const [page, { frame, prot }] of list) fn(page, frame, prot);
  }
  written(_address: number, _length: number): void {}
  abandon(): void {}
  destroy(): void {
    this.pages.clear();
  }
}

export class ModelRegs implements Regs {
  readonly arch: Arch;
  readonly r = new BigUint64Array(40);
  private readonly halves = new Int32Array(this.r.buffer);

  constructor(arch: Arch) {
    this.arch = arch;
  }
  get(i: number): bigint {
    return this.r[i];
  }
  set(i: number, value: bigint): void {
    this.r[i] = BigInt.asUintN(64, value);
  }
  num(i: number): number {
    return Number(this.r[i]);
  }
  setNum(i: number, value: number): void {
    this.set(i, BigInt(value));
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
  saveFp(_out: Uint8Array): void {}
  loadFp(_image: Uint8Array): void {}
  copyFrom(other: Regs): void {
    this.r.set((other as ModelRegs).r);
  }
  reset(): void {
    this.r.fill(0n);
  }
  release(): void {}
}

const clock: Clock = {
  monotonic: () => 0,
  realtimeOffset: 0n,
  setRealtimeOffset: () => {},
};
/** No choice is ever made. */
const entropy: Entropy = { fill: (out) => void out.fill(0), below: () => 0 };
const cpu: CpuFactory = {
  newRegs: (arch) => new ModelRegs(arch),
  newPageTable: () => new ModelPageTable(),
};

export const modelPorts = () => ({
  ram: new ModelRam(FRAMES, CLAIMED),
  cpu,
  clock,
  entropy,
  limits: { maxTasks: 64, maxFds: 65536, maxFileBytes: 2 ** 40 },
});
