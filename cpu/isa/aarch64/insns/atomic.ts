/**
 * Exclusives, load-acquire and store-release, compare-and-swap and the atomic memory operations. Arm ARM C4.1.94. One
 * task runs at a time, so ordering costs nothing and an atomic is a load and a store; they must be aligned to their size.
 */
import type { Val } from '../../../builder.ts';
import type { A64Builder } from '../builder.ts';
import { S } from '../../../layout.ts';
import { insn, type Definition, type Reg } from '../define.ts';
import { A } from '../layout.ts';

const RN = 'r:Rn|sp';
const loadName = (size: number): string => (size === 3 ? 'i64.load' : `i64.load${8 << size}_u`);
const storeName = (size: number): string => (size === 3 ? 'i64.store' : `i64.store${8 << size}`);

/** Linear address of an access that must be aligned (Arm ARM B2.5.2): a SIGBUS otherwise. */
function aligned(b: A64Builder, address: Val, bytes: number, access: 'r' | 'w'): Val {
  if (bytes > 1) {
    b.if(b.nez(b.and(b.wrap(address), bytes - 1)), () => {
      b.setState('i64.store', S.faultAddress, address);
      b.raise('alignment');
    });
  }
  return b.translate(address, bytes, access);
}

/** Marks `bytes` at an address for this task, with the value they have now. */
function mark(b: A64Builder, address: Val, bytes: number, low: Val, high?: Val): void {
  b.setState('i64.store', A.monitor, address);
  b.setState('i64.store', A.monitorSize, b.i64(bytes));
  b.setState('i64.store', A.monitorLow, low);
  if (high) b.setState('i64.store', A.monitorHigh, high);
}

/** Stores if the mark holds and memory is as it was; Rs says 0 for done, 1 for not. The mark is gone either way. */
function storeExclusive(b: A64Builder, rs: Reg, rn: Reg, bytes: number, unchanged: (at: Val) => Val, store: (at: Val) => void): void {
  const address = b.x(rn);
  const marked = b.and(
    b.eq(b.getState('i64.load', A.monitor), address),
    b.eq(b.getState('i64.load', A.monitorSize), bytes),
  );
  const failed = b.var('i64', b.i64(1));
  b.if(marked, () => {
    const at = aligned(b, address, bytes, 'w');
    b.if(unchanged(at), () => {
      store(at);
      b.set(failed, b.i64(0));
    });
  });
  b.setState('i64.store', A.monitor, b.i64(-1));
  b.setX(rs, b.get(failed));
} // prettier-ignore

const exclusives: readonly Definition[] = [
  insn('ldxr', 'size:2 001000 0 1 0 xxxxx o0:1 xxxxx Rn Rt', `w:Rt ${RN}`, (b, rt, rn) => {
    const size = b.f['size'];
    const address = b.x(rn);
    const v = b.rawLoad(loadName(size), aligned(b, address, 1 << size, 'r'));
    mark(b, address, 1 << size, v);
    b.setX(rt, v);
  }, { by: 'size' }),
  insn('stxr', 'size:2 001000 0 0 0 Rs o0:1 xxxxx Rn Rt', `w:Rs r:Rt ${RN}`, (b, rs, rt, rn) => {
    const size = b.f['size'];
    storeExclusive(
      b,
      rs,
      rn,
      1 << size,
      (at) => b.eq(b.rawLoad(loadName(size), at), b.getState('i64.load', A.monitorLow)),
      (at) => {
        b.rawStore(storeName(size), at, b.x(rt));
      },
    );
  }, { by: 'size' }),
  insn('ldxp', '1 sz:1 001000 0 1 1 xxxxx o0:1 Rt2 Rn Rt', `w:Rt w:Rt2 ${RN}`, (b, rt, rt2, rn) => {
    const size = b.f['sz'] + 2;
    const bytes = 2 << size;
    const address = b.x(rn);
    const at = aligned(b, address, bytes, 'r');
    const low = b.rawLoad(loadName(size), at);
    const high = b.rawLoad(loadName(size), at, bytes / 2);
    mark(b, address, bytes, low, high);
    b.setX(rt, low);
    b.setX(rt2, high);
  }, { by: 'sz' }),
  insn('stxp', '1 sz:1 001000 0 0 1 Rs o0:1 Rt2 Rn Rt', `w:Rs r:Rt r:Rt2 ${RN}`, (b, rs, rt, rt2, rn) => {
    const size = b.f['sz'] + 2;
    const bytes = 2 << size;
    storeExclusive(
      b,
      rs,
      rn,
      bytes,
      (at) =>
        b.and(
          b.eq(b.rawLoad(loadName(size), at), b.getState('i64.load', A.monitorLow)),
          b.eq(b.rawLoad(loadName(size), at, bytes / 2), b.getState('i64.load', A.monitorHigh)),
        ),
      (at) => {
        b.rawStore(storeName(size), at, b.x(rt));
        b.rawStore(storeName(size), at, b.x(rt2), bytes / 2);
      },
    );
  }, { by: 'sz' }),
  // LDAR, LDLAR, STLR, STLLR.
  insn('ldar', 'size:2 001000 1 1 0 xxxxx 1 xxxxx Rn Rt', `w:Rt ${RN}`, (b, rt, rn) => {
    const size = b.f['size'];
    b.setX(rt, b.rawLoad(loadName(size), aligned(b, b.x(rn), 1 << size, 'r')));
  }, { by: 'size' }),
  insn('stlr', 'size:2 001000 1 0 0 xxxxx 1 xxxxx Rn Rt', `r:Rt ${RN}`, (b, rt, rn) => {
    const size = b.f['size'];
    b.rawStore(storeName(size), aligned(b, b.x(rn), 1 << size, 'w'), b.x(rt));
  }, { by: 'size' }),
]; // prettier-ignore

