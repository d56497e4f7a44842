/** How prctl's arguments read: their number and meaning depend on the option. */
import { SECCOMP_MODES, fprogText } from '../seccomp/trace.ts';
import type { Args } from '../syscall/args.ts';
import { enumOf, special, type Table } from '../trace/args.ts';
import { signalName } from '../trace/tables.ts';
import { addrText, bytesText, enumText, hexText, stringText } from '../trace/text.ts';
import type { Task } from './task.ts';
import { CAPABILITY_TABLE } from './trace.ts';

// prettier-ignore
export const PRCTL_OPTIONS = [
  [1, 'PR_SET_PDEATHSIG'], [2, 'PR_GET_PDEATHSIG'], [3, 'PR_GET_DUMPABLE'], [4, 'PR_SET_DUMPABLE'],
  [5, 'PR_GET_UNALIGN'], [6, 'PR_SET_UNALIGN'], [7, 'PR_GET_KEEPCAPS'], [8, 'PR_SET_KEEPCAPS'], [9, 'PR_GET_FPEMU'],
  [10, 'PR_SET_FPEMU'], [11, 'PR_GET_FPEXC'], [12, 'PR_SET_FPEXC'], [13, 'PR_GET_TIMING'], [14, 'PR_SET_TIMING'],
  [15, 'PR_SET_NAME'], [16, 'PR_GET_NAME'], [19, 'PR_GET_ENDIAN'], [20, 'PR_SET_ENDIAN'], [21, 'PR_GET_SECCOMP'],
  [22, 'PR_SET_SECCOMP'], [23, 'PR_CAPBSET_READ'], [24, 'PR_CAPBSET_DROP'], [25, 'PR_GET_TSC'], [26, 'PR_SET_TSC'],
  [27, 'PR_GET_SECUREBITS'], [28, 'PR_SET_SECUREBITS'], [29, 'PR_SET_TIMERSLACK'], [30, 'PR_GET_TIMERSLACK'],
  [31, 'PR_TASK_PERF_EVENTS_DISABLE'], [32, 'PR_TASK_PERF_EVENTS_ENABLE'], [33, 'PR_MCE_KILL'],
  [34, 'PR_MCE_KILL_GET'], [35, 'PR_SET_MM'], [36, 'PR_SET_CHILD_SUBREAPER'], [37, 'PR_GET_CHILD_SUBREAPER'],
  [38, 'PR_SET_NO_NEW_PRIVS'], [39, 'PR_GET_NO_NEW_PRIVS'], [40, 'PR_GET_TID_ADDRESS'], [41, 'PR_SET_THP_DISABLE'],
  [42, 'PR_GET_THP_DISABLE'], [43, 'PR_MPX_ENABLE_MANAGEMENT'], [44, 'PR_MPX_DISABLE_MANAGEMENT'],
  [45, 'PR_SET_FP_MODE'], [46, 'PR_GET_FP_MODE'], [47, 'PR_CAP_AMBIENT'], [50, 'PR_SVE_SET_VL'],
  [51, 'PR_SVE_GET_VL'], [52, 'PR_GET_SPECULATION_CTRL'], [53, 'PR_SET_SPECULATION_CTRL'], [54, 'PR_PAC_RESET_KEYS'],
  [55, 'PR_SET_TAGGED_ADDR_CTRL'], [56, 'PR_GET_TAGGED_ADDR_CTRL'], [57, 'PR_SET_IO_FLUSHER'],
  [58, 'PR_GET_IO_FLUSHER'], [59, 'PR_SET_SYSCALL_USER_DISPATCH'], [60, 'PR_PAC_SET_ENABLED_KEYS'],
  [61, 'PR_PAC_GET_ENABLED_KEYS'], [62, 'PR_SCHED_CORE'], [0x53564d41, 'PR_SET_VMA'], [0x59616d61, 'PR_SET_PTRACER'],
] as const satisfies Table;
const DUMPABLE = [[0, 'SUID_DUMP_DISABLE'], [1, 'SUID_DUMP_USER'], [2, 'SUID_DUMP_ROOT']] as const satisfies Table; // prettier-ignore
const AMBIENT = [
  [1, 'PR_CAP_AMBIENT_IS_SET'], [2, 'PR_CAP_AMBIENT_RAISE'], [3, 'PR_CAP_AMBIENT_LOWER'], [4, 'PR_CAP_AMBIENT_CLEAR_ALL'],
] as const satisfies Table; // prettier-ignore

