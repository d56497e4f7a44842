/** What came to a recorded machine by itself, or from its owner, read back: each input becomes what it does. */
import type { HostTerminalEnd } from '../../kernel/fs/tty/host-port.ts';
import type { Injection } from '../../kernel/inject/rule.ts';
import { parseIp, type Endpoint } from '../../kernel/net/address.ts';
import { HOST_CALL, type HostConnection } from '../../kernel/net/host-port.ts';
import type { NetStack } from '../../kernel/net/stack.ts';
import type { FileContent } from '../machine/options.ts';
import type { InputQueue } from '../machine/stdio.ts';
import { MalformedError, type Reader } from './bytes.ts';
import { decodeJson, END_REASONS, type EndReason, INPUT, type Site } from './format.ts';

/** What comes from outside and is the machine's to do. */
export interface ReplayActions {
  signal(signo: number, pid: number): void;
  foreground(signo: number): void;
  taskSignal(tid: number, signo: number): void;
  poke(tid: number, address: number, bytes: Uint8Array): void;
  register(tid: number, index: number, value: bigint): void;
  argument(tid: number, register: number, bits: bigint): void;
  /** `site`: where; null: the machine stands still behind the call. */
  result(tid: number, bits: bigint, error: boolean, site: Site | null): void;
  writeFile(path: string, content: FileContent): void;
  inject(id: number, what: string | Injection): void;
  uninject(id: number): void;
  /** Null: all may run. */
  only(tid: number | null): void;
  look(path: string): void;
  time(to: number): void;
}

/** Who takes what came by itself. */
export interface InputTargets {
  readonly actions: ReplayActions;
  readonly queue: InputQueue | null;
  /** By descriptor; those that were full. */
  readonly drains: ReadonlyMap<number, () => void>;
  readonly terminalEnd: HostTerminalEnd | null;
  readonly net: NetStack | null;
  readonly connections: ReadonlyMap<number, HostConnection>;
  join(c: HostConnection): void;
  ends(reason: EndReason): void;
  diverged(what: string): never;
}

/** Reads an input of this kind; what is returned lets it take effect. Throws MalformedError. */
export function readInput(kind: number, r: Reader, to: InputTargets, site: Site | null): () => void {
  const { actions } = to;
  switch (kind) {
    case INPUT.stdin: {
      const bytes = r.blob();
      return () => to.queue?.push(bytes);
    }
    case INPUT.stdinEnd: {
      const error = r.uint();
      return () => endInput(to.queue, error);
    }
    case INPUT.drained: {
      const fd = r.uint();
      return () => to.drains.get(fd)?.();
    }
    case INPUT.typed: {
      const bytes = r.blob();
      return () => to.terminalEnd?.input(bytes);
    }
    case INPUT.resized: {
      const [rows, cols, xpixel, ypixel] = [r.uint(), r.uint(), r.uint(), r.uint()];
      return () => to.terminalEnd?.resize({ rows, cols, xpixel, ypixel });
    }
    case INPUT.terminalDrained:
      return () => to.terminalEnd?.drained();
    case INPUT.hangup:
      return () => to.terminalEnd?.hangup();
    case INPUT.network: {
      const [op, id, n] = [r.u8(), r.uint(), r.uint()];
      const bytes = op === HOST_CALL.write || op === HOST_CALL.peerSends ? r.blob() : null;
      return () => networkCall(to, op, id, n, bytes);
    }
    case INPUT.datagram: {
      const [from, at] = [readEndpoint(r), readEndpoint(r)];
      const bytes = r.blob();
      return () => void to.net?.outsideDatagram(from, at, bytes);
    }
    case INPUT.signal: {
      const [signo, pid] = [r.uint(), r.uint()];
      return () => actions.signal(signo, pid);
    }
    case INPUT.foreground: {
      const signo = r.uint();
      return () => actions.foreground(signo);
    }
    case INPUT.taskSignal: {
      const [tid, signo] = [r.uint(), r.uint()];
      return () => actions.taskSignal(tid, signo);
    }
    case INPUT.poke: {
      const [tid, address] = [r.uint(), r.uint()];
      const bytes = r.blob();
      return () => actions.poke(tid, address, bytes);
    }
    case INPUT.register: {
      const [tid, index, value] = [r.uint(), r.uint(), readBits(r)];
      return () => actions.register(tid, index, value);
    }
    case INPUT.argument: {
      const [tid, register, bits] = [r.uint(), r.uint(), readBits(r)];
      return () => actions.argument(tid, register, bits);
    }
    case INPUT.result: {
      const [tid, bits, error] = [r.uint(), readBits(r), r.u8() === 1];
      return () => actions.result(tid, bits, error, site);
    }
    case INPUT.file: {
      const path = r.text();
      const content = r.u8() === 1 ? { symlink: r.text() } : { mode: r.uint(), data: r.blob() };
      return () => actions.writeFile(path, content);
    }
    case INPUT.inject: {
      const id = r.uint();
      const what = decodeJson(r.blob()) as string | Injection;
      return () => actions.inject(id, what);
    }
    case INPUT.uninject: {
      const id = r.uint();
      return () => actions.uninject(id);
    }
    case INPUT.only: {
      const tid = r.uint();
      return () => actions.only(tid === 0 ? null : tid);
    }
    case INPUT.look: {
      const path = r.text();
      return () => actions.look(path);
    }
    case INPUT.time: {
      const time = r.uint();
      return () => actions.time(time);
    }
    case INPUT.end: {
      const reason = END_REASONS[r.uint()] ?? 'failed';
      return () => to.ends(reason);
    }
    default:
      throw new MalformedError(`an input of an unknown kind (${kind})`);
  }
}

export function endInput(queue: InputQueue | null, error: number): void {
  if (error > 0) queue?.fail(-error);
  else queue?.end();
}

function readBits(r: Reader): bigint {
  const text = r.text();
  if (!/^-?\d{1,20}$/.test(text)) throw new MalformedError(`'${text.slice(0, 40)}' is no number of 64 bits`);
  return BigInt(text);
}

function readEndpoint(r: Reader): Endpoint {
  const text = r.text();
  const ip = parseIp(text);
  if (ip === null) throw new MalformedError(`'${text}' is no address`);
  return { ip, port: r.uint() };
}

function networkCall(to: InputTargets, op: number, id: number, n: number, bytes: Uint8Array | null): void {
  const net = to.net!;
  switch (op) {
    case HOST_CALL.connect:
      return to.join(net.hostConnect(id, n));
    case HOST_CALL.clientPort:
      return void net.nextClientPort();
    case HOST_CALL.addPeer:
      return void net.addHostPeer({ send: () => {} });
    case HOST_CALL.removePeer:
      return net.removeHostPeer(id);
    case HOST_CALL.peerSends:
      return void net.hostDatagram(id, n, bytes!);
  }
  const c = to.connections.get(id);
  if (c === undefined) to.diverged(`something comes on connection ${id}, which there is not`);
  switch (op) {
    case HOST_CALL.write:
      return void c.write(bytes!);
    case HOST_CALL.end:
      return c.end();
    case HOST_CALL.abort:
      return c.abort();
    case HOST_CALL.take:
      return void c.take(n);
    case HOST_CALL.open:
      return c.open();
    case HOST_CALL.fail:
      return c.fail(n);
    default:
      throw new MalformedError(`a network call of an unknown kind (${op})`);
  }
}
