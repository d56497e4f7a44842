/** One call as text: the half known at entry, the half the kernel filled in, and the result. */
import { ERESTARTNOHAND, ERESTARTNOINTR, ERESTARTSYS, ERESTART_RESTARTBLOCK, ERRNO } from '../abi/errno.ts';
import type { RetKind, SyscallRow } from '../syscall/define.ts';
import { tamperText } from '../syscall/tamper.ts';
import type { Task } from '../task/task.ts';
import { hex } from './args.ts';
import { addrText, fdText, hexText, octalText } from './text.ts';

const RESTART_TEXT: Readonly<Record<number, string>> = {
  [ERESTARTSYS]: '? ERESTARTSYS (To be restarted if SA_RESTART is set)',
  [ERESTARTNOINTR]: '? ERESTARTNOINTR (To be restarted)',
  [ERESTARTNOHAND]: '? ERESTARTNOHAND (To be restarted if no handler)',
  [ERESTART_RESTARTBLOCK]: '? ERESTART_RESTARTBLOCK (Interrupted by signal)',
};

const ERROR_TEXT: readonly string[] = Array.from({ length: 134 }, (_, e) =>
  ERRNO[e] ? `-1 ${ERRNO[e][0]} (${ERRNO[e][1]})` : `-1 (errno ${e})`,
);

const RAW_ARGS = ['a', 'b', 'c', 'd', 'e', 'f'].map(hex);

/** Stands in for the row of a number that has none: `syscall_0x1f4(0x1, …)`. */
export function unknownRow(nr: number): SyscallRow {
  return {
    name: `syscall_0x${(nr >>> 0).toString(16)}`,
    x86_64: null,
    aarch64: null,
    ret: 'int',
    support: { level: 'absent' },
    args: RAW_ARGS,
  };
}

/** How many arguments are known at entry: those before the first that the kernel fills in. */
export function argsAtEntry(row: SyscallRow): number {
  const n = row.args.findIndex((a) => a.out);
  return n < 0 ? row.args.length : n;
}

/** Arguments [from, to), separated by commas. `ret` null: the call has not returned. */
export function argsText(t: Task, row: SyscallRow, from: number, to: number, ret: number | null): string {
  const { args } = row;
  let text = '';
  for (let i = from; i < to; i++) {
    const s = args[i].format(t, t.args, i, ret);
    if (s === '') continue;
    text = text === '' ? s : text + ', ' + s;
  }
  return text;
}

/** The call failed; a result that was injected as a success did not, whatever it is. */
export function hasFailed(t: Task, row: SyscallRow, result: number): boolean {
  if (t.tampering !== null && t.tampering.result !== null) return t.tampering.error;
  return result < 0 && result > -4096 && row.ret !== 'addr';
}

/** The result that says how much an argument shows: an injected success is a size, however large. */
export function resultForArgs(t: Task, result: number): number {
  const { tampering } = t;
  return result < 0 && tampering !== null && tampering.result !== null && !tampering.error
    ? Number(tampering.result)
    : result;
}

/** What follows `= `. */
export function resultText(t: Task, row: SyscallRow, result: number): string {
  const text = plainResultText(t, row, result);
  return t.tampering === null ? text : text + tamperText(t);
}

function plainResultText(t: Task, row: SyscallRow, result: number): string {
  if (result < 0 && t.tampering !== null && t.tampering.result !== null && !t.tampering.error) {
    return row.ret === 'addr' ? addrText(t.tampering.result) : t.tampering.result.toString();
  }
  if (result < 0 && result > -4096) {
    const error = RESTART_TEXT[-result] ?? ERROR_TEXT[-result];
    return error ?? `-1 (errno ${-result})`;
  }
  const kind = typeof row.ret === 'function' ? row.ret(t.args) : row.ret;
  const text = valueText(t, kind, result);
  const aux = row.aux?.(t, t.args, result);
  return aux ? `${text} (${aux})` : text;
}

function valueText(t: Task, kind: RetKind, n: number): string {
  switch (kind) {
    case 'int':
    case 'size':
      return String(n);
    case 'fd':
      return fdText(t, n);
    case 'addr':
      return n === 0 ? '0' : addrText(n);
    case 'hex':
      return hexText(n);
    case 'octal':
      return octalText(n);
    case 'none':
      return '?';
  }
}

/** `read(3, ` of the call the task is in. */
export function callEntry(t: Task): string {
  const row = t.row ?? unknownRow(t.nr);
  for (const type of row.args) type.enter?.(t, t.args);
  const n = argsAtEntry(row);
  const text = argsText(t, row, 0, n, null);
  const more = n < row.args.length && text !== '' && row.args[n].format(t, t.args, n, null) !== '';
  return `${row.name}(${text}${more ? ', ' : ''}`;
}

/** The rest of the same: `"x", 1) = 1`. `entry`: what `callEntry` gave. */
export function callExit(t: Task, result: number, entry: string): string {
  const row = t.row ?? unknownRow(t.nr);
  const text = argsText(t, row, argsAtEntry(row), row.args.length, resultForArgs(t, result));
  const comma = text !== '' && !entry.endsWith('(') && !entry.endsWith(', ') ? ', ' : '';
  return `${comma}${text}) = ${resultText(t, row, result)}`;
}
