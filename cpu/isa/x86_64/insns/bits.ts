/** Bit tests, scans and counts. SDM vol. 2. */
import type { Val } from '../../../builder.ts';
import { AF, CF, OF, PF, SF, ZF, type Operand, type X86Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';

type Change = 'bt' | 'bts' | 'btr' | 'btc';
const CHANGES: readonly [Change, string, number][] = [
  ['bt', 'A3', 4], ['bts', 'AB', 5], ['btr', 'B3', 6], ['btc', 'BB', 7],
]; // prettier-ignore
const BT_UNDEFINED = OF | SF | AF | PF;

function changed(b: X86Builder, kind: Change, x: Val, mask: Val): Val {
  if (kind === 'bts') return b.or(x, mask);
  if (kind === 'btr') return b.and(x, b.not(mask));
  return b.xor(x, mask);
}

function bitTest(b: X86Builder, kind: Change, dst: Operand, index: Val): void {
  const n = b.and(index, dst.bits - 1);
  const x = b.read(dst);
  if (kind !== 'bt') b.write(dst, changed(b, kind, x, b.shl(b.i64(1), n)));
  b.setCarry(b.and(b.wrap(b.shrU(x, n)), 1));
}

/** With a register index, memory is a bit string of unbounded length around the operand's address. */
function bitString(b: X86Builder, kind: Change, dst: Operand, src: Operand): void {
  const { bits } = dst;
  const index = b.readS(src);
  const shift = bits === 64 ? 6 : bits === 32 ? 5 : 4;
  const address = b.add(b.ea(dst), b.shl(b.shrS(index, shift), shift - 3));
  const at = b.translate(address, bits / 8, kind === 'bt' ? 'r' : 'w');
  const x = b.rawLoad(bits === 64 ? 'i64.load' : `i64.load${bits}_u`, at);
  const n = b.and(index, bits - 1);
  if (kind !== 'bt')
    b.rawStore(bits === 64 ? 'i64.store' : `i64.store${bits}`, at, changed(b, kind, x, b.shl(b.i64(1), n)));
  b.setCarry(b.and(b.wrap(b.shrU(x, n)), 1));
}

function scan(b: X86Builder, dst: Operand, src: Operand, forward: boolean): void {
  const x = b.read(src);
  const zero = b.eqz(x);
  // A zero source leaves the destination alone (AMD documents it, Intel does it).
  b.if(b.eqz(zero), () => {
    b.write(dst, forward ? b.ctz(x) : b.sub(b.i64(63), b.clz(x)));
  });
  b.changeFlags(ZF, b.shl(zero, 6));
}

export const bits: readonly Definition[] = [
  ...CHANGES.flatMap(([kind, op, n]) => [
    insn(kind, `0F ${op} /r Ev Gv`, kind === 'bt' ? 'r r' : 'rw r', (b, dst, src) => {
      if (dst.kind === 'mem') bitString(b, kind, dst, src);
      else bitTest(b, kind, dst, b.read(src));
    }, { lock: kind !== 'bt', undefinedFlags: BT_UNDEFINED }),
    insn(`${kind} imm`, `0F BA /${n} Ev Ib`, kind === 'bt' ? 'r r' : 'rw r', (b, dst, src) => {
      bitTest(b, kind, dst, b.read(src));
    }, { lock: kind !== 'bt', undefinedFlags: BT_UNDEFINED }),
  ]),
  insn('bsf', '0F BC /r Gv Ev', 'rw r', (b, dst, src) => {
    scan(b, dst, src, true);
  }, { undefinedFlags: CF | OF | SF | AF | PF }),
  insn('bsr', '0F BD /r Gv Ev', 'rw r', (b, dst, src) => {
    scan(b, dst, src, false);
  }, { undefinedFlags: CF | OF | SF | AF | PF }),
  insn('popcnt', 'F3 0F B8 /r Gv Ev', 'w r', (b, dst, src) => {
    const x = b.read(src);
    b.write(dst, b.popcnt(x));
    b.setArithFlags(b.shl(b.eqz(x), 6));
  }),
]; // prettier-ignore
