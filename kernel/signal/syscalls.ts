/** Signal system calls of one thread: dispositions, masks, waiting, stacks, return from a handler. */
import {
  EAGAIN, EFAULT, EINTR, EINVAL, ERESTARTNOHAND,
} from '../abi/errno.ts'; // prettier-ignore
import { readTimespec } from '../time/timespec.ts';
import type { Args } from '../syscall/args.ts';
import { returnKept } from '../personality/signal-ways.ts';
import type { Task } from '../task/task.ts';
import { KEEP_REGS, park, type SysResult } from '../wait.ts';
import { signalAbi } from './abi.ts';
import { altStackState, setAltStackFrom } from './altstack.ts';
import { dequeueSignal } from './deliver.ts';
import {
  NSIG, SA_EXPOSE_TAGBITS, SA_NOCLDSTOP, SA_NOCLDWAIT, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_RESTORER,
  SA_SIGINFO, SIG_BLOCK, SIG_DFL, SIG_IGN, SIG_KERNEL_IGNORE, SIG_KERNEL_ONLY, SIG_SETMASK, SIG_UNBLOCK,
  SS_AUTODISARM, sigbit,
} from './numbers.ts'; // prettier-ignore
import { flush } from './queue.ts';
import { recalcSigPending, setSigmask, setTemporarySigmask } from './send.ts';
import { SIGINFO_SIZE, encodeSigInfo } from './siginfo.ts';
import type { SigInfo } from './state.ts';

/** sizeof(sigset_t) of the kernel. */
const SIGSET_SIZE = 8;
const KNOWN_FLAGS =
  (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND |
    SA_EXPOSE_TAGBITS | SA_RESTORER) >>> 0; // prettier-ignore

/** rt_sigaction(2). Setting to ignore forgets what is pending. */
export function rt_sigaction(t: Task, a: Args): SysResult {
  const signo = a.i32(0);
  const act = a.ptr(1);
  const oact = a.ptr(2);
  if (a.size(3) !== SIGSET_SIZE) return -EINVAL;
  const v = act !== 0 ? t.mm.viewIn(act, 32) : null;
  if (act !== 0 && v === null) return -EFAULT;
  if (signo < 1 || signo > NSIG || (v !== null && (sigbit(signo) & SIG_KERNEL_ONLY) !== 0n)) return -EINVAL;
  const old = { ...t.sighand.actions[signo - 1] };
  if (v !== null) {
    const handler = Number(v.getBigUint64(0, true));
    t.sighand.actions[signo - 1] = {
      handler,
      flags: (v.getUint32(8, true) & KNOWN_FLAGS) >>> 0,
      restorer: Number(v.getBigUint64(16, true)),
      mask: v.getBigUint64(24, true) & ~SIG_KERNEL_ONLY,
    };
    const bit = sigbit(signo);
    if (handler === SIG_IGN || (handler === SIG_DFL && (bit & SIG_KERNEL_IGNORE) !== 0n)) {
      flush(t.group.pending, bit);
      for (const other of t.group.tasks) {
        flush(other.pending, bit);
        recalcSigPending(other);
      }
    }
  }
  if (oact === 0) return 0;
  const out = new DataView(new ArrayBuffer(32));
  out.setBigUint64(0, BigInt(old.handler), true);
  out.setBigUint64(8, BigInt(old.flags), true);
  out.setBigUint64(16, BigInt(old.restorer), true);
  out.setBigUint64(24, old.mask, true);
  return t.mm.copyOut(oact, new Uint8Array(out.buffer));
}

/** rt_sigprocmask(2). */
export function rt_sigprocmask(t: Task, a: Args): SysResult {
  const how = a.i32(0);
  const set = a.ptr(1);
  const oset = a.ptr(2);
  if (a.size(3) !== SIGSET_SIZE) return -EINVAL;
  const old = t.sigmask;
  if (set !== 0) {
    const mask = t.mm.u64(set);
    if (mask === null) return -EFAULT;
    if (how === SIG_BLOCK) setSigmask(t, old | mask);
    else if (how === SIG_UNBLOCK) setSigmask(t, old & ~mask);
    else if (how === SIG_SETMASK) setSigmask(t, mask);
    else return -EINVAL;
  }
  return oset === 0 ? 0 : t.mm.putU64(oset, old);
}

/** rt_sigpending(2): blocked signals that wait, the thread's and the process's. */
export function rt_sigpending(t: Task, a: Args): SysResult {
  const size = a.size(1);
  if (size > SIGSET_SIZE) return -EINVAL;
  const bytes = new Uint8Array(SIGSET_SIZE);
  new DataView(bytes.buffer).setBigUint64(0, (t.pending.mask | t.group.pending.mask) & t.sigmask, true);
  return t.mm.copyOut(a.ptr(0), bytes.subarray(0, size));
}

