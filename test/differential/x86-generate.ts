/**
 * Random x86_64 instructions from the definition tables: every encoding of every definition, in every operand size and
 * addressing form, alone and in sequences.
 */
import type { Definition } from '../../cpu/isa/x86_64/define.ts';
import { parseEncoding, type Encoding } from '../../cpu/isa/x86_64/encoding.ts';
import { FAMILIES } from './x86-families.ts';
import type { Random } from '../support/random.ts';
import { CODE, DATA, DATA_PAGES } from './driver.ts';
import type { Case } from './runner.ts';
import { FAILED_CMPXCHG, NARROW_SHIFT } from './tolerances.ts';

/** Where branches go that leave a snippet. */
export const LANDING_B = 128;

/** What a state draws beside general registers. */
export const KIND = { FP: 1, X87: 2, MEM: 4, DF: 8, UNMASKED: 32, FLOATS: 64 } as const;

/** A register, or eight bytes of memory, that holds a given value at the start of each execution. */
interface Pin {
  readonly memory: boolean;
  readonly reg: number;
  readonly address: number;
  readonly value: bigint;
  readonly lo: number;
  readonly hi: number;
}

function pinOf(memory: boolean, reg: number, address: number, v: number | bigint): Pin {
  const value = BigInt.asUintN(64, BigInt(v));
  return { memory, reg, address, value, lo: Number(value & 0xffffffffn) | 0, hi: Number(value >> 32n) | 0 };
}

/** One instruction, or several. */
export interface X86Case extends Case {
  readonly kinds: number;
  /** Vector registers drawn with care, as a bit mask. */
  readonly xmms: number;
  readonly pins: readonly Pin[];
  /** Flags the manual leaves undefined. */
  readonly undefinedFlags: number;
}

const OF = 0x800;
/** Not those that raise an exception by design or depend on the machine. POPF is tame with tame flags. */
export function testable(def: Definition): boolean {
  if (def.name === 'syscall') return false;
  return def.special !== true || /^popf$|^(rcp|rsqrt)[ps]s$/.test(def.name);
}

interface Where {
  readonly address: number;
  /** Start of the zone: the memory that is part of the state. */
  readonly zone: number;
}

/** One instruction under construction. */
class Maker {
  readonly pins: Pin[] = [];
  kinds = 0;
  xmms = 0;
  zone = DATA + 1024;
  private readonly r: Random;
  private readonly e: Encoding;
  private readonly size: number;
  /** It must not need memory or certain values in registers: others come before it. */
  private readonly follows: boolean;
  private readonly inSequence: boolean;

  constructor(r: Random, e: Encoding, size: number, follows: boolean, inSequence: boolean) {
    this.r = r;
    this.e = e;
    this.size = size;
    this.follows = follows;
    this.inSequence = inSequence;
  }

  pin(reg: number, value: number | bigint): void {
    if (this.pins.some((p) => !p.memory && p.reg === reg)) return;
    this.pins.push(pinOf(false, reg, 0, value));
  }

  pinMemory(address: number, value: bigint): void {
    if (address + 8 > DATA + DATA_PAGES * 4096) this.impossible = true; // the driver could not write it
    this.pins.push(pinOf(true, 0, address, value));
  }

  /** Picks the zone and an operand address in it; now and then one that faults or crosses a page. */
  place(alignment: number): Where {
    const { r } = this;
    let offset = r.below(64);
    if (r.chance(0.9)) offset -= offset % alignment;
    if (r.chance(0.25)) {
      // Around a page border; the last one is where the read-only page begins.
      const border = DATA + 4096 * (1 + r.below(DATA_PAGES));
      const near = border - 1 - r.below(16);
      const address = r.chance(0.8) ? near - (near % alignment) : near;
      this.zone = Math.min((address - 128) & ~15, DATA + DATA_PAGES * 4096 - 256);
      return { address, zone: this.zone };
    }
    this.zone = (DATA + 512 + r.below(DATA_PAGES * 4096 - 1024)) & ~15;
    const odd = r.below(100);
    if (odd < 3) return { address: DATA + DATA_PAGES * 4096 + offset, zone: this.zone };
    if (odd < 5) return { address: DATA + (DATA_PAGES + 1) * 4096 + offset, zone: this.zone };
    // FNSAVE's area is of 108 bytes.
    return { address: this.zone + 64 + offset, zone: this.zone };
  }

