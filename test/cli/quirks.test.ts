/** `ring3 quirks`, the options that take them, and docs/starry.md, which is made from them. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { personality, PersonalityError, QUIRKS } from '../../kernel/personality/personality.ts';
import { buildSyscallTable, syscalls } from '../../kernel/syscall/table.ts';
import { machineDefaults, machineOptions } from '../../src/cli/machine-options.ts';
import { parseOptions, UsageError } from '../../src/cli/options.ts';
import { quirksCommand } from '../../src/cli/quirks.ts';
import { Machine, BootError } from '../../src/index.ts';
import { guestPath, rootPath } from '../support/guests.ts';
import { CLI } from '../support/run.ts';

const names = (p: string, add: string[] = [], remove: string[] = []): string[] =>
  personality(p, add, remove).quirks.map((q) => q.name);

const quirks = guestPath('quirks');
it.skipIf(quirks === null)('strace ends the line of a call whose panic is told, and says what helps', () => {
  const { stderr, status } = spawnSync(
    process.execPath,
    [CLI, 'strace', '--personality', 'starry', quirks!, 'unknown-call-panic'],
    { encoding: 'utf8', timeout: 60_000 },
  );
  expect(stderr).toMatch(/^timerfd_create\(.* <unfinished \.\.\.>\nring3: the guest's kernel panicked: .*id: 283\nring3: 283 is timerfd_create; without the quirk unknown-call-panic /m); // prettier-ignore
  expect(status).toBe(101);
});

describe('personalities', () => {
  it('have the quirks of their date', () => {
    expect(names('linux')).toEqual([]);
    const today = names('starry');
    const july = names('starry@2024-07');
    expect(today).toContain('no-preemption');
    expect(july).toContain('no-preemption');
    // Mended on 2024-07-07; the beginning of the month is before that.
    expect(july).toContain('futex-wait-bitset-einval');
    expect(names('starry@2024-07-07')).not.toContain('futex-wait-bitset-einval');
    expect(names('starry@2024-07-07')).toContain('futex-clock-realtime-panic');
    expect(today).not.toContain('futex-clock-realtime-panic');
    expect(today).not.toContain('futex-private-enosys');
    expect(names('starry@2025-01')).toContain('futex-private-enosys');
  });

  it('take single quirks in and leave single ones out', () => {
    expect(names('linux', ['epoll-del-null-efault'])).toEqual(['epoll-del-null-efault']);
    expect(names('starry', [], ['no-preemption'])).toHaveLength(names('starry').length - 1);
    expect(names('starry', ['futex-private-enosys'])).toHaveLength(names('starry').length + 1);
    expect(personality('starry', [], ['no-preemption']).behaviour.preemptive).toBe(true);
    expect(personality('starry').behaviour.preemptive).toBe(false);
  });

  it.each([
    ['starey', /no personality 'starey'; there are linux, starry/],
    ['starry@July', /'July' is no date; write starry@2024-07/],
    ['starry@2024-02-30', /no date/],
    ['linux@2024-07', /'linux' has no dates/],
    ['', /no personality ''/],
  ])('say what is wrong with %s', (name, message) => {
    expect(() => personality(name)).toThrow(message);
  });

  it('say what a misspelt quirk may be', () => {
    expect(() => personality('linux', ['futex-pols'])).toThrow(
      /do you mean futex-polls\? 'ring3 quirks' lists/,
    );
    expect(() => personality('linux', [], ['preemption'])).toThrow(/do you mean no-preemption\?/);
    expect(() => personality('linux', ['zzzzzz'])).toThrow(/^no quirk 'zzzzzz'; 'ring3 quirks' lists them$/);
  });

  it('cost nothing where they are not: the same rows', () => {
    const plain = buildSyscallTable();
    for (const row of plain.x86_64) if (row) expect(row).toBe(syscalls.get(row.name));
    const one = buildSyscallTable(personality('linux', ['epoll-del-null-efault']).quirks);
    const changed = one.x86_64.filter((row) => row && row !== syscalls.get(row.name));
    expect(changed.map((row) => row!.name)).toEqual(['epoll_ctl']);
  });
});

describe('quirks', () => {
  it('have unique names, a source, and calls that exist', () => {
    expect(new Set(QUIRKS.map((q) => q.name)).size).toBe(QUIRKS.length);
    for (const q of QUIRKS) {
      expect(q.name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
      expect(q.source.length).toBeGreaterThan(5);
      for (const call of Object.keys(q.calls ?? {}))
        expect([q.name, syscalls.has(call)]).toEqual([q.name, true]);
      expect([q.name, Boolean(q.calls ?? q.behaviour ?? q.ready ?? q.every)]).toEqual([q.name, true]);
    }
  });
});

describe('ring3 quirks', () => {
  it('lists all, those of a date, and what is known of one', () => {
    const all = quirksCommand([]);
    for (const q of QUIRKS) expect(all).toContain(` ${q.name} `);
    expect(quirksCommand(['--personality', 'starry@2024-07'])).toContain('futex-wait-bitset-einval');
    expect(quirksCommand(['--personality=starry'])).not.toContain('futex-wait-bitset-einval');
    const one = quirksCommand(['epoll-del-null-efault']);
    expect(one).toContain('Linux:');
    expect(one).toContain('return -14');
    expect(quirksCommand(['--help'])).toMatch(/^Usage: ring3 quirks/);
  });

  it('refuses what there is not', () => {
    expect(() => quirksCommand(['nonsense'])).toThrow(UsageError);
    expect(() => quirksCommand(['--personality', 'windows'])).toThrow(UsageError);
    expect(() => quirksCommand(['--all'])).toThrow(/unknown option '--all'/);
  });
});

describe('options', () => {
  const parse = (...argv: string[]) => {
    const args = machineDefaults();
    parseOptions(machineOptions(true), argv, args, 'run');
    return args;
  };

  it('of run and strace', () => {
    const a = parse(
      '--personality',
      'starry@2024-07',
      '--quirk=futex-polls',
      '--no-quirk',
      'no-preemption',
      'prog',
    );
    expect(a).toMatchObject({
      personality: 'starry@2024-07',
      quirks: ['futex-polls'],
      noQuirks: ['no-preemption'],
    });
    expect(() => parse('--quirk', 'nonsense')).toThrow(/option '--quirk': no quirk 'nonsense'/);
    expect(() => parse('--personality', 'plan9')).toThrow(/option '--personality': no personality 'plan9'/);
  });

  it('of Machine.boot', async () => {
    const program = guestPath('hello')!;
    await expect(Machine.boot({ program, quirks: ['nonsense'] })).rejects.toThrow(BootError);
    expect(PersonalityError.prototype).toBeInstanceOf(Error);
    const m = await Machine.boot({ program, personality: 'starry' });
    expect((await m.run()).status).toBe(0);
    expect(m.stdout).toBe('Hello from ring 3\n');
    m.dispose();
  });
});

it('docs/starry.md lists them as they are', () => {
  const doc = readFileSync(rootPath('docs/starry.md'), 'utf8');
  const section = /<!-- quirks -->\n\n([\s\S]*?)\n\n<!-- end of quirks -->/.exec(doc)?.[1];
  expect(section?.trimEnd()).toBe(quirksCommand(['--markdown']).trimEnd());
  const [, tokio] = /<!-- tokio -->([\s\S]*?)<!-- end of tokio -->/.exec(doc)!;
  for (const q of QUIRKS) expect(tokio).toContain(`\`${q.name}\``);
});
