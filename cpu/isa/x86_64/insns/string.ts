/**
 * String instructions. A REP form is one instruction that works element by element, leaving rsi, rdi and rcx exact after
 * each: a fault in the middle restarts where it stopped (SDM vol. 2B, REP). Runs within a page are done in bulk.
 */
import type { Val } from '../../../builder.ts';
import { RAX, RCX, RDI, RSI, type X86Builder } from '../builder.ts';
import { S } from '../../../layout.ts';
import { insn, type Definition } from '../define.ts';

type Body = (b: X86Builder, size: number, step: Val) => void;

const load = (size: number): string => (size === 8 ? 'i64.load' : `i64.load${size * 8}_u`);
const store = (size: number): string => (size === 8 ? 'i64.store' : `i64.store${size * 8}`);

/** Bytes to move on after an element: ±size. */
function stepOf(b: X86Builder, size: number): Val {
  return b.select(b.getState('i32.load', S.df), b.i64(-size), b.i64(size));
}

function advance(b: X86Builder, reg: number, step: Val): void {
  b.setGpr(reg, b.add(b.gpr(reg), step));
}

/** rcx times; an i32 that `element` returns ends it early. */
function repeat(b: X86Builder, element: () => Val | null): void {
  b.block((exit) => {
    b.loop((again) => {
      b.brIf(exit, b.eqz(b.gpr(RCX)));
      const stop = element();
      b.setGpr(RCX, b.sub(b.gpr(RCX), 1));
      if (stop) b.brIf(exit, stop);
      b.br(again);
    });
  });
}

const source = (b: X86Builder): Val => b.add(b.gpr(RSI), b.stringSegment());

const movs: Body = (b, size, step) => {
  const from = b.translate(source(b), size, 'r');
  const to = b.translate(b.gpr(RDI), size, 'w');
  b.rawStore(store(size), to, b.rawLoad(load(size), from));
  advance(b, RSI, step);
  advance(b, RDI, step);
};

const stos: Body = (b, size, step) => {
  b.store(store(size), b.gpr(RDI), b.gpr(RAX), size);
  advance(b, RDI, step);
};

const lods: Body = (b, size, step) => {
  b.setGpr(RAX, b.load(load(size), source(b), size), size * 8);
  advance(b, RSI, step);
};

/** Elements that fit before the page of `address` ends, as i64. */
function leftInPage(b: X86Builder, address: Val, size: number): Val {
  return b.shrU(b.sub(b.i64(4096), b.and(address, 4095)), Math.log2(size));
}

const min = (b: X86Builder, x: Val, y: Val): Val => b.select(b.ltU(x, y), x, y);

function repMovs(b: X86Builder, size: number): void {
  const step = stepOf(b, size);
  b.block((exit) => {
    b.loop((again) => {
      const count = b.gpr(RCX);
      b.brIf(exit, b.eqz(count));
      const src = source(b);
      const dst = b.gpr(RDI);
      // In bulk: forward, and the destination not inside what is still to be read ("rep movsb" as a fill).
      const n = min(b, count, min(b, leftInPage(b, src, size), leftInPage(b, dst, size)));
      const bytes = b.mul(n, b.i64(size));
      const overlap = b.ltU(b.sub(dst, src), bytes);
      const bulk = b.and(b.and(b.eqz(b.getState('i32.load', S.df)), b.eqz(overlap)), b.nez(n));
      b.if(
        bulk,
        () => {
          const from = b.translate(src, 1, 'r');
          const to = b.translate(dst, 1, 'w');
          b.fn.memoryCopy(to, from, b.wrap(bytes));
          advance(b, RSI, bytes);
          advance(b, RDI, bytes);
          b.setGpr(RCX, b.sub(count, n));
        },
        () => {
          movs(b, size, step);
          b.setGpr(RCX, b.sub(count, 1));
        },
      );
      b.br(again);
    });
  });
}

