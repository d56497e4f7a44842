/** What an ELF file asks for, read from its program headers and code: libraries, imported names, system calls, processor. */

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PT_NOTE = 4;
const PF_X = 1;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_RPATH = 15;
const DT_RUNPATH = 29;
const NT_GNU_PROPERTY_TYPE_0 = 5;
const GNU_PROPERTY_X86_ISA_1_NEEDED = 0xc0008002;
/** How far back from a system-call instruction its number is looked for, in bytes. */
const WINDOW = 64;

export interface ElfNeeds {
  readonly arch: 'x86_64' | 'aarch64';
  readonly interp: string | null;
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[];
  /** DT_RUNPATH, else DT_RPATH. */
  readonly runpath: readonly string[];
  /** Names of functions and variables it takes from others. */
  readonly imports: ReadonlySet<string>;
  /** Numbers loaded right before a system-call instruction, and how many such places there are. */
  readonly calls: ReadonlyMap<number, number>;
  /** System-call instructions whose number could not be told. */
  readonly unknown: number;
  /** x86-64-v2, v3, v4 as the linker noted them: 2, 3, 4; 1 for none of them. */
  readonly level: number;
}

interface Header {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly filesz: number;
}

/** Null for what is no 64-bit ELF file of an architecture that is known here. Hostile files give odd answers, not errors. */
export function elfNeeds(bytes: Uint8Array): ElfNeeds | null {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 64 || v.getUint32(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return null;
  const machine = v.getUint16(18, true);
  if (machine !== 62 && machine !== 183) return null;
  const headers: Header[] = [];
  const [phoff, phentsize, phnum] = [num(v, 32), v.getUint16(54, true), v.getUint16(56, true)];
  for (let i = 0; i < phnum && phentsize >= 56; i++) {
    const at = phoff + i * phentsize;
    if (!(at + 56 <= bytes.length)) break;
    headers.push({
      type: v.getUint32(at, true), flags: v.getUint32(at + 4, true), offset: num(v, at + 8), vaddr: num(v, at + 16),
      filesz: num(v, at + 32),
    }); // prettier-ignore
  }
  const part = (h: Header): Uint8Array => bytes.subarray(h.offset, h.offset + h.filesz);
  const calls = new Map<number, number>();
  let unknown = 0;
  const find = machine === 62 ? x86Calls : a64Calls;
  for (const h of headers) {
    if (h.type !== PT_LOAD || (h.flags & PF_X) === 0) continue;
    find(part(h), (nr) => {
      if (nr === null) unknown++;
      else calls.set(nr, (calls.get(nr) ?? 0) + 1);
    });
  }
  const interp = headers.find((h) => h.type === PT_INTERP);
  return {
    arch: machine === 62 ? 'x86_64' : 'aarch64',
    interp: interp ? text(part(interp), 0) : null,
    ...dynamic(bytes, v, headers),
    calls,
    unknown,
    level: Math.max(1, ...headers.filter((h) => h.type === PT_NOTE).map((h) => isaLevel(part(h)))),
  };
}

const num = (v: DataView, at: number): number => Number(v.getBigUint64(at, true));

function text(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at);
  return Buffer.from(bytes.subarray(at, end < 0 ? bytes.length : end)).toString('latin1');
}

function dynamic(
  bytes: Uint8Array,
  v: DataView,
  headers: readonly Header[],
): Pick<ElfNeeds, 'needed' | 'runpath' | 'imports'> {
  const imports = new Set<string>();
  const h = headers.find((x) => x.type === PT_DYNAMIC);
  if (!h) return { needed: [], runpath: [], imports };
  const entries: [tag: number, value: number][] = [];
  for (let at = h.offset; at + 16 <= Math.min(h.offset + h.filesz, bytes.length); at += 16)
    entries.push([num(v, at), num(v, at + 8)]);
  const value = (tag: number): number => entries.find(([t]) => t === tag)?.[1] ?? 0;
  /** Address to offset in the file. */
  const place = (address: number): number => {
    const s = headers.find((x) => x.type === PT_LOAD && address >= x.vaddr && address < x.vaddr + x.filesz);
    return s ? address - s.vaddr + s.offset : bytes.length;
  };
  const strings = bytes.subarray(place(value(DT_STRTAB)));
  // The symbols end where their strings begin, in files as linkers write them.
  const end = place(value(DT_STRTAB));
  for (let at = place(value(DT_SYMTAB)) + 24; at + 24 <= end; at += 24)
    if (v.getUint16(at + 6, true) === 0) imports.add(text(strings, v.getUint32(at, true)));
  const runpath = value(DT_RUNPATH) || value(DT_RPATH);
  return {
    needed: entries.filter(([t]) => t === DT_NEEDED).map(([, at]) => text(strings, at)),
    runpath: runpath === 0 ? [] : text(strings, runpath).split(':'),
    imports,
  };
}

