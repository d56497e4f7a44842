import { describe, expect, it } from 'vitest';
import { netRows as rows } from '../../../kernel/net/rows.ts';
import * as E from '../../../kernel/abi/errno.ts';
import { AF_INET, AF_INET6, NONBLOCK, STREAM, network, tcpPair } from './harness.ts';

const SHUT_RD = 0, SHUT_WR = 1, SHUT_RDWR = 2; // prettier-ignore
const MSG_PEEK = 2, MSG_DONTWAIT = 0x40, MSG_WAITALL = 0x100, MSG_NOSIGNAL = 0x4000, MSG_TRUNC = 0x20; // prettier-ignore
const SOL = 1, REUSEADDR = 2, SO_ERROR = 4, SNDBUF = 7, RCVBUF = 8, LINGER = 13, REUSEPORT = 15; // prettier-ignore

describe('TCP poll masks, as Linux 6.18 gave them', () => {
  it('of a new socket, a listener, and a connection', () => {
    const { t } = network();
    const s = t.socket(AF_INET, STREAM);
    expect(t.poll(s)).toBe('OUT|HUP|WRN');
    const l = t.socket(AF_INET, STREAM);
    t.bind(l, '127.0.0.1', 0);
    t.call(rows.listen, l, 5);
    expect(t.poll(l)).toBe('');
    t.connect(s, '127.0.0.1', t.port(l));
    expect(t.poll(l)).toBe('IN|RDN');
    expect(t.poll(s)).toBe('OUT|WRN');
  });
  it('after half closes', () => {
    const { t } = network();
    const { c, a } = tcpPair(t);
    t.call(rows.shutdown, c, SHUT_WR);
    expect([t.poll(c), t.poll(a)]).toEqual(['OUT|WRN', 'IN|OUT|RDN|WRN|RDHUP']);
    t.call(rows.shutdown, a, SHUT_WR);
    expect([t.poll(c), t.poll(a)]).toEqual(['IN|OUT|HUP|RDN|WRN|RDHUP', 'IN|OUT|HUP|RDN|WRN|RDHUP']);
    expect(t.send(c, 'x', MSG_NOSIGNAL)).toBe(-E.EPIPE);
    expect(t.recv(c, 1)).toBe('');
  });
  it('after shutdown for reading: what still comes can be read', () => {
    const { t } = network();
    const { c, a } = tcpPair(t);
    t.call(rows.shutdown, c, SHUT_RD);
    expect([t.poll(c), t.poll(a)]).toEqual(['IN|OUT|RDN|WRN|RDHUP', 'OUT|WRN']);
    t.send(a, 'hi');
    expect(t.recv(c, 10)).toBe('hi');
    expect(t.recv(c, 10)).toBe('');
    t.call(rows.shutdown, c, SHUT_RDWR);
    expect([t.poll(c), t.poll(a)]).toEqual(['IN|OUT|HUP|RDN|WRN|RDHUP', 'IN|OUT|RDN|WRN|RDHUP']);
  });
  it('of a refused connection', () => {
    const { t } = network();
    const s = t.socket(AF_INET, STREAM | NONBLOCK);
    expect(t.connect(s, '127.0.0.1', 1)).toBe(-E.EINPROGRESS);
    expect(t.poll(s)).toBe('IN|OUT|ERR|HUP|RDN|WRN|RDHUP');
    expect(t.getInt(s, SOL, SO_ERROR)).toBe(E.ECONNREFUSED);
    expect(t.poll(s)).toBe('IN|OUT|HUP|RDN|WRN|RDHUP');
    expect(t.connect(s, '127.0.0.1', 1)).toBe(-E.ECONNABORTED);
    expect(t.connect(s, '127.0.0.1', 1)).toBe(-E.EINPROGRESS);
    expect(t.connect(s, '127.0.0.1', 1)).toBe(-E.ECONNREFUSED);
    const b = t.socket(AF_INET, STREAM);
    expect(t.connect(b, '127.0.0.1', 1)).toBe(-E.ECONNREFUSED);
    expect(t.poll(b)).toBe('OUT|HUP|WRN');
    expect(t.send(b, 'x', MSG_NOSIGNAL)).toBe(-E.EPIPE);
    expect(t.recv(b, 1)).toBe(-E.ENOTCONN);
  });
});

