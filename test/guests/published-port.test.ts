/** Clients that misbehave at a published port: each costs the guest what it would natively, and leaves nothing behind. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Machine } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';
import { CLI } from '../support/run.ts';
import { Random } from '../support/random.ts';
import { serve } from '../support/server.ts';

const load = guestPath('load');
if (!load) console.log('Left out: clients that misbehave: no C compiler here');

const start = () => serve(load!, 7000, { argv: [load!, 'serve', '7000'] });
const pause = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

/** A client that behaves, to ask how things are. */
class Client {
  private readonly socket: Socket;
  private got = '';
  private heard: () => void = () => undefined;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (d: Buffer) => {
      this.got += d.toString('latin1');
      this.heard();
    });
  }

  async ask(text: string): Promise<string> {
    this.got = '';
    this.socket.write(text);
    while (!this.got.endsWith('\n')) await new Promise<void>((r) => (this.heard = r));
    return this.got;
  }

  /** Until nobody but this client is there. The test's own limit ends the wait. */
  async alone(): Promise<void> {
    while ((await this.ask('!state')) !== '1 clients, 0 descriptors besides\n') await pause(20);
  }

  quit(): void {
    this.socket.end('!quit');
  }
}

/** Connections the host has with this port at their near end, LISTEN and TIME_WAIT aside: their states. */
function states(port: number): string[] {
  const near = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((f) => f[1]?.endsWith(near) && f[3] !== '0A' && f[3] !== '06')
    .map((f) => f[3]);
}

/** The host's ends go too: all but the asking client's. */
async function untilClosed(port: number): Promise<void> {
  if (process.platform !== 'linux') return;
  while (states(port).length > 1) await pause(20);
}

