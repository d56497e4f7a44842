/**
 * Guest RAM: one WebAssembly memory of fixed size. It is only reserved: the host commits a page when it is first
 * touched, so a large maximum costs nothing. Frames are counted; a frame no one holds is free.
 */
const FRAME = 4096;

export class Memory {
  readonly memory: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly view: DataView;
  readonly total: number;
  used = 0;
  private readonly counts: Uint32Array;
  private readonly first: number;
  /** No frame below it is free. */
  private low: number;
  /** Frames from here on were never handed out: they are still zero. */
  private high: number;

  /** `bytes` of linear memory in all (a multiple of 64 KiB, at most 4 GiB); frames start at `reserved`. */
  constructor(bytes: number, reserved: number) {
    const pages = Math.ceil(bytes / 65536);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.u8 = new Uint8Array(this.memory.buffer);
    this.i32 = new Int32Array(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
    this.first = Math.ceil(reserved / FRAME);
    this.low = this.first;
    this.high = this.first;
    const frames = (pages * 65536) / FRAME;
    this.total = frames - this.first;
    this.counts = new Uint32Array(frames);
  }

  alloc(count: number): number {
    const at = this.find(count);
    if (at < 0) return -1;
    for (let i = at; i < at + count; i++) this.counts[i] = 1;
    if (at === this.low) this.low = at + count;
    const dirtyEnd = Math.min(at + count, this.high);
    if (at < dirtyEnd) this.u8.fill(0, at * FRAME, dirtyEnd * FRAME);
    if (at + count > this.high) this.high = at + count;
    this.used += count;
    return at * FRAME;
  }

  /** First fit: RAM stays dense, so the host's footprint follows what the guests use. */
  private find(count: number): number {
    const { counts } = this;
    let run = 0;
    let i = this.low;
    if (count === 1) {
      while (i < counts.length && counts[i] !== 0) i++;
      this.low = i;
      return i < counts.length ? i : -1;
    }
    for (; i < counts.length; i++) {
      if (counts[i] !== 0) run = 0;
      else if (++run === count) return i - count + 1;
    }
    return -1;
  }

  retain(frame: number): void {
    this.counts[frame / FRAME]++;
  }

  release(frame: number): void {
    const i = frame / FRAME;
    const n = this.counts[i];
    if (n === 0) throw new Error(`frame ${frame.toString(16)} released twice`);
    this.counts[i] = n - 1;
    if (n > 1) return;
    this.used--;
    if (i < this.low) this.low = i;
  }

  refs(frame: number): number {
    return this.counts[frame / FRAME];
  }
}
