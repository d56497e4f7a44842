/** Integer data processing. Arm ARM C4.1.3 (immediate), C4.1.5 (register). */
import type { Val } from '../../../builder.ts';
import { CRC32C, CRC32 } from '../../../tables.ts';
import type { A64Builder } from '../builder.ts';
import { insn, type Definition, type Reg } from '../define.ts';

/** Shift by an i64 amount below the width; the result's upper half does not matter for 32 bits. */
function shifted(b: A64Builder, r: Reg, kind: number, amount: Val, width: 32 | 64): Val {
  switch (kind) {
    case 0:
      return b.shl(b.x(r), amount);
    case 1:
      return b.shrU(b.x(r, width), amount);
    case 2:
      return b.shrS(b.sx(r, width), amount);
    default:
      return width === 64 ? b.rotr(b.x(r), amount) : b.extU(b.rotr(b.wrap(b.x(r)), b.wrap(amount)));
  }
}

/** UXTB… SXTX of a register. */
function extended(b: A64Builder, r: Reg, option: number): Val {
  const bits = 8 << (option & 3);
  return option & 4 ? b.sx(r, bits) : b.x(r, bits);
}

/** ADD, SUB (op), ADDS, SUBS (S) of x and y. */
function addSub(b: A64Builder, op: number, S: number, rd: Reg, x: Val, y: Val): void {
  const r = op ? b.sub(x, y) : b.add(x, y);
  if (S) {
    if (op) b.flagsSub(x, y, r, b.width);
    else b.flagsAdd(x, y, r, b.width);
  }
  b.setX(rd, r, b.width);
}

const LOGICAL = ['and', 'orr', 'eor', 'ands'] as const;
function logical(b: A64Builder, opc: number, rd: Reg, x: Val, y: Val): void {
  const r = opc === 1 ? b.or(x, y) : opc === 2 ? b.xor(x, y) : b.and(x, y);
  if (opc === 3) b.flagsLogic(r, b.width);
  b.setX(rd, r, b.width);
}

/** With flags the destination may not be SP, so both forms are apart. */
const ADD_SUB = ([0, 1] as const).flatMap((op) => ([0, 1] as const).map((S) => [op, S] as const));
const arithmeticName = (op: number, S: number): string => `${op ? 'sub' : 'add'}${S ? 's' : ''}`;

const immediate: readonly Definition[] = [
  ...ADD_SUB.map(([op, S]) =>
    insn(
      `${arithmeticName(op, S)} (immediate)`,
      `sf ${op}${S} 100010 sh:1 imm12:12 Rn Rd`,
      S ? 'w:Rd r:Rn|sp' : 'w:Rd|sp r:Rn|sp',
      (b, rd, rn) => {
        addSub(b, op, S, rd, b.x(rn), b.imm());
      },
      { by: 'sf', imm: 'arithmetic', fuses: S === 1 },
    ),
  ),
  ...LOGICAL.map((name, opc) =>
    insn(
      `${name} (immediate)`,
      `sf ${opc >> 1}${opc & 1} 100100 N immr:6 imms:6 Rn Rd`,
      opc === 3 ? 'w:Rd r:Rn' : 'w:Rd|sp r:Rn',
      (b, rd, rn) => {
        logical(b, opc, rd, b.x(rn), b.imm());
      },
      { by: 'sf', imm: 'logical', fuses: opc === 3 },
    ),
  ),
  insn('movn', 'sf 00 100101 hw:2 imm16:16 Rd', 'w:Rd', (b, rd) => {
    b.setX(rd, b.not(b.imm()), b.width);
  }, { by: 'sf', imm: 'moveWide' }),
  insn('movz', 'sf 10 100101 hw:2 imm16:16 Rd', 'w:Rd', (b, rd) => {
    b.setX(rd, b.imm(), b.width);
  }, { by: 'sf', imm: 'moveWide' }),
  insn('movk', 'sf 11 100101 hw:2 imm16:16 Rd', 'w:Rd r:Rd', (b, rd, old) => {
    const keep = ~(0xffffn << BigInt(16 * b.f['hw']));
    b.setX(rd, b.or(b.and(b.x(old), keep), b.imm()), b.width);
  }, { by: 'sf hw', imm: 'moveWide', where: (f) => f['sf'] === 1 || f['hw'] < 2 }),
  insn('adr', '0 immlo:2 10000 immhi:19 Rd', 'w:Rd', (b, rd) => {
    b.setX(rd, b.imm());
  }, { imm: 'adr' }),
  insn('adrp', '1 immlo:2 10000 immhi:19 Rd', 'w:Rd', (b, rd) => {
    b.setX(rd, b.imm());
  }, { imm: 'adrp' }),
  // The field goes to the top of 64 bits, then to its place.
  insn('sbfm', 'sf 00 100110 N immr:6 imms:6 Rn Rd', 'w:Rd r:Rn', (b, rd, rn) => {
    b.setX(rd, b.shrS(b.shl(b.x(rn), b.extU(b.small())), b.imm()), b.width);
  }, { by: 'sf', imm: 'fieldRight', small: 'fieldLeft' }),
  insn('ubfm', 'sf 10 100110 N immr:6 imms:6 Rn Rd', 'w:Rd r:Rn', (b, rd, rn) => {
    b.setX(rd, b.shrU(b.shl(b.x(rn), b.extU(b.small())), b.imm()), b.width);
  }, { by: 'sf', imm: 'fieldRight', small: 'fieldLeft' }),
  insn('bfm', 'sf 01 100110 N immr:6 imms:6 Rn Rd', 'w:Rd r:Rd r:Rn', (b, rd, old, rn) => {
    const left = b.extU(b.small());
    const mask = b.shrU(b.shl(b.i64(-1), left), b.imm());
    const field = b.shrU(b.shl(b.x(rn), left), b.imm());
    b.setX(rd, b.or(b.and(b.x(old), b.not(mask)), field), b.width);
  }, { by: 'sf', imm: 'fieldRight', small: 'fieldLeft' }),
  insn('extr', 'sf 00 100111 N 0 Rm imms:6 Rn Rd', 'w:Rd r:Rn r:Rm', (b, rd, rn, rm) => {
    const lsb = b.imm();
    if (b.width === 32) {
      const both = b.or(b.shl(b.x(rn), 32), b.x(rm, 32));
      b.setX(rd, b.shrU(both, lsb), 32);
      return;
    }
    const high = b.shl(b.shl(b.x(rn), 1), b.sub(b.i64(63), lsb)); // nothing for lsb 0
    b.setX(rd, b.or(high, b.shrU(b.x(rm), lsb)));
  }, { by: 'sf', imm: 'extract' }),
]; // prettier-ignore

