/**
 * Runs test cases on the cpu alone, without a kernel: each execution starts from the snapshot the native run took
 * before it and must end like the snapshot after it. Slower per test than the hashes, and it says what is wrong.
 */
import { X86Cpu, type X86Regs, EXIT, type DecodeTables, type PageTable } from '../../cpu/index.ts';
import { KIND, Snapshot, SNAPSHOT_BYTES, type TestCase } from './driver-format.ts';
import { CODE, DATA, DATA_PAGES, LANDING_B } from './gen-x86.ts';
import { listing } from './iced.ts';

/** What stands for the driver's exits: int3, which changes no register. */
const INT3 = 0xcc;
const SIGNAL = { SIGILL: 4, SIGTRAP: 5, SIGFPE: 8, SIGSEGV: 11 };
const NAMES = [
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
const FLAGS: readonly [number, string][] = [[1, 'CF'], [4, 'PF'], [0x10, 'AF'], [0x40, 'ZF'], [0x80, 'SF'], [0x400, 'DF'], [0x800, 'OF']]; // prettier-ignore

const hex = (v: number | bigint): string => `0x${v.toString(16)}`;
const hexBytes = (b: Uint8Array): string => Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');
const flagNames = (f: number): string =>
  FLAGS.filter(([bit]) => f & bit)
    .map(([, n]) => n)
    .join(' ') || '-';

/** The parts of an FXSAVE image that are compared: all but FOP, FIP, FDP, MXCSR_MASK and what is reserved. */
function maskImage(fx: Uint8Array): Uint8Array {
  const out = fx.slice();
  out.fill(0, 5, 24);
  out.fill(0, 28, 32);
  for (let i = 0; i < 8; i++) out.fill(0, 42 + 16 * i, 48 + 16 * i);
  out.fill(0, 416, 512);
  return out;
}

/** FXSAVE image of a fresh task: what the driver runs the others with. */
const INITIAL_FP = new Uint8Array(512);
INITIAL_FP.set([0x7f, 0x03]);
INITIAL_FP.set([0x80, 0x1f], 24);

function mxcsrOf(fx: Uint8Array, flags: number): string {
  return hexBytes(Uint8Array.of(fx[24] & flags, fx[25], fx[26], fx[27]));
}

/** F2XM1, FYL2X, FPTAN, FPATAN, FYL2XP1, FSINCOS, FSIN, FCOS. */
function isTranscendental(code: readonly number[]): boolean {
  const at = code.indexOf(0xd9);
  return at >= 0 && [0xf0, 0xf1, 0xf2, 0xf3, 0xf9, 0xfb, 0xfe, 0xff].includes(code[at + 1]);
}

/** F2XM1 and FYL2XP1 beyond the range the manual gives them: every processor answers something of its own. */
export function outOfRange(code: readonly number[], before: Snapshot): boolean {
  const at = code.indexOf(0xd9);
  if (at < 0 || (code[at + 1] !== 0xf0 && code[at + 1] !== 0xf9)) return false;
  const exponent = new DataView(before.fx.buffer, before.fx.byteOffset).getUint16(40, true) & 0x7fff;
  return exponent > (code[at + 1] === 0xf0 ? 0x3ffe : 0x3ffc) && exponent !== 0x7fff;
}

/** Last bits a processor may be off by in its transcendental functions; ours are rounded correctly. */
const TRANSCENDENTAL_ULPS = 8n;

/** Takes over registers that are as good as equal, and what tells how a result was rounded (PE, UE, C1). */
function adoptClose(ours: Uint8Array, theirs: Uint8Array): void {
  const a = new DataView(ours.buffer, ours.byteOffset);
  const b = new DataView(theirs.buffer, theirs.byteOffset);
  const loose = 0x0230;
  a.setUint16(2, (a.getUint16(2, true) & ~loose) | (b.getUint16(2, true) & loose), true);
  for (let at = 32; at < 160; at += 16) {
    const value = (v: DataView): bigint =>
      (BigInt(v.getUint16(at + 8, true) & 0x7fff) << 63n) | (v.getBigUint64(at, true) & (2n ** 63n - 1n));
    const distance = value(a) - value(b);
    const sameSign = (a.getUint8(at + 9) & 0x80) === (b.getUint8(at + 9) & 0x80);
    if (sameSign && distance <= TRANSCENDENTAL_ULPS && -distance <= TRANSCENDENTAL_ULPS)
      ours.set(theirs.subarray(at, at + 10), at);
  }
}

export class DirectRunner {
  private readonly cpu: X86Cpu;
  private readonly regs: X86Regs;
  private readonly table: PageTable;
  private readonly frames = new Map<number, number>();
  private current: TestCase | null = null;

  constructor(module: WebAssembly.Module, isa: DecodeTables) {
    this.cpu = new X86Cpu({ module, isa, memoryBytes: 64 << 20 });
    this.regs = this.cpu.newRegs();
    this.table = this.cpu.newPageTable();
    this.map(CODE, 7);
    for (let i = 0; i < DATA_PAGES; i++) this.map(DATA + 4096 * i, 3);
    this.map(DATA + 4096 * DATA_PAGES, 1);
    for (let i = 0; i < 4096 * (DATA_PAGES + 1); i++) this.write(DATA + i, Uint8Array.of((i * 7) & 255));
  }

  private map(page: number, prot: number): void {
    const frame = this.cpu.memory.alloc(1);
    this.frames.set(page, frame);
    this.table.set(page, frame, prot);
  }

  private write(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const at = address + done;
      const page = at - (at % 4096);
      const n = Math.min(bytes.length - done, page + 4096 - at);
      this.cpu.memory.u8.set(bytes.subarray(done, done + n), this.frames.get(page)! + (at - page));
      done += n;
    }
  }

  private read(address: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      const at = address + i;
      out[i] = this.cpu.memory.u8[this.frames.get(at - (at % 4096))! + (at % 4096)]!;
    }
    return out;
  }

  private load(t: TestCase): void {
    const page = new Uint8Array(160).fill(INT3);
    page.set(t.code);
    this.write(CODE, page);
    this.table.written(CODE, page.length);
    this.current = t;
  }

  /** One execution; what differs, or null. */
  check(t: TestCase, before: Snapshot, after: Snapshot): string | null {
    if (this.current !== t) this.load(t);
    const { regs } = this;
    for (let i = 0; i < 16; i++) regs.set(i, before.gpr(i));
    regs.setNum(17, before.flags);
    regs.loadFp(t.kinds & KIND.FP ? before.fx : INITIAL_FP);
    if (t.kinds & KIND.MEM) this.write(t.mem, before.zone);
    regs.pc = CODE;
    regs.resumeGeneration = -1;
    const exit = this.cpu.run(regs, this.table, 1_000_000);

    let signal = 0;
    let landed = 9;
    let pc = regs.pc - CODE;
    switch (exit) {
      case EXIT.breakpoint:
        pc -= 1;
        landed = pc === t.code.length ? 0 : pc === LANDING_B ? 1 : 7;
        break;
      case EXIT.fault:
      case EXIT.protection:
        signal = SIGNAL.SIGSEGV;
        break;
      case EXIT.undefined:
        signal = SIGNAL.SIGILL;
        break;
      case EXIT.divide:
      case EXIT.simd:
      case EXIT.x87:
        signal = SIGNAL.SIGFPE;
        break;
      default:
        landed = 100 + exit;
    }
    const wrong: string[] = [];
    const compare = (what: string, got: string, want: string): void => {
      if (got !== want) wrong.push(`${what} is ${got}, should be ${want}`);
    };
    // A stack-segment fault of a non-canonical address comes as SIGBUS; the cpu alone cannot tell Linux's choice.
    const wantSignal = after.signal === 7 ? SIGNAL.SIGSEGV : after.signal;
    compare('signal', String(signal), String(wantSignal));
    if (signal === 0) compare('goes to', String(landed), String(after.landed));
    else if (wantSignal !== 0) {
      compare('faulting instruction', String(pc), String(after.rip));
      // FNSTENV and FNSAVE write piece by piece: which piece faults first is the processor's choice.
      if (exit === EXIT.fault && after.faultAddress !== 0n && !/^x87 d[9d]\/6 mem/.test(t.name))
        compare('fault address', hex(this.cpu.faultAddress), hex(after.faultAddress));
    }
    for (let i = 0; i < 16; i++) compare(NAMES[i], hex(regs.get(i)), hex(after.gpr(i)));
    compare('flags', flagNames(regs.num(17) & t.flagMask), flagNames(after.flags & t.flagMask));
    if (t.kinds & KIND.FP) {
      const got = new Uint8Array(512);
      regs.saveFp(got);
      const a = maskImage(got);
      const b = maskImage(after.fx);
      if (isTranscendental(t.code)) adoptClose(a, b);
      compare('x87 control', hexBytes(a.subarray(0, 2)), hexBytes(b.subarray(0, 2)));
      compare('x87 status', hexBytes(a.subarray(2, 4)), hexBytes(b.subarray(2, 4)));
      compare('x87 tags', hexBytes(a.subarray(4, 5)), hexBytes(b.subarray(4, 5)));
      // Flags of lanes computed before another lane's unmasked exception stay set here.
      const flags = signal === SIGNAL.SIGFPE ? 0xc7 : 0xff;
      compare('mxcsr', mxcsrOf(a, flags), mxcsrOf(b, flags));
      for (let i = 0; i < 8; i++)
        compare(
          `st${i}`,
          hexBytes(a.subarray(32 + 16 * i, 42 + 16 * i)),
          hexBytes(b.subarray(32 + 16 * i, 42 + 16 * i)),
        );
      for (let i = 0; i < 16; i++)
        compare(
          `xmm${i}`,
          hexBytes(a.subarray(160 + 16 * i, 176 + 16 * i)),
          hexBytes(b.subarray(160 + 16 * i, 176 + 16 * i)),
        );
    }
    if (t.kinds & KIND.MEM) {
      const got = this.read(t.mem, 256);
      const want = after.zone;
      const at = got.findIndex((x, i) => x !== want[i]);
      if (at >= 0)
        compare(
          `memory from ${hex(t.mem + at)}`,
          hexBytes(got.subarray(at, at + 24)),
          hexBytes(want.subarray(at, at + 24)),
        );
    }
    return wrong.length > 0 ? wrong.join('\n    ') : null;
  }
}

