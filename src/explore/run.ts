/** One run under one schedule, and what came of it. */
import { explanationLines } from '../explain/text.ts';
import { DeadlockError, LivelockError, TimeLimitError } from '../machine/errors.ts';
import { Machine } from '../machine/machine.ts';
import type { BootOptions } from '../machine/options.ts';

export interface Outcome {
  readonly kind: 'exit' | 'signal' | 'hang';
  /** "exit status 3", "SIGSEGV", or the cause of the hang. */
  readonly what: string;
  /** Exit status as a shell has it; for a hang 124. */
  readonly status: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** Of a hang. */
  readonly explanation: readonly string[];
  /** Why it hangs: an explanation's verdict, or ''. */
  readonly verdict: string;
  /** The decisions of the run: a schedule that repeats it. */
  readonly schedule: string;
  /** Instructions retired in all, and nanoseconds of the guest's time. */
  readonly instructions: number;
  readonly time: number;
  /** Instructions retired while another task could have run; of the schedule 'none' only. */
  readonly contention?: number;
}

export interface RunLimits {
  /** Nanoseconds of the guest's time after which it hangs. */
  readonly time: number;
  /** Calls in vain that make a livelock. */
  readonly livelock: number;
}

const HANG_STATUS = 124;

/** Throws what is no outcome of the guest's: BootError, InternalError. */
export async function runOnce(boot: BootOptions, schedule: string, limits: RunLimits): Promise<Outcome> {
  const machine = await Machine.boot({
    ...boot,
    seed: boot.seed ?? 0,
    schedule,
    livelock: limits.livelock,
    limits: { ...boot.limits, time: limits.time },
  });
  const seen = (
    o: Pick<Outcome, 'kind' | 'what' | 'status'> & Partial<Pick<Outcome, 'explanation' | 'verdict'>>,
  ): Outcome => ({
    explanation: [],
    verdict: '',
    ...o,
    stdout: machine.stdoutBytes,
    stderr: machine.stderrBytes,
    schedule: machine.schedule,
    instructions: machine.stats.instructions,
    time: machine.time,
    ...(machine.contention === null ? {} : { contention: machine.contention }),
  });
  try {
    const end = await machine.run();
    return end.signal === null
      ? seen({ kind: 'exit', what: `exit status ${end.status}`, status: end.status })
      : seen({ kind: 'signal', what: end.signal, status: end.status });
  } catch (e) {
    if (!(e instanceof DeadlockError || e instanceof LivelockError || e instanceof TimeLimitError)) throw e;
    const { explanation } = e;
    const [cause, ...rest] = explanationLines(explanation);
    const still = `still runs after ${limits.time / 1e9} s of its own time: `;
    const what = (e instanceof TimeLimitError ? still : '') + cause;
    return seen({
      kind: 'hang',
      what,
      status: HANG_STATUS,
      explanation: [what, ...rest],
      verdict: explanation.verdict,
    });
  } finally {
    machine.dispose();
  }
}

/** Runs machines in this thread, for `explore`. */
export const scheduleRunner =
  (boot: BootOptions) =>
  (schedule: string, limits: RunLimits): Promise<Outcome> =>
    runOnce(boot, schedule, limits);
