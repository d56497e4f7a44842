/** Runs the same cases under qemu-aarch64 and on our cpu, and compares everything a program could see. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  A64Cpu,
  EXIT,
  loadA64Isa,
  type A64Regs,
  type PageTable,
  type SerializedA64Isa,
} from '../../cpu/index.ts';
import { Decoder } from '../../cpu/isa/aarch64/translator.ts';
import { AT, CODE, DATA, DATA_AT, DATA_BYTES, fillState, STATE_BYTES, type Case } from './a64-cases.ts';
import { Random } from './x86-cases.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PER_RESULT = STATE_BYTES + 8;

/** Compiles the driver; the reason when this machine cannot run it. */
export function a64Driver(): { command: readonly string[] } | { missing: string } {
  const gcc = 'aarch64-linux-gnu-gcc';
  if (spawnSync(gcc, ['--version']).status !== 0) return { missing: `no ${gcc}` };
  if (spawnSync('qemu-aarch64', ['--version']).status !== 0) return { missing: 'no qemu-aarch64' };
  const source = `${root}test/differential/a64-driver.c`;
  const path = `${root}build/a64-driver`;
  mkdirSync(`${root}build`, { recursive: true });
  if (!existsSync(path) || statSync(path).mtimeMs < statSync(source).mtimeMs) {
    const place = '-Wl,-Ttext-segment=0x10100000,--defsym=code_at=0x10000000';
    execFileSync(gcc, ['-O1', '-static', place, '-o', path, source]);
  }
  return { command: ['qemu-aarch64', '-cpu', 'cortex-a76', path] };
}

export interface Batch {
  readonly cases: readonly Case[];
  readonly runs: number;
  readonly states: Uint8Array;
}

export function makeBatch(cases: readonly Case[], runs: number, seed: number): Batch {
  const r = new Random(seed);
  const states = new Uint8Array(cases.length * runs * STATE_BYTES);
  cases.forEach((c, i) => {
    for (let k = 0; k < runs; k++) {
      const at = (i * runs + k) * STATE_BYTES;
      fillState(states.subarray(at, at + STATE_BYTES), c, r);
    }
  });
  return { cases, runs, states };
}

/** Results of the driver: per run 8 bytes (signal) and the state. */
export function runDriver(command: readonly string[], batch: Batch): Uint8Array {
  const per = 40 + batch.runs * STATE_BYTES;
  const input = new Uint8Array(4 + batch.cases.length * per);
  const v = new DataView(input.buffer);
  v.setUint32(0, batch.cases.length, true);
  batch.cases.forEach((c, i) => {
    const at = 4 + i * per;
    v.setUint32(at, c.words.length, true);
    v.setUint32(at + 4, batch.runs, true);
    c.words.forEach((w, k) => {
      v.setUint32(at + 8 + 4 * k, w, true);
    });
    const from = i * batch.runs * STATE_BYTES;
    input.set(batch.states.subarray(from, from + batch.runs * STATE_BYTES), at + 40);
  });
  const out = spawnSync(command[0], command.slice(1), { input, maxBuffer: 1 << 30 });
  const want = batch.cases.length * batch.runs * PER_RESULT;
  if (out.stdout.length !== want)
    throw new Error(
      `the driver gave ${out.stdout.length} bytes for ${want}: ${out.stderr.toString()} ${out.signal ?? ''}`,
    );
  return out.stdout;
}

const BRK = 0xd4200000;

/** Our cpu with the driver's memory layout and no kernel. */
export class A64UnderTest {
  readonly cpu: A64Cpu;
  readonly decoder: Decoder;
  private readonly table: PageTable;
  private readonly regs: A64Regs;
  private readonly code: number;
  private readonly data: number;

  constructor() {
    const isa = loadA64Isa(
      JSON.parse(readFileSync(`${root}dist/aarch64.tables.json`, 'utf8')) as SerializedA64Isa,
    );
    const module = new WebAssembly.Module(readFileSync(`${root}dist/aarch64.wasm`));
    this.decoder = new Decoder(isa.encodings);
    this.cpu = new A64Cpu({ module, isa, memoryBytes: 64 << 20, codeBytes: 8 << 20 });
    this.table = this.cpu.newPageTable();
    this.regs = this.cpu.newRegs();
    const map = (address: number, pages: number, prot: number): number => {
      const at = this.cpu.memory.alloc(pages);
      for (let i = 0; i < pages; i++) this.table.set(address + i * 4096, at + i * 4096, prot);
      return at;
    };
    this.code = map(CODE, 1, 7);
    this.data = map(DATA, 2, 3);
    for (let i = 0; i < 32; i++)
      this.cpu.memory.view.setUint32(this.code + 4 * (64 + i), (0x01234567 * (i + 1)) >>> 0, true);
  }

  load(words: readonly number[]): void {
    [...words, BRK].forEach((w, i) => {
      this.cpu.memory.view.setUint32(this.code + 4 * i, w, true);
    });
    this.table.written(CODE, 64);
  }

