/** Runs under schedules, and what came of each. */
import { explanationLines } from '../explain/text.ts';
import { DeadlockError, LivelockError, TimeLimitError } from '../machine/errors.ts';
import { Machine } from '../machine/machine.ts';
import type { BootOptions } from '../machine/options.ts';
import { NotReachedError } from '../step/stepper.ts';
import type { SeenPlace } from './search.ts';
import type { Snapshot } from '../timeline/snapshots.ts';

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
  /** Where tasks could have been put off the cpu; of the schedules 'places:N' only. */
  readonly places?: readonly SeenPlace[];
}

export interface RunLimits {
  /** Nanoseconds of the guest's time after which it hangs. */
  readonly time: number;
  /** Calls in vain that make a livelock. */
  readonly livelock: number;
}

const HANG_STATUS = 124;

/** What begins another task: until a call of these, no schedule has anything to decide. */
const DIVIDES = ['clone', 'clone3', 'fork', 'vfork'] as const;

/** A machine, and the moment from which each of its runs goes on. */
interface Warm {
  readonly machine: Machine;
  readonly livelock: number;
  readonly base: Snapshot;
  /** The guest's time then. */
  readonly time: number;
}

/**
 * Runs machines in this thread, for `explore`: a Runner. What is the same under every schedule, from the boot to the first call that
 * makes a second task, is done once, and each run goes on from there. (A machine that looks outside, or that somebody
 * outside looks at, is booted for each run.) Throws what is no outcome of the guest's: BootError, InternalError.
 */
export function scheduleRunner(boot: BootOptions): (schedule: string, limits: RunLimits) => Promise<Outcome> {
  /** Machines that are not running. */
  const idle: Warm[] = [];
  const again = repeats(boot);
  return async (schedule, limits) => {
    if (!again) return await runOnce(boot, schedule, limits);
    const at = idle.findIndex((w) => w.livelock === limits.livelock && w.time < limits.time);
    const warm = at >= 0 ? idle.splice(at, 1)[0] : await warmUp(boot, limits);
    warm.machine.restore(warm.base);
    warm.machine.reschedule(schedule, limits.time);
    const outcome = await runToEnd(warm.machine, limits);
    idle.push(warm);
    return outcome;
  };
}

/** The machine is all there is to a run of it: put back, it runs as if it had been booted. */
function repeats(o: BootOptions): boolean {
  const outside = o.record ?? o.terminal ?? o.tracer ?? o.onSample ?? o.onRegion ?? o.report ?? o.stdout ?? o.stderr ?? o.core;
  const plainInput = o.stdin === undefined || o.stdin === null || typeof o.stdin === 'string' || o.stdin instanceof Uint8Array;
  const writes = o.rootReadWrite || o.mounts?.some((m) => !m.readOnly);
  return outside === undefined && plainInput && !writes && !o.inheritStdin && !o.hostNetwork && !o.publish?.length;
} // prettier-ignore

const booted = (boot: BootOptions, schedule: string, limits: RunLimits): Promise<Machine> =>
  Machine.boot({
    ...boot,
    seed: boot.seed ?? 0,
    schedule,
    livelock: limits.livelock,
    closed: true,
    limits: { ...boot.limits, time: limits.time },
  });

async function warmUp(boot: BootOptions, limits: RunLimits): Promise<Warm> {
  const machine = await booted(boot, 'none', limits);
  const { livelock } = limits;
  const begin: Warm = { machine, livelock, base: machine.snapshot(), time: machine.time };
  try {
    await machine.nextSyscall(DIVIDES);
    return { ...begin, base: machine.snapshot(), time: machine.time };
  } catch (e) {
    // It ends, one way or the other, with one task: each run shows how.
    if (e instanceof NotReachedError || isHang(e)) return begin;
    throw e;
  }
}

/** One run of a machine of its own. Throws what is no outcome of the guest's: BootError, InternalError. */
export async function runOnce(boot: BootOptions, schedule: string, limits: RunLimits): Promise<Outcome> {
  const machine = await booted(boot, schedule, limits);
  try {
    return await runToEnd(machine, limits);
  } finally {
    machine.dispose();
  }
}

const isHang = (e: unknown): e is DeadlockError | LivelockError | TimeLimitError =>
  e instanceof DeadlockError || e instanceof LivelockError || e instanceof TimeLimitError;

async function runToEnd(machine: Machine, limits: RunLimits): Promise<Outcome> {
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
    ...(machine.places === null ? {} : { places: machine.places }),
  });
  try {
    const end = await machine.run();
    return end.signal === null
      ? seen({ kind: 'exit', what: `exit status ${end.status}`, status: end.status })
      : seen({ kind: 'signal', what: end.signal, status: end.status });
  } catch (e) {
    if (!isHang(e)) throw e;
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
  }
}
