/**
 * Where Unicorn 2.0.1 (its cpus are those of QEMU 5.0) does not do what the manual says or the processor does: what, why,
 * which random cases it explains, and one case that shows it. unicorn.test.ts runs each: the day a Unicorn mends
 * something, its row fails and can go.
 */
import type { Difference } from './unicorn-run.ts';

export interface Deviation {
  readonly what: string;
  readonly why: string;
  /** Names of definitions, and of the parts of the state it can make differ. */
  readonly instructions: RegExp;
  readonly parts: RegExp;
  /** Narrows what it explains. */
  readonly explains?: (d: Difference) => boolean;
  /** Machine code: bytes on x86_64, words on aarch64. */
  readonly code: readonly number[];
  /** Parts of the state it starts from that are not zero. */
  readonly start: Readonly<Record<string, bigint>>;
  /** All that differs then: Unicorn's value, and ours, which is the manual's. */
  readonly shows: Readonly<Record<string, readonly [unicorn: bigint | string, manual: bigint | string]>>;
}

const bytes = (hex: string): number[] => hex.split(' ').map((h) => parseInt(h, 16));
const DATA = 0x20000000n;
/** The middle of aarch64's data pages. */
const A64_DATA = 0x20000f80n;

const ANY_X87 = /^x87 |^fwait/;
const ANY_MMX = /mmx|2pi$|movdq2q|pshufw|^movq$|^movq mm/;

/** Whether every differing lane, of 32 or of 64 bits, is one that `fits`. */
function lanes(d: Difference, fits: (u: bigint, o: bigint, bits: 32 | 64) => boolean): boolean {
  const [u, o] = [BigInt(`0x${d.unicorn}`), BigInt(`0x${d.ours}`)];
  const lane = (v: bigint, at: number, bits: number): bigint => BigInt.asUintN(bits, v >> BigInt(at));
  for (let at = 0; at < 128; at += 64) {
    if (lane(u, at, 64) === lane(o, at, 64)) continue;
    if (fits(lane(u, at, 64), lane(o, at, 64), 64)) continue;
    for (const half of [at, at + 32]) {
      const [x, y] = [lane(u, half, 32), lane(o, half, 32)];
      if (x !== y && !fits(x, y, 32)) return false;
    }
  }
  return true;
}
const isNaN = (v: bigint, bits: 32 | 64): boolean =>
  bits === 32 ? (v & 0x7fffffffn) > 0x7f800000n : (v & 0x7fffffffffffffffn) > 0x7ff0000000000000n;
const isZero = (v: bigint, bits: 32 | 64): boolean => BigInt.asUintN(bits - 1, v) === 0n;

