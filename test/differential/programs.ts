/**
 * Random programs: blocks of random instructions that jump to each other however they like, call and return, through
 * registers too. Most never end; whoever runs them gives up after a while.
 */
import type { Random } from '../support/random.ts';
import type { A64Case, Sequences as A64Sequences } from './a64-generate.ts';
import { CODE, DATA, DATA_PAGES, PAD } from './driver.ts';
import type { Sequences as X86Sequences, X86Case } from './x86-generate.ts';

/** Room for one block. */
export const BLOCK = 192;
const MAX_BLOCKS = Math.floor((PAD - CODE) / BLOCK);
/** Where calls keep their return addresses, each block its own. */
const STACK = DATA + DATA_PAGES * 4096 - 512;

const le32 = (v: number): number[] => [v & 255, (v >> 8) & 255, (v >> 16) & 255, (v >> 24) & 255];

/** How a block ends. */
function x86End(r: Random, at: number, self: number, pick: () => number): number[] {
  const code: number[] = [];
  const jump = (opcode: readonly number[], to: number): void => {
    code.push(...opcode, ...le32(to - (at + code.length + opcode.length + 4)));
  };
  /** eax = one of two blocks, by a condition. */
  const choose = (): void => {
    code.push(0xb8, ...le32(pick()), 0xb9, ...le32(pick()), 0x0f, 0x40 + r.below(16), 0xc1);
  };
  switch (r.below(12)) {
    case 0:
      jump([0xe9], pick());
      break;
    case 1:
      if (r.chance(0.3))
        code.push(0x0f, 0x0b); // ud2
      else code.push(0xc3); // ret
      break;
    case 2:
    case 3:
      code.push(0xbc, ...le32(STACK + 8 * self)); // mov esp, …
      jump([0xe8], pick());
      jump([0xe9], pick());
      break;
    case 4:
      choose();
      code.push(0xff, 0xe0); // jmp rax
      break;
    case 5:
      code.push(0xbc, ...le32(STACK + 8 * self));
      choose();
      code.push(0xff, 0xd0); // call rax
      jump([0xe9], pick());
      break;
    case 6:
      code.push(0xff, 0xc9); // dec ecx
      jump([0x0f, 0x85], pick());
      jump([0xe9], pick());
      break;
    default:
      jump([0x0f, 0x80 + r.below(16)], pick());
      jump([0xe9], pick());
  }
  return code;
}

/** Where accesses begin: mostly around a page border, where a run of pages may end. */
const near = (r: Random): number =>
  r.chance(0.7) ? DATA + 4096 * r.below(DATA_PAGES + 1) + r.below(160) - 80 : DATA + 256 + r.below(8192);

/** Accesses of all sizes around one register, which moves now and then. */
function x86Accesses(r: Random): number[] {
  const base = r.pick([3, 6, 7]); // rbx, rsi, rdi
  const code = r.chance(0.7) ? [0xb8 + base, ...le32(near(r))] : [];
  for (let n = 2 + r.below(6); n > 0; n--) {
    const modrm = 0x40 | (r.below(3) << 3) | base; // eax, ecx, edx and [base + disp8]
    const disp = (r.chance(0.6) ? 8 * r.below(8) : r.below(256)) & 255;
    const store = r.chance(0.5);
    switch (r.below(8)) {
      case 0:
        code.push(store ? 0x88 : 0x8a, modrm, disp);
        break;
      case 1:
        code.push(0x66, store ? 0x89 : 0x8b, modrm, disp);
        break;
      case 2:
        code.push(store ? 0x89 : 0x8b, modrm, disp);
        break;
      case 3:
        code.push(0xf3, 0x0f, store ? 0x7f : 0x6f, modrm, disp); // movdqu
        break;
      case 4:
        code.push(0x48, store ? 0x01 : 0x03, modrm, disp); // add
        break;
      case 5:
        code.push(0x48, 0x83, 0xc0 | base, r.pick([1, 8, 16, 0xf8])); // add base, n
        break;
      case 6:
        code.push(0x48, 0x8d, 0x40 | (base << 3) | base, disp); // lea base, [base + n]
        break;
      default:
        code.push(0x48, store ? 0x89 : 0x8b, modrm, disp);
    }
  }
  return code;
}

export function x86Program(sequences: X86Sequences, r: Random, runs: number): X86Case {
  const n = 1 + r.below(MAX_BLOCKS);
  const pick = (): number => CODE + BLOCK * r.below(n);
  const image = new Uint8Array(n * BLOCK).fill(0xcc);
  let all: X86Case | null = null;
  let [kinds, xmms] = [0, 0];
  for (let i = 0; i < n; i++) {
    const at = CODE + i * BLOCK;
    const code = r.chance(0.5) ? x86Accesses(r) : [];
    for (;;) {
      const c = r.chance(code.length > 0 ? 0.5 : 0.9) ? sequences.make(r, runs) : null;
      if (!c) break;
      const pins = c.pins.filter((p) => !p.memory);
      if (code.length + c.code.length + 10 * pins.length > BLOCK - 40) continue;
      for (const p of pins) code.push(0x48 | (p.reg >> 3), 0xb8 | (p.reg & 7), ...le32(p.lo), ...le32(p.hi));
      code.push(...c.code);
      all = c;
      kinds |= c.kinds;
      xmms |= c.xmms;
      break;
    }
    code.push(...x86End(r, at + code.length, i, pick));
    image.set(code, i * BLOCK);
  }
  if (!all) return x86Program(sequences, r, runs);
  const stop = { kinds, xmms, fp: true, pins: [], zone: DATA + 1024, undefinedFlags: 0xfff, instructions: 1 };
  return { ...all, ...stop, name: `program of ${n}`, family: 'programs', code: [...image], runs };
}

