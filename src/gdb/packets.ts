/**
 * Packets of gdb's remote protocol ("Remote Serial Protocol" in gdb's manual): `$payload#checksum`, acknowledged by + or −
 * until both sides agree not to. Payloads are binary strings, one char a byte.
 */
export interface PacketHandler {
  /** Packets in order, one at a time: the next is given when the promise settles. A string is the answer. */
  packet(payload: string): Promise<string | null>;
  /** ^C, at once. */
  interrupt(): void;
}

const hex2 = (n: number): string => n.toString(16).padStart(2, '0');

function checksum(text: string): number {
  let sum = 0;
  for (let i = 0; i < text.length; i++) sum = (sum + text.charCodeAt(i)) & 255;
  return sum;
}

/** Beyond this a packet is no packet. */
const LONGEST = 1 << 20;
export const PACKET_SIZE = 0x10000;

export class PacketLink {
  /** Neither side acknowledges. */
  noAck = false;
  private readonly send: (bytes: string) => void;
  private readonly handler: PacketHandler;
  private input = '';
  private last = '';
  private readonly later: (() => void)[] = [];
  private busy: Promise<void> = Promise.resolve();

  constructor(send: (bytes: string) => void, handler: PacketHandler) {
    this.send = send;
    this.handler = handler;
  }

  /** Bytes from gdb. */
  receive(bytes: string): void {
    this.input += bytes;
    for (;;) {
      const c = this.input[0];
      if (c === undefined) return;
      if (c !== '$') {
        this.input = this.input.slice(1);
        if (c === '\x03') this.handler.interrupt();
        else if (c === '-' && !this.noAck) this.send(this.last);
        continue;
      }
      const end = this.input.indexOf('#');
      if (end < 0 || this.input.length < end + 3) {
        if (this.input.length > LONGEST) this.input = '';
        return;
      }
      const body = this.input.slice(1, end);
      const sum = parseInt(this.input.slice(end + 1, end + 3), 16);
      this.input = this.input.slice(end + 3);
      if (!this.noAck) {
        if (sum !== checksum(body)) {
          this.send('-');
          continue;
        }
        this.send('+');
      }
      const payload = body.replace(/\}([^])/g, (_, x: string) => String.fromCharCode(x.charCodeAt(0) ^ 0x20));
      this.busy = this.busy.then(async () => {
        const answer = await this.handler.packet(payload);
        if (answer !== null) this.answer(answer);
        for (const f of this.later.splice(0)) f();
      });
    }
  }

  /** Calls back once the packet under way is answered. */
  afterwards(f: () => void): void {
    this.later.push(f);
  }

  /** Settles when no packet is under way. */
  quiet(): Promise<void> {
    return this.busy;
  }

  answer(payload: string): void {
    const body = payload.replace(/[#$}*]/g, (x) => `}${String.fromCharCode(x.charCodeAt(0) ^ 0x20)}`);
    this.last = `$${body}#${hex2(checksum(body))}`;
    this.send(this.last);
  }
}

// ---- what packets are made of

/** Bytes as hexadecimal digits, two each. */
export function toHex(bytes: Uint8Array | readonly number[]): string {
  let out = '';
  for (const b of bytes) out += hex2(b);
  return out;
}

export function fromHex(text: string): Uint8Array {
  const out = new Uint8Array(text.length >> 1);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

/** Text for people, as UTF-8. */
export const hexUtf8 = (text: string): string => toHex(new TextEncoder().encode(text));
export const hexText = (binary: string): string => toHex(Array.from(binary, (c) => c.charCodeAt(0) & 255));
export const textOfHex = (text: string): string => String.fromCharCode(...fromHex(text));

/** Bytes as a binary string. */
export function binaryOf(bytes: Uint8Array): string {
  let out = '';
  for (let i = 0; i < bytes.length; i += 8192) out += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return out;
}

/** A slice of a qXfer object: `offset,length` in hexadecimal. */
export function slice(object: string, range: string): string {
  const [offset, length] = range.split(',').map((x) => parseInt(x, 16));
  const part = object.slice(offset, offset + length);
  return (offset + length >= object.length ? 'l' : 'm') + part;
}
