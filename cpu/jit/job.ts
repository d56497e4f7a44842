/** What the compiler works from, as plain data: it may be in another thread, with a copy of the records. */
import type { CodeArena, CodeSpace } from '../code-space.ts';
import { R, RECORD_SIZE } from '../layout.ts';

export interface CompileJob {
  /** Guest addresses the region is to be entered at. */
  readonly seeds: readonly number[];
  /** Blocks that belong to it in any case. */
  readonly keep: readonly number[];
  /** Its slot in the handlers' table. */
  readonly slot: number;
  /** The first slot of regions. */
  readonly firstSlot: number;
  /** 64 KiB pages of the machine's memory. */
  readonly pages: number;
  /** Have the region count its exits. */
  readonly counts: boolean;
  /** What is decoded around the seeds: the fields of a `NearBlock` for each, in its order. */
  readonly blocks: Float64Array;
  /** Where the indirect jumps at records were seen to go, the most frequent first. */
  readonly targets: readonly (readonly [rec: number, to: readonly number[]])[];
  /** The running program's windows, by their numbers. */
  readonly windows: readonly WindowExtent[];
  /** Number of the stack's, −1: it has none. */
  readonly stack: number;
  /** Floating-point results are known to have been inexact: that they are need not be noted any more. */
  readonly settled: boolean;
  /** Instructions (their first records) whose accesses no window serves; + UNUSUAL: whose numbers are often not ordinary. */
  readonly wandering: readonly number[];
  /** Bytes of the guest's instructions by address, for a listing. */
  readonly bytes: ReadonlyMap<number, Uint8Array> | null;
}

/** Guest addresses from `lo` to below `hi`. */
export interface WindowExtent {
  readonly lo: number;
  readonly hi: number;
  readonly write: boolean;
}

export interface NearBlock {
  readonly pc: number;
  /** First and last record. */
  readonly head: number;
  readonly end: number;
  /** Handler of the head before a region took its place. */
  readonly handler: number;
  /** It runs compiled: which ways are taken from it to others that do is not noted. */
  readonly compiled: boolean;
  /** It is part of another large region: it is not to be compiled once more. */
  readonly elsewhere: boolean;
}
const FIELDS = 6;

export function writeBlock(to: Float64Array, i: number, b: NearBlock): void {
  to.set([b.pc, b.head, b.end, b.handler, Number(b.compiled), Number(b.elsewhere)], i * FIELDS);
}
export const blockSpace = (count: number): Float64Array => new Float64Array(count * FIELDS);

/** Guest addresses of a job's blocks, or of the first `count` of them. */
export function blockAddresses({ blocks }: CompileJob, count = Infinity): Set<number> {
  const found = new Set<number>();
  for (let i = 0; i < Math.min(blocks.length, count * FIELDS); i += FIELDS) found.add(blocks[i]);
  return found;
}

/** A job's blocks by guest address. */
export function readBlocks({ blocks }: CompileJob): Map<number, NearBlock> {
  const found = new Map<number, NearBlock>();
  for (let i = 0; i < blocks.length; i += FIELDS) {
    const [pc, head, end, handler, compiled, elsewhere] = blocks.subarray(i, i + FIELDS);
    found.set(pc, { pc, head, end, handler, compiled: compiled !== 0, elsewhere: elsewhere !== 0 });
  }
  return found;
}

/** Records of what is near, at most: a region's worth, and half of one for the callees it is measured with. */
const REACH = 1500;

/**
 * Blocks that a region grown from `seeds` may want to look at, as first and last records by guest address: what is reached
 * by ways taken lately first, what lies behind calls and untaken branches then.
 */
export function blocksNear(
  view: DataView,
  space: CodeSpace,
  arena: CodeArena,
  seeds: Iterable<number>,
  targetsOf: (rec: number) => Iterable<number>,
): Map<number, readonly [head: number, end: number]> {
  const near = new Map<number, readonly [number, number]>();
  const soon = [...seeds];
  const later: number[] = [];
  const u64 = (at: number): number => view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
  // Small integers are found much faster than addresses are.
  const seen = new Set<number>();
  let records = 0;
  for (let i = 0, j = 0; records < REACH;) {
    const pc = i < soon.length ? soon[i++] : later[j++];
    if (pc === undefined) break;
    const distance = pc - soon[0];
    if (seen.has(distance)) continue;
    seen.add(distance);
    const head = space.blocks.get(pc);
    if (head === undefined) continue;
    const end = arena.endOf(head) - RECORD_SIZE;
    near.set(pc, [head, end]);
    records += (end - head) / RECORD_SIZE + 1;
    (view.getUint32(end + R.link0, true) !== 0 ? soon : later).push(u64(end + R.disp));
    (view.getUint32(end + R.link1, true) !== 0 ? soon : later).push(u64(end + R.imm));
    for (const to of targetsOf(end)) soon.push(to);
  }
  return near;
}

/** A job's records in the order of its blocks, for a compiler that does not see the machine's memory. */
export function copyRecords(u8: Uint8Array, { blocks }: CompileJob): Uint8Array {
  let size = 0;
  for (let i = 0; i < blocks.length; i += FIELDS) size += blocks[i + 2] + RECORD_SIZE - blocks[i + 1];
  const out = new Uint8Array(size);
  let at = 0;
  for (let i = 0; i < blocks.length; i += FIELDS) {
    const block = u8.subarray(blocks[i + 1], blocks[i + 2] + RECORD_SIZE);
    out.set(block, at);
    at += block.length;
  }
  return out;
}

/** Puts them where they lie in the machine's memory. */
export function placeRecords(memory: Uint8Array, { blocks }: CompileJob, records: Uint8Array): void {
  let at = 0;
  for (let i = 0; i < blocks.length; i += FIELDS) {
    const size = blocks[i + 2] + RECORD_SIZE - blocks[i + 1];
    memory.set(records.subarray(at, at + size), blocks[i + 1]);
    at += size;
  }
}

/** The address behind a job's last record. */
export function recordsEnd({ blocks }: CompileJob): number {
  let end = 0;
  for (let i = 0; i < blocks.length; i += FIELDS) end = Math.max(end, blocks[i + 2] + RECORD_SIZE);
  return end;
}
