/** Rounds and event numbers: the same whatever runs the instructions, and whoever steps. */
import { describe, expect, it } from 'vitest';
import { Machine, type MachineEvent } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';

const GUESTS = ['racy-musl', 'signals-musl', 'threads-musl'];

interface Ran {
  status: number;
  stdout: string;
  instructions: number;
  rounds: number;
  position: number;
}

async function ran(m: Machine): Promise<Ran> {
  const end = await m.run();
  const { stdout, rounds, position } = m;
  m.dispose();
  return { status: end.status, stdout, instructions: m.stats.instructions, rounds, position };
}

describe.each(GUESTS)('%s', (name) => {
  const options = { program: guestPath(name)!, seed: 7, countEvents: true };

  it('has the same rounds and events interpreted, compiled, and stepped', async () => {
    const plain = await ran(await Machine.boot({ ...options, cpu: 'interp' }));
    expect(plain.position).toBeGreaterThan(10);
    expect(plain.rounds).toBeGreaterThan(10);
    expect(await ran(await Machine.boot({ ...options, cpu: 'jit:64:1' }))).toEqual(plain);

    const stepped = await Machine.boot(options);
    let events = 0;
    let event: MachineEvent;
    while ((event = await stepped.step()).type !== 'end') {
      events++;
      // What stands in the queue has happened as well.
      expect(stepped.position).toBeGreaterThanOrEqual(events);
      if (event.type === 'enter') expect(stepped.position).toBe(events);
    }
    expect(events).toBe(plain.position);
    expect(await ran(stepped)).toEqual(plain);
  });

  it('stops at any event', async () => {
    const plain = await ran(await Machine.boot(options));
    const m = await Machine.boot(options);
    const seen: number[] = [];
    for (let at = 3; at < plain.position; at += 7) {
      await m.runTo(at);
      seen.push(m.position - at);
    }
    // Two events may happen in one go (the exits of a process's threads).
    expect(seen.every((more) => more >= 0 && more < 4)).toBe(true);
    expect(seen.filter((more) => more === 0).length).toBeGreaterThan(seen.length / 2);
    expect(await ran(m)).toEqual(plain);
  });
});

it('needs to be asked to count', async () => {
  const m = await Machine.boot({ program: guestPath('hello')! });
  expect(() => m.position).toThrow('boot it with countEvents');
  m.dispose();
});
