/** The alternate signal stack, sigaltstack(2). */
import { EINVAL, ENOMEM, EPERM } from '../abi/errno.ts';
import type { Arch } from '../ports.ts';
import type { Task } from '../task/task.ts';
import { SS_AUTODISARM, SS_DISABLE, SS_ONSTACK } from './numbers.ts';

/** MINSIGSTKSZ of the kernel's own check. */
const MINSIGSTKSZ: Readonly<Record<Arch, number>> = { x86_64: 2048, aarch64: 5120 };

/** Whether `sp` lies in the range of the alternate stack (__on_sig_stack). */
export function inAltStack(t: Task, sp: number): boolean {
  const s = t.altstack;
  return s.size > 0 && sp > s.sp && sp - s.sp <= s.size;
}

/** Whether code at `sp` counts as running on it: an auto-disarmed stack is never in use. */
export function onAltStack(t: Task, sp: number): boolean {
  return (t.altstack.flags & SS_AUTODISARM) === 0 && inAltStack(t, sp);
}

/** ss_flags as sigaltstack(2) reports them. */
export function altStackState(t: Task, sp: number): number {
  if (t.altstack.size === 0) return SS_DISABLE;
  return onAltStack(t, sp) ? SS_ONSTACK : 0;
}

export function resetAltStack(t: Task): void {
  t.altstack = { sp: 0, size: 0, flags: SS_DISABLE };
}

/** Installs a stack (do_sigaltstack). 0, -EPERM while on it, -EINVAL, -ENOMEM when too small. */
function setAltStack(t: Task, sp: number, size: number, flags: number, userSp: number): number {
  if (onAltStack(t, userSp)) return -EPERM;
  const mode = (flags & ~SS_AUTODISARM) >>> 0;
  if (mode !== SS_DISABLE && mode !== SS_ONSTACK && mode !== 0) return -EINVAL;
  const old = t.altstack;
  if (old.sp === sp && old.size === size && old.flags === flags) return 0;
  if (mode === SS_DISABLE) {
    t.altstack = { sp: 0, size: 0, flags };
    return 0;
  }
  if (size < MINSIGSTKSZ[t.regs.arch]) return -ENOMEM;
  t.altstack = { sp, size, flags };
  return 0;
}

/** The same as a stack_t in memory says, at `at` of `v`. */
export function setAltStackFrom(t: Task, v: DataView, at: number, userSp: number): number {
  const sp = Number(v.getBigUint64(at, true));
  return setAltStack(t, sp, Number(v.getBigUint64(at + 16, true)), v.getUint32(at + 8, true), userSp);
}

/** Writes what is set as a stack_t. */
export function putAltStack(t: Task, v: DataView, at: number): void {
  const { sp, flags, size } = t.altstack;
  v.setBigUint64(at, BigInt(sp), true);
  v.setUint32(at + 8, flags, true);
  v.setBigUint64(at + 16, BigInt(size), true);
}
