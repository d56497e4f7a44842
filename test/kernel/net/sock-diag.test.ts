/** NETLINK_SOCK_DIAG and /proc/net: what `ss` and lsof are told of every socket. */
import { describe, expect, it } from 'vitest';
import { netRows as rows } from '../../../kernel/net/rows.ts';
import { procNetLines } from '../../../kernel/net/proc-net.ts';
import { WaitQueue } from '../../../kernel/wait.ts';
import * as E from '../../../kernel/abi/errno.ts';
import { AF_INET, AF_INET6, AF_UNIX, DGRAM, STREAM, network, tcpPair } from './harness.ts';
import type { NetTask } from './harness.ts';

const AF_NETLINK = 16;
const NETLINK_SOCK_DIAG = 4;
const NLMSG_DONE = 3;
const SOCK_DIAG_BY_FAMILY = 20;

/** Sends one request, a dump of all it is about, and returns the bodies of the answers, or the errno. */
function dump(t: NetTask, body: Uint8Array): DataView[] | number {
  const fd = t.socket(AF_NETLINK, 3, NETLINK_SOCK_DIAG);
  const request = new Uint8Array(16 + body.length);
  const v = new DataView(request.buffer);
  v.setUint32(0, request.length, true);
  v.setUint16(4, SOCK_DIAG_BY_FAMILY, true);
  v.setUint16(6, 0x301, true);
  request.set(body, 16);
  expect(t.call(rows.sendto, fd, t.bytes(request), request.length, 0, 0, 0)).toBe(request.length);
  const out: DataView[] = [];
  const buf = t.alloc(16384);
  for (;;) {
    const n = t.call(rows.recvfrom, fd, buf, 16384, 0, 0, 0) as number;
    expect(n).toBeGreaterThan(0);
    const bytes = t.mem.copyIn(buf, n)!;
    for (let at = 0; at < n;) {
      const m = new DataView(bytes.buffer, bytes.byteOffset + at, n - at);
      const length = m.getUint32(0, true);
      const type = m.getUint16(4, true);
      if (type === NLMSG_DONE) return out;
      if (type === 2) return m.getInt32(16, true);
      out.push(new DataView(bytes.buffer, bytes.byteOffset + at + 16, length - 16));
      at += Math.ceil(length / 4) * 4;
    }
  }
}

function inetRequest(family: number, protocol: number, states = 0xffffffff, extensions = 0): Uint8Array {
  const out = new Uint8Array(56);
  out[0] = family;
  out[1] = protocol;
  out[2] = extensions;
  new DataView(out.buffer).setUint32(4, states, true);
  return out;
}
function unixRequest(show: number): Uint8Array {
  const out = new Uint8Array(24);
  out[0] = AF_UNIX;
  const v = new DataView(out.buffer);
  v.setUint32(4, 0xffffffff, true);
  v.setUint32(12, show, true);
  return out;
}

/** Attributes after `head` bytes, by type. */
function attributes(m: DataView, head: number): Map<number, DataView> {
  const out = new Map<number, DataView>();
  for (let at = head; at + 4 <= m.byteLength;) {
    const length = m.getUint16(at, true);
    out.set(m.getUint16(at + 2, true), new DataView(m.buffer, m.byteOffset + at + 4, length - 4));
    at += Math.ceil(length / 4) * 4;
  }
  return out;
}

