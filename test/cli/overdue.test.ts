// A guest none of whose tasks gives way does not die of a signal; whoever sends it twice is not kept waiting.
import { describe, expect, it } from 'vitest';
import { SIGINT, SIGTERM } from '../../kernel/signal/numbers.ts';
import { OverdueDeath } from '../../src/cli/overdue.ts';
import { Machine, StoppedError } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';

describe('a second signal', () => {
  /** Signals the guest has not got to. */
  const owed = new Set<number>();
  let now = 0;
  const send = (o: OverdueDeath, signo: number): boolean => {
    const ends = o.sending(signo);
    owed.add(signo);
    return ends;
  };

  it('ends the machine when the first one is owed for a second', () => {
    owed.clear();
    const o = new OverdueDeath({ owesDeath: (signo) => owed.has(signo) }, () => now);
    expect(send(o, SIGTERM)).toBe(false);
    now += 900;
    expect(send(o, SIGTERM)).toBe(false); // too soon
    expect(send(o, SIGINT)).toBe(false); // another one
    now += 200;
    expect(send(o, SIGTERM)).toBe(true);
    expect(o.signo).toBe(SIGTERM);
  });

  it('is the first again when the guest got to the one before', () => {
    owed.clear();
    const o = new OverdueDeath({ owesDeath: (signo) => owed.has(signo) }, () => now);
    send(o, SIGINT);
    now += 5000;
    owed.clear(); // handled
    expect(send(o, SIGINT)).toBe(false);
    expect(o.signo).toBe(null);
  });
});

const poller = guestPath('poller');
describe.skipIf(!poller)(`a livelock on StarryOS${poller ? '' : ' (left out: no C compiler here)'}`, () => {
  it('owes its death, which Linux would not', async () => {
    const m = await Machine.boot({ program: poller!, personality: 'starry' });
    const ran = m.run().catch((e: unknown) => e);
    while (!m.stdout.includes('listening')) await new Promise((r) => setTimeout(r, 20));
    expect(m.owesDeath(SIGTERM)).toBe(false);
    m.signalForeground(SIGTERM);
    await new Promise((r) => setTimeout(r, 100));
    expect(m.owesDeath(SIGTERM)).toBe(true);
    m.stop();
    expect(await ran).toBeInstanceOf(StoppedError);
    m.dispose();
  });
});
