/** Runs the same cases on this machine's processor and on our cpu, and compares everything a program could see. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EXIT, X86Cpu, loadIsa, type PageTable, type SerializedIsa, type X86Regs } from '../../cpu/index.ts';
import {
  AT,
  CODE,
  DATA,
  DATA_BYTES,
  Random,
  STACK,
  STACK_BYTES,
  STATE_BYTES,
  fillState,
  type Case,
} from './x86-cases.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Compiles the native driver; null with the reason when this machine cannot. */
export function nativeDriver(): { path: string } | { missing: string } {
  if (process.arch !== 'x64' || process.platform !== 'linux')
    return { missing: 'not an x86_64 Linux machine' };
  if (spawnSync('gcc', ['--version']).status !== 0) return { missing: 'no gcc' };
  const source = `${root}test/differential/x86-driver.c`;
  const path = `${root}build/x86-driver`;
  mkdirSync(`${root}build`, { recursive: true });
  if (!existsSync(path) || statSync(path).mtimeMs < statSync(source).mtimeMs)
    execFileSync('gcc', ['-O1', '-static', '-no-pie', '-Wl,-z,noexecstack', '-o', path, source]);
  return { path };
}

export interface Batch {
  readonly cases: readonly Case[];
  readonly runs: number;
  /** Input states, case by case, run by run. */
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

/** Results on the processor: per run 8 bytes (signal) and the state. */
export function runNative(driver: string, batch: Batch): Uint8Array {
  const per = 136 + batch.runs * STATE_BYTES;
  const input = new Uint8Array(4 + batch.cases.length * per);
  const v = new DataView(input.buffer);
  v.setUint32(0, batch.cases.length, true);
  batch.cases.forEach((c, i) => {
    const at = 4 + i * per;
    v.setUint32(at, c.code.length, true);
    v.setUint32(at + 4, batch.runs, true);
    input.set(c.code, at + 8);
    const from = i * batch.runs * STATE_BYTES;
    input.set(batch.states.subarray(from, from + batch.runs * STATE_BYTES), at + 136);
  });
  const out = spawnSync(driver, { input, maxBuffer: 1 << 30 });
  const want = batch.cases.length * batch.runs * (STATE_BYTES + 8);
  if (out.stdout.length !== want)
    throw new Error(
      `the native driver gave ${out.stdout.length} bytes for ${want}: ${out.stderr.toString()} ${out.signal ?? ''}`,
    );
  return out.stdout;
}

/** Our cpu with the driver's memory layout and no kernel. */
export class CpuUnderTest {
  readonly cpu: X86Cpu;
  private readonly table: PageTable;
  private readonly regs: X86Regs;
  private readonly code: number;
  private readonly data: number;
  private readonly stack: number;

  constructor() {
    const isa = loadIsa(JSON.parse(readFileSync(`${root}dist/x86_64.tables.json`, 'utf8')) as SerializedIsa);
    const module = new WebAssembly.Module(readFileSync(`${root}dist/x86_64.wasm`));
    this.cpu = new X86Cpu({ module, isa, memoryBytes: 64 << 20, codeBytes: 8 << 20 });
    this.table = this.cpu.newPageTable();
    this.regs = this.cpu.newRegs();
    const map = (address: number, pages: number, prot: number): number => {
      const at = this.cpu.memory.alloc(pages);
      for (let i = 0; i < pages; i++) this.table.set(address + i * 4096, at + i * 4096, prot);
      return at;
    };
    this.code = map(CODE, 1, 7);
    this.data = map(DATA, 2, 3);
    this.stack = map(STACK, 2, 3);
  }

  load(code: Uint8Array): void {
    const { u8 } = this.cpu.memory;
    u8.fill(0xcc, this.code, this.code + 256);
    u8.set(code, this.code);
    this.table.written(CODE, 256);
  }

  /** Runs the loaded snippet; `out` gets signal and state as the driver writes them. */
  run(input: Uint8Array, out: Uint8Array, length: number): void {
    const { regs, cpu } = this;
    const { u8 } = cpu.memory;
    const v = new DataView(input.buffer, input.byteOffset, STATE_BYTES);
    for (let i = 0; i < 16; i++) regs.set(i, v.getBigUint64(AT.gpr + 8 * i, true));
    regs.set(17, v.getBigUint64(AT.rflags, true));
    regs.loadFp(input.subarray(AT.fx, AT.fx + 512));
    u8.set(input.subarray(AT.data, AT.data + DATA_BYTES), this.data);
    u8.set(input.subarray(AT.stack, AT.stack + STACK_BYTES), this.stack + 4096 - STACK_BYTES / 2);
    regs.pc = CODE;
    const exit = cpu.run(regs, this.table, 1_000_000);
    const o = new DataView(out.buffer, out.byteOffset, STATE_BYTES + 8);
    // The int3 behind the snippet stands for the driver's exit.
    let signal = SIGNALS[exit] ?? 99;
    if (exit === EXIT.breakpoint && regs.pc === CODE + length + 1) {
      signal = 0;
      regs.pc--;
    }
    o.setUint32(0, signal, true);
    for (let i = 0; i < 16; i++) o.setBigUint64(8 + AT.gpr + 8 * i, regs.get(i), true);
    o.setBigUint64(8 + AT.rflags, regs.get(17), true);
    o.setBigUint64(8 + AT.rip, BigInt(regs.pc), true);
    regs.saveFp(out.subarray(8 + AT.fx, 8 + AT.fx + 512));
    out.set(u8.subarray(this.data, this.data + DATA_BYTES), 8 + AT.data);
    const stack = this.stack + 4096 - STACK_BYTES / 2;
    out.set(u8.subarray(stack, stack + STACK_BYTES), 8 + AT.stack);
  }
}

const SIGNALS: Readonly<Record<number, number>> = {
  [EXIT.fault]: 11,
  [EXIT.protection]: 11,
  [EXIT.undefined]: 4,
  [EXIT.divide]: 8,
  [EXIT.simd]: 8,
  [EXIT.x87]: 8,
  [EXIT.breakpoint]: 5,
};

const REGS = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
];

