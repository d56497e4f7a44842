/** The memory that guests/differential/driver.c has, for a cpu without a kernel. */
import { EXIT, type CpuCore, type PageTable } from '../../cpu/index.ts';
import type { Memory } from '../../cpu/memory/memory.ts';
import { CODE, DATA, DATA_PAGES, PAGE } from './driver.ts';

/** A page of code, and data pages that are contiguous in linear memory too. */
export class DataPages {
  /** Linear address of the code page. */
  readonly code: number;
  private readonly data: number;
  private readonly u8: Uint8Array;

  constructor(memory: Memory, table: PageTable) {
    this.u8 = memory.u8;
    this.code = memory.alloc(1);
    table.set(CODE, this.code, 7);
    this.data = memory.alloc(DATA_PAGES + 1);
    for (let i = 0; i <= DATA_PAGES; i++)
      table.set(DATA + PAGE * i, this.data + PAGE * i, i < DATA_PAGES ? 3 : 1);
    this.reset();
  }

  reset(): void {
    for (let i = 0; i < PAGE * (DATA_PAGES + 1); i++) this.u8[this.data + i] = i * 7;
  }

  put(address: number, bytes: Uint8Array): void {
    this.u8.set(bytes, this.data + address - DATA);
  }
  /** All that can be written. */
  get all(): Uint8Array {
    return this.u8.subarray(this.data, this.data + PAGE * DATA_PAGES);
  }
  get(address: number, into: Uint8Array): void {
    const at = this.data + address - DATA;
    into.set(this.u8.subarray(at, at + into.length));
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
  [EXIT.alignment]: 7,
};

/** The signal Linux makes of an exit; 99 for one that is none. */
export const signalOf = (exit: number): number => SIGNALS[exit] ?? 99;

/** A cpu of an architecture, whichever core it is. */
export interface Core<R> extends Omit<CpuCore, 'newRegs'> {
  newRegs(): R;
}

/** How long a run may take. */
export interface Patience {
  readonly fuel: number;
  readonly times: number;
}
/** A core may come back before it got anywhere, when a page was missing. */
export const PATIENT: Patience = { fuel: 1_000_000, times: 8 };

/** Runs to an exit. */
export function runToExit<R extends Parameters<CpuCore['run']>[0]>(
  cpu: Core<R>,
  regs: R,
  table: PageTable,
  { fuel, times }: Patience,
): number {
  let exit: number = EXIT.preempt;
  for (let i = 0; exit === EXIT.preempt && i < times; i++) exit = cpu.run(regs, table, fuel);
  return exit;
}