/** movz and movk. */
function move(reg: number, value: number): number[] {
  const v = BigInt.asUintN(64, BigInt(value));
  return [0, 1, 2, 3].map(
    (k) =>
      (((k === 0 ? 0xd2800000 : 0xf2800000) | (k << 21) | (Number((v >> BigInt(16 * k)) & 0xffffn) << 5) | reg) >>> 0),
  );
} // prettier-ignore

function a64End(r: Random, at: number, pick: () => number): number[] {
  const words: number[] = [];
  const offset = (to: number): number => (to - (at + 4 * words.length)) >> 2;
  const b = (to: number, link = false): void => {
    words.push((0x14000000 | (link ? 0x80000000 : 0) | (offset(to) & 0x3ffffff)) >>> 0);
  };
  const conditional = (opcode: number, to: number): void => {
    words.push((opcode | ((offset(to) & 0x7ffff) << 5)) >>> 0);
  };
  /** x16 = one of two blocks, by a condition. */
  const choose = (): void => {
    words.push(...move(16, pick()), ...move(17, pick()), 0x9a910210 | (r.below(14) << 12));
  };
  switch (r.below(12)) {
    case 0:
      b(pick());
      break;
    case 1:
      if (r.chance(0.3)) words.push(0); // udf
      else words.push(0xd65f03c0); // ret
      break;
    case 2:
    case 3:
      b(pick(), true);
      b(pick());
      break;
    case 4:
      choose();
      words.push(0xd61f0200); // br x16
      break;
    case 5:
      choose();
      words.push(0xd63f0200); // blr x16
      b(pick());
      break;
    case 6:
      words.push(0x51000400 | 19 << 5 | 19); // sub w19, w19, #1
      conditional(0x35000000 | 19, pick());
      b(pick());
      break;
    default:
      conditional(0x54000000 | r.below(14), pick());
      b(pick());
  }
  return words;
} // prettier-ignore

/** Accesses of all sizes around one register, which moves now and then. */
function a64Accesses(r: Random): number[] {
  const base = 19 + r.below(3);
  const words = r.chance(0.7) ? move(base, near(r)) : [];
  const imm9 = (n: number): number => (n & 0x1ff) << 12;
  for (let n = 2 + r.below(6); n > 0; n--) {
    const registers = (base << 5) | r.below(8);
    const load = r.below(2) << 22;
    const at = r.chance(0.6) ? 8 * r.below(8) : r.below(256) - 128;
    const size = r.below(4) * 0x40000000;
    const pair = (at >> 3) << 15;
    const words9 = 0x38000000 + size + load + imm9(at) + registers;
    switch (r.below(7)) {
      case 0:
        words.push((words9 | 0x400) >>> 0); // post-indexed
        break;
      case 1:
        words.push((words9 | 0xc00) >>> 0); // pre-indexed
        break;
      case 2:
        words.push(((0xa9000000 | load | (8 << 10)) + (pair & 0x3f8000) + registers) >>> 0); // ldp, stp
        break;
      case 3:
        words.push((0x3c800000 + load + imm9(at) + registers) >>> 0); // ldur, stur of q registers
        break;
      case 4:
        words.push((0x91000000 | (r.pick([1, 8, 16]) << 10) | (base << 5) | base) >>> 0); // add base, base, #n
        break;
      default:
        words.push(words9 >>> 0); // ldur, stur
    }
  }
  return words;
} // prettier-ignore

export function a64Program(sequences: A64Sequences, r: Random, runs: number): A64Case {
  const n = 1 + r.below(MAX_BLOCKS);
  const pick = (): number => CODE + BLOCK * r.below(n);
  const image = new Uint32Array((n * BLOCK) / 4);
  let all: A64Case | null = null;
  for (let i = 0; i < n; i++) {
    const words = r.chance(0.5) ? a64Accesses(r) : [];
    const had = words.length;
    for (;;) {
      const c = r.chance(had > 0 ? 0.5 : 0.9) ? sequences.make(r, runs) : null;
      if (!c) break;
      if (had + c.words.length > BLOCK / 4 - 20) continue;
      if (c.base >= 0 && c.base < 31) words.push(...move(c.base, DATA + 4096 + 16 * r.below(512) - c.offset));
      if (c.index >= 0 && c.index < 31) words.push(...move(c.index, 8 * r.below(4)));
      if (words.length + c.words.length > BLOCK / 4 - 12) {
        words.length = had;
        continue;
      }
      words.push(...c.words);
      all = c;
      break;
    }
    words.push(...a64End(r, CODE + i * BLOCK + 4 * words.length, pick));
    image.set(words, (i * BLOCK) / 4);
  }
  if (!all) return a64Program(sequences, r, runs);
  const stop = { base: -1, index: -1, target: -1, offset: 0, zone: DATA + 1024, instructions: 1 };
  const code = [...new Uint8Array(image.buffer)];
  return { ...all, ...stop, name: `program of ${n}`, family: 'programs', words: [...image], code, runs };
}