const shiftedRegister: readonly Definition[] = [
  ...LOGICAL.flatMap((name, opc) =>
    ([0, 1] as const).flatMap((N) => {
      const names = [['and', 'bic'], ['orr', 'orn'], ['eor', 'eon'], ['ands', 'bics']] as const; // prettier-ignore
      const title = names[opc][N];
      const bits = `${opc >> 1}${opc & 1} 01010`;
      const build = (b: A64Builder, rd: Reg, x: Val, y: Val): void => {
        logical(b, opc, rd, x, N ? b.not(y) : y);
      };
      return [
        insn(`${title} (register)`, `sf ${bits} 00 ${N} Rm 000000 Rn Rd`, 'w:Rd r:Rn r:Rm', (b, rd, rn, rm) => {
          build(b, rd, b.x(rn), b.x(rm));
        }, { by: 'sf', fuses: opc === 3 }),
        insn(`${title} (shifted register)`, `sf ${bits} shift:2 ${N} Rm imm6:6 Rn Rd`, 'w:Rd r:Rn r:Rm', (b, rd, rn, rm) => {
          build(b, rd, b.x(rn), shifted(b, rm, b.f['shift'], b.imm(), b.width));
        }, { by: 'sf shift', imm: 'imm6' }),
      ]; // prettier-ignore
    }),
  ),
  ...ADD_SUB.flatMap(([op, S]) => [
    insn(`${arithmeticName(op, S)} (register)`, `sf ${op}${S} 01011 00 0 Rm 000000 Rn Rd`, 'w:Rd r:Rn r:Rm', (b, rd, rn, rm) => {
      addSub(b, op, S, rd, b.x(rn), b.x(rm));
    }, { by: 'sf', fuses: S === 1 }),
    insn(`${arithmeticName(op, S)} (shifted register)`, `sf ${op}${S} 01011 shift:2 0 Rm imm6:6 Rn Rd`, 'w:Rd r:Rn r:Rm', (b, rd, rn, rm) => {
      addSub(b, op, S, rd, b.x(rn), shifted(b, rm, b.f['shift'], b.imm(), b.width));
    }, { by: 'sf shift', imm: 'imm6', where: (f) => f['shift'] !== 3 }),
    insn(`${arithmeticName(op, S)} (extended register)`, `sf ${op}${S} 01011 001 Rm option:3 imm3:3 Rn Rd`, S ? 'w:Rd r:Rn|sp r:Rm' : 'w:Rd|sp r:Rn|sp r:Rm', (b, rd, rn, rm) => {
      addSub(b, op, S, rd, b.x(rn), b.shl(extended(b, rm, b.f['option']), b.imm()));
    }, { by: 'sf option', imm: 'imm3' }),
    insn(`${op ? 'sbc' : 'adc'}${S ? 's' : ''}`, `sf ${op}${S} 11010000 Rm 000000 Rn Rd`, 'w:Rd r:Rn r:Rm', (b, rd, rn, rm) => {
      const x = b.x(rn);
      const y = op ? b.not(b.x(rm)) : b.x(rm);
      const r = b.add(b.add(x, y), b.carry());
      if (S) b.flagsSum(x, y, r, b.width);
      b.setX(rd, r, b.width);
    }, { by: 'sf' }),
  ]), // prettier-ignore
];

