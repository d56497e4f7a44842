/** gdb over TCP: one client at a time, as gdbserver has it. */
import net from 'node:net';
import { GdbSession, type SessionEnd } from '../gdb/session.ts';
import { BootError } from '../machine/errors.ts';
import type { Machine } from '../machine/machine.ts';

export interface GdbServerOptions {
  /** Host address and port; port 0 takes a free one. */
  readonly address: string;
  readonly port: number;
  /** The machine replays a recording: it is not killed. */
  readonly recorded?: boolean;
  /** Told whom to call at ^C on a terminal that sends no signal for it. */
  readonly onInterruptKey?: (pressed: () => void) => void;
  /** Takes lines for the person at the terminal. */
  readonly report: (line: string) => void;
}

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Waits for gdb and lets it have the machine until gdb detaches or kills it or it is over; it can be run on then. When the
 * connection is lost the machine stands still until gdb comes again. Throws BootError when the port cannot be had.
 */
export async function serveGdb(machine: Machine, options: GdbServerOptions): Promise<SessionEnd> {
  if (!machine.internals.loop.cpu.debug) throw new BootError('setup', '--gdb needs --cpu jit or interp');
  const { address, port, report } = options;
  let socket: net.Socket | null = null;
  let current: GdbSession | null = null;
  let done!: (end: SessionEnd) => void;
  let failed!: (e: unknown) => void;
  const ended = new Promise<SessionEnd>((resolve, reject) => {
    done = resolve;
    failed = reject;
  });
  const begin = (client: net.Socket): void => {
    const session = new GdbSession(machine, (bytes) => void client.write(bytes, 'latin1'));
    current = session;
    session.recorded = options.recorded ?? false;
    let over = false;
    const leave = (): void => void (over = true);
    session.ended.then(leave, leave);
    session.ended.then(done, failed);
    client.on('data', (data) => {
      session.receive(data.toString('latin1'));
    });
    const gone = (): void => {
      // Another gdb may come when the machine stands still.
      void session.disconnected().then(() => {
        if (over) return;
        socket = current = null;
        report('gdb is gone, and the guest stands still until it comes again (or ^C)');
      });
    };
    if (client.destroyed) gone();
    else client.on('close', gone);
  };
  const server = net.createServer((client) => {
    client.on('error', () => undefined);
    if (socket !== null) {
      report('a second gdb was turned away: the guest has one already');
      client.destroy();
      return;
    }
    socket = client;
    client.setNoDelay(true);
    begin(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (e: NodeJS.ErrnoException) => {
      const why = e.code === 'EADDRINUSE' ? 'it is in use' : e.code === 'EACCES' ? 'permission denied' : (e.code ?? e.message);
      reject(new BootError('setup', `cannot wait for gdb on ${address}:${port}: ${why}`));
    });
    server.listen(port, address, resolve);
  });
  const at = server.address() as net.AddressInfo;
  const where = at.family === 'IPv6' ? `[${at.address}]:${at.port}` : `${at.address}:${at.port}`;
  report(`waiting for gdb: target remote ${where}`);
  // A guest that stands still hears no signals: they are for who makes it stand still.
  let serving = true;
  const stopped = (signal: string): void => {
    if (!serving || current?.running) return;
    report(`${signal} while gdb held the guest: it is killed`);
    if (current) current.kill();
    else {
      if (!options.recorded) machine.kill('SIGKILL');
      done('killed');
    }
  };
  for (const signal of ENDING) process.on(signal, stopped);
  options.onInterruptKey?.(() => {
    stopped('^C');
  });
  try {
    return await ended;
  } finally {
    serving = false;
    for (const signal of ENDING) process.off(signal, stopped);
    server.close();
    (socket as net.Socket | null)?.end();
  }
} // prettier-ignore
