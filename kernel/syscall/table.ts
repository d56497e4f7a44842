/** The system-call table: every module's rows together, and the dense arrays dispatch reads. */
import type { Arch } from '../ports.ts';
import { absentRows } from './absent.ts';
import type { Decoded } from '../trace/values.ts';
import type { SyscallRow, SyscallSpec } from './define.ts';
import { netRows } from '../net/rows.ts';
import { epollRows } from '../epoll/rows.ts';
import { anonRows } from '../fs/anon/rows.ts';
import { ioctlRows } from '../fs/ioctl/rows.ts';
import { pipeRows } from '../fs/pipe/rows.ts';
import { futexRows } from '../futex/rows.ts';
import { ipcRows } from '../ipc/rows.ts';
import { keyRows } from '../keys/rows.ts';
import { mmRows } from '../mm/rows.ts';
import { signalRows } from '../signal/rows.ts';
import { fileRows } from '../fs/rows-files.ts';
import { ioRows } from '../fs/rows-io.ts';
import { taskRows } from '../task/rows.ts';
import { timeRows } from '../time/rows.ts';
import { ENOSYS } from '../abi/errno.ts';
import type { Quirk } from '../personality/quirk.ts';

/** Every row with its exact type: what the step API's types are made of. */
export interface SyscallRows
  extends TaskRows, EpollRows, NetRows, PipeRows, AnonRows, IoctlRows, SignalRows, FutexRows, TimeRows, MmRows, IpcRows,
    KeyRows, IoRows, FileRows, AbsentRows {} // prettier-ignore
type TaskRows = typeof taskRows;
type EpollRows = typeof epollRows;
type NetRows = typeof netRows;
type PipeRows = typeof pipeRows;
type AnonRows = typeof anonRows;
type IoctlRows = typeof ioctlRows;
type SignalRows = typeof signalRows;
type FutexRows = typeof futexRows;
type TimeRows = typeof timeRows;
type MmRows = typeof mmRows;
type IpcRows = typeof ipcRows;
type KeyRows = typeof keyRows;
type IoRows = typeof ioRows;
type FileRows = typeof fileRows;
type AbsentRows = typeof absentRows;

/** Name of a call that has a row. */
export type SyscallName = keyof SyscallRows;

type ArgsOf<Row> = Row extends { readonly args: readonly (infer A)[] } ? A : never;
/** A call's arguments by name, as values: `SyscallArgs<'futex'>['op']`. Null: there is nothing to read, or not yet. */
export type SyscallArgs<Name extends SyscallName> = {
  readonly [
    A in ArgsOf<SyscallRows[Name]> as A extends { readonly name: infer N extends string } ? N : never
  ]: A extends {
    value?(...args: never[]): infer V;
  }
    ? V
    : Decoded | null;
};

/** Rows by call number, one dense array an architecture. A machine owns its copy, so it may replace rows. */
export type SyscallTable = Record<Arch, (SyscallRow | null)[]>;

const modules: readonly Record<string, SyscallSpec>[] = [
  taskRows,
  epollRows,
  netRows,
  pipeRows,
  anonRows,
  ioctlRows,
  signalRows,
  futexRows,
  timeRows,
  mmRows,
  ipcRows,
  keyRows,
  ioRows,
  fileRows,
  absentRows,
];

/** Every row, by name. */
export const syscalls: ReadonlyMap<string, SyscallRow> = merge();

function merge(): Map<string, SyscallRow> {
  const all = new Map<string, SyscallRow>();
  for (const rows of modules) {
    for (const [name, spec] of Object.entries(rows)) {
      if (all.has(name)) throw new Error(`system call ${name} is defined by two modules`);
      all.set(name, { name, ...spec });
    }
  }
  return all;
}

/** `quirks` are put around their calls' handlers, in order: what is not there costs nothing. */
export function buildSyscallTable(quirks: readonly Quirk[] = []): SyscallTable {
  const table: SyscallTable = { x86_64: [], aarch64: [] };
  for (const row of syscalls.values()) {
    for (const arch of ['x86_64', 'aarch64'] as const) {
      const nr = row[arch];
      if (nr === null) continue;
      const other = table[arch][nr];
      if (other) throw new Error(`${arch} system call ${nr} is both ${other.name} and ${row.name}`);
      table[arch][nr] = changed(row, quirks);
    }
  }
  for (const rows of [table.x86_64, table.aarch64]) {
    for (let nr = 0; nr < rows.length; nr++) rows[nr] ??= null; // no holes: holes make lookups slow
  }
  return table;
}

function changed(row: SyscallRow, quirks: readonly Quirk[]): SyscallRow {
  let { run } = row;
  for (const { calls, every } of quirks) {
    const wrap = calls && Object.hasOwn(calls, row.name) ? calls[row.name] : undefined;
    for (const w of [wrap, every?.(row)]) if (w) run = w(run ?? ((): number => -ENOSYS), row);
  }
  return run === row.run ? row : { ...row, run };
}
