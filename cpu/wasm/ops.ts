/** WebAssembly instructions by their specification names: opcode bytes and signature. Core spec 2.0, appendix "Index of Instructions". */

export type ValType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

export const VAL_TYPE_CODE: Readonly<Record<ValType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

/** What follows the opcode: nothing, a memory argument, a lane index, memarg + lane, or 16 bytes. */
export type Immediate = 'none' | 'mem' | 'lane' | 'memlane' | 'bytes16';

export interface Op {
  readonly name: string;
  /** Prefix byte (0xfc, 0xfd) or 0. */
  readonly prefix: number;
  readonly code: number;
  readonly args: readonly ValType[];
  readonly result: ValType | null;
  readonly imm: Immediate;
  /** Result depends on the arguments alone and it cannot trap. */
  readonly pure: boolean;
}

const table = new Map<string, Op>();

function add(
  name: string,
  prefix: number,
  code: number,
  sig: string,
  imm: Immediate = 'none',
  pure = true,
): void {
  const [a, r] = sig.split('>') as [string, string];
  const args = a === '' ? [] : a.split(',').map(expand);
  table.set(name, { name, prefix, code, args, result: r === '' ? null : expand(r), imm, pure });
}

function expand(c: string): ValType {
  return ({ i: 'i32', l: 'i64', f: 'f32', d: 'f64', v: 'v128' } as Record<string, ValType>)[c];
}

/** Names at consecutive opcodes; '-' leaves a gap. */
function run(
  prefix: number,
  first: number,
  sig: string,
  names: string,
  imm: Immediate = 'none',
  pure = true,
): void {
  names.split(' ').forEach((n, i) => {
    if (n !== '-') add(n, prefix, first + i, sig, imm, pure);
  });
}

function each(type: string, names: string): string {
  return names
    .split(' ')
    .map((n) => (n === '-' ? n : `${type}.${n}`))
    .join(' ');
}

// Memory.
run(0, 0x28, 'i>i', 'i32.load', 'mem', false);
run(0, 0x29, 'i>l', 'i64.load', 'mem', false);
run(0, 0x2a, 'i>f', 'f32.load', 'mem', false);
run(0, 0x2b, 'i>d', 'f64.load', 'mem', false);
run(0, 0x2c, 'i>i', each('i32', 'load8_s load8_u load16_s load16_u'), 'mem', false);
run(0, 0x30, 'i>l', each('i64', 'load8_s load8_u load16_s load16_u load32_s load32_u'), 'mem', false);
run(0, 0x36, 'i,i>', 'i32.store', 'mem', false);
run(0, 0x37, 'i,l>', 'i64.store', 'mem', false);
run(0, 0x38, 'i,f>', 'f32.store', 'mem', false);
run(0, 0x39, 'i,d>', 'f64.store', 'mem', false);
run(0, 0x3a, 'i,i>', each('i32', 'store8 store16'), 'mem', false);
run(0, 0x3c, 'i,l>', each('i64', 'store8 store16 store32'), 'mem', false);

// Integer and float comparisons and arithmetic.
const ICMP = 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u';
const FCMP = 'eq ne lt gt le ge';
const IBIN = 'add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr';
run(0, 0x45, 'i>i', 'i32.eqz');
run(0, 0x46, 'i,i>i', each('i32', ICMP));
run(0, 0x50, 'l>i', 'i64.eqz');
run(0, 0x51, 'l,l>i', each('i64', ICMP));
run(0, 0x5b, 'f,f>i', each('f32', FCMP));
run(0, 0x61, 'd,d>i', each('f64', FCMP));
run(0, 0x67, 'i>i', each('i32', 'clz ctz popcnt'));
run(0, 0x6a, 'i,i>i', each('i32', IBIN));
run(0, 0x79, 'l>l', each('i64', 'clz ctz popcnt'));
run(0, 0x7c, 'l,l>l', each('i64', IBIN));
for (const t of ['i32', 'i64'])
  for (const n of ['div_s', 'div_u', 'rem_s', 'rem_u']) {
    const op = table.get(`${t}.${n}`)!;
    table.set(op.name, { ...op, pure: false }); // traps on zero
  }
