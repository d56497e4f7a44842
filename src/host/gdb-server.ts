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
  /** Takes lines for the person at the terminal. */
  readonly report: (line: string) => void;
}

/**
 * Waits for gdb and lets it have the machine until gdb detaches or kills it or it is over; it can be run on then. When the
 * connection is lost the machine stands still until gdb comes again. Throws BootError when the port cannot be had.
 */
export async function serveGdb(machine: Machine, options: GdbServerOptions): Promise<SessionEnd> {
  if (!machine.internals.loop.cpu.debug) throw new BootError('setup', '--gdb needs --cpu jit or interp');
  const { address, port, report } = options;
  let session: GdbSession | null = null;
  let socket: net.Socket | null = null;
  let done!: (end: 'over' | 'detached' | 'killed') => void;
  const ended = new Promise<'over' | 'detached' | 'killed'>((resolve) => (done = resolve));
  const server = net.createServer((client) => {
    if (socket !== null) {
      report(`a second gdb was turned away`);
      client.destroy();
      return;
    }
    socket = client;
    client.setNoDelay(true);
    const own = new GdbSession(machine, (bytes) => void client.write(bytes, 'latin1'));
    session = own;
    own.recorded = options.recorded ?? false;
    void own.ended.then(done);
    client.on('data', (data) => {
      own.receive(data.toString('latin1'));
    });
    client.on('error', () => undefined);
    client.on('close', () => {
      if (session !== own) return;
      socket = session = null;
      own.disconnected();
    });
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
  const end = await ended;
  server.close();
  (socket as net.Socket | null)?.end();
  return end;
} // prettier-ignore
