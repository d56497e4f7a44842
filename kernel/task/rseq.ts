/**
 * Restartable sequences (rseq(2), Documentation of librseq). Everything runs on cpu 0; a critical section that was
 * preempted or interrupted by a signal is aborted before the task goes on.
 */
import { EBUSY, EFAULT, EINVAL, EPERM } from '../abi/errno.ts';
import { SIGSEGV, SI_KERNEL } from '../signal/numbers.ts';
import { forceSignal } from '../signal/send.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from './task.ts';

const RSEQ_FLAG_UNREGISTER = 1;
const RSEQ_SIZE = 32;
const RSEQ_CPU_ID_UNINITIALIZED = 0xffffffff;
const RSEQ_CS = 8;

/** rseq(2). */
export function rseq(t: Task, a: Args): number {
  const address = a.ptr(0);
  const length = a.u32(1);
  const flags = a.i32(2);
  const signature = a.u32(3);
  const at = t.attrs;
  if ((flags & RSEQ_FLAG_UNREGISTER) !== 0) {
    if ((flags & ~RSEQ_FLAG_UNREGISTER) !== 0) return -EINVAL;
    if (at.rseq === 0 || at.rseq !== address || length !== at.rseqLength) return -EINVAL;
    if (at.rseqSignature !== signature) return -EPERM;
    if (t.mm.putU32(address, 0) !== 0 || t.mm.putU32(address + 4, RSEQ_CPU_ID_UNINITIALIZED) !== 0)
      return -EFAULT;
    at.rseq = at.rseqLength = at.rseqSignature = 0;
    return 0;
  }
  if (flags !== 0) return -EINVAL;
  if (at.rseq !== 0) {
    if (at.rseq !== address || at.rseqLength !== length) return -EINVAL;
    return at.rseqSignature !== signature ? -EPERM : -EBUSY;
  }
  if (address % RSEQ_SIZE !== 0 || length !== RSEQ_SIZE) return -EINVAL;
  if (t.mm.putU32(address, 0) !== 0 || t.mm.putU32(address + 4, 0) !== 0) return -EFAULT;
  at.rseq = address;
  at.rseqLength = length;
  at.rseqSignature = signature;
  return 0;
}

/**
 * The task was interrupted (another ran, or a signal is about to be delivered): when its pc is inside the critical
 * section it announced, it goes on at the abort handler (rseq_ip_fixup).
 */
export function rseqInterrupted(t: Task): void {
  const address = t.attrs.rseq;
  if (address === 0) return;
  const cs = t.mm.ptr(address + RSEQ_CS);
  if (cs === 0) return;
  if (cs < 0 || !abort(t, cs)) forceSignal(t, { signo: SIGSEGV, code: SI_KERNEL, address: 0n });
}

/** struct rseq_cs: version, flags, start_ip, post_commit_offset, abort_ip. False: it makes no sense. */
function abort(t: Task, cs: number): boolean {
  const v = t.mm.viewIn(cs, 32);
  if (v === null) return false;
  const start = Number(v.getBigUint64(8, true));
  const length = Number(v.getBigUint64(16, true));
  const handler = Number(v.getBigUint64(24, true));
  if (v.getUint32(0, true) !== 0 || v.getUint32(4, true) !== 0) return false;
  const handlerInside = handler >= start && handler < start + length;
  if (start + length > 0x7ffffffff000 || handlerInside) return false;
  if (t.mm.u32(handler - 4) !== t.attrs.rseqSignature) return false;
  const pc = t.regs.pc;
  const inside = pc >= start && pc < start + length;
  if (t.mm.putU64(t.attrs.rseq + RSEQ_CS, 0) !== 0) return false;
  if (inside) t.regs.pc = handler;
  return true;
}
