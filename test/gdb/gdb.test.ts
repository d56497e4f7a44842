/** Debian's gdb-multiarch on guests of both architectures, by script. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestPath } from '../support/guests.ts';
import { CLI, hostTool } from '../support/run.ts';

const GDB = hostTool('/usr/bin/gdb-multiarch', 'gdb-multiarch', 'gdb sessions');

interface Session {
  readonly gdb: string;
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs gdb's commands on a program under ring3, or as ring3's arguments say it. */
async function session(
  program: string,
  commands: readonly string[],
  args: readonly string[] = ['run', '--gdb', '0', '--seed', '1', program],
): Promise<Session> {
  const dir = mkdtempSync(join(tmpdir(), 'ring3-gdb-'));
  try {
    const server = spawn(process.execPath, [CLI, ...args]);
    const out = { stdout: '', stderr: '' };
    server.stdout.on('data', (d: Buffer) => (out.stdout += d.toString()));
    const ended = new Promise<number | null>((resolve) => server.on('close', resolve));
    const where = await new Promise<string>((resolve, reject) => {
      server.stderr.on('data', (d: Buffer) => {
        out.stderr += d.toString();
        const m = /target remote (\S+)/.exec(out.stderr);
        if (m) resolve(m[1]);
      });
      void ended.then(() => {
        reject(new Error(out.stderr));
      });
    });
    const script = join(dir, 'script');
    const setup = ['set pagination off', 'set confirm off', 'set width 0', 'set style enabled off', 'set debuginfod enabled off'];
    writeFileSync(script, [...setup, `target remote ${where}`, ...commands].join('\n'));
    const gdb = await new Promise<string>((resolve) => {
      const child = spawn('/usr/bin/gdb-multiarch', ['-q', '-nx', '-batch', '-x', script, program]);
      let text = '';
      child.stdout.on('data', (d: Buffer) => (text += d.toString()));
      let errors = '';
      child.stderr.on('data', (d: Buffer) => (errors += d.toString()));
      child.on('close', () => {
        resolve(`${text}\n${errors}`);
      });
    });
    return { gdb, status: await ended, ...out };
  } finally {
    rmSync(dir, { recursive: true });
  }
} // prettier-ignore

/** The patterns occur in this order. */
function inOrder(text: string, patterns: readonly RegExp[]): void {
  let at = 0;
  for (const p of patterns) {
    const m = new RegExp(p.source, `${p.flags.replace('g', '')}gm`);
    m.lastIndex = at;
    const found = m.exec(text);
    if (!found) expect.fail(`no ${p.source} behind\n${text.slice(0, at)}<<< here >>>\n${text.slice(at)}`);
    at = found.index + found[0].length;
  }
}

const stdout = 'counter 9, signal 10, hi, child 7\n';