describe('TCP connecting', () => {
  it('gives EINPROGRESS, then 0, then EISCONN to a non-blocking socket', () => {
    const { t } = network();
    const l = t.socket(AF_INET, STREAM);
    t.bind(l, '0.0.0.0', 0);
    t.call(rows.listen, l, 1);
    const c = t.socket(AF_INET, STREAM | NONBLOCK);
    const port = t.port(l);
    expect(t.connect(c, '127.0.0.1', port)).toBe(-E.EINPROGRESS);
    expect(t.connect(c, '127.0.0.1', port)).toBe(0);
    expect(t.connect(c, '127.0.0.1', port)).toBe(-E.EISCONN);
  });
  it('holds connections back while the accept queue is full', () => {
    const { t, u } = network();
    const l = t.socket(AF_INET, STREAM);
    t.bind(l, '127.0.0.1', 0);
    t.call(rows.listen, l, 0);
    const port = t.port(l);
    const c1 = t.socket(AF_INET, STREAM);
    expect(t.connect(c1, '127.0.0.1', port)).toBe(0);
    const c2 = u.socket(AF_INET, STREAM);
    expect(u.connect(c2, '127.0.0.1', port)).toBe('parked');
    const c3 = t.socket(AF_INET, STREAM | NONBLOCK);
    expect(t.connect(c3, '127.0.0.1', port)).toBe(-E.EINPROGRESS);
    expect(t.connect(c3, '127.0.0.1', port)).toBe(-E.EALREADY);
    expect(t.poll(c3)).toBe('');
    expect(t.call(rows.accept, l, 0, 0)).toBeGreaterThan(0);
    expect(u.woken).toBe(true);
    expect(u.resume()).toBe(0);
    t.close(l);
    expect(t.poll(c3)).toBe('IN|OUT|ERR|HUP|RDN|WRN|RDHUP');
    expect(u.poll(c2)).toBe('IN|OUT|ERR|HUP|RDN|WRN|RDHUP'); // was never accepted: reset
    expect(u.recv(c2, 1)).toBe(-E.ECONNRESET);
  });
  it('names both ends, and reaches IPv4 listeners from IPv6 sockets', () => {
    const { t } = network();
    const l = t.socket(AF_INET6, STREAM);
    expect(t.bind(l, '::', 0)).toBe(0);
    t.call(rows.listen, l, 5);
    const c = t.socket(AF_INET, STREAM);
    expect(t.connect(c, '127.0.0.5', t.port(l))).toBe(0);
    const addr = t.alloc(32);
    const len = t.alloc(8);
    t.mem.putU32(len, 28);
    const a = t.call(rows.accept4, l, addr, len, NONBLOCK) as number;
    expect(t.mem.u32(len)).toBe(28);
    expect(t.read(addr + 8, 16)).toBe('\0'.repeat(10) + '\xff\xff\x7f\0\0\x01');
    expect(t.at(a).nonblocking).toBe(true);
    expect((t.at(a) as unknown as { traceName(): string }).traceName()).toBe(
      `TCPv6:[[::ffff:127.0.0.5]:${t.port(l)}->[::ffff:127.0.0.1]:${t.port(c)}]`,
    );
    t.mem.putU32(len, 4);
    t.mem.u8.fill(0xee, addr - 0x10000, addr - 0x10000 + 32);
    expect(t.call(rows.getpeername, c, addr, len)).toBe(0);
    expect([t.mem.u32(len), t.read(addr, 5)]).toEqual([16, '\x02\0' + t.read(addr + 2, 2) + '\xee']);
  });
  it('knows which addresses are its own', () => {
    const { t } = network();
    const s = t.socket(AF_INET, STREAM);
    expect(t.connect(s, '8.8.8.8', 53)).toBe(-E.ENETUNREACH);
    expect(t.bind(s, '10.0.2.15', 80)).toBe(-E.EADDRNOTAVAIL);
    expect(t.bind(s, '127.1.2.3', 80)).toBe(0);
    expect(t.bind(s, '127.0.0.1', 80)).toBe(-E.EINVAL);
    const six = t.socket(AF_INET6, STREAM);
    expect(t.call(rows.bind, six, ...t.inet('127.0.0.1', 80, AF_INET))).toBe(-E.EINVAL); // too short
    const four = t.socket(AF_INET, STREAM);
    expect(t.call(rows.bind, four, ...t.inet('::1', 80))).toBe(-E.EAFNOSUPPORT);
  });
  it('keeps ports below 1024 for those who may', () => {
    const { u } = network();
    const s = u.socket(AF_INET, STREAM);
    expect(u.bind(s, '127.0.0.1', 1023)).toBe(-E.EACCES);
    expect(u.bind(s, '127.0.0.1', 1024)).toBe(0);
  });
});

