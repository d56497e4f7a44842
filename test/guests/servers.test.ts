/** Servers in Go and Rust under load from clients on the host, through published ports. */
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Machine, type MachineEvent } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';
import { runRing3 } from '../support/run.ts';

const web = guestPath('go-webserver');
const echo = guestPath('tokio-echo');
const hello = guestPath('go-hello');
if (!web) console.log('Left out: Go guests: not built here (Debian package golang-go)');
if (!echo)
  console.log('Left out: Rust tokio echo server: not built here (Debian packages cargo, librust-tokio-dev)');

/** Boots a server and waits for its "listening". */
async function serve(
  program: string,
  port: number,
): Promise<{ machine: Machine; run: Promise<unknown>; port: number }> {
  const machine = await Machine.boot({
    program,
    argv: [program, `0.0.0.0:${port}`],
    publish: [{ hostPort: 0, guestPort: port }],
  });
  const run = machine.run();
  run.catch(() => undefined);
  while (!machine.stdout.includes('listening')) {
    if (machine.status !== null) throw new Error(`the server ended: ${machine.stderr}`);
    await new Promise((r) => setTimeout(r, 5));
  }
  return { machine, run, port: machine.ports[0] };
}

/** One client: sends messages one by one and checks each echo. Returns how many came back right. */
function client(port: number, id: number, messages: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let right = 0;
    let got = '';
    const message = (n: number): string =>
      `client ${id} message ${n} ${'x'.repeat((id * 31 + n * 17) % 200)}\n`;
    socket.on('connect', () => socket.write(message(0)));
    socket.on('data', (d: Buffer) => {
      got += d.toString('latin1');
      if (got.length < message(right).length) return;
      if (got !== message(right))
        reject(new Error(`client ${id}: got ${JSON.stringify(got)} for message ${right}`));
      got = '';
      if (++right === messages) socket.end();
      else socket.write(message(right));
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(right));
  });
}

describe.skipIf(echo === null)('Rust: tokio echo server', () => {
  it('serves 200 clients at once, 10,000 messages, none lost', async () => {
    const { machine, run, port } = await serve(echo!, 7000);
    const counts = await Promise.all(Array.from({ length: 200 }, (_, id) => client(port, id, 50)));
    expect(counts.reduce((a, b) => a + b, 0)).toBe(10_000);
    const last = connect(port, '127.0.0.1', () => last.end('quit\n'));
    last.on('error', () => undefined);
    await run;
    expect(machine.status).toMatchObject({ code: 0 });
    expect(machine.stdout).toBe('listening\nserved 201\n');
    machine.dispose();
  });

  it('starts with the system calls a tokio runtime makes', async () => {
    const machine = await Machine.boot({ program: echo!, argv: [echo!, '127.0.0.1:7001'] });
    const names: string[] = [];
    let add = '';
    machine.on('syscall', (e: MachineEvent) => {
      if (e.type !== 'exit') return;
      names.push(e.name);
      if (e.name === 'epoll_ctl' && !add) add = e.text;
      if (e.name === 'listen') machine.stop();
    });
    await expect(machine.run()).rejects.toThrow();
    const order = [
      'epoll_create1',
      'eventfd2',
      'epoll_ctl',
      'socketpair',
      'clone3',
      'socket',
      'bind',
      'listen',
    ];
    const positions = order.map((n) => names.indexOf(n));
    expect(positions, names.join(' ')).not.toContain(-1);
    expect([...positions].sort((a, b) => a - b)).toEqual(positions);
    expect(add).toContain('EPOLLET');
    expect(names.filter((n) => n === 'clone3' || n === 'clone').length).toBe(4);
    machine.dispose();
  });
});

describe.skipIf(web === null)('Go', () => {
  it('net/http server with 8 goroutines under load', async () => {
    const { machine, run, port } = await serve(web!, 8080);
    const base = `http://127.0.0.1:${port}`;
    const get = async (n: number): Promise<void> => {
      const r = await fetch(`${base}/hello?name=n${n}`);
      expect(r.status).toBe(200);
      expect(await r.text()).toBe(`hello n${n}, sum 499500\n`);
    };
    for (let round = 0; round < 10; round++)
      await Promise.all(Array.from({ length: 40 }, (_, i) => get(round * 40 + i)));
    const big = await (await fetch(`${base}/big`)).text();
    expect(big.length).toBe(1_000_000);
    expect((await fetch(`${base}/quit`)).status).toBe(200);
    await run;
    expect(machine.stdout).toBe('listening\nserved 400 worked 400\n');
    expect(machine.status).toMatchObject({ code: 0 });
    machine.dispose();
  });

  it('hello makes the system calls of its runtime, in order', async () => {
    const r = await runRing3(hello!, [], { ring3: ['-f'] }, 'strace');
    expect(r.status).toBe(0);
    expect(r.stdout).toBe('Hello from Go in ring 3\n');
    const trace = r.stderr;
    expect(trace).toContain('arch_prctl(ARCH_SET_FS, ');
    expect(trace).toContain('sched_getaffinity(0, 8192, ');
    expect(trace).toContain(
      'mmap(0xc000000000, 67108864, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xc000000000',
    );
    expect(trace).toMatch(
      /mmap\(0xc000000000, 4194304, PROT_READ\|PROT_WRITE, MAP_PRIVATE\|MAP_FIXED\|MAP_ANONYMOUS, -1, 0\) = 0xc000000000/,
    );
    expect(trace).toContain('/sys/kernel/mm/transparent_hugepage/hpage_pmd_size');
    // Every signal a handler goes on is asked for first.
    const asked = trace.match(/rt_sigaction\(SIG\w+, NULL, \{sa_handler=SIG_DFL/g)!;
    const installed = trace.match(/rt_sigaction\(SIG\w+, \{sa_handler=0x/g)!;
    expect(asked.length).toBeGreaterThan(50);
    expect(installed.length).toBeGreaterThan(50);
    expect(trace).toContain('rt_sigaction(SIGURG, {sa_handler=');
    expect(trace).toContain('sigaltstack({ss_sp=0xc0000');
    expect(trace).toMatch(
      /clone\(child_stack=0xc0000\w+, flags=CLONE_VM\|CLONE_FS\|CLONE_FILES\|CLONE_SIGHAND\|CLONE_THREAD\|CLONE_SYSVSEM/,
    );
    expect(trace).toContain('write(1, "Hello from Go in ring 3\\n", 24)');
    expect(trace).toContain('+++ exited with 0 +++');
  });
});
