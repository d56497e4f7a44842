/** Builds the memory of a program that execve starts: segments, heap, stack, vDSO (load_elf_binary's second half). */
import { EEXIST, EFAULT, EINVAL, ENOMEM } from '../abi/errno.ts';
import type { File } from '../fs/file.ts';
import { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, type Entropy } from '../ports.ts';
import type { ByteSource, ElfPlan } from '../../loader/elf.ts';
import { buildStack } from '../../loader/stack.ts';
import { VDSO_PAGES, vdsoImage, VVAR_PAGES } from '../../loader/vdso.ts';
import { AddressSpace, type MemoryOwner, type MemoryPorts } from './address-space.ts';
import {
  MAP_ANONYMOUS,
  MAP_DENYWRITE,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_PRIVATE,
} from './flags.ts';
import { pageDown, pageUp, STARRY_BASE, STARRY_HEAP, STARRY_STACK_TOP } from './layout.ts';
import type { MemObject } from './mem-object.ts';
import type { Memory } from './memory.ts';
import { AnonObject } from './objects.ts';
import { VM_ACCOUNT, VM_DONTDUMP, VM_DONTEXPAND, VM_IO, VM_MAYEXEC, VM_MAYWRITE, VM_PFNMAP } from './vma.ts';

/** AT_RANDOM of StarryOS, every time: 3703830112808742751 and 7081108068768079778. */
const STARRY_RANDOM = Uint8Array.of(
  0x5f, 0x2f, 0x5c, 0x26, 0xdd, 0xa5, 0x66, 0x33, 0xa2, 0xdf, 0x12, 0x6f, 0x45, 0x26, 0x45, 0x62,
); // prettier-ignore

/** Pages below the strings that the stack has from the start (setup_arg_pages). */
const STACK_EXPAND = 32 * PAGE_SIZE;

/** A program or interpreter: the file it is in, what mmap of it gives, and its plan. */
export interface Program {
  readonly plan: ElfPlan;
  readonly object: MemObject;
  readonly file: File | null;
}

export interface ImageRequest {
  readonly program: Program;
  /** What the program's PT_INTERP names, opened and planned; null when it has none. */
  readonly interp: Program | null;
  /** Binary strings. */
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  /** AT_EXECFN: the path as execve was given it. */
  readonly execfn: string;
  readonly creds: {
    readonly uid: number;
    readonly euid: number;
    readonly gid: number;
    readonly egid: number;
  };
  readonly secure: boolean;
  /** AT_RANDOM's bytes come from here; with `aslr` the layout's random parts too. */
  readonly entropy: Entropy;
  readonly aslr?: boolean;
  /** AT_HWCAP (x86_64: CPUID 1 edx), AT_HWCAP2, AT_MINSIGSTKSZ as the cpu has them. */
  readonly hwcap: number;
  readonly hwcap2: number;
  readonly minsigstksz: number;
}

export interface Image {
  readonly mm: AddressSpace;
  /** First instruction: the interpreter's, when there is one. */
  readonly entry: number;
  readonly sp: number;
}

/** A new address space with the program in it, or -errno: too late for the old program to see, so it dies (SIGSEGV). */
export function buildImage(ports: MemoryPorts, owner: MemoryOwner | null, req: ImageRequest): Image | number {
  if (ports.memory.spare < 0) return -ENOMEM;
  const mm = AddressSpace.create(ports, req.program.plan.arch, owner);
  const done = fill(mm, req);
  if (typeof done !== 'number') return done;
  mm.release();
  return done;
}

