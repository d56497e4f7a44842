/** x86_64 instruction decoder: bytes to one decoded instruction, by the tables the definitions give. SDM vol. 2A ch. 2. */
import { NEED_MORE, UNDEFINED } from '../../code-space.ts';
import { S } from '../../layout.ts';
import { FIXED, type Encoding as FullEncoding } from './encoding.ts';
import type { EncodingProperties } from './handlers.ts';

type Encoding = Omit<FullEncoding, 'def'> & { readonly def: EncodingProperties };

const RSP_OFFSET = S.gpr + 8 * 4;
const HIGH = 2 ** 32;

/** One decoded instruction; the decoder reuses a single object. Register fields are offsets from STATE. */
export interface Decoded {
  encoding: Encoding;
  handler: number;
  length: number;
  r1: number;
  r2: number;
  base: number;
  index: number;
  scale: number;
  /**
   * Signed displacement; for RIP-relative operands and branches the absolute address, for moffs the offset. 64 bits as
   * two halves: a bigint for each instruction took a third of the decoder's time.
   */
  dispLo: number;
  dispHi: number;
  /** A direct branch that does not go forward. */
  backward: boolean;
  immLo: number;
  immHi: number;
  /** Segment base to add to an address that already has base and index: offset from STATE, or 0. */
  segment: number;
  /** 67 prefix: the address is cut to 32 bits. */
  address32: boolean;
}

/** What an operand is decoded from. */
const NOTHING = 0;
const GPR_RM = 1;
const GPR_REG = 2;
const GPR_OPCODE = 3;
const XMM_REG = 4;
const XMM_RM = 5;
const MMX_REG = 6;
const MMX_RM = 7;
const ONE = 8;
const IMMEDIATE = 9;
const RELATIVE = 10;
const OFFSET = 11;
const FIXED_GPR = 12;
const KINDS: Readonly<Record<string, number>> = {
  E: GPR_RM, R: GPR_RM, G: GPR_REG, Z: GPR_OPCODE, V: XMM_REG, W: XMM_RM, U: XMM_RM, P: MMX_REG, Q: MMX_RM, N: MMX_RM,
  M: NOTHING, '.': NOTHING, '1': ONE, I: IMMEDIATE, J: RELATIVE, O: OFFSET,
}; // prettier-ignore

/** Sizes of an immediate, and of a branch's displacement. */
const IMM_B = 0;
const IMM_W = 1;
const IMM_D = 2;
/** Sign-extended to the operand size: from a byte, from at most 32 bits. */
const IMM_BS = 3;
const IMM_Z = 4;
const IMM_V = 5;
const IMM_SIZES: Readonly<Record<string, number>> = {
  b: IMM_B,
  w: IMM_W,
  d: IMM_D,
  bs: IMM_BS,
  z: IMM_Z,
  v: IMM_V,
};

interface OperandPlan {
  readonly kind: number;
  /** A byte register. */
  readonly byte: boolean;
  /** IMM_*, or the number of a fixed register. */
  readonly detail: number;
}

const NO_PREFIX = 0;
const NP = 1;
const P66 = 2;
const F3 = 3;
const F2 = 4;
const PREFIXES: Readonly<Record<string, number>> = { '': NO_PREFIX, NP, '66': P66, F3, F2 };

/** An encoding as the decoder wants it: numbers, one shape. Made when its opcode is first seen. */
interface Plan {
  readonly encoding: Encoding;
  readonly handlers: readonly number[];
  readonly prefix: number;
  readonly modrm: boolean;
  readonly digit: number;
  readonly exact: number;
  readonly allowReg: boolean;
  readonly allowMem: boolean;
  readonly noRexB: boolean;
  readonly ySized: boolean;
  readonly d64: boolean;
  readonly addressAfterPop: boolean;
  readonly ends: boolean;
  readonly endsWithImmediate: boolean;
  /** LOCK is allowed where its first operand is in memory. */
  readonly lock: boolean;
  readonly operands: readonly OperandPlan[];
}

