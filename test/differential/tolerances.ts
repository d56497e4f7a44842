/**
 * All that the differential tests let an oracle do differently, or do not ask it, each with its reason. Every entry has a
 * test (tolerances.test.ts) that shows that the oracle does differ there: one that is not needed must go.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { A64Case } from './a64-generate.ts';
import { A64_AT, FX, X86_AT } from './layouts.ts';
import type { Difference, Tolerance } from './runner.ts';
import type { X86Case } from './x86-generate.ts';

/** A tolerance, why it is one, and the definitions that meet it. */
export interface Known<C extends X86Case | A64Case> extends Tolerance<C> {
  readonly why: string;
  /** Definitions whose random instances show it. */
  readonly seenIn: RegExp;
  /** The vendor whose processors do as we do: there it does not hold, and nothing is forgiven. */
  readonly notOn?: string;
}

/** The vendor CPUID names on this machine. */
export const VENDOR = existsSync('/proc/cpuinfo')
  ? (/^vendor_id\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '')
  : '';

// ---- x86_64: this machine's processor

const CF = 0x1;
const PF = 0x4;
const AF = 0x10;
const ZF = 0x40;
const SF = 0x80;
const OF = 0x800;

const copyBytes = (d: Difference<X86Case | A64Case>, at: number, bytes: number): void => {
  for (let i = 0; i < bytes; i++) d.ours.setUint8(at + i, d.theirs.getUint8(at + i));
};

/** Flags that the manual leaves undefined behind the instructions `names`; of a sequence, behind one of its. */
function undefinedFlags(
  what: string,
  names: RegExp,
  flags: number,
  why: string,
  notOn?: string,
): Known<X86Case> {
  return {
    id: `undefined flags: ${what}`,
    why,
    ...(notOn === undefined ? {} : { notOn }),
    seenIn: names,
    applies: (c) => (c.undefinedFlags & flags) !== 0 && c.name.split('; ').some((n) => names.test(n)),
    forgive: (d) => {
      const mask = d.c.undefinedFlags & flags;
      const theirs = d.theirs.getUint32(X86_AT.flags, true);
      const ours = d.ours.getUint32(X86_AT.flags, true);
      d.ours.setUint32(X86_AT.flags, (ours & ~mask) | (theirs & mask), true);
    },
  };
}

/** The byte behind a leading D9 of an x87 instruction; −1 for another one. */
function d9(c: X86Case): number {
  const at = c.code.indexOf(0xd9);
  return c.name.startsWith('x87 d9') && at >= 0 ? c.code[at + 1] : -1;
}

/** F2XM1, FYL2X, FPTAN, FPATAN, FYL2XP1, FSINCOS, FSIN, FCOS. */
const TRANSCENDENTAL = [0xf0, 0xf1, 0xf2, 0xf3, 0xf9, 0xfb, 0xfe, 0xff];
/** Last bits they may be off by. */
const ULPS = 8n;
/** Of the status word, what tells how a result was rounded: PE, UE, C1. */
const ROUNDING = 0x0230;

/** Takes over x87 registers that are as good as equal. */
function adoptClose(d: Difference<X86Case>): void {
  const status = X86_AT.fx + FX.status;
  const [ours, theirs] = [d.ours.getUint16(status, true), d.theirs.getUint16(status, true)];
  d.ours.setUint16(status, (ours & ~ROUNDING) | (theirs & ROUNDING), true);
  for (let i = 0; i < 8; i++) {
    const at = X86_AT.fx + FX.st + 16 * i;
    const value = (v: DataView): bigint =>
      (BigInt(v.getUint16(at + 8, true) & 0x7fff) << 63n) | (v.getBigUint64(at, true) & (2n ** 63n - 1n));
    const distance = value(d.ours) - value(d.theirs);
    const sameSign = (d.ours.getUint8(at + 9) & 0x80) === (d.theirs.getUint8(at + 9) & 0x80);
    if (sameSign && distance <= ULPS && -distance <= ULPS) copyBytes(d, at, 10);
  }
}

/** F2XM1 and FYL2XP1 of more than the manual allows in ST0. */
function outOfRange(d: Difference<X86Case>): boolean {
  const opcode = d9(d.c);
  const exponent = d.before.getUint16(X86_AT.fx + FX.st + 8, true) & 0x7fff;
  return exponent > (opcode === 0xf0 ? 0x3ffe : 0x3ffc) && exponent !== 0x7fff;
}

/** 1.5 × 2^−12 to either side of the exact value. */
const ESTIMATE_ERROR = 3 / 4096;

