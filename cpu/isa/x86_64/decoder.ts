/** x86_64 instruction decoder: bytes to one decoded instruction, by the tables the definitions give. SDM vol. 2A ch. 2. */
import { NEED_MORE, UNDEFINED } from '../../code-space.ts';
import { S } from '../../layout.ts';
import { FIXED, type Encoding as FullEncoding } from './encoding.ts';
import type { EncodingProperties } from './handlers.ts';

type Encoding = Omit<FullEncoding, 'def'> & { readonly def: EncodingProperties };

const RSP_OFFSET = S.gpr + 8 * 4;

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
  /** Signed displacement; for RIP-relative operands and branches the absolute address, for moffs the offset. */
  disp: bigint;
  imm: bigint;
  /** Segment base to add to an address that already has base and index: offset from STATE, or 0. */
  segment: number;
  /** 67 prefix: the address is cut to 32 bits. */
  address32: boolean;
}

export class Decoder {
  private readonly table: Encoding[][] = [];
  readonly out: Decoded;

  constructor(encodings: readonly Encoding[]) {
    for (let i = 0; i < 1024; i++) this.table.push([]);
    for (const e of encodings) {
      for (let r = 0; r < (e.plusR ? 8 : 1); r++) this.table[(e.map << 8) | (e.opcode + r)].push(e);
    }
    for (const list of this.table) list.sort((a, b) => rank(b) - rank(a));
    this.out = {
      encoding: encodings[0], handler: 0, length: 0, r1: 0, r2: 0, base: 0, index: 0, scale: 0, disp: 0n, imm: 0n,
      segment: 0, address32: false,
    }; // prettier-ignore
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
    const candidates = this.table[(map << 8) | byte];
    if (candidates.length === 0) return UNDEFINED;
    let modrm = -1;
    if (candidates[0].modrm) {
      if (at >= limit) return short;
      modrm = bytes[at++]!;
    }
    const isReg = modrm >= 0xc0;
    const digit = (modrm >> 3) & 7;
    let e: Encoding | undefined;
    for (const c of candidates) {
      if (c.digit >= 0 && c.digit !== digit) continue;
      if (c.exact >= 0 && c.exact !== modrm) continue;
      if (c.def.noRexB && rex & 1) continue;
      if (c.modrm && (isReg ? !c.allowReg : !c.allowMem)) continue;
      if (c.prefix !== '') {
        if (c.prefix === 'F3' ? rep !== 0xf3 : c.prefix === 'F2' ? rep !== 0xf2 : rep !== 0 && map !== 0)
          continue;
        if (c.prefix === 'NP' ? opsize && map !== 0 : c.prefix === '66' && !opsize) continue;
        if (c.prefix === 'NP' && map === 0 && rep !== 0) continue;
      }
      e = c;
      break;
    }
    if (!e) return UNDEFINED;
    const { def } = e;
    const o = this.out;
    o.encoding = e;
    o.r1 = S.zero;
    o.r2 = S.zero;
    o.base = S.zero;
    o.index = S.zero;
    o.scale = 0;
    o.disp = 0n;
    o.imm = 0n;
    o.segment = 0;
    o.address32 = false;
    const sizeIndex = rex & 8 ? 2 : opsize && !e.ySized ? 0 : def.d64 ? 2 : 1;
    const bits = 16 << sizeIndex;
    let form = 0;
    let ripRelative = false;
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
      const popped = def.addressAfterPop && base === RSP_OFFSET ? BigInt(bits / 8) : 0n;
      if (dispBytes === 1) o.disp = BigInt((bytes[at] << 24) >> 24);
      else if (dispBytes === 4) o.disp = BigInt(i32At(bytes, at));
      at += dispBytes;
      o.disp += popped;
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
    for (const code of e.operands) {
      let reg = -1;
      switch (code.kind) {
        case 'E':
        case 'R':
          if (isReg || e.exact >= 0) reg = gprOffset((modrm & 7) | ((rex & 1) << 3), code.size, rex);
          break;
        case 'G':
          reg = gprOffset(digit | ((rex & 4) << 1), code.size, rex);
          break;
        case 'Z':
          reg = gprOffset((byte & 7) | ((rex & 1) << 3), code.size, rex);
          break;
        case 'V':
          reg = S.xmm + 16 * (digit | ((rex & 4) << 1));
          break;
        case 'W':
        case 'U':
          if (isReg) reg = S.xmm + 16 * ((modrm & 7) | ((rex & 1) << 3));
          break;
        case 'P':
          reg = S.fpr + 16 * digit;
          break;
        case 'Q':
        case 'N':
          if (isReg) reg = S.fpr + 16 * (modrm & 7);
          break;
        case 'M':
        case '.':
          break;
        case '1':
          o.imm = 1n;
          break;
        case 'I': {
          const n = immediateBytes(code.size, sizeIndex);
          if (at + n > limit) return short;
          // A second immediate (ENTER's level) goes above the first.
          o.imm |= immediate(bytes, at, n, code.size, bits) << (immediates++ > 0 ? 16n : 0n);
          at += n;
          break;
        }
        case 'J': {
          const n = code.size === 'b' ? 1 : 4;
          if (at + n > limit) return short;
          const rel = n === 1 ? (bytes[at] << 24) >> 24 : i32At(bytes, at);
          at += n;
          o.disp = BigInt.asUintN(64, BigInt(pc + (at - start) + rel));
          break;
        }
        case 'O': {
          const n = address32 ? 4 : 8;
          if (at + n > limit) return short;
          o.disp = n === 4 ? BigInt(i32At(bytes, at) >>> 0) : u64At(bytes, at);
          at += n;
          if (segment !== 0) o.base = segment;
          break;
        }
        default:
          reg = gprOffset(FIXED[code.kind].reg, code.size, rex);
      }
      if (reg >= 0) {
        if (slot === 1) o.r1 = reg;
        else o.r2 = reg;
        slot++;
      }
    }
    o.length = at - start;
    const next = pc + o.length;
    if (ripRelative) {
      o.disp = BigInt.asUintN(64, BigInt(next) + o.disp);
      if (o.address32) o.disp &= 0xffffffffn;
    }
    if (def.ends) o.imm = def.endsWithImmediate ? o.imm : BigInt(next);
    if (modrm < 0 && segment !== 0 && e.operands.length === 0) o.base = segment; // string instructions
    if (lock && !(def.lock === true && form !== 0 && 'EM'.includes(e.operands[0].kind))) return UNDEFINED;
    o.handler = e.handlers[sizeIndex * 3 + form]!;
    return o.handler < 0 ? UNDEFINED : o.length;
  }
}

