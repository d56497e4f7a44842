/** Random instruction snippets from the definitions' own encodings, with random inputs, as the native driver reads them. */
import { enumerate, type Encoding, type OperandCode } from '../../cpu/isa/x86_64/encoding.ts';
import { definitions } from '../../cpu/isa/x86_64/instructions.ts';

export const CODE = 0x10000000;
export const DATA = 0x20000000;
export const STACK = 0x30000000;
export const DATA_BYTES = 256;
export const STACK_BYTES = 64;
/** Offsets in struct state (x86-driver.c). */
export const AT = { gpr: 0, rflags: 128, rip: 136, fx: 144, data: 656, stack: 912 } as const;
export const STATE_BYTES = 976;
/** Where rsp starts: the middle of the dumped part of the stack. */
export const RSP = STACK + 4096;

/** A 32-bit generator (mulberry32), so that a seed names a run. */
export class Random {
  private s: number;
  constructor(seed: number) {
    this.s = seed >>> 0;
  }
  u32(): number {
    this.s = (this.s + 0x6d2b79f5) | 0;
    let t = Math.imul(this.s ^ (this.s >>> 15), 1 | this.s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(n: number): number {
    return this.u32() % n;
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }
}

const EDGES: readonly bigint[] = [
  0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n,
  0x7fffffffffffffffn, 0x8000000000000000n, 0xffffffffffffffffn, 0xfffffffffffffffen, 31n, 32n, 63n, 64n,
]; // prettier-ignore

const DOUBLES = [0, -0, 1, -1, 0.5, 1.5, 2.5, -2.5, 3, 1e300, -1e300, 1e-300, 5e-324, 2.2250738585072014e-308, Infinity, -Infinity, NaN, 1 / 3, Math.PI, 2147483647, 2147483648, -2147483649, 9.223372036854775e18, 4294967295.5]; // prettier-ignore

export interface Case {
  readonly encoding: Encoding;
  /** What was chosen, for people: name and operand size. */
  readonly what: string;
  readonly code: Uint8Array;
  /** General registers the memory operand needs at fixed values. */
  readonly fixed: ReadonlyMap<number, bigint>;
  /** Flags not to compare. */
  readonly undefinedFlags: number;
}

/** Builds one snippet for an encoding; null when this draw makes no sense. */
export function makeCase(e: Encoding, r: Random): Case | null {
  const fixed = new Map<number, bigint>();
  const bytes: number[] = [];
  let rex = 0;
  let opsize = false;
  const sizeChoices = !e.sized ? [1] : e.ySized ? [1, 2] : e.def.d64 ? [0, 2] : [0, 1, 2];
  const size = r.pick(sizeChoices);
  if (e.sized && size === 0) opsize = true;
  if (e.sized && size === 2 && !e.def.d64) rex |= 8;
  if (e.prefix === '66') opsize = true;
  const form =
    e.modrm && e.exact < 0 ? r.pick([...(e.allowReg ? [0] : []), ...(e.allowMem ? [1, 2] : [])]) : 0;
  const needsByteRex = e.operands.some((o) => o.size === 'b' && 'EGZ'.includes(o.kind));
  if (needsByteRex && r.chance(50)) rex |= 0x40;
  if (e.prefix === 'F3') bytes.push(0xf3);
  if (e.prefix === 'F2') bytes.push(0xf2);
  if (opsize) bytes.push(0x66);

  // Registers: never rsp as an operand that is written (the stack must stay usable for a signal-free exit).
  const reg = (): number => {
    let n: number;
    do n = r.below(16);
    while (n === 4);
    return n;
  };
  const anyReg = (o: OperandCode): number =>
    'VWUPQN'.includes(o.kind) ? ('PQN'.includes(o.kind) ? r.below(8) : r.below(16)) : reg();
  let modrm = e.digit >= 0 ? e.digit << 3 : 0;
  let rmUsed = false;
  const tail: number[] = [];
  const sib: number[] = [];
  let opcode = e.opcode;
  for (const o of e.operands) {
    switch (o.kind) {
      case 'G':
      case 'V':
      case 'P': {
        const n = anyReg(o);
        modrm |= (n & 7) << 3;
        if (n & 8) rex |= 4;
        break;
      }
      case 'Z': {
        const n = e.opcode === 0x90 && r.chance(50) ? 8 + r.below(8) : reg();
        opcode += n & 7;
        if (n & 8) rex |= 1;
        break;
      }
      case 'E':
      case 'R':
      case 'W':
      case 'U':
      case 'Q':
      case 'N':
      case 'M': {
        rmUsed = true;
        if (form === 0) {
          const n = anyReg(o);
          modrm |= 0xc0 | (n & 7);
          if (n & 8) rex |= 1;
        } else {
          const align = o.size === 'dq' && o.kind === 'W' ? 16 : e.def.name.startsWith('cmpxchg8b') ? 16 : 1;
          memoryOperand(r, form, align);
        }
        break;
      }
      case 'I': {
        const n =
          o.size === 'b' || o.size === 'bs'
            ? 1
            : o.size === 'w'
              ? 2
              : o.size === 'v'
                ? size === 2
                  ? 8
                  : size === 1
                    ? 4
                    : 2
                : size === 0
                  ? 2
                  : 4;
        if (e.def.name === 'enter') {
          tail.push(...(n === 2 ? [r.below(16), 0] : [r.below(3)]));
          break;
        }
        // SHLD and SHRD of 16 bits by more than 16: the manual leaves everything undefined.
        const narrow = size === 0 && /^sh[lr]d/.test(e.def.name);
        const v = narrow ? BigInt(r.below(17)) : r.chance(40) ? r.pick(EDGES) : r.u64();
        for (let i = 0; i < n; i++) tail.push(Number((v >> BigInt(8 * i)) & 0xffn));
        break;
      }
      case 'J':
        tail.push(3, ...(o.size === 'b' ? [] : [0, 0, 0]));
        break;
      case 'O': {
        const a = BigInt(DATA + r.below(DATA_BYTES - 16));
        for (let i = 0; i < 8; i++) tail.push(Number((a >> BigInt(8 * i)) & 0xffn));
        break;
      }
      default:
        break;
    }
  }
  /** Chooses base, index and displacement so that the address lands in DATA. */
  function memoryOperand(rand: Random, f: number, align: number): void {
    const room = DATA_BYTES - 64;
    const target = BigInt(DATA + 32 + Math.floor(rand.below(room) / align) * align);
    const stringRegs = [1, 6, 7];
    let base: number;
    do base = rand.below(16);
    while (base === 4 || stringRegs.includes(base));
    let address = target;
    const wide = rand.chance(30);
    const disp =
      rand.chance(20) && (base & 7) !== 5 ? 0 : wide ? (rand.u32() | 0) >> 4 : rand.below(256) - 128;
    address -= BigInt(disp);
    const mod = disp === 0 ? 0 : wide ? 2 : 1;
    if (f === 2) {
      let index: number;
      do index = rand.below(16);
      while (index === 4 || index === base);
      const scale = rand.below(4);
      const value = BigInt(rand.below(1 << 16)) - 0x8000n;
      fixed.set(index, BigInt.asUintN(64, value));
      address -= value << BigInt(scale);
      if (index & 8) rex |= 2;
      modrm |= (mod << 6) | 4;
      sib.push((scale << 6) | ((index & 7) << 3) | (base & 7));
    } else {
      modrm |= (mod << 6) | (base & 7);
      if ((base & 7) === 4) sib.push(0x24);
    }
    if (base & 8) rex |= 1;
    fixed.set(base, BigInt.asUintN(64, address));
    if (mod === 1) sib.push(disp & 0xff);
    if (mod === 2) sib.push(disp & 0xff, (disp >> 8) & 0xff, (disp >> 16) & 0xff, (disp >> 24) & 0xff);
  }
  if (e.exact >= 0) modrm = e.exact;
  if (e.def.noRexB && rex & 1) return null;
  const lockable = e.operands[0]?.kind === 'E' || e.operands[0]?.kind === 'M';
  if (lockable && form !== 0 && e.def.lock && r.chance(10)) bytes.push(0xf0);
  if (rex) bytes.push(rex | 0x40);
  if (e.map >= 1) bytes.push(0x0f);
  if (e.map === 2) bytes.push(0x38);
  if (e.map === 3) bytes.push(0x3a);
  bytes.push(opcode);
  if (e.modrm) bytes.push(modrm | (rmUsed || e.exact >= 0 || form !== 0 ? 0 : 0xc0));
  bytes.push(...sib, ...tail);
  if (e.operands.some((o) => o.kind === 'J')) bytes.push(0xb0, 0x01, 0x90); // mov al, 1; nop: what a taken branch skips
  // Instructions with fixed address registers.
  const stringBase = (n: number): bigint => BigInt(DATA + 64 + 8 * r.below(8) + n);
  if (/\b(movs|stos|lods|scas|cmps)b?$/.test(e.def.name)) {
    fixed.set(6, stringBase(0));
    fixed.set(7, stringBase(r.below(16)));
    if (e.def.name.startsWith('rep')) fixed.set(1, BigInt(r.below(6)));
  }
  if (size === 0 && /^sh[lr]d cl/.test(e.def.name)) fixed.set(1, BigInt(r.below(17)));
  if (e.def.name.startsWith('maskmov')) fixed.set(7, stringBase(r.below(16)));
  if (e.def.name === 'xlat') fixed.set(3, BigInt(DATA));
  // A register index into a bit string in memory reaches far: keep it near.
  if (/^bt[src]?$/.test(e.def.name) && form !== 0) {
    const n = ((modrm >> 3) & 7) | ((rex & 4) << 1);
    if (fixed.has(n)) return null;
    fixed.set(n, BigInt.asUintN(64, BigInt(r.below(256)) - 128n));
  }
  if (e.def.name === 'enter' || e.def.name === 'leave') fixed.set(5, BigInt(RSP - 8));
  return {
    encoding: e,
    what: `${e.def.name} ${e.sized ? 16 << size : ''} form ${form}`,
    code: Uint8Array.from(bytes),
    fixed,
    undefinedFlags: e.def.undefinedFlags ?? 0,
  };
}

/** Fills one struct state with random values. */
export function fillState(out: Uint8Array, c: Case, r: Random): void {
  const v = new DataView(out.buffer, out.byteOffset, STATE_BYTES);
  for (let i = 0; i < 16; i++) {
    const value =
      c.fixed.get(i) ??
      (r.chance(35) ? r.pick(EDGES) : r.chance(30) ? r.u64() >> BigInt(r.below(64)) : r.u64());
    v.setBigUint64(AT.gpr + 8 * i, value, true);
  }
  v.setBigUint64(AT.gpr + 32, BigInt(RSP), true);
  // CF PF AF ZF SF OF, and DF for string instructions.
  const df = c.fixed.has(6) && c.fixed.has(7) && r.chance(25) ? 0x400 : 0;
  v.setBigUint64(AT.rflags, BigInt((r.u32() & 0x8d5) | 0x202 | df), true);
  const fx = out.subarray(AT.fx, AT.fx + 512);
  fx.fill(0);
  const f = new DataView(fx.buffer, fx.byteOffset, 512);
  f.setUint16(0, 0x37f, true);
  // Rounding mode, and sometimes no flag set yet; exceptions stay masked.
  const rc = r.chance(50) ? 0 : r.below(4);
  f.setUint32(24, 0x1f80 | (rc << 13) | (r.chance(50) ? 0x3f : 0) | (r.chance(5) ? 0x8040 : 0), true);
  f.setUint32(28, 0xffff, true);
  // MMX registers (and x87 ones: any bits, all valid).
  f.setUint8(4, 0xff);
  for (let i = 0; i < 8; i++) {
    fillVector(f, 32 + 16 * i, r);
    f.setUint16(40 + 16 * i, r.chance(50) ? 0xffff : 0x3fff + r.below(70), true);
  }
  for (let i = 0; i < 16; i++) fillVector(f, 160 + 16 * i, r);
  const data = new DataView(out.buffer, out.byteOffset + AT.data, DATA_BYTES);
  for (let at = 0; at < DATA_BYTES; at += 16) fillVector(data, at, r);
  for (let i = 0; i < STACK_BYTES; i++) out[AT.stack + i] = r.u32() & 0xff;
}

/** 16 bytes: random bits, edge integers, doubles or floats. */
function fillVector(v: DataView, at: number, r: Random): void {
  const kind = r.below(4);
  for (let i = 0; i < 2; i++) {
    if (kind === 0) v.setBigUint64(at + 8 * i, r.u64(), true);
    else if (kind === 1) v.setBigUint64(at + 8 * i, r.pick(EDGES), true);
    else if (kind === 2)
      v.setFloat64(
        at + 8 * i,
        r.chance(60) ? r.pick(DOUBLES) : (r.u32() - 2 ** 31) / (1 + r.below(1000)),
        true,
      );
    else {
      v.setFloat32(at + 8 * i, r.chance(60) ? r.pick(DOUBLES) : (r.u32() - 2 ** 31) / 7, true);
      v.setFloat32(at + 8 * i + 4, r.pick(DOUBLES), true);
    }
  }
}

/** Encodings worth drawing from. */
export function testableEncodings(): Encoding[] {
  return enumerate(definitions).encodings.filter(
    (e) =>
      !e.def.special && (!e.def.ends || e.operands.some((o) => o.kind === 'J')) && e.def.name !== 'rdtsc',
  );
}

/** Producers of flags, consumers of flags, and branches over a byte or two: what sequences are mostly made of. */
const PRODUCERS =
  /^(add|sub|adc|sbb|cmp|test|and|or|xor|inc|dec|neg|sh[lr]|sar|ro[lr]|rc[lr]|sh[lr]d|mul|imul.*|bt[src]?|bs[fr]|popcnt|xadd|cmpxchg|clc|stc|cmc|sahf|ptest|u?comis[sd])( cl| imm)?$/;
const CONSUMERS = /^(set|cmov|j(?!mp|rcxz))|^(adc|sbb|rc[lr]|lahf|pushf|cmc|loopn?e|jrcxz)$/;

/** Sequences of 4 to 12 instructions that run into each other: lazy flags, fused pairs, partial registers. */
export function makeSequence(all: readonly Encoding[], r: Random): Case | null {
  const producers = all.filter((e) => PRODUCERS.test(e.def.name));
  const consumers = all.filter((e) => CONSUMERS.test(e.def.name));
  const fixed = new Map<number, bigint>();
  const code: number[] = [];
  const names: string[] = [];
  let undefinedFlags = 0;
  const wanted = 4 + r.below(9);
  for (let tries = 0; names.length < wanted && tries < 100; tries++) {
    const kind = r.below(10);
    const e = r.pick(kind < 5 ? producers : kind < 9 ? consumers : all);
    const c = makeCase(e, r);
    // What an instruction leaves undefined must not be looked at: neither by a consumer nor, behind it, by a producer of fewer flags.
    if (
      !c ||
      c.code.length + code.length > 120 ||
      /^(div|idiv|push|pop|call|ret|enter|leave)/.test(e.def.name)
    )
      continue;
    if (c.undefinedFlags & ~0x10) continue;
    undefinedFlags |= c.undefinedFlags;
    if ([...c.fixed.keys()].some((reg) => fixed.has(reg) || names.length > 0)) continue;
    code.push(...c.code);
    names.push(c.what);
    for (const [reg, v] of c.fixed) fixed.set(reg, v);
  }
  return names.length < 4
    ? null
    : { encoding: all[0], what: names.join('; '), code: Uint8Array.from(code), fixed, undefinedFlags };
}
