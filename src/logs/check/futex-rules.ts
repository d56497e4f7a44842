/** futex(2): which results its arguments allow. */
import type { Verdict, View } from './finding.ts';

const COMMANDS = [
  'FUTEX_WAIT', 'FUTEX_WAKE', null, 'FUTEX_REQUEUE', 'FUTEX_CMP_REQUEUE', 'FUTEX_WAKE_OP', 'FUTEX_LOCK_PI',
  'FUTEX_UNLOCK_PI', 'FUTEX_TRYLOCK_PI', 'FUTEX_WAIT_BITSET', 'FUTEX_WAKE_BITSET', 'FUTEX_WAIT_REQUEUE_PI',
  'FUTEX_CMP_REQUEUE_PI', 'FUTEX_LOCK_PI2',
] as const; // prettier-ignore
const PRIVATE = 128;
const REALTIME = 256;
const WAIT = 0;
const WAKE = 1;
const REQUEUE = 3;
const CMP_REQUEUE = 4;
const WAKE_OP = 5;
const WAIT_BITSET = 9;
const WAKE_BITSET = 10;
/** Commands that take FUTEX_CLOCK_REALTIME: WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2. */
const DATED = [9, 11, 13];
const WAITS = [WAIT, WAIT_BITSET];

/** A futex operation taken apart. */
export interface FutexOp {
  readonly cmd: number;
  readonly name: string;
  readonly private: boolean;
  readonly realtime: boolean;
}

/** null: there is no such command. */
export function futexOp(op: number): FutexOp | null {
  const cmd = op & ~(PRIVATE | REALTIME);
  const name = COMMANDS[cmd];
  if (!name) return null;
  return { cmd, name, private: (op & PRIVATE) !== 0, realtime: (op & REALTIME) !== 0 };
}

/** What a wait without a fault in its arguments gives. */
const WAITED = '0 when woken, EAGAIN when the word is not the expected value, EINTR';

export function futexRule(c: View): Verdict | null {
  const op = c.i32(1);
  const address = c.u64(0);
  if (op === null || address === null) return null;
  const f = futexOp(op);
  const bad = (linux: string, why: string, section: string, rule: string, certain = true): Verdict => ({
    rule,
    linux,
    why,
    certain,
    man: `futex(2), ${section}`,
  });
  if (!f) {
    return c.error === 'ENOSYS'
      ? null
      : c.error === 'EINVAL'
        ? bad('ENOSYS', `There is no operation ${op}.`, 'ERRORS', 'futex-unknown')
        : null;
  }
  const timeout = c.u64(3);
  const bits = c.u32(5);
  const dated = f.realtime && !DATED.includes(f.cmd);
  const aligned = address % 4 === 0;
  if (dated) {
    return c.error === 'ENOSYS'
      ? null
      : bad('ENOSYS', `${f.name} does not take FUTEX_CLOCK_REALTIME.`, 'FUTEX_CLOCK_REALTIME', 'futex-clock', c.ok);
  } // prettier-ignore
  if (!aligned)
    return c.ok
      ? bad('EINVAL', `The word at 0x${address.toString(16)} is not aligned to four bytes.`, 'ERRORS', 'futex-aligned')
      : null; // prettier-ignore
  const needsBits = f.cmd === WAIT_BITSET || f.cmd === WAKE_BITSET;
  if (needsBits && bits === 0)
    return c.ok || c.error === 'EAGAIN'
      ? bad('EINVAL', 'The bit set is empty: nobody could ever wake it.', f.name, 'futex-bitset')
      : null;
  const timed = WAITS.includes(f.cmd) && timeout !== 0;
  const expected = WAITS.includes(f.cmd)
    ? timed
      ? `${WAITED}, ETIMEDOUT`
      : WAITED
    : 'the number of tasks it woke';
  const dues = [WAIT, WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP, WAIT_BITSET, WAKE_BITSET];
  if (c.error === 'ENOSYS')
    return bad(
      expected,
      `Linux has ${f.name}${f.private ? ' with FUTEX_PRIVATE_FLAG' : ''}.`,
      f.name,
      'futex-op',
    );
  if (c.error === 'EINVAL' && dues.includes(f.cmd)) {
    const negative = (f.cmd === REQUEUE || f.cmd === CMP_REQUEUE) && ((c.i32(2) ?? -1) < 0 || (c.i32(3) ?? -1) < 0);
    if (negative) return null;
    // The timeout is in memory the log does not show: it may be no valid time. A PI futex is refused by the others.
    const certain = WAITS.includes(f.cmd) && !timed;
    const why = f.realtime
      ? `${f.name}${f.private ? '|FUTEX_PRIVATE_FLAG' : ''}|FUTEX_CLOCK_REALTIME (${op}) is a valid operation, the word is aligned and the bit set is not empty.`
      : `${f.name}${f.private ? '|FUTEX_PRIVATE_FLAG' : ''} (${op}) is a valid operation with valid arguments${timed ? ', unless the timeout is no valid time' : ''}.`;
    return bad(expected, why, f.realtime ? `${f.name} and FUTEX_CLOCK_REALTIME` : f.name, 'futex-op', certain);
  } // prettier-ignore
  if (WAITS.includes(f.cmd)) {
    if (c.error === 'ETIMEDOUT' && timeout === 0)
      return bad(WAITED, 'No timeout was given: it waits until it is woken.', f.name, 'futex-timeout');
    if (c.result > 0) return bad(expected, 'A wait that was woken returns 0.', f.name, 'futex-wait-value');
  }
  const most = Math.max(1, c.i32(2) ?? Infinity);
  if ((f.cmd === WAKE || f.cmd === WAKE_BITSET) && c.result > most)
    return bad(`at most ${most}`, `It may wake ${most}.`, f.name, 'futex-wake-count');
  return null;
}
