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

export function x86Program(sequences: X86Sequences, r: Random, runs: number): X86Case {
  const n = 1 + r.below(MAX_BLOCKS);
  const pick = (): number => CODE + BLOCK * r.below(n);
  const image = new Uint8Array(n * BLOCK).fill(0xcc);
  let all: X86Case | null = null;
  let [kinds, xmms] = [0, 0];
  for (let i = 0; i < n; i++) {
    const at = CODE + i * BLOCK;
    const code: number[] = [];
    for (;;) {
      const c = r.chance(0.9) ? sequences.make(r, runs) : null;
      if (!c) break;
      const pins = c.pins.filter((p) => !p.memory);
      if (c.code.length + 10 * pins.length > BLOCK - 40) continue;
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

export function a64Program(sequences: A64Sequences, r: Random, runs: number): A64Case {
  const n = 1 + r.below(MAX_BLOCKS);
  const pick = (): number => CODE + BLOCK * r.below(n);
  const image = new Uint32Array((n * BLOCK) / 4);
  let all: A64Case | null = null;
  for (let i = 0; i < n; i++) {
    const words: number[] = [];
    for (;;) {
      const c = r.chance(0.9) ? sequences.make(r, runs) : null;
      if (!c) break;
      if (c.words.length > BLOCK / 4 - 20) continue;
      if (c.base >= 0 && c.base < 31) words.push(...move(c.base, DATA + 4096 + 16 * r.below(512) - c.offset));
      if (c.index >= 0 && c.index < 31) words.push(...move(c.index, 8 * r.below(4)));
      if (words.length + c.words.length > BLOCK / 4 - 12) {
        words.length = 0;
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
