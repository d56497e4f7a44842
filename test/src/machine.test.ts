import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { BootError, DeadlockError, Machine, type MachineEvent, Strace } from '../../src/index.ts';

const guest = (name: string): string =>
  fileURLToPath(new URL(`../../guests/prebuilt/x86_64/${name}`, import.meta.url));

/** A freestanding program made here: no compiler is needed. `code` at 0x400078 in one read-write-execute segment. */
function program(code: readonly number[]): Uint8Array {
  const elf = new Uint8Array(0x78 + code.length);
  const v = new DataView(elf.buffer);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  v.setUint16(16, 2, true);
  v.setUint16(18, 62, true);
  v.setUint32(20, 1, true);
  v.setBigUint64(24, 0x400078n, true);
  v.setBigUint64(32, 64n, true);
  v.setUint16(52, 64, true);
  v.setUint16(54, 56, true);
  v.setUint16(56, 1, true);
  v.setUint32(64, 1, true);
  v.setUint32(68, 7, true);
  v.setBigUint64(80, 0x400000n, true);
  v.setBigUint64(88, 0x400000n, true);
  v.setBigUint64(96, BigInt(elf.length), true);
  v.setBigUint64(104, BigInt(elf.length), true);
  v.setBigUint64(112, 0x1000n, true);
  elf.set(code, 0x78);
  return elf;
}
/** mov eax, n; syscall */
const call = (n: number): number[] => [0xb8, n, 0, 0, 0, 0x0f, 0x05];
/** mov edi/esi/edx, n */
const edi = (n: number): number[] => [0xbf, n, 0, 0, 0];
const esi = (n: number): number[] => [0xbe, n & 255, (n >> 8) & 255, (n >> 16) & 255, 0];
const edx = (n: number): number[] => [0xba, n, 0, 0, 0];
const EXIT = 60;
const GETPID = 39;
const PAUSE = 34;

/** read(0, 0x401000-ish buffer, 16), write what came, exit(7). */
const echo = program([
  ...edi(0), ...esi(0x400000), ...edx(16), ...call(0), // read
  0x89, 0xc2, // mov edx, eax
  ...edi(1), ...esi(0x400000), ...call(1), // write
  ...edi(7), ...call(EXIT),
]); // prettier-ignore

