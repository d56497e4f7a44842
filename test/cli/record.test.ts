/** `ring3 record` and `ring3 replay` as they are typed. */
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { Machine, openRecording, recordTo } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';
import { CLI, type RunResult } from '../support/run.ts';

const stdio = guestPath('stdio-musl')!;
const racy = guestPath('racy-musl')!;
let dir: string;
const at = (name: string): string => join(dir, name);

function ring3(args: readonly string[], stdin: string | Uint8Array = ''): Promise<RunResult> {
  const child = spawn(process.execPath, [CLI, ...args], { cwd: dir, stdio: 'pipe' });
  return new Promise((resolve, reject) => {
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (b: Buffer) => (stdout += b.toString('latin1')));
    child.stderr.on('data', (b: Buffer) => (stderr += b.toString('latin1')));
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
    child.on('error', reject);
    child.on('close', (code) => resolve({ stdout, stderr, status: code ?? 255 }));
  });
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ring3-record-'));
  const made = await ring3(['record', '-o', 'run.r3', stdio], 'one\ntwo\n');
  expect(made).toEqual({ stdout: '   1 one\n   2 two\n', stderr: '2 lines, 8 bytes, tty 0\n', status: 2 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('ring3 replay', () => {
  it('does what the run did, without its input', async () => {
    const r = await ring3(['replay', 'run.r3']);
    expect(r).toEqual({ stdout: '   1 one\n   2 two\n', stderr: '2 lines, 8 bytes, tty 0\n', status: 2 });
  });

  it('reads a recording from a pipe', async () => {
    const r = await ring3(['replay', '-'], readFileSync(at('run.r3')));
    expect(r).toMatchObject({ stdout: '   1 one\n   2 two\n', status: 2 });
    const none = await ring3(['replay', '-'], 'text');
    expect(none).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('- is no recording') as string,
    });
  });

  it('shows the calls, with the options of strace', async () => {
    const r = await ring3(['replay', '--strace', '-e', 'trace=write,writev', '-o', 'trace', 'run.r3']);
    expect(r.status).toBe(2);
    expect(readFileSync(at('trace'), 'latin1')).toMatch(/^writev?\(1, .*\n/m);
    const c = await ring3(['replay', '-c', 'run.r3']);
    expect(c.stderr).toContain('% time     seconds  usecs/call     calls    errors syscall');
  });

  it('stops at an event and says where', async () => {
    const r = await ring3(['replay', '--to', '9', 'run.r3']);
    expect(r.status).toBe(0);
    expect(r.stderr).toMatch(/^ring3: stopped after event 9\nring3: {3}1000 \(stdio-musl\) /);
    const late = await ring3(['replay', '--to', '100000', 'run.r3']);
    expect(late.status).toBe(2);
    expect(late.stderr).toMatch(/ring3: the guest ended before event 100000: there were \d+\n/);
  });

  it('says what is in a recording', async () => {
    const r = await ring3(['replay', '--info', 'run.r3']);
    expect(r.status).toBe(0);
    expect(r.stdout).toMatch(
      /^run\.r3: .*stdio-musl\n {2}recorded 20.*\n {2}x86_64, seed \w+\n {2}\d+ events, \d+ rounds; the guest ended\n$/,
    );
    const how = ['--schedule', 'none', '--personality', 'starry', '--fault', 'write:error=EIO:when=9'];
    await ring3(['record', '-o', 'how.r3', ...how, stdio]);
    const told = (await ring3(['replay', '--info', 'how.r3'])).stdout;
    expect(told).toMatch(/\n {2}schedule none\n {2}personality starry\n {2}inject write:error=EIO:when=9\n/);
  });

  it('refuses what is no recording, in one line', async () => {
    writeFileSync(at('text'), 'just some text\n');
    const bytes = readFileSync(at('run.r3'));
    const newer = Buffer.from(bytes);
    newer[8] = 9;
    writeFileSync(at('newer'), newer);
    const header = Buffer.from(bytes);
    header.fill(0x55, 40, 44);
    writeFileSync(at('header'), header);
    writeFileSync(at('empty'), '');
    for (const [file, line] of [
      ['text', 'text is no recording; make one with: ring3 record -o FILE PROG'],
      ['empty', 'empty is no recording; make one with: ring3 record -o FILE PROG'],
      ['newer', 'newer was recorded by a newer ring3 (format 9; this one reads 3); replay it with that one'],
      ['header', /^header is damaged: the \d+ bytes at byte 19 of header are not what was written$/],
      ['none', 'cannot read the recording none: no such file or directory (ENOENT)'],
    ] as const) {
      const r = await ring3(['replay', file]);
      expect(r).toMatchObject({ stdout: '', status: 125 });
      const said = r.stderr.replace(/^ring3: /, '').replace(/\n$/, '');
      if (typeof line === 'string') expect(said).toBe(line);
      else expect(said).toMatch(line);
    }
  });

  it('goes up to where a recording is damaged or was cut off', async () => {
    const made = await ring3(['record', '-o', 'racy.r3', '--seed', '1', racy]);
    const { size } = statSync(at('racy.r3'));
    copyFileSync(at('racy.r3'), at('cut'));
    truncateSync(at('cut'), size - 60);
    const cut = await ring3(['replay', 'cut']);
    expect(cut.status).toBe(0);
    expect(cut.stderr).toMatch(
      /^ring3: the recording ends here, after event \d+: the recorder was killed\n$/,
    );
    expect(made.stdout.startsWith(cut.stdout)).toBe(true);
    const damaged = readFileSync(at('racy.r3'));
    damaged.fill(0x55, size - 80, size - 60);
    writeFileSync(at('damaged'), damaged);
    const r = await ring3(['replay', 'damaged']);
    expect(r.status).toBe(125);
    expect(r.stderr).toMatch(
      /^ring3: the recording is damaged from here on, after event \d+: the \d+ bytes at byte \d+ of damaged are not what was written\n$/,
    );
  });

  it('has what a killed recorder had seen', async () => {
    const child = spawn(process.execPath, [CLI, 'record', '-o', 'killed.r3', stdio], {
      cwd: dir,
      stdio: 'pipe',
    });
    const gone = new Promise((resolve) => child.on('close', resolve));
    child.stdin.write('first\n');
    // The guest waits for more when it has read this; the recorder writes then.
    const heard = async (): Promise<boolean> => {
      if (!existsSync(at('killed.r3')) || statSync(at('killed.r3')).size === 0) return false;
      const m = await Machine.replay(openRecording(at('killed.r3')));
      let read = false;
      m.on('syscall', (e) => (read ||= e.type === 'exit' && e.text.includes('first\\n')));
      await m.run().catch(() => undefined);
      m.dispose();
      return read;
    };
    while (!(await heard())) await new Promise((r) => setTimeout(r, 20));
    child.kill('SIGKILL');
    await gone;
    const r = await ring3(['replay', 'killed.r3']);
    expect(r.status).toBe(0);
    expect(r.stderr).toMatch(/the recording ends here, after event \d+: the recorder was killed\n$/);
    expect((await ring3(['replay', '--info', 'killed.r3'])).stdout).toContain(
      'cut off: the recorder was killed',
    );
  });

  it('of two recorders into one file the later has it, and the other says so', async () => {
    copyFileSync(at('run.r3'), at('same.r3'));
    const older = openRecording(at('same.r3'));
    const said: string[][] = [[], []];
    const machines = [];
    for (const lines of said) {
      const record = recordTo(at('same.r3'), (why) => lines.push(why));
      machines.push(await Machine.boot({ program: racy, argv: ['racy'], record }));
    }
    await Promise.all(machines.map((m) => m.run()));
    for (const m of machines) m.dispose();
    expect(said).toEqual([
      [
        expect.stringMatching(
          /^the recording in .*same\.r3 is lost: the file was removed, or another begun there$/,
        ),
      ],
      [],
    ]);
    const again = await Machine.replay(openRecording(at('same.r3')));
    expect(await again.run()).toEqual(machines[1].status);
    // Who had opened what was there before still has that.
    expect(await (await Machine.replay(older)).run()).toMatchObject({ code: 2 });
  });

  it.runIf(existsSync('/dev/full'))('is not whole: the guest goes on, and the status tells', async () => {
    const r = await ring3(['record', '-o', '/dev/full', stdio], 'one\n');
    expect(r).toMatchObject({ stdout: '   1 one\n', status: 125 });
    expect(r.stderr).toContain(
      'ring3: the recording in /dev/full is not whole: no space left on device (ENOSPC)\n',
    );
    expect(r.stderr).toContain('1 lines, 4 bytes, tty 0\n');
    expect(statSync('/dev/full').isFile()).toBe(false);
  });

  it('takes one file and known options', async () => {
    for (const [args, line] of [
      [['replay'], 'no recording given; write: ring3 replay [OPTIONS] FILE'],
      [['replay', 'run.r3', 'x'], "'x': a replay takes one recording, and options come before it"],
      [
        ['replay', '-e', 'inject=read:error=EIO', 'run.r3'],
        'a replay does what was recorded: no fault can be put into it; give --inject to ring3 record',
      ],
      [['replay', '-p', '1:1', 'run.r3'], "unknown option '-p'; 'ring3 replay --help' lists them"],
      [['replay', '--to', 'x', 'run.r3'], "option '--to': 'x' is no number between 1 and 9007199254740991"],
      [['record', stdio], 'no file for the recording given; write: ring3 record -o FILE PROG [ARGS...]'],
      [
        ['record', '-o', '-', stdio],
        "option '-o': standard output is the guest's; name a file for the recording",
      ],
      [['record', '-o', 'y'], 'no program given; write: ring3 record -o FILE PROG [ARGS...]'],
    ] as const) {
      expect(await ring3(args)).toEqual({ stdout: '', stderr: `ring3: ${line}\n`, status: 2 });
    }
    for (const command of ['record', 'replay']) {
      const r = await ring3([command, '--help']);
      expect(r).toMatchObject({ stderr: '', status: 0 });
      expect(r.stdout).toContain(`Usage: ring3 ${command} `);
      expect(r.stdout).not.toMatch(command === 'record' ? /--gdb/ : /inject=/);
    }
  });

  it('leaves an older recording alone when nothing can be recorded', async () => {
    const before = readFileSync(at('run.r3'));
    expect((await ring3(['record', '-o', 'run.r3', '/no/such/program'])).status).toBe(127);
    expect((await ring3(['record', '-o', 'run.r3', '-v', '/no/such:/x', stdio])).status).toBe(125);
    expect(readFileSync(at('run.r3')).equals(before)).toBe(true);
    expect((await ring3(['record', '-o', '/no/such/x', stdio])).stderr).toBe(
      'ring3: cannot write the recording to /no/such/x: no such file or directory (ENOENT)\n',
    );
  });
});
