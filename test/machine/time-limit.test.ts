/** MachineLimits.time on a guest that sleeps. */
import { expect, it } from 'vitest';
import { Machine, MemoryRecording, TimeLimitError } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';

const program = guestPath('hello')!;
const options = { program, seed: 1, limits: { time: 1e9 }, inject: ['write:delay_enter=3600s'] };

/** Input that never comes, and never ends. */
const silent = {
  [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }),
};

it.each([{}, { stdin: silent }])('time does not jump beyond its limit (%j)', async (more) => {
  const machine = await Machine.boot({ ...options, ...more });
  const failure = (await machine.run().catch((e: unknown) => e)) as TimeLimitError;
  expect(failure).toBeInstanceOf(TimeLimitError);
  expect(machine.time).toBe(1e9);
  expect(failure.explanation.tasks).toHaveLength(1);
  expect(failure.message).toContain('goes on by itself in 3599 s');
  expect(failure.message).toContain('for the end of an injected delay');
  // Said once: it can go on.
  expect(await machine.run()).toMatchObject({ code: 0 });
  expect(machine.time).toBeGreaterThan(3600e9);
  machine.dispose();
});

it.each([{}, { stdin: silent }])('nor does that of a recorded machine (%j)', async (more) => {
  const record = new MemoryRecording();
  const limits = { time: 5e7 };
  const machine = await Machine.boot({ ...options, ...more, limits, record });
  await expect(machine.run()).rejects.toThrow(TimeLimitError);
  expect(machine.time).toBe(5e7);
  machine.dispose();
  const again = await Machine.replay(record);
  await expect(again.run()).rejects.toThrow(TimeLimitError);
  expect(again.time).toBe(5e7);
});