  /** ModRM, SIB and displacement for `address`; registers are pinned to give it. */
  memory(reg: number, address: number, rex: { value: number }, after: number): number[] {
    const { r } = this;
    const le32 = (v: number): number[] => [v & 255, (v >> 8) & 255, (v >> 16) & 255, (v >> 24) & 255];
    const field = (reg & 7) << 3;
    const form = r.below(10);
    if (form === 0) {
      // RIP-relative: the caller puts the instruction's end in.
      this.ripFixup = { address, after };
      return [field | 5, 0, 0, 0, 0];
    }
    if (form === 1) return [field | 4, 0x25, ...le32(address)];
    const base = r.below(16);
    let index = -1;
    let scale = 0;
    if (form >= 6) {
      do index = r.below(16);
      while (index === 4);
      scale = r.below(4);
    }
    const noBase = form === 6;
    const indexValue = index < 0 ? 0 : r.chance(0.2) ? -r.below(8) : r.below(16);
    let mod = noBase ? 0 : r.below(3);
    if (mod === 0 && (base & 7) === 5 && !noBase) mod = 1;
    let disp =
      noBase || mod === 2
        ? r.chance(0.5)
          ? r.below(4096) - 2048
          : r.u32() | 0
        : mod === 1
          ? r.below(256) - 128
          : 0;
    if (noBase) disp = address - indexValue * 2 ** scale;
    else if (base === index) {
      mod = 2;
      disp = address - indexValue * (1 + 2 ** scale);
    }
    // A register that must hold something else cannot take part in the address.
    const taken = (n: number): boolean => this.pins.some((p) => !p.memory && p.reg === n);
    if ((index >= 0 && taken(index)) || (!noBase && taken(base))) this.impossible = true;
    if (index >= 0) {
      this.pin(index, indexValue);
      if (index & 8) rex.value |= 0x42;
    }
    if (!noBase && base !== index)
      this.pin(base, BigInt(address) - BigInt(disp) - BigInt(indexValue * 2 ** scale));
    const bytes: number[] = [];
    const b = noBase ? 5 : base;
    if (!noBase && base & 8) rex.value |= 0x41;
    if (index >= 0 || (b & 7) === 4) {
      bytes.push((mod << 6) | field | 4, (scale << 6) | (index < 0 ? 0x20 : (index & 7) << 3) | (b & 7));
    } else bytes.push((mod << 6) | field | (b & 7));
    if (noBase || mod === 2) bytes.push(...le32(disp));
    else if (mod === 1) bytes.push(disp & 255);
    return bytes;
  }
  private impossible = false;
  private ripFixup: { address: number; after: number } | null = null;