function repStos(b: X86Builder, size: number): void {
  const step = stepOf(b, size);
  b.block((exit) => {
    b.loop((again) => {
      const count = b.gpr(RCX);
      b.brIf(exit, b.eqz(count));
      const dst = b.gpr(RDI);
      const n = min(b, count, leftInPage(b, dst, size));
      const value = b.gpr(RAX);
      // memory.fill writes one byte value: any stosb, and wider zeros.
      const uniform = size === 1 ? b.i32(1) : b.eqz(b.zext(value, size * 8));
      const bulk = b.and(b.and(b.eqz(b.getState('i32.load', S.df)), uniform), b.nez(n));
      b.if(
        bulk,
        () => {
          const bytes = b.mul(n, b.i64(size));
          b.fn.memoryFill(b.translate(dst, 1, 'w'), b.wrap(value), b.wrap(bytes));
          advance(b, RDI, bytes);
          b.setGpr(RCX, b.sub(count, n));
        },
        () => {
          stos(b, size, step);
          b.setGpr(RCX, b.sub(count, 1));
        },
      );
      b.br(again);
    });
  });
}

/** One SCAS or CMPS element; returns whether the operands were equal. The flags are those of the comparison. */
function compare(b: X86Builder, kind: 'scas' | 'cmps', size: number, step: Val): Val {
  const bits = size * 8;
  const x = kind === 'scas' ? b.gpr(RAX, bits) : b.load(load(size), source(b), size);
  // Two reads in one instruction can want the same TLB slot: the second must not restart the first for ever.
  const y = b.rawLoad(load(size), b.translateApart(b.gpr(RDI), size));
  if (kind === 'cmps') advance(b, RSI, step);
  advance(b, RDI, step);
  b.flagsSub(x, y, b.sub(x, y), bits);
  return b.eq(x, y);
}

function forms(name: string, compares: boolean, byteOp: number, build: (b: X86Builder, size: number, rep: '' | 'repe' | 'repne') => void): Definition[] {
  const h = (n: number): string => n.toString(16).toUpperCase();
  const out: Definition[] = [];
  for (const rep of ['', 'repe', 'repne'] as const) {
    const prefix = rep === '' ? 'NP ' : rep === 'repe' ? 'F3 ' : 'F2 ';
    const options = rep === '' ? {} : { repeats: compares ? rep : ('rep' as const) };
    out.push(insn(`${rep} ${name}b`.trim(), `${prefix}${h(byteOp)}`, '', (b) => {
      build(b, 1, rep);
    }, options));
    // The operand only carries the size.
    out.push(insn(`${rep} ${name}`.trim(), `${prefix}${h(byteOp + 1)} rAX`, 'n', (b) => {
      build(b, b.bits / 8, rep);
    }, options));
  }
  return out;
} // prettier-ignore

export const strings: readonly Definition[] = [
  ...forms('movs', false, 0xa4, (b, size, rep) => {
    if (rep) repMovs(b, size);
    else movs(b, size, stepOf(b, size));
  }),
  ...forms('stos', false, 0xaa, (b, size, rep) => {
    if (rep) repStos(b, size);
    else stos(b, size, stepOf(b, size));
  }),
  ...forms('lods', false, 0xac, (b, size, rep) => {
    const step = stepOf(b, size);
    if (!rep) lods(b, size, step);
    else
      repeat(b, () => {
        lods(b, size, step);
        return null;
      });
  }),
  ...(['scas', 'cmps'] as const).flatMap((kind) =>
    forms(kind, true, kind === 'scas' ? 0xae : 0xa6, (b, size, rep) => {
      const step = stepOf(b, size);
      if (!rep) {
        compare(b, kind, size, step);
        return;
      }
      repeat(b, () => {
        const equal = compare(b, kind, size, step);
        return rep === 'repe' ? b.eqz(equal) : equal;
      });
    }),
  ),
];
