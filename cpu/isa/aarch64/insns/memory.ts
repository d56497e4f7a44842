/** Loads and stores of general and vector registers. Arm ARM C4.1.94. Structures (LD1…ST4) are in structures.ts. */
import type { Val } from '../../../builder.ts';
import type { A64Builder } from '../builder.ts';
import { insn, type Definition, type DefinitionOptions, type Fields, type Reg } from '../define.ts';
import type { ImmediateKind } from '../immediates.ts';

/** What LDR and STR of general registers do, by size and opc: 0 store, 1 load, 2 load signed to 64, 3 to 32 bits. */
function transfer(b: A64Builder, rt: Reg, size: number, opc: number, address: Val): void {
  const bits = 8 << size;
  if (opc === 0) {
    b.store(bits === 64 ? 'i64.store' : `i64.store${bits}`, address, b.x(rt), bits / 8);
    return;
  }
  const v = b.load(bits === 64 ? 'i64.load' : `i64.load${bits}_${opc === 1 ? 'u' : 's'}`, address, bits / 8);
  b.setX(rt, v, opc === 3 ? 32 : 64);
}

/** The same for a vector register of 8 << scale bits. */
function transferVector(b: A64Builder, vt: Reg, scale: number, load: boolean, address: Val): void {
  const bytes = 1 << scale;
  if (!load) {
    if (scale === 4) b.store('v128.store', address, b.v(vt), 16);
    else b.store(scale === 3 ? 'i64.store' : `i64.store${8 * bytes}`, address, b.low(vt, 8 * bytes), bytes);
    return;
  }
  if (scale === 4) b.setV(vt, b.load('v128.load', address, 16));
  else b.setLow(vt, b.load(scale === 3 ? 'i64.load' : `i64.load${8 * bytes}_u`, address, bytes), 64);
}

const allocated = (f: Fields): boolean => {
  const [size, opc] = [f['size'], f['opc']];
  return opc < 2 || (opc === 2 ? size < 3 : size < 2);
};
/** Vector forms: size 0 with opc<1> is 128 bits. */
const vectorScale = (f: Fields): number => (f['opc'] & 2 ? 4 : f['size']);
const vectorAllocated = (f: Fields): boolean => f['opc'] < 2 || f['size'] === 0;

/** `scale`: log2 of the bytes accessed. */
type Address = (
  b: A64Builder,
  rn: Reg,
  rm: Reg | undefined,
  scale: number,
) => { address: Val; writeBack?: Val };

const RN = 'r:Rn|sp';
const spOf = (rn: Reg): Reg => ({ ...rn, access: 'w' });

/** One addressing mode for both register files. `encoding` follows size:2 111 V; `imm` is the general registers'. */
function mode(
  name: string,
  encoding: string,
  address: Address,
  options: DefinitionOptions,
  imm: readonly [ImmediateKind, ImmediateKind],
): Definition[] {
  const operands = encoding.includes('Rm') ? `${RN} r:Rm` : RN;
  const by = `size opc ${options.by ?? ''}`;
  const where = (f: Fields): boolean => options.where?.(f) ?? true;
  const general = (store: boolean): Definition =>
    insn(
      `${store ? 'str' : 'ldr'} (${name})`,
      `size:2 111 0 ${encoding} Rt`,
      `${store ? 'r' : 'w'}:Rt ${operands}`,
      (b, rt, rn, rm) => {
        const a = address(b, rn, rm, b.f['size']);
        transfer(b, rt, b.f['size'], b.f['opc'], a.address);
        if (a.writeBack) b.setX(spOf(rn), a.writeBack);
      },
      { by, imm: imm[0], where: (f) => allocated(f) && (f['opc'] === 0) === store && where(f) },
    );
  return [
    general(true),
    general(false),
    insn(
      `ldr/str vector (${name})`,
      `size:2 111 1 ${encoding} Vt`,
      `w:Vt ${operands}`,
      (b, vt, rn, rm) => {
        const scale = vectorScale(b.f);
        const a = address(b, rn, rm, scale);
        transferVector(b, vt, scale, (b.f['opc'] & 1) === 1, a.address);
        if (a.writeBack) b.setX(spOf(rn), a.writeBack);
      },
      { by, imm: imm[1], where: (f) => vectorAllocated(f) && where(f) },
    ),
  ];
}

const offset: Address = (b, rn) => ({ address: b.add(b.x(rn), b.imm()) });
const preIndex: Address = (b, rn) => {
  const a = b.add(b.x(rn), b.imm());
  return { address: a, writeBack: a };
};
const postIndex: Address = (b, rn) => {
  const a = b.x(rn);
  return { address: a, writeBack: b.add(a, b.imm()) };
};
const registerOffset: Address = (b, rn, rm, scale) => {
  const option = b.f['option'];
  const index = option & 1 ? b.x(rm!) : option & 4 ? b.sx(rm!, 32) : b.x(rm!, 32);
  return { address: b.add(b.x(rn), b.f['S'] ? b.shl(index, scale) : index) };
};

const NINE = ['imm9', 'imm9'] as const;
const singles: readonly Definition[] = [
  ...mode('unsigned offset', '01 opc:2 imm12:12 Rn', offset, {}, ['scaled', 'scaledVector']),
  ...mode('unscaled', '00 opc:2 0 imm9:9 00 Rn', offset, {}, NINE),
  ...mode('pre-index', '00 opc:2 0 imm9:9 11 Rn', preIndex, {}, NINE),
  ...mode('post-index', '00 opc:2 0 imm9:9 01 Rn', postIndex, {}, NINE),
  ...mode(
    'register',
    '00 opc:2 1 Rm option:3 S 10 Rn',
    registerOffset,
    { by: 'option S', where: (f) => (f['option'] & 2) === 2 },
    ['none', 'none'],
  ),
];

