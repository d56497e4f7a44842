/** Programs that go on in the background: until the first process ends, as in a container. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Machine } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';
import { hostTool, runRing3, withFolder } from '../support/run.ts';
import { ScriptedTerminal } from '../support/terminal.ts';

const busybox = hostTool('/usr/bin/busybox', 'busybox-static', 'daemons started by a shell');
const server = guestPath('media-server-musl');
if (!server) console.log('Left out: a daemon of ours: the guest media-server-musl is not built here');

describe.skipIf(busybox === null)('background processes', () => {
  it('end with the first process, whatever they ignore and whoever their parent is', () =>
    withFolder(async (dir) => {
      const script = `
        cd /v; (trap '' HUP TERM; echo $$ > here; sleep 5; echo late > late) & setsid sleep 5 &
        while ! test -s here; do :; done; echo started; exit 3`;
      const r = await runRing3(busybox!, ['sh', '-c', script], { ring3: ['-v', `${dir}:/v`] });
      expect(r).toEqual({ stdout: 'started\n', stderr: '', status: 3 });
      expect(readFileSync(join(dir, 'here'), 'latin1')).toMatch(/^\d+\n$/);
      expect(existsSync(join(dir, 'late'))).toBe(false);
    }));

  it('are waited for by a shell that is told to', async () => {
    const r = await runRing3(busybox!, ['sh', '-c', '(sleep 0.1; echo late) & wait; echo end']);
    expect(r).toEqual({ stdout: 'late\nend\n', stderr: '', status: 0 });
  });

  it.skipIf(server === null)('live as long as the interactive shell they were typed into', async () => {
    const terminal = new ScriptedTerminal();
    const machine = await Machine.boot({
      program: busybox!,
      argv: ['sh'],
      env: { PS1: 'ring3> ', PATH: '/bin', TERM: 'vt100' },
      files: { '/bin/media-server': { data: readFileSync(server!), mode: 0o755 } },
      terminal,
    });
    const run = machine.run();
    const line = async (text: string): Promise<void> => {
      await terminal.until('ring3> ');
      terminal.type(`${text}\r`);
    };
    await line('sleep 1000 & echo sleeper $!');
    await terminal.until('\nsleeper ');
    // A watchdog and the server it starts: its end shows the job's end, and nothing else ends with it.
    await line('media-server -d > /log &');
    await line('busybox ps | grep -v grep; ls /bin');
    await terminal.until('media-server -d');
    await terminal.until('\nmedia-server');
    await line('wait %2; grep -c "bytes, as sent" /log; tail -1 /log; jobs; echo status $?');
    await terminal.until('\n6\r\nserver exited with 0\r\n');
    await terminal.until('sleep 1000');
    await terminal.until('\nstatus 0');
    await line('exit 4');
    expect((await run).code).toBe(4);
    machine.dispose();
  });
});