  /** Encodes it, or null where a random choice came out impossible. */
  make(): X86Case | null {
    const { r, e, size } = this;
    const { def } = e;
    const { name } = def;
    const prefixes: number[] = [];
    const rex = { value: r.chance(0.15) ? 0x40 : 0 };
    if (size === 2 && !def.d64) rex.value |= 0x48;
    if (e.prefix === '66' || (size === 0 && e.prefix !== 'NP')) prefixes.push(0x66);
    if (e.prefix === 'F3') prefixes.push(0xf3);
    if (e.prefix === 'F2') prefixes.push(0xf2);

    const hasMemory =
      e.modrm && e.exact < 0 && e.allowMem && (!e.allowReg || (!this.follows && r.chance(0.5)));
    let modrm: number[] = [];
    let opcode = e.opcode;
    const tail: number[] = [];
    let reg = e.digit >= 0 ? e.digit : r.below(8);
    let rm = r.below(16);
    let where: Where | null = null;
    const vector = e.operands.some((o) => 'VWUPQN'.includes(o.kind));
    const x87 = (e.map === 0 && e.opcode >= 0xd8 && e.opcode <= 0xdf) || (e.map === 1 && e.opcode === 0x77);
    if (vector || x87) this.kinds |= KIND.FP;
    if (x87 || e.operands.some((o) => 'PQN'.includes(o.kind))) this.kinds |= KIND.X87;
    if (this.kinds & KIND.FP) {
      if (r.chance(0.15)) this.kinds |= KIND.UNMASKED;
      if (r.chance(0.5)) this.kinds |= KIND.FLOATS;
    }

    const immediate = (n: number): void => {
      const v = r.chance(0.3) ? r.pick([0, 1, -1, 127, -128]) : r.u32();
      for (let i = 0; i < n; i++)
        tail.push(i < 4 ? (v >> (8 * i)) & 255 : r.chance(0.5) ? (v < 0 ? 255 : 0) : r.below(256));
    };
    const usesStack = /^(push|pop|call|ret|leave|enter)/.test(name);
    const indirect = name === 'jmp indirect' || name === 'call indirect';

    if (hasMemory || e.operands.some((o) => o.kind === 'O')) {
      const wide = e.operands.some((o) => o.size === 'dq' || o.size === 'u') || name === 'cmpxchg8b';
      where = this.place(wide ? 16 : r.pick([1, 1, 2, 4, 8]));
      this.kinds |= KIND.MEM;
    }
    if (usesStack) {
      this.kinds |= KIND.MEM;
      if (!where) this.place(1);
    }

    for (const o of e.operands) {
      switch (o.kind) {
        case 'G':
          reg = r.below(16);
          break;
        case 'V':
          reg = r.below(16);
          this.xmms |= 1 << reg;
          break;
        case 'W':
        case 'U':
          this.xmms |= 1 << rm;
          break;
        case 'P':
          reg = r.below(8);
          break;
        case 'Q':
        case 'N':
          rm = r.below(8);
          break;
        case 'Z': {
          const z = r.below(16);
          if (def.noRexB && z & 8) return null;
          opcode |= z & 7;
          if (z & 8) rex.value |= 0x41;
          break;
        }
        case 'I':
          immediate({ b: 1, bs: 1, w: 2, d: 4, z: size === 0 ? 2 : 4, v: [2, 4, 8][size] }[o.size] ?? 1);
          break;
        default:
          break;
      }
    }
    this.xmms |= 1 << r.below(16);
    if (name.startsWith('blendv') || name === 'pblendvb') this.xmms |= 1;
    if (e.plusR && !e.operands.some((o) => o.kind === 'Z')) opcode |= r.below(8);
    if (reg & 8) rex.value |= 0x44;

    // Registers that must hold something sensible come before those the addressing form picks.
    if (name === 'xlat') {
      this.place(1);
      this.kinds |= KIND.MEM;
      this.pin(3, this.zone);
    }
    if (name.startsWith('maskmov')) {
      this.kinds |= KIND.MEM;
      this.pin(7, this.place(1).zone + 64);
    }
    const string = /(movs|stos|lods|scas|cmps)b?$/.test(name) && e.map === 0;
    if (string) {
      this.kinds |= KIND.MEM | KIND.DF;
      const atEnd = r.chance(0.15);
      this.place(1);
      if (atEnd) this.zone = DATA + DATA_PAGES * 4096 - 256;
      const spread = (): number => (atEnd ? 160 + r.below(96) : 100 + r.below(48));
      this.pin(6, this.zone + spread());
      this.pin(7, this.zone + spread());
      if (name.startsWith('rep')) this.pin(1, r.chance(0.1) ? 0 : r.below(13));
    }
    if (name === 'leave') this.pin(5, this.zone + 64);
    if (name === 'enter') {
      // The frames it copies and the ones it pushes stay inside the zone.
      this.pin(5, this.zone + 96);
      tail[1] = 0;
      tail[2] = r.below(9) | (r.u32() & 0xe0);
    }
    if (NARROW_SHIFT.avoids(name, size)) {
      if (name.includes('cl')) this.pin(1, r.below(17));
      else tail[0] = r.below(17);
    }
    if (FAILED_CMPXCHG.avoids(name, size) && !hasMemory) this.pin(rm, r.u32());
    if ((name === 'div' || name === 'idiv') && r.chance(0.6)) this.pin(2, r.pick([0, 0, 1, 5, -1]));

    let bitBase = 0;
    if (/^bt[src]?$/.test(name) && hasMemory) {
      this.pin(reg, r.below(1024) - 512);
      bitBase = 1;
    }
    if (hasMemory && where) {
      const address = bitBase && where.address > DATA + DATA_PAGES * 4096 ? this.zone + 128 : where.address;
      modrm = this.memory(reg, address, rex, tail.length);
      if (r.chance(0.06)) prefixes.unshift(r.pick([0x64, 0x65, 0x2e, 0x36, 0x3e, 0x26]));
      if (def.lock && r.chance(0.2)) prefixes.push(0xf0);
      if (indirect) this.pinMemory(address, BigInt(CODE + LANDING_B));
      else if (/^cmpxchg/.test(name) && r.chance(0.5) && !this.pins.some((p) => p.reg === 0)) {
        const v = (BigInt(r.u32()) << 32n) | BigInt(r.u32());
        this.pinMemory(address, v);
        this.pin(0, v);
        if (name === 'cmpxchg8b') {
          if (rex.value & 8) this.pinMemory(address + 8, 5n);
          this.pin(2, rex.value & 8 ? 5n : v >> 32n);
        }
      }
    } else if (e.modrm) {
      if (e.exact >= 0) modrm = [e.exact];
      else {
        modrm = [0xc0 | ((reg & 7) << 3) | (rm & 7)];
        if (rm & 8) rex.value |= 0x41;
        if (indirect) this.pin(rm, CODE + LANDING_B);
      }
    }
    if (usesStack || name === 'popf') {
      this.kinds |= KIND.MEM;
      const sp = this.zone + (name === 'enter' ? 200 : 128) + r.pick([0, 0, 8, 1]);
      this.pin(4, sp);
      const rsp = this.pins.find((p) => !p.memory && p.reg === 4)!.value;
      if (rsp < this.zone + 64 || rsp > this.zone + 208) return null; // the stack stays in the zone
      if (name.startsWith('ret')) this.pinMemory(Number(rsp), BigInt(CODE + LANDING_B));
      if (name === 'popf') this.pinMemory(Number(rsp), BigInt((r.u32() & 0x4cd5) | 0x202));
    }

    const opcodes = [[opcode], [0x0f, opcode], [0x0f, 0x38, opcode], [0x0f, 0x3a, opcode]][e.map];
    const o = e.operands.find((x) => x.kind === 'O');
    const j = e.operands.find((x) => x.kind === 'J');
    const moffs: number[] = [];
    if (o && where) {
      this.kinds |= KIND.MEM;
      for (let i = 0; i < 8; i++) moffs.push(i < 4 ? (where.address >> (8 * i)) & 255 : 0);
    }
    const head = [...prefixes, ...(rex.value ? [rex.value] : []), ...opcodes];
    let code = [...head, ...modrm, ...moffs, ...tail];
    if (this.ripFixup) {
      const rel = this.ripFixup.address - (CODE + code.length);
      const at = head.length + 1;
      code = [
        ...code.slice(0, at),
        rel & 255,
        (rel >> 8) & 255,
        (rel >> 16) & 255,
        (rel >> 24) & 255,
        ...code.slice(at + 4),
      ];
    }
    if (j) {
      const n = j.size === 'b' ? 1 : 4;
      // In a sequence a branch skips SKIPPED; alone it leaves.
      const rel = this.inSequence ? SKIPPED.length : r.chance(0.2) ? 0 : LANDING_B - code.length - n;
      code.push(...[rel & 255, (rel >> 8) & 255, (rel >> 16) & 255, (rel >> 24) & 255].slice(0, n));
    }
    if (
      code.length > 15 ||
      this.impossible ||
      (this.follows && (this.pins.length > 0 || this.kinds & KIND.MEM))
    )
      return null;
    if (j && this.inSequence) code.push(...SKIPPED);
    let undefinedFlags = def.undefinedFlags ?? 0;
    if (e.operands.some((x) => x.kind === '1')) undefinedFlags &= ~OF; // a count of one defines OF
    return {
      name,
      family: FAMILIES.get(def)!,
      instructions: 1,
      code,
      runs: 0,
      fp: (this.kinds & KIND.FP) !== 0,
      zone: this.zone,
      kinds: this.kinds,
      xmms: this.xmms,
      pins: this.pins,
      undefinedFlags,
    };
  }
}

