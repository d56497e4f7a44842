/** How strace 6.1 prints seccomp's arguments. */
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { special } from '../trace/args.ts';
import type { Table } from '../trace/tables.ts';
import { addrText, enumText, flagsText, hexText } from '../trace/text.ts';

export const SECCOMP_MODES = [[0, 'SECCOMP_MODE_DISABLED'], [1, 'SECCOMP_MODE_STRICT'], [2, 'SECCOMP_MODE_FILTER']] as const satisfies Table; // prettier-ignore
const OPS = [
  [0, 'SECCOMP_SET_MODE_STRICT'], [1, 'SECCOMP_SET_MODE_FILTER'], [2, 'SECCOMP_GET_ACTION_AVAIL'], [3, 'SECCOMP_GET_NOTIF_SIZES'],
] as const satisfies Table; // prettier-ignore
const FLAGS = [
  [1, 'SECCOMP_FILTER_FLAG_TSYNC'], [2, 'SECCOMP_FILTER_FLAG_LOG'], [4, 'SECCOMP_FILTER_FLAG_SPEC_ALLOW'],
  [8, 'SECCOMP_FILTER_FLAG_NEW_LISTENER'], [16, 'SECCOMP_FILTER_FLAG_TSYNC_ESRCH'],
  [32, 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'],
] as const satisfies Table; // prettier-ignore
const ACTIONS = [
  [0x80000000, 'SECCOMP_RET_KILL_PROCESS'], [0, 'SECCOMP_RET_KILL_THREAD'], [0x30000, 'SECCOMP_RET_TRAP'],
  [0x50000, 'SECCOMP_RET_ERRNO'], [0x7fc00000, 'SECCOMP_RET_USER_NOTIF'], [0x7ff00000, 'SECCOMP_RET_TRACE'],
  [0x7ffc0000, 'SECCOMP_RET_LOG'], [0x7fff0000, 'SECCOMP_RET_ALLOW'],
] as const satisfies Table; // prettier-ignore

/** struct sock_fprog. */
export function fprogText(t: Task, p: number): string {
  const v = p === 0 ? null : t.mm.viewIn(p, 16);
  if (v === null) return addrText(p);
  return `{len=${v.getUint16(0, true)}, filter=${addrText(v.getBigUint64(8, true))}}`;
}

function argText(t: Task, a: Args, i: number, ret: number | null): string {
  const p = a.ptr(i);
  if (p === 0) return 'NULL';
  switch (a.u32(0)) {
    case 1:
      return fprogText(t, p);
    case 2: {
      const action = t.mm.u32(p);
      return action < 0 ? addrText(p) : `[${enumText(action | 0, ACTIONS.map(([n, s]) => [n | 0, s] as const), 'SECCOMP_RET_???')}]`; // prettier-ignore
    }
    case 3: {
      const v = ret !== null && ret >= 0 ? t.mm.viewIn(p, 6) : null;
      if (v === null) return addrText(p);
      const [n, r, d] = [0, 2, 4].map((at) => v.getUint16(at, true));
      return `{seccomp_notif=${n}, seccomp_notif_resp=${r}, seccomp_data=${d}}`;
    }
  }
  return addrText(p);
}

export const seccompArgs = [
  special('operation', (_t, a, i) => enumText(a.i32(i), OPS, 'SECCOMP_SET_MODE_???')),
  special('flags', (_t, a, i) =>
    a.u32(0) === 1 ? flagsText(a.u32(i), FLAGS, 'SECCOMP_FILTER_FLAG_???') : hexText(a.u32(i)),
  ),
  special('args', argText, { out: true }),
];
