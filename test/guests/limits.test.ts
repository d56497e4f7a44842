/** Guests that misbehave are stopped by their limits, with Linux's errno where Linux has one; the host lives on. */
import { describe, expect, it } from 'vitest';
import { guestPath } from '../support/guests.ts';
import { runRing3 } from '../support/run.ts';

const misbehave = guestPath('misbehave-musl')!;

const run = (mode: string, ...options: string[]) =>
  runRing3(misbehave, [mode], { ring3: options, timeout: 100_000, stdin: null });

describe('a guest that', () => {
  it('loops is stopped by its time limit: status 124', async () => {
    const r = await run('loop', '--timeout', '500ms');
    expect(r.status).toBe(124);
    expect(r.stderr).toContain('--timeout');
  });

  it('sleeps for ever is stopped by its time limit too', async () => {
    expect((await run('sleep', '--timeout', '300ms')).status).toBe(124);
  });

  it('waits for itself is reported, not waited for: status 125', async () => {
    const r = await run('deadlock');
    expect(r.status).toBe(125);
    expect(r.stderr).toMatch(/deadlock: 1000 \(misbehave-musl\) waits for itself: for data on pipe:/);
  });

  it('forks without end gets EAGAIN', async () => {
    const r = await run('fork-bomb', '--max-memory', '256M');
    expect(r.stdout).toBe('fork stopped: errno 11 after some children 1\n');
    expect(r.status).toBe(7);
  });

  it('makes threads without end gets EAGAIN', async () => {
    const r = await run('thread-bomb', '--max-memory', '256M');
    expect(r.stdout).toBe('clone stopped: errno 11 after some threads 1\n');
    expect(r.status).toBe(7);
  });

  it('eats memory gets ENOMEM or is killed as Linux kills it', async () => {
    const r = await run('memory', '--max-memory', '128M');
    if (r.status === 7) expect(r.stdout).toBe('mmap stopped: errno 12 after some megabytes 1\n');
    else {
      expect(r.status).toBe(128 + 9);
      expect(r.stderr).toContain('out of memory: killed process');
    }
  });

  it('opens files until it cannot gets EMFILE', async () => {
    const r = await run('fds');
    expect(r.stdout).toBe('dup stopped: errno 24 after some 1\n');
    expect(r.status).toBe(7);
  });

  it('writes a file without end gets ENOSPC', async () => {
    const r = await run('file', '--max-memory', '128M');
    expect(r.stdout).toBe('write stopped: errno 28 after some 1\n');
    expect(r.status).toBe(7);
  });

  it('passes wild pointers and lengths to every call goes on living', async () => {
    const r = await run('bad-pointers');
    expect(r.stdout).toMatch(/^\d{5} calls with bad arguments\n$/);
    expect(r.status).toBe(7);
  });
});
