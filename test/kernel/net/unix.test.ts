import { describe, expect, it } from 'vitest';
import { netRows as rows } from '../../../kernel/net/rows.ts';
import { truesize } from '../../../kernel/net/truesize.ts';
import * as E from '../../../kernel/abi/errno.ts';
import { FakeFile } from '../epoll/harness.ts';
import { AF_INET, AF_UNIX, DGRAM, NONBLOCK, SEQPACKET, STREAM, network } from './harness.ts';
import type { NetTask } from './harness.ts';

const MSG_DONTWAIT = 0x40, MSG_PEEK = 2, MSG_NOSIGNAL = 0x4000, MSG_TRUNC = 0x20, MSG_CTRUNC = 8; // prettier-ignore

function pair(t: NetTask, type: number): [number, number] {
  const sv = t.alloc(8);
  expect(t.call(rows.socketpair, AF_UNIX, type, 0, sv)).toBe(0);
  return [t.mem.u32(sv), t.mem.u32(sv + 4)];
}

/** sendmsg of `text` with descriptors. */
function sendFds(t: NetTask, fd: number, text: string, fds: number[]): number | 'parked' {
  const control = t.alloc(16 + 8 * fds.length);
  t.mem.putU64(control, 16 + 4 * fds.length);
  t.mem.putU32(control + 8, 1);
  t.mem.putU32(control + 12, 1);
  fds.forEach((f, i) => t.mem.putU32(control + 16 + 4 * i, f));
  return t.call(rows.sendmsg, fd, header(t, t.text(text), text.length, control, 16 + 4 * fds.length), 0);
}

function header(t: NetTask, base: number, length: number, control = 0, controlLength = 0): number {
  const iov = t.alloc(16);
  t.mem.putU64(iov, base);
  t.mem.putU64(iov + 8, length);
  const msg = t.alloc(56);
  t.mem.putU64(msg + 16, iov);
  t.mem.putU64(msg + 24, 1);
  t.mem.putU64(msg + 32, control);
  t.mem.putU64(msg + 40, controlLength);
  return msg;
}

function recvFds(t: NetTask, fd: number, room = 64, flags = 0) {
  const buf = t.alloc(64);
  const control = t.alloc(128);
  const msg = header(t, buf, 64, control, room);
  const n = t.call(rows.recvmsg, fd, msg, flags) as number;
  const used = Number(t.mem.u64(msg + 40));
  const fds: number[] = [];
  if (used >= 16 && t.mem.u32(control + 12) === 1) {
    for (let at = 16; at < Number(t.mem.u64(control)); at += 4) fds.push(t.mem.u32(control + at));
  }
  return { text: n >= 0 ? t.read(buf, n) : n, fds, flags: t.mem.u32(msg + 48), used, control };
}