describe.skipIf(!GDB).each(['x86_64', 'aarch64'])('gdb on %s', (arch) => {
  const program = guestPath('debugged', arch);
  const pc = arch === 'x86_64' ? '$rip' : '$pc';
  it.skipIf(program === null)(
    'stops threads at breakpoints, steps, watches, shows where they are and catches futex calls',
    async () => {
      const s = await session(program!, [
        'break add', 'continue', 'backtrace', 'info threads', 'print counter',
        'set var *(int *)&errno = 77', 'thread apply all -q printf "errno %d\\n", (int)errno', 'finish',
        'continue', 'delete 1', `print ${pc}`, 'stepi', `print ${pc} - $1`, 'watch counter', 'continue', 'next', 'delete 2',
        'catch syscall futex', 'continue', 'delete 3', 'info auxv', 'monitor when',
        'handle SIGUSR1 nostop noprint', 'catch syscall rt_sigreturn', 'continue', 'continue', 'kill',
      ]); // prettier-ignore
      inOrder(s.gdb, [
        /Thread \d.* hit Breakpoint 1, add \(by=(by@entry=)?[12]\) at .*debugged\.c:\d+/,
        /^#0 +add \(by=(by@entry=)?[12]\) at .*debugged\.c/,
        /^#1 .* in worker \(arg=.*0x[12]\) at .*debugged\.c:\d+/,
        /^\* \d +Thread .*runnable.* add \(by=/,
        /^\$\d+ = 0$/,
        /^Value returned is \$\d+ = 0$/,
        /hit Breakpoint 1, add \(by=(by@entry=)?[12]\)/,
        /^Hardware watchpoint 2: counter/,
        /hit Hardware watchpoint 2: counter\s+Old value = (\d+)\s+New value = (\d+)/,
        /Catchpoint 3 \(syscall 'futex' \[\d+\]\)/,
        /hit Catchpoint 3 \((call to|returned from) syscall futex\)/,
        /AT_ENTRY +Entry point of program/,
        /call to syscall rt_sigreturn/,
        /returned from syscall rt_sigreturn/,
        // What monitor prints comes on the other stream.
        /^round \d+, \d+ instructions, /,
      ]);
      expect(s.gdb).toMatch(/^errno 77$/m);
      expect(s.gdb).toMatch(/^errno 0$/m);
      expect(s.status).toBe(137);
    },
    60_000,
  );

  it.skipIf(program === null)(
    'sees signals, what the kernel writes, and forks; the run is the one without gdb',
    async () => {
      const s = await session(program!, [
        'continue', 'print $_siginfo.si_signo', 'break handler', 'continue', 'print signo', 'watch text', 'continue',
        'delete', 'set follow-fork-mode child', 'break inchild', 'continue', 'print x', 'set var x = 40', 'continue',
        'continue',
      ]); // prettier-ignore
      inOrder(s.gdb, [
        /received signal SIGUSR1/,
        /^\$1 = 10$/,
        /Breakpoint 1, handler \(signo=/,
        /^\$2 = 10$/,
        /Hardware watchpoint 2: text\s+Old value = .*\s+New value = "hi/,
        /Attaching after .* fork to child/,
        /Breakpoint 3, inchild \(x=(x@entry=)?6\)/,
        /^\$3 = 6$/,
        /received signal SIGKILL/,
        / in _exit \(/,
        /\[Inferior 2 \(process \d+\) exited with code 0[0-7]+\]/,
      ]);
      expect([s.status, s.stdout.replace(/child \d+/, '')]).toEqual([0, stdout.replace(/child \d+/, '')]);
    },
    60_000,
  );

  it.skipIf(program === null)(
    'goes back: to breakpoints and watchpoints, by an instruction, to the beginning, from the end',
    async () => {
      const s = await session(program!, [
        'break add', 'continue', 'continue', 'print counter', 'continue', 'print counter', 'reverse-continue', 'print counter',
        `print ${pc}`, 'reverse-stepi', 'stepi', `print ${pc}`, 'delete 1', 'break inchild', 'break handler', 'handle SIGUSR1 nostop noprint',
        'continue', 'delete', 'watch counter', 'reverse-continue', 'print counter', 'reverse-continue', 'delete', 'reverse-continue',
        'continue', 'break add', 'reverse-continue', 'print counter', 'delete', 'continue', 'continue',
      ]); // prettier-ignore
      inOrder(s.gdb, [
        /^\$1 = 2$/,
        /^\$2 = 3$/,
        /hit Breakpoint 1, add/,
        /^\$3 = 2$/,
        /^\$4 = .*0x[0-9a-f]+ <add/,
        /^\$5 = .*0x[0-9a-f]+ <add/,
        /Breakpoint 3, handler/,
        /hit Hardware watchpoint 4: counter\s+Old value = 9\s+New value = ([78])\s+.* in add /,
        /^\$6 = [78]$/,
        /hit Hardware watchpoint 4: counter\s+Old value = [78]\s+New value = [56]\s/,
        /No more reverse-execution history/,
        // The end is a place to go back from.
        /received signal SIGKILL/,
        / in _exit \(/,
        /Breakpoint 5, add/,
        /^\$7 = [78]$/,
        /received signal SIGKILL/,
        / in _exit \(/,
        /exited normally/,
      ]);
      expect(/^\$4 = (.*)$/m.exec(s.gdb)![1]).toBe(/^\$5 = (.*)$/m.exec(s.gdb)![1]);
      // What was printed is printed once.
      expect([s.status, s.stdout]).toEqual([0, stdout]);
    },
    60_000,
  );

  it.skipIf(program === null)(
    'finds the program by itself, and lets it go',
    async () => {
      const s = await session(program!, ['file', 'set sysroot target:', 'file target:/proc/1000/exe', 'info line main', 'detach']);
      expect(s.gdb).toMatch(/Line \d+ of ".*debugged\.c"/);
      expect(s.gdb).toMatch(/detached/);
      expect([s.status, s.stdout]).toEqual([0, stdout]);
    },
    60_000,
  ); // prettier-ignore
});

describe.skipIf(!GDB)('gdb', () => {
  const program = guestPath('debugged');
  it.skipIf(program === null)(
    'goes back under a schedule that ring3 explore found, as with a seed',
    async () => {
      const again = ['run', '--gdb', '0', '--schedule', '1000@14000>1001', program!];
      const s = await session(program!, ['handle SIGUSR1 nostop', 'continue', 'watch counter', 'reverse-continue', 'kill'], again);
      inOrder(s.gdb, [/received signal SIGKILL/, /Hardware watchpoint 1: counter\s+Old value = 9\s+New value = /]);
      expect(s.stderr).not.toMatch(/internal error/);
    },
    60_000,
  ); // prettier-ignore

  it.skipIf(program === null)(
    'goes back and forth in a recording, in a forked child to its beginning',
    async () => {
      const dir = mkdtempSync(join(tmpdir(), 'ring3-gdb-'));
      try {
        const file = join(dir, 'run.r3');
        const recorded = spawnSync(process.execPath, [CLI, 'record', '-o', file, program!], {
          encoding: 'utf8',
        });
        expect(recorded).toMatchObject({ status: 0, stdout });
        const s = await session(
          program!,
          [
            'handle SIGUSR1 nostop noprint', 'break handler', 'continue', 'delete', 'watch got', 'continue', 'reverse-continue',
            'print got', 'delete', 'set follow-fork-mode child', 'break inchild', 'continue', 'reverse-continue', 'continue',
            'reverse-finish', 'continue', 'continue', 'continue',
          ],
          ['replay', '--gdb', '0', file],
        ); // prettier-ignore
        inOrder(s.gdb, [
          /Breakpoint 1, handler/,
          /Hardware watchpoint 2: got\s+Old value = 0\s+New value = 10/,
          /Hardware watchpoint 2: got\s+Old value = 10\s+New value = 0/,
          /^\$1 = 0$/,
          /Attaching after .* fork to child/,
          /Breakpoint 3, inchild/,
          /No more reverse-execution history/,
          /Breakpoint 3, inchild/,
          / in main \(/,
          /Breakpoint 3, inchild/,
          /received signal SIGKILL/,
          /exited with code 07/,
        ]);
        // The parent, which gdb let go, runs to its end.
        expect([s.status, s.stdout]).toEqual([0, stdout]);
      } finally {
        rmSync(dir, { recursive: true });
      }
    },
    60_000,
  );
});

describe('--gdb', () => {
  const run = (...args: string[]): { status: number | null; stderr: string } =>
    spawnSync(process.execPath, [CLI, 'run', ...args], { encoding: 'utf8' });
  it('says what is wrong with a port or a core', () => {
    const hello = guestPath('hello')!;
    expect(run('--gdb', 'x', hello)).toMatchObject({ status: 2, stderr: "ring3: option '--gdb': 'x' is no port; write PORT or ADDRESS:PORT, as 1234\n" }); // prettier-ignore
    expect(run('--gdb', '0', '--cpu', 'lockstep:jit', hello)).toMatchObject({ status: 125, stderr: 'ring3: --gdb needs --cpu jit or interp\n' }); // prettier-ignore
  });

  it('ends by a signal while the guest stands still, and has its port alone', async () => {
    const hello = guestPath('hello')!;
    const server = spawn(process.execPath, [CLI, 'run', '--gdb', '0', hello]);
    let text = '';
    const ended = new Promise<number | null>((resolve) => server.on('close', resolve));
    const port = await new Promise<string>((resolve) => {
      server.stderr.on('data', (d: Buffer) => {
        text += d.toString();
        const m = /target remote 127\.0\.0\.1:(\d+)\n/.exec(text);
        if (m) resolve(m[1]);
      });
    });
    const second = run('--gdb', port, hello);
    expect(second).toMatchObject({ status: 125, stderr: `ring3: cannot wait for gdb on 127.0.0.1:${port}: it is in use\n` }); // prettier-ignore
    server.kill('SIGTERM');
    expect(await ended).toBe(137);
    expect(text).toContain('ring3: SIGTERM while gdb held the guest: it is killed\n');
  });
});