/** mov al, 1; nop: what a branch taken in a sequence leaves out. */
const SKIPPED = [0xb0, 0x01, 0x90] as const;

/** Operand sizes an encoding has, as indices. */
const sizesOf = (e: Encoding): readonly number[] =>
  !e.sized ? [1] : e.ySized ? [1, 2] : e.def.d64 ? [0, 2] : [0, 1, 2];

/** A conditional branch behind a compare: the pairs the interpreter fuses. */
function withBranch(c: X86Case, r: Random): X86Case {
  const code = [...c.code, 0x70 + r.below(16), LANDING_B - c.code.length - 2];
  return { ...c, code, instructions: 2 };
}

/** Code as it stands, general registers drawn: for what the generator avoids. */
export const fixedCase = (name: string, code: readonly number[], runs: number): X86Case => ({
  name,
  family: 'fixed',
  instructions: 1,
  code,
  runs,
  fp: false,
  zone: DATA,
  kinds: 0,
  xmms: 0,
  pins: [],
  undefinedFlags: 0xfff,
});

/** Random instances of every encoding of a definition in every operand size, each to be executed `runs` times. */
export function casesOf(def: Definition, perEncoding: number, runs: number, r: Random): X86Case[] {
  const out: X86Case[] = [];
  for (const text of def.encodings) {
    const e = parseEncoding(def, text);
    for (const size of sizesOf(e)) {
      let made = 0;
      for (let tries = 0; made < perEncoding && tries < perEncoding * 8 + 100; tries++) {
        let c = new Maker(r, e, size, false, false).make();
        if (c && def.fuses && r.chance(0.3)) c = withBranch(c, r);
        if (!c) continue;
        made++;
        out.push({ ...c, runs });
      }
      if (made === 0) throw new Error(`no instance of ${def.name} ${text} in size ${16 << size}`);
    }
  }
  return out;
}