const conditional: readonly Definition[] = [
  ...([0, 1] as const).flatMap((op) =>
    ([0, 1] as const).map((imm) =>
      insn(
        `${op ? 'ccmp' : 'ccmn'} (${imm ? 'immediate' : 'register'})`,
        `sf ${op} 1 11010010 ${imm ? 'imm5:5' : 'Rm'} cond:4 ${imm} 0 Rn 0 nzcv:4`,
        imm ? 'r:Rn' : 'r:Rn r:Rm',
        (b, rn, rm) => {
          const x = b.x(rn);
          const y = imm ? b.imm() : b.x(rm);
          b.flagsEither(
            b.condition(b.f['cond']),
            () => {
              if (op) b.flagsSub(x, y, b.sub(x, y), b.width);
              else b.flagsAdd(x, y, b.add(x, y), b.width);
            },
            () => {
              b.setNzcv(b.extU(b.small()));
            },
          );
        },
        { by: 'sf cond', small: 'nzcv', ...(imm ? { imm: 'imm5' as const } : {}) },
      ),
    ),
  ),
  ...['csel', 'csinc', 'csinv', 'csneg'].map((name, k) =>
    insn(name, `sf ${k >> 1} 0 11010100 Rm cond:4 0 ${k & 1} Rn Rd`, 'w:Rd r:Rn r:Rm', (b, rd, rn, rm) => {
      const y = b.x(rm);
      const other = k === 0 ? y : k === 1 ? b.add(y, 1) : k === 2 ? b.not(y) : b.neg(y);
      b.setX(rd, b.select(b.condition(b.f['cond']), b.x(rn), other), b.width);
    }, { by: 'sf cond' }),
  ), // prettier-ignore
];

/** Bytes reversed in each 64, 32 or 16 bits of an i64. */
export function reverseBytes(b: A64Builder, v: Val, unit: 16 | 32 | 64): Val {
  const m8 = 0x00ff00ff00ff00ffn;
  let r = b.or(b.and(b.shrU(v, 8), m8), b.shl(b.and(v, m8), 8));
  if (unit === 16) return r;
  const m16 = 0x0000ffff0000ffffn;
  r = b.or(b.and(b.shrU(r, 16), m16), b.shl(b.and(r, m16), 16));
  return unit === 32 ? r : b.rotl(r, 32);
}

function reverseBits(b: A64Builder, v: Val): Val {
  let r = v;
  for (const [shift, mask] of [[1, 0x5555555555555555n], [2, 0x3333333333333333n], [4, 0x0f0f0f0f0f0f0f0fn]] as const)
    r = b.or(b.and(b.shrU(r, shift), mask), b.shl(b.and(r, mask), shift)); // prettier-ignore
  return reverseBytes(b, r, 64);
}

/** `width` is given where the encoding is for one width alone. */
const oneSource = (
  name: string,
  opcode: string,
  build: (b: A64Builder, x: Reg, width: 32 | 64) => Val,
  only?: 32 | 64,
): Definition =>
  insn(
    name,
    `${only === undefined ? 'sf' : only === 64 ? 1 : 0} 1 0 11010110 00000 ${opcode} Rn Rd`,
    'w:Rd r:Rn',
    (b, rd, rn) => {
      const width = only ?? b.width;
      b.setX(rd, build(b, rn, width), width);
    },
    only === undefined ? { by: 'sf' } : {},
  );

/** CRC-32 (polynomial 04C11DB7) or CRC-32C, byte by byte from a table. */
function crc(table: number, accumulator: Val, v: Val, bytes: number, b: A64Builder): Val {
  let c = accumulator;
  for (let i = 0; i < bytes; i++) {
    const byte = b.wrap(b.and(b.shrU(v, 8 * i), 0xff));
    const index = b.and(b.xor(c, byte), 0xff);
    c = b.xor(b.shrU(c, 8), b.rawLoad('i32.load', b.shl(index, 2), table));
  }
  return c;
}

