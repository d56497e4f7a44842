/** futex(2) arguments as strace 6.1 prints them. */
import { special, valued, type Table, type Timespec } from '../trace/args.ts';
import { addrText, enumText, flagsText, hexText, timespecText } from '../trace/text.ts';
import { namedWords } from '../trace/values.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';

const NAMES = [
  'FUTEX_WAIT', 'FUTEX_WAKE', 'FUTEX_FD', 'FUTEX_REQUEUE', 'FUTEX_CMP_REQUEUE', 'FUTEX_WAKE_OP', 'FUTEX_LOCK_PI',
  'FUTEX_UNLOCK_PI', 'FUTEX_TRYLOCK_PI', 'FUTEX_WAIT_BITSET', 'FUTEX_WAKE_BITSET', 'FUTEX_WAIT_REQUEUE_PI',
  'FUTEX_CMP_REQUEUE_PI', 'FUTEX_LOCK_PI2',
] as const; // prettier-ignore
const FUTEX_OPS: Table = NAMES.flatMap((name, i) => [
  [i, name] as const,
  [i | 128, `${name}_PRIVATE`] as const,
]);
/** The commands strace knows with FUTEX_CLOCK_REALTIME. */
const CLOCK_OPS = [9, 11, 13];
const WAITV_FLAGS = [[2, 'FUTEX_32'], [128, 'FUTEX_PRIVATE_FLAG']] as const satisfies Table; // prettier-ignore

const WAKE_OPS = [
  [0, 'FUTEX_OP_SET'], [1, 'FUTEX_OP_ADD'], [2, 'FUTEX_OP_OR'], [3, 'FUTEX_OP_ANDN'], [4, 'FUTEX_OP_XOR'],
] as const satisfies Table; // prettier-ignore
const WAKE_CMPS = [
  [0, 'FUTEX_OP_CMP_EQ'], [1, 'FUTEX_OP_CMP_NE'], [2, 'FUTEX_OP_CMP_LT'], [3, 'FUTEX_OP_CMP_LE'],
  [4, 'FUTEX_OP_CMP_GT'], [5, 'FUTEX_OP_CMP_GE'],
] as const satisfies Table; // prettier-ignore

const opWord = namedWords<(typeof NAMES)[number] | 'FUTEX_PRIVATE_FLAG' | 'FUTEX_CLOCK_REALTIME'>([
  ...NAMES.map((name, i) => ({ name, mask: ~(128 | 256), value: i })),
  { name: 'FUTEX_PRIVATE_FLAG', mask: 128, value: 128 },
  { name: 'FUTEX_CLOCK_REALTIME', mask: 256, value: 256 },
]);

/** As a value: the command by its name, whatever its flags; and the flags. */
export const futexOp = valued(
  'op',
  (_t, a) => opText(a.i32(1)),
  (_t, a) => opWord(a.i32(1), opText(a.i32(1))),
);

function opText(op: number): string {
  if ((op & 256) !== 0 && CLOCK_OPS.includes(op & 127)) {
    return `${enumText(op & ~256, FUTEX_OPS, 'FUTEX_???')}|FUTEX_CLOCK_REALTIME`;
  }
  return enumText(op, FUTEX_OPS, 'FUTEX_???');
}

const command = (a: Args): number => a.i32(1) & 127;
const known = (a: Args): boolean => (a.i32(1) & ~(128 | 256)) <= 13;
const timeout = (t: Task, a: Args): string =>
  a.ptr(3) === 0 ? 'NULL' : (timespecText(t, a.ptr(3)) ?? addrText(a.ptr(3)));
const bitset = (a: Args): string => (a.u32(5) === 0xffffffff ? 'FUTEX_BITSET_MATCH_ANY' : hexText(a.u32(5)));

/** Which arguments are shown depends on the command; '' leaves one out. */
export const futexVal = valued(
  'val',
  (_t, a) => (known(a) && [6, 7, 8, 13].includes(command(a)) ? '' : String(a.u32(2))),
  (_t, a) => a.u32(2),
);
export const futexTimeout = valued(
  'timeout',
  (t, a) => {
    if (!known(a)) return hexText(a.ptr(3));
    switch (command(a)) {
      case 0:
      case 6:
      case 9:
      case 11:
      case 13:
        return timeout(t, a);
      case 3:
      case 4:
      case 5:
      case 12:
        return String(a.u32(3));
      default:
        return '';
    }
  },
  (t, a): Timespec | number | null => timeoutValue(t, a),
);
/** A time, or val2 for the commands that have it in this place. */
function timeoutValue(t: Task, a: Args): Timespec | number | null {
  if (!known(a) || ![0, 6, 9, 11, 13].includes(command(a))) return a.ptr(3);
  const v = a.ptr(3) === 0 ? null : t.mm.viewIn(a.ptr(3), 16);
  return v && { tv_sec: Number(v.getBigInt64(0, true)), tv_nsec: Number(v.getBigInt64(8, true)) };
}
export const futexAddress2 = valued(
  'uaddr2',
  (_t, a) => {
    if (!known(a)) return hexText(a.ptr(4));
    return [3, 4, 5, 11, 12].includes(command(a)) ? addrText(a.ptr(4)) : '';
  },
  (_t, a) => a.ptr(4),
);
export const futexVal3 = valued(
  'val3',
  (_t, a) => {
    if (!known(a)) return hexText(a.ptr(5));
    switch (command(a)) {
      case 9:
      case 10:
        return bitset(a);
      case 4:
      case 12:
        return String(a.u32(5));
      case 5:
        return wakeOpText(a.u32(5));
      default:
        return '';
    }
  },
  (_t, a) => a.u32(5),
);

function wakeOpText(v: number): string {
  const shift = (v >>> 28) & 8 ? 'FUTEX_OP_OPARG_SHIFT<<28|' : '';
  const op = enumText((v >>> 28) & 7, WAKE_OPS, 'FUTEX_OP_???');
  const cmp = enumText((v >>> 24) & 15, WAKE_CMPS, 'FUTEX_OP_CMP_???');
  return `${shift}${op}<<28|${hexText((v >>> 12) & 0xfff)}<<12|${cmp}<<24|${hexText(v & 0xfff)}`;
}

export const waitvText = special('waiters', (t, a) => {
  const address = a.ptr(0);
  if (address === 0) return 'NULL';
  const parts: string[] = [];
  for (let i = 0; i < Math.min(a.u32(1), 128); i++) {
    const v = t.mm.viewIn(address + 24 * i, 24);
    if (v === null)
      return i === 0 ? addrText(address) : `[${parts.join(', ')}, ... /* ${addrText(address + 24 * i)} */]`;
    const value = v.getBigUint64(0, true);
    const flags = flagsText(v.getUint32(16, true), WAITV_FLAGS, 'FUTEX_???');
    parts.push(`{val=${hexText(value)}, uaddr=${addrText(v.getBigUint64(8, true))}, flags=${flags}}`);
  }
  return `[${parts.join(', ')}]`;
});

const pointee = <N extends string>(name: N, i: number, text: (v: bigint) => string) =>
  special(
    name,
    (t, a, _i, ret) => {
      const value = ret === 0 ? t.mm.u64(a.ptr(i)) : null;
      return value === null ? addrText(a.ptr(i)) : `[${text(value)}]`;
    },
    { out: true },
  );
export const robustHeadOut = pointee('head', 1, (v) => addrText(v));
export const robustLengthOut = pointee('len', 2, (v) => v.toString());