export const X86_DEVIATIONS: readonly Deviation[] = [
  {
    what: 'SSE arithmetic sets no exception flags in MXCSR',
    why: 'QEMU brings them from its soft-float state to MXCSR only since 5.2',
    instructions: /./,
    parts: /^mxcsr$/,
    explains: (d) => (parseInt(d.unicorn, 16) & ~parseInt(d.ours, 16)) === 0,
    code: bytes('f2 0f 5e c1'), // divsd xmm0, xmm1: 1 / 3
    start: { xmm0: 0x3ff0000000000000n, xmm1: 0x4008000000000000n },
    shows: { mxcsr: [0x1f80n, 0x1fa0n] },
  },
  {
    what: 'and unmasked SSE exceptions do not trap',
    why: 'as above',
    instructions: /^$/,
    parts: /^exit$/,
    code: bytes('f3 0f 5e c1'), // divss xmm0, xmm1: 1 / 0, ZM clear
    start: { xmm0: 0x3f800000n, mxcsr: 0x1d80n },
    shows: { exit: ['breakpoint', 'simd'] },
  },
  {
    what: 'MXCSR.FZ has no effect',
    why: 'QEMU 5.0 sets it in the state of the x87 instead of that of SSE (update_mxcsr_status)',
    instructions: /^(mul|div|add|sub|sqrt|cvt|dpp|addsub|hadd|hsub)/,
    parts: /^(xmm|data)/,
    explains: (d) => lanes(d, (_u, o, bits) => isZero(o, bits)),
    code: bytes('f3 0f 59 c1'), // mulss xmm0, xmm1: the least normal number, times a quarter
    start: { xmm0: 0x00800000n, xmm1: 0x3e800000n, mxcsr: 0x9f80n },
    shows: { xmm0: [0x00200000n, 0n], mxcsr: [0x9f80n, 0x9fb0n] },
  },
  {
    what: 'MIN and MAX give back a denormal in spite of MXCSR.DAZ',
    why: 'QEMU only compares with DAZ',
    instructions: /^(min|max)[sp][sd]$/,
    parts: /^xmm/,
    explains: (d) => lanes(d, (_u, o, bits) => isZero(o, bits)),
    code: bytes('f3 0f 5f c1'), // maxss xmm0, xmm1
    start: { xmm0: 1n, xmm1: 2n, mxcsr: 0x1fc0n },
    shows: { xmm0: [2n, 0n] },
  },
  {
    what: 'of two NaNs SSE takes the one with the larger significand, not the first (SDM vol. 1, table 4-7)',
    why: "QEMU uses the x87's rule for both",
    instructions: /^(add|sub|mul|div|addsub|hadd|hsub|dpp)[sp]?[sd]?/,
    parts: /^xmm/,
    explains: (d) => lanes(d, (u, o, bits) => isNaN(u, bits) && isNaN(o, bits)),
    code: bytes('f3 0f 58 c1'), // addss xmm0, xmm1
    start: { xmm0: 0x7fc00001n, xmm1: 0x7fc00002n },
    shows: { xmm0: [0x7fc00002n, 0x7fc00001n] },
  },
  {
    what: 'CMPPS and its like are undefined with a predicate above 7',
    why: 'processors ignore the reserved upper bits of the immediate',
    instructions: /^cmp[sp][sd]$/,
    parts: /^exit$/,
    code: bytes('0f c2 c1 08'),
    start: {},
    shows: { exit: ['undefined', 'breakpoint'] },
  },
  {
    what: 'TEST as F6 /1 and F7 /1 is undefined',
    why: 'only the AMD manual lists it; processors of both makers have it',
    instructions: /^test$/,
    parts: /^exit$/,
    code: bytes('f6 c8 01'),
    start: {},
    shows: { exit: ['undefined', 'breakpoint'] },
  },
  {
    what: 'a prefetch (0F 18) of a register is undefined',
    why: 'it is a reserved NOP (SDM vol. 2, table A-6)',
    instructions: /^nop modrm$/,
    parts: /^exit$/,
    code: bytes('0f 18 c5'),
    start: {},
    shows: { exit: ['undefined', 'breakpoint'] },
  },
  {
    what: 'there is no POPCNT',
    why: "Unicorn's cpu model lacks the feature; CPUID does not tell of it on that core",
    instructions: /^popcnt$/,
    parts: /^exit$/,
    code: bytes('f3 0f b8 c1'),
    start: {},
    shows: { exit: ['undefined', 'breakpoint'] },
  },
  {
    what: 'there is no PCLMULQDQ',
    why: 'as above',
    instructions: /^pclmulqdq$/,
    parts: /^exit$/,
    code: bytes('66 0f 3a 44 c1 00'),
    start: {},
    shows: { exit: ['undefined', 'breakpoint'] },
  },
  {
    what: 'there is no FSGSBASE',
    why: 'as above; AT_HWCAP2 does not tell of it',
    instructions: /^(rd|wr)[fg]sbase$/,
    parts: /^exit$/,
    code: bytes('f3 48 0f ae c0'), // rdfsbase rax
    start: {},
    shows: { exit: ['undefined', 'breakpoint'] },
  },
  {
    what: 'MOVAPS and its like ask for no alignment',
    why: 'QEMU never checks it',
    instructions: /^(mov(nt|ap|dqa|s[lh]dup)|m?p|aes|[a-z]+p[sd]$|cvt)/,
    parts: /^exit$/,
    explains: (d) => d.ours === 'protection',
    code: bytes('0f 28 03'), // movaps xmm0, [rbx]
    start: { r3: DATA + 1n },
    shows: { exit: ['breakpoint', 'protection'] },
  },
  {
    what: 'a 32-bit CMPXCHG that fails clears the upper half of its register',
    why: 'processors write nothing then',
    instructions: /^cmpxchg$/,
    parts: /^r\d/,
    explains: (d) => d.unicorn.slice(8) === d.ours.slice(8),
    code: bytes('0f b1 cb'), // cmpxchg ebx, ecx
    start: { r0: 1n, r3: 0x1234567800000002n },
    shows: { r3: [2n, 0x1234567800000002n] },
  },
  {
    what: 'and one that succeeds clears the upper half of RAX',
    why: 'as above',
    instructions: /^$/,
    parts: /^$/,
    code: bytes('0f b1 cb'),
    start: { r0: 0x9999999900000002n, r1: 5n, r3: 2n },
    shows: { r0: [2n, 0x9999999900000002n] },
  },
  {
    what: 'a 32-bit BSF or BSR of 0 clears the upper half of its register',
    why: 'undefined (SDM); AMD documents that the register is left alone, and processors of both makers do it',
    instructions: /^bs[fr]$/,
    parts: /^r\d/,
    explains: (d) => d.unicorn.slice(8) === d.ours.slice(8),
    code: bytes('0f bc c1'), // bsf eax, ecx
    start: { r0: 0x1122334455667788n, rflags: 0x202n },
    shows: { r0: [0x55667788n, 0x1122334455667788n], rflags: [0x246n, 0x242n] },
  },
  {
    what: 'flags the manual leaves undefined are others than here',
    why: 'here they are as the processor has them',
    instructions: /^(bs[fr]|bt[src]?|sh[lr]d?|sal|sar|rc[lr]|ro[lr]|i?mul|i?div|and|or|xor|test)/,
    parts: /^undefined flags$/,
    code: bytes('66 d3 eb'), // shr bx, cl: OF, for a count of 4
    start: { r1: 4n, r3: 0x8687n },
    shows: { rflags: [0x202n, 0xa02n] },
  },
  {
    what: 'FCOMI and its like leave OF, SF and AF as they were',
    why: 'they are cleared (SDM vol. 2, FCOMI)',
    instructions: ANY_X87,
    parts: /^rflags$/,
    explains: (d) => ((parseInt(d.unicorn, 16) ^ parseInt(d.ours, 16)) & ~0x890) === 0,
    code: bytes('db f1'), // fcomi st, st(1)
    start: { rflags: 0xad6n, 'fpu tags': 3n, st0: 0x3fff8000000000000000n, st1: 0x3fff8000000000000000n },
    shows: { rflags: [0xad2n, 0x242n] },
  },
  {
    what: 'LOCK NEG takes SF, ZF and PF from the old value',
    why: 'a bug of QEMU 5.0 (its compare-and-swap loop leaves the operand where the flags expect the result)',
    instructions: /^neg$/,
    parts: /^rflags$/,
    explains: (d) => ((parseInt(d.unicorn, 16) ^ parseInt(d.ours, 16)) & ~0xc4) === 0,
    code: bytes('f0 f7 1b'), // lock neg dword [rbx]
    start: { r3: DATA, data0: 1n },
    shows: { rflags: [0x213n, 0x297n] },
  },
  {
    what: 'PCMPESTRx cuts lengths to 32 bits, and reads beyond its tables with the most negative one',
    why: "QEMU's abs1 is one of ints; with RAX or RDX −2^31 Unicorn may crash, so random cases leave these out",
    instructions: /^pcmpestr/,
    parts: /^(r1|rflags|xmm0)$/,
    code: bytes('66 48 0f 3a 61 c1 00'), // pcmpestri xmm0, xmm1 with 64-bit lengths: 2^32 + 1 and 4
    start: { r0: 0x100000001n, r2: 4n, xmm0: 0x0403020104030201n, xmm1: 4n },
    shows: { r1: [0x10n, 0n], rflags: [0x2c2n, 0xa43n] },
  },
  {
    what: 'PHADD and PHSUB of a register with itself use sums already written',
    why: 'a bug of QEMU 5.0: its helpers work in place',
    instructions: /^ph(add|sub)s?[wd]/,
    parts: /^(xmm|st)/,
    code: bytes('66 0f 38 06 db'), // phsubd xmm3, xmm3
    start: { xmm3: 0x00000001000000200000030000004000n },
    shows: { xmm3: [0x00003ce000003ce10000001f00003d00n, 0x0000001f00003d000000001f00003d00n] },
  },
  {
    what: 'a write to an MMX register leaves the upper 16 bits of the x87 register',
    why: 'they become ones (SDM vol. 1, 9.6.2)',
    instructions: ANY_MMX,
    parts: /^st/,
    explains: (d) => d.unicorn.slice(4) === d.ours.slice(4),
    code: bytes('0f fe c1'), // paddd mm0, mm1
    start: { st0: 0x3fff0000000000000001n, st1: 2n },
    shows: { st0: [0x3fff0000000000000003n, 0xffff0000000000000003n] },
  },
  {
    what: 'the x87 knows no stack overflow',
    why: 'QEMU 5.0 never sets IE, SF and C1 for it, nor gives the indefinite value',
    instructions: ANY_X87,
    parts: /^(fpu status|fpu tags|st\d)$/,
    code: bytes('d9 e8'), // fld1 onto a full stack
    start: { 'fpu tags': 0xffn },
    shows: {
      'fpu status': [0x3800n, 0x3a41n],
      st0: [0x3fff8000000000000000n, 0xffffc000000000000000n],
    },
  },
  {
    what: 'and no underflow',
    why: 'as above',
    instructions: /^$/,
    parts: /^$/,
    code: bytes('d8 c1'), // fadd st, st(1), both empty
    start: {},
    shows: { 'fpu status': [0n, 0x41n], 'fpu tags': [0n, 1n], st0: [0n, 0xffffc000000000000000n] },
  },
  {
    what: 'x87 arithmetic other than division sets no exception flags',
    why: 'QEMU 5.0 brings them over for FDIV only',
    instructions: /^$/,
    parts: /^$/,
    code: bytes('d8 c1'), // fadd st, st(1), inexact
    start: { 'fpu tags': 3n, st0: 0x3fff8000000000000000n, st1: 0x3f008000000000000001n },
    shows: { 'fpu status': [0n, 0x20n] },
  },
  {
    what: 'an unnormal is a valid operand of the x87',
    why: 'it is invalid since the 387 (SDM vol. 1, 8.2.2)',
    instructions: /^$/,
    parts: /^$/,
    code: bytes('d8 c1'),
    start: { 'fpu tags': 3n, st0: 0x3fff8000000000000000n, st1: 0x3fff4000000000000000n },
    shows: { 'fpu status': [0n, 1n] },
  },
  {
    what: 'reserved bits of the x87 control word can be written',
    why: 'processors keep bit 6 one and the others zero',
    instructions: ANY_X87,
    parts: /^fpu control$/,
    code: bytes('d9 2b'), // fldcw [rbx]
    start: { r3: DATA, data0: 0xffffn },
    shows: { 'fpu control': [0xffffn, 0x1f7fn] },
  },
  {
    what: 'FLDENV does not derive ES and B from the exceptions that are pending',
    why: 'SDM vol. 1, 8.1.3: ES is a summary, B its copy',
    instructions: /^$/,
    parts: /^$/,
    code: bytes('d9 23'), // fldenv [rbx], with IE set and IM clear
    start: { r3: DATA, data0: 0xffff000000010000037en },
    shows: { 'fpu status': [1n, 0x8081n] },
  },
  {
    what: 'FSTENV stores zeros where the upper halves of its words are reserved',
    why: 'processors store ones',
    instructions: ANY_X87,
    parts: /^data/,
    code: bytes('d9 33'), // fnstenv [rbx]
    start: { r3: DATA },
    shows: {
      data0: [0xffff000000000000037fn, 0xffffffffffff0000ffff037fn],
      data1: [0n, 0xffff00000000000000000000n],
    },
  },
  {
    what: 'FISTTP of a number too large stores the largest integer',
    why: 'it is the integer indefinite, and invalid (SDM vol. 2, FISTTP)',
    instructions: /^$/,
    parts: /^$/,
    code: bytes('db 0b'), // fisttp dword [rbx]
    start: { r3: DATA, 'fpu tags': 1n, st0: 0x40408000000000000000n },
    shows: { 'fpu status': [0x800n, 0x801n], data0: [0x7fffffffn, 0x80000000n] },
  },
  {
    what: 'FST of a signalling NaN stores it as it is',
    why: 'it is made quiet, and invalid (SDM vol. 1, table 4-7)',
    instructions: /^$/,
    parts: /^$/,
    code: bytes('dd 13'), // fst qword [rbx]
    start: { r3: DATA, 'fpu tags': 1n, st0: 0x7fffa000000000000000n },
    shows: { 'fpu status': [0n, 1n], data0: [0x7ff4000000000000n, 0x7ffc000000000000n] },
  },
  {
    what: 'FBSTP of a number too large stores digits of it',
    why: 'it is the packed BCD indefinite, and invalid (SDM vol. 2, FBSTP)',
    instructions: /^$/,
    parts: /^$/,
    code: bytes('df 33'), // fbstp [rbx]
    start: { r3: DATA, 'fpu tags': 1n, st0: 0x40408000000000000000n },
    shows: { 'fpu status': [0x800n, 0x801n], data0: [0x223372036854775807n, 0xffffc000000000000000n] },
  },
  {
    what: 'FSIN and the other transcendental functions have the precision of a double',
    why: "QEMU calls the C library's",
    instructions: /^$/,
    parts: /^$/,
    code: bytes('d9 fe'), // fsin of 1
    start: { 'fpu tags': 1n, st0: 0x3fff8000000000000000n },
    shows: {
      'fpu status': [0n, 0x220n],
      st0: [0x3ffed76aa47848677000n, 0x3ffed76aa47848677021n],
    },
  },
  {
    what: 'RET takes the bytes to drop as signed',
    why: 'a bug of QEMU 5.0',
    instructions: /^ret imm$/,
    parts: /^r4$/,
    code: bytes('c2 00 80'),
    start: { r4: DATA, data0: 0x10000003n },
    shows: { r4: [DATA + 8n - 0x8000n, DATA + 8n + 0x8000n] },
  },
  {
    what: 'a RIP-relative SHLD or SHRD with an immediate works on the byte before',
    why: 'QEMU 5.0 forgets the immediate behind the address',
    instructions: /^sh[lr]d$/,
    parts: /^(data|rflags|undefined flags)/,
    code: bytes('0f a4 05 00 00 00 10 04'), // shld [rip + 0x10000000], eax, 4: DATA + 8
    start: { r0: 0xf0000000n, data0: 0x11223344n << 64n },
    shows: { data0: [0x112334400fn << 56n, 0x1223344fn << 64n], rflags: [0x206n, 0x203n] },
  },
  {
    what: 'DPPS adds its products one by one',
    why: 'processors add two and two (SDM vol. 2, DPPS)',
    instructions: /^dpps$/,
    parts: /^xmm/,
    code: bytes('66 0f 3a 40 c1 ff'), // dpps xmm0, xmm1: 2^24 + 0 + 1 + 1
    start: { xmm0: 0x3f8000003f800000000000004b800000n, xmm1: 0x3f8000003f8000003f8000003f800000n },
    shows: { xmm0: [0x4b8000004b8000004b8000004b800000n, 0x4b8000014b8000014b8000014b800001n] },
  },
  {
    what: 'RCL and RCR have set the flags when their store faults',
    why: 'a bug of QEMU 5.0: the helper sets them first',
    instructions: /^rc[lr]( cl)?$/,
    parts: /^(rflags|undefined flags)$/,
    code: bytes('d1 13'), // rcl dword [rbx], 1: memory that can only be read
    start: { r3: DATA + 0x3000n, rflags: 0x203n },
    shows: { rflags: [0x202n, 0x203n] },
  },
  {
    what: 'LAHF and SAHF with a REX prefix use SPL for AH',
    why: 'a bug of QEMU 5.0',
    instructions: /^[ls]ahf$/,
    parts: /^(r0|r4|rflags)$/,
    code: bytes('40 9f'),
    start: { r4: DATA },
    shows: { r0: [0n, 0x200n], r4: [DATA + 2n, DATA] },
  },
  {
    what: 'LOCK before an instruction that only reads memory: a page fault comes before the invalid opcode',
    why: 'QEMU 5.0 looks at the prefix when the instruction is done; SDM vol. 3, table 6-2 has decoding first',
    instructions: /./,
    parts: /^exit$/,
    explains: (d) => d.unicorn === 'fault' && d.ours === 'undefined',
    code: bytes('f0 48 13 03'), // lock adc rax, [rbx]
    start: { r3: DATA + 0x8000n },
    shows: { exit: ['fault', 'undefined'] },
  },
  {
    what: 'CLFLUSH of an unmapped address does nothing',
    why: 'QEMU 5.0 makes nothing of it; it faults as a read does (SDM vol. 2, CLFLUSH)',
    instructions: /^clflush$/,
    parts: /^exit$/,
    explains: (d) => d.ours === 'fault',
    code: bytes('0f ae 3b'),
    start: { r3: DATA + 0x8000n },
    shows: { exit: ['breakpoint', 'fault'] },
  },
]; // prettier-ignore

