import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HostClock, VIRTUAL_EPOCH, VirtualClock } from '../../src/host/clock.ts';
import { HostEntropy, SeededEntropy } from '../../src/host/entropy.ts';
import { exitStatus } from '../../src/machine/status.ts';
import { InputQueue } from '../../src/machine/stdio.ts';
import { VERSION } from '../../src/version.ts';

describe('clocks', () => {
  it('virtual time passes with instructions and jumps, never back', () => {
    const c = new VirtualClock();
    expect(c.monotonic()).toBe(0);
    c.ran(100);
    expect(c.monotonic()).toBe(1000);
    c.skipTo(5e9);
    c.skipTo(1);
    expect(c.monotonic()).toBe(5e9);
    expect(c.realtimeOffset).toBe(VIRTUAL_EPOCH);
    expect(new Date(Number(VIRTUAL_EPOCH / 1_000_000n)).toISOString()).toBe('2000-01-01T00:00:00.000Z');
  });

  it('host time agrees with the host', () => {
    const c = new HostClock();
    const real = Number((c.realtimeOffset + BigInt(c.monotonic())) / 1_000_000n);
    expect(Math.abs(real - Date.now())).toBeLessThan(1000);
    expect(c.monotonic()).toBeLessThanOrEqual(c.monotonic());
  });
});

describe('entropy', () => {
  it('gives the same numbers for the same seed and others for another', () => {
    const draw = (seed: number | string) => {
      const e = new SeededEntropy(seed);
      const out = new Uint8Array(33);
      e.fill(out);
      return `${Buffer.from(out).toString('hex')} ${e.below(1000)} ${e.below(7)}`;
    };
    expect(draw(1)).toBe(draw('1'));
    expect(new Set([draw(0), draw(1), draw(2), draw('a')]).size).toBe(4);
  });

  it.each([new SeededEntropy(3), new HostEntropy()])('draws every value below n', (e) => {
    const seen = new Map<number, number>();
    for (let i = 0; i < 6000; i++) {
      const x = e.below(6);
      seen.set(x, (seen.get(x) ?? 0) + 1);
    }
    expect([...seen.keys()].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    for (const n of seen.values()) expect(n).toBeGreaterThan(700); // expected 1000, deviation 29
    expect(e.below(1)).toBe(0);
  });
});

describe('input', () => {
  it('hands bytes over in order, whatever the pieces', () => {
    const q = new InputQueue();
    let wanted = 0;
    q.wanted = () => wanted++;
    q.push(Uint8Array.of(1, 2, 3));
    q.push(Uint8Array.of(4, 5));
    let told = 0;
    q.onReady(() => told++);
    expect([...(q.read(2) as Uint8Array)]).toEqual([1, 2]);
    expect([...(q.read(8) as Uint8Array)]).toEqual([3]);
    let drained = false;
    q.drained = () => (drained = true);
    expect([...(q.read(8) as Uint8Array)]).toEqual([4, 5]);
    expect(drained).toBe(true);
    expect(wanted).toBe(0);
    expect(q.read(8)).toBe(null);
    expect(wanted).toBe(1);
    q.end();
    q.push(Uint8Array.of(6));
    expect(q.length).toBe(0);
    expect(told).toBe(1);
    expect([...(q.read(8) as Uint8Array)]).toEqual([]);
  });
});

it('decodes wait statuses as a shell shows them', () => {
  expect(exitStatus(0x300)).toEqual({ code: 3, signal: null, status: 3 });
  expect(exitStatus(11 | 0x80)).toEqual({ code: null, signal: 'SIGSEGV', status: 139 });
  expect(exitStatus(9)).toEqual({ code: null, signal: 'SIGKILL', status: 137 });
});

it('knows its version', () => {
  const pkg = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  expect(VERSION).toBe(pkg.version);
});