export interface CompareOptions {
  /** Bits of MXCSR to compare. */
  readonly mxcsr?: number;
}

/** What differs between two results, as lines; empty when nothing does. */
export function difference(
  native: Uint8Array,
  ours: Uint8Array,
  c: Case,
  options: CompareOptions = {},
): string[] {
  const a = new DataView(native.buffer, native.byteOffset, STATE_BYTES + 8);
  const b = new DataView(ours.buffer, ours.byteOffset, STATE_BYTES + 8);
  const out: string[] = [];
  const hex = (x: bigint | number): string => x.toString(16);
  const s = a.getUint32(0, true);
  if (s !== b.getUint32(0, true)) return [`signal: native ${s}, ours ${b.getUint32(0, true)}`];
  for (let i = 0; i < 16; i++) {
    const [x, y] = [a.getBigUint64(8 + AT.gpr + 8 * i, true), b.getBigUint64(8 + AT.gpr + 8 * i, true)];
    if (x !== y) out.push(`${REGS[i]}: native ${hex(x)}, ours ${hex(y)}`);
  }
  const mask = BigInt(0xcd5 & ~c.undefinedFlags);
  const [f, g] = [a.getBigUint64(8 + AT.rflags, true) & mask, b.getBigUint64(8 + AT.rflags, true) & mask];
  if (f !== g) out.push(`rflags: native ${hex(f)}, ours ${hex(g)}`);
  if (s !== 0 && a.getBigUint64(8 + AT.rip, true) !== b.getBigUint64(8 + AT.rip, true))
    out.push(
      `rip: native ${hex(a.getBigUint64(8 + AT.rip, true))}, ours ${hex(b.getBigUint64(8 + AT.rip, true))}`,
    );
  const fx = 8 + AT.fx;
  const mx = options.mxcsr ?? 0xffff;
  const [m, n] = [a.getUint32(fx + 24, true) & mx, b.getUint32(fx + 24, true) & mx];
  if (m !== n) out.push(`mxcsr: native ${hex(m)}, ours ${hex(n)}`);
  const region = (name: string, at: number, length: number, step: number): void => {
    for (let i = 0; i < length; i += step) {
      const x = native.subarray(at + i, at + i + step);
      const y = ours.subarray(at + i, at + i + step);
      if (Buffer.compare(x, y) !== 0)
        out.push(
          `${name}${i / step}: native ${Buffer.from(x).reverse().toString('hex')}, ours ${Buffer.from(y).reverse().toString('hex')}`,
        );
    }
  };
  // x87: control, status and tag words; opcode and pointers are left out (processors differ in when they set them).
  region('fpu word ', fx, 4, 2);
  region('fpu tags ', fx + 4, 1, 1);
  for (let i = 0; i < 8; i++) region(`st${i} `, fx + 32 + 16 * i, 10, 10);
  region('xmm', fx + 160, 256, 16);
  region('data+16*', 8 + AT.data, DATA_BYTES, 16);
  region('stack+8*', 8 + AT.stack, STACK_BYTES, 8);
  return out;
}

export interface Mismatch {
  readonly case: Case;
  readonly run: number;
  readonly lines: string[];
  readonly input: Uint8Array;
}

/** Runs a batch on both; returns mismatches (at most one a case) and how many instructions were executed. */
export function compareBatch(
  driver: string,
  cpu: CpuUnderTest,
  batch: Batch,
  options: CompareOptions = {},
): { mismatches: Mismatch[]; executed: number } {
  const native = runNative(driver, batch);
  const ours = new Uint8Array(STATE_BYTES + 8);
  const mismatches: Mismatch[] = [];
  let executed = 0;
  batch.cases.forEach((c, i) => {
    cpu.load(c.code);
    let bad = false;
    for (let k = 0; k < batch.runs; k++) {
      const at = i * batch.runs + k;
      const input = batch.states.subarray(at * STATE_BYTES, (at + 1) * STATE_BYTES);
      cpu.run(input, ours, c.code.length);
      executed += cpu.cpu.retired;
      if (bad) continue;
      const theirs = native.subarray(at * (STATE_BYTES + 8), (at + 1) * (STATE_BYTES + 8));
      const lines = difference(theirs, ours, c, options);
      if (lines.length) {
        bad = true;
        mismatches.push({ case: c, run: k, lines, input });
      }
    }
  });
  return { mismatches, executed };
}
