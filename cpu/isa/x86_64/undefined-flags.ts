/** Flags that an instruction leaves undefined, by its bytes: what two processors need not agree on. SDM vol. 2. */

const CF = 1;
const PF = 4;
const AF = 0x10;
const ZF = 0x40;
const SF = 0x80;
const OF = 0x800;

const PREFIXES = new Set([0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]);

/** `code` begins with the instruction. */
export function undefinedFlags(code: ArrayLike<number>): number {
  let at = 0;
  while (PREFIXES.has(code[at] ?? 0)) at++;
  if ((code[at] ?? 0) >> 4 === 4) at++; // REX
  const op = code[at] ?? 0;
  const next = code[at + 1] ?? 0;
  if (op === 0x0f) return twoBytes(next);
  const digit = (next >> 3) & 7;
  switch (op) {
    case 0xc0: // rotates and shifts by a number, by CL
    case 0xc1:
    case 0xd2:
    case 0xd3:
      return digit < 4 ? OF : AF | OF;
    case 0xd0: // by one
    case 0xd1:
      return digit < 4 ? 0 : AF;
    case 0x69: // IMUL
    case 0x6b:
      return SF | ZF | AF | PF;
    case 0x80: // OR, AND, XOR with a number
    case 0x81:
    case 0x83:
      return digit === 1 || digit === 4 || digit === 6 ? AF : 0;
    case 0x84: // TEST
    case 0x85:
    case 0xa8:
    case 0xa9:
      return AF;
    case 0xf6: // TEST, MUL, IMUL, DIV, IDIV
    case 0xf7:
      if (digit < 2) return AF;
      if (digit < 4) return 0;
      return digit < 6 ? SF | ZF | AF | PF : CF | PF | AF | ZF | SF | OF;
  }
  // OR, AND, XOR of registers and memory
  return op < 0x40 && (op & 7) < 6 && [1, 4, 6].includes(op >> 3) ? AF : 0;
}

function twoBytes(op: number): number {
  switch (op) {
    case 0xa4: // SHLD, SHRD
    case 0xa5:
    case 0xac:
    case 0xad:
      return AF | OF;
    case 0xaf: // IMUL
      return SF | ZF | AF | PF;
    case 0xbc: // BSF, BSR
    case 0xbd:
      return CF | PF | AF | SF | OF;
    case 0xa3: // BT, BTS, BTR, BTC
    case 0xab:
    case 0xb3:
    case 0xba:
    case 0xbb:
      return PF | AF | SF | OF;
  }
  return 0;
}
