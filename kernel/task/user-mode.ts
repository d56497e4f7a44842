/** The border between the kernel and a task's own code: what happens before it runs, and when the cpu gives it up. */
import type { ExceptionKind } from '../kernel.ts';
import { PROT_EXEC, PROT_WRITE } from '../ports.ts';
import { deliverSignals } from '../signal/deliver.ts';
import {
  BUS_ADRALN, FPE_FLTDIV, FPE_FLTINV, FPE_FLTOVF, FPE_FLTRES, FPE_FLTUND, FPE_INTDIV, ILL_ILLOPN, SEGV_ACCERR, SIGBUS,
  SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGTRAP, SI_KERNEL, TRAP_TRACE,
} from '../signal/numbers.ts'; // prettier-ignore
import { forceSignal, sendToGroup } from '../signal/send.ts';
import { syscallResume } from '../syscall/dispatch.ts';
import { exceptionAarch64, memoryFault } from './exceptions-aarch64.ts';
import { exitTask } from './exit.ts';
import { rseqInterrupted } from './rseq.ts';
import type { Task } from './task.ts';

/**
 * Carries on a woken call, delivers signals, takes the exits they cause. `switched`: another task ran in between.
 * False: the task may not run now.
 */
export function prepareUser(t: Task, switched: boolean): boolean {
  if (t.group.groupExit !== null) {
    exitTask(t, t.group.groupExit);
    return false;
  }
  if (t.parked !== null) {
    syscallResume(t);
    if (t.state !== 'runnable' || t.parked !== null || t.kernel.pausing) return false;
  }
  if (t.mm.oom) outOfMemory(t);
  if (t.attrs.rseq !== 0 && (switched || t.sigPending)) rseqInterrupted(t);
  switch (deliverSignals(t)) {
    case 'gone':
      exitTask(t, t.group.groupExit ?? SIGKILL);
      return false;
    case 'stopped':
    case 'paused':
      return false;
    case 'user':
      t.nr = -1;
      return true;
  }
}

/** RAM ran out while the kernel used the task's memory: the OOM killer's choice is the one who asked. */
function outOfMemory(t: Task): void {
  // A line for each program: a fork bomb dies a thousand times of the same thing.
  t.kernel.reportOnce(
    `oom ${t.comm}`,
    `out of memory: killed process ${t.group.pid} (${t.comm}); more of that name are not reported`,
  );
  sendToGroup(t.group, { signo: SIGKILL, code: SI_KERNEL });
}

// Page-fault error code bits, as signal frames show them (SDM vol. 3A, 4.7).
const PF_PROT = 1;
const PF_WRITE = 2;
const PF_USER = 4;
const PF_INSTR = 16;

/** The cpu could not make an access at `address`. */
export function fault(t: Task, address: number | bigint, access: number): void {
  const at = Number(address);
  const r = t.mm.handleFault(at, access);
  if (r === 0) {
    t.minorFaults++;
    return;
  }
  if (r.signo === SIGKILL) {
    outOfMemory(t);
    return;
  }
  const full = BigInt(address);
  if (t.regs.arch === 'aarch64') {
    t.trap = memoryFault(full, access, r.signo, r.code);
    forceSignal(t, { signo: r.signo, code: r.code, address: t.trap.address });
    return;
  }
  t.trap = {
    nr: r.code === SI_KERNEL ? 13 : 14,
    error:
      PF_USER |
      (r.signo === SIGSEGV && r.code === SEGV_ACCERR ? PF_PROT : 0) |
      ((access & PROT_WRITE) !== 0 ? PF_WRITE : 0) |
      ((access & PROT_EXEC) !== 0 ? PF_INSTR : 0),
    address: full,
  };
  forceSignal(t, { signo: r.signo, code: r.code, address: r.code === SI_KERNEL ? 0n : full });
}

/** Trap number, signal and si_code of each exception; those without an address have si_addr 0 (arch/x86/kernel/traps.c). */
const EXCEPTIONS: Record<
  ExceptionKind,
  readonly [trap: number, signo: number, code: number, addressed: boolean]
> = {
  divide: [0, SIGFPE, FPE_INTDIV, true],
  step: [1, SIGTRAP, TRAP_TRACE, true],
  breakpoint: [3, SIGTRAP, SI_KERNEL, false],
  undefined: [6, SIGILL, ILL_ILLOPN, true],
  gp: [13, SIGSEGV, SI_KERNEL, false],
  alignment: [17, SIGBUS, BUS_ADRALN, false],
  fp: [19, SIGFPE, FPE_FLTINV, true],
};

export function exception(t: Task, kind: ExceptionKind, address: number): void {
  if (t.regs.arch === 'aarch64') {
    const r = exceptionAarch64(kind, t.regs.pc, address, t.trap);
    t.trap = r.trap;
    forceSignal(t, r.info);
    return;
  }
  const [nr, signo, fixed, addressed] = EXCEPTIONS[kind];
  const code = kind === 'fp' ? floatingCode(t) : fixed;
  t.trap = { nr, error: 0, address: t.trap.address };
  forceSignal(t, { signo, code, address: addressed ? BigInt(address) : 0n });
}

/** fpu__exception_code: the first unmasked exception, x87's before SSE's. */
function floatingCode(t: Task): number {
  const image = new Uint8Array(512);
  t.regs.saveFp(image);
  const v = new DataView(image.buffer);
  const x87 = v.getUint16(2, true) & ~v.getUint16(0, true) & 0x3f;
  const mxcsr = v.getUint32(24, true);
  const err = x87 !== 0 ? x87 : mxcsr & ~(mxcsr >>> 7) & 0x3f;
  if (err & 1) return FPE_FLTINV;
  if (err & 4) return FPE_FLTDIV;
  if (err & 8) return FPE_FLTOVF;
  if (err & 0x12) return FPE_FLTUND;
  return err & 0x20 ? FPE_FLTRES : FPE_FLTINV;
}