describe('AF_UNIX', () => {
  it('charges messages as Linux does', () => {
    expect([1, 193, 4096, 36544].map((n) => truesize(n, 3776))).toEqual([768, 1280, 4864, 37120]);
    expect([3776, 3777, 16384, 65536].map((n) => truesize(n))).toEqual([4352, 8448, 20736, 69888]);
  });
  it('streams bytes between a pair, in both directions, to the end', () => {
    const { t } = network();
    const [a, b] = pair(t, STREAM);
    expect(t.poll(a)).toBe('OUT|WRN|WRB');
    t.send(a, 'one');
    t.send(a, 'two');
    expect(t.recv(b, 4)).toBe('onet');
    expect(t.recv(b, 10, MSG_PEEK)).toBe('wo');
    expect(t.recv(b, 10)).toBe('wo');
    expect(t.recv(b, 10, MSG_DONTWAIT)).toBe(-E.EAGAIN);
    t.call(rows.shutdown, a, 1);
    expect([t.poll(a), t.poll(b)]).toEqual(['OUT|WRN|WRB', 'IN|OUT|RDN|WRN|WRB|RDHUP']);
    t.close(a);
    expect(t.poll(b)).toBe('IN|OUT|HUP|RDN|WRN|WRB|RDHUP');
    expect(t.recv(b, 10)).toBe('');
    expect(t.send(b, 'x', MSG_NOSIGNAL)).toBe(-E.EPIPE);
  });
  it('tells a peer that closes with unread bytes by ECONNRESET', () => {
    const { t } = network();
    const [a, b] = pair(t, STREAM);
    t.send(a, 'lost');
    t.close(b);
    expect(t.recv(a, 10)).toBe(-E.ECONNRESET);
    expect(t.recv(a, 10)).toBe('');
  });
  it('stops a writer at the send buffer, counting one byte as 768', () => {
    const { t } = network();
    const [a, b] = pair(t, STREAM | NONBLOCK);
    let n = 0;
    while (t.send(a, 'x') === 1) n++;
    expect(n).toBe(278);
    expect(t.poll(a)).toBe('');
    t.recv(b, 200);
    expect(t.poll(a)).toBe('');
    t.recv(b, 20);
    expect(t.poll(a)).toBe('OUT|WRN|WRB');
  });
  it('keeps message boundaries in SEQPACKET and DGRAM', () => {
    const { t } = network();
    for (const type of [SEQPACKET, DGRAM]) {
      const [a, b] = pair(t, type);
      t.send(a, 'first');
      t.send(a, 'second');
      expect(t.recv(b, 3)).toBe('fir');
      const buf = t.alloc(16);
      expect(t.call(rows.recvfrom, b, buf, 2, MSG_TRUNC, 0, 0)).toBe(6);
      t.close(a);
      expect(t.recv(b, 3, MSG_DONTWAIT)).toBe(type === SEQPACKET ? '' : -E.EAGAIN);
    }
  });
  it('connects by abstract name, telling who is at the other end', () => {
    const { t, u } = network();
    const l = t.socket(AF_UNIX, STREAM);
    expect(t.call(rows.bind, l, ...t.unix('\0service'))).toBe(0);
    expect(u.call(rows.bind, u.socket(AF_UNIX, STREAM), ...u.unix('\0service'))).toBe(-E.EADDRINUSE);
    const c = u.socket(AF_UNIX, STREAM);
    expect(u.poll(c)).toBe('OUT|HUP|WRN|WRB');
    expect(u.call(rows.connect, c, ...u.unix('\0service'))).toBe(-E.ECONNREFUSED);
    t.call(rows.listen, l, 0);
    expect(u.call(rows.connect, c, ...u.unix('\0service'))).toBe(0);
    expect(u.call(rows.connect, c, ...u.unix('\0service'))).toBe(-E.EISCONN);
    const c2 = u.socket(AF_UNIX, STREAM | NONBLOCK);
    expect(u.call(rows.connect, c2, ...u.unix('\0service'))).toBe(-E.EAGAIN);
    const c3 = u.socket(AF_UNIX, STREAM);
    expect(u.call(rows.connect, c3, ...u.unix('\0service'))).toBe('parked');
    const a = t.call(rows.accept, l, 0, 0) as number;
    expect(u.woken).toBe(true);
    expect(u.resume()).toBe(0);
    const cred = (task: NetTask, fd: number): number[] => {
      const at = task.alloc(16);
      const len = task.alloc(8);
      task.mem.putU32(len, 12);
      task.call(rows.getsockopt, fd, 1, 17, at, len);
      return [0, 4, 8].map((o) => task.mem.i32(at + o)!);
    };
    expect([cred(t, a), cred(u, c), cred(t, l)]).toEqual([[200, 1000, 1000], [100, 0, 0], [0, -1, -1]]); // prettier-ignore
    expect(u.call(rows.connect, u.socket(AF_UNIX, DGRAM), ...u.unix('\0service'))).toBe(-E.ECONNREFUSED);
    t.close(l);
    expect(u.poll(c3)).toBe('IN|OUT|ERR|HUP|RDN|WRN|WRB|RDHUP');
  });
  it('binds a bare family to a name of its own', () => {
    const { t } = network();
    const s = t.socket(AF_UNIX, DGRAM);
    expect(t.call(rows.bind, s, t.bytes([1, 0]), 2)).toBe(0);
    expect(t.at(s).getname(false)).toEqual(Uint8Array.from('\x01\0\x0000001', (c) => c.charCodeAt(0)));
  });
  it('makes datagram senders wait for a full receiver', () => {
    const { t, u } = network();
    const r = t.socket(AF_UNIX, DGRAM);
    t.call(rows.bind, r, ...t.unix('\0log'));
    const s = u.socket(AF_UNIX, DGRAM);
    expect(u.send(s, 'x')).toBe(-E.ENOTCONN);
    expect(u.call(rows.connect, s, ...u.unix('\0log'))).toBe(0);
    for (let i = 0; i < 11; i++) expect(u.send(s, `m${i}`)).toBe(`m${i}`.length);
    expect(u.poll(s)).toBe('');
    expect(u.send(s, 'more')).toBe('parked');
    expect(t.recv(r, 10)).toBe('m0');
    expect(u.woken).toBe(true);
    expect(u.resume()).toBe(4);
    t.close(r);
    expect(u.send(s, 'x')).toBe(-E.ECONNREFUSED);
    expect(u.send(s, 'x')).toBe(-E.ENOTCONN);
  });
});

