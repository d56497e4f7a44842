/** The aarch64 cpu alone, with the memory guests/differential/driver.c has and states as it writes them. */
import { A64Cpu, EXIT, type A64Regs, type PageTable } from '../../cpu/index.ts';
import { A } from '../../cpu/isa/aarch64/layout.ts';
import { loadA64Core } from '../../src/host/core-files.ts';
import type { Random } from '../support/random.ts';
import { drawA64, type A64Case } from './a64-generate.ts';
import { CODE, PAD, ZONE_BYTES } from './driver.ts';
import { A64_AT as AT, A64_STATE_BYTES as STATE_BYTES } from './layouts.ts';
import type { Field, Target } from './runner.ts';
import { DataPages, PATIENT, runToExit, signalOf, type Core } from './sandbox.ts';

/** Behind the code: what literals load. */
const LITERALS = 256;
const BRK = 0xd4200000;

const FIELDS: readonly Field[] = [
  { name: 'signal', at: AT.signal, bytes: 4 },
  ...Array.from({ length: 31 }, (_, i) => ({ name: `x${i}`, at: AT.x + 8 * i, bytes: 8 })),
  { name: 'sp', at: AT.sp, bytes: 8 },
  { name: 'nzcv', at: AT.nzcv, bytes: 4 },
  { name: 'pc', at: AT.pc, bytes: 8 },
  { name: 'fault address', at: AT.address, bytes: 8 },
  { name: 'fpcr', at: AT.fpcr, bytes: 4 },
  { name: 'fpsr', at: AT.fpsr, bytes: 4 },
  ...Array.from({ length: 32 }, (_, i) => ({ name: `v${i}`, at: AT.v + 16 * i, bytes: 16 })),
  ...Array.from({ length: 16 }, (_, i) => ({ name: `zone+${16 * i}`, at: AT.zone + 16 * i, bytes: 16 })),
];

/** All but si_code and padding. */
const MEANING = new Int32Array(STATE_BYTES / 4).fill(-1);
MEANING[(AT.signal + 4) / 4] = 0;
MEANING.fill(0, (AT.fpsr + 4) / 4, AT.v / 4);

export class A64Target implements Target<A64Case> {
  readonly stateBytes = STATE_BYTES;
  readonly fields = FIELDS;
  private readonly cpu: Core<A64Regs>;
  private readonly regs: A64Regs;
  private readonly table: PageTable;
  private readonly pages: DataPages;
  private readonly fp = new Uint8Array(528);
  private readonly fpView = new DataView(this.fp.buffer);
  private readonly start: number;
  patience = PATIENT;
  private end = 0;

  /** `start`: where executions begin; from PAD they jump back to the code, which makes it hot. */
  constructor(
    cpu: Core<A64Regs> = new A64Cpu({ ...loadA64Core(), memoryBytes: 64 << 20, codeBytes: 8 << 20 }),
    start = CODE,
  ) {
    this.cpu = cpu;
    this.start = start;
    this.regs = this.cpu.newRegs();
    this.table = this.cpu.newPageTable();
    this.pages = new DataPages(this.cpu.memory, this.table);
    this.cpu.memory.view.setUint32(this.pages.code + PAD - CODE, 0x17fffe00, true); // b CODE
    for (let i = 0; i < 32; i++)
      this.cpu.memory.view.setInt32(this.pages.code + LITERALS + 4 * i, Math.imul(0x01234567, i + 1), true);
  }

  meaning(): Int32Array {
    return MEANING;
  }
  draw(c: A64Case, states: Int32Array, at: number, r: Random): void {
    drawA64(c, states, at, r);
  }
  listing(c: A64Case): string {
    return c.words.map((w) => w.toString(16).padStart(8, '0')).join(' ');
  }

  /** The memory that can be written. */
  get data(): Uint8Array {
    return this.pages.all;
  }

  reset(): void {
    this.pages.reset();
  }

  load(c: A64Case): void {
    [...c.words, BRK].forEach((w, i) => {
      this.cpu.memory.view.setUint32(this.pages.code + 4 * i, w, true);
    });
    this.end = CODE + 4 * c.words.length;
    this.zone = c.zone;
    this.table.written(CODE, Math.max(c.code.length + 4, LITERALS));
  }
  private zone = 0;

  run(before: Uint8Array, after: Uint8Array): number {
    const { regs, cpu, pages, fp, fpView } = this;
    const { u8 } = cpu.memory;
    u8.set(before.subarray(AT.x, AT.x + 256), regs.base + A.x);
    const v = new DataView(before.buffer, before.byteOffset, STATE_BYTES);
    regs.setNum(33, v.getUint32(AT.nzcv, true));
    fpView.setUint32(0, v.getUint32(AT.fpsr, true), true);
    fpView.setUint32(4, v.getUint32(AT.fpcr, true), true);
    fp.set(before.subarray(AT.v, AT.v + 512), 16);
    regs.loadFp(fp);
    pages.put(this.zone, before.subarray(AT.zone, AT.zone + ZONE_BYTES));
    regs.pc = this.start;
    regs.resumeGeneration = -1;
    const exit = runToExit(cpu, regs, this.table, this.patience);

    const o = new DataView(after.buffer, after.byteOffset, STATE_BYTES);
    const { pc } = regs;
    o.setUint32(AT.signal, exit === EXIT.breakpoint && pc === this.end ? 0 : signalOf(exit), true);
    after.set(u8.subarray(regs.base + A.x, regs.base + A.x + 256), AT.x);
    o.setUint32(AT.nzcv, regs.num(33), true);
    o.setUint32(AT.pc, pc, true);
    o.setUint32(AT.pc + 4, Math.floor(pc / 4294967296), true);
    o.setBigUint64(AT.address, exit === EXIT.fault ? cpu.faultAddress : 0n, true);
    regs.saveFp(fp);
    o.setUint32(AT.fpcr, fpView.getUint32(4, true), true);
    o.setUint32(AT.fpsr, fpView.getUint32(0, true), true);
    after.set(fp.subarray(16, 528), AT.v);
    pages.get(this.zone, after.subarray(AT.zone, AT.zone + ZONE_BYTES));
    return exit;
  }
}