function fill(mm: AddressSpace, req: ImageRequest): Image | number {
  const { program, interp, entropy } = req;
  const { plan } = program;
  const { ways } = mm.memory;
  const top = ways.lowMemory
    ? STARRY_STACK_TOP
    : mm.layout.stackTop - (req.aslr ? entropy.below(0x400000) * PAGE_SIZE : 0);
  if (req.aslr) mm.randomize(entropy);

  // Where the strings end decides how far down the stack area reaches.
  const strings = stringSpace(req);
  const low = pageDown(top - strings) - STACK_EXPAND;
  const stackStart = ways.lowMemory
    ? STARRY_HEAP.end
    : Math.max(low, Math.min(pageDown(top - strings), top - pageUp(Math.min(mm.stackLimit, top))));
  if (strings > top - stackStart) return -ENOMEM;
  const prot = PROT_READ | PROT_WRITE | (plan.execStack ? PROT_EXEC : 0);
  const anon = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  let r = mm.map({
    start: stackStart, length: top - stackStart, prot, flags: ways.lowMemory ? anon : anon | MAP_GROWSDOWN, add: VM_ACCOUNT,
  }); // prettier-ignore
  if (r < 0) return r;

  let bias = 0;
  if (plan.relocatable) {
    // With an interpreter at ELF_ET_DYN_BASE; without one (a static PIE, or ld.so itself) among the mappings.
    const at = interp
      ? mm.layout.dynBase + (req.aslr ? entropy.below(2 ** 28) * PAGE_SIZE : 0)
      : ways.lowMemory
        ? STARRY_BASE
        : freeRange(mm, plan);
    if (at < 0) return at;
    bias = (plan.align > PAGE_SIZE ? at - (at % plan.align) : at) - plan.start;
    if (bias < 0) return -EINVAL;
  }
  r = mapSegments(mm, program, bias);
  if (r < 0) return r;
  const entry = plan.entry + bias;
  describe(mm, plan, bias);
  let brk = pageUp(bias + plan.start + plan.span);
  // A static PIE sits below the stack: its heap goes where a dynamic one's would (load_elf_binary).
  if (plan.relocatable && !interp) brk = pageUp(mm.layout.dynBase + 1);
  if (req.aslr) brk += entropy.below(0x2000) * PAGE_SIZE;
  if (ways.lowMemory) {
    brk = STARRY_HEAP.start;
    const heap = mm.map({
      start: brk,
      length: STARRY_HEAP.end - brk,
      prot: PROT_READ | PROT_WRITE,
      flags: anon,
    });
    if (heap < 0) return heap;
  }
  mm.startBrk = mm.brk = brk;

  let base = 0;
  let start = entry;
  if (interp) {
    const at = interp.plan.relocatable ? freeRange(mm, interp.plan) : interp.plan.start;
    if (at < 0) return at;
    base = at - interp.plan.start;
    r = mapSegments(mm, interp, base);
    if (r < 0) return r;
    start = interp.plan.entry + base;
  }
  r = ways.vdso ? mapVdso(mm) : 0;
  if (r < 0) return r;

  const random = new Uint8Array(16);
  if (ways.fullAuxv) entropy.fill(random);
  else random.set(STARRY_RANDOM);
  const { uid, euid, gid, egid } = req.creds;
  const stack = buildStack({
    top, arch: mm.arch, argv: req.argv, envp: req.envp, execfn: req.execfn, random, hwcap: req.hwcap,
    hwcap2: req.hwcap2, minsigstksz: req.minsigstksz, vdso: mm.vdso, phdr: plan.phdr === 0 ? 0 : plan.phdr + bias,
    phent: plan.phentsize, phnum: plan.phnum, base, entry, uid, euid, gid, egid, secure: req.secure,
    fullAuxv: ways.fullAuxv,
  }); // prettier-ignore
  if (mm.copyOut(stack.sp, stack.bytes) < 0) return -EFAULT;
  mm.startStack = stack.sp;
  mm.argStart = stack.argStart;
  mm.argEnd = stack.argEnd;
  mm.envStart = stack.envStart;
  mm.envEnd = stack.envEnd;
  mm.auxv = stack.auxv;
  return { mm, entry: start, sp: stack.sp };
}

/** Bytes the strings take at the top of the stack. */
function stringSpace(req: ImageRequest): number {
  let n = 8 + req.execfn.length + 1;
  for (const s of req.argv) n += s.length + 1;
  for (const s of req.envp) n += s.length + 1;
  return n;
}

/** A free range the whole of a relocatable object fits in. */
function freeRange(mm: AddressSpace, plan: ElfPlan): number {
  const slack = plan.align > PAGE_SIZE ? plan.align - PAGE_SIZE : 0;
  const at = mm.unmappedArea(0, plan.span + slack, 0);
  return at < 0 || slack === 0 ? at : Math.ceil(at / plan.align) * plan.align;
}

