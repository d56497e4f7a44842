/** Instructions on the flags themselves. SDM vol. 2. */
import { AF, ARITH_FLAGS, CF, PF, SF, ZF, type X86Builder } from '../builder.ts';
import type { Val } from '../../../builder.ts';
import { S } from '../../../layout.ts';
import { insn, type Definition } from '../define.ts';

/** TF, NT, AC, ID and RF: what POPF may change in user mode beside the arithmetic flags and DF. */
const WRITABLE_REST = 0x100 | 0x4000 | 0x40000 | 0x200000;

/** rflags as PUSHF shows them (IF always set). */
export function image(b: X86Builder): Val {
  const rest = b.getState('i32.load', S.rflagsRest);
  const df = b.shl(b.getState('i32.load', S.df), 10);
  return b.or(b.or(b.arithFlags(), 0x202), b.or(rest, df));
}

export const flags: readonly Definition[] = [
  insn('clc', 'F8', '', (b) => {
    b.setCarry(b.i32(0));
  }),
  insn('stc', 'F9', '', (b) => {
    b.setCarry(b.i32(1));
  }),
  insn('cmc', 'F5', '', (b) => {
    b.setCarry(b.eqz(b.carry()));
  }),
  insn('cld', 'FC', '', (b) => {
    b.setState('i32.store', S.df, b.i32(0));
  }),
  insn('std', 'FD', '', (b) => {
    b.setState('i32.store', S.df, b.i32(1));
  }),
  insn('lahf', '9F', '', (b) => {
    b.setState('i32.store8', S.gpr + 1, b.or(b.and(b.arithFlags(), 0xd5), 2));
  }),
  insn('sahf', '9E', '', (b) => {
    b.changeFlags(SF | ZF | AF | PF | CF, b.getState('i32.load8_u', S.gpr + 1));
  }),
  insn(
    'pushf',
    '9C rAX',
    'n',
    (b) => {
      // RF and VM read as zero.
      b.push(b.extU(b.and(image(b), ~0x30000)), b.bits);
    },
    { d64: true },
  ),
  insn(
    'popf',
    '9D rAX',
    'n',
    (b) => {
      const v = b.wrap(b.top(b.bits));
      b.dropStack(b.bits / 8);
      const mask = b.bits === 16 ? WRITABLE_REST & 0xffff : WRITABLE_REST;
      const rest = b.getState('i32.load', S.rflagsRest);
      b.setState('i32.store', S.rflagsRest, b.or(b.and(rest, ~(mask | 0x10000)), b.and(v, mask)));
      b.setState('i32.store', S.df, b.and(b.shrU(v, 10), 1));
      b.setArithFlags(b.and(v, ARITH_FLAGS));
    },
    { d64: true, special: true },
  ),
];