describe.skipIf(!load)('a published port', () => {
  it('is scanned: resets, ends, silence and garbage', async () => {
    const { machine, run, port } = await start();
    const good = new Client(port);
    const r = new Random(1);
    const silent: Socket[] = [];
    const scanned = (kind: number): Promise<void> =>
      new Promise((resolve) => {
        const s = connect({ port, host: '127.0.0.1', allowHalfOpen: kind === 4 });
        s.on('error', () => undefined);
        s.on('close', () => resolve());
        s.on('connect', () => {
          const garbage = Buffer.from(Array.from({ length: 1 + r.below(3000) }, () => r.below(256)));
          if (garbage[0] === 0x21) garbage[0] = 0;
          if (kind === 0) s.resetAndDestroy();
          else if (kind === 1) s.destroy();
          else if (kind === 2) s.write(garbage, () => s.resetAndDestroy());
          else if (kind === 3) s.end(garbage).resume();
          else if (kind === 4) s.end(() => setImmediate(() => s.destroy()));
          else {
            silent.push(s);
            resolve();
          }
        });
      });
    for (let round = 0; round < 20; round++) {
      const ends = Promise.all(Array.from({ length: 18 }, (_, i) => scanned(i % 6)));
      expect(await good.ask(`still there in round ${round}?\n`)).toBe(`still there in round ${round}?\n`);
      await ends;
    }
    for (const s of silent) s.resetAndDestroy();
    await good.alone();
    await untilClosed(port);
    good.quit();
    await run;
    // Not all of them: a connection that is reset before the host hears of it never was.
    const served = Number(/served (\d+)/.exec(machine.stdout)![1]);
    expect(served).toBeGreaterThan(180);
    expect(served).toBeLessThanOrEqual(361);
    machine.dispose();
  });

  it('loses clients in the middle of transfers, in both directions', async () => {
    const { machine, run, port } = await start();
    const good = new Client(port);
    // Ten that are sent bytes without end, ten that send without end what comes back and is not read.
    const script = `
      const net = require('net');
      let busy = 0;
      const one = () => { if (++busy === 20) console.log('busy'); };
      for (let i = 0; i < 20; i++) {
        const s = net.connect(${port}, '127.0.0.1', () => {
          if (i % 2) {
            s.write('!flood');
            let got = 0;
            s.on('data', (d) => { const before = got; got += d.length; if (before < 1e6 && got >= 1e6) one(); });
          } else {
            s.pause();
            let told = false, n = 0;
            const push = () => { while (s.write(Buffer.alloc(65536, 'u'))) n++; if (n > 3 && !told) { told = true; one(); } };
            s.on('drain', push);
            push();
            setTimeout(() => { if (!told) { told = true; one(); } }, 500);
          }
        });
      }`;
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      await new Promise((r) => child.stdout.once('data', r));
      const gone = new Promise((r) => child.once('exit', r));
      child.kill('SIGKILL');
      await gone;
      await good.alone();
      await untilClosed(port);
    }
    good.quit();
    await run;
    expect(machine.stdout).toBe('listening\nserved 61\n');
    machine.dispose();
  });

  // A machine that has no time sees its clients come and go all at once: they wait in CLOSE_WAIT, and then are gone.
  it.skipIf(process.platform !== 'linux')('whose machine stands still while clients die', async () => {
    const free = createServer().listen(0, '127.0.0.1');
    await new Promise((r) => free.once('listening', r));
    const { port } = free.address() as AddressInfo;
    await new Promise((r) => free.close(r));
    const options = ['run', '-p', `${port}:7000`, load!, 'serve', '7000'];
    const ring3 = spawn(process.execPath, [CLI, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void ring3.kill('SIGKILL'));
    let out = '';
    ring3.stdout.on('data', (d: Buffer) => (out += d.toString('latin1')));
    while (!out.includes('listening')) await pause(10);
    const good = new Client(port);
    await good.alone();
    const descriptors = (): number => readdirSync(`/proc/${ring3.pid}/fd`).length;
    const before = descriptors();
    const script = `
      let n = 0;
      for (let i = 0; i < 200; i++) {
        const s = require('net').connect(${port}, '127.0.0.1', () => {
          s.write(i % 2 ? '!flood' : Buffer.alloc(i * 50 + 1, "u"), () => { if (++n === 200) console.log('sent'); });
        });
      }`;
    for (let round = 0; round < 2; round++) {
      ring3.kill('SIGSTOP');
      const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      const gone = new Promise((r) => child.once('exit', r));
      await new Promise((r) => child.stdout.once('data', r));
      child.kill('SIGKILL');
      await gone;
      while (states(port).filter((s) => s === '08').length < 200) await pause(5);
      ring3.kill('SIGCONT');
      await good.alone();
      await untilClosed(port);
      while (descriptors() > before) await pause(20);
    }
    const ended = new Promise((r) => ring3.once('close', r));
    good.quit();
    expect(await ended).toBe(0);
    expect(out).toBe('listening\nserved 401\n');
  });

  it.each([
    ['exits', guestPath('hello'), 0],
    ['dies', guestPath('misbehave-musl'), null],
  ])('whose guest %s before it listens resets those that wait', async (_how, program, code) => {
    const machine = await Machine.boot({
      program: program!,
      argv: ['guest', 'null'],
      publish: [{ hostPort: 0, guestPort: 80 }],
    });
    const [port] = machine.ports;
    const wait = async (): Promise<string | undefined> => {
      const s = connect(port, '127.0.0.1');
      s.resume();
      s.on('connect', () => s.write('anybody?'));
      let error: string | undefined;
      s.on('error', (e: NodeJS.ErrnoException) => (error = e.code));
      return new Promise((resolve) => s.on('close', () => resolve(error)));
    };
    const early = Promise.all([wait(), wait(), wait()]);
    if (process.platform === 'linux') while (states(port).length < 3) await pause(5);
    for (let i = 0; i < 5; i++) await pause(5); // the host takes them
    expect((await machine.run()).code).toBe(code);
    expect(await early).toEqual(Array(3).fill('ECONNRESET'));
    expect(await wait()).toBe('ECONNREFUSED');
    machine.dispose();
  });
});
