import { afterEach, describe, expect, it } from 'vitest';
import dgram from 'node:dgram';
import nodeNet from 'node:net';
import { netRows as rows } from '../../../kernel/net/rows.ts';
import * as E from '../../../kernel/abi/errno.ts';
import { HostNetwork, PublishError } from '../../../src/host/host-net.ts';
import { AF_INET, DGRAM, NONBLOCK, STREAM, network } from './harness.ts';
import type { NetTask } from './harness.ts';

const open: HostNetwork[] = [];
afterEach(() => {
  for (const h of open.splice(0)) h.close();
});

/** A guest that answers every byte with itself, driven by the host's activity. */
function echoServer(t: NetTask, port: number) {
  const l = t.socket(AF_INET, STREAM | NONBLOCK);
  t.bind(l, '0.0.0.0', port);
  t.call(rows.listen, l, 1024);
  const buf = t.alloc(8192);
  /** Descriptor → bytes read and not yet written back. */
  const conns = new Map<number, { at: number; left: number; done: boolean }>();
  const ends: number[] = [];
  const run = () => {
    for (;;) {
      const fd = t.call(rows.accept4, l, 0, 0, NONBLOCK) as number;
      if (fd < 0) break;
      conns.set(fd, { at: t.alloc(0), left: 0, done: false });
    }
    for (const fd of conns.keys()) {
      for (;;) {
        const n = t.call(rows.recvfrom, fd, buf, 8192, 0x40, 0, 0) as number;
        if (n === -E.EAGAIN) break;
        if (n <= 0) {
          ends.push(n);
          t.close(fd);
          conns.delete(fd);
          break;
        }
        expect(t.call(rows.sendto, fd, buf, n, 0x4040, 0, 0)).toBe(n);
      }
    }
  };
  return { run, conns, ends, l };
}

function host(t: ReturnType<typeof network>, activity: () => void): HostNetwork {
  let scheduled = false;
  const h = new HostNetwork(t.net, () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      activity();
    });
  });
  open.push(h);
  return h;
}

const read = (s: NodeJS.ReadableStream): Promise<string> =>
  new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    s.on('data', (d: Buffer) => parts.push(d));
    s.on('end', () => resolve(Buffer.concat(parts).toString('latin1')));
    s.on('error', reject);
  });

