/** Writes an ELF core file (elf(5), elf_core_dump of fs/binfmt_elf.c). */
import { PAGE_SIZE } from '../ports.ts';
import type { SigInfo } from '../signal/state.ts';
import type { Task } from '../task/task.ts';
import { coreNotes } from './notes.ts';
import { dumpedFrame, dumpSize } from './segments.ts';
import type { CoreSink } from './settings.ts';

const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const SHDR_SIZE = 64;
const ET_CORE = 4;
const EM_X86_64 = 62;
const EM_AARCH64 = 183;
const PT_LOAD = 1;
const PT_NOTE = 4;
/** More program headers than e_phnum can count: the number is in a section header. */
const PN_XNUM = 0xffff;
/** Memory written at once. */
const PIECE = 1 << 20;

/** Emits bytes in order, up to RLIMIT_CORE; holes do not count (dump_emit and dump_skip). */
class Emitter {
  private readonly sink: CoreSink;
  private left: number;
  private failed = false;
  at = 0;
  /** Something was written where the file ends now. */
  private end = 0;

  constructor(sink: CoreSink, limit: number) {
    this.sink = sink;
    this.left = limit;
  }

  get full(): boolean {
    return this.failed;
  }

  /** Of memory, as many pages as there is room for. */
  emit(bytes: Uint8Array): void {
    if (this.failed) return;
    const fits = bytes.length <= this.left;
    const piece = fits ? bytes : bytes.subarray(0, this.left - (this.left % PAGE_SIZE));
    this.failed = !this.sink.write(piece, this.at) || !fits;
    this.left -= piece.length;
    this.at += piece.length;
    this.end = this.at;
  }

  skip(n: number): void {
    if (!this.failed) this.at += n;
  }

  close(): void {
    // A hole at the end still counts in the file's size.
    if (!this.failed && this.at > this.end) this.sink.write(new Uint8Array(1), this.at - 1);
    this.sink.close(this.at);
  }
}

/** `limit`: bytes that may be written. What does not fit any more is missing from the file. */
export function writeElfCore(t: Task, info: SigInfo, sink: CoreSink, limit: number): void {
  const { mm } = t;
  const areas = mm.vmas.all();
  const sizes = areas.map((v) => dumpSize(mm, v));
  const notes = coreNotes(t, info, areas);
  const noteSize = notes.reduce((n, b) => n + b.length, 0);
  const count = areas.length + 1;
  const noteAt = EHDR_SIZE + PHDR_SIZE * count;
  const dataAt = Math.ceil((noteAt + noteSize) / PAGE_SIZE) * PAGE_SIZE;
  const end = sizes.reduce((n, size) => n + size, dataAt);

  const out = new Emitter(sink, limit);
  out.emit(elfHeader(t, count, end));
  const headers = new Uint8Array(PHDR_SIZE * count);
  const v = new DataView(headers.buffer);
  header(v, 0, { type: PT_NOTE, offset: noteAt, filesz: noteSize, align: 4 });
  let offset = dataAt;
  areas.forEach((area, i) => {
    const access = area.flags & 7; // VM_READ, VM_WRITE, VM_EXEC
    const flags = ((access & 1) << 2) | (access & 2) | ((access & 4) >> 2);
    const memsz = area.end - area.start;
    header(v, PHDR_SIZE * (i + 1), {
      type: PT_LOAD, flags, offset, vaddr: area.start, filesz: sizes[i], memsz, align: PAGE_SIZE,
    }); // prettier-ignore
    offset += sizes[i];
  });
  out.emit(headers);
  for (const bytes of notes) out.emit(bytes);
  out.skip(dataAt - out.at);

  const { ram } = mm.memory;
  areas.forEach((area, i) => {
    let run = -1;
    let length = 0;
    const flush = (): void => {
      if (length > 0) out.emit(ram.u8.subarray(run, run + length));
      length = 0;
    };
    for (let at = 0; at < sizes[i] && !out.full; at += PAGE_SIZE) {
      const frame = dumpedFrame(mm, area, area.start + at);
      if (length > 0 && frame === run + length && length < PIECE) {
        length += PAGE_SIZE;
        continue;
      }
      flush();
      if (frame < 0) out.skip(PAGE_SIZE);
      else {
        run = frame;
        length = PAGE_SIZE;
      }
    }
    flush();
  });
  if (count >= PN_XNUM) {
    const section = new Uint8Array(SHDR_SIZE);
    const s = new DataView(section.buffer);
    s.setBigUint64(32, 1n, true); // sh_size: e_shnum
    s.setUint32(44, count, true); // sh_info
    out.emit(section);
  }
  out.close();
}

function elfHeader(t: Task, count: number, end: number): Uint8Array {
  const bytes = new Uint8Array(EHDR_SIZE);
  const v = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little-endian, version 1
  v.setUint16(16, ET_CORE, true);
  v.setUint16(18, t.regs.arch === 'x86_64' ? EM_X86_64 : EM_AARCH64, true);
  v.setUint32(20, 1, true);
  v.setBigUint64(32, BigInt(EHDR_SIZE), true); // e_phoff
  v.setUint16(52, EHDR_SIZE, true);
  v.setUint16(54, PHDR_SIZE, true);
  v.setUint16(56, Math.min(count, PN_XNUM), true);
  if (count >= PN_XNUM) {
    v.setBigUint64(40, BigInt(end), true); // e_shoff
    v.setUint16(58, SHDR_SIZE, true);
    v.setUint16(60, 1, true);
  }
  return bytes;
}

interface ProgramHeader {
  readonly type: number;
  readonly flags?: number;
  readonly offset: number;
  readonly vaddr?: number;
  readonly filesz: number;
  readonly memsz?: number;
  readonly align: number;
}

function header(v: DataView, at: number, h: ProgramHeader): void {
  v.setUint32(at, h.type, true);
  v.setUint32(at + 4, h.flags ?? 0, true);
  v.setBigUint64(at + 8, BigInt(h.offset), true);
  v.setBigUint64(at + 16, BigInt(h.vaddr ?? 0), true);
  v.setBigUint64(at + 32, BigInt(h.filesz), true);
  v.setBigUint64(at + 40, BigInt(h.memsz ?? 0), true);
  v.setBigUint64(at + 48, BigInt(h.align), true);
}
