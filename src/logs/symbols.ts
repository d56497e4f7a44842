/** The numbers behind the names of a trace: MAP_PRIVATE, EPOLL_CTL_DEL, FUTEX_WAIT|FUTEX_PRIVATE_FLAG, AT_FDCWD. */
import type { Arch } from '../../kernel/ports.ts';
import type { ModelKernel } from './model/kernel.ts';
import { syscalls } from '../../kernel/syscall/table.ts';

/** Values whose names are asked for: small ones, single bits, and what futex(2) makes of its commands. */
const PROBES: readonly number[] = [
  ...Array.from({ length: 96 }, (_, i) => i),
  -100,
  ...Array.from({ length: 16 }, (_, i) => i | 128),
  ...Array.from({ length: 16 }, (_, i) => i | 256),
  ...Array.from({ length: 32 }, (_, i) => 2 ** i),
  0xffffffff,
  1024, 1025, 1026, 1030, 1031, 1032, 1033, 1034, 0x1001, 0x1002, 0x1003, 0x1004,
  ...Array.from({ length: 96 }, (_, i) => 0x5400 + i),
]; // prettier-ignore

const plain = (text: string): string => text.replace(/ \/\*.*?\*\//g, '').replace(/<.*>$/, '');

/**
 * Our own traces are asked which name they give each value, so that what they write can be read back, and what strace
 * writes as well.
 */
export class Symbols {
  private readonly arch: Arch;
  private readonly model: ModelKernel;
  private readonly names = new Map<string, ReadonlyMap<string, number>>();

  constructor(model: ModelKernel) {
    this.arch = model.arch;
    this.model = model;
  }

  /** An argument's value; null: it is a string, a structure or a name nobody knows. */
  value(call: string, index: number, shown: string): bigint | null {
    const text = plain(shown.trim());
    const literal = number(text);
    if (literal !== null) return literal;
    if (text === 'NULL') return 0n;
    if (!/^[A-Z_~][A-Z_0-9|xa-f<~]*$/i.test(text)) return null;
    const names = this.table(call, index);
    let sum = 0n;
    for (const part of text.split('|')) {
      const value = number(part) ?? names.get(part);
      if (value === undefined) return null;
      sum |= BigInt(value);
    }
    return BigInt.asUintN(64, sum);
  }

  private table(call: string, index: number): ReadonlyMap<string, number> {
    const key = `${call} ${index}`;
    let names = this.names.get(key);
    if (!names) this.names.set(key, (names = this.probe(call, index)));
    return names;
  }

  private probe(call: string, index: number): Map<string, number> {
    const names = new Map<string, number>();
    const row = syscalls.get(call);
    const nr = row?.[this.arch];
    if (nr === undefined || nr === null) return names;
    for (const value of PROBES) {
      const values: bigint[] = [0n, 0n, 0n, 0n, 0n, 0n];
      values[index] = BigInt.asUintN(64, BigInt(value));
      const text = this.model.argument(nr, values, index);
      const unknown = plain(text)
        .split('|')
        .filter((part) => number(part) === null && part !== 'NULL');
      let rest = value;
      const left = unknown.filter((part) => {
        const known = names.get(part);
        if (known !== undefined && known !== 0) rest -= known;
        return known === undefined;
      });
      if (left.length === 1) names.set(left[0], rest);
    }
    return names;
  }
}

/** Decimal, hexadecimal or octal as strace prints them. */
export function number(text: string): bigint | null {
  if (/^0x[0-9a-f]+$/i.test(text)) return BigInt(text);
  if (/^0[0-7]+$/.test(text)) return BigInt(`0o${text.slice(1)}`);
  if (/^-?\d+$/.test(text)) return BigInt.asUintN(64, BigInt(text));
  return null;
}