describe('port conflicts', () => {
  const two = (
    first: string,
    second: string,
    options: { reuse?: number; listen?: boolean; v6only?: boolean } = {},
  ) => {
    const { t } = network();
    const make = (ip: string) => {
      const s = t.socket(ip.includes(':') ? AF_INET6 : AF_INET, STREAM);
      if (options.reuse) t.setInt(s, SOL, options.reuse, 1);
      if (options.v6only && ip.includes(':')) t.setInt(s, 41, 26, 1);
      return [s, t.bind(s, ip, 8080)] as const;
    };
    const [a, r1] = make(first);
    expect(r1).toBe(0);
    if (options.listen) t.call(rows.listen, a, 1);
    return make(second)[1];
  };
  it.each([
    ['127.0.0.1', '127.0.0.1', {}, -E.EADDRINUSE],
    ['127.0.0.1', '127.0.0.2', {}, 0],
    ['0.0.0.0', '127.0.0.1', {}, -E.EADDRINUSE],
    ['127.0.0.1', '0.0.0.0', { reuse: REUSEADDR }, 0],
    ['127.0.0.1', '0.0.0.0', { reuse: REUSEADDR, listen: true }, -E.EADDRINUSE],
    ['127.0.0.1', '127.0.0.1', { reuse: REUSEPORT, listen: true }, 0],
    ['::', '0.0.0.0', {}, -E.EADDRINUSE],
    ['::', '0.0.0.0', { v6only: true }, 0],
    ['::1', '127.0.0.1', {}, 0],
    ['0.0.0.0', '::1', {}, 0],
    ['0.0.0.0', '::', {}, -E.EADDRINUSE],
  ] as const)('%s then %s %o: %i', (a, b, options, result) => {
    expect(two(a, b, options)).toBe(result);
  });
  it('lets only one of two SO_REUSEADDR sockets listen', () => {
    const { t } = network();
    const make = () => {
      const s = t.socket(AF_INET, STREAM);
      t.setInt(s, SOL, REUSEADDR, 1);
      expect(t.bind(s, '127.0.0.1', 8080)).toBe(0);
      return s;
    };
    const [a, b] = [make(), make()];
    expect(t.call(rows.listen, a, 1)).toBe(0);
    expect(t.call(rows.listen, b, 1)).toBe(-E.EADDRINUSE);
  });
  it('keeps the port in TIME_WAIT for a minute on the side that closed first', () => {
    const { t, kernel } = network();
    const { c, a, l, port } = tcpPair(t);
    t.close(a);
    t.close(c);
    t.close(l);
    const again = () => t.bind(t.socket(AF_INET, STREAM), '127.0.0.1', port);
    expect(again()).toBe(-E.EADDRINUSE);
    const reuse = t.socket(AF_INET, STREAM);
    t.setInt(reuse, SOL, REUSEADDR, 1);
    expect(t.bind(reuse, '127.0.0.1', port)).toBe(-E.EADDRINUSE); // the accepted socket had no SO_REUSEADDR
    kernel.now += 61e9;
    expect(again()).toBe(0);
  });
  it('spreads connections over a SO_REUSEPORT group', () => {
    const { t } = network();
    const group = [0, 1, 2].map(() => {
      const s = t.socket(AF_INET, STREAM | NONBLOCK);
      t.setInt(s, SOL, REUSEPORT, 1);
      t.bind(s, '127.0.0.1', 9000);
      t.call(rows.listen, s, 128);
      return s;
    });
    for (let i = 0; i < 90; i++) expect(t.connect(t.socket(AF_INET, STREAM), '127.0.0.1', 9000)).toBe(0);
    const counts = group.map((s) => {
      let n = 0;
      while ((t.call(rows.accept, s, 0, 0) as number) > 0) n++;
      return n;
    });
    expect(counts.reduce((x, y) => x + y)).toBe(90);
    for (const n of counts) expect(n).toBeGreaterThan(15);
  });
  it('hands out ephemeral ports in turn', () => {
    const { t } = network();
    const ports = [0, 1, 2].map(() => {
      const s = t.socket(AF_INET, STREAM);
      t.bind(s, '0.0.0.0', 0);
      return t.port(s);
    });
    expect(ports).toEqual([32768, 32769, 32770]);
  });
});

