/** What the quirks of signal delivery do to a frame: a ucontext that holds the pc alone, and registers that come from elsewhere. */
import type { Regs } from '../ports.ts';
import type { Task } from '../task/task.ts';

/** Where in ucontext_t the registers are, and the pc among them (asm/ucontext.h, asm/sigcontext.h). */
const LAYOUT = {
  x86_64: { registers: 40, bytes: 184, pc: 168, fromSp: 0 },
  aarch64: { registers: 176, bytes: 272, pc: 440, fromSp: 128 },
} as const;
/** Registers with the third argument, the ucontext, at a handler's start. */
const THIRD = { x86_64: 2, aarch64: 2 } as const;

/** The registers as they are now, to come back to. */
export function keepRegs(t: Task): Regs {
  const kept = t.kernel.cpu.newRegs(t.regs.arch);
  kept.copyFrom(t.regs);
  return kept;
}

/** Empties the registers of the frame a handler was just given, but for the pc. */
export function emptyContext(t: Task): void {
  const { arch } = t.regs;
  const at = LAYOUT[arch];
  const uc = t.regs.num(THIRD[arch]);
  const pc = t.mm.copyIn(uc + at.pc, 8);
  if (pc === null) return;
  t.mm.copyOut(uc + at.registers, new Uint8Array(at.bytes));
  t.mm.copyOut(uc + at.pc, pc);
}

/** rt_sigreturn: everything as it was kept, and the pc from the frame. */
export function returnKept(t: Task, kept: Regs): void {
  const at = LAYOUT[t.regs.arch];
  const pc = t.mm.ptr(t.regs.sp + at.fromSp + at.pc);
  t.regs.copyFrom(kept);
  kept.release();
  if (pc > 0) t.regs.pc = pc;
}
