/** Two processes on one network: the socket calls as a program makes them. */
import { netRows as rows } from '../../../kernel/net/rows.ts';
import { NetStack } from '../../../kernel/net/stack.ts';
import type { NetOptions } from '../../../kernel/net/stack.ts';
import type { Socket } from '../../../kernel/net/socket.ts';
import { formatInet, parseIp } from '../../../kernel/net/address.ts';
import { TestTask, testKernel } from '../epoll/harness.ts';
import type { TestKernel } from '../epoll/harness.ts';

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const STREAM = 1;
export const DGRAM = 2;
export const SEQPACKET = 5;
export const NONBLOCK = 0o4000;
export const IN = 1;
export const OUT = 4;
export const ERR = 8;
export const HUP = 16;
const WORD: [number, string][] = [
  [1, 'IN'],
  [2, 'PRI'],
  [4, 'OUT'],
  [8, 'ERR'],
  [16, 'HUP'],
  [0x40, 'RDN'],
  [0x80, 'RDB'],
  [0x100, 'WRN'],
  [0x200, 'WRB'],
  [0x2000, 'RDHUP'],
];

/** A poll mask in words, in the order of the bits. */
export const words = (mask: number): string =>
  WORD.filter(([bit]) => mask & bit)
    .map(([, w]) => w)
    .join('|');

export class NetTask extends TestTask {
  socket(family: number, type: number, protocol = 0): number {
    return this.call(rows.socket, family, type, protocol) as number;
  }
  at(fd: number): Socket {
    return this.task.fds.get(fd) as Socket;
  }
  poll(fd: number): string {
    return words(this.at(fd).poll());
  }
  close(fd: number): void {
    this.task.fds.close(fd, this.task);
  }
  /** A sockaddr of "ip:port" in memory, and its length. */
  inet(ip: string, port: number, family = ip.includes(':') ? AF_INET6 : AF_INET): [number, number] {
    const raw = formatInet({ ip: parseIp(ip)!, port }, family);
    return [this.bytes(raw), raw.length];
  }
  unix(name: string): [number, number] {
    const raw = Uint8Array.from('\x01\0' + name, (c) => c.charCodeAt(0));
    return [this.bytes(raw), raw.length];
  }
  bind(fd: number, ip: string, port: number): number | 'parked' {
    return this.call(rows.bind, fd, ...this.inet(ip, port, this.at(fd).family));
  }
  connect(fd: number, ip: string, port: number): number | 'parked' {
    return this.call(rows.connect, fd, ...this.inet(ip, port, this.at(fd).family));
  }
  port(fd: number): number {
    const raw = this.at(fd).getname(false) as Uint8Array;
    return (raw[2] << 8) | raw[3];
  }
  send(fd: number, text: string, flags = 0): number | 'parked' {
    return this.call(rows.sendto, fd, this.text(text), text.length, flags, 0, 0);
  }
  /** Text received, or -errno, or 'parked'. */
  recv(fd: number, n: number, flags = 0): string | number {
    const buf = this.alloc(n);
    const r = this.call(rows.recvfrom, fd, buf, n, flags, 0, 0);
    return typeof r === 'number' && r >= 0 ? this.read(buf, r) : r;
  }
  setInt(fd: number, level: number, name: number, value: number): number | 'parked' {
    return this.call(
      rows.setsockopt,
      fd,
      level,
      name,
      this.bytes(new Uint8Array(Int32Array.of(value).buffer)),
      4,
    );
  }
  getInt(fd: number, level: number, name: number): number {
    const at = this.alloc(8);
    const len = this.alloc(8);
    this.mem.putU32(len, 4);
    const r = this.call(rows.getsockopt, fd, level, name, at, len) as number;
    return r < 0 ? r : this.mem.i32(at)!;
  }
}

export function network(options: NetOptions = {}): {
  kernel: TestKernel;
  net: NetStack;
  t: NetTask;
  u: NetTask;
} {
  const kernel = testKernel();
  const net = new NetStack(kernel, options);
  (kernel as { net: NetStack }).net = net;
  return {
    kernel,
    net,
    t: new NetTask(kernel, { pid: 100 }),
    u: new NetTask(kernel, { pid: 200, uid: 1000 }),
  };
}

/** A connected pair over a listener: client, server end, listener. */
export function tcpPair(t: NetTask, ip = '127.0.0.1'): { c: number; a: number; l: number; port: number } {
  const l = t.socket(ip.includes(':') ? AF_INET6 : AF_INET, STREAM);
  t.bind(l, ip, 0);
  t.call(rows.listen, l, 8);
  const port = t.port(l);
  const c = t.socket(ip.includes(':') ? AF_INET6 : AF_INET, STREAM);
  t.connect(c, ip, port);
  return { c, a: t.call(rows.accept, l, 0, 0) as number, l, port };
}