run(0, 0x8b, 'f>f', each('f32', 'abs neg ceil floor trunc nearest sqrt'));
run(0, 0x92, 'f,f>f', each('f32', 'add sub mul div min max copysign'));
run(0, 0x99, 'd>d', each('f64', 'abs neg ceil floor trunc nearest sqrt'));
run(0, 0xa0, 'd,d>d', each('f64', 'add sub mul div min max copysign'));
add('i32.wrap_i64', 0, 0xa7, 'l>i');
add('i64.extend_i32_s', 0, 0xac, 'i>l');
add('i64.extend_i32_u', 0, 0xad, 'i>l');
run(0, 0xb2, 'i>f', each('f32', 'convert_i32_s convert_i32_u'));
run(0, 0xb4, 'l>f', each('f32', 'convert_i64_s convert_i64_u'));
add('f32.demote_f64', 0, 0xb6, 'd>f');
run(0, 0xb7, 'i>d', each('f64', 'convert_i32_s convert_i32_u'));
run(0, 0xb9, 'l>d', each('f64', 'convert_i64_s convert_i64_u'));
add('f64.promote_f32', 0, 0xbb, 'f>d');
add('i32.reinterpret_f32', 0, 0xbc, 'f>i');
add('i64.reinterpret_f64', 0, 0xbd, 'd>l');
add('f32.reinterpret_i32', 0, 0xbe, 'i>f');
add('f64.reinterpret_i64', 0, 0xbf, 'l>d');
run(0, 0xc0, 'i>i', each('i32', 'extend8_s extend16_s'));
run(0, 0xc2, 'l>l', each('i64', 'extend8_s extend16_s extend32_s'));
run(0xfc, 0, 'f>i', each('i32', 'trunc_sat_f32_s trunc_sat_f32_u'));
run(0xfc, 2, 'd>i', each('i32', 'trunc_sat_f64_s trunc_sat_f64_u'));
run(0xfc, 4, 'f>l', each('i64', 'trunc_sat_f32_s trunc_sat_f32_u'));
run(0xfc, 6, 'd>l', each('i64', 'trunc_sat_f64_s trunc_sat_f64_u'));