function planOf(encoding: Encoding): Plan {
  const { def, operands } = encoding;
  return {
    encoding,
    handlers: encoding.handlers,
    prefix: PREFIXES[encoding.prefix],
    modrm: encoding.modrm,
    digit: encoding.digit,
    exact: encoding.exact,
    allowReg: encoding.allowReg,
    allowMem: encoding.allowMem,
    noRexB: def.noRexB === true,
    ySized: encoding.ySized,
    d64: def.d64 === true,
    addressAfterPop: def.addressAfterPop === true,
    ends: def.ends === true,
    endsWithImmediate: def.endsWithImmediate === true,
    lock: def.lock === true && operands.length > 0 && 'EM'.includes(operands[0].kind),
    operands: operands.map(({ kind, size }) => {
      const fixed = FIXED[kind];
      const byte = size === 'b';
      if (fixed) return { kind: FIXED_GPR, byte, detail: fixed.reg };
      const detail = kind === 'I' ? IMM_SIZES[size] : 0;
      if (detail === undefined) throw new Error(`no immediate size '${size}'`);
      return { kind: KINDS[kind], byte, detail };
    }),
  };
}

export class Decoder {
  private readonly table: Encoding[][] = [];
  private readonly plans: (readonly Plan[] | null)[] = [];
  readonly out: Decoded;

  constructor(encodings: readonly Encoding[]) {
    for (let i = 0; i < 1024; i++) {
      this.table.push([]);
      this.plans.push(null);
    }
    for (const e of encodings) {
      for (let r = 0; r < (e.plusR ? 8 : 1); r++) this.table[(e.map << 8) | (e.opcode + r)].push(e);
    }
    this.out = {
      encoding: encodings[0], handler: 0, length: 0, r1: 0, r2: 0, base: 0, index: 0, scale: 0, dispLo: 0, dispHi: 0, backward: false,
      immLo: 0, immHi: 0, segment: 0, address32: false,
    }; // prettier-ignore
  }

  /** More specific encodings are tried first. */
  private plansOf(opcode: number): readonly Plan[] {
    const list = this.table[opcode].sort((a, b) => rank(b) - rank(a)).map(planOf);
    return (this.plans[opcode] = list);
  }