describe('running', () => {
  it('gives exit status and output', async () => {
    const m = await Machine.boot({ program: guest('hello') });
    expect(await m.run()).toEqual({ code: 0, signal: null, status: 0 });
    expect(m.stdout).toBe('Hello from ring 3\n');
    expect(m.stderr).toBe('');
    expect(m.stats.instructions).toBeGreaterThan(0);
    m.dispose();
  });

  it.each([
    ['text', 'some text'],
    ['bytes', new TextEncoder().encode('some text')],
    [
      'a stream',
      (async function* () {
        yield 'some ';
        yield new TextEncoder().encode('text');
      })(),
    ],
  ] as const)('reads stdin from %s', async (_what, stdin) => {
    const out: string[] = [];
    const m = await Machine.boot({
      program: echo,
      stdin,
      stdout: (b) => out.push(Buffer.from(b).toString()),
    });
    expect((await m.run()).status).toBe(7);
    expect('some text'.startsWith(out.join(''))).toBe(true);
    expect(out.join('').length).toBeGreaterThan(0);
    expect(m.stdout).toBe('');
  });

  it('says which signal killed it', async () => {
    const m = await Machine.boot({ program: program([0x0f, 0x0b]) }); // ud2
    expect(await m.run()).toEqual({ code: null, signal: 'SIGILL', status: 132 });
  });

  it.each([
    ['/nonexistent', 'missing', /no such file/],
    ['/tmp', 'not-executable', /is a directory/],
    [new TextEncoder().encode('hello'), 'not-executable', /not an ELF program; a script needs a #! line/],
    [readFileSync(guest('hello')).subarray(0, 80), 'not-executable', /truncated ELF file/],
  ] as const)('refuses %s', async (prog, kind, message) => {
    const e = await Machine.boot({ program: prog }).then(
      () => null,
      (error: unknown) => error,
    );
    expect(e).toBeInstanceOf(BootError);
    expect((e as BootError).kind).toBe(kind);
    expect((e as BootError).message).toMatch(message);
    expect((e as BootError).message).not.toContain('\n');
  });

  it('stops a guest that runs for ever', async () => {
    const m = await Machine.boot({ program: program([0xeb, 0xfe]) }); // jmp self
    setTimeout(() => m.stop(), 30);
    await expect(m.run()).rejects.toThrow('the machine was stopped');
    expect(m.status).toBe(null);
  });

  it('ends a sleeping guest by a signal from outside', async () => {
    const m = await Machine.boot({ program: program([...call(PAUSE), ...edi(0), ...call(EXIT)]) });
    setTimeout(() => m.kill('SIGTERM'), 10);
    expect((await m.run()).signal).toBe('SIGTERM');
  });

  it('notices that nothing can ever run again', async () => {
    // futex(0x400000, FUTEX_WAIT, *0x400000, NULL): nobody will wake it.
    const deadlock = program([
      ...edi(0), 0xbf, 0, 0, 0x40, 0, ...esi(0), 0x8b, 0x17, 0x45, 0x31, 0xd2, ...call(202), ...call(EXIT),
    ]); // prettier-ignore
    const m = await Machine.boot({ program: deadlock });
    await expect(m.run()).rejects.toThrow(DeadlockError);
    const again = await Machine.boot({ program: deadlock });
    await expect(again.run()).rejects.toThrow(
      /^lost wakeup: 1000 \(program\) sleeps on the futex at 0x400000, and nobody is left who could wake it/,
    );
  });
});

describe('stepping', () => {
  it('stops at each entry and exit, and a call can be changed at its entry', async () => {
    const m = await Machine.boot({ program: echo, stdin: 'abc' });
    const events: MachineEvent[] = [];
    for (;;) {
      const e = await m.step();
      events.push(e);
      if (e.type === 'enter' && e.name === 'write') {
        expect(Buffer.from(m.peek(0x400000, 3)).toString()).toBe('abc');
        m.poke(0x400000, new TextEncoder().encode('xyz'));
        m.setReg('rdx', 2n);
      }
      if (e.type === 'enter' && e.name === 'exit') m.setReg('rdi', 9n);
      if (e.type === 'end') break;
    }
    expect(events.map((e) => ('text' in e ? `${e.type} ${e.text}` : e.type))).toEqual([
      'enter read(0, ',
      'exit read(0, "abc", 16) = 3',
      'enter write(1, "abc", 3',
      'exit write(1, "xy", 2) = 2',
      'enter exit(7',
      'task-end',
      'end',
    ]);
    expect(m.stdout).toBe('xy');
    expect(m.status?.status).toBe(9);
  });

  it('shows registers and memory of the stopped task', async () => {
    const m = await Machine.boot({ program: echo });
    const e = await m.step();
    expect(e).toMatchObject({ type: 'enter', name: 'read', nr: 0, tid: 1000 });
    expect(m.regs().rsi).toBe(0x400000n);
    expect(m.regs().rip).toBe(0x40008en);
    expect(() => m.peek(8, 1)).toThrow(RangeError);
    expect(m.tasks).toHaveLength(1);
    expect((await m.run()).status).toBe(7);
  });
});

describe('looking on', () => {
  it('tells listeners of calls, signals and ends', async () => {
    const m = await Machine.boot({ program: program([...call(GETPID), ...edi(3), ...call(EXIT)]) });
    const seen: string[] = [];
    const off = m.on('syscall', (e) => seen.push(e.text));
    m.on('exit', (e) => seen.push(e.type));
    await m.run();
    off();
    expect(seen).toEqual(['getpid(', 'getpid() = 1000', 'exit(3', 'task-end', 'end']);
  });

  it('reads and writes guest files, symbols and memory', async () => {
    const m = await Machine.boot({
      program: guest('hello'),
      files: { '/data/a.txt': 'text', '/bin/tool': { data: Uint8Array.of(1, 2), mode: 0o755 }, '/l': { symlink: '/data/a.txt' } },
    }); // prettier-ignore
    expect(m.readText('/l')).toBe('text');
    m.writeFile('/data/b/c', 'more');
    expect(m.readText('/data/b/c')).toBe('more');
    expect(() => m.readFile('/data/none')).toThrow(
      /\/data\/none in the guest: No such file or directory \(ENOENT\)/,
    );
    expect(m.readText('/etc/passwd')).toMatch(/^root:x:0:0:/);
    expect(() => m.peek('no_such_symbol', 1)).toThrow(RangeError);
    await m.run();
  });
});

describe('seeds', () => {
  const run = async (seed: number | string) => {
    let trace = '';
    const tracer = new Strace({ write: (s) => (trace += s), follow: true, timestamps: 3 });
    const m = await Machine.boot({ program: guest('racy-musl'), seed, tracer });
    await m.run();
    tracer.finish();
    return { trace, out: m.stdout };
  };

  it('make a run repeatable, byte for byte, and differ from one another', async () => {
    const a = await run(1);
    const b = await run('1');
    expect(b).toEqual(a);
    const others = [];
    for (let seed = 2; seed < 6; seed++) others.push((await run(seed)).out);
    expect(new Set([a.out, ...others]).size).toBeGreaterThan(1);
    expect(a.trace).toMatch(/^946684800\.000000 execve\(/);
  });

  it('let virtual time jump over sleeps', async () => {
    // nanosleep({30, 0}) on the stack
    const sleeper = program([
      0x6a, 0, 0x6a, 30, 0x48, 0x89, 0xe7, 0x31, 0xf6, ...call(35), ...edi(0), ...call(EXIT),
    ]); // prettier-ignore
    const m = await Machine.boot({ program: sleeper, seed: 1 });
    const began = performance.now();
    expect((await m.run()).status).toBe(0);
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});
