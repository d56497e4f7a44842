/** Data movement: MOV and its extensions, LEA, exchange, stack. SDM vol. 2. */
import type { Val } from '../../../builder.ts';
import { RAX, RBP, RDX, RSP, CONDITIONS, type X86Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';

/**
 * ENTER with a nesting level: the old rbp, the display of the enclosing frames, the new frame. Byte by byte: of several
 * accesses of one instruction only one may cross a page (cpu/bounce.ts).
 */
function enterNested(b: X86Builder, level: Val, bp: Val, frame: Val, lowest: Val): void {
  b.translate(lowest, 1, 'w'); // the whole frame must be writable before anything changes; it is at most 33 slots
  b.translate(b.add(frame, 7), 1, 'w');
  const i = b.var('i32', b.i32(0));
  b.loop((again) => {
    const off = b.extU(b.shl(b.get(i), 3));
    const k = b.var('i64', b.i64(0));
    b.loop((more) => {
      const n = b.get(k);
      const v = b.var('i64', b.shrU(b.select(b.eqz(b.get(i)), bp, frame), b.shl(n, 3)));
      b.if(b.and(b.nez(b.get(i)), b.ne(b.get(i), level)), () => {
        b.set(v, b.load('i64.load8_u', b.add(b.sub(bp, off), n), 1));
      });
      b.store('i64.store8', b.add(b.sub(frame, off), n), b.get(v), 1);
      b.set(k, b.add(n, 1));
      b.brIf(more, b.ltU(b.get(k), 8));
    });
    b.set(i, b.add(b.get(i), 1));
    b.brIf(again, b.leU(b.get(i), level));
  });
}

export const move: readonly Definition[] = [
  insn('mov', ['88 /r Eb Gb', '89 /r Ev Gv', '8A /r Gb Eb', '8B /r Gv Ev', 'A0 AL Ob', 'A1 rAX Ov', 'A2 Ob AL', 'A3 Ov rAX', 'B0 +r Zb Ib', 'B8 +r Zv Iv', 'C6 /0 Eb Ib', 'C7 /0 Ev Iz'], 'w r', (b, dst, src) => {
    b.write(dst, b.read(src));
  }),
  insn('movzx', ['0F B6 /r Gv Eb', '0F B7 /r Gv Ew'], 'w r', (b, dst, src) => {
    b.write(dst, b.read(src));
  }),
  insn('movsx', ['0F BE /r Gv Eb', '0F BF /r Gv Ew'], 'w r', (b, dst, src) => {
    b.write(dst, b.readS(src));
  }),
  insn('movsxd', '63 /r Gv Ed', 'w r', (b, dst, src) => {
    b.write(dst, b.readS(src));
  }),
  insn('movnti', 'NP 0F C3 /r My Gy', 'w r', (b, dst, src) => {
    b.write(dst, b.read(src));
  }),
  insn('lea', '8D /r Gv Mn', 'w n', (b, dst, src) => {
    b.write(dst, b.ea(src));
  }),
  insn('xchg', ['86 /r Eb Gb', '87 /r Ev Gv', '90 +r rAX Zv'], 'rw rw', (b, x, y) => {
    const u = b.read(x);
    const v = b.read(y);
    b.write(x, v);
    b.write(y, u);
  }, { lock: true }),
  insn('bswap', '0F C8 +r Zy', 'rw', (b, o) => {
    const v = b.read(o);
    const swap32 = (x: Val): Val => b.or(b.and(b.rotl(x, 8), 0x00ff00ff), b.and(b.rotr(x, 8), 0xff00ff00 | 0));
    if (o.bits === 32) b.write(o, b.extU(swap32(b.wrap(v))));
    else b.write(o, b.or(b.shl(b.extU(swap32(b.wrap(v))), 32), b.extU(swap32(b.wrap(b.shrU(v, 32))))));
  }),

  // CBW, CWDE, CDQE: the low half of the accumulator, sign-extended into the whole.
  insn('cbw', '98 rAX', 'w', (b, o) => {
    b.write(o, b.sext(b.gpr(RAX), o.bits / 2));
  }),
  // CWD, CDQ, CQO: the accumulator's sign fills rdx.
  insn('cwd', '99 rAX', 'r', (b, o) => {
    b.setGpr(RDX, b.shrS(b.sext(b.gpr(RAX), o.bits), 63), o.bits);
  }),

  insn('push', ['50 +r Zv', 'FF /6 Ev', '68 Iz', '6A Ibs'], 'r', (b, o) => {
    b.push(b.read(o), b.bits);
  }, { d64: true }),
  insn('pop', '58 +r Zv', 'w', (b, o) => {
    const v = b.top(b.bits);
    b.dropStack(b.bits / 8);
    b.write(o, v); // after rsp: pop rsp takes the value
  }, { d64: true }),
  insn('pop mem', '8F /0 Ev', 'w', (b, o) => {
    const v = b.top(b.bits);
    if (o.kind === 'reg') {
      b.dropStack(b.bits / 8);
      b.write(o, v);
      return;
    }
    b.store(b.bits === 64 ? 'i64.store' : 'i64.store16', b.ea(o), v, b.bits / 8);
    b.dropStack(b.bits / 8);
  }, { d64: true, addressAfterPop: true }),
  insn('leave', 'C9', '', (b) => {
    const bp = b.gpr(RBP);
    const v = b.load('i64.load', bp, 8);
    b.setGpr(RSP, b.add(bp, 8));
    b.setGpr(RBP, v);
  }),
  insn('enter', 'C8 Iw Ib', 'r r', (b) => {
    const imm = b.imm();
    const size = b.and(imm, 0xffff);
    const level = b.and(b.wrap(b.shrU(imm, 16)), 31);
    const sp = b.gpr(RSP);
    const bp = b.gpr(RBP);
    const frame = b.sub(sp, 8);
    const bytes = b.shl(b.add(level, 1), 3);
    const lowest = b.sub(sp, b.extU(bytes));
    b.if(
      b.eqz(level),
      () => {
        b.store('i64.store', frame, bp, 8);
      },
      () => {
        enterNested(b, level, bp, frame, lowest);
      },
    );
    b.setGpr(RBP, frame);
    b.setGpr(RSP, b.sub(lowest, size));
  }),

  ...CONDITIONS.map((cc, i) =>
    insn(`cmov${cc}`, `0F ${(0x40 + i).toString(16).toUpperCase()} /r Gv Ev`, 'rw r', (b, dst, src) => {
      const v = b.read(src); // read in any case: the access can fault
      b.write(dst, b.select(b.condition(i), v, b.read(dst)));
    }),
  ),
  ...CONDITIONS.map((cc, i) =>
    insn(`set${cc}`, `0F ${(0x90 + i).toString(16).toUpperCase()} /r Eb`, 'w', (b, dst) => {
      b.write(dst, b.extU(b.condition(i)));
    }),
  ),
]; // prettier-ignore
