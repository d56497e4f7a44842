/**
 * Memory: each call of the log that changes the address space is made in our kernel's as well, at the addresses the log
 * has. What was mapped before the log began is unknown, and nothing is said about it.
 */
import { ERRNO } from '../../../kernel/abi/errno.ts';
import type { AddressSpace } from '../../../kernel/mm/address-space.ts';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_PRIVATE } from '../../../kernel/mm/flags.ts';
import { MMAP_MIN_ADDR, pageDown, pageUp } from '../../../kernel/mm/layout.ts';
import { PAGE_SIZE, PROT_NONE, PROT_READ, PROT_WRITE } from '../../../kernel/ports.ts';
import type { KernelNote, LogCall } from '../events.ts';
import type { ModelKernel } from '../model/kernel.ts';
import type { Findings, Verdict } from './finding.ts';
import { View } from './finding.ts';
import { hex, RangeSet } from './ranges.ts';
import { type Birth, PerTask } from './tasks.ts';

/** Errors that depend on more than the arguments: limits, files, rights. */
const DEPENDS = new Set(['ENOMEM', 'EACCES', 'EBADF', 'ENODEV', 'EPERM', 'EAGAIN', 'ENFILE', 'ETXTBSY']);

/** No kernel that places from the top down gives addresses in this part of the address space. */
const LOW_PART = 1 / 3;

interface Memory {
  readonly space: AddressSpace;
  /** Where the log has told all there is. */
  readonly known: RangeSet;
  /** The break, and the lowest seen; null: not known yet. */
  brk: number | null;
  lowest: number;
}

const errorName = (result: number): string => ERRNO[-result]?.[0] ?? `errno ${-result}`;

/** Whether a run has addresses that 47 bits do not hold. */
export const hasWideAddresses = (calls: readonly LogCall[]): boolean =>
  calls.some((c) => ['mmap', 'brk'].includes(c.name) && c.error === null && (c.result ?? 0n) >= 2n ** 47n);

export class MemoryModel {
  private readonly model: ModelKernel;
  private readonly findings: Findings;
  private readonly memory: PerTask<Memory>;
  /** No task the log does not show shares memory with one it does: else what is known of it may have changed. */
  private readonly alone: boolean;
  private readonly empty: AddressSpace;
  private readonly wide: boolean;
  private topDownSaid = false;

  constructor(
    model: ModelKernel,
    findings: Findings,
    births: ReadonlyMap<number, Birth>,
    alone: boolean,
    wide: boolean,
  ) {
    this.model = model;
    this.findings = findings;
    this.alone = alone;
    this.wide = wide;
    this.empty = model.emptyMemory(wide);
    const fresh = (): Memory => ({
      space: model.emptyMemory(wide), known: new RangeSet(), brk: null, lowest: Infinity,
    }); // prettier-ignore
    const copy = (m: Memory): Memory => ({
      ...m, space: m.space.fork(), known: m.known.copy(),
    }); // prettier-ignore
    this.memory = new PerTask(births, (b) => b.sharesMemory, fresh, copy);
  }

  /** A call returned. */
  exit(call: LogCall): void {
    this.memory.returned(call);
    const c = new View(call);
    switch (call.name) {
      case 'mmap':
        this.mmap(c);
        return;
      case 'munmap':
        this.munmap(c);
        return;
      case 'mprotect':
        this.mprotect(c);
        return;
      case 'mremap':
        this.mremap(c);
        return;
      case 'brk':
        this.brk(c);
        return;
      case 'execve':
      case 'execveat':
        if (c.ok) this.memory.renew(call.tid);
    }
  }

  /** A page fault that the task survived. */
  fault(note: Extract<KernelNote, { kind: 'fault' }>): void {
    const { space, known } = this.memory.get(note.tid);
    const page = pageDown(note.address);
    if (!note.user || !this.alone || !known.covers(page, page + PAGE_SIZE)) return;
    const v = space.vmas.containing(page);
    const allowed = v && v.prot & (note.write ? PROT_WRITE : PROT_READ);
    if (allowed) return;
    const access = note.write ? 'write' : 'read';
    this.say(
      null,
      {
        rule: 'fault-passed', kind: 'state', certain: false, linux: 'SIGSEGV',
        why: v
          ? `Its area [${hex(v.start)}, ${hex(v.end)}] does not allow a ${access}, and the task went on.`
          : 'Nothing is mapped there, and the task went on.',
        man: 'mmap(2), NOTES; mprotect(2)',
      },
      note.line, `${access} of ${hex(note.address)} at ${hex(note.pc)}`, note.text, note.tid,
    ); // prettier-ignore
  }

  private ask(space: AddressSpace, name: string, values: readonly bigint[]): number {
    this.model.task.mm = space;
    return this.model.ask(name, values);
  }

  private found(c: View, v: Verdict): void {
    const { call } = c;
    this.say(call, v, call.exit ?? call.entry ?? 0, null, call.source, call.tid);
  }