/** SYSCALL (0F 05), and before it MOV EAX, imm32; MOV RAX, imm32; or XOR EAX, EAX. */
function x86Calls(code: Uint8Array, found: (nr: number | null) => void): void {
  const word = (at: number): number =>
    code[at] | (code[at + 1] << 8) | (code[at + 2] << 16) | (code[at + 3] << 24);
  for (let i = code.indexOf(0x0f); i >= 0; i = code.indexOf(0x0f, i + 1)) {
    if (code[i + 1] !== 0x05) continue;
    // A displacement or immediate that looks like SYSCALL has nothing in front of it that sets the number, most of the time.
    let nr: number | null = null;
    for (let k = i - 2; k >= Math.max(0, i - WINDOW) && nr === null; k--) {
      const wide = code[k] === 0x48 && code[k + 1] === 0xc7 && code[k + 2] === 0xc0;
      if (code[k] === 0xb8 && k + 5 <= i && isCall(word(k + 1))) nr = word(k + 1);
      else if (wide && k + 7 <= i && isCall(word(k + 3))) nr = word(k + 3);
      else if ((code[k] === 0x31 || code[k] === 0x33) && code[k + 1] === 0xc0) nr = 0;
      else if (code[k] === 0x0f && code[k + 1] === 0x05) break; // an earlier call's
    }
    found(nr);
  }
}

/** SVC #0, and before it MOV X8 or W8, #imm. */
function a64Calls(code: Uint8Array, found: (nr: number | null) => void): void {
  const v = new DataView(code.buffer, code.byteOffset, code.length);
  for (let i = 0; i + 4 <= code.length; i += 4) {
    if (v.getUint32(i, true) !== 0xd4000001) continue;
    let nr: number | null = null;
    for (let k = i - 4; k >= Math.max(0, i - WINDOW) && nr === null; k -= 4) {
      const insn = v.getUint32(k, true);
      if ((insn & 0x7fe0001f) >>> 0 === 0x52800008) nr = (insn >>> 5) & 0xffff;
      else if (insn === 0xd4000001) break;
    }
    found(nr);
  }
}

const isCall = (n: number): boolean => n >= 0 && n < 600;

/** GNU_PROPERTY_X86_ISA_1_NEEDED of a note segment, as a level. */
function isaLevel(notes: Uint8Array): number {
  const v = new DataView(notes.buffer, notes.byteOffset, notes.length);
  const up = (n: number, to: number): number => Math.ceil(n / to) * to;
  for (let at = 0; at + 12 <= notes.length;) {
    const [nameSize, descSize, type] = [0, 4, 8].map((o) => v.getUint32(at + o, true));
    const desc = at + 12 + up(nameSize, 4);
    if (type === NT_GNU_PROPERTY_TYPE_0 && text(notes, at + 12) === 'GNU') {
      for (let p = desc; p + 8 <= Math.min(desc + descSize, notes.length);) {
        const size = v.getUint32(p + 4, true);
        if (v.getUint32(p, true) === GNU_PROPERTY_X86_ISA_1_NEEDED && p + 12 <= notes.length) {
          const bits = v.getUint32(p + 8, true);
          return bits & 8 ? 4 : bits & 4 ? 3 : bits & 2 ? 2 : 1;
        }
        p += 8 + up(size, 8);
      }
    }
    at = desc + up(descSize, 8);
  }
  return 1;
}
