/** What guests make the kernel hold is counted, is bounded, and comes back. */
import { describe, expect, it } from 'vitest';
import { EAGAIN, ENFILE, ENOBUFS } from '../../kernel/abi/errno.ts';
import { installFile } from '../../kernel/fs/file.ts';
import { IoBuf } from '../../kernel/mm/iobuf.ts';
import { SOCK_STREAM } from '../../kernel/net/constants.ts';
import { UnixSocket } from '../../kernel/net/unix.ts';
import { network } from '../kernel/net/harness.ts';

const plain = { to: null, control: null, flags: 0 };

describe('kernel memory', () => {
  it('stops unread bytes of many sockets at its limit, and has everything back after the last close', () => {
    const { kernel, net, t: task } = network();
    const t = task.task;
    const before = kernel.kmem.used;
    const chunk = IoBuf.of(new Uint8Array(65536));
    const fds: number[] = [];
    let stopped = 0;
    while (stopped === 0) {
      const [a, b] = UnixSocket.pair(t, net, SOCK_STREAM);
      a.options.sndbuf = 2 ** 30;
      for (const s of [a, b]) {
        const fd = installFile(t, s, false);
        if (fd < 0) stopped = fd;
        else fds.push(fd);
      }
      let n = 0;
      while (stopped === 0 && (n = a.send(t, chunk, plain)) > 0);
      if (n < 0 && n !== -EAGAIN) stopped = n;
    }
    expect([-ENOBUFS, -ENFILE]).toContain(stopped);
    expect(kernel.kmem.used).toBeLessThanOrEqual(kernel.kmem.max);
    t.fds.closeAll(t);
    expect(kernel.kmem.used).toBe(before);
  });

  it('collects sockets that hold only one another', () => {
    const { kernel, net, t: task } = network();
    const t = task.task;
    const before = kernel.kmem.used;
    for (let i = 0; i < 100; i++) {
      const [a, b] = UnixSocket.pair(t, net, SOCK_STREAM);
      const fds = [a, b].map((s) => installFile(t, s, false));
      const control = (...files: UnixSocket[]) => ({
        files: files.map((f) => f.retain()),
        creds: null,
        other: [],
      });
      a.send(t, IoBuf.of(Uint8Array.of(1)), { ...plain, control: control(a, b) });
      b.send(t, IoBuf.of(Uint8Array.of(1)), { ...plain, control: control(a) });
      for (const fd of fds) t.fds.close(fd, t);
    }
    expect(net.inFlight.count).toBe(0);
    t.fds.closeAll(t);
    expect(kernel.kmem.used).toBe(before);
  });

  it('lets go of sockets nested in messages to any depth', () => {
    const { net, t: task } = network();
    const t = task.task;
    let inner: UnixSocket | null = null;
    for (let i = 0; i < 5000; i++) {
      const [a, b]: [UnixSocket, UnixSocket] = UnixSocket.pair(t, net, SOCK_STREAM);
      a.retain();
      b.retain();
      const files = inner === null ? [] : [inner];
      a.send(t, IoBuf.of(Uint8Array.of(1)), { ...plain, control: { files, creds: null, other: [] } });
      a.drop();
      inner = b;
    }
    expect(net.inFlight.count).toBe(4999);
    inner!.drop();
    expect(net.inFlight.count).toBe(0);
  });
});
