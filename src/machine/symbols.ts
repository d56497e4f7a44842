/** Names of an ELF program's functions and variables, for Machine.peek and poke. Reads .symtab, or .dynsym without it. */

const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
const SYMBOL_SIZE = 24;

/** A symbol as the file says it: add the load bias of a position-independent program to the value. */
export interface ElfSymbol {
  readonly name: string;
  /** STT_*: 1 a variable, 2 a function, 6 thread-local (its value is no address). */
  readonly type: number;
  readonly value: number;
  /** Bytes; 0: not known. */
  readonly size: number;
}

/** Name → value; of several symbols of one name, the first. Empty when stripped. */
export function readSymbols(elf: Uint8Array): Map<string, number> {
  const out = new Map<string, number>();
  for (const s of readSymbolTable(elf)) if (!out.has(s.name)) out.set(s.name, s.value);
  return out;
}

/** Names with an address in the file's order, empty when stripped. */
export function readSymbolTable(elf: Uint8Array): ElfSymbol[] {
  const out: ElfSymbol[] = [];
  const v = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  const inside = (at: number, length: number): boolean => at >= 0 && length >= 0 && at + length <= elf.length;
  if (!inside(0, 64) || v.getUint32(0) !== 0x7f454c46) return out;
  const shoff = Number(v.getBigUint64(40, true));
  const shentsize = v.getUint16(58, true);
  const shnum = v.getUint16(60, true);
  if (shentsize < 64 || !inside(shoff, shnum * shentsize)) return out;
  const section = (i: number) => {
    const at = shoff + i * shentsize;
    return {
      type: v.getUint32(at + 4, true),
      offset: Number(v.getBigUint64(at + 24, true)),
      size: Number(v.getBigUint64(at + 32, true)),
      link: v.getUint32(at + 40, true),
    };
  };
  const all = Array.from({ length: shnum }, (_, i) => section(i));
  const table = all.find((s) => s.type === SHT_SYMTAB) ?? all.find((s) => s.type === SHT_DYNSYM);
  const strings = table && all[table.link];
  if (!table || !strings || !inside(table.offset, table.size) || !inside(strings.offset, strings.size))
    return out;
  const names = elf.subarray(strings.offset, strings.offset + strings.size);
  for (let at = table.offset; at + SYMBOL_SIZE <= table.offset + table.size; at += SYMBOL_SIZE) {
    const from = v.getUint32(at, true);
    const section = v.getUint16(at + 6, true);
    if (from === 0 || section === 0 || from >= names.length) continue;
    const to = names.indexOf(0, from);
    const name = String.fromCharCode(...names.subarray(from, to < 0 ? names.length : to));
    const [value, size] = [8, 16].map((offset) => Number(v.getBigUint64(at + offset, true)));
    out.push({ name, type: v.getUint8(at + 4) & 15, value, size });
  }
  return out;
}

/** ET_DYN: loaded at an address of the kernel's choice. */
export const isPositionIndependent = (elf: Uint8Array): boolean => elf[16] === 3;

/** e_entry. */
export const entryPoint = (elf: Uint8Array): number =>
  Number(new DataView(elf.buffer, elf.byteOffset, elf.byteLength).getBigUint64(24, true));
