/**
 * Arguments as values for programs, beside the text for people: named bits, and whatever strace's text says of a structure,
 * read back into objects. Rows declare neither twice: the types follow from the tables and names they are written with.
 */
import type { Table } from './tables.ts';

/** What a structure's text says: objects, lists, numbers, strings, null for NULL; names and flags stay strings. */
export type Decoded =
  string | number | bigint | null | readonly Decoded[] | { readonly [field: string]: Decoded };

/** A word of named bits, or one of named values: `flags.O_CLOEXEC` is true when it is set, `op.FUTEX_WAIT` when it is that. */
export type Named<Names extends string = string> = NamedWord & { readonly [K in Names]: boolean };

interface NamedWord {
  /** The number. */
  readonly value: number;
  /** As strace writes it: "O_RDWR|O_CLOEXEC". */
  readonly text: string;
  toString(): string;
}

/** How a name is found in a word: the bits of `mask` have `value`. */
export interface Name {
  readonly name: string;
  readonly mask: number;
  readonly value: number;
}

/** Every entry of a table of flags; one of value 0 is there when no bit is. */
export const flagNames = (table: Table): Name[] =>
  table.map(([value, name]) => ({ name, mask: value === 0 ? 0xffffffff : value, value }));

/** Every entry of a table of values. */
export const valueNames = (table: Table): Name[] =>
  table.map(([value, name]) => ({ name, mask: 0xffffffff, value }));

/** Makes words of the given names. They hold `value` and `text` only; names are looked up when they are asked for. */
export function namedWords<Names extends string>(
  names: readonly Name[],
): (value: number, text: string) => Named<Names> {
  const shape = { toString: { value: textOf } } as PropertyDescriptorMap;
  for (const { name, mask, value } of names) {
    shape[name] = {
      get(this: NamedWord): boolean {
        return (this.value & mask) >>> 0 === value >>> 0;
      },
    };
  }
  const prototype = Object.create(null, shape) as object;
  return (value, text) => Object.assign(Object.create(prototype) as object, { value, text }) as Named<Names>;
}

function textOf(this: NamedWord): string {
  return this.text;
}

/** Reads strace's text of a value back. Anything it has no form for stays text. */
export function decodeText(text: string): Decoded {
  const reader = new Reader(text);
  const value = reader.value();
  reader.blank();
  return reader.at >= text.length ? value : text;
}

const NUMBER = /^-?(?:0x[0-9a-f]+|[0-9]+)$/;

class Reader {
  at = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** Skips spaces and comments. */
  blank(): void {
    for (;;) {
      while (this.text[this.at] === ' ') this.at++;
      if (!this.text.startsWith('/*', this.at)) return;
      const end = this.text.indexOf('*/', this.at);
      this.at = end < 0 ? this.text.length : end + 2;
    }
  }

  value(): Decoded {
    for (;;) {
      const value = this.one();
      this.blank();
      if (!this.text.startsWith('=>', this.at)) return value;
      this.at += 2; // in and out: what came out counts
    }
  }

  private one(): Decoded {
    this.blank();
    switch (this.text[this.at]) {
      case '{':
        return this.fields();
      case '[':
        return this.list();
      case '"':
        return this.string();
      default:
        return this.word();
    }
  }

