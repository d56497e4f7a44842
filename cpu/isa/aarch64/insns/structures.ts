/** Loads and stores of structures: LD1…LD4, ST1…ST4, LD1R…LD4R. Arm ARM C4.1.94, "AdvSIMD load/store". */
import type { Val } from '../../../builder.ts';
import type { A64Builder } from '../builder.ts';
import { insn, type Definition, type DefinitionOptions, type Fields, type Reg } from '../define.ts';
import { listed } from './simd-lanes.ts';

/** 16 bytes by their number in the sources side by side, 16 each. */
function gather(b: A64Builder, sources: readonly Val[], bytes: readonly number[]): Val {
  const used = sources.map((_, i) => i).filter((i) => bytes.some((n) => n >> 4 === i));
  let r = sources[used[0]];
  let at = bytes.map((n) => (n >> 4 === used[0] ? n & 15 : -1));
  for (const i of used.length > 1 ? used.slice(1) : used) {
    const next = bytes.map((n, k) => (n >> 4 === i ? 16 + (n & 15) : at[k]));
    r = b.shuffle(r, sources[i], next.map((n) => (n < 0 ? 0 : n))); // prettier-ignore
    at = next.map((n, k) => (n < 0 ? -1 : k));
  }
  return r;
}

/** Register and byte in it of every byte in memory: `n` registers of `bytes`, elements of `size` in turn. */
function places(n: number, bytes: number, size: number): [number, number][] {
  return Array.from({ length: n * bytes }, (_, m) => {
    const element = Math.floor(m / size);
    return [element % n, Math.floor(element / n) * size + (m % size)];
  });
}

const low = (b: A64Builder, v: Val): Val => b.lane('i64x2.extract_lane', 0, v);

function loadAll(b: A64Builder, vt: Reg, n: number, q: number, size: number, at: Val): void {
  const bytes = q ? 16 : 8;
  const map = places(n, bytes, size);
  const sources: Val[] = [];
  for (let m = 0; m < n * bytes; m += 16)
    sources.push(b.rawLoad(n * bytes - m >= 16 ? 'v128.load' : 'v128.load64_zero', at, m));
  for (let r = 0; r < n; r++) {
    const from = new Array<number>(bytes).fill(0);
    map.forEach(([register, byte], m) => {
      if (register === r) from[byte] = m;
    });
    while (from.length < 16) from.push(from[0]);
    b.setVq(listed(vt, r), gather(b, sources, from), q);
  }
}

function storeAll(b: A64Builder, vt: Reg, n: number, q: number, size: number, at: Val): void {
  const bytes = q ? 16 : 8;
  const map = places(n, bytes, size);
  const sources = Array.from({ length: n }, (_, i) => b.v(listed(vt, i)));
  for (let m = 0; m < n * bytes; m += 16) {
    const part = map.slice(m, m + 16).map(([register, byte]) => register * 16 + byte);
    const whole = part.length === 16;
    while (part.length < 16) part.push(part[0]);
    const v = gather(b, sources, part);
    if (whole) b.rawStore('v128.store', at, v, m);
    else b.rawStore('i64.store', at, low(b, v), m);
  }
}

/** LD1, ST1 of n registers. */
function plain(b: A64Builder, vt: Reg, n: number, q: number, load: boolean, at: Val): void {
  for (let i = 0; i < n; i++) {
    const r = listed(vt, i);
    if (q) {
      if (load) b.setV(r, b.rawLoad('v128.load', at, 16 * i));
      else b.rawStore('v128.store', at, b.v(r), 16 * i);
    } else if (load) b.setLow(r, b.rawLoad('i64.load', at, 8 * i), 64);
    else b.rawStore('i64.store', at, b.low(r, 64), 8 * i);
  }
}

/** What moves at an address already checked; `bytes` in all. */
interface Access {
  readonly bytes: (f: Fields) => number;
  readonly move: (b: A64Builder, vt: Reg, at: Val, load: boolean) => void;
}