const MEMORY = /^(ld|st|swp|cas|dc zva|prf)/;

export const A64_DEVIATIONS: readonly Deviation[] = [
  {
    what: 'an address with a tag in its top byte faults',
    why: 'Linux has TBI on; Unicorn looks mappings up with the tag',
    instructions: MEMORY,
    parts: /^exit$/,
    explains: (d) => d.unicorn === 'fault',
    code: [0xf9400020], // ldr x0, [x1]
    start: { x1: 0x5a00000000000000n + A64_DATA },
    shows: { exit: ['fault', 'breakpoint'] },
  },
  {
    what: "FPSR keeps AArch32's condition flags",
    why: 'they are RES0 where EL0 has no AArch32 (Arm ARM, FPSR)',
    instructions: /^msr fpsr$/,
    parts: /^fpsr$/,
    code: [0xd51b4420], // msr fpsr, x0
    start: { x0: 0xffffffffn },
    shows: { fpsr: [0xf800009fn, 0x0800009fn] },
  },
  {
    what: 'FPCR keeps Len, Stride and FZ16',
    why: 'Len and Stride are RES0 in AArch64, FZ16 without half-precision arithmetic (Arm ARM, FPCR)',
    instructions: /^msr fpcr$/,
    parts: /^fpcr$/,
    code: [0xd51b4400], // msr fpcr, x0
    start: { x0: 0xffffffffn },
    shows: { fpcr: [0x07ff0000n, 0x07c00000n] },
  },
  {
    what: 'LDAR and STLR ask for no alignment',
    why: 'they fault whatever SCTLR_EL1.A (Arm ARM B2.5.2, without LSE2)',
    instructions: /^(ldar|stlr|ldapr|ldlar|stllr)/,
    parts: /^exit$/,
    explains: (d) => d.unicorn === 'breakpoint' && d.ours === 'alignment',
    code: [0xc8dffc20], // ldar x0, [x1]
    start: { x1: A64_DATA + 1n },
    shows: { exit: ['breakpoint', 'alignment'] },
  },
  {
    what: 'LDSMAX and LDSMIN of less than 64 bits compare without the sign',
    why: 'a bug of QEMU 5.0: where threads do not run in parallel, neither operand is extended',
    instructions: /^lds(max|min)$/,
    parts: /^data/,
    code: [0x78204022], // ldsmaxh w0, w2, [x1]
    start: { x0: 5n, x1: A64_DATA, data0: 0xfff0n },
    shows: { data0: [0xfff0n, 5n] },
  },
  {
    what: 'LDUMAX and LDUMIN of less than 64 bits compare with all of the register',
    why: 'as above',
    instructions: /^ldu(max|min)$/,
    parts: /^data/,
    code: [0x38206022], // ldumaxb w0, w2, [x1]
    start: { x0: 0x105n, x1: A64_DATA, data0: 0xf0n },
    shows: { data0: [5n, 0xf0n] },
  },
  {
    what: 'WFI ends the run',
    why: 'it waits for interrupts, which Unicorn has none of; Linux lets a program go on (SCTLR_EL1.nTWI)',
    instructions: /^hint$/,
    parts: /^exit$/,
    code: [0xd503207f],
    start: {},
    shows: { exit: ['protection', 'breakpoint'] },
  },
]; // prettier-ignore