/** LDTR, STTR: a program's own rights are the only ones. */
const unprivileged: readonly Definition[] = ([true, false] as const).map((store) =>
  insn(store ? 'sttr' : 'ldtr', 'size:2 111 0 00 opc:2 0 imm9:9 10 Rn Rt', `${store ? 'r' : 'w'}:Rt ${RN}`, (b, rt, rn) => {
    transfer(b, rt, b.f['size'], b.f['opc'], b.add(b.x(rn), b.imm()));
  }, { by: 'size opc', imm: 'imm9', where: (f) => allocated(f) && (f['opc'] === 0) === store }),
); // prettier-ignore

const PREFETCHES: readonly Definition[] = [
  insn('prfm (unsigned offset)', '11 111 0 01 10 imm12:12 Rn Rt', '', () => undefined),
  insn('prfm (register)', '11 111 0 00 10 1 Rm x1xx 10 Rn Rt', '', () => undefined),
  insn('prfum', '11 111 0 00 10 0 imm9:9 00 Rn Rt', '', () => undefined),
  insn('prfm (literal)', '11 011 0 00 imm19:19 Rt', '', () => undefined),
];

const literals: readonly Definition[] = [
  insn('ldr (literal)', '0 opc:1 011 0 00 imm19:19 Rt', 'w:Rt', (b, rt) => {
    transfer(b, rt, b.f['opc'] ? 3 : 2, 1, b.imm());
  }, { by: 'opc', imm: 'literal' }),
  insn('ldrsw (literal)', '10 011 0 00 imm19:19 Rt', 'w:Rt', (b, rt) => {
    transfer(b, rt, 2, 2, b.imm());
  }, { imm: 'literal' }),
  insn('ldr vector (literal)', 'opc:2 011 1 00 imm19:19 Vt', 'w:Vt', (b, vt) => {
    transferVector(b, vt, b.f['opc'] + 2, true, b.imm());
  }, { by: 'opc', imm: 'literal', where: (f) => f['opc'] !== 3 }),
]; // prettier-ignore

/** LDP, STP and their forms: mode 0 no allocation hint, 1 post-index, 2 offset, 3 pre-index. */
const PAIR_MODES = ['000', '001', '010', '011'] as const;
function pairAddress(b: A64Builder, rn: Reg, mode: number): { address: Val; after: Val | null } {
  const base = b.x(rn);
  const moved = b.add(base, b.imm());
  return { address: mode === 1 ? base : moved, after: mode & 1 ? moved : null };
}
const pairs: readonly Definition[] = PAIR_MODES.flatMap((mode, m) => {
  const name = ['no-allocate', 'post-index', 'offset', 'pre-index'][m];
  const general = (load: boolean): Definition =>
    insn(`${load ? 'ldp' : 'stp'} (${name})`, `opc:2 101 0 ${mode} ${load ? 1 : 0} imm7:7 Rt2 Rn Rt`, `${load ? 'w:Rt w:Rt2' : 'r:Rt r:Rt2'} ${RN}`, (b, rt, rt2, rn) => {
      const opc = b.f['opc'];
      const bytes = opc === 2 ? 8 : 4;
      const { address, after } = pairAddress(b, rn, m);
      const at = b.translate(address, 2 * bytes, load ? 'r' : 'w');
      if (load) {
        const op = bytes === 8 ? 'i64.load' : opc === 1 ? 'i64.load32_s' : 'i64.load32_u';
        const [first, second] = [b.rawLoad(op, at), b.rawLoad(op, at, bytes)];
        b.setX(rt, first);
        b.setX(rt2, second);
      } else {
        const op = bytes === 8 ? 'i64.store' : 'i64.store32';
        b.rawStore(op, at, b.x(rt));
        b.rawStore(op, at, b.x(rt2), bytes);
      }
      if (after) b.setX(spOf(rn), after);
    }, { by: 'opc', imm: 'pair', where: (f) => f['opc'] === 0 || f['opc'] === 2 || (f['opc'] === 1 && load && m > 0) });
  return [
    general(true),
    general(false),
    insn(`ldp/stp vector (${name})`, `opc:2 101 1 ${mode} L:1 imm7:7 Vt2 Rn Vt`, `w:Vt w:Vt2 ${RN}`, (b, vt, vt2, rn) => {
      const scale = b.f['opc'] + 2;
      const bytes = 1 << scale;
      const load = b.f['L'] === 1;
      const { address, after } = pairAddress(b, rn, m);
      const at = b.translate(address, 2 * bytes, load ? 'r' : 'w');
      [vt, vt2].forEach((r, i) => {
        if (scale === 4) {
          if (load) b.setV(r, b.rawLoad('v128.load', at, 16 * i));
          else b.rawStore('v128.store', at, b.v(r), 16 * i);
        } else if (load) b.setLow(r, b.rawLoad(scale === 3 ? 'i64.load' : 'i64.load32_u', at, bytes * i), 64);
        else b.rawStore(scale === 3 ? 'i64.store' : 'i64.store32', at, b.low(r, 8 * bytes), bytes * i);
      });
      if (after) b.setX(spOf(rn), after);
    }, { by: 'opc L', imm: 'pairVector', where: (f) => f['opc'] !== 3 }),
  ];
}); // prettier-ignore

export const memory: readonly Definition[] = [
  ...singles,
  ...unprivileged,
  ...PREFETCHES,
  ...literals,
  ...pairs,
];