  /**
   * Decodes the instruction at `bytes[at]`, of which `end - at` bytes may be read (15 at most are). `pc` is its guest
   * address. Returns its length, UNDEFINED or NEED_MORE; the result is in `out`.
   */
  decode(bytes: Uint8Array, at: number, end: number, pc: number): number {
    const start = at;
    const limit = Math.min(end, start + 15);
    const short = end < start + 15 ? NEED_MORE : UNDEFINED;
    let opsize = false;
    let address32 = false;
    let rep = 0;
    let lock = false;
    let segment = 0;
    let rex = 0;
    let byte = 0;
    // Legacy prefixes in any order; a REX counts only directly before the opcode.
    for (;;) {
      if (at >= limit) return short;
      byte = bytes[at++]!;
      if (byte === 0x66) opsize = true;
      else if (byte === 0x67) address32 = true;
      else if (byte === 0xf2 || byte === 0xf3) rep = byte;
      else if (byte === 0xf0) lock = true;
      else if (byte === 0x64) segment = S.fsBase;
      else if (byte === 0x65) segment = S.gsBase;
      else if (byte === 0x2e || byte === 0x36 || byte === 0x3e || byte === 0x26) {
        // Null segments have base 0 in 64-bit mode; FS and GS given before stay in force.
      } else if ((byte & 0xf0) === 0x40) {
        rex = byte;
        continue;
      } else break;
      rex = 0;
    }
    let map = 0;
    if (byte === 0x0f) {
      if (at >= limit) return short;
      byte = bytes[at++]!;
      map = 1;
      if (byte === 0x38 || byte === 0x3a) {
        map = byte === 0x38 ? 2 : 3;
        if (at >= limit) return short;
        byte = bytes[at++]!;
      }
    }
    const opcode = (map << 8) | byte;
    const candidates = this.plans[opcode] ?? this.plansOf(opcode);
    if (candidates.length === 0) return UNDEFINED;
    let modrm = -1;
    if (candidates[0].modrm) {
      if (at >= limit) return short;
      modrm = bytes[at++]!;
    }
    const isReg = modrm >= 0xc0;
    const digit = (modrm >> 3) & 7;
    let e: Plan | undefined;
    for (let i = 0; i < candidates.length; i++) {
      const c = candidates[i];
      if (c.digit >= 0 && c.digit !== digit) continue;
      if (c.exact >= 0 && c.exact !== modrm) continue;
      if (c.noRexB && rex & 1) continue;
      if (c.modrm && (isReg ? !c.allowReg : !c.allowMem)) continue;
      const { prefix } = c;
      if (prefix !== NO_PREFIX) {
        if (prefix === F3 ? rep !== 0xf3 : prefix === F2 ? rep !== 0xf2 : rep !== 0 && map !== 0) continue;
        if (prefix === NP ? opsize && map !== 0 : prefix === P66 && !opsize) continue;
        if (prefix === NP && map === 0 && rep !== 0) continue;
      }
      e = c;
      break;
    }
    if (!e) return UNDEFINED;
    const o = this.out;
    o.encoding = e.encoding;
    o.r1 = S.zero;
    o.r2 = S.zero;
    o.base = S.zero;
    o.index = S.zero;
    o.scale = 0;
    o.dispLo = 0;
    o.dispHi = 0;
    o.backward = false;
    o.immLo = 0;
    o.immHi = 0;
    o.segment = 0;
    o.address32 = false;
    const sizeIndex = rex & 8 ? 2 : opsize && !e.ySized ? 0 : e.d64 ? 2 : 1;
    const bits = 16 << sizeIndex;
    let form = 0;
    let ripRelative = false;
    let disp = 0;
    if (modrm >= 0 && !isReg && e.exact < 0) {
      const mod = modrm >> 6;
      let rm = modrm & 7;
      let base: number = S.zero;
      let index: number = S.zero;
      let dispBytes = mod === 1 ? 1 : mod === 2 ? 4 : 0;
      if (rm === 4) {
        if (at >= limit) return short;
        const sib = bytes[at++];
        const x = ((sib >> 3) & 7) | ((rex & 2) << 2);
        if (x !== 4) {
          index = x * 8;
          o.scale = sib >> 6;
        }
        rm = sib & 7;
        if (rm === 5 && mod === 0) dispBytes = 4;
        else base = (rm | ((rex & 1) << 3)) * 8;
      } else if (rm === 5 && mod === 0) {
        dispBytes = 4;
        ripRelative = true;
      } else base = (rm | ((rex & 1) << 3)) * 8;
      if (at + dispBytes > limit) return short;
      // Here and not when it runs: a segment's or a 32-bit address is made before the instruction moves rsp.
      if (dispBytes === 1) disp = (bytes[at] << 24) >> 24;
      else if (dispBytes === 4) disp = i32At(bytes, at);
      at += dispBytes;
      if (e.addressAfterPop && base === RSP_OFFSET) disp += bits / 8;
      if (address32) o.address32 = true;
      else if (segment !== 0) {
        // A free base or index field takes the segment base; else a preparing record adds it.
        if (base === S.zero) base = segment;
        else if (index === S.zero) index = segment;
        else o.segment = segment;
      }
      if (address32 && segment !== 0) o.segment = segment;
      o.base = base;
      o.index = index;
      form = index === S.zero ? 1 : 2;
      if (o.segment !== 0 || o.address32) form = 1;
    }
    // Operands: registers into slots, immediates into imm, branch targets into disp.
    let slot = 1;
    let immediates = 0;
    const { operands } = e;
    for (let i = 0; i < operands.length; i++) {
      const { kind, byte: ofByte, detail } = operands[i];
      let reg = -1;
      switch (kind) {
        case NOTHING:
          break;
        case GPR_RM:
          if (isReg || e.exact >= 0) reg = gprOffset((modrm & 7) | ((rex & 1) << 3), ofByte, rex);
          break;
        case GPR_REG:
          reg = gprOffset(digit | ((rex & 4) << 1), ofByte, rex);
          break;
        case GPR_OPCODE:
          reg = gprOffset((byte & 7) | ((rex & 1) << 3), ofByte, rex);
          break;
        case XMM_REG:
          reg = S.xmm + 16 * (digit | ((rex & 4) << 1));
          break;
        case XMM_RM:
          if (isReg) reg = S.xmm + 16 * ((modrm & 7) | ((rex & 1) << 3));
          break;
        case MMX_REG:
          reg = S.fpr + 16 * digit;
          break;
        case MMX_RM:
          if (isReg) reg = S.fpr + 16 * (modrm & 7);
          break;
        case ONE:
          o.immLo = 1;
          break;
        case IMMEDIATE: {
          const n = immediateBytes(detail, sizeIndex);
          if (at + n > limit) return short;
          if (n === 8) {
            o.immLo = i32At(bytes, at);
            o.immHi = i32At(bytes, at + 4);
          } else {
            let v: number;
            if (n === 1) v = detail === IMM_BS ? (bytes[at] << 24) >> 24 : bytes[at];
            else if (n === 2) v = bytes[at] | (bytes[at + 1] << 8);
            else v = i32At(bytes, at);
            // Sign-extended where the encoding says so, and cut to the operand size.
            if (detail >= IMM_BS) {
              if (sizeIndex === 0) v &= 0xffff;
              else if (sizeIndex === 2 && v < 0) o.immHi = -1;
            }
            // A second immediate (ENTER's level) goes above the first.
            o.immLo |= immediates++ > 0 ? v << 16 : v;
          }
          at += n;
          break;
        }
        case RELATIVE: {
          const n = ofByte ? 1 : 4;
          if (at + n > limit) return short;
          const rel = n === 1 ? (bytes[at] << 24) >> 24 : i32At(bytes, at);
          at += n;
          const target = pc + (at - start) + rel;
          o.dispLo = target | 0;
          o.dispHi = Math.floor(target / HIGH);
          // Below 0 is the end of the address space.
          o.backward = target >= 0 && target <= pc;
          break;
        }
        case OFFSET: {
          const n = address32 ? 4 : 8;
          if (at + n > limit) return short;
          o.dispLo = i32At(bytes, at);
          o.dispHi = n === 4 ? 0 : i32At(bytes, at + 4);
          at += n;
          if (segment !== 0) o.base = segment;
          break;
        }
        default:
          reg = gprOffset(detail, ofByte, rex);
      }
      if (reg >= 0) {
        if (slot === 1) o.r1 = reg;
        else o.r2 = reg;
        slot++;
      }
    }
    o.length = at - start;
    const next = pc + o.length;
    if (ripRelative) disp += next;
    if (disp !== 0) {
      o.dispLo = disp | 0;
      o.dispHi = ripRelative && address32 ? 0 : Math.floor(disp / HIGH);
    }
    if (e.ends && !e.endsWithImmediate) {
      o.immLo = next | 0;
      o.immHi = Math.floor(next / HIGH);
    }
    if (modrm < 0 && segment !== 0 && operands.length === 0) o.base = segment; // string instructions
    if (lock && !(e.lock && form !== 0)) return UNDEFINED;
    o.handler = e.handlers[sizeIndex * 3 + form]!;
    return o.handler < 0 ? UNDEFINED : o.length;
  }
}

function rank(e: Encoding): number {
  return (e.exact >= 0 ? 8 : 0) + (e.prefix === '' ? 0 : e.prefix === 'NP' ? 1 : e.prefix === '66' ? 2 : 4) + (e.digit >= 0 || e.def.noRexB ? 0.5 : 0); // prettier-ignore
}

/** Without REX, byte registers 4…7 are ah, ch, dh, bh. */
function gprOffset(n: number, byte: boolean, rex: number): number {
  return byte && rex === 0 && n >= 4 && n < 8 ? (n - 4) * 8 + 1 : n * 8;
}

function immediateBytes(size: number, sizeIndex: number): number {
  switch (size) {
    case IMM_B:
    case IMM_BS:
      return 1;
    case IMM_W:
      return 2;
    case IMM_D:
      return 4;
    case IMM_Z:
      return sizeIndex === 0 ? 2 : 4;
    default:
      return 2 << sizeIndex;
  }
}

function i32At(b: Uint8Array, i: number): number {
  return b[i] | (b[i + 1] << 8) | (b[i + 2] << 16) | (b[i + 3] << 24);
}