describe('published ports', () => {
  it('200 clients exchange 10,000 messages, none lost', async () => {
    const n = network();
    const server = echoServer(n.t, 8080);
    const h = host(n, server.run);
    await h.publish([{ hostPort: 0, guestPort: 8080 }]);
    const clients = Array.from({ length: 200 }, async (_, id) => {
      const c = nodeNet.connect(h.ports[0], '127.0.0.1');
      let got = '';
      c.on('data', (d) => (got += d.toString()));
      let want = '';
      for (let i = 0; i < 50; i++) {
        const text = `${id}:${i};`;
        want += text;
        c.write(text);
        while (got.length < want.length) await new Promise((r) => setImmediate(r));
      }
      c.end();
      return got === want;
    });
    expect((await Promise.all(clients)).filter((ok) => ok).length).toBe(200);
  }, 60_000);

  it('holds clients until the guest listens, refuses them once it has stopped', async () => {
    const n = network();
    const servers: ReturnType<typeof echoServer>[] = [];
    const h = host(n, () => servers.forEach((s) => s.run()));
    await h.publish([{ hostPort: 0, guestPort: 80 }]);
    const early = nodeNet.connect(h.ports[0], '127.0.0.1');
    const text = read(early);
    early.end('early bird');
    await new Promise((r) => setTimeout(r, 50));
    const server = echoServer(n.t, 80);
    servers.push(server);
    server.run();
    expect(await text).toBe('early bird');
    n.t.close(server.l);
    const late = nodeNet.connect(h.ports[0], '127.0.0.1');
    const e = await new Promise<NodeJS.ErrnoException>((r) => late.once('error', r));
    expect(e.code).toBe('ECONNRESET');
  });

  it('stops a guest that sends faster than the client reads, and loses nothing', async () => {
    const n = network();
    const { t } = n;
    const l = t.socket(AF_INET, STREAM);
    t.bind(l, '0.0.0.0', 90);
    t.call(rows.listen, l, 5);
    const data = new Uint8Array(100_000).map((_, i) => i);
    const at = t.bytes(data);
    let fd = -1;
    let sent = 0;
    const total = 20_000_000;
    let refused = 0;
    const pump = () => {
      if (fd < 0 && (t.at(l).poll() & 1) !== 0) fd = t.call(rows.accept4, l, 0, 0, NONBLOCK) as number;
      while (fd >= 0 && sent < total) {
        const r = t.call(
          rows.sendto,
          fd,
          at + (sent % data.length),
          Math.min(data.length - (sent % data.length), total - sent),
          0,
          0,
          0,
        );
        if (r === -E.EAGAIN) {
          refused++;
          return;
        }
        if ((r as number) < 0) throw new Error(`sendto: ${r}`);
        sent += r as number;
        if (sent === total) t.close(fd);
      }
    };
    const h = host(n, pump);
    await h.publish([{ hostPort: 0, guestPort: 90 }]);
    const c = nodeNet.connect(h.ports[0], '127.0.0.1');
    c.pause();
    await new Promise((r) => setTimeout(r, 200));
    pump();
    expect(refused).toBeGreaterThan(0);
    expect(sent).toBeLessThan(total);
    let got = 0;
    let wrong = 0;
    await new Promise<void>((done) => {
      c.on('data', (d) => {
        for (let i = 0; i < d.length; i += 997) if (d[i] !== data[(got + i) % data.length]) wrong++;
        got += d.length;
      });
      c.on('end', done);
      c.resume();
    });
    expect([got, wrong]).toEqual([total, 0]);
  }, 30_000);

  it('tells the guest of a client killed in the middle', async () => {
    const n = network();
    const server = echoServer(n.t, 8081);
    const h = host(n, server.run);
    await h.publish([{ hostPort: 0, guestPort: 8081 }]);
    const c = nodeNet.connect(h.ports[0], '127.0.0.1');
    c.write('x');
    await new Promise((r) => c.once('data', r));
    c.resetAndDestroy();
    while (server.ends.length === 0) await new Promise((r) => setImmediate(r));
    expect(server.ends).toEqual([-E.ECONNRESET]);
  });

  it('carries datagrams both ways', async () => {
    const n = network();
    const { t } = n;
    const s = t.socket(AF_INET, DGRAM | NONBLOCK);
    t.bind(s, '0.0.0.0', 53);
    const buf = t.alloc(64);
    const from = t.alloc(16);
    const len = t.alloc(4);
    const h = host(n, () => {
      t.mem.putU32(len, 16);
      const r = t.call(rows.recvfrom, s, buf, 64, 0, from, len) as number;
      if (r > 0) t.call(rows.sendto, s, buf, r, 0, from, 16);
    });
    await h.publish([{ hostPort: 0, guestPort: 53, protocol: 'udp' }]);
    const c = dgram.createSocket('udp4');
    const answer = new Promise<Buffer>((r) => c.once('message', r));
    c.send('query', h.ports[0], '127.0.0.1');
    expect((await answer).toString()).toBe('query');
    c.close();
  });

  it('says in one line why a port cannot be had', async () => {
    const taken = nodeNet.createServer().listen(0, '127.0.0.1');
    await new Promise((r) => taken.once('listening', r));
    const { port } = taken.address() as nodeNet.AddressInfo;
    const h = host(network(), () => {});
    await expect(h.publish([{ hostPort: port, guestPort: 1 }])).rejects.toThrow(PublishError);
    await expect(h.publish([{ hostPort: port, guestPort: 1 }])).rejects.toThrow(
      /127\.0\.0\.1:\d+: the port is taken/,
    );
    taken.close();
  });
});

describe('connections from within the process', () => {
  it('are duplex streams that end like sockets', async () => {
    const n = network();
    const server = echoServer(n.t, 1234);
    const h = host(n, server.run);
    const c = h.client(1234);
    const connected = new Promise((r) => c.once('connect', r));
    const text = read(c);
    c.write('hello ');
    c.end('world');
    await connected;
    expect(await text).toBe('hello world');
    n.t.close(server.l);
    const refused = h.client(1234);
    const e = await new Promise<NodeJS.ErrnoException>((r) => refused.once('error', r));
    expect(e.code).toBe('ECONNREFUSED');
  });
  it('reach a server on localhost, from localhost', () => {
    const n = network();
    const { t } = n;
    const l = t.socket(AF_INET, STREAM);
    t.bind(l, '127.0.0.1', 77);
    t.call(rows.listen, l, 1);
    host(n, () => {}).client(77);
    const a = t.call(rows.accept, l, 0, 0) as number;
    expect((t.at(a).getname(true) as Uint8Array).slice(4, 8)).toEqual(Uint8Array.of(127, 0, 0, 1));
  });
});

