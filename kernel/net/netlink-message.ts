/** Netlink messages: attributes written and read (rtnetlink(7)). */

/** Bytes of a netlink message, growing; attributes are padded to four bytes. */
export class Writer {
  private bytes: number[] = [];
  u8(v: number): this {
    this.bytes.push(v & 255);
    return this;
  }
  u16(v: number): this {
    return this.u8(v).u8(v >> 8);
  }
  u32(v: number): this {
    return this.u16(v & 0xffff).u16(v >>> 16);
  }
  attr(type: number, data: Uint8Array | number): this {
    const body = typeof data === 'number' ? new Uint8Array(Uint32Array.of(data).buffer) : data;
    this.u16(4 + body.length).u16(type);
    for (const b of body) this.u8(b);
    while (this.bytes.length % 4) this.u8(0);
    return this;
  }
  done(): Uint8Array {
    return Uint8Array.from(this.bytes);
  }
}

export const cstr = (s: string): Uint8Array => Uint8Array.from(s + '\0', (c) => c.charCodeAt(0));
/** The attributes of a message: their types and values. */
function* attributes(bytes: Uint8Array): Iterable<[type: number, value: Uint8Array]> {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = v.getUint16(at, true);
    if (length < 4 || length > bytes.length - at) break;
    yield [v.getUint16(at + 2, true), bytes.subarray(at + 4, at + length)];
    at += Math.ceil(length / 4) * 4;
  }
}

/** A 32-bit attribute. */
export function attributeNumber(bytes: Uint8Array, type: number): number | null {
  for (const [t, value] of attributes(bytes))
    if (t === type && value.length >= 4)
      return new DataView(value.buffer, value.byteOffset).getUint32(0, true);
  return null;
}

/** The text of the first attribute of one of these types, without its NUL. */
export function attributeText(bytes: Uint8Array, types: readonly number[]): string | null {
  for (const [type, value] of attributes(bytes))
    if (types.includes(type)) return String.fromCharCode(...value).replace(/\0.*$/s, '');
  return null;
}
