/** SIGQUIT and ^\: the guest gets them as ever, and what it hung on is told. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Machine } from '../../src/index.ts';
import { CLI, hostTool } from '../support/run.ts';
import { ScriptedTerminal } from '../support/terminal.ts';

const busybox = hostTool('/usr/bin/busybox', 'busybox-static', 'SIGQUIT to a guest');

/** Runs busybox with `input`, sends SIGQUIT when it answers "ready", and ends its input when it answers "caught". */
function quit(
  args: readonly string[],
  input: string,
): Promise<{ out: string; err: string; status: number | null }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [CLI, 'run', busybox!, ...args]);
    let out = '';
    let err = '';
    child.stdin.on('error', () => undefined);
    child.stdin.write(input);
    child.stderr.on('data', (b: Buffer) => (err += b.toString()));
    child.stdout.on('data', (b: Buffer) => {
      out += b.toString();
      if (b.toString().includes('ready')) child.kill('SIGQUIT');
      if (b.toString().includes('caught')) child.stdin.end('\n');
    });
    child.on('close', (status) => resolve({ out, err, status }));
  });
}

describe.skipIf(busybox === null)('SIGQUIT', () => {
  it('ends a guest that does nothing about it, and says what it waited for', async () => {
    const r = await quit(['cat'], 'ready\n');
    expect(r.status).toBe(128 + 3);
    expect(r.err).toMatch(/^ring3: waiting for the outside: 1000 \(busybox\) for input on pipe:\[\d+\]\n {2}1000 \(busybox\) in read\(0, …\)\n/); // prettier-ignore
    expect(r.out).toBe('ready\n');
  });

  it('is the business of a guest that catches it', async () => {
    const r = await quit(['sh', '-c', 'trap "echo caught" QUIT; echo ready; read x; read x; echo on'], '');
    expect(r).toEqual({ out: 'ready\ncaught\non\n', err: '', status: 0 });
  });
});

describe.skipIf(busybox === null)('^\\', () => {
  it("is the terminal's quit character, as long as it makes signals of characters", async () => {
    const terminal = new ScriptedTerminal();
    const m = await Machine.boot({
      program: readFileSync(busybox!),
      path: '/bin/busybox',
      argv: ['sh'],
      terminal,
    });
    const run = m.run();
    await terminal.until('# ');
    expect(m.quitKills).toBe(false); // a shell ignores it
    terminal.type('/bin/busybox stty raw -echo; echo is-""raw; exec /bin/busybox cat\n');
    await terminal.until('is-raw');
    expect(m.quitKey).toBe(null);
    m.stop();
    await expect(run).rejects.toThrow('stopped');
    m.dispose();
  });

  it('would end a program in the foreground', async () => {
    const terminal = new ScriptedTerminal();
    const m = await Machine.boot({
      program: readFileSync(busybox!),
      path: '/bin/busybox',
      argv: ['cat'],
      terminal,
    });
    const run = m.run();
    terminal.type('here\n');
    await terminal.until('here\r\nhere');
    expect([m.quitKey, m.quitKills]).toEqual([0x1c, true]);
    expect(m.explain()).toMatchObject({ verdict: 'outside', cause: 'waiting for the outside: 1000 (busybox) for input from the terminal (/dev/pts/0)' }); // prettier-ignore
    terminal.type('\x1c');
    expect((await run).signal).toBe('SIGQUIT');
  });
});
