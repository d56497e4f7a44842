/** What is compared of a run and its replay. */
import { type Machine, Strace } from '../../src/index.ts';

export interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
  position: number;
  rounds: number;
  instructions: number;
  trace: string;
}

/** A tracer, and what it writes. */
export function tracing(): { tracer: Strace; text: () => string } {
  let text = '';
  const tracer = new Strace({ follow: true, timestamps: 3, durations: true, write: (s) => void (text += s) });
  return {
    tracer,
    text: () => {
      tracer.finish();
      return text;
    },
  };
}

export const state = (m: Machine, trace: string): Ran => ({
  status: m.status?.status ?? null,
  stdout: m.stdout,
  stderr: m.stderr,
  position: m.position,
  rounds: m.rounds,
  instructions: m.stats.instructions,
  trace,
});