describe('SCM_RIGHTS', () => {
  it('carries open files, which live while they travel', () => {
    const { t, u } = network();
    const [a, b] = pair(t, STREAM);
    u.task.fds.set(3, t.at(b), false, u.task);
    const file = new FakeFile();
    let released = 0;
    file.release = () => void released++;
    const fd = t.install(file);
    expect(sendFds(t, a, 'fd', [fd, fd])).toBe(2);
    t.close(fd);
    expect([released, file.refs]).toEqual([0, 2]);
    const got = recvFds(u, 3, 64, 0x40000000);
    expect([got.text, got.fds.length, got.used]).toEqual(['fd', 2, 24]);
    expect(u.task.fds.get(got.fds[0])).toBe(file);
    expect(u.task.fds.descriptor(got.fds[0])!.cloexec).toBe(true);
    expect(file.refs).toBe(2);
  });
  it('drops what finds no room or no reader', () => {
    const { t } = network();
    const [a, b] = pair(t, STREAM);
    const file = new FakeFile();
    const fd = t.install(file);
    sendFds(t, a, 'x', [fd, fd, fd]);
    const got = recvFds(t, b, 20);
    expect([got.fds.length, got.flags & MSG_CTRUNC]).toEqual([1, MSG_CTRUNC]);
    expect(file.refs).toBe(2);
    sendFds(t, a, 'y', [fd]);
    expect(t.recv(b, 1)).toBe('y'); // no control buffer at all
    expect(file.refs).toBe(2);
    sendFds(t, a, 'z', [fd]);
    expect(file.refs).toBe(3);
    t.close(b);
    expect(file.refs).toBe(2);
    expect(sendFds(t, a, 'z', [fd])).toBe(-E.EPIPE);
    expect(file.refs).toBe(2);
    expect(sendFds(t, a, 'z', [77])).toBe(-E.EBADF);
  });
  it('does not run a stream read past files', () => {
    const { t } = network();
    const [a, b] = pair(t, STREAM);
    const fd = t.install(new FakeFile());
    t.send(a, '1');
    sendFds(t, a, '2', [fd]);
    t.send(a, '3');
    expect(recvFds(t, b).text).toBe('12');
    expect(recvFds(t, b).text).toBe('3');
  });
  it('SO_PASSCRED adds the sender', () => {
    const { t, u } = network();
    const [a, b] = pair(t, STREAM);
    u.task.fds.set(3, t.at(a), false, u.task);
    t.setInt(b, 1, 16, 1);
    u.send(3, 'u');
    t.send(a, 't');
    const got = recvFds(t, b);
    expect([got.text, t.mem.u32(got.control + 12), t.mem.u32(got.control + 16), t.mem.u32(got.control + 20)]).toEqual([
      'u', 2, 200, 1000,
    ]); // prettier-ignore
    expect(recvFds(t, b).text).toBe('t');
  });
  it('socketpair is for AF_UNIX', () => {
    const { t } = network();
    expect(t.call(rows.socketpair, AF_INET, STREAM, 0, t.alloc(8))).toBe(-E.EOPNOTSUPP);
    expect(t.call(rows.socketpair, AF_UNIX, STREAM, 0, 8)).toBe(-E.EFAULT);
  });
});
