/** Futexes: who waits on which word, whom a wake-up found, and what the kernel itself saw in the word. */
import { callText, type KernelNote, type LogCall, type LogRun } from '../events.ts';
import type { Findings } from './finding.ts';
import { View, type Verdict } from './finding.ts';
import { futexOp } from './futex-rules.ts';

const WAIT = 0;
const WAKE = 1;
const WAIT_BITSET = 9;
const WAKE_BITSET = 10;

type ValueNote = Extract<KernelNote, { kind: 'futex-value' }>;

interface Futex {
  readonly call: LogCall;
  readonly address: number;
  readonly cmd: number;
  readonly private: boolean;
  readonly values: readonly ValueNote[];
}

function read(call: LogCall): Futex | null {
  if (call.name !== 'futex') return null;
  const c = new View(call);
  const op = c.i32(1);
  const f = op === null ? null : futexOp(op);
  const address = c.u64(0);
  if (!f || address === null) return null;
  const values = call.notes.filter((n): n is ValueNote => n.kind === 'futex-value');
  return { call, address, cmd: f.cmd, private: f.private, values };
}

/** `whole`: all threads there are, are in the log from the beginning. */
export function checkFutexes(run: LogRun, findings: Findings, whole: boolean): void {
  const all = run.calls.map(read).filter((f) => f !== null);
  const waits = all.filter((f) => f.cmd === WAIT || f.cmd === WAIT_BITSET);
  for (const w of waits) checkValues(w, findings);
  for (const wake of all) {
    if (wake.cmd === WAKE || wake.cmd === WAKE_BITSET) checkWake(wake, waits, findings, whole);
  }
}

function say(findings: Findings, call: LogCall, v: Verdict): void {
  findings.add(v, call, call.exit ?? call.entry ?? 0, callText(call), call.source, call.tid);
}

/** What the kernel read of the word decides what a wait returns. */
function checkValues(w: Futex, findings: Findings): void {
  const { call, values } = w;
  if (call.exit === null || values.length === 0) return;
  const [first] = values;
  const last = values[values.length - 1];
  const man = 'futex(2), FUTEX_WAIT';
  const hex = (n: number): string => `0x${n.toString(16)}`;
  if (first.real !== first.expected && call.result === 0n) {
    say(findings, call, {
      rule: 'futex-not-compared', linux: 'EAGAIN', man,
      why: `The word was ${hex(first.real)} when the kernel looked, and not the expected ${hex(first.expected)}.`,
    }); // prettier-ignore
  } else if (first.real === first.expected && call.error === 'EAGAIN') {
    const changed = last.real !== last.expected;
    say(findings, call, {
      rule: 'futex-eagain', linux: '0 when woken, ETIMEDOUT, EINTR', man,
      why: changed
        ? `The word was the expected ${hex(first.expected)}, so the task slept; that it became ${hex(last.real)} later wakes nobody.`
        : `The kernel itself found the word to be the expected ${hex(first.expected)}.`,
    }); // prettier-ignore
  }
}

function checkWake(wake: Futex, waits: readonly Futex[], findings: Findings, whole: boolean): void {
  const { call } = wake;
  if (call.exit === null || call.error !== null || call.entry === null) return;
  const [begun, done] = [call.entry, call.exit];
  const there = waits.filter((w) => {
    const { entry, exit, tid } = w.call;
    return entry !== null && tid !== call.tid && entry < done && (exit === null || exit > begun);
  });
  const woken = Number(call.result ?? 0n);
  if (whole && wake.private && woken > there.length) {
    say(findings, call, {
      rule: 'futex-woke-nobody', linux: `at most ${there.length}`,
      why: `${there.length === 0 ? 'No task waits' : `Only ${there.length} tasks wait`} on a futex at this time.`,
      man: 'futex(2), FUTEX_WAKE',
    }); // prettier-ignore
  }
  // Asleep for certain: the kernel had compared the word and found it as expected.
  const asleep = there.find(
    (w) =>
      w.address === wake.address &&
      w.private === wake.private &&
      w.call.exit === null &&
      w.values.some((v) => v.line < begun && v.real === v.expected),
  );
  if (woken === 0 && asleep && (new View(call).i32(2) ?? 0) > 0) {
    say(findings, call, {
      rule: 'futex-lost-wake', kind: 'progress', certain: false, linux: '1 or more',
      why: `Task ${asleep.call.tid} waits on this word since line ${asleep.call.entry} and never gets up.`,
      man: 'futex(2), FUTEX_WAKE',
    }); // prettier-ignore
  }
}
