/**
 * The vDSO: a shared object made here and mapped into every program. Its functions tell the time without a system call,
 * from the processor's counter and what the kernel keeps in [vvar]; libcs and Go find them by name and version
 * (vdso(7)). One page of headers and tables, one of code (`vdso/`).
 */
import { VDSO_CODE } from './vdso/code.ts';

const PAGE = 4096;
/** Pages of [vvar] below the image, and of the image. */
export const VVAR_PAGES = 4;
export const VDSO_PAGES = 2;

const DT = {
  NULL: 0, HASH: 4, STRTAB: 5, SYMTAB: 6, STRSZ: 10, SYMENT: 11, SONAME: 14, VERSYM: 0x6ffffff0, VERDEF: 0x6ffffffc,
  VERDEFNUM: 0x6ffffffd,
} as const; // prettier-ignore

const STB_GLOBAL = 1;
const STB_WEAK = 2;
const STT_FUNC = 2;
const SHN_CODE = 1; // any defined section: there are no section headers

interface Func {
  readonly name: string;
  readonly weak: boolean;
  /** Where it lies in the code, and how many bytes it has. */
  readonly at: number;
  readonly size: number;
}

interface VdsoSpec {
  readonly machine: number;
  readonly soname: string;
  /** Symbol version all functions have. */
  readonly version: string;
  readonly code: Uint8Array;
  readonly funcs: readonly Func[];
}

function spec(arch: 'x86_64' | 'aarch64'): VdsoSpec {
  const { hex, functions } = VDSO_CODE[arch];
  const code = new Uint8Array(hex.length / 2);
  for (let i = 0; i < code.length; i++) code[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  const starts = [...Object.values(functions), code.length];
  const [machine, version, prefix] =
    arch === 'x86_64' ? [62, 'LINUX_2.6', '__vdso_'] : [183, 'LINUX_2.6.39', '__kernel_'];
  const funcs = Object.entries(functions).flatMap(([name, at], i) => {
    const size = starts[i + 1] - at;
    const named = { name: prefix + name, weak: false, at, size };
    return arch === 'x86_64' ? [named, { name, weak: true, at, size }] : [named];
  });
  return { machine, soname: 'linux-vdso.so.1', version, code, funcs };
}

/** ELF's symbol hash (gABI). */
export function elfHash(name: string): number {
  let h = 0;
  for (let i = 0; i < name.length; i++) {
    h = ((h << 4) + name.charCodeAt(i)) >>> 0;
    const high = h & 0xf0000000;
    if (high) h ^= high >>> 24;
    h = (h & ~high) >>> 0;
  }
  return h;
}

/** Bytes with a cursor. */
class Image {
  readonly bytes = new Uint8Array(VDSO_PAGES * PAGE);
  private readonly view = new DataView(this.bytes.buffer);
  at = 0;

  align(n: number): number {
    return (this.at = Math.ceil(this.at / n) * n);
  }
  u8(...values: number[]): void {
    for (const v of values) this.bytes[this.at++] = v;
  }
  u16(...values: number[]): void {
    for (const v of values) {
      this.view.setUint16(this.at, v, true);
      this.at += 2;
    }
  }
  u32(...values: number[]): void {
    for (const v of values) {
      this.view.setUint32(this.at, v, true);
      this.at += 4;
    }
  }
  u64(...values: number[]): void {
    for (const v of values) this.u32(v, 0);
  }
  put(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }
}

/** Strings of .dynstr by offset. */
class Strings {
  text = '\0';
  add(s: string): number {
    const at = this.text.length;
    this.text += `${s}\0`;
    return at;
  }
  get bytes(): Uint8Array {
    return Uint8Array.from(this.text, (c) => c.charCodeAt(0));
  }
}

/** Where the code of a function lies in the image. */
export function vdsoSymbol(arch: 'x86_64' | 'aarch64', name: string): number {
  const f = spec(arch).funcs.find((g) => g.name === name);
  if (f) return PAGE + f.at;
  throw new Error(`the vDSO has no ${name}`);
}

/** The image, linked at 0: VDSO_PAGES pages. The same bytes every time. */
export function vdsoImage(arch: 'x86_64' | 'aarch64'): Uint8Array {
  const { machine, soname, version, code, funcs } = spec(arch);
  const strings = new Strings();
  const sonameAt = strings.add(soname);
  const versionAt = strings.add(version);
  const names = funcs.map((f) => strings.add(f.name));
  const image = new Image();
  image.at = 64 + 3 * 56;

  image.bytes.set(code, PAGE);

  const hash = image.align(8);
  const buckets: number[] = Array.from({ length: 3 }, () => 0);
  const chains: number[] = Array.from({ length: funcs.length + 2 }, () => 0);
  funcs.forEach((f, i) => {
    const b = elfHash(f.name) % buckets.length;
    chains[i + 1] = buckets[b];
    buckets[b] = i + 1;
  });
  image.u32(buckets.length, funcs.length + 2, ...buckets, ...chains);

  const symtab = image.align(8);
  image.u64(0, 0, 0);
  funcs.forEach((f, i) => {
    image.u32(names[i]);
    image.u8(((f.weak ? STB_WEAK : STB_GLOBAL) << 4) | STT_FUNC, 0);
    image.u16(SHN_CODE);
    image.u64(PAGE + f.at, f.size);
  });
  image.u32(versionAt); // the version is a symbol too, as ld writes it
  image.u8((STB_GLOBAL << 4) | 1, 0);
  image.u16(0xfff1);
  image.u64(0, 0);

  const strtab = image.at;
  image.put(strings.bytes);
  const versym = image.align(2);
  image.u16(0, ...funcs.map(() => 2), 2);

  // Verdef, verdaux: 1 is the object itself, 2 the version.
  const verdef = image.align(8);
  image.u16(1, 1, 1, 1);
  image.u32(elfHash(soname), 20, 28, sonameAt, 0);
  image.u16(1, 0, 2, 1);
  image.u32(elfHash(version), 20, 0, versionAt, 0);

  // Note: which kernel this is, as the real one carries it (LINUX_VERSION_CODE of 6.1).
  const note = image.align(4);
  image.u32(6, 4, 0);
  image.put(Uint8Array.of(0x4c, 0x69, 0x6e, 0x75, 0x78, 0, 0, 0)); // "Linux"
  image.u32(0x60100);
  const noteSize = image.at - note;

  const dynamic = image.align(8);
  image.u64(
    DT.SONAME, sonameAt, DT.HASH, hash, DT.STRTAB, strtab, DT.SYMTAB, symtab, DT.STRSZ, strings.text.length,
    DT.SYMENT, 24, DT.VERDEF, verdef, DT.VERDEFNUM, 2, DT.VERSYM, versym, DT.NULL, 0,
  ); // prettier-ignore
  const dynamicSize = image.at - dynamic;

  image.at = 0;
  image.u8(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  image.u16(3, machine);
  image.u32(1);
  image.u64(PAGE, 64, 0);
  image.u32(0);
  image.u16(64, 56, 3, 64, 0, 0);
  const segment = (type: number, flags: number, at: number, size: number, align: number): void => {
    image.u32(type, flags);
    image.u64(at, at, at, size, size, align);
  };
  segment(1, 5, 0, PAGE + code.length, PAGE);
  segment(2, 4, dynamic, dynamicSize, 8);
  segment(4, 4, note, noteSize, 4);
  return image.bytes;
}
