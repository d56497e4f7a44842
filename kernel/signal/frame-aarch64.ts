/**
 * The aarch64 signal frame: struct rt_sigframe of arch/arm64/kernel/signal.c with the records of asm/sigcontext.h
 * (fpsimd_context, esr_context), and above it the frame record that lets unwinders walk through.
 */
import { vdsoSymbol } from '../../loader/vdso.ts';
import type { Task } from '../task/task.ts';
import type { SignalAbi } from './abi.ts';
import { altStackState, putAltStack, resetAltStack, setAltStackFrom } from './altstack.ts';
import {
  SA_ONSTACK, SA_RESTORER, SA_SIGINFO, SEGV_ACCERR, SEGV_MAPERR, SIGSEGV, SS_AUTODISARM,
} from './numbers.ts'; // prettier-ignore
import { forceSignal, setSigmask } from './send.ts';
import { encodeSigInfo } from './siginfo.ts';
import type { SigAction, SigInfo } from './state.ts';

// Registers by number (kernel/ports.ts, Regs).
const X0 = 0;
const X1 = 1;
const X2 = 2;
const X8 = 8;
const FP = 29;
const LR = 30;
const SP = 31;
const PC = 32;
const PSTATE = 33;

// Offsets in struct rt_sigframe: siginfo, then struct ucontext (its mask has room for 1024 signals).
const UC = 128;
const UC_LINK = UC + 8;
const UC_STACK = UC + 16;
const UC_SIGMASK = UC + 40;
const MCONTEXT = UC + 176;
const MC_REGS = MCONTEXT + 8;
const MC_SP = MCONTEXT + 256;
const MC_PC = MCONTEXT + 264;
const MC_PSTATE = MCONTEXT + 272;
const RESERVED = MCONTEXT + 288;
const RESERVED_SIZE = 4096;
const FRAME_SIZE = RESERVED + RESERVED_SIZE;
const FRAME_RECORD_SIZE = 16;

const FPSIMD_MAGIC = 0x46508001;
const FPSIMD_SIZE = 528;
const ESR_MAGIC = 0x45535201;
const ESR_SIZE = 16;
const EXTRA_MAGIC = 0x45585401;
const EXTRA_SIZE = 32;
/** A record's magic number and size; where the terminator is, room for 16 bytes. */
const HEAD_SIZE = 8;
const TERMINATOR_SIZE = 16;
/** SIGFRAME_MAXSZ: more than any frame of the kernel's, and an end to what a program can make it read. */
const MOST = 65536;

const PSR_FLAGS = 0xf0000000n;
/** M (mode and AArch32 bit), F, I, A, D: zero in AArch64 user mode (valid_native_regs). */
const PSR_NOT_USER = 0x3dfn;

const roundDown = (n: number, to: number): number => n - (n % to);

function setupFrame(t: Task, info: SigInfo, action: SigAction, mask: bigint): boolean {
  const { regs } = t;
  const userSp = regs.sp;
  const top =
    (action.flags & SA_ONSTACK) !== 0 && altStackState(t, userSp) === 0
      ? t.altstack.sp + t.altstack.size
      : userSp;
  const record = roundDown(top - FRAME_RECORD_SIZE, 16);
  const sp = record - FRAME_SIZE;
  if (sp < 0) return false;

  const esr = t.trap.error;
  const fpsimd = RESERVED;
  const terminator = fpsimd + FPSIMD_SIZE + (esr === 0 ? 0 : ESR_SIZE);
  const bytes = new Uint8Array(terminator + HEAD_SIZE);
  const v = new DataView(bytes.buffer);
  v.setBigUint64(UC_LINK, 0n, true);
  putAltStack(t, v, UC_STACK);
  v.setBigUint64(UC_SIGMASK, mask, true);
  v.setBigUint64(MCONTEXT, BigInt.asUintN(64, t.trap.address), true);
  for (let i = 0; i <= LR; i++) {
    v.setInt32(MC_REGS + 8 * i, regs.lo(i), true);
    v.setInt32(MC_REGS + 8 * i + 4, regs.hi(i), true);
  }
  v.setBigUint64(MC_SP, regs.get(SP), true);
  v.setBigUint64(MC_PC, regs.get(PC), true);
  v.setBigUint64(MC_PSTATE, regs.get(PSTATE), true);

  // saveFp leaves the eight bytes between the control words and v0 unused: the record's head goes first here.
  const image = new Uint8Array(FPSIMD_SIZE);
  regs.saveFp(image);
  v.setUint32(fpsimd, FPSIMD_MAGIC, true);
  v.setUint32(fpsimd + 4, FPSIMD_SIZE, true);
  bytes.set(image.subarray(0, 8), fpsimd + 8);
  bytes.set(image.subarray(16), fpsimd + 16);
  if (esr !== 0) {
    const at = fpsimd + FPSIMD_SIZE;
    v.setUint32(at, ESR_MAGIC, true);
    v.setUint32(at + 4, ESR_SIZE, true);
    v.setBigUint64(at + 8, BigInt(esr), true);
  }

  const withInfo = (action.flags & SA_SIGINFO) !== 0;
  if (withInfo) encodeSigInfo(new DataView(bytes.buffer, 0, UC), info);
  const link = new Uint8Array(FRAME_RECORD_SIZE);
  const l = new DataView(link.buffer);
  l.setBigUint64(0, regs.get(FP), true);
  l.setBigUint64(8, regs.get(LR), true);
  if (t.mm.copyOut(record, link) !== 0) return false;
  const from = withInfo ? 0 : UC;
  if (t.mm.copyOut(sp + from, bytes.subarray(from)) !== 0) return false;

  if ((t.altstack.flags & SS_AUTODISARM) !== 0 && t.altstack.size > 0) resetAltStack(t);
  regs.setNum(X0, info.signo);
  if (withInfo) {
    regs.setNum(X1, sp);
    regs.setNum(X2, sp + UC);
  }
  regs.setNum(FP, record);
  const restorer = (action.flags & SA_RESTORER) !== 0;
  regs.setNum(LR, restorer ? action.restorer : t.mm.vdso + vdsoSymbol('aarch64', '__kernel_rt_sigreturn'));
  regs.sp = sp;
  regs.pc = action.handler;
  return true;
}