// SIMD (prefix 0xfd).
const S = 0xfd;
// Relaxed SIMD; whether it fuses is the host's business (jit/fused.ts).
add('f32x4.relaxed_madd', S, 0x105, 'v,v,v>v');
add('f64x2.relaxed_madd', S, 0x107, 'v,v,v>v');
run(S, 0, 'i>v', 'v128.load v128.load8x8_s v128.load8x8_u v128.load16x4_s v128.load16x4_u v128.load32x2_s v128.load32x2_u v128.load8_splat v128.load16_splat v128.load32_splat v128.load64_splat', 'mem', false); // prettier-ignore
add('v128.store', S, 11, 'i,v>', 'mem', false);
add('v128.const', S, 12, '>v', 'bytes16');
add('i8x16.shuffle', S, 13, 'v,v>v', 'bytes16');
add('i8x16.swizzle', S, 14, 'v,v>v');
run(S, 15, 'i>v', 'i8x16.splat i16x8.splat i32x4.splat');
add('i64x2.splat', S, 18, 'l>v');
add('f32x4.splat', S, 19, 'f>v');
add('f64x2.splat', S, 20, 'd>v');
run(S, 21, 'v>i', each('i8x16', 'extract_lane_s extract_lane_u'), 'lane');
add('i8x16.replace_lane', S, 23, 'v,i>v', 'lane');
run(S, 24, 'v>i', each('i16x8', 'extract_lane_s extract_lane_u'), 'lane');
add('i16x8.replace_lane', S, 26, 'v,i>v', 'lane');
add('i32x4.extract_lane', S, 27, 'v>i', 'lane');
add('i32x4.replace_lane', S, 28, 'v,i>v', 'lane');
add('i64x2.extract_lane', S, 29, 'v>l', 'lane');
add('i64x2.replace_lane', S, 30, 'v,l>v', 'lane');
add('f32x4.extract_lane', S, 31, 'v>f', 'lane');
add('f32x4.replace_lane', S, 32, 'v,f>v', 'lane');
add('f64x2.extract_lane', S, 33, 'v>d', 'lane');
add('f64x2.replace_lane', S, 34, 'v,d>v', 'lane');
run(S, 35, 'v,v>v', each('i8x16', ICMP));
run(S, 45, 'v,v>v', each('i16x8', ICMP));
run(S, 55, 'v,v>v', each('i32x4', ICMP));
run(S, 65, 'v,v>v', each('f32x4', FCMP));
run(S, 71, 'v,v>v', each('f64x2', FCMP));
add('v128.not', S, 77, 'v>v');
run(S, 78, 'v,v>v', each('v128', 'and andnot or xor'));
add('v128.bitselect', S, 82, 'v,v,v>v');
add('v128.any_true', S, 83, 'v>i');
run(S, 84, 'i,v>v', each('v128', 'load8_lane load16_lane load32_lane load64_lane'), 'memlane', false);
run(S, 88, 'i,v>', each('v128', 'store8_lane store16_lane store32_lane store64_lane'), 'memlane', false);
run(S, 92, 'i>v', each('v128', 'load32_zero load64_zero'), 'mem', false);
add('f32x4.demote_f64x2_zero', S, 94, 'v>v');
add('f64x2.promote_low_f32x4', S, 95, 'v>v');
run(S, 96, 'v>v', each('i8x16', 'abs neg popcnt'));
run(S, 99, 'v>i', each('i8x16', 'all_true bitmask'));
run(S, 101, 'v,v>v', each('i8x16', 'narrow_i16x8_s narrow_i16x8_u'));
run(S, 103, 'v>v', each('f32x4', 'ceil floor trunc nearest'));
run(S, 107, 'v,i>v', each('i8x16', 'shl shr_s shr_u'));
run(S, 110, 'v,v>v', each('i8x16', 'add add_sat_s add_sat_u sub sub_sat_s sub_sat_u'));
run(S, 116, 'v>v', each('f64x2', 'ceil floor'));
run(S, 118, 'v,v>v', each('i8x16', 'min_s min_u max_s max_u'));
add('f64x2.trunc', S, 122, 'v>v');
add('i8x16.avgr_u', S, 123, 'v,v>v');
run(S, 124, 'v>v', 'i16x8.extadd_pairwise_i8x16_s i16x8.extadd_pairwise_i8x16_u i32x4.extadd_pairwise_i16x8_s i32x4.extadd_pairwise_i16x8_u'); // prettier-ignore
run(S, 128, 'v>v', each('i16x8', 'abs neg'));
add('i16x8.q15mulr_sat_s', S, 130, 'v,v>v');
run(S, 131, 'v>i', each('i16x8', 'all_true bitmask'));
run(S, 133, 'v,v>v', each('i16x8', 'narrow_i32x4_s narrow_i32x4_u'));
run(S, 135, 'v>v', each('i16x8', 'extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u')); // prettier-ignore
run(S, 139, 'v,i>v', each('i16x8', 'shl shr_s shr_u'));
run(S, 142, 'v,v>v', each('i16x8', 'add add_sat_s add_sat_u sub sub_sat_s sub_sat_u'));
add('f64x2.nearest', S, 148, 'v>v');
run(S, 149, 'v,v>v', each('i16x8', 'mul min_s min_u max_s max_u - avgr_u extmul_low_i8x16_s extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u')); // prettier-ignore
run(S, 160, 'v>v', each('i32x4', 'abs neg'));
run(S, 163, 'v>i', each('i32x4', 'all_true bitmask'));
run(S, 167, 'v>v', each('i32x4', 'extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u')); // prettier-ignore
run(S, 171, 'v,i>v', each('i32x4', 'shl shr_s shr_u'));
run(S, 174, 'v,v>v', each('i32x4', 'add - - sub - - - mul min_s min_u max_s max_u dot_i16x8_s - extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u')); // prettier-ignore
run(S, 192, 'v>v', each('i64x2', 'abs neg'));
run(S, 195, 'v>i', each('i64x2', 'all_true bitmask'));
run(S, 199, 'v>v', each('i64x2', 'extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u')); // prettier-ignore
run(S, 203, 'v,i>v', each('i64x2', 'shl shr_s shr_u'));
run(S, 206, 'v,v>v', each('i64x2', 'add - - sub - - - mul eq ne lt_s gt_s le_s ge_s extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u')); // prettier-ignore
run(S, 224, 'v>v', each('f32x4', 'abs neg - sqrt'));
run(S, 228, 'v,v>v', each('f32x4', 'add sub mul div min max pmin pmax'));
run(S, 236, 'v>v', each('f64x2', 'abs neg - sqrt'));
run(S, 240, 'v,v>v', each('f64x2', 'add sub mul div min max pmin pmax'));
run(S, 248, 'v>v', 'i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u'); // prettier-ignore

/** The instruction of that name; throws on a misspelt one (a bug of ours). */
export function wasmOp(name: string): Op {
  const op = table.get(name);
  if (!op) throw new Error(`no such WebAssembly instruction: ${name}`);
  return op;
}