/** More specific encodings are tried first. */
function rank(e: Encoding): number {
  return (e.exact >= 0 ? 8 : 0) + (e.prefix === '' ? 0 : e.prefix === 'NP' ? 1 : e.prefix === '66' ? 2 : 4) + (e.digit >= 0 || e.def.noRexB ? 0.5 : 0); // prettier-ignore
}

/** Without REX, byte registers 4…7 are ah, ch, dh, bh. */
function gprOffset(n: number, size: string, rex: number): number {
  return size === 'b' && rex === 0 && n >= 4 && n < 8 ? (n - 4) * 8 + 1 : n * 8;
}

function immediateBytes(size: string, sizeIndex: number): number {
  switch (size) {
    case 'b':
    case 'bs':
      return 1;
    case 'w':
      return 2;
    case 'd':
      return 4;
    case 'z':
      return sizeIndex === 0 ? 2 : 4;
    case 'v':
      return sizeIndex === 0 ? 2 : sizeIndex === 1 ? 4 : 8;
    default:
      throw new Error(`no immediate size '${size}'`);
  }
}

/** Sign-extended where the encoding says so, then cut to the operand size. */
function immediate(bytes: Uint8Array, at: number, n: number, size: string, bits: number): bigint {
  if (n === 8) return u64At(bytes, at);
  let v: number;
  if (n === 1) v = size === 'bs' ? (bytes[at] << 24) >> 24 : bytes[at];
  else if (n === 2) v = bytes[at] | (bytes[at + 1] << 8);
  else v = i32At(bytes, at);
  if (size === 'b' || size === 'w') return BigInt(v);
  return BigInt.asUintN(size === 'd' ? 32 : bits, BigInt(v));
}

function i32At(b: Uint8Array, i: number): number {
  return b[i] | (b[i + 1] << 8) | (b[i + 2] << 16) | (b[i + 3] << 24);
}

function u64At(b: Uint8Array, i: number): bigint {
  return (BigInt(i32At(b, i + 4) >>> 0) << 32n) | BigInt(i32At(b, i) >>> 0);
}