const ALL_X86: readonly Known<X86Case>[] = [
  undefinedFlags('shifts', /^(sh[lr]|sa[lr])( |$)/, AF | OF, 'SDM vol. 2, SAL/SAR/SHL/SHR: AF for any count but 0, OF for any but 1, CF for counts of the operand size or more'),
  undefinedFlags('rotates', /^(ro[lr]|rc[lr])( |$)/, OF, 'SDM vol. 2, RCL/RCR/ROL/ROR: OF for any count but 1', 'AuthenticAMD'),
  undefinedFlags('double shifts', /^sh[lr]d( |$)/, AF | OF, 'SDM vol. 2, SHLD, SHRD: AF; OF for any count but 1'),
  undefinedFlags('bit tests', /^bt[src]?( |$)/, PF | AF | SF | OF, 'SDM vol. 2, BT, BTC, BTR, BTS: all but CF and ZF', 'AuthenticAMD'),
  undefinedFlags('bit scans', /^bs[fr]$/, CF | PF | AF | SF | OF, 'SDM vol. 2, BSF, BSR: all but ZF'),
  undefinedFlags('multiplication', /^(mul|imul[23]?)$/, PF | AF | ZF | SF, 'SDM vol. 2, MUL, IMUL: all but CF and OF'),
  undefinedFlags('division', /^i?div$/, CF | PF | AF | ZF | SF | OF, 'SDM vol. 2, DIV, IDIV: all'),
  {
    id: 'x87 transcendental functions',
    why: `SDM vol. 1, 8.3.10: worst case errors below 1 ulp are Intel's alone; others differ by up to ${ULPS} ulps from the correctly rounded results we give, and in PE, UE and C1`,
    seenIn: /^x87 d9\/[67] reg$/,
    applies: (c) => TRANSCENDENTAL.includes(d9(c)),
    forgive: adoptClose,
  },
  {
    id: 'F2XM1 and FYL2XP1 out of range',
    why: 'SDM vol. 2: the result is undefined for ST0 outside −1…1, and outside ±(1 − √½)',
    seenIn: /^x87 d9\/[67] reg$/,
    applies: (c) => [0xf0, 0xf9].includes(d9(c)),
    forgive: (d) => {
      if (outOfRange(d)) copyBytes(d, X86_AT.fx, 160);
    },
  },
  {
    id: 'estimates',
    why: 'SDM vol. 2, RCPPS, RSQRTPS: a relative error of up to 1.5 × 2^−12; every processor has its own tables',
    seenIn: /^(rcp|rsqrt)[ps]s$/,
    applies: (c) => /^(rcp|rsqrt)/.test(c.name),
    forgive: (d) => {
      for (let at = X86_AT.fx + FX.xmm; at < X86_AT.zone; at += 4) {
        const [theirs, ours] = [d.theirs.getFloat32(at, true), d.ours.getFloat32(at, true)];
        if (Math.abs(theirs - ours) <= ESTIMATE_ERROR * Math.abs(ours)) copyBytes(d, at, 4);
      }
    },
  },
  {
    id: 'estimates next to the smallest number',
    why: 'SDM vol. 2, RCPPS: tiny results are flushed to zero, so an estimate on either side of 2^−126 is one or the other',
    seenIn: /^rcp[ps]s$/,
    applies: (c) => c.name.startsWith('rcp'),
    forgive: (d) => {
      for (let at = X86_AT.fx + FX.xmm; at < X86_AT.zone; at += 4) {
        const [theirs, ours] = [d.theirs.getFloat32(at, true), d.ours.getFloat32(at, true)];
        const near = (v: number): boolean => Math.abs(v) <= 2 ** -126 * (1 + ESTIMATE_ERROR);
        if (near(theirs) && near(ours) && (theirs === 0) !== (ours === 0)) copyBytes(d, at, 4);
      }
    },
  },
  {
    id: 'where FNSTENV and FNSAVE fault',
    why: 'They write their areas piece by piece; SDM vol. 3, 6.15 does not say which piece faults first',
    seenIn: /^x87 d[9d]\/6 mem/,
    applies: (c) => /^x87 d[9d]\/6 mem/.test(c.name),
    forgive: (d) => {
      if (d.theirs.getUint32(X86_AT.signal, true) === 11) copyBytes(d, X86_AT.address, 8);
    },
  },
  {
    id: 'flags of the other lanes at a SIMD exception',
    why: 'OE, UE and PE of lanes computed before the one whose exception is not masked stay set here; SDM vol. 1, 11.5.3 has the processor look at all lanes first',
    seenIn: /^(add|sub|mul|div|sqrt|addsub|hadd|hsub|cvt\w+)p[sd]|^cvt/,
    applies: (c) => c.fp,
    forgive: (d) => {
      if (d.theirs.getUint32(X86_AT.signal, true) !== 8) return;
      const at = X86_AT.fx + FX.mxcsr;
      d.ours.setUint32(at, (d.ours.getUint32(at, true) & ~0x38) | (d.theirs.getUint32(at, true) & 0x38), true);
    },
  },
  {
    id: 'x87 opcode and pointers',
    why: 'SDM vol. 1, 8.1.8–8.1.9: FOP, FIP and FDP; AMD processors save them (FXSAVE) only while an exception is pending, Intel ones always',
    seenIn: /^x87 d[89a-f]\/\d (reg|mem)/,
    applies: (c) => c.fp,
    forgive: (d) => {
      copyBytes(d, X86_AT.fx + FX.opcode, FX.mxcsr - FX.opcode);
    },
  },
]; // prettier-ignore

