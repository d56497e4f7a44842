/** Stands in for src/host/host-net.ts: a page has no ports to publish and no sockets to lend. It can speak to the guest's own. */
import type { HostConnection } from '../../kernel/net/host-port.ts';
import type { NetStack } from '../../kernel/net/stack.ts';
import type { Publication } from '../host/host-net.ts';
import { BootError } from '../machine/errors.ts';

export class PublishError extends Error {
  override readonly name = 'PublishError';
}

export class HostNetwork {
  /** Snapshots leave it alone. */
  readonly rewinds = false;
  readonly ports: readonly number[] = [];
  readonly live = false;
  private readonly stack: NetStack;
  private readonly onActivity: () => void;
  private readonly clients = new Set<HostConnection>();
  idleTime: () => number = () => 0;

  constructor(stack: NetStack, onActivity: () => void) {
    this.stack = stack;
    this.onActivity = onActivity;
  }

  openOutside(): void {
    throw new BootError('setup', 'a browser has no network to lend: leave BootOptions.hostNetwork out');
  }

  publish(list: readonly Publication[]): Promise<void> {
    if (list.length === 0) return Promise.resolve();
    return Promise.reject(
      new BootError('setup', 'a browser has no ports to publish: speak to the guest with Machine.connect'),
    );
  }

  flush(): boolean {
    return false;
  }

  client(guestPort: number): GuestConnection {
    const connection = this.stack.hostConnect(guestPort, this.stack.nextClientPort());
    this.clients.add(connection);
    return new GuestConnection(connection, this.onActivity);
  }

  guestGone(): void {}

  allSent(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    for (const c of this.clients) if (!c.closed) c.abort();
    this.clients.clear();
  }
}

/** A stream to a guest socket, as a web stream of bytes each way. */
export class GuestConnection {
  readonly web: ReadableWritablePair<Uint8Array, Uint8Array>;

  constructor(connection: HostConnection, onActivity: () => void) {
    let reading: ReadableStreamDefaultController<Uint8Array>;
    let room = (): void => {};
    let pulled = (): void => {};
    let failed: Error | null = connection.closed ? new Error('guest connection: ECONNREFUSED') : null;
    let scheduled = false;
    // The kernel calls these in the middle of a slice; user code is told afterwards.
    const later = (f: () => void) => (): void => queueMicrotask(f);
    const pump = (): void => {
      scheduled = false;
      while ((reading.desiredSize ?? 0) > 0 && connection.pending > 0) reading.enqueue(connection.take());
      if (connection.ended && connection.pending === 0 && failed === null) {
        failed = new Error('guest connection: over');
        reading.close();
      }
      pulled();
      onActivity();
    };
    const schedule = (): void => {
      if (scheduled) return;
      scheduled = true;
      queueMicrotask(pump);
    };
    const broken = (code: string): void => {
      room();
      if (failed !== null) return;
      failed = new Error(`guest connection: ${code}`);
      reading.error(failed);
    };
    connection.handler = {
      data: schedule,
      end: schedule,
      drain: later(() => room()),
      reset: later(() => broken('ECONNRESET')),
      refused: later(() => broken('ECONNREFUSED')),
    };
    const readable = new ReadableStream<Uint8Array>({
      start: (controller) => {
        reading = controller;
        if (failed) controller.error(failed);
      },
      pull: () => {
        if (connection.pending === 0 && !connection.ended) return;
        return new Promise<void>((resolve) => {
          pulled = resolve;
          schedule();
        });
      },
      cancel: () => {
        connection.abort();
        onActivity();
      },
    });
    const writable = new WritableStream<Uint8Array>({
      write: (bytes) => {
        if (connection.closed) throw failed ?? new Error('guest connection: ECONNRESET');
        const go = connection.write(bytes);
        onActivity();
        return go ? undefined : new Promise<void>((resolve) => (room = resolve));
      },
      close: () => {
        connection.end();
        onActivity();
      },
      abort: () => {
        connection.abort();
        onActivity();
      },
    });
    this.web = { readable, writable };
    onActivity();
  }
}
