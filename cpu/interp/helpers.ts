/**
 * Functions the handlers share: the TLB miss path, the indirect jump, flag images. Instruction families add their own
 * (soft-float, wide division) through the same `Helper` type.
 */
import type { GuestBuilder } from '../guest-builder.ts';
import {
  EXIT,
  LEAK_COUNT,
  LEAK_RECORDS,
  MISSES,
  MISS_COUNT,
  MISS_RECORDS,
  PTE_CODE,
  PTE_PRESENT,
  PTE_WATCH,
  R,
  S,
  STATE,
  TLB_ENTRIES,
  TLB_READ,
  TLB_WRITE,
} from '../layout.ts';
import type { Val } from '../wasm/function.ts';
import type { ValType } from '../wasm/ops.ts';

/** A shared function: written against the same builder as instructions, called by `callHelper(name, …)`. */
export interface Helper<B extends GuestBuilder> {
  readonly name: string;
  readonly params: readonly ValType[];
  readonly result: ValType | null;
  /** Ends every path with `b.fn.return(…)` (or falls off the end where there is no result). */
  readonly build: (b: B, ...params: Val[]) => void;
}

export const JUMP_CACHE_ENTRIES = 4096;

/** What compiled regions go on with: (record, handler) → exit. */
export const GO = { name: 'go', params: ['i32', 'i32'], result: 'i32' } as const;

/** What compiled regions call before the interpreter or the host sees the state: () → nothing. Each architecture has its own. */
export const SETTLE = 'settle';

/** Last-level entry of a page: 0 when any table on the way is absent or the address is no user address. */
const walk: Helper<GuestBuilder> = {
  name: 'walk',
  params: ['i64'],
  result: 'i32',
  build: (b, address) => {
    b.if(b.nez(b.shrU(address, 47)), () => {
      b.fn.return(b.i32(0));
    });
    let table = b.getState('i32.load', S.pageTable);
    for (const shift of [39, 30, 21]) {
      const slot = b.shl(b.and(b.wrap(b.shrU(address, shift)), 511), 2);
      table = b.rawLoad('i32.load', b.add(table, slot));
      const t = table;
      b.if(b.eqz(t), () => {
        b.fn.return(b.i32(0));
      });
    }
    const slot = b.shl(b.and(b.wrap(b.shrU(address, 12)), 511), 2);
    b.fn.return(b.rawLoad('i32.load', b.add(table, slot)));
  },
};

/** Puts a record (+ kind) among the last ones that are noted at `records`. */
const noted = (name: string, count: number, records: number): Helper<GuestBuilder> => ({
  name,
  params: ['i32'],
  result: null,
  build: (b, rec) => {
    const n = b.rawLoad('i32.load', b.i32(0), count);
    b.rawStore('i32.store', b.shl(b.and(n, MISSES - 1), 2), rec, records);
    b.rawStore('i32.store', b.i32(0), b.add(n, 1), count);
  },
});
/** A supposition of a region failed at a record. */
const missed = noted('missed', MISS_COUNT, MISS_RECORDS);
/** A region goes on to interpreted code at a record. */
const leaked = noted('leaked', LEAK_COUNT, LEAK_RECORDS);

/** Shared by all architectures' handlers. */
export const CORE_HELPERS: readonly Helper<GuestBuilder>[] = [walk, missed, leaked];

/**
 * (record, address, size << 4 | access) → exit. Fills the TLB and runs the record again, or leaves. `tagBits`: upper bits of
 * an address that do not count; the TLB has them in its tags all the same.
 */
export function buildMiss(
  b: GuestBuilder,
  rec: Val,
  address: Val,
  info: Val,
  walkIndex: number,
  type: number,
  tagBits: number,
): void {
  const leave = (exit: number): void => {
    b.setState('i64.store', S.faultAddress, address);
    b.setState('i32.store', S.faultAccess, b.and(info, 15));
    b.setState('i32.store', S.faultSize, b.shrU(info, 4));
    b.setState('i32.store', S.exitRec, rec);
    b.fn.return(b.i32(exit));
  };
  const offset = b.and(b.wrap(address), 0xfff);
  b.if(b.gtU(b.add(offset, b.shrU(info, 4)), 4096), () => {
    leave(EXIT.slow);
  });
  const pte = b.fn.call(walkIndex, 'i32', [b.zext(address, 64 - tagBits)])!;
  const access = b.and(info, 3);
  b.if(b.or(b.eqz(b.and(pte, PTE_PRESENT)), b.ne(b.and(pte, access), access)), () => {
    leave(EXIT.fault);
  });
  const isWrite = b.nez(b.and(info, 2));
  const seen = b.or(b.select(isWrite, b.i32(PTE_CODE), b.i32(0)), PTE_WATCH);
  b.if(b.nez(b.and(pte, seen)), () => {
    leave(EXIT.slow);
  });
  const slot = b.and(b.wrap(b.shrU(address, 8)), (TLB_ENTRIES - 1) << 4);
  const entry = b.add(slot, b.select(isWrite, b.i32(TLB_WRITE), b.i32(TLB_READ)));
  const page = b.and(address, ~0xfff);
  b.rawStore('i64.store', entry, page);
  b.rawStore('i32.store', entry, b.sub(b.and(pte, ~0xfff), b.wrap(page)), 8);
  b.fn.tailCallIndirect(type, [rec], b.rawLoad('i32.load16_u', rec, R.handler));
}

/** (record, target) → exit: the jump cache, then the host. */
export function buildIndirect(b: GuestBuilder, rec: Val, target: Val, type: number): void {
  const t = b.wrap(target);
  const hash = b.and(b.xor(t, b.shrU(t, 11)), JUMP_CACHE_ENTRIES - 1);
  const entry = b.add(b.getState('i32.load', S.jumpCache), b.shl(hash, 4));
  b.if(b.eq(b.rawLoad('i64.load', entry), target), () => {
    const to = b.rawLoad('i32.load', entry, 8);
    b.fn.tailCallIndirect(type, [to], b.rawLoad('i32.load16_u', to, R.handler));
  });
  b.setState('i64.store', S.rip, target);
  b.setState('i32.store', S.faultAccess, b.i32(0));
  b.setState('i32.store', S.exitRec, rec);
  b.fn.return(b.i32(EXIT.lookup));
}

export { STATE };