/** New value from the old one and the operand: the opc of LDADD and its kin. */
const OPERATIONS: readonly (readonly [string, (b: A64Builder, old: Val, v: Val, bits: number, rs: Reg) => Val])[] = [
  ['ldadd', (b, old, v) => b.add(old, v)],
  ['ldclr', (b, old, v) => b.and(old, b.not(v))],
  ['ldeor', (b, old, v) => b.xor(old, v)],
  ['ldset', (b, old, v) => b.or(old, v)],
  ['ldsmax', (b, old, _v, bits, rs) => ((s) => b.select(b.gtS(s, b.sx(rs, bits)), s, b.sx(rs, bits)))(b.sext(old, bits))],
  ['ldsmin', (b, old, _v, bits, rs) => ((s) => b.select(b.ltS(s, b.sx(rs, bits)), s, b.sx(rs, bits)))(b.sext(old, bits))],
  ['ldumax', (b, old, v) => b.select(b.gtU(old, v), old, v)],
  ['ldumin', (b, old, v) => b.select(b.ltU(old, v), old, v)],
]; // prettier-ignore

/** CASP: Rs and Rt are the first of even-odd pairs. The pair of X30 is X30 and XZR: its definitions are apart, as the record has no place for a second register. */
function casp(expected30: boolean, new30: boolean): Definition {
  const name = expected30 || new30 ? `casp (${expected30 ? 'Rs 30' : ''}${new30 ? 'Rt 30' : ''})` : 'casp';
  const encoding = `0 sz:1 001000 0 L:1 1 ${expected30 ? '1111' : 'Rs:4'} 0 o0:1 11111 Rn ${new30 ? '1111' : 'Rt:4'} 0`;
  const operands = [...(expected30 ? [] : ['r:Rs', 'w:Rs']), ...(new30 ? [] : ['r:Rt']), RN].join(' ');
  return insn(name, encoding, operands, (b, ...regs) => {
    const find = (field: string, access: string): Reg | undefined =>
      regs.find((r) => r.field === field && r.access === access);
    const size = b.f['sz'] + 2;
    const bytes = 1 << size;
    const pair = (r: Reg | undefined): readonly Val[] =>
      r
        ? [b.x(r, 8 * bytes), b.zext(b.loadReg('i64.load', r, 8), 8 * bytes)]
        : [b.zext(b.getState('i64.load', A.x + 8 * 30), 8 * bytes), b.i64(0)];
    const at = aligned(b, b.x(find('Rn', 'r')!), 2 * bytes, 'w');
    const low = b.rawLoad(loadName(size), at);
    const high = b.rawLoad(loadName(size), at, bytes);
    const expected = pair(find('Rs', 'r'));
    b.if(b.and(b.eq(low, expected[0]), b.eq(high, expected[1])), () => {
      const [first, second] = pair(find('Rt', 'r'));
      b.rawStore(storeName(size), at, first);
      b.rawStore(storeName(size), at, second, bytes);
    });
    const out = find('Rs', 'w');
    if (out) {
      b.storeReg('i64.store', out, low);
      b.storeReg('i64.store', out, high, 8);
    } else b.setState('i64.store', A.x + 8 * 30, low);
  }, { by: 'sz' });
} // prettier-ignore

const lse: readonly Definition[] = [
  ...OPERATIONS.map(([name, operate], opc) =>
    insn(name, `size:2 111 0 00 A:1 R:1 1 Rs 0 ${opc.toString(2).padStart(3, '0')} 00 Rn Rt`, `w:Rt r:Rs ${RN}`, (b, rt, rs, rn) => {
      const size = b.f['size'];
      const bits = 8 << size;
      const at = aligned(b, b.x(rn), bits / 8, 'w');
      const old = b.rawLoad(loadName(size), at);
      b.rawStore(storeName(size), at, operate(b, old, b.x(rs, bits), bits, rs));
      b.setX(rt, old);
    }, { by: 'size' }),
  ),
  insn('swp', 'size:2 111 0 00 A:1 R:1 1 Rs 1 000 00 Rn Rt', `w:Rt r:Rs ${RN}`, (b, rt, rs, rn) => {
    const size = b.f['size'];
    const at = aligned(b, b.x(rn), 1 << size, 'w');
    const old = b.rawLoad(loadName(size), at);
    b.rawStore(storeName(size), at, b.x(rs));
    b.setX(rt, old);
  }, { by: 'size' }),
  insn('cas', 'size:2 001000 1 L:1 1 Rs o0:1 11111 Rn Rt', `r:Rs w:Rs r:Rt ${RN}`, (b, expected, out, rt, rn) => {
    const size = b.f['size'];
    const at = aligned(b, b.x(rn), 1 << size, 'w');
    const old = b.rawLoad(loadName(size), at);
    b.if(b.eq(old, b.x(expected, 8 << size)), () => {
      b.rawStore(storeName(size), at, b.x(rt));
    });
    b.setX(out, old);
  }, { by: 'size' }),
  ...[0, 1, 2, 3].map((k) => casp((k & 2) !== 0, (k & 1) !== 0)),
]; // prettier-ignore

export const atomics: readonly Definition[] = [...exclusives, ...lse];