describe('NETLINK_SOCK_DIAG', () => {
  it('tells of TCP sockets: state, ends, queues, and TCP_INFO when asked', () => {
    const { t } = network();
    const { c, a, port } = tcpPair(t);
    t.send(c, 'abc');
    const found = dump(t, inetRequest(AF_INET, 6, 0xffffffff, 1 << 1)) as DataView[];
    const told = found.map((m) => ({
      state: m.getUint8(1),
      ports: [m.getUint16(4), m.getUint16(6)],
      queues: [m.getUint32(56, true), m.getUint32(60, true)],
      ino: m.getUint32(68, true),
    }));
    const ino = (fd: number): number => t.at(fd).inode!.ino;
    const own = t.port(c);
    expect(told[0]).toMatchObject({ state: 10, ports: [port, 0], queues: [0, expect.any(Number)] });
    expect(told).toContainEqual({ state: 1, ports: [port, own], queues: [3, 0], ino: ino(a) });
    expect(told).toContainEqual({ state: 1, ports: [own, port], queues: [0, 0], ino: ino(c) });
    const info = attributes(found[1], 72).get(2)!;
    expect(info.getUint8(0)).toBe(1);
    // A filter of states, and of a family.
    expect(dump(t, inetRequest(AF_INET, 6, 1 << 10))).toHaveLength(1);
    expect(dump(t, inetRequest(AF_INET6, 6))).toEqual([]);
  });

  it('lists what an accept queue holds without a number, and TIME_WAIT with its peer', () => {
    const { t, net } = network();
    const { c, a, l, port } = tcpPair(t);
    const waiting = t.socket(AF_INET, STREAM);
    t.connect(waiting, '127.0.0.1', port);
    const own = t.port(c);
    t.close(c);
    t.close(a);
    const found = dump(t, inetRequest(AF_INET, 6)) as DataView[];
    const row = (state: number, ports: number[]): DataView =>
      found.find(
        (m) => m.getUint8(1) === state && m.getUint16(4) === ports[0] && m.getUint16(6) === ports[1],
      )!;
    expect(row(10, [port, 0]).getUint32(56, true)).toBe(1);
    expect(row(1, [port, t.port(waiting)]).getUint32(68, true)).toBe(0);
    expect(row(6, [own, port]).getUint8(2)).toBe(3);
    expect(procNetLines(net, 'tcp')!.join('')).toMatch(/ 06 00000000:00000000 03:/);
    t.close(l);
  });

  it('tells of AF_UNIX sockets: names, peers, queues', () => {
    const { t } = network();
    const l = t.socket(AF_UNIX, STREAM);
    t.call(rows.bind, l, ...t.unix('\0name'));
    t.call(rows.listen, l, 3);
    const c = t.socket(AF_UNIX, STREAM);
    t.call(rows.connect, c, ...t.unix('\0name'));
    const found = dump(t, unixRequest(0x7f)) as DataView[];
    const of = (fd: number): DataView => found.find((m) => m.getUint32(4, true) === t.at(fd).inode!.ino)!;
    expect(of(l).getUint8(2)).toBe(10);
    const attrs = attributes(of(l), 16);
    const name = attrs.get(0)!;
    expect(Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString()).toBe('\0name');
    expect([attrs.get(4)!.getUint32(0, true), attrs.get(4)!.getUint32(4, true)]).toEqual([1, 3]);
    expect(attrs.get(3)!.getUint32(0, true)).toBe(t.at(c).inode!.ino);
    expect(attributes(of(c), 16).has(2)).toBe(true);
  });

  it('comes in parts that a reader takes one by one', () => {
    const { t } = network();
    for (let i = 0; i < 300; i++) t.bind(t.socket(AF_INET, DGRAM), '127.0.0.1', 10000 + i);
    expect(dump(t, inetRequest(AF_INET, 17))).toHaveLength(300);
  });

  it('knows no other families and protocols', () => {
    const { t } = network();
    expect(dump(t, inetRequest(17, 0))).toBe(-E.ENOENT);
    expect(dump(t, inetRequest(AF_INET, 132))).toBe(-E.ENOENT);
    expect(dump(t, Uint8Array.of(AF_INET, 6))).toBe(-E.EINVAL);
  });
});

describe('who is at the other end', () => {
  it('is told by SO_PEERPIDFD and SCM_PIDFD', () => {
    const { t } = network();
    Object.assign(t.task.group, { exited: new WaitQueue('exit'), live: 1 });
    const sv = t.alloc(8);
    t.call(rows.socketpair, AF_UNIX, STREAM, 0, sv);
    const [a, b] = [t.mem.u32(sv), t.mem.u32(sv + 4)];
    const fd = t.getInt(a, 1, 77);
    expect(t.task.fds.get(fd)!.name).toBe('anon_inode:[pidfd]');
    expect(t.getInt(t.socket(AF_UNIX, STREAM), 1, 77)).toBe(-E.ENODATA);
    expect(t.setInt(t.socket(AF_INET, STREAM), 1, 76, 1)).toBe(-E.EOPNOTSUPP);
    expect(t.setInt(b, 1, 76, 1)).toBe(0);
    t.send(a, 'x');
    const control = t.alloc(64);
    const iov = t.alloc(16);
    t.mem.putU64(iov, t.alloc(8));
    t.mem.putU64(iov + 8, 8);
    const msg = t.alloc(56);
    t.mem.putU64(msg + 16, iov);
    t.mem.putU64(msg + 24, 1);
    t.mem.putU64(msg + 32, control);
    t.mem.putU64(msg + 40, 64);
    expect(t.call(rows.recvmsg, b, msg, 0)).toBe(1);
    expect([t.mem.u32(control), t.mem.u32(control + 8), t.mem.u32(control + 12)]).toEqual([20, 1, 4]);
    expect(t.task.fds.get(t.mem.u32(control + 16))!.name).toBe('anon_inode:[pidfd]');
    expect(t.task.fds.descriptor(t.mem.u32(control + 16))!.cloexec).toBe(true);
  });

  it('has its abstract names for each type of socket', () => {
    const { t } = network();
    const l = t.socket(AF_UNIX, STREAM);
    expect(t.call(rows.bind, l, ...t.unix('\0n'))).toBe(0);
    const d = t.socket(AF_UNIX, DGRAM);
    expect(t.call(rows.connect, d, ...t.unix('\0n'))).toBe(-E.ECONNREFUSED);
    expect(t.call(rows.bind, d, ...t.unix('\0n'))).toBe(0);
  });
});