  /** Runs the loaded words; `out` gets signal and state as the driver writes them. */
  run(input: Uint8Array, out: Uint8Array, length: number): void {
    const { regs, cpu } = this;
    const { u8 } = cpu.memory;
    const v = new DataView(input.buffer, input.byteOffset, STATE_BYTES);
    for (let i = 0; i < 32; i++) regs.set(i, v.getBigUint64(AT.x + 8 * i, true));
    regs.set(33, v.getBigUint64(AT.nzcv, true));
    const fp = new Uint8Array(528);
    const f = new DataView(fp.buffer);
    f.setUint32(0, v.getUint32(AT.fpsr, true), true);
    f.setUint32(4, v.getUint32(AT.fpcr, true), true);
    fp.set(input.subarray(AT.v, AT.v + 512), 16);
    regs.loadFp(fp);
    const middle = this.data + (DATA_AT - DATA) - DATA_BYTES / 2;
    u8.fill(0, this.data, this.data + 8192);
    u8.set(input.subarray(AT.data, AT.data + DATA_BYTES), middle);
    regs.pc = CODE;
    const exit = cpu.run(regs, this.table, 1_000_000);
    const o = new DataView(out.buffer, out.byteOffset, PER_RESULT);
    const done = exit === EXIT.breakpoint && regs.pc === CODE + 4 * length;
    o.setUint32(0, done ? 0 : (SIGNALS[exit] ?? 99), true);
    for (let i = 0; i < 32; i++) o.setBigUint64(8 + AT.x + 8 * i, regs.get(i), true);
    o.setBigUint64(8 + AT.nzcv, regs.get(33), true);
    o.setBigUint64(8 + AT.pc, BigInt(regs.pc), true);
    regs.saveFp(fp);
    o.setUint32(8 + AT.fpcr, f.getUint32(4, true), true);
    o.setUint32(8 + AT.fpsr, f.getUint32(0, true), true);
    out.set(fp.subarray(16, 528), 8 + AT.v);
    out.set(u8.subarray(middle, middle + DATA_BYTES), 8 + AT.data);
  }
}

const SIGNALS: Readonly<Record<number, number>> = {
  [EXIT.fault]: 11,
  [EXIT.protection]: 11,
  [EXIT.undefined]: 4,
  [EXIT.alignment]: 7,
  [EXIT.breakpoint]: 5,
};

/** What differs between two results, as lines; empty when nothing does. */
export function difference(theirs: Uint8Array, ours: Uint8Array): string[] {
  const a = new DataView(theirs.buffer, theirs.byteOffset, PER_RESULT);
  const b = new DataView(ours.buffer, ours.byteOffset, PER_RESULT);
  const s = a.getUint32(0, true);
  if (s !== b.getUint32(0, true)) return [`signal: theirs ${s}, ours ${b.getUint32(0, true)}`];
  const out: string[] = [];
  const word = (name: string, at: number): void => {
    const [x, y] = [a.getBigUint64(8 + at, true), b.getBigUint64(8 + at, true)];
    if (x !== y) out.push(`${name}: theirs ${x.toString(16)}, ours ${y.toString(16)}`);
  };
  for (let i = 0; i < 31; i++) word(`x${i}`, AT.x + 8 * i);
  word('sp', AT.sp);
  word('nzcv', AT.nzcv);
  // qemu's cpu has half-precision arithmetic (FPCR.FZ16), and keeps AArch32's flags in FPSR's upper bits.
  for (const [name, at, mask] of [['fpcr', AT.fpcr, 0x07c00000], ['fpsr', AT.fpsr, 0x0800009f]] as const) {
    const [x, y] = [a.getUint32(8 + at, true) & mask, b.getUint32(8 + at, true) & mask];
    if (x !== y) out.push(`${name}: theirs ${x.toString(16)}, ours ${y.toString(16)}`);
  } // prettier-ignore
  if (s !== 0) word('pc', AT.pc);
  const region = (name: string, from: number, length: number): void => {
    for (let i = 0; i < length; i += 16) {
      const [x, y] = [theirs, ours].map((r) => Buffer.from(r.subarray(8 + from + i, 8 + from + i + 16)));
      if (!x.equals(y))
        out.push(
          `${name}${i / 16}: theirs ${x.reverse().toString('hex')}, ours ${y.reverse().toString('hex')}`,
        );
    }
  };
  region('v', AT.v, 512);
  region('data+16*', AT.data, DATA_BYTES);
  return out;
}

export interface Mismatch {
  readonly case: Case;
  readonly lines: readonly string[];
  readonly input: Uint8Array;
}

/** Runs a batch on both; returns mismatches (at most one a case) and how many instructions were executed. */
export function compareBatch(
  command: readonly string[],
  cpu: A64UnderTest,
  batch: Batch,
): { mismatches: Mismatch[]; executed: number } {
  const theirs = runDriver(command, batch);
  const ours = new Uint8Array(PER_RESULT);
  const mismatches: Mismatch[] = [];
  let executed = 0;
  batch.cases.forEach((c, i) => {
    cpu.load(c.words);
    for (let k = 0; k < batch.runs; k++) {
      const at = i * batch.runs + k;
      const input = batch.states.subarray(at * STATE_BYTES, (at + 1) * STATE_BYTES);
      cpu.run(input, ours, c.words.length);
      executed++;
      const lines = difference(theirs.subarray(at * PER_RESULT, (at + 1) * PER_RESULT), ours);
      if (lines.length === 0) continue;
      mismatches.push({ case: c, lines, input });
      break;
    }
  });
  return { mismatches, executed };
}