describe('TCP data', () => {
  it('parks a reader until bytes come; MSG_PEEK, MSG_TRUNC and MSG_WAITALL', () => {
    const { t, u } = network();
    const { c, a } = tcpPair(t);
    u.task.fds.set(5, t.at(a), false, u.task);
    expect(u.recv(5, 100)).toBe('parked');
    t.send(c, 'hello');
    expect(u.woken).toBe(true);
    expect(u.resume()).toBe(5);
    t.send(c, 'abcdef');
    expect(t.recv(a, 3, MSG_PEEK)).toBe('abc');
    expect(t.call(rows.recvfrom, a, 0, 2, MSG_TRUNC, 0, 0)).toBe(-E.EFAULT);
    const buf = t.alloc(16);
    expect(t.call(rows.recvfrom, a, buf, 2, MSG_TRUNC, 0, 0)).toBe(2);
    expect(t.read(buf, 2)).toBe('\0\0');
    expect(u.call(rows.recvfrom, 5, buf, 8, MSG_WAITALL, 0, 0)).toBe('parked');
    t.send(c, 'gh');
    expect(u.resume()).toBe('parked');
    t.send(c, 'ijklm');
    expect(u.resume()).toBe(8);
    expect(u.read(buf, 8)).toBe('cdefghij');
    expect(t.recv(a, 10, MSG_DONTWAIT)).toBe('klm');
    expect(t.recv(a, 10, MSG_DONTWAIT)).toBe(-E.EAGAIN);
  });
  it('a signal ends a wait with what was done, or the restart code', () => {
    const { t } = network();
    const { c, a } = tcpPair(t);
    const buf = t.alloc(16);
    expect(t.call(rows.recvfrom, a, buf, 8, MSG_WAITALL, 0, 0)).toBe('parked');
    expect(t.resume('signal')).toBe(-E.ERESTARTSYS);
    t.call(rows.setsockopt, a, SOL, 20, t.bytes(new Uint8Array(BigInt64Array.of(1n, 0n).buffer)), 16);
    expect(t.call(rows.recvfrom, a, buf, 8, MSG_WAITALL, 0, 0)).toBe('parked');
    expect(t.parkedOn!.deadline).toBe(1000 + 1e9);
    expect(t.resume('signal')).toBe(-E.EINTR);
    expect(t.call(rows.recvfrom, a, buf, 8, 0, 0, 0)).toBe('parked');
    expect(t.resume('timeout')).toBe(-E.EAGAIN);
    t.at(c).send(t.task, { length: 0, chunks: [] } as never, { to: null, control: null, flags: 0 });
  });
  it('a writer fills the buffers, waits, and goes on as the reader drains them', () => {
    const { t, u } = network();
    const { c, a } = tcpPair(t);
    t.setInt(c, SOL, SNDBUF, 5000);
    t.setInt(a, SOL, RCVBUF, 10000);
    expect([t.getInt(c, SOL, SNDBUF), t.getInt(a, SOL, RCVBUF)]).toEqual([10000, 20000]);
    u.task.fds.set(9, t.at(c), false, u.task);
    const data = Uint8Array.from({ length: 60000 }, (_, i) => i * 7);
    const from = u.bytes(data);
    expect(u.call(rows.sendto, 9, from, data.length, 0, 0, 0)).toBe('parked');
    expect(t.poll(c)).toBe('');
    const buf = t.alloc(65536);
    let got = 0;
    for (let i = 0; i < 100 && got < data.length; i++) {
      got += t.call(rows.recvfrom, a, buf + got, 3000, 0, 0, 0) as number;
      if (u.parkedOn && u.woken) u.resume();
    }
    expect(got).toBe(data.length);
    expect(u.parkedOn).toBe(null);
    expect(t.mem.copyIn(buf, got)).toEqual(data);
    expect(t.poll(c)).toBe('OUT|WRN');
  });
  it('resets a peer that still had bytes to be read, or is lingering for none', () => {
    const { t } = network();
    const one = tcpPair(t);
    t.send(one.a, 'hello');
    t.close(one.c);
    expect(t.poll(one.a)).toBe('IN|OUT|ERR|HUP|RDN|WRN|RDHUP');
    expect(t.recv(one.a, 1)).toBe(-E.ECONNRESET);
    expect(t.send(one.a, 'x', MSG_NOSIGNAL)).toBe(-E.EPIPE);
    const two = tcpPair(t);
    t.send(two.c, 'hello');
    t.call(rows.setsockopt, two.c, SOL, LINGER, t.bytes(new Uint8Array(Int32Array.of(1, 0).buffer)), 8);
    t.close(two.c);
    expect([t.recv(two.a, 3), t.recv(two.a, 3), t.recv(two.a, 3), t.recv(two.a, 3)]).toEqual([
      'hel', 'lo', -E.ECONNRESET, '',
    ]); // prettier-ignore
  });
  it('answers bytes for a closed socket with a reset', () => {
    const { t } = network();
    const { c, a } = tcpPair(t);
    t.close(c);
    expect(t.poll(a)).toBe('IN|OUT|RDN|WRN|RDHUP');
    expect(t.send(a, 'x', MSG_NOSIGNAL)).toBe(1);
    expect(t.poll(a)).toBe('IN|OUT|ERR|HUP|RDN|WRN|RDHUP');
    expect(t.send(a, 'x', MSG_NOSIGNAL)).toBe(-E.EPIPE);
    expect(t.recv(a, 1)).toBe('');
  });
  it('delivers what was sent before an orderly close', () => {
    const { t } = network();
    const { c, a } = tcpPair(t);
    t.send(c, 'last words');
    t.close(c);
    expect(t.recv(a, 4)).toBe('last');
    expect(t.recv(a, 100)).toBe(' words');
    expect(t.recv(a, 100)).toBe('');
  });
});

