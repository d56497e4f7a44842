/**
 * Each quirk, shown by a guest: guests/quirks has a probe of its name, and test/guests/quirks.txt what it prints natively, on
 * linux here, and with the quirk alone. UPDATE=1 writes that file anew, for a person to look at.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { type BootOptions, Machine, QUIRKS } from '../../src/index.ts';
import { guestPath, nativeReason, rootPath } from '../support/guests.ts';

const FILE = rootPath('test/guests/quirks.txt');
const update = process.env['UPDATE'] === '1';

/** stdin that stays open and silent. */
async function* silence(): AsyncGenerator<string> {
  await new Promise(() => {});
  yield '';
}

async function run(options: BootOptions): Promise<string> {
  const lines: string[] = [];
  const m = await Machine.boot({
    seed: 1,
    cpu: 'interp',
    stdin: silence(),
    report: (line) => lines.push(`${line.replace(/\[ *[\d.]+ 0:\d+ /, '[')}\n`),
    ...options,
  });
  const end = await m.run();
  const out = m.stdout + lines.join('');
  m.dispose();
  return end.status === 0 || end.code === 101 ? out : `${out}(status ${end.status})\n`;
}

function native(program: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['all'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (b: Buffer) => (out += b.toString()));
    child.on('error', reject);
    child.on('close', () => resolve(out));
  });
}

/** "== name" begins a section. */
function sections(text: string): Map<string, string> {
  const parts = text.split(/^== (.*)\n/m).slice(1);
  const out = new Map<string, string>();
  for (let i = 0; i < parts.length; i += 2) out.set(parts[i], parts[i + 1]);
  return out;
}

/** What the file says of a quirk: on linux, and with it. */
function expected(): Map<string, { linux: string; quirk: string }> {
  const out = new Map<string, { linux: string; quirk: string }>();
  for (const [name, text] of sections(readFileSync(FILE, 'utf8'))) {
    const [linux, quirk] = text.trimEnd().split('\n-- with the quirk\n');
    out.set(name, { linux: `${linux}\n`, quirk: `${quirk}\n` });
  }
  return out;
}

const program = guestPath('quirks');
const arm = guestPath('quirks', 'aarch64');
if (!program) console.log('Left out: the probes of quirks: they are not built here');
const known = update ? new Map<string, { linux: string; quirk: string }>() : expected();
const seen = new Map<string, { linux: string; quirk: string }>();
/** Calls aarch64 does not have. */
const X86_ONLY = [
  'unknown-call-panic',
  'rename-eexist',
  'arch-prctl-gs-panic',
  'poll-timeout-short',
  'epoll-event-16-bytes',
];

describe.skipIf(!program)('quirks', () => {
  it('each has a probe, and each probe a quirk', async () => {
    const names = (await run({ program: program!, argv: ['quirks', 'list'] })).trimEnd().split('\n');
    expect([...names].sort()).toEqual(QUIRKS.map((q) => q.name).sort());
    if (!update) expect([...known.keys()].sort()).toEqual([...names].sort());
  });

  it.skipIf(nativeReason() !== null)('Linux itself prints what is expected of linux', async () => {
    const found = sections(await native(program!));
    for (const [name, { linux }] of known)
      expect({ name, text: found.get(name) }).toEqual({ name, text: linux });
  });

  let all: Promise<Map<string, string>> | null = null;
  const onLinux = async (name: string): Promise<string> => {
    all ??= run({ program: program!, argv: ['quirks', 'all'] }).then(sections);
    return (await all).get(name) ?? '';
  };

  for (const [i, q] of QUIRKS.entries()) {
    it(q.name, async () => {
      const linux = await onLinux(q.name);
      const quirk = await run({ program: program!, argv: ['quirks', q.name], quirks: [q.name] });
      expect(quirk).not.toBe(linux);
      seen.set(q.name, { linux, quirk });
      if (update) return;
      expect({ linux, quirk }).toEqual(known.get(q.name));
      // The overrides know of no architecture: some are seen on the other one too.
      if (!arm || i % 6 !== 0 || X86_ONLY.includes(q.name)) return;
      expect(await run({ program: arm, argv: ['quirks', q.name], quirks: [q.name] })).toBe(quirk);
    });
  }

  afterAll(() => {
    if (!update) return;
    const text = QUIRKS.map((q) => {
      const s = seen.get(q.name);
      return s === undefined ? '' : `== ${q.name}\n${s.linux}-- with the quirk\n${s.quirk}`;
    });
    writeFileSync(FILE, text.join(''));
  });
});
