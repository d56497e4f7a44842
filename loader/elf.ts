/**
 * Reads an ELF program and says where its parts go, with the checks of Linux 6.1's fs/binfmt_elf.c. Pure: bytes in,
 * a plan or a refusal out, whatever the bytes are.
 */
import elfy from 'elfy';
import { ElfBytes } from './elf-bytes.ts';

const PAGE = 4096;
const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const PATH_MAX = 4096;

const EIO = 5;
const ENOEXEC = 8;
const EINVAL = 22;
const ELIBBAD = 80;

/** Where the bytes come from: a file that may be read at any offset. */
export interface ByteSource {
  readonly size: number;
  /** Exactly `length` bytes at `offset`, or null when they are not all there. */
  read(offset: number, length: number): Uint8Array | null;
}

export const byteSource = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: (offset, length) =>
    offset >= 0 && offset + length <= bytes.length ? bytes.subarray(offset, offset + length) : null,
});

export type ElfArch = 'x86_64' | 'aarch64';

/** One PT_LOAD. Addresses before the bias is added; sizes in bytes. */
export interface Segment {
  readonly vaddr: number;
  readonly offset: number;
  readonly filesz: number;
  readonly memsz: number;
  /** PROT_* bits. */
  readonly prot: number;
}

export interface ElfPlan {
  readonly ok: true;
  readonly arch: ElfArch;
  /** ET_DYN: goes anywhere. */
  readonly relocatable: boolean;
  readonly entry: number;
  /** Where the program headers end up (AT_PHDR); 0 when no segment holds them. */
  readonly phdr: number;
  readonly phnum: number;
  readonly phentsize: number;
  /** PT_INTERP's path, as a binary string. */
  readonly interp: string | null;
  /** PT_GNU_STACK: null when there is none (then the stack is not executable on 64 bits). */
  readonly execStack: boolean | null;
  readonly segments: readonly Segment[];
  /** Page-aligned start of the first segment, and bytes from there to the last one's end. */
  readonly start: number;
  readonly span: number;
  /** Largest p_align that is a power of two; 0: none. */
  readonly align: number;
}

export type RefusalKind =
  'not-elf' | 'truncated' | 'malformed' | 'not-executable' | 'wrong-class' | 'wrong-endian' | 'wrong-machine';

export interface Refusal {
  readonly ok: false;
  /** Positive errno, as execve(2) fails with. */
  readonly errno: number;
  readonly kind: RefusalKind;
  /** One clause for people: "a 32-bit x86 program". */
  readonly reason: string;
  /** Linux finds out when the old program is gone already: the process dies of SIGSEGV instead of seeing errno. */
  readonly fatal: boolean;
}

export interface PlanOptions {
  /** First address no user page has (TASK_SIZE). */
  readonly taskSize?: number;
  /** The file is another program's interpreter: bad headers are ELIBBAD. */
  readonly asInterpreter?: boolean;
}

const pageDown = (n: number): number => n - (n % PAGE);
const pageUp = (n: number): number => pageDown(n + PAGE - 1);