/** How one argument after the option is shown; the list's length is how many there are. */
type Show = (t: Task, a: Args, i: number, ret: number | null) => string;
const hexa: Show = (_t, a, i) => hexText(a.big(i));
const num: Show = (_t, a, i) => String(a.big(i));
const text: Show = (t, a, i) => stringText(t, a.ptr(i));
/** PR_SET_NAME: strace reads as much as the kernel keeps. */
const commName: Show = (t, a, i) => {
  const s = t.mm.cstring(a.ptr(i), 16);
  if (typeof s === 'string') return stringText(t, a.ptr(i));
  return bytesText(t, a.ptr(i), 15) + '...';
};
const signal: Show = (_t, a, i) => signalName(a.i32(i));
const capability: Show = (_t, a, i) => enumText(a.u32(i), CAPABILITY_TABLE, 'CAP_???');
const from =
  (table: Table, unknown: string): Show =>
  (_t, a, i) =>
    enumText(a.i32(i), table, unknown);
/** A word the kernel fills in. */
const filled =
  (read: (t: Task, p: number) => string | null): Show =>
  (t, a, i, ret) =>
    (ret !== null && ret >= 0 ? read(t, a.ptr(i)) : null) ?? addrText(a.ptr(i));
const int = filled((t, p) => {
  const n = t.mm.i32(p);
  return n === null ? null : `[${n}]`;
});

/** PR_SET_SECCOMP: a program follows SECCOMP_MODE_FILTER, nothing the strict mode. */
const SECCOMP: readonly Show[] = [
  from(SECCOMP_MODES, 'SECCOMP_MODE_???'),
  (t, a, i) => (a.i32(1) === 1 ? '' : a.i32(1) === 2 ? fprogText(t, a.ptr(i)) : hexText(a.big(i))),
  (_t, a, i) => (a.i32(1) === 1 || a.i32(1) === 2 ? '' : hexText(a.big(i))),
  (_t, a, i) => (a.i32(1) === 1 || a.i32(1) === 2 ? '' : hexText(a.big(i))),
];

const SHOWN: ReadonlyMap<number, readonly Show[]> = new Map([
  [1, [signal]],
  [2, [filled((t, p) => (t.mm.u32(p) < 0 ? null : `[${signalName(t.mm.u32(p))}]`))]],
  [3, []],
  [4, [from(DUMPABLE, 'SUID_DUMP_???')]],
  [7, []],
  [8, [num]],
  [13, []],
  [14, [num]],
  [15, [commName]],
  [16, [filled((t, p) => stringText(t, p))]],
  [21, []],
  [22, SECCOMP],
  [23, [capability]],
  [24, [capability]],
  [25, [int]],
  [27, []],
  [28, [hexa]],
  [29, [num]],
  [30, []],
  [31, []],
  [32, []],
  [34, [hexa, hexa, hexa, hexa]],
  [36, [num]],
  [37, [int]],
  [38, [num, num, num, num]],
  [39, [num, num, num, num]],
  [40, [filled((t, p) => (t.mm.u64(p) === null ? null : `[${addrText(t.mm.u64(p)!)}]`))]],
  [41, [num, num, num, num]],
  [42, [num, num, num, num]],
  [47, [from(AMBIENT, 'PR_CAP_AMBIENT_???'), capability, num, num]],
  [0x53564d41, [from([[0, 'PR_SET_VMA_ANON_NAME']], 'PR_SET_VMA_???'), hexa, num, text]], // prettier-ignore
]);
const UNKNOWN: readonly Show[] = [hexa, hexa, hexa, hexa];

const rest = <N extends string>(name: N, n: number) =>
  special(
    name,
    (t, a, i, ret) => {
      const show = (SHOWN.get(a.u32(0)) ?? UNKNOWN)[n - 1];
      return show === undefined ? '' : show(t, a, i, ret);
    },
    { out: true },
  );

export const prctlArgs = [
  enumOf('option', PRCTL_OPTIONS, 'PR_???'),
  rest('arg2', 1),
  rest('arg3', 2),
  rest('arg4', 3),
  rest('arg5', 4),
] as const;

/** strace's word after the result. */
export function prctlAux(_t: Task, a: Args, ret: number): string | null {
  if (ret < 0) return null;
  return a.i32(0) === 3 ? enumText(ret, DUMPABLE, 'SUID_DUMP_???') : null;
}
