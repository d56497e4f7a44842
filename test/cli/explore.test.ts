/** `ring3 explore`, and the commands it prints. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { guestPath } from '../support/guests.ts';
import { CLI } from '../support/run.ts';

const built = guestPath('races');
/** A copy whose path is as long wherever this is: schedules are counted in instructions, names' lengths among them. */
const dir = mkdtempSync('/tmp/ring3-explore-');
const races = built === null ? null : join(dir, 'races');
if (built !== null) copyFileSync(built, races!);
afterAll(() => rmSync(dir, { recursive: true }));

function ring3(...args: string[]): { out: string; err: string; status: number | null } {
  const r = spawnSync(process.execPath, [CLI, ...args], {
    encoding: 'utf8',
    cwd: '/',
    input: '',
    timeout: 100_000,
  });
  return { out: r.stdout, err: r.stderr, status: r.status };
}

/** The command under "again:", as a shell would run it. */
function again(report: string): { out: string; err: string; status: number | null } {
  const command = /^ {4}ring3 (run .*)$/m.exec(report)![1];
  const r = spawnSync('/bin/sh', ['-c', `exec "$0" "$1" ${command}`, process.execPath, CLI], {
    encoding: 'utf8',
    cwd: '/',
    timeout: 100_000,
  });
  return { out: r.stdout, err: r.stderr, status: r.status };
}

describe.skipIf(races === null)('ring3 explore', () => {
  it('finds a lost wakeup, explains it, and prints the command that repeats it', () => {
    const r = ring3(
      'explore',
      '--cpu',
      'interp',
      '-j',
      '2',
      '--seeds',
      '8',
      '--first',
      '5',
      races!,
      'wakeup',
    );
    expect(r.err).toBe('');
    expect(r.status).toBe(1);
    expect(r.out).toMatch(/^9 schedules, 2 different ends; usual: exit status 0\n\nhang: lost wakeup: 1001 \(races\) sleeps on the futex at 0x[0-9a-f]+ \(word\)/); // prettier-ignore
    const shortest = /^ {2}shortest: (\d+) decisions, (\d+) of them preemptions? \(of \d+, after \d+ runs\)$/m.exec(r.out)!; // prettier-ignore
    expect(Number(shortest[1])).toBeLessThanOrEqual(3);
    const repeated = again(r.out);
    expect(repeated.err).toMatch(/^ring3: lost wakeup: 1001 \(races\)/);
    expect(repeated.status).toBe(125);
  }, 60_000);

  it('finds a lost update: another output', () => {
    const r = ring3('explore', '--cpu', 'interp', '-j', '2', '--seeds', '10', '--first', '1', '-e', 'A=b c', races!, 'counter'); // prettier-ignore
    expect(r.status).toBe(1);
    const [, got] = /^ {2}stdout, line 1: "(\d+)" in place of "200"$/m.exec(r.out)!;
    expect(again(r.out)).toEqual({ out: `${got}\n`, err: '', status: 0 });
  }, 60_000);

  it('says so when there is nothing to be found', () => {
    expect(ring3('explore', '--cpu', 'interp', '-n', '4', races!, 'right')).toEqual({
      out: '5 schedules, all end alike; usual: exit status 0\nnothing went wrong\n',
      err: '',
      status: 0,
    });
  });

  it('tells a program that always ends badly from one that is right', () => {
    expect(ring3('explore', '--cpu', 'interp', '-n', '4', races!, 'no such way')).toEqual({
      out: '5 schedules, all end alike; usual: exit status 2\nit ends badly under every schedule, whoever runs when: exit status 2\n',
      err: '',
      status: 3,
    });
    const r = ring3('explore', '--cpu', 'interp', '-n', '2', races!, 'serve');
    expect(r.out).toMatch(
      /^3 schedules, all end alike.*\nit ends badly under every schedule, whoever runs when: waiting for the outside: /,
    );
    expect(r.status).toBe(3);
  }, 60_000);

  it.each([
    [['explore'], /^ring3: no program given; write: ring3 explore PROG/, 2],
    [['explore', '--seeds', 'many', 'x'], /'many' is no number between/, 2],
    [['explore', '--cpu', 'unicorn', 'x'], /cannot stop where a schedule says/, 2],
    [['explore', '--schedule', 'none', 'x'], /unknown option '--schedule'/, 2],
    [['explore', '/no/such/program'], /^ring3: \/no\/such\/program: /, 127],
    [['explore', '--stdin', '/no/such/file', races ?? ''], /\/no\/such\/file cannot be read \(ENOENT\)/, 125],
    [['run', '--schedule', '1001@x', races ?? ''], /'1001@x' is no schedule and no such file; write none, a list/, 2],
    [['run', '--cpu', 'lockstep', '--schedule', 'none', races ?? ''], /needs the cpu jit or interp, not lockstep/, 125],
  ] as const)('%j is refused', (args, message, status) => {
    const r = ring3(...args);
    expect(r.err).toMatch(message);
    expect(r.err.trimEnd()).not.toContain('\n');
    expect(r.status).toBe(status);
  }); // prettier-ignore

  it('run takes a schedule from a file', () => {
    const file = join(dir, 'schedule');
    writeFileSync(file, '# round-robin\nnone\n');
    expect(ring3('run', '--schedule', file, races!, 'right')).toEqual({ out: '200\n', err: '', status: 0 });
  });
});