  private fields(): Decoded {
    const fields: Record<string, Decoded> = {};
    const bare: Decoded[] = [];
    this.at++;
    for (this.blank(); this.at < this.text.length && this.text[this.at] !== '}'; this.blank()) {
      const from = this.at;
      const m = /^([A-Za-z_]\w*(?:\.\w+)*)=/.exec(this.text.slice(this.at, this.at + 64));
      if (m) {
        this.at += m[0].length;
        fields[m[1]] = this.value();
      } else if (this.text.startsWith('...', this.at)) this.at += 3;
      else {
        const v = this.value();
        const pton = typeof v === 'string' ? /^inet_pton\(\w+, "([^"]*)", &(\w+)\)$/.exec(v) : null;
        if (pton) fields[pton[2]] = pton[1];
        else bare.push(v);
      }
      this.comma('}', from);
    }
    this.at++;
    if (bare.length === 0) return fields;
    return Object.keys(fields).length === 0 ? bare : { ...fields, '': bare };
  }

  private list(): Decoded {
    const items: Decoded[] = [];
    this.at++;
    for (this.blank(); this.at < this.text.length && this.text[this.at] !== ']'; this.blank()) {
      const from = this.at;
      if (this.text.startsWith('...', this.at)) this.at += 3;
      else items.push(this.value());
      this.comma(']', from);
    }
    this.at++;
    return items;
  }

  /** Goes past the comma; whatever else stands there is left out, so that every text ends. */
  private comma(end: string, from: number): void {
    this.blank();
    const c = this.text[this.at];
    if (c === ',' || (c !== end && this.at === from)) this.at++;
  }

  private string(): string {
    const bytes: number[] = [];
    const { text } = this;
    for (this.at++; this.at < text.length && text[this.at] !== '"'; this.at++) {
      if (text[this.at] !== '\\') {
        bytes.push(text.charCodeAt(this.at));
        continue;
      }
      const octal = /^[0-7]{1,3}/.exec(text.slice(this.at + 1, this.at + 4));
      const hex = /^x([0-9a-f]{2})/.exec(text.slice(this.at + 1, this.at + 4));
      if (octal) {
        bytes.push(parseInt(octal[0], 8) & 255);
        this.at += octal[0].length;
      } else if (hex) {
        bytes.push(parseInt(hex[1], 16));
        this.at += 3;
      } else {
        const c = text[++this.at] ?? '\\';
        bytes.push({ n: 10, t: 9, r: 13, v: 11, f: 12 }[c] ?? c.charCodeAt(0));
      }
    }
    this.at++;
    if (text.startsWith('...', this.at)) this.at += 3;
    return utf8(bytes);
  }

  /** Up to the next comma or bracket outside of parentheses. */
  private word(): Decoded {
    const from = this.at;
    const { text } = this;
    for (let depth = 0; this.at < text.length; this.at++) {
      const c = text[this.at];
      if (c === '"') {
        this.string();
        this.at--;
      } else if (c === '(') depth++;
      else if (c === ')' && depth > 0) depth--;
      else if (depth === 0 && (c === ',' || c === ']' || c === '}' || (c === '[' && this.at > from))) break;
      else if (depth === 0 && c === ' ' && /^ (?:\/\*|=>|$)/.test(text.slice(this.at, this.at + 3))) break;
    }
    return decodeWord(text.slice(from, this.at).trim());
  }
}

function decodeWord(word: string): Decoded {
  if (word === 'NULL') return null;
  if (NUMBER.test(word)) {
    const n = Number(word);
    if (Number.isSafeInteger(n)) return /^-?0[0-7]+$/.test(word) ? parseInt(word, 8) : n;
    return BigInt(word);
  }
  const call = /^(htons|htonl|inet_addr|if_nametoindex)\((.*)\)$/s.exec(word);
  if (call) return new Reader(call[2]).value();
  if (word.startsWith('@"')) return `\0${new Reader(word.slice(1)).value() as string}`;
  return word;
}

function utf8(bytes: readonly number[]): string {
  // Without TextDecoder, which is no part of the language: valid sequences only, other bytes as they are.
  let out = '';
  for (let i = 0; i < bytes.length; i++) {
    const b = bytes[i];
    const more = b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : b >= 0xc2 ? 1 : 0;
    const tail = bytes.slice(i + 1, i + 1 + more);
    if (more === 0 || tail.length < more || tail.some((c) => (c & 0xc0) !== 0x80)) {
      out += String.fromCharCode(b);
      continue;
    }
    const code = tail.reduce((n, c) => (n << 6) | (c & 0x3f), b & (0x3f >> more));
    out += code < 0x110000 ? String.fromCodePoint(code) : String.fromCharCode(b);
    if (code < 0x110000) i += more;
  }
  return out;
}

/** A binary string (one char a byte) as text. */
export const textOfBinary = (s: string): string => utf8(Array.from(s, (c) => c.charCodeAt(0)));
