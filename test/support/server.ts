/** Servers in a guest, and clients for them on the host. */
import { connect } from 'node:net';
import { Machine, type BootOptions } from '../../src/index.ts';

/** Boots a server and waits for its "listening". */
export async function serve(
  program: string,
  port: number,
  options: Partial<BootOptions> = {},
): Promise<{ machine: Machine; run: Promise<unknown>; port: number }> {
  const machine = await Machine.boot({
    program,
    argv: [program, `0.0.0.0:${port}`],
    cpus: 4,
    publish: [{ hostPort: 0, guestPort: port }],
    ...options,
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
export function client(port: number, id: number, messages: number): Promise<number> {
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