describe('socket(2) and what is not a socket', () => {
  it.each([
    [AF_INET, 5, 0, -E.ESOCKTNOSUPPORT],
    [99, STREAM, 0, -E.EAFNOSUPPORT],
    [45, 13, 0, -E.EINVAL],
    [AF_INET, STREAM, 17, -E.EPROTONOSUPPORT],
    [AF_INET, STREAM | 0x40, 0, -E.EINVAL],
    [1, 2, 5, -E.EPROTONOSUPPORT],
    [38, 5, 0, -E.EAFNOSUPPORT],
  ])('socket(%i, %i, %i) = %i', (family, type, protocol, result) => {
    const { t } = network();
    expect(t.socket(family, type, protocol)).toBe(result);
  });
  it('refuses other descriptors', () => {
    const { t } = network();
    expect(t.call(rows.listen, 7, 1)).toBe(-E.EBADF);
    expect(t.call(rows.connect, 7, 8, 16)).toBe(-E.EBADF);
    const s = t.socket(AF_INET, STREAM);
    expect(t.call(rows.connect, s, 8, 16)).toBe(-E.EFAULT);
    expect(t.call(rows.connect, s, ...([8, 200] as const))).toBe(-E.EINVAL);
    expect(t.call(rows.accept, s, 0, 0)).toBe(-E.EINVAL);
    expect(t.call(rows.shutdown, s, 7)).toBe(-E.EINVAL);
    expect(t.call(rows.shutdown, s, 2)).toBe(-E.ENOTCONN);
    expect(t.setInt(s, SOL, 999, 1)).toBe(-E.ENOPROTOOPT);
    expect(t.getInt(s, 6, 1)).toBe(0);
    expect(t.setInt(s, 6, 4, 0)).toBe(-E.EINVAL);
    expect(t.setInt(s, 6, 4, 30)).toBe(0);
    expect(t.getInt(s, 6, 4)).toBe(30);
  });
});