/** As Linux's, it has changed mask and registers when it finds a frame to be bad. */
function restoreFrame(t: Task): bigint | null {
  const { regs } = t;
  const frame = regs.sp;
  if (frame % 16 !== 0) return null;
  const v = t.mm.viewIn(frame, RESERVED);
  if (v === null) return null;
  const mask = v.getBigUint64(UC_SIGMASK, true);
  setSigmask(t, mask);
  for (let i = 0; i <= LR; i++) regs.set(i, v.getBigUint64(MC_REGS + 8 * i, true));
  regs.set(SP, v.getBigUint64(MC_SP, true));
  regs.set(PC, v.getBigUint64(MC_PC, true));
  const pstate = v.getBigUint64(MC_PSTATE, true);
  regs.set(PSTATE, pstate & PSR_FLAGS);
  if ((pstate & PSR_NOT_USER) !== 0n) return null;
  const fpsimd = findFpsimd(t, frame + RESERVED);
  if (fpsimd < 0) return null;
  const image = t.mm.copyIn(fpsimd, FPSIMD_SIZE);
  if (image === null) return null;
  image.copyWithin(0, 8, 16);
  regs.loadFp(image);
  // Errors are squashed, as Linux does: a handler may have left nonsense there.
  setAltStackFrom(t, v, UC_STACK, regs.sp);
  return mask;
}

/** Walks the records (parse_user_sigframe); the address of the only fpsimd_context, or −1: the frame is bad. */
function findFpsimd(t: Task, reserved: number): number {
  let base = reserved;
  let limit = RESERVED_SIZE;
  let found = -1;
  let extra = false;
  for (let offset = 0; ;) {
    if (limit - offset < HEAD_SIZE || offset % 16 !== 0) return -1;
    const head = t.mm.viewIn(base + offset, HEAD_SIZE);
    if (head === null) return -1;
    const magic = head.getUint32(0, true);
    const size = head.getUint32(4, true);
    if (limit - offset < size) return -1;
    if (magic === 0) return size === 0 ? found : -1;
    if (size < HEAD_SIZE) return -1;
    switch (magic) {
      case FPSIMD_MAGIC:
        if (found >= 0 || size !== FPSIMD_SIZE) return -1;
        found = base + offset;
        break;
      case ESR_MAGIC:
        break;
      case EXTRA_MAGIC: {
        // The other records lie behind this one and its terminator, outside the reserved bytes.
        const next = base + offset + size + TERMINATOR_SIZE;
        const v = size < EXTRA_SIZE ? null : t.mm.viewIn(base + offset, size + TERMINATOR_SIZE);
        if (extra || v === null || limit - offset - size < TERMINATOR_SIZE) return -1;
        const length = v.getUint32(16, true);
        const terminated = v.getBigUint64(size, true) === 0n;
        if (!terminated || Number(v.getBigUint64(8, true)) !== next || next % 16 !== 0) return -1;
        if (length % 16 !== 0 || length > MOST) return -1;
        extra = true;
        base = next;
        limit = length;
        offset = 0;
        continue;
      }
      default:
        return -1; // SVE, ZA and what else this cpu does not have
    }
    offset += size;
  }
}

export const frameAarch64: SignalAbi = {
  restartSyscall: 128,
  setupFrame,
  restoreFrame,
  /** arm64_notify_segfault: the stack pointer is to blame. */
  badFrame(t) {
    const { sp } = t.regs;
    const code = t.mm.vmas.find(sp) ? SEGV_ACCERR : SEGV_MAPERR;
    t.trap = { nr: 0, error: 0, address: 0n };
    forceSignal(t, { signo: SIGSEGV, code, address: BigInt(sp) });
  },
  result: (t) => t.regs.lo(X0),
  setResult: (t, value) => t.regs.setNum(X0, value),
  rewind(t, nr) {
    // x0 holds the result: the first argument comes back from the entry of the call (orig_x0).
    t.regs.set(X0, t.args.big(0));
    if (nr === this.restartSyscall) t.regs.setNum(X8, nr);
    t.regs.pc -= 4;
  },
};
