/** Why a machine stands still, and how gdb is told. */
import type { WatchKind } from '../../cpu/index.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { Inferiors } from './inferiors.ts';
import { hexText } from './packets.ts';
import { gdbSignal } from './signals.ts';

const SIGINT = 2;
const SIGTRAP = 5;
const SIGKILL = 9;

/** `t`: the task it is about. */
export type Stop =
  | { readonly kind: 'signal'; readonly t: Task; readonly signo: number }
  | { readonly kind: 'break'; readonly t: Task; readonly hardware: boolean }
  | { readonly kind: 'watch'; readonly t: Task; readonly how: WatchKind; readonly address: number }
  | { readonly kind: 'step'; readonly t: Task }
  | { readonly kind: 'call'; readonly t: Task; readonly nr: number; readonly returned: boolean }
  | { readonly kind: 'fork' | 'vfork'; readonly t: Task; readonly child: Task }
  | { readonly kind: 'vforkdone'; readonly t: Task }
  | { readonly kind: 'exec'; readonly t: Task; readonly path: string }
  /** The last process is about to end: a place to go back from. */
  | { readonly kind: 'last'; readonly t: Task }
  /** On the way back the run's beginning was reached. */
  | { readonly kind: 'begin'; readonly t: Task }
  | { readonly kind: 'exit'; readonly pid: number; readonly code: number | null; readonly signo: number }
  | { readonly kind: 'end' }; // nothing can run

export type TaskStop = Extract<Stop, { readonly t: Task }>;
type Exit = Extract<Stop, { readonly kind: 'exit' }>;

const hex2 = (n: number): string => n.toString(16).padStart(2, '0');

/** A process is gone: W or X. */
export function exitReply(stop: Exit, inferiors: Inferiors): string {
  const process = inferiors.multiprocess ? `;process:${stop.pid.toString(16)}` : '';
  return (stop.signo === 0 ? `W${hex2(stop.code ?? 0)}` : `X${hex2(gdbSignal(stop.signo))}`) + process;
}

/** T: a thread stopped. */
export function stopReply(stop: Exclude<Stop, Exit>, t: Task, inferiors: Inferiors): string {
  return `T${hex2(signalOf(stop))}${reason(stop, inferiors)}thread:${inferiors.id(t)};core:0;`;
}

function signalOf(stop: Stop): number {
  switch (stop.kind) {
    case 'signal':
      return gdbSignal(stop.signo);
    case 'end':
      return gdbSignal(SIGINT);
    case 'last':
      return gdbSignal(SIGKILL); // as rr has it
    default:
      return SIGTRAP;
  }
}

function reason(stop: Stop, inferiors: Inferiors): string {
  switch (stop.kind) {
    case 'break':
      return stop.hardware ? 'hwbreak:;' : 'swbreak:;';
    case 'watch':
      return `${{ write: 'watch', read: 'rwatch', access: 'awatch' }[stop.how]}:${stop.address.toString(16)};`;
    case 'call':
      return `syscall_${stop.returned ? 'return' : 'entry'}:${stop.nr.toString(16)};`;
    case 'fork':
    case 'vfork':
      return `${stop.kind}:${inferiors.id(stop.child)};`;
    case 'vforkdone':
      return 'vforkdone:;';
    case 'exec':
      return `exec:${hexText(stop.path)};`;
    case 'begin':
      return 'replaylog:begin;';
    default:
      return '';
  }
}
