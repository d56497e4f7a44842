import { describe, expect, it } from 'vitest';
import { netRows as rows } from '../../../kernel/net/rows.ts';
import * as E from '../../../kernel/abi/errno.ts';
import { AF_INET, AF_INET6, DGRAM, network } from './harness.ts';
import type { NetTask } from './harness.ts';

const sendTo = (t: NetTask, fd: number, text: string, ip: string, port: number) =>
  t.call(rows.sendto, fd, t.text(text), text.length, 0, ...t.inet(ip, port, t.at(fd).family));

describe('UDP', () => {
  it('sends datagrams with their source, one by one', () => {
    const { t } = network();
    const r = t.socket(AF_INET, DGRAM);
    t.bind(r, '127.0.0.1', 5353);
    const s = t.socket(AF_INET, DGRAM);
    expect(t.poll(s)).toBe('OUT|WRN|WRB');
    expect(t.send(s, 'x')).toBe(-E.EDESTADDRREQ);
    expect(sendTo(t, s, 'one', '127.0.0.1', 5353)).toBe(3);
    expect(sendTo(t, s, 'two', '127.0.0.1', 5353)).toBe(3);
    expect(t.poll(r)).toBe('IN|OUT|RDN|WRN|WRB');
    const buf = t.alloc(16);
    const from = t.alloc(16);
    const len = t.alloc(8);
    t.mem.putU32(len, 16);
    expect(t.call(rows.recvfrom, r, buf, 2, 0x20, from, len)).toBe(3);
    expect(t.read(buf, 3)).toBe('on\0');
    expect(t.read(from, 8)).toBe(`\x02\0${String.fromCharCode(t.port(s) >> 8, t.port(s) & 255)}\x7f\0\0\x01`);
    expect(t.recv(r, 10)).toBe('two');
    expect(t.recv(r, 10)).toBe('parked');
  });
  it('tells a connected sender that nobody is there', () => {
    const { t } = network();
    const s = t.socket(AF_INET, DGRAM);
    expect(t.connect(s, '127.0.0.1', 9)).toBe(0);
    expect(t.send(s, 'x')).toBe(1);
    expect(t.poll(s)).toBe('OUT|ERR|WRN|WRB');
    expect(t.send(s, 'x')).toBe(-E.ECONNREFUSED);
    expect(t.send(s, 'x')).toBe(1);
    expect(t.recv(s, 1)).toBe(-E.ECONNREFUSED);
    const free = t.socket(AF_INET, DGRAM);
    expect(sendTo(t, free, 'x', '127.0.0.1', 9)).toBe(1);
    expect(sendTo(t, free, 'x', '127.0.0.1', 9)).toBe(1);
  });
  it('prefers a connected socket, and filters for it', () => {
    const { t } = network();
    const server = t.socket(AF_INET, DGRAM);
    t.setInt(server, 1, 2, 1);
    t.bind(server, '127.0.0.1', 7000);
    const a = t.socket(AF_INET, DGRAM);
    t.bind(a, '127.0.0.1', 7001);
    const mine = t.socket(AF_INET, DGRAM);
    t.setInt(mine, 1, 2, 1);
    t.bind(mine, '127.0.0.1', 7000);
    t.connect(mine, '127.0.0.1', 7001);
    sendTo(t, a, 'to mine', '127.0.0.1', 7000);
    const b = t.socket(AF_INET, DGRAM);
    sendTo(t, b, 'to server', '127.0.0.1', 7000);
    expect([t.recv(mine, 20), t.recv(server, 20)]).toEqual(['to mine', 'to server']);
  });
  it('reaches dual-stack sockets with mapped addresses', () => {
    const { t } = network();
    const six = t.socket(AF_INET6, DGRAM);
    t.bind(six, '::', 6000);
    const four = t.socket(AF_INET, DGRAM);
    sendTo(t, four, 'v4', '127.0.0.1', 6000);
    expect(t.recv(six, 10)).toBe('v4');
    expect(sendTo(t, six, 'back', '::ffff:127.0.0.1', t.port(four))).toBe(4);
    expect(t.recv(four, 10)).toBe('back');
    const only = t.socket(AF_INET6, DGRAM);
    t.setInt(only, 41, 26, 1);
    expect(sendTo(t, only, 'x', '::ffff:127.0.0.1', 6000)).toBe(-E.ENETUNREACH);
  });
  it('drops what finds no room, and refuses what no packet holds', () => {
    const { t } = network();
    const r = t.socket(AF_INET, DGRAM);
    t.bind(r, '127.0.0.1', 4000);
    const s = t.socket(AF_INET, DGRAM);
    for (let i = 0; i < 400; i++) expect(sendTo(t, s, 'x', '127.0.0.1', 4000)).toBe(1);
    let n = 0;
    while (t.recv(r, 1, 0x40) === 'x') n++;
    expect(n).toBe(277);
    const big = t.alloc(70000);
    const to = t.inet('127.0.0.1', 4000);
    expect(t.call(rows.sendto, s, big, 65508, 0, ...to)).toBe(-E.EMSGSIZE);
    expect(t.call(rows.sendto, s, big, 65507, 0, ...to)).toBe(65507);
    expect(sendTo(t, s, 'x', '255.255.255.255', 1)).toBe(-E.EACCES);
    expect(sendTo(t, s, 'x', '127.0.0.1', 0)).toBe(-E.EINVAL);
    expect(sendTo(t, s, 'x', '1.1.1.1', 1)).toBe(-E.ENETUNREACH);
  });
  it('many messages at a time', () => {
    const { t } = network();
    const r = t.socket(AF_INET, DGRAM);
    t.bind(r, '127.0.0.1', 4001);
    const s = t.socket(AF_INET, DGRAM);
    t.connect(s, '127.0.0.1', 4001);
    const vec = (texts: string[]) => {
      const at = t.alloc(64 * texts.length);
      texts.forEach((text, i) => {
        const iov = t.alloc(16);
        t.mem.putU64(iov, t.text(text));
        t.mem.putU64(iov + 8, text.length);
        t.mem.putU64(at + 64 * i + 16, iov);
        t.mem.putU64(at + 64 * i + 24, 1);
      });
      return at;
    };
    const out = vec(['a', 'bb', 'ccc']);
    expect(t.call(rows.sendmmsg, s, out, 3, 0)).toBe(3);
    expect([0, 1, 2].map((i) => t.mem.u32(out + 64 * i + 56))).toEqual([1, 2, 3]);
    const room = vec(['....', '....', '....', '....']);
    expect(t.call(rows.recvmmsg, r, room, 4, 0x10000, 0)).toBe(3);
    expect([0, 1, 2].map((i) => t.mem.u32(room + 64 * i + 56))).toEqual([1, 2, 3]);
    expect(t.call(rows.recvmmsg, r, room, 4, 0x40, 0)).toBe(-E.EAGAIN);
    expect(t.call(rows.recvmmsg, r, room, 4, 0, 0)).toBe('parked');
    t.send(s, 'dddd');
  });
});
