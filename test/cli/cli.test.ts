import { spawn, spawnSync } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  chmodSync,
  copyFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cli = join(root, 'dist/ring3.cjs');
const guest = (name: string): string => join(root, 'guests/prebuilt/x86_64', name);
let dir = '';

beforeAll(() => {
  const built = spawnSync(process.execPath, ['scripts/build.mjs', '--if-stale'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(built.stderr).toBe('');
  dir = mkdtempSync(join(tmpdir(), 'ring3-cli-'));
  copyFileSync(guest('hello'), join(dir, 'hello'));
  chmodSync(join(dir, 'hello'), 0o755);
}, 120_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function ring3(...args: string[]) {
  const r = spawnSync(process.execPath, [cli, ...args], {
    cwd: dir,
    encoding: 'latin1',
    input: '',
    timeout: 60_000,
  });
  return { status: r.status, out: r.stdout, err: r.stderr };
}

describe('a trace nobody reads', () => {
  /** The trace goes into a pipe that is open and never read; `then` runs once it must be full. */
  const stuck = (args: string, then: string): string => {
    const run = `"${process.execPath}" "${cli}" strace ${args} ${guest('bench-getpid-loop')} 100000 > /dev/null 2> pipe`;
    const script = `mkfifo pipe; sleep 30 < pipe & reader=$!; ${run} & ring3=$!; ${then}; wait $ring3; echo $?; kill $reader; rm pipe`;
    return spawnSync('sh', ['-c', script], { cwd: dir, encoding: 'latin1', timeout: 60_000 }).stdout;
  };
  it('does not keep a signal from ending it', () => {
    expect(stuck('', 'sleep 3; kill -TERM $ring3')).toBe('143\n');
  });
  it('does not keep --timeout from ending it', () => {
    expect(stuck('--timeout 2', ':')).toBe('124\n');
  });
});

describe('ring3 run', () => {
  it('--dump-regions writes what was compiled', () => {
    const file = join(dir, 'regions.txt');
    const r = ring3('run', '--cpu', 'jit:200:1', '--dump-regions', file, guest('bench-sha256'), '1');
    expect(r.status).toBe(0);
    const text = readFileSync(file, 'utf8');
    expect(text).toMatch(/^region [0-9a-f]+: [0-9]+ blocks, [0-9]+ instructions\nblock 0 at /);
    expect(text).toContain('(func (param i32) (result i32)');
    const both = ring3('run', '--cpu', 'lockstep:jit', '--dump-regions', file, guest('threads-musl'));
    expect(both.err).toBe('');
    expect(readFileSync(file, 'utf8')).toMatch(/^region [0-9a-f]+: /);
    const wrong = ring3('run', '--dump-regions', '/nowhere/file', guest('hello'));
    expect([wrong.status, wrong.err]).toEqual([
      125,
      'ring3: cannot write to /nowhere/file: no such file or directory (ENOENT)\n',
    ]);
  });

  it('runs a program by path, with its status and streams', () => {
    expect(ring3('run', './hello')).toEqual({ status: 0, out: 'Hello from ring 3\n', err: '' });
  });

  it.each([
    [['run', './nope'], 127, /^ring3: \.\/nope: no such file\n$/],
    [['run', 'hello'], 127, /^ring3: hello: not found in \$PATH; for the file here write \.\/hello\n$/],
    [['run', '/tmp'], 126, /^ring3: \/tmp is a directory; name a program in it\n$/],
    [['run', './text'], 126, /^ring3: \.\/text is not executable; try: chmod \+x \.\/text\n$/],
    [['run', './textx'], 126, /^ring3: \.\/textx cannot be run: it is not an ELF program; .*\n$/],
    [['run', './cut'], 126, /^ring3: \.\/cut cannot be run: it is a truncated ELF file.*\n$/],
    [
      ['run', './elf32'],
      126,
      /^ring3: \.\/elf32 cannot be run: it is a 32-bit x86 program; build it for x86_64 or aarch64\n$/,
    ],
    [
      ['run', './riscv'],
      126,
      /^ring3: \.\/riscv cannot be run: it is a program for RISC-V; build it for x86_64 or aarch64\n$/,
    ],
    [
      ['run', './short'],
      126,
      /^ring3: \.\/short cannot be run: it is a truncated ELF file: it ends before its segments do; build or copy it again\n$/,
    ],
    [
      ['run', './script'],
      126,
      /^ring3: \.\/script is a script for \/bin\/sh, which the guest does not have; run a static interpreter on it .*\n$/,
    ],
    [
      ['run', '--root', '.', 'nope'],
      127,
      /^ring3: nope: no such file in the guest \(name it by its path there, .*\)\n$/,
    ],
    [['run', '--nope', './hello'], 2, /^ring3: unknown option '--nope'; 'ring3 run --help' lists them\n$/],
    [['run'], 2, /^ring3: no program given; write: ring3 run PROG \[ARGS\.\.\.\]\n$/],
    [['frobnicate'], 2, /^ring3: unknown command 'frobnicate'; to run a program: ring3 run frobnicate\n$/],
    [
      ['run', '-v', './none:/x', './hello'],
      125,
      /^ring3: option '-v': \.\/none does not exist; create it first\n$/,
    ],
    [
      ['run', '--max-memory', '1k', './hello'],
      2,
      /^ring3: option '--max-memory': '1k' is out of range; give 16m to 4g\n$/,
    ],
    [['run', '-w', 'there', './hello'], 2, /^ring3: option '-w': 'there' must start with \/; .*\n$/],
    [
      ['run', '--root', './hello', '/hello'],
      125,
      /^ring3: option '--root': \.\/hello is no folder, and no tar archive \(plain, gzip, xz, zstd\) or image: .*\n$/,
    ],
    [['help', 'nonsense'], 2, /^ring3: no help on 'nonsense'; 'ring3 help' shows what there is\n$/],
    [['strace', '-c', '-C', './hello'], 2, /^ring3: -c and -C exclude each other; .*\n$/],
  ])('answers %j with one line and the status a shell expects', (args, status, message) => {
    const elf = readFileSync(guest('hello'));
    const change = (at: number, value: number): Uint8Array => {
      const copy = Uint8Array.from(elf);
      copy[at] = value;
      return copy;
    };
    const files: [string, string | Uint8Array, number][] = [
      ['text', 'hi\n', 0o644], ['textx', 'hi\n', 0o755], ['cut', elf.subarray(0, 80), 0o755],
      ['elf32', (() => { const e = change(4, 1); e[18] = 3; return e; })(), 0o755], ['riscv', change(18, 243), 0o755],
      ['short', readFileSync(guest('stdio-musl')).subarray(0, 8000), 0o755], ['script', '#!/bin/sh\necho hi\n', 0o755],
    ]; // prettier-ignore
    for (const [name, data, mode] of files) {
      writeFileSync(join(dir, name), data);
      chmodSync(join(dir, name), mode);
    }
    const r = ring3(...args);
    expect(r.err).toMatch(message);
    expect(r.status).toBe(status);
    expect(r.out).toBe('');
  });

  it('kills a guest that takes too long', () => {
    const r = ring3('run', '--timeout', '200ms', guest('misbehave-musl'), 'loop');
    expect(r.err).toMatch(
      /^ring3: the guest was still running after 0.2 s and was killed \(--timeout\)\nring3: running: 1000 \(misbehave-musl\)\n  1000 \(misbehave-musl\) runs: at 0x[0-9a-f]+, \d+ instructions so far\n$/,
    );
    expect(r.status).toBe(124);
  });

  it('ends quietly when nobody reads its output', async () => {
    const p = spawn('sh', ['-c', `"${process.execPath}" "${cli}" run ${guest('racy-musl')} | head -c 1`], {
      cwd: dir,
    });
    let err = '';
    p.stderr.on('data', (b: Buffer) => (err += b.toString()));
    await new Promise((resolve) => p.on('close', resolve));
    expect(err).toBe('');
  });

  it('prints help, version and the system calls', () => {
    expect(ring3('help').out).toContain('ring3 strace [OPTIONS] PROG');
    expect(ring3('run', '--help').out).toContain('--max-memory SIZE');
    expect(ring3('strace', '-h').out).toContain('-f, --follow-forks');
    expect(ring3('version').out).toMatch(/^ring3 \d+\.\d+\.\d+\n$/);
    const table = ring3('syscalls').out;
    expect(table).toMatch(/^read +0 +63 +full$/m);
    expect(table).toMatch(/\d+ system calls: \d+ full, \d+ partial, \d+ refused, \d+ absent\n$/);
    const page = ring3('syscalls', '--markdown').out;
    expect(page).toContain('| `read` | 0 | 63 |\n');
    // docs/adding-a-syscall.md says how it is made.
    expect(readFileSync(join(root, 'docs/compatibility.md'), 'latin1')).toBe(page);
  });
});

describe('ring3 strace', () => {
  it('traces to stderr, in order with the output', () => {
    const r = spawnSync('sh', ['-c', `"${process.execPath}" "${cli}" strace ./hello 2>&1`], {
      cwd: dir,
      encoding: 'utf8',
    });
    expect(r.stdout).toMatch(
      /^execve\("\.\/hello", \["\.\/hello"\], 0x7ff[0-9a-f]+ \/\* 3 vars \*\/\) = 0\nwrite\(1, "Hello from ring 3\\n", 18Hello from ring 3\n\) += 18\nexit_group\(0\) += \?\n\+\+\+ exited with 0 \+\+\+\n$/,
    );
  });

  it('writes files with -o and -ff', () => {
    const r = ring3('strace', '-ff', '-o', 'trace', '-e', 'trace=%process', guest('fork-shm-musl'));
    expect(r.status).toBe(0);
    expect(r.err).toBe('');
    const files = readdirSync(dir).filter((f) => f.startsWith('trace.'));
    expect(files.length).toBeGreaterThan(2);
    expect(readFileSync(join(dir, 'trace.1000'), 'utf8')).toMatch(/^execve\(.*\nfork\(\) += 1001\n/);
    expect(readFileSync(join(dir, 'trace.1001'), 'utf8')).toMatch(
      /^exit_group\(11\) += \?\n\+\+\+ exited with 11 \+\+\+\n$/,
    );
  });

  it('summarises with -c', () => {
    const r = ring3('strace', '-c', './hello');
    expect(r.out).toBe('Hello from ring 3\n');
    expect(r.err.split('\n')[0]).toBe('% time     seconds  usecs/call     calls    errors syscall');
    expect(r.err).toMatch(/ 1 +write\n/);
    expect(r.err).toMatch(/100\.00 +0\.\d{6} +\d+ +2 +total\n$/);
  });

  it('cannot write where it may not', () => {
    const r = ring3('strace', '-o', '/nonexistent/trace', './hello');
    expect(r.err).toBe(
      'ring3: cannot write the trace to /nonexistent/trace: no such file or directory (ENOENT)\n',
    );
    expect(r.status).toBe(125);
  });
});
