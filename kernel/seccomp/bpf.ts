/** Classic BPF as seccomp takes it (bpf_check_classic, seccomp_check_filter, bpf_prog_run of Linux 6.1). */

// Instruction classes and the parts of a code (linux/bpf_common.h).
const LD = 0;
const LDX = 1;
const ST = 2;
const STX = 3;
const ALU = 4;
const JMP = 5;
const RET = 6;
const MISC = 7;
const MODE = 0xe0;
const IMM = 0x00;
const ABS = 0x20;
const MEM = 0x60;
const LEN = 0x80;
const SRC_X = 8;
const RET_A = 0x10;
const TXA = 0x80;

export const BPF_MAXINSNS = 4096;
/** struct sock_filter. */
export const INSN_SIZE = 8;
/** struct seccomp_data. */
export const DATA_SIZE = 64;
const MEMWORDS = 16;

/** A program that passed `parseFilter`: code, jt, jf, k of each instruction. */
export type BpfProgram = Uint32Array;

/** Decodes and checks; null: EINVAL. */
export function parseFilter(bytes: Uint8Array): BpfProgram | null {
  const n = bytes.length / INSN_SIZE;
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const out = new Uint32Array(4 * n);
  for (let i = 0; i < n; i++) {
    const at = i * INSN_SIZE;
    out.set(
      [v.getUint16(at, true), v.getUint8(at + 2), v.getUint8(at + 3), v.getUint32(at + 4, true)],
      4 * i,
    );
    if (!valid(out.subarray(4 * i, 4 * i + 4), i, n)) return null;
  }
  if (n === 0 || ![RET, RET | RET_A].includes(out[4 * (n - 1)])) return null;
  return storesComeFirst(out) ? out : null;
}

const ALU_OPS = [0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0xa0, 0x60, 0x70]; // ADD SUB MUL DIV OR AND XOR LSH RSH
const JUMPS = [0x10, 0x20, 0x30, 0x40]; // JEQ JGT JGE JSET

function valid([code, jt, jf, k]: Uint32Array, i: number, n: number): boolean {
  switch (code & 7) {
    case LD:
      if (code === (LD | ABS)) return k % 4 === 0 && k < DATA_SIZE;
      if (code === (LD | MEM)) return k < MEMWORDS;
      return code === (LD | IMM) || code === (LD | LEN);
    case LDX:
      if (code === (LDX | MEM)) return k < MEMWORDS;
      return code === (LDX | IMM) || code === (LDX | LEN);
    case ST:
    case STX:
      return (code === ST || code === STX) && k < MEMWORDS;
    case ALU: {
      const op = code & 0xf0;
      if (op === 0x80) return code === (ALU | 0x80); // NEG
      if ((code & ~0xff) !== 0 || !ALU_OPS.includes(op)) return false;
      if ((code & SRC_X) !== 0) return true;
      if (op === 0x30) return k !== 0;
      return op === 0x60 || op === 0x70 ? k < 32 : true;
    }
    case JMP:
      if (code === JMP) return k < n - i - 1;
      return (code & ~0xff) === 0 && JUMPS.includes(code & 0xf0) && i + jt + 1 < n && i + jf + 1 < n;
    case RET:
      return code === RET || code === (RET | RET_A);
    default:
      return code === MISC || code === (MISC | TXA);
  }
}

/** check_load_and_stores: no word is read that some way to the load has not written. */
function storesComeFirst(p: BpfProgram): boolean {
  const n = p.length / 4;
  const masks = new Uint16Array(n).fill(0xffff);
  let written = 0;
  for (let i = 0; i < n; i++) {
    written &= masks[i];
    const [code, jt, jf, k] = p.subarray(4 * i, 4 * i + 4);
    if (code === ST || code === STX) written |= 1 << k;
    else if (code === (LD | MEM) || code === (LDX | MEM)) {
      if ((written & (1 << k)) === 0) return false;
    } else if (code === JMP) {
      masks[i + 1 + k] &= written;
      written = 0xffff;
    } else if ((code & 7) === JMP) {
      masks[i + 1 + jt] &= written;
      masks[i + 1 + jf] &= written;
      written = 0xffff;
    }
  }
  return true;
}

/** Runs a checked program over the 16 words of struct seccomp_data. */
export function runFilter(p: BpfProgram, data: Uint32Array): number {
  let a = 0;
  let x = 0;
  const memory = new Uint32Array(MEMWORDS);
  for (let pc = 0; ; pc += 4) {
    const code = p[pc];
    const k = p[pc + 3];
    switch (code & 7) {
      case LD:
      case LDX: {
        const mode = code & MODE;
        const value = mode === ABS ? data[k >> 2] : mode === MEM ? memory[k] : mode === LEN ? DATA_SIZE : k;
        if ((code & 7) === LD) a = value;
        else x = value;
        break;
      }
      case ST:
        memory[k] = a;
        break;
      case STX:
        memory[k] = x;
        break;
      case ALU: {
        const by = (code & SRC_X) !== 0 ? x : k;
        if ((code & 0xf0) === 0x30 && by === 0) return 0; // a division by X = 0 ends the program
        a = arithmetic(code & 0xf0, a, by);
        break;
      }
      case JMP:
        if (code === JMP) pc += 4 * k;
        else pc += 4 * p[pc + (jumps(code & 0xf0, a, (code & SRC_X) !== 0 ? x : k) ? 1 : 2)];
        break;
      case RET:
        return (code & RET_A) !== 0 ? a : k;
      default:
        if ((code & TXA) !== 0) a = x;
        else x = a;
    }
  }
}

function arithmetic(op: number, a: number, by: number): number {
  switch (op) {
    case 0x00:
      return (a + by) >>> 0;
    case 0x10:
      return (a - by) >>> 0;
    case 0x20:
      return Math.imul(a, by) >>> 0;
    case 0x30:
      return Math.floor(a / by);
    case 0x40:
      return (a | by) >>> 0;
    case 0x50:
      return (a & by) >>> 0;
    case 0xa0:
      return (a ^ by) >>> 0;
    case 0x60:
      return (a << by) >>> 0; // by X: modulo 32, as 32-bit shifts of the processor are
    case 0x70:
      return a >>> by;
    default:
      return -a >>> 0;
  }
}

function jumps(op: number, a: number, by: number): boolean {
  switch (op) {
    case 0x10:
      return a === by;
    case 0x20:
      return a > by;
    case 0x30:
      return a >= by;
    default:
      return (a & by) !== 0;
  }
}