/** elf_load for each segment: file pages, zeroes after them within the page, anonymous pages for the rest. */
function mapSegments(mm: AddressSpace, { plan, object, file }: Program, bias: number): number {
  let first = true;
  for (const s of plan.segments) {
    const vaddr = s.vaddr + bias;
    const inPage = vaddr % PAGE_SIZE;
    const start = vaddr - inPage;
    const fileEnd = vaddr + s.filesz;
    const end = vaddr + s.memsz;
    let mapped = start;
    if (s.filesz > 0) {
      const flags = MAP_PRIVATE | MAP_DENYWRITE | (first ? MAP_FIXED_NOREPLACE : MAP_FIXED);
      const length = inPage + s.filesz;
      const r = mm.map({ start, length, prot: s.prot, flags, object, file, offset: s.offset - inPage });
      if (r < 0) return r === -EEXIST ? -ENOMEM : r;
      first = false;
      mapped = pageUp(fileEnd);
      if (s.memsz > s.filesz && s.prot & PROT_WRITE && mapped > fileEnd) {
        if (mm.copyOut(fileEnd, new Uint8Array(mapped - fileEnd)) < 0) return -EFAULT;
      }
    }
    if (pageUp(end) > mapped) {
      // vm_brk_flags: read-write whatever the segment says, executable only if it says so.
      const prot = PROT_READ | PROT_WRITE | (s.prot & PROT_EXEC);
      const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
      const r = mm.map({ start: mapped, length: pageUp(end) - mapped, prot, flags });
      if (r < 0) return r;
    }
  }
  return 0;
}

/** start_code and friends, for /proc/PID/stat. */
function describe(mm: AddressSpace, plan: ElfPlan, bias: number): void {
  mm.startCode = Infinity;
  for (const s of plan.segments) {
    const vaddr = s.vaddr + bias;
    if (s.prot & PROT_EXEC) {
      mm.startCode = Math.min(mm.startCode, vaddr);
      mm.endCode = Math.max(mm.endCode, vaddr + s.filesz);
    }
    mm.startData = Math.max(mm.startData, vaddr);
    mm.endData = Math.max(mm.endData, vaddr + s.filesz);
  }
  if (mm.startCode === Infinity) mm.startCode = 0;
}

/** [vvar] and [vdso], one image for all processes. */
function mapVdso(mm: AddressSpace): number {
  const { memory, arch } = mm;
  const text = memory.special(`vdso ${arch}`, () => vdsoObject(memory, arch));
  const at = mm.unmappedArea(0, (VVAR_PAGES + VDSO_PAGES) * PAGE_SIZE, 0);
  if (at < 0) return at;
  const flags = MAP_PRIVATE | MAP_FIXED;
  let r = mm.map({
    start: at, length: VVAR_PAGES * PAGE_SIZE, prot: PROT_READ, flags, object: vvarObject(memory), name: '[vvar]',
    add: VM_IO | VM_DONTEXPAND | VM_DONTDUMP | VM_PFNMAP, remove: VM_MAYWRITE | VM_MAYEXEC,
  }); // prettier-ignore
  if (r < 0) return r;
  mm.vdso = at + VVAR_PAGES * PAGE_SIZE;
  r = mm.map({
    start: mm.vdso, length: VDSO_PAGES * PAGE_SIZE, prot: PROT_READ | PROT_EXEC, flags, object: text, name: '[vdso]',
    add: VM_DONTEXPAND,
  }); // prettier-ignore
  return r < 0 ? r : 0;
}

const vvarObject = (memory: Memory): MemObject =>
  memory.special('vvar', () => new AnonObject(memory, VVAR_PAGES * PAGE_SIZE));

/** Tells the vDSO how far CLOCK_REALTIME is ahead of the processor's counter, which is CLOCK_MONOTONIC (ns). */
export function showRealtime(memory: Memory, offset: bigint): void {
  const frame = vvarObject(memory).frame(0, true);
  memory.ram.view.setBigInt64(frame, offset, true);
}

function vdsoObject(memory: Memory, arch: 'x86_64' | 'aarch64'): MemObject {
  const bytes = vdsoImage(arch);
  const object = new AnonObject(memory, bytes.length);
  for (let i = 0; i * PAGE_SIZE < bytes.length; i++) {
    const frame = object.frame(i);
    if (frame >= 0) memory.ram.u8.set(bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE), frame);
  }
  return object;
}

/** The bytes of a mappable file as planElf wants them. `size`: the file's. */
export function objectSource(memory: Memory, object: MemObject, size: number): ByteSource {
  return {
    size,
    read(offset, length) {
      if (offset < 0 || !(offset + length <= size)) return null;
      const out = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const at = (offset + done) % PAGE_SIZE;
        const n = Math.min(PAGE_SIZE - at, length - done);
        const frame = object.frame((offset + done - at) / PAGE_SIZE, false);
        if (frame < 0) return null;
        out.set(memory.ram.u8.subarray(frame + at, frame + at + n), done);
        done += n;
      }
      return out;
    },
  };
}