export const X86_TOLERANCES = ALL_X86.filter((t) => t.notOn !== VENDOR);

/** x86_64 operands that are not generated. */
interface AvoidedX86 {
  readonly what: string;
  readonly why: string;
  /** Code that shows it. */
  readonly witness: readonly number[];
  /** By definition and operand size (0 is 16 bits, 1 is 32). */
  readonly avoids: (name: string, size: number) => boolean;
  readonly notOn?: string;
}

export const NARROW_SHIFT: AvoidedX86 = {
  what: 'a 16-bit double shift by more than 16',
  witness: [0x66, 0x0f, 0xa4, 0xd8, 20], // shld ax, bx, 20
  why: 'SDM vol. 2, SHLD, SHRD: a count above the operand size leaves destination and flags undefined',
  avoids: (name, size) => /^sh[lr]d/.test(name) && size === 0,
};
export const FAILED_CMPXCHG: AvoidedX86 = {
  what: 'the upper half of the destination of a 32-bit CMPXCHG',
  witness: [0x0f, 0xb1, 0xd1], // cmpxchg ecx, edx
  why: 'SDM vol. 2, CMPXCHG: whether a failed 32-bit one clears the upper half of its destination register differs; AMD processors do, as we do',
  avoids: (name, size) => VENDOR !== 'AuthenticAMD' && name === 'cmpxchg' && size === 1,
  notOn: 'AuthenticAMD',
};

export const X86_AVOIDED = [NARROW_SHIFT, FAILED_CMPXCHG].filter((a) => a.notOn !== VENDOR);

// ---- aarch64: qemu's Cortex-A76

/** Bits of one control register. */
const oneRegister = (at: number, bits: number): Pick<Known<A64Case>, 'applies' | 'forgive'> => ({
  applies: () => true,
  forgive: (d) => {
    d.ours.setUint32(at, (d.ours.getUint32(at, true) & ~bits) | (d.theirs.getUint32(at, true) & bits), true);
  },
});

export const A64_TOLERANCES: readonly Known<A64Case>[] = [
  {
    id: 'FPCR.FZ16',
    why: "Arm ARM C5.2.8: bit 19 is RES0 without half-precision arithmetic, which the oracle's cpu has and this one has not",
    seenIn: /^msr fpcr$/,
    ...oneRegister(A64_AT.fpcr, 1 << 19),
  },
  {
    id: 'FPCR.Len and Stride',
    why: 'Arm ARM C5.2.8: bits 18 to 16, 21 and 20 are for AArch32 and RES0 where there is none; qemu keeps them',
    seenIn: /^msr fpcr$/,
    ...oneRegister(A64_AT.fpcr, 0x370000),
  },
  {
    id: "FPSR's AArch32 flags",
    why: 'Arm ARM C5.2.10: bits 31 to 28 are the NZCV of AArch32, RES0 where there is no AArch32 at all; qemu keeps them',
    seenIn: /^msr fpsr$/,
    ...oneRegister(A64_AT.fpsr, 0xf0000000),
  },
];

/** Encodings that are not generated: CONSTRAINED UNPREDICTABLE (Arm ARM K1.2), and the oracle does otherwise than we do. */
export interface AvoidedA64 {
  readonly what: string;
  readonly why: string;
  readonly matches: (word: number) => boolean;
  readonly seenIn: RegExp;
}

const rt = (w: number): number => w & 31;
const rt2 = (w: number): number => (w >>> 10) & 31;
const has = (w: number, mask: number, value: number): boolean => (w & mask) >>> 0 === value;

export const UNPREDICTABLE: readonly AvoidedA64[] = [
  {
    what: 'a pair loaded into one register',
    why: 'Arm ARM C6.2, LDP, LDNP, LDPSW, LDXP, LDAXP: t == t2',
    seenIn: /^(ldp \(|ldxp|ldaxp)/,
    matches: (w) =>
      (has(w, 0x3e400000, 0x28400000) || has(w, 0x3fe00000, 0x08600000)) && rt(w) === rt2(w),
  },
]; // prettier-ignore
