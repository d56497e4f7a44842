/** The PT_NOTE segment: who died of what, and every thread's state (fill_note_info of fs/binfmt_elf.c). */
import type { Vma } from '../mm/vma.ts';
import { PAGE_SIZE } from '../ports.ts';
import { encodeSigInfo, SIGINFO_SIZE } from '../signal/siginfo.ts';
import type { SigInfo } from '../signal/state.ts';
import type { Task } from '../task/task.ts';
import { processCpuTime, threadCpuTime } from '../time/cpu-time.ts';
import { generalRegisters, NT_PRFPREG, otherRegsets } from './registers.ts';

const NT_PRSTATUS = 1;
const NT_PRPSINFO = 3;
const NT_AUXV = 6;
const NT_FILE = 0x46494c45;
const NT_SIGINFO = 0x53494749;

/** Where pr_reg begins, and what follows it: pr_fpvalid and padding. */
const PR_REG = 112;
const PR_TAIL = 8;
const PRPSINFO_SIZE = 136;
const PR_FNAME = 40;
const PR_PSARGS = 56;
const ELF_PRARGSZ = 80;
/** PF_FORKNOEXEC, PF_DUMPCORE, PF_SIGNALED and PF_RANDOMIZE of task->flags. */
const PF_FORKNOEXEC = 0x40;
const PF_DYING = 0x400600;
/** Longer than this NT_FILE is left out. */
const MAX_FILE_NOTE_SIZE = 4 << 20;

const roundUp4 = (n: number): number => (n + 3) & ~3;

function note(type: number, desc: Uint8Array, owner: 'CORE' | 'LINUX' = 'CORE'): Uint8Array {
  const name = roundUp4(owner.length + 1);
  const bytes = new Uint8Array(12 + name + roundUp4(desc.length));
  const v = new DataView(bytes.buffer);
  v.setUint32(0, owner.length + 1, true);
  v.setUint32(4, desc.length, true);
  v.setUint32(8, type, true);
  putString(bytes, 12, owner);
  bytes.set(desc, 12 + name);
  return bytes;
}

function putString(to: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) to[at + i] = text.charCodeAt(i);
}

/** All notes. `dumper` took the signal and comes first; the process's own notes are with it. */
export function coreNotes(dumper: Task, info: SigInfo, areas: readonly Vma[]): Uint8Array[] {
  const out = [
    note(NT_PRSTATUS, prstatus(dumper, info.signo)),
    note(NT_PRPSINFO, prpsinfo(dumper)),
    note(NT_SIGINFO, siginfo(info)),
    note(NT_AUXV, dumper.mm.auxv),
  ];
  const files = mappedFiles(areas);
  if (files !== null) out.push(note(NT_FILE, files));
  out.push(...regsets(dumper));
  for (const t of dumper.group.tasks) {
    if (t === dumper || t.state === 'zombie' || t.state === 'dead') continue;
    out.push(note(NT_PRSTATUS, prstatus(t, info.signo)), ...regsets(t));
  }
  return out;
}

function regsets(t: Task): Uint8Array[] {
  return otherRegsets(t).map(({ type, bytes }) => note(type, bytes, type === NT_PRFPREG ? 'CORE' : 'LINUX'));
}

/** struct elf_prstatus. */
function prstatus(t: Task, signo: number): Uint8Array {
  const g = t.group;
  const regs = generalRegisters(t);
  const bytes = new Uint8Array(PR_REG + regs.length + PR_TAIL);
  const v = new DataView(bytes.buffer);
  const timeval = (at: number, ns: number): void => {
    v.setBigUint64(at, BigInt(Math.floor(ns / 1e9)), true);
    v.setBigUint64(at + 8, BigInt(Math.floor((ns % 1e9) / 1e3)), true);
  };
  v.setInt32(0, signo, true);
  v.setInt16(12, signo, true);
  v.setBigUint64(16, t.pending.mask, true);
  v.setBigUint64(24, t.sigmask, true);
  v.setInt32(32, t.tid, true);
  v.setInt32(36, g.parent?.pid ?? 0, true);
  v.setInt32(40, g.pgrp, true);
  v.setInt32(44, g.session, true);
  timeval(48, t === g.leader ? processCpuTime(g) : threadCpuTime(t));
  timeval(80, g.childUsage.retired);
  bytes.set(regs, PR_REG);
  v.setInt32(PR_REG + regs.length, 1, true); // pr_fpvalid
  return bytes;
}

/** struct elf_prpsinfo. */
function prpsinfo(t: Task): Uint8Array {
  const g = t.group;
  const bytes = new Uint8Array(PRPSINFO_SIZE);
  const v = new DataView(bytes.buffer);
  bytes[1] = 'R'.charCodeAt(0);
  v.setInt8(3, g.leader.attrs.nice);
  v.setBigUint64(8, BigInt(PF_DYING | (g.execed ? 0 : PF_FORKNOEXEC)), true);
  v.setUint32(16, t.creds.uid, true);
  v.setUint32(20, t.creds.gid, true);
  v.setInt32(24, g.pid, true);
  v.setInt32(28, g.parent?.pid ?? 0, true);
  v.setInt32(32, g.pgrp, true);
  v.setInt32(36, g.session, true);
  putString(bytes, PR_FNAME, g.leader.comm);
  const { argStart, argEnd } = t.mm;
  const args = t.mm.iov(argStart, Math.min(argEnd - argStart, ELF_PRARGSZ - 1), false);
  if (typeof args !== 'number') {
    args.bytes().forEach((byte, i) => (bytes[PR_PSARGS + i] = byte === 0 ? 32 : byte));
  }
  return bytes;
}

function siginfo(info: SigInfo): Uint8Array {
  const bytes = new Uint8Array(SIGINFO_SIZE);
  encodeSigInfo(new DataView(bytes.buffer), info);
  return bytes;
}

/** NT_FILE: count, page size, then start, end and offset of each mapping, then their names. null: too long. */
function mappedFiles(areas: readonly Vma[]): Uint8Array | null {
  const mapped = areas.filter((v) => v.name === null && v.object !== null);
  const names = mapped.map((v) => `${v.file?.name ?? v.object!.name}\0`);
  const head = 16 + 24 * mapped.length;
  const size = names.reduce((n, s) => n + s.length, head);
  if (mapped.length === 0 || size > MAX_FILE_NOTE_SIZE) return null;
  const bytes = new Uint8Array(size);
  const v = new DataView(bytes.buffer);
  v.setBigUint64(0, BigInt(mapped.length), true);
  v.setBigUint64(8, BigInt(PAGE_SIZE), true);
  let at = head;
  mapped.forEach((area, i) => {
    v.setBigUint64(16 + 24 * i, BigInt(area.start), true);
    v.setBigUint64(24 + 24 * i, BigInt(area.end), true);
    v.setBigUint64(32 + 24 * i, BigInt(area.pgoff), true);
    putString(bytes, at, names[i]);
    at += names[i].length;
  });
  return bytes;
}