  private say(
    call: LogCall | null,
    v: Verdict,
    line: number,
    what: string | null,
    source: string,
    tid: number,
  ): void {
    const shown = what ?? `${call!.name}(${call!.args.join(', ')}) = ${call!.resultText}`;
    this.findings.add(v, call, line, shown, source, tid);
  }

  private mmap(c: View): void {
    const values = all(c, 6);
    if (values === null) return;
    const { space, known } = this.memory.get(c.call.tid);
    const [addr, length, , flags] = values.map(Number);
    const fd = c.i32(4)!;
    const anonymous = (flags & MAP_ANONYMOUS) !== 0;
    if (!anonymous) this.model.mappableFile(fd);
    const alone = this.ask(this.empty, 'mmap', values);
    if (alone >= 0) this.empty.unmap(alone, alone + pageUp(length));
    const man = 'mmap(2), ERRORS';
    if (!c.ok) {
      const taken = c.error === 'EEXIST' && (flags & MAP_FIXED_NOREPLACE) !== 0;
      if (alone >= 0 && !DEPENDS.has(c.error ?? '') && !taken)
        this.found(c, { rule: 'mmap-refused', linux: 'an address', why: 'The arguments are valid.', man });
      return;
    }
    const at = c.result;
    const end = at + pageUp(length);
    if (alone < 0 && !(alone === -9 && !anonymous)) {
      const why = length === 0 ? 'The length is 0.' : 'The arguments are not valid.';
      this.found(c, { rule: 'mmap-accepted', linux: errorName(alone), why, man });
      return;
    }
    if (at % PAGE_SIZE !== 0) {
      this.found(c, {
        rule: 'mmap-aligned',
        linux: 'a multiple of 4096',
        why: 'Mappings start at a page.',
        man,
      });
      return;
    }
    const fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
    const there = space.vmas.within(at, end)[0];
    if (fixed && at !== addr) {
      this.found(c, {
        rule: 'mmap-fixed',
        linux: hex(addr),
        why: 'MAP_FIXED maps exactly there or fails.',
        man,
      });
    } else if (flags & MAP_FIXED_NOREPLACE && there && this.alone) {
      const why = `[${hex(there.start)}, ${hex(there.end)}] is mapped already.`;
      this.found(c, { rule: 'mmap-noreplace', linux: 'EEXIST', why, man });
    } else if (!fixed) this.placed(c, space, at, end, pageUp(length), addr, flags, there);
    const wanted = [...values];
    wanted[0] = BigInt(at);
    wanted[3] = BigInt((flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED);
    this.ask(space, 'mmap', wanted);
    known.add(at, end);
  }

  /** The kernel chose the address. */
  private placed(
    c: View,
    space: AddressSpace,
    at: number,
    end: number,
    length: number,
    hint: number,
    flags: number,
    there: { readonly start: number; readonly end: number } | undefined,
  ): void {
    const linux = space.unmappedArea(hint, length, flags);
    const man = 'mmap(2), DESCRIPTION';
    if (there && this.alone) {
      this.found(c, {
        rule: 'mmap-overlap', linux: 'a range that is free',
        why: `[${hex(there.start)}, ${hex(there.end)}] is mapped there, and MAP_FIXED was not given.`, man,
      }); // prettier-ignore
    } else if (at < MMAP_MIN_ADDR) {
      this.found(c, {
        rule: 'mmap-low', once: true, linux: `an address like ${hex(linux)}`,
        why: `Linux maps nothing below vm.mmap_min_addr (${hex(MMAP_MIN_ADDR)}) unless told to with MAP_FIXED: accesses through a NULL pointer and a small offset must fault.`,
        man: 'proc(5), /proc/sys/vm/mmap_min_addr',
      }); // prettier-ignore
    } else if (!this.topDownSaid && end < LOW_PART * space.taskSize && linux >= 0 && hint === 0) {
      this.topDownSaid = true;
      this.found(c, {
        rule: 'mmap-bottom-up', kind: 'remark', linux: `an address like ${hex(linux)}`,
        why: 'Linux looks for room from below the stack downwards. A program may not count on either.', man,
      }); // prettier-ignore
    }
  }

  private munmap(c: View): void {
    const values = all(c, 2);
    if (values === null) return;
    const { space, known } = this.memory.get(c.call.tid);
    const [addr, length] = values.map(Number);
    const alone = this.ask(this.empty, 'munmap', values);
    this.argumentsOnly(c, alone, 'munmap');
    if (!c.ok || alone < 0) return;
    this.ask(space, 'munmap', values);
    known.add(addr, addr + pageUp(length));
  }

  /** A call judged by its arguments: 0 or an error that anybody would get. */
  private argumentsOnly(c: View, alone: number, name: string): void {
    const man = name === 'munmap' ? 'mmap(2), ERRORS' : `${name}(2), ERRORS`;
    if (c.ok && alone === -22) {
      this.found(c, { rule: `${name}-accepted`, linux: 'EINVAL', why: 'The arguments are not valid.', man });
    } else if (!c.ok && alone >= 0 && c.error === 'EINVAL') {
      this.found(c, { rule: `${name}-refused`, linux: '0', why: 'The arguments are valid.', man });
    }
  }

  private mprotect(c: View): void {
    const values = all(c, 3);
    if (values === null) return;
    const { space, known } = this.memory.get(c.call.tid);
    const [addr, length] = values.map(Number);
    const end = addr + pageUp(length);
    const whole = this.alone && known.covers(addr, end);
    // Where the log does not say what is mapped, something is.
    const scratch = whole ? space : this.model.emptyMemory(this.wide);
    if (!whole && end > addr && addr % PAGE_SIZE === 0 && end <= space.taskSize) {
      this.model.task.mm = scratch;
      scratch.map({
        start: addr, length: end - addr, prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
      }); // prettier-ignore
    }
    const linux = this.ask(whole ? space.fork() : scratch, 'mprotect', values);
    const man = 'mprotect(2), ERRORS';
    if (c.ok && linux < 0) {
      const why =
        linux === -12 ? `Part of [${hex(addr)}, ${hex(end)}] is not mapped.` : 'The arguments are not valid.';
      this.found(c, { rule: 'mprotect-accepted', linux: errorName(linux), why, man });
    } else if (!c.ok && linux === 0 && (c.error === 'EINVAL' || (whole && c.error === 'ENOMEM'))) {
      this.found(c, {
        rule: 'mprotect-refused', linux: '0',
        why: c.error === 'ENOMEM' ? 'All of it is mapped.' : 'The arguments are valid.', man,
      }); // prettier-ignore
    }
    if (!c.ok || end <= addr) return;
    if (!whole) this.adopt(space, addr, end);
    this.ask(space, 'mprotect', values);
    known.add(addr, end);
  }

  /** The kernel takes all of [start, end) for mapped: what the log has not told of is anonymous memory from now on. */
  private adopt(space: AddressSpace, start: number, end: number): void {
    let at = start;
    while (at < end) {
      const v = space.vmas.find(at);
      const free = v && v.start < end ? Math.max(at, v.start) : end;
      if (free > at) {
        space.map({
          start: at, length: free - at, prot: PROT_NONE, flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
        }); // prettier-ignore
      }
      at = v ? Math.max(free, Math.min(v.end, end)) : end;
    }
  }

  private mremap(c: View): void {
    const values = all(c, 4);
    if (values === null || !c.ok) return;
    const { space, known } = this.memory.get(c.call.tid);
    const [old, oldSize, newSize] = values.map(Number);
    const at = c.result;
    const old_ = space.vmas.containing(old);
    const prot = old_ ? old_.prot : PROT_READ | PROT_WRITE;
    if (at % PAGE_SIZE !== 0) {
      this.found(c, {
        rule: 'mmap-aligned', linux: 'a multiple of 4096', why: 'Mappings start at a page.', man: 'mremap(2)',
      }); // prettier-ignore
      return;
    }
    if (pageUp(newSize) <= pageUp(oldSize) && at !== old && !(Number(values[3]) & 2)) {
      this.found(c, {
        rule: 'mremap-moved', linux: hex(old),
        why: 'A mapping that does not grow stays where it is.', man: 'mremap(2), DESCRIPTION',
      }); // prettier-ignore
    }
    if (oldSize > 0) space.unmap(old, old + pageUp(oldSize));
    space.map({
      start: at, length: pageUp(newSize), prot, flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
    }); // prettier-ignore
    known.add(old, old + pageUp(oldSize));
    known.add(at, at + pageUp(newSize));
  }

  private brk(c: View): void {
    const m = this.memory.get(c.call.tid);
    const to = c.u64(0);
    const now = c.result;
    if (to === null || now < 0) return;
    const before = this.alone ? m.brk : null;
    m.brk = now;
    const { lowest } = m;
    m.lowest = Math.min(m.lowest, now);
    const man = 'brk(2), NOTES';
    if (before === null || now === to) return;
    if (to === 0 || to < lowest) {
      if (now !== before)
        this.found(c, {
          rule: 'brk-moved',
          linux: hex(before),
          why: 'The break was there and was not to be moved.',
          man,
        });
    } else if (now !== before) {
      this.found(c, {
        rule: 'brk-other', linux: `${hex(to)}, or ${hex(before)} when it cannot be`,
        why: 'The break is where it was asked to be or where it was.', man,
      }); // prettier-ignore
    } else if (to < before) {
      this.found(c, { rule: 'brk-shrink', linux: hex(to), why: 'Shrinking the heap does not fail.', man });
    } else {
      this.found(c, {
        rule: 'brk-grow', certain: false, linux: hex(to),
        why: 'The break moves unless RLIMIT_DATA is reached or something is mapped in the way.', man,
      }); // prettier-ignore
    }
  }
}

/** The first `n` arguments; null: the log does not show one of them. */
function all(c: View, n: number): bigint[] | null {
  const out: bigint[] = [];
  for (let i = 0; i < n; i++) {
    const v = c.call.values[i];
    if (v === undefined || v === null) return null;
    out.push(v);
  }
  return out;
}
