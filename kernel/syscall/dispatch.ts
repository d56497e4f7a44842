/**
 * From the registers to a handler and back. The hot path (`syscallEntry` to `finishSyscall` of a call that does not
 * wait) allocates nothing.
 */
import { ENOSYS, ERESTARTSYS, ERESTART_RESTARTBLOCK } from '../abi/errno.ts';
import { REG } from '../ports.ts';
import { checkCall } from '../seccomp/seccomp.ts';
import { unknownCall } from '../personality/panic.ts';
import type { Task } from '../task/task.ts';
import { KEEP_REGS, type SysResult } from '../wait.ts';
import { Args } from './args.ts';
import type { SyscallRow } from './define.ts';
import { keepStill, type Tampering } from './tamper.ts';

/** x0 and x8 of aarch64: first argument and result; call number. */
const X0 = 0;
const X8 = 8;

/**
 * Reads the call the registers ask for into `t.nr`, `t.args` and `t.row`, without serving it. Returns the rows of the
 * architecture. Also for whoever stops a machine between a system-call instruction and the call.
 */
export function readCall(t: Task): readonly (SyscallRow | null)[] {
  const regs = t.regs;
  const w = t.args.words;
  let nr: number;
  if (regs.arch === 'x86_64') {
    nr = regs.lo(REG.rax);
    w[0] = regs.lo(REG.rdi);
    w[1] = regs.hi(REG.rdi);
    w[2] = regs.lo(REG.rsi);
    w[3] = regs.hi(REG.rsi);
    w[4] = regs.lo(REG.rdx);
    w[5] = regs.hi(REG.rdx);
    w[6] = regs.lo(REG.r10);
    w[7] = regs.hi(REG.r10);
    w[8] = regs.lo(REG.r8);
    w[9] = regs.hi(REG.r8);
    w[10] = regs.lo(REG.r9);
    w[11] = regs.hi(REG.r9);
  } else {
    nr = regs.lo(X8);
    for (let i = 0; i < 6; i++) {
      w[2 * i] = regs.lo(X0 + i);
      w[2 * i + 1] = regs.hi(X0 + i);
    }
  }
  const rows = regs.arch === 'x86_64' ? t.kernel.syscalls.x86_64 : t.kernel.syscalls.aarch64;
  t.nr = nr;
  t.row = (nr >= 0 && nr < rows.length ? rows[nr] : null) ?? null;
  return rows;
}

/** Serves the call the task's registers ask for: its result is in the registers afterwards, or the task is parked. */
export function syscallEntry(t: Task): void {
  const rows = readCall(t);
  if (t.kernel.tamper !== null) {
    const nr = t.nr;
    t.kernel.tamper.enter(t);
    if (t.nr !== nr) t.row = (t.nr >= 0 && t.nr < rows.length ? rows[t.nr] : null) ?? null;
  }
  if (t.kernel.tracer !== null) t.kernel.tracer.enter(t);
  if (t.tampering === null || !heldBack(t, t.tampering)) serveCall(t);
}

function serveCall(t: Task): void {
  if (t.seccomp !== null && t.nr !== -1) {
    const verdict = checkCall(t, t.seccomp);
    if (verdict !== null) {
      if (typeof verdict === 'number') finishSyscall(t, verdict);
      else settle(t, verdict);
      return;
    }
  }
  const run = t.row !== null ? t.row.run : undefined;
  const result = run === undefined ? absent(t) : run(t, t.args);
  if (typeof result === 'number') finishSyscall(t, result);
  else settle(t, result);
}

/** Whether a call that is tampered with is not to be made, or not yet. */
function heldBack(t: Task, tampering: Tampering): boolean {
  if (t.group.groupExit !== null) return true; // an injected SIGKILL: it never gets there
  if (tampering.delayEnter > 0) {
    keepStill(t, tampering.delayEnter);
    return true;
  }
  return answered(t, tampering);
}