/** rt_sigsuspend(2): the old mask comes back after the handler has run. */
export function rt_sigsuspend(t: Task, a: Args): SysResult {
  if (t.parked === null) {
    if (a.size(1) !== SIGSET_SIZE) return -EINVAL;
    const mask = t.mm.u64(a.ptr(0));
    if (mask === null) return -EFAULT;
    setTemporarySigmask(t, mask);
  }
  return park({ on: [], interrupted: ERESTARTNOHAND });
}

/** pause(2). */
export function pause(): SysResult {
  return park({ on: [], interrupted: ERESTARTNOHAND });
}

/**
 * rt_sigtimedwait(2). While it waits the signals of the set are unblocked, so that they end the wait; `realSigmask`
 * keeps the mask they are taken from.
 */
export function rt_sigtimedwait(t: Task, a: Args): SysResult {
  const infoAddress = a.ptr(1);
  let these: bigint;
  let deadline: number;
  if (t.parked === null) {
    if (a.size(3) !== SIGSET_SIZE) return -EINVAL;
    const set = t.mm.u64(a.ptr(0));
    if (set === null) return -EFAULT;
    these = set & ~SIG_KERNEL_ONLY;
    deadline = Infinity;
    if (a.ptr(2) !== 0) {
      const timeout = readTimespec(t.mm, a.ptr(2));
      if (timeout < 0) return timeout;
      deadline = timeout === 0 ? -Infinity : t.kernel.clock.monotonic() + timeout;
    }
  } else {
    these = t.parked.data as bigint;
    deadline = t.parked.deadline;
    const real = t.realSigmask!;
    t.realSigmask = null;
    setSigmask(t, real);
  }
  const info = dequeueSignal(t, ~these);
  if (info !== null) {
    recalcSigPending(t);
    if (infoAddress !== 0 && copySigInfo(t, infoAddress, info) !== 0) return -EFAULT;
    return info.signo;
  }
  if (deadline === -Infinity || t.woken === 'timeout') return -EAGAIN;
  if (t.woken === 'signal') return -EINTR;
  t.realSigmask = t.sigmask;
  setSigmask(t, t.sigmask & ~these);
  return park({ on: [], deadline, interrupted: EINTR, data: these });
}

function copySigInfo(t: Task, address: number, info: SigInfo): number {
  const bytes = new Uint8Array(SIGINFO_SIZE);
  encodeSigInfo(new DataView(bytes.buffer), info);
  return t.mm.copyOut(address, bytes);
}

/** sigaltstack(2). */
export function sigaltstack(t: Task, a: Args): SysResult {
  const ss = a.ptr(0);
  const oss = a.ptr(1);
  const v = ss !== 0 ? t.mm.viewIn(ss, 24) : null;
  if (ss !== 0 && v === null) return -EFAULT;
  const sp = t.regs.sp;
  const out = new DataView(new ArrayBuffer(24));
  out.setBigUint64(0, BigInt(t.altstack.sp), true);
  out.setUint32(8, (altStackState(t, sp) | (t.altstack.flags & SS_AUTODISARM)) >>> 0, true);
  out.setBigUint64(16, BigInt(t.altstack.size), true);
  if (v !== null) {
    const r = setAltStackFrom(t, v, 0, sp);
    if (r !== 0) return r;
  }
  return oss === 0 ? 0 : t.mm.copyOut(oss, new Uint8Array(out.buffer));
}

/** rt_sigreturn(2): everything comes back from the frame at the stack pointer. */
export function rt_sigreturn(t: Task): SysResult {
  t.inHandler = false;
  if (t.keptRegs !== null) {
    returnKept(t, t.keptRegs);
    t.keptRegs = null;
    t.restartBlock = null;
    t.nr = -1;
    return KEEP_REGS;
  }
  const abi = signalAbi(t.regs.arch);
  const mask = abi.restoreFrame(t);
  t.restartBlock = null;
  t.nr = -1; // whatever rax holds now is no result: nothing is started again
  if (mask === null) abi.badFrame(t);
  else setSigmask(t, mask);
  return KEEP_REGS;
}

/** restart_syscall(2): goes on with the call that ended in ERESTART_RESTARTBLOCK, where it was. */
export function restart_syscall(t: Task): SysResult {
  const block = t.restartBlock;
  if (block === null || block.row.run === undefined) return -EINTR;
  t.restartBlock = null;
  t.row = block.row;
  t.args.copyFrom(block.args);
  t.parked = block.parked;
  t.woken = 'event';
  return block.row.run(t, t.args);
}