it('tells the guest of a reset while it reads nothing', async () => {
  const n = network();
  const { t } = n;
  const l = t.socket(AF_INET, STREAM);
  t.bind(l, '0.0.0.0', 80);
  t.call(rows.listen, l, 3);
  const h = new HostNetwork(n.net, () => {}, 2);
  open.push(h);
  await h.publish([{ hostPort: 0, guestPort: 80 }]);
  const c = nodeNet.connect(h.ports[0], '127.0.0.1');
  c.on('error', () => undefined);
  c.write(Buffer.alloc(4 << 20));
  const paused = (h as unknown as { paused: Set<unknown> }).paused;
  while (paused.size === 0) await new Promise((r) => setImmediate(r));
  const fd = t.call(rows.accept, l, 0, 0) as number;
  expect(t.poll(fd)).toBe('IN|OUT|RDN|WRN');
  c.resetAndDestroy();
  while (t.poll(fd).startsWith('IN|OUT|RDN')) await new Promise((r) => setImmediate(r));
  expect(t.poll(fd)).toBe('IN|OUT|ERR|HUP|RDN|WRN|RDHUP');
  expect(paused.size).toBe(0);
});

describe('a client nobody takes', () => {
  const reset = (c: nodeNet.Socket): Promise<string | undefined> =>
    new Promise((resolve) => {
      let code: string | undefined;
      c.on('error', (e: NodeJS.ErrnoException) => (code = e.code));
      c.on('close', () => resolve(code));
      c.resume();
    });
  const connected = async (port: number): Promise<nodeNet.Socket> => {
    const c = nodeNet.connect(port, '127.0.0.1');
    await new Promise((r) => c.once('connect', r));
    c.write('are you there?');
    return c;
  };
  const held = (n: ReturnType<typeof network>): number =>
    [...(n.net as unknown as { held: Map<number, unknown[]> }).held.values()].flat().length;

  it('waits while the machine works, and is reset once it has long been idle', async () => {
    const n = network();
    const h = new HostNetwork(n.net, () => {}, 2);
    open.push(h);
    let idle = 5000;
    h.idleTime = () => idle;
    await h.publish([{ hostPort: 0, guestPort: 80 }]);
    const c = await connected(h.ports[0]);
    const end = reset(c);
    while (held(n) === 0) await new Promise((r) => setImmediate(r));
    idle += 10_000;
    for (let i = 0; i < 5; i++) await new Promise((r) => setTimeout(r, 3));
    expect(c.destroyed).toBe(false);
    idle += 1;
    expect(await end).toBe('ECONNRESET');
    expect(held(n)).toBe(0);
    // Whoever comes later waits as long.
    const next = await connected(h.ports[0]);
    while (held(n) === 0) await new Promise((r) => setImmediate(r));
    const server = echoServer(n.t, 80);
    expect(held(n)).toBe(0);
    server.run();
    idle += 100_000;
    expect(server.conns.size).toBe(1);
    next.destroy();
  });

  it('is reset, not ended, when the machine goes', async () => {
    const n = network();
    const h = host(n, () => {});
    await h.publish([{ hostPort: 0, guestPort: 80 }]);
    const c = await connected(h.ports[0]);
    const end = reset(c);
    while (held(n) === 0) await new Promise((r) => setImmediate(r));
    h.close();
    expect(await end).toBe('ECONNRESET');
  });

  it('is one of few where the guest listens and accepts nobody', async () => {
    const n = network();
    const l = n.t.socket(AF_INET, STREAM);
    n.t.bind(l, '0.0.0.0', 80);
    n.t.call(rows.listen, l, 3);
    const h = host(n, () => {});
    await h.publish([{ hostPort: 0, guestPort: 80 }]);
    const clients = await Promise.all(Array.from({ length: 20 }, () => connected(h.ports[0])));
    const ends = clients.map(reset);
    const waiting = (h as unknown as { waiting: Map<unknown, unknown> }).waiting;
    while (waiting.size < 16) await new Promise((r) => setImmediate(r));
    // Half of those that wait give up: nothing of them is left.
    const syns = (n.t.at(l) as unknown as { syns: unknown[] }).syns;
    expect(syns.length).toBe(16);
    for (const c of clients.slice(0, 10)) c.resetAndDestroy();
    while (syns.length > 10) await new Promise((r) => setImmediate(r));
    n.t.close(l);
    expect(await Promise.all(ends.slice(10))).toEqual(Array(10).fill('ECONNRESET'));
  });
});