/** Gives an injected result, if there is one. */
function answered(t: Task, tampering: Tampering): boolean {
  tampering.stage = 'called';
  if (tampering.result === null) return false;
  const { instead } = tampering;
  if (instead !== null) t.kernel.syscalls[t.regs.arch].find((r) => r?.name === instead)?.run?.(t, t.args);
  finishSyscall(t, 0);
  return true;
}

/** Carries on a parked call whose wait ended: runs the handler again with `t.woken` saying why. */
export function syscallResume(t: Task): void {
  if (t.tampering !== null && t.tampering.stage !== 'called') delayOver(t, t.tampering);
  else settle(t, t.row!.run!(t, t.args));
}

/** An injected delay is over: the call begins, or is behind the task at last. */
function delayOver(t: Task, tampering: Tampering): void {
  t.parked = null;
  t.woken = null;
  if (tampering.stage === 'left') t.tampering = null;
  else if (!answered(t, tampering)) serveCall(t);
}

/**
 * Takes a handler's answer. A wait that a signal has already ended is not begun; its handler still sees it end (woken
 * 'signal'), so whatever it registered can be withdrawn and a partial result returned.
 */
function settle(t: Task, result: SysResult): void {
  let r = result;
  while (typeof r !== 'number') {
    const interrupted = r.uninterruptible ? t.group.groupExit !== null : t.sigPending;
    if (!interrupted) {
      t.kernel.scheduler.park(t, r);
      return;
    }
    t.parked = r;
    if (t.woken === 'signal') r = -r.interrupted;
    else {
      t.woken = 'signal';
      r = t.row!.run!(t, t.args);
    }
  }
  finishSyscall(t, r);
}

/** Puts the result where the guest finds it and tells the tracer. */
export function finishSyscall(t: Task, result: number): void {
  const { kernel } = t;
  let shown = result;
  if (t.tampering !== null && t.tampering.result !== null) {
    shown = putInjected(t, t.tampering.result);
  } else if (result !== KEEP_REGS) {
    t.regs.setNum(t.regs.arch === 'x86_64' ? REG.rax : X0, result);
    if (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK) noteRestart(t, -result);
  } else if (t.state === 'dead' || t.state === 'zombie') {
    return;
  } else if (kernel.tracer !== null || kernel.tamper !== null) {
    shown = t.regs.num(t.regs.arch === 'x86_64' ? REG.rax : X0);
  }
  t.parked = null;
  // Who is about to be killed does not get back from its call, and its tracer does not see it return.
  if (t.group.groupExit === null) {
    if (kernel.tamper !== null) {
      kernel.tamper.exit(t, shown);
      if (t.tampering !== null && t.tampering.result !== null) shown = putInjected(t, t.tampering.result);
    }
    if (kernel.tracer !== null) kernel.tracer.exit(t, shown);
  }
  t.woken = null;
  t.row = null;
  if (t.tampering !== null) leaveTampered(t, t.tampering);
}

/** An injected result is never a restart code to the kernel. Returns it signed. */
function putInjected(t: Task, result: bigint): number {
  t.regs.set(t.regs.arch === 'x86_64' ? REG.rax : X0, result);
  t.restart = 0;
  return Number(BigInt.asIntN(64, result));
}

function leaveTampered(t: Task, tampering: Tampering): void {
  if (tampering.delayExit > 0 && t.group.groupExit === null) {
    tampering.stage = 'left';
    keepStill(t, tampering.delayExit);
  } else t.tampering = null;
}

/** Signal delivery decides between -EINTR and running the call again; see `Task.restart`. */
function noteRestart(t: Task, code: number): void {
  t.restart = code;
  if (code !== ERESTART_RESTARTBLOCK || t.row === null) return;
  const args = new Args();
  args.copyFrom(t.args);
  t.restartBlock = { row: t.row, args, parked: t.parked };
}

/** A call nobody implements. */
function absent(t: Task): SysResult {
  if (t.kernel.behaviour.unknownPanics) return unknownCall(t, t.nr);
  const what = t.row !== null ? t.row.name : `number ${t.nr}`;
  t.kernel.reportOnce(`syscall ${what}`, `system call ${what} is not implemented: returning ENOSYS`);
  return -ENOSYS;
}