const sources: readonly Definition[] = [
  oneSource('rbit', '000000', (b, x, width) => {
    const r = reverseBits(b, b.x(x));
    return width === 64 ? r : b.shrU(r, 32);
  }),
  oneSource('rev16', '000001', (b, x) => reverseBytes(b, b.x(x), 16)),
  oneSource('rev (32)', '000010', (b, x) => reverseBytes(b, b.x(x), 32), 32),
  oneSource('rev32', '000010', (b, x) => reverseBytes(b, b.x(x), 32), 64),
  oneSource('rev', '000011', (b, x) => reverseBytes(b, b.x(x), 64), 64),
  oneSource('clz', '000100', (b, x, width) => (width === 64 ? b.clz(b.x(x)) : b.extU(b.clz(b.wrap(b.x(x)))))),
  oneSource('cls', '000101', (b, x, width) => {
    const v = b.sx(x, width);
    const n = b.clz(b.xor(v, b.shrS(v, 63)));
    return b.sub(n, width === 64 ? 1 : 33);
  }),
  ...(['udiv', 'sdiv'] as const).map((name, k) =>
    insn(name, `sf 0 0 11010110 Rm 00001${k} Rn Rd`, 'w:Rd r:Rn r:Rm', (b, rd, rn, rm) => {
      const [x, y] = k ? [b.sx(rn, b.width), b.sx(rm, b.width)] : [b.x(rn, b.width), b.x(rm, b.width)];
      const out = b.var('i64', b.i64(0));
      b.if(b.nez(y), () => {
        if (!k) b.set(out, b.divU(x, y));
        else {
          // The most negative number by −1 traps the host and wraps here.
          b.if(b.eq(y, -1), () => {
            b.set(out, b.neg(x));
          }, () => {
            b.set(out, b.divS(x, y));
          });
        }
      });
      b.setX(rd, b.get(out), b.width);
    }, { by: 'sf' }),
  ), // prettier-ignore
  ...['lslv', 'lsrv', 'asrv', 'rorv'].map((name, k) =>
    insn(name, `sf 0 0 11010110 Rm 0010${k >> 1}${k & 1} Rn Rd`, 'w:Rd r:Rn r:Rm', (b, rd, rn, rm) => {
      const amount = b.and(b.x(rm), b.width - 1);
      b.setX(rd, shifted(b, rn, k, amount, b.width), b.width);
    }, { by: 'sf' }),
  ), // prettier-ignore
  ...([0, 1] as const).flatMap((c) =>
    ([0, 1, 2, 3] as const).map((size) =>
      insn(
        `crc32${c ? 'c' : ''}${'bhwx'[size]}`,
        `${size === 3 ? 1 : 0} 0 0 11010110 Rm 010 ${c} ${size >> 1}${size & 1} Rn Rd`,
        'w:Rd r:Rn r:Rm',
        (b, rd, rn, rm) => {
          b.setX(rd, b.extU(crc(c ? CRC32C : CRC32, b.wrap(b.x(rn)), b.x(rm), 1 << size, b)), 32);
        },
      ),
    ),
  ),
  ...(['madd', 'msub'] as const).map((name, k) =>
    insn(name, `sf 00 11011 000 Rm ${k} Ra Rn Rd`, 'w:Rd r:Rn r:Rm r:Ra', (b, rd, rn, rm, ra) => {
      const product = b.mul(b.x(rn), b.x(rm));
      b.setX(rd, k ? b.sub(b.x(ra), product) : b.add(b.x(ra), product), b.width);
    }, { by: 'sf' }),
  ), // prettier-ignore
  ...([['smaddl', '001', 0], ['smsubl', '001', 1], ['umaddl', '101', 0], ['umsubl', '101', 1]] as const).map(
    ([name, op, k]) =>
      insn(name, `1 00 11011 ${op} Rm ${k} Ra Rn Rd`, 'w:Rd r:Rn r:Rm r:Ra', (b, rd, rn, rm, ra) => {
        const wide = (r: Reg): Val => (op === '001' ? b.sx(r, 32) : b.x(r, 32));
        const product = b.mul(wide(rn), wide(rm));
        b.setX(rd, k ? b.sub(b.x(ra), product) : b.add(b.x(ra), product));
      }),
  ), // prettier-ignore
  ...(['smulh', 'umulh'] as const).map((name, k) =>
    insn(name, `1 00 11011 ${k}10 Rm 0 xxxxx Rn Rd`, 'w:Rd r:Rn r:Rm', (b, rd, rn, rm) => {
      b.setX(rd, b.callHelper(k ? 'mulhi_u' : 'mulhi_s', b.x(rn), b.x(rm))!);
    }),
  ), // prettier-ignore
];

export const integer: readonly Definition[] = [...immediate, ...shiftedRegister, ...conditional, ...sources];