/** Producers of flags, and consumers: what sequences are mostly made of. */
const PRODUCERS =
  /^(add|sub|adc|sbb|cmp|test|and|or|xor|inc|dec|neg|sh[lr]|sar|ro[lr]|rc[lr]|sh[lr]d|mul|imul.*|bt[src]?|bs[fr]|popcnt|xadd|cmpxchg|clc|stc|cmc|sahf|ptest|u?comis[sd])( cl| imm)?$/;
const CONSUMERS = /^(set|cmov|j(?!mp|rcxz))|^(adc|sbb|rc[lr]|lahf|pushf|cmc|loopn?e|jrcxz)$/;
/** AF is undefined behind these, and clear on every processor. */
const CLEARS_AF = /^(and|or|xor|test)$/;
/** Left out of sequences: control that leaves, stack that moves, state they do not draw. */
const ALONE =
  /^(x87|rep|[a-z]+ mmx|fwait|emms|xlat|popf|pushf|div|idiv|push|pop|call|ret|enter|leave|jmp indirect)/;

/** Makes sequences of instructions that run into each other: lazy flags, fused pairs, partial registers. */
export class Sequences {
  private readonly all: Encoding[];
  private readonly producers: Encoding[];
  private readonly consumers: Encoding[];

  constructor(definitions: readonly Definition[]) {
    this.all = definitions
      .filter((def) => testable(def) && !ALONE.test(def.name) && !/^(rcp|rsqrt)/.test(def.name))
      .flatMap((def) => def.encodings.map((text) => parseEncoding(def, text)))
      .filter((e) => e.map < 2 && (!e.def.ends || e.operands.some((o) => o.kind === 'J')));
    this.producers = this.all.filter((e) => PRODUCERS.test(e.def.name));
    this.consumers = this.all.filter((e) => CONSUMERS.test(e.def.name));
  }

  /** One of 4 to 12 instructions; null when the dice fell badly. */
  make(r: Random, runs: number): X86Case | null {
    const parts: X86Case[] = [];
    let bytes = 0;
    const wanted = 4 + r.below(9);
    for (let tries = 0; parts.length < wanted && tries < 100; tries++) {
      const kind = r.below(10);
      const e = r.pick(kind < 5 ? this.producers : kind < 9 ? this.consumers : this.all);
      const c = new Maker(r, e, r.pick(sizesOf(e)), parts.length > 0, true).make();
      // What an instruction leaves undefined must not be looked at by the ones behind it.
      if (!c || bytes + c.code.length > LANDING_B - 16) continue;
      if (c.undefinedFlags !== 0 && !CLEARS_AF.test(c.name)) continue;
      parts.push(c);
      bytes += c.code.length;
    }
    if (parts.length < 4) return null;
    const or = (f: (c: X86Case) => number): number => parts.reduce((n, c) => n | f(c), 0);
    return {
      name: parts.map((c) => c.name).join('; '),
      family: 'sequences',
      instructions: parts.length,
      code: parts.flatMap((c) => c.code),
      runs,
      fp: parts.some((c) => c.fp),
      zone: parts[0].zone,
      // Unmasked exceptions would end most of them early.
      kinds: or((c) => c.kinds) & ~KIND.UNMASKED,
      xmms: or((c) => c.xmms),
      pins: parts[0].pins,
      undefinedFlags: or((c) => c.undefinedFlags),
    };
  }
}