/** Says everything about a mismatch that is needed to repeat it. */
export function describeCase(t: TestCase, before: Snapshot): string {
  const regs = NAMES.map((n, i) => `${n}=${hex(before.gpr(i))}`).join(' ');
  const lines = [
    `${t.name}: ${hexBytes(Uint8Array.from(t.code))}  ${listing(t.code, CODE)}`,
    `    before: ${regs} flags=${flagNames(before.flags)}`,
  ];
  if (t.kinds & KIND.FP) {
    const { fx } = before;
    const used = [...Array(16).keys()].filter((i) => (t.xmms >> i) & 1);
    lines.push(
      `    mxcsr=${hexBytes(fx.subarray(24, 28))} ${used.map((i) => `xmm${i}=${hexBytes(fx.subarray(160 + 16 * i, 176 + 16 * i))}`).join(' ')}`,
    );
    if (t.kinds & KIND.X87) {
      lines.push(
        `    cw=${hexBytes(fx.subarray(0, 2))} sw=${hexBytes(fx.subarray(2, 4))} tags=${hexBytes(fx.subarray(4, 5))} ${[...Array(8).keys()].map((i) => `st${i}=${hexBytes(fx.subarray(32 + 16 * i, 42 + 16 * i))}`).join(' ')}`,
      );
    }
  }
  return lines.join('\n');
}

/** Pairs of snapshots, one pair for each execution of each test in order. */
export function* executions(
  tests: readonly TestCase[],
  dump: Uint8Array,
): Generator<{ t: TestCase; before: Snapshot; after: Snapshot }> {
  let at = 0;
  for (const t of tests) {
    for (let i = 0; i < t.repeats; i++) {
      const before = new Snapshot(dump.subarray(at, at + SNAPSHOT_BYTES));
      const after = new Snapshot(dump.subarray(at + SNAPSHOT_BYTES, at + 2 * SNAPSHOT_BYTES));
      at += 2 * SNAPSHOT_BYTES;
      yield { t, before, after };
    }
  }
}