export function planElf(input: ByteSource | Uint8Array, options: PlanOptions = {}): ElfPlan | Refusal {
  const file = input instanceof Uint8Array ? byteSource(input) : input;
  const taskSize = options.taskSize ?? 0x7ffffffff000;
  const bad = options.asInterpreter ? ELIBBAD : ENOEXEC;
  const refuse = (kind: RefusalKind, reason: string, errno = bad, fatal = false): Refusal => ({
    ok: false, errno, kind, reason, fatal,
  }); // prettier-ignore

  const ident = file.read(0, Math.min(file.size, 20));
  if (
    !ident ||
    ident.length < 4 ||
    ident[0] !== 0x7f ||
    ident[1] !== 0x45 ||
    ident[2] !== 0x4c ||
    ident[3] !== 0x46
  )
    return refuse('not-elf', file.size === 0 ? 'an empty file' : 'not an ELF program');
  if (ident.length < 20) return refuse('truncated', 'a truncated ELF file');
  if (ident[5] === 2)
    return refuse('wrong-endian', `a big-endian ${machineName(ident[18] * 256 + ident[19])} program`);
  if (ident[4] === 1)
    return refuse('wrong-class', `a 32-bit ${machineName(ident[18] + ident[19] * 256)} program`);
  if (ident[4] !== 2 || ident[5] !== 1) return refuse('malformed', 'an ELF file of an unknown class');
  const raw = file.read(0, EHDR_SIZE);
  if (!raw) return refuse('truncated', 'a truncated ELF file');

  const parser = new elfy.Parser();
  const header = parser.parseHeader(ElfBytes.copy(raw));
  if (header.type !== 'exec' && header.type !== 'dyn') {
    const what =
      header.type === 'rel'
        ? 'an object file that is not linked'
        : header.type === 'core'
          ? 'a core dump'
          : null;
    return refuse('not-executable', what ?? 'an ELF file that is no program');
  }
  const arch = header.machine === 'amd64' ? 'x86_64' : header.machine === 'AArch64' ? 'aarch64' : null;
  if (!arch) return refuse('wrong-machine', `a program for ${machineName(raw[18] + raw[19] * 256)}`);

  // load_elf_phdrs: at most a page of them.
  const tableSize = header.phnum * PHDR_SIZE;
  if (header.phentsize !== PHDR_SIZE || tableSize === 0 || tableSize > PAGE)
    return refuse('malformed', 'an ELF file with malformed program headers');
  const table = file.read(header.phoff, tableSize);
  if (!table) return refuse('truncated', 'a truncated ELF file: its program headers are missing');
  // elfy slices each segment's bytes out of what it is given: it is given the headers alone.
  const programs = new elfy.Parser();
  programs.parseHeader(ElfBytes.copy(raw)); // sets endianness and word size
  const list = programs.parsePrograms(withHeaders(raw, table), { ...header, phoff: EHDR_SIZE });

  let interp: string | null = null;
  let execStack: boolean | null = null;
  let align = 0;
  let phdr = 0;
  const segments: Segment[] = [];
  for (const p of list) {
    if (p.type === 'interp' && interp === null && !options.asInterpreter) {
      if (p.filesz > PATH_MAX || p.filesz < 2)
        return refuse('malformed', 'an ELF file with a malformed PT_INTERP');
      const path = file.read(p.offset, p.filesz);
      if (!path) return refuse('truncated', 'a truncated ELF file: its PT_INTERP is missing', EIO);
      if (path[path.length - 1] !== 0) return refuse('malformed', 'an ELF file with a malformed PT_INTERP');
      interp = String.fromCharCode(...path.subarray(0, path.indexOf(0)));
    } else if (p.type === 'gnu_stack') execStack = p.flags.x === true;
    else if (p.type === 'load') {
      const prot = (p.flags.r ? 1 : 0) | (p.flags.w ? 2 : 0) | (p.flags.x ? 4 : 0);
      segments.push({ vaddr: p.vaddr, offset: p.offset, filesz: p.filesz, memsz: p.memsz, prot });
      if (p.offset <= header.phoff && header.phoff < p.offset + p.filesz)
        phdr = header.phoff - p.offset + p.vaddr;
      if (p.align > align && Number.isSafeInteger(p.align) && isPowerOfTwo(p.align)) align = p.align;
    }
  }

  // From here on the old program is gone in Linux.
  const late = (reason: string): Refusal => refuse('malformed', reason, EINVAL, !options.asInterpreter);
  if (segments.length === 0) return late('an ELF file without loadable segments');
  for (const s of segments) {
    if (!(s.vaddr < taskSize) || s.filesz > s.memsz || s.memsz > taskSize || taskSize - s.memsz < s.vaddr)
      return late('an ELF file with a segment outside the address space');
    if (s.filesz > 0 && (s.offset % PAGE !== s.vaddr % PAGE || !(s.offset + s.filesz < 2 ** 52)))
      return late('an ELF file with a misplaced segment');
  }
  // total_mapping_size counts from the lowest to the highest.
  const start = pageDown(Math.min(...segments.map((s) => s.vaddr)));
  const end = Math.max(...segments.map((s) => s.vaddr + s.memsz));
  const span = pageUp(end) - start;
  if (span <= 0) return late('an ELF file whose segments are empty');
  if (!(header.entry < taskSize)) return late('an ELF file whose entry is outside the address space');
  return {
    ok: true, arch, relocatable: header.type === 'dyn', entry: header.entry, phdr, phnum: header.phnum,
    phentsize: header.phentsize, interp, execStack, segments, start, span, align,
  }; // prettier-ignore
}

function withHeaders(raw: Uint8Array, table: Uint8Array): ElfBytes {
  const out = ElfBytes.zeros(EHDR_SIZE + table.length);
  out.set(raw);
  out.set(table, EHDR_SIZE);
  return out;
}

function isPowerOfTwo(n: number): boolean {
  return n > 0 && Number.isInteger(Math.log2(n));
}

const MACHINES: Readonly<Record<number, string>> = {
  2: 'SPARC', 3: 'x86', 8: 'MIPS', 20: 'PowerPC', 21: '64-bit PowerPC', 22: 'IBM S/390', 40: 'ARM', 43: '64-bit SPARC',
  50: 'Itanium', 62: 'x86_64', 183: 'aarch64', 243: 'RISC-V', 258: 'LoongArch',
}; // prettier-ignore

const machineName = (n: number): string => MACHINES[n] ?? `machine ${n}`;