describe('what a guest sent before it ended', () => {
  it('reaches a client that reads slowly, and the end behind it', async () => {
    const n = network();
    const { t } = n;
    const l = t.socket(AF_INET, STREAM);
    t.bind(l, '0.0.0.0', 90);
    t.call(rows.listen, l, 5);
    const data = t.bytes(new Uint8Array(100_000).fill(7));
    let sent = 0;
    const h = host(n, () => {
      if (sent > 0 || (t.at(l).poll() & 1) === 0) return;
      const fd = t.call(rows.accept4, l, 0, 0, NONBLOCK) as number;
      for (let r = 1; r > 0; sent += Math.max(r, 0))
        r = t.call(rows.sendto, fd, data, 100_000, 0, 0, 0) as number;
      t.close(fd);
    });
    await h.publish([{ hostPort: 0, guestPort: 90 }]);
    const c = nodeNet.connect(h.ports[0], '127.0.0.1');
    c.pause();
    while (sent === 0) await new Promise((r) => setImmediate(r));
    let got = 0;
    let ended = false;
    c.on('data', (d) => (got += d.length));
    c.on('end', () => (ended = true));
    h.guestGone();
    c.resume();
    await h.allSent();
    h.close();
    while (!ended) await new Promise((r) => setImmediate(r));
    expect(got).toBe(sent);
  });

  it('leaves as datagrams, too', async () => {
    const outside = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await new Promise((r) => outside.once('listening', r));
    const heard = new Promise<string>((r) => outside.once('message', (m) => r(m.toString())));
    const h = host(network(), () => {});
    const from = { ip: 0x7f000001, port: 5000 };
    h.sendDatagram(from, { ip: 0x7f000001, port: outside.address().port }, Buffer.from('the last word'));
    h.datagramPortClosed(from.port);
    await h.allSent();
    h.close();
    expect(await heard).toBe('the last word');
    outside.close();
  });
});

describe('the way out', () => {
  it('is closed unless it was opened', async () => {
    const outside = nodeNet.createServer((c) => c.end('from outside')).listen(0, '127.0.0.1');
    await new Promise((r) => outside.once('listening', r));
    const n = network();
    const { t } = n;
    const s = t.socket(AF_INET, STREAM);
    expect(t.connect(s, '192.0.2.1', 80)).toBe(-E.ENETUNREACH);
    const h = host(n, () => {});
    h.openOutside();
    // 127.0.0.1 is the guest's own: an outside address is what the test redirects.
    const { port } = outside.address() as nodeNet.AddressInfo;
    const dial = h.connect.bind(h);
    n.net.host = { ...unbound(h), connect: (c, to) => dial(c, { ip: 0x7f000001, port: to.port }) };
    expect(t.connect(s, '192.0.2.1', port)).toBe('parked');
    while (!t.woken) await new Promise((r) => setImmediate(r));
    expect(t.resume()).toBe(0);
    let got: string | number = t.recv(s, 100);
    while (got === 'parked') {
      await new Promise((r) => setImmediate(r));
      if (t.woken) got = t.resume() === 12 ? 'from outside' : -1;
    }
    expect(got).toBe('from outside');
    outside.close();
    await new Promise((r) => setTimeout(r, 20));
    const again = t.socket(AF_INET, STREAM);
    expect(t.connect(again, '192.0.2.1', port)).toBe('parked');
    while (!t.woken) await new Promise((r) => setImmediate(r));
    expect(t.resume()).toBe(-E.ECONNREFUSED);
  });
});

function unbound(h: HostNetwork) {
  return {
    sendDatagram: h.sendDatagram.bind(h),
    datagramPortClosed: h.datagramPortClosed.bind(h),
  };
}