/** Without write-back, post-indexed by the size (Rm is 31) and by a register. `encoding` has P for bit 23, M for Rm. */
function forms(name: string, encoding: string, access: Access, options: DefinitionOptions): Definition[] {
  const make = (suffix: string, p: number, rm: string): Definition =>
    insn(
      `${name}${suffix}`,
      encoding.replace('P', String(p)).replace('M', rm),
      `w:Vt r:Rn|sp${rm === 'Rm' ? ' r:Rm' : ''}`,
      (b, vt, rn, index) => {
        const bytes = access.bytes(b.f);
        const load = b.f['L'] !== 0;
        const base = b.x(rn);
        access.move(b, vt, b.translate(base, bytes, load ? 'r' : 'w'), load);
        if (p) b.setX({ ...rn, access: 'w' }, b.add(base, index ? b.x(index) : bytes));
      },
      options,
    );
  return [make('', 0, '00000'), make(' (post-index)', 1, '11111'), make(' (post-index, register)', 1, 'Rm')];
}

const PLAIN = [['0111', 1], ['1010', 2], ['0110', 3], ['0010', 4]] as const; // prettier-ignore
const INTERLEAVED = [['1000', 2], ['0100', 3], ['0000', 4]] as const; // prettier-ignore

const multiple: readonly Definition[] = [
  ...PLAIN.flatMap(([opcode, n]) =>
    forms(`ld1/st1 of ${n}`, `0 Q 001100 P L:1 0 M ${opcode} xx Rn Vt`, {
      bytes: (f) => (f['Q'] ? 16 : 8) * n,
      move: (b, vt, at, load) => {
        plain(b, vt, n, b.f['Q'], load, at);
      },
    }, { by: 'Q L' }),
  ),
  ...INTERLEAVED.flatMap(([opcode, n]) =>
    forms(`ld${n}/st${n}`, `0 Q 001100 P L:1 0 M ${opcode} size:2 Rn Vt`, {
      bytes: (f) => (f['Q'] ? 16 : 8) * n,
      move: (b, vt, at, load) => {
        (load ? loadAll : storeAll)(b, vt, n, b.f['Q'], 1 << b.f['size'], at);
      },
    }, { by: 'Q L size', where: (f) => f['size'] < 3 || f['Q'] === 1 }),
  ),
]; // prettier-ignore

/** opcode<2:1> and what of S:size is fixed, by log2 of the element's bytes. */
const SINGLE = [['00', 'x xx'], ['01', 'x x0'], ['10', 'x 00'], ['10', '0 01']] as const; // prettier-ignore

const oneLane: readonly Definition[] = SINGLE.flatMap(([opcode, rest], scale) =>
  [1, 2, 3, 4].flatMap((n) =>
    forms(`ld${n}/st${n} lane ${'bhsd'[scale]}`, `0 x 001101 P L:1 ${(n - 1) & 1} M ${opcode}${(n - 1) >> 1} ${rest} Rn Vt`, {
      bytes: () => n << scale,
      move: (b, vt, at, load) => {
        const bits = 8 << scale;
        const [get, put] = scale === 3 ? ['i64.load', 'i64.store'] : [`i64.load${bits}_u`, `i64.store${bits}`];
        for (let i = 0; i < n; i++) {
          const r = listed(vt, i);
          if (load) b.storeRegAt(put, r, b.rawLoad(get, at, i << scale), b.small());
          else b.rawStore(put, at, b.loadRegAt(get, r, b.small()), i << scale);
        }
      },
    }, { by: 'L', small: 'structureLane' }),
  ),
); // prettier-ignore

const replicate: readonly Definition[] = [1, 2, 3, 4].flatMap((n) =>
  forms(`ld${n}r`, `0 Q 001101 P 1 ${(n - 1) & 1} M 11${(n - 1) >> 1} 0 size:2 Rn Vt`, {
    bytes: (f) => n << f['size'],
    move: (b, vt, at) => {
      const size = b.f['size'];
      for (let i = 0; i < n; i++)
        b.setVq(listed(vt, i), b.rawLoad(`v128.load${8 << size}_splat`, at, i << size), b.f['Q']);
    },
  }, { by: 'Q size' }),
); // prettier-ignore

export const structures: readonly Definition[] = [...multiple, ...oneLane, ...replicate];
