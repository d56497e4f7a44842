/** Random states for x86_64 instructions to run from: general registers, flags, x87, vectors, memory, and what a case pins. */
import type { Random } from '../support/random.ts';
import { float32, integer64, relatedNumbers, vectorWord } from './values.ts';
import { KIND, type X86Case } from './x86-generate.ts';

const GPR = 0;
const FLAGS = 32;
const FX = 40;
const ZONE = 168;

/** An 80-bit operand: from a double, an edge, or any bits (unnormals and pseudo-NaNs among them). */
function x87Register(out: Int32Array, at: number, r: Random): void {
  const w = r.u32();
  let lo = r.u32();
  let hi = r.u32();
  let se = w >>> 16;
  const k = (w >>> 8) & 63;
  const sign = se & 0x8000;
  switch (w & 7) {
    case 0:
      lo = hi = 0;
      se = sign;
      break;
    case 1: // NaN
      hi |= 1 << 31;
      se = sign | 0x7fff;
      break;
    case 2: // infinity, one
      lo = 0;
      hi = 1 << 31;
      se = sign | (w & 8 ? 0x7fff : 0x3fff);
      break;
    case 3: // denormal
      hi >>>= 1 + (k & 31);
      se = sign;
      break;
    case 4:
      hi |= 1 << 31;
      se = sign | (0x3fff - 70 + r.below(140));
      break;
    case 5: // few bits
      hi |= 1 << 31;
      lo = k < 32 ? lo & (-1 << k) : 0;
      if (k > 32) hi &= -1 << (k - 32);
      se = sign | (0x3fff + r.below(66));
      break;
    case 6:
      hi |= 1 << 31;
      break;
    default:
  }
  out[at] = lo;
  out[at + 1] = hi;
  out[at + 2] = se;
  out[at + 3] = 0;
}

const PRECISION = [0x300, 0x300, 0x200, 0x000] as const;

/** x87 control, status and tag words; the registers. */
function drawX87(c: X86Case, s: Int32Array, fx: number, r: Random): void {
  for (let i = 0; i < 8; i++) x87Register(s, fx + 8 + 4 * i, r);
  const w = r.u32();
  const control = 0x7f | PRECISION[w & 3] | (w & 0xc00);
  let status = (w >>> 16) & 0x7f00;
  if (r.chance(0.25)) status |= r.u32() & 0x7f;
  const tags = r.chance(0.25) ? r.u32() & 0xff : 0xff;
  let masks = control;
  if (c.kinds & KIND.UNMASKED) {
    masks &= ~((w >>> 24) & 0x3f);
    if (status & ~masks & 0x3f) status |= 0x8080; // ES and B follow from the others
  }
  s[fx] = (status << 16) | masks;
  s[fx + 1] = tags;
}

/** Draws a state for a case. */
export function drawX86(c: X86Case, s: Int32Array, at: number, r: Random): void {
  for (let i = 0; i < 16; i++) integer64(s, at + GPR + 2 * i, r);
  s[at + FLAGS] = (r.u32() & (c.kinds & KIND.DF ? 0xcd5 : 0x8d5)) | 0x202;
  const floats = (c.kinds & KIND.FLOATS) !== 0;
  if (c.fp) {
    const fx = at + FX;
    const xmm = fx + 40;
    for (let i = 0; i < 64; i += 2) {
      if ((c.xmms >> (i >> 2)) & 1) vectorWord(s, xmm + i, r, floats);
      else {
        s[xmm + i] = r.u32();
        s[xmm + i + 1] = s[xmm + i] ^ 0x5a5a5a5a;
      }
    }
    if (floats && r.chance(0.4)) relatedNumbers(s, xmm, 64, r, false);
    s[fx] = 0x37f;
    if (c.kinds & KIND.X87) drawX87(c, s, fx, r);
    const w = r.u32();
    let csr = 0x1f80 | (w & 0x6000) | ((w >>> 20) & 3 ? 0 : w & 0x8040) | (w & 0x3f & (w >>> 8));
    if (c.kinds & KIND.UNMASKED) csr &= ~((w >>> 3) & 0x1f80);
    s[fx + 6] = csr;
  }
  const zone = at + ZONE;
  if (c.kinds & KIND.MEM) {
    for (let i = 0; i < 64; i += 2)
      if (c.fp) vectorWord(s, zone + i, r, floats);
      else integer64(s, zone + i, r);
    if (c.kinds & KIND.X87 && r.chance(0.5)) x87Register(s, zone + 16, r);
    else if (floats && r.chance(0.3)) relatedNumbers(s, zone, 64, r, false);
    else if (floats && r.chance(0.1)) for (let i = 0; i < 64; i++) s[zone + i] = float32(r);
  }
  for (const p of c.pins) {
    if (p.memory) {
      const bytes = new DataView(s.buffer, s.byteOffset + 4 * zone + p.address - c.zone, 8);
      bytes.setInt32(0, p.lo, true);
      bytes.setInt32(4, p.hi, true);
    } else {
      s[at + GPR + 2 * p.reg] = p.lo;
      s[at + GPR + 2 * p.reg + 1] = p.hi;
    }
  }
}
