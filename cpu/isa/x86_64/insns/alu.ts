/** Two-operand and one-operand integer arithmetic and logic. SDM vol. 2. */
import type { Val } from '../../../builder.ts';
import { AF, ZF, type Operand, type X86Builder } from '../builder.ts';
import { insn, type Definition, type Semantics } from '../define.ts';

/** The eight classic operations share their encodings: base opcode and reg field. */
function classic(name: string, n: number, semantics: Semantics, options: object = {}): Definition {
  const op = (k: number): string => (n * 8 + k).toString(16).toUpperCase().padStart(2, '0');
  const access = name === 'cmp' ? 'r r' : 'rw r';
  return insn(
    name,
    [
      `${op(0)} /r Eb Gb`, `${op(1)} /r Ev Gv`, `${op(2)} /r Gb Eb`, `${op(3)} /r Gv Ev`, `${op(4)} AL Ib`, `${op(5)} rAX Iz`,
      `80 /${n} Eb Ib`, `81 /${n} Ev Iz`, `83 /${n} Ev Ibs`,
    ],
    access,
    semantics,
    { lock: name !== 'cmp', ...options },
  ); // prettier-ignore
}

function logic(op: 'and' | 'or' | 'xor'): Semantics {
  return (b, dst, src) => {
    const r = b[op](b.read(dst), b.read(src));
    b.write(dst, r);
    b.flagsLogic(r, dst.bits);
  };
}

function subtract(b: X86Builder, dst: Operand, src: Operand, store: boolean): void {
  const x = b.read(dst);
  const y = b.read(src);
  const r = b.sub(x, y);
  if (store) b.write(dst, r);
  b.flagsSub(x, y, r, dst.bits);
}

export const alu: readonly Definition[] = [
  classic('add', 0, (b, dst, src) => {
    const x = b.read(dst);
    const y = b.read(src);
    const sum = b.add(x, y);
    b.write(dst, sum); // first: a faulting store leaves the flags untouched
    b.flagsAdd(x, y, sum, dst.bits);
  }),
  classic('or', 1, logic('or'), { undefinedFlags: AF }),
  classic('adc', 2, (b, dst, src) => {
    const x = b.read(dst);
    const y = b.read(src);
    const sum = b.add(b.add(x, y), b.extU(b.carry()));
    b.write(dst, sum);
    b.flagsAdd(x, y, sum, dst.bits, true);
  }),
  classic('sbb', 3, (b, dst, src) => {
    const x = b.read(dst);
    const y = b.read(src);
    const r = b.sub(b.sub(x, y), b.extU(b.carry()));
    b.write(dst, r);
    b.flagsSub(x, y, r, dst.bits, true);
  }),
  classic('and', 4, logic('and'), { undefinedFlags: AF }),
  classic('sub', 5, (b, dst, src) => {
    subtract(b, dst, src, true);
  }),
  classic('xor', 6, logic('xor'), { undefinedFlags: AF }),
  classic('cmp', 7, (b, dst, src) => {
    subtract(b, dst, src, false);
  }, { fuses: true }),

  insn('test', ['84 /r Eb Gb', '85 /r Ev Gv', 'A8 AL Ib', 'A9 rAX Iz', 'F6 /0 Eb Ib', 'F6 /1 Eb Ib', 'F7 /0 Ev Iz', 'F7 /1 Ev Iz'], 'r r', (b, x, y) => {
    b.flagsLogic(b.and(b.read(x), b.read(y)), x.bits);
  }, { fuses: true, undefinedFlags: AF }),

  insn('inc', ['FE /0 Eb', 'FF /0 Ev'], 'rw', (b, o) => {
    const x = b.read(o);
    const r = b.add(x, 1);
    b.write(o, r);
    b.flagsIncDec(x, r, o.bits, false);
  }, { lock: true }),
  insn('dec', ['FE /1 Eb', 'FF /1 Ev'], 'rw', (b, o) => {
    const x = b.read(o);
    const r = b.sub(x, 1);
    b.write(o, r);
    b.flagsIncDec(x, r, o.bits, true);
  }, { lock: true }),
  insn('not', ['F6 /2 Eb', 'F7 /2 Ev'], 'rw', (b, o) => {
    b.write(o, b.not(b.read(o)));
  }, { lock: true }),
  insn('neg', ['F6 /3 Eb', 'F7 /3 Ev'], 'rw', (b, o) => {
    const y = b.read(o);
    const r = b.neg(y);
    b.write(o, r);
    b.flagsSub(b.i64(0), y, r, o.bits);
  }, { lock: true }),

  insn('xadd', ['0F C0 /r Eb Gb', '0F C1 /r Ev Gv'], 'rw rw', (b, dst, src) => {
    const x = b.read(dst);
    const y = b.read(src);
    const sum = b.add(x, y);
    if (dst.kind === 'mem') {
      b.write(dst, sum);
      b.write(src, x);
    } else {
      b.write(src, x);
      b.write(dst, sum); // the same register twice: the sum stays
    }
    b.flagsAdd(x, y, sum, dst.bits);
  }, { lock: true }),
  insn('cmpxchg', ['0F B0 /r Eb Gb', '0F B1 /r Ev Gv'], 'rw r', (b, dst, src) => {
    const old = b.read(dst);
    const acc = b.gpr(0, dst.bits);
    const difference = b.sub(acc, old);
    const equal = b.eq(acc, old);
    const rax = b.gpr(0);
    if (dst.kind === 'mem') b.write(dst, b.select(equal, b.read(src), old));
    else
      b.if(equal, () => {
        b.write(dst, b.read(src));
      });
    const keep = (v: Val): Val => (dst.bits >= 32 ? v : b.or(b.and(rax, ~((1n << BigInt(dst.bits)) - 1n)), v));
    b.if(b.eqz(equal), () => {
      b.setGpr(0, keep(old));
    });
    b.flagsSub(acc, old, difference, dst.bits);
  }, { lock: true }),
  // CMPXCHG8B compares edx:eax with 8 bytes, CMPXCHG16B (REX.W) rdx:rax with 16 aligned ones.
  insn('cmpxchg8b', '0F C7 /1 My', 'n', (b, m) => {
    const address = b.ea(m);
    const half = m.bits / 8;
    if (half === 8) b.raiseIf(b.nez(b.and(b.wrap(address), 15)), 'protection');
    const at = b.translate(address, half * 2, 'w');
    const [load, store] = half === 8 ? ['i64.load', 'i64.store'] : ['i64.load32_u', 'i64.store32'];
    const low = b.rawLoad(load, at);
    const high = b.rawLoad(load, at, half);
    const equal = b.and(b.eq(low, b.gpr(0, m.bits)), b.eq(high, b.gpr(2, m.bits)));
    b.if(
      equal,
      () => {
        b.rawStore(store, at, b.gpr(3));
        b.rawStore(store, at, b.gpr(1), half);
      },
      () => {
        b.setGpr(0, low, m.bits);
        b.setGpr(2, high, m.bits);
      },
    );
    b.changeFlags(ZF, b.shl(equal, 6));
  }, { lock: true }),
  insn('xlat', 'D7', '', (b) => {
    const address = b.add(b.add(b.gpr(3), b.gpr(0, 8)), b.stringSegment());
    b.setGpr(0, b.load('i64.load8_u', address, 1), 8);
  }),
]; // prettier-ignore
