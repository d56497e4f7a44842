/** Names of guest addresses: the variables and functions of the programs that run, when they are not stripped. */
import type { Kernel } from '../../kernel/kernel.ts';
import type { Task } from '../../kernel/task/task.ts';
import { readGuestFile } from '../machine/guest-files.ts';
import { entryPoint, isPositionIndependent, readSymbolTable, type ElfSymbol } from '../machine/symbols.ts';
import type { Place } from './types.ts';

/** Larger programs are not read for their names. */
const MOST_BYTES = 256 * 2 ** 20;

/** STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_COMMON and STT_GNU_IFUNC. */
const NAMES: ReadonlySet<number> = new Set([0, 1, 2, 5, 10]);

interface Table {
  /** By address, ascending. */
  readonly symbols: readonly ElfSymbol[];
  readonly entry: number;
  readonly movable: boolean;
}

export class Symbols {
  private readonly kernel: Kernel;
  /** By the program's inode. */
  private readonly tables = new Map<object, Table | null>();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  place(t: Task, address: number): Place {
    return { address, symbol: this.name(t, address) };
  }

  private name(t: Task, address: number): string | null {
    const { exe } = t.group;
    if (exe === null) return null;
    const table = this.table(exe.inode, t.pid);
    if (table === null) return null;
    const bias = table.movable ? this.bias(t, exe.inode) : 0;
    if (bias === null) return null;
    const at = address - bias;
    let low = 0;
    let high = table.symbols.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (table.symbols[middle].value <= at) low = middle + 1;
      else high = middle;
    }
    const s = table.symbols[low - 1];
    if (s === undefined || at >= s.value + Math.max(s.size, 1)) return null;
    return at === s.value ? s.name : `${s.name}+0x${(at - s.value).toString(16)}`;
  }

  private table(inode: object, pid: number): Table | null {
    let table = this.tables.get(inode);
    if (table !== undefined) return table;
    table = null;
    try {
      const bytes = readGuestFile(
        this.kernel.vfs,
        this.kernel.processes.first?.leader ?? null,
        `/proc/${pid}/exe`,
      );
      if (bytes.length <= MOST_BYTES && bytes.length >= 64) {
        const symbols = readSymbolTable(bytes).filter((s) => s.value !== 0 && NAMES.has(s.type));
        symbols.sort((a, b) => a.value - b.value || a.size - b.size);
        table = { symbols, entry: entryPoint(bytes), movable: isPositionIndependent(bytes) };
      }
    } catch {
      // No name is to be had of a program that cannot be read.
    }
    this.tables.set(inode, table);
    return table;
  }

  /** Where the program's first page lies. */
  private bias(t: Task, inode: object): number | null {
    for (const v of t.mm.vmas.all()) if (v.file?.inode === inode) return v.start - v.pgoff * 4096;
    return null;
  }
}
