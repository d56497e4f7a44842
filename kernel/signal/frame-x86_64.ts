/**
 * The x86_64 signal frame: struct rt_sigframe of arch/x86/include/asm/sigframe.h, with the floating-point state in
 * XSAVE form above it (x87 and SSE: what CPUID offers). Debuggers, unwinders and Go read and change it in place.
 */
import { REG } from '../ports.ts';
import type { Task } from '../task/task.ts';
import type { SignalAbi } from './abi.ts';
import {
  altStackState,
  inAltStack,
  onAltStack,
  putAltStack,
  resetAltStack,
  setAltStackFrom,
} from './altstack.ts';
import { SA_ONSTACK, SA_RESTORER, SA_SIGINFO, SIGSEGV, SI_KERNEL, SS_AUTODISARM } from './numbers.ts';
import { forceSignal } from './send.ts';
import { encodeSigInfo } from './siginfo.ts';
import type { SigAction, SigInfo } from './state.ts';

/** Below the stack pointer a leaf function may keep data (System V ABI, 3.2.2). */
const RED_ZONE = 128;
// Offsets in struct rt_sigframe: pretcode, then struct ucontext, then siginfo.
const UC = 8;
const UC_LINK = UC + 8;
const UC_STACK = UC + 16;
const MCONTEXT = UC + 40;
const MC_CS = MCONTEXT + 144;
const MC_SS = MC_CS + 6;
const MC_ERR = MCONTEXT + 152;
const MC_TRAPNO = MCONTEXT + 160;
const MC_OLDMASK = MCONTEXT + 168;
const MC_CR2 = MCONTEXT + 176;
const MC_FPSTATE = MCONTEXT + 184;
const UC_SIGMASK = UC + 296;
const INFO = UC + 304;
const FRAME_SIZE = INFO + 128;

/** UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS. */
const UC_FLAGS = 7;
const USER_CS = 0x33;
const USER_SS = 0x2b;

/** Order of the general registers in struct sigcontext. */
const GREGS = [
  REG.r8, REG.r9, REG.r10, REG.r11, REG.r12, REG.r13, REG.r14, REG.r15, REG.rdi, REG.rsi, REG.rbp, REG.rbx, REG.rdx,
  REG.rax, REG.rcx, REG.rsp, REG.rip, REG.rflags,
] as const; // prettier-ignore

// struct _fpx_sw_bytes, in the fxsave image's last 48 bytes, and what follows the image.
const SW_RESERVED = 464;
const FP_XSTATE_MAGIC1 = 0x46505853;
const FP_XSTATE_MAGIC2 = 0x46505845;
const XSTATE_SIZE = 512 + 64;
const XFEATURES = 3n;
const FP_SIZE = XSTATE_SIZE + 4;
const MXCSR = 24;
const MXCSR_MASK = 0xffff;

const FLAG_TF = 0x100n;
const FLAG_DF = 0x400n;
const FLAG_RF = 0x10000n;
/** AC, OF, DF, TF, SF, ZF, AF, PF, CF, RF: what a program may set in the frame. */
const FIX_EFLAGS = 0x50dd5n;
/** Reserved bit 1 and IF, always set in user mode. */
const FLAGS_FIXED = 0x202n;

const roundDown = (n: number, to: number): number => n - (n % to);

function setupFrame(t: Task, info: SigInfo, action: SigAction, mask: bigint): boolean {
  if ((action.flags & SA_RESTORER) === 0) return false;
  const regs = t.regs;
  const userSp = regs.sp;
  let sp = userSp - RED_ZONE;
  let entering = false;
  const nested = onAltStack(t, userSp);
  if ((action.flags & SA_ONSTACK) !== 0 && t.altstack.size > 0 && altStackState(t, sp) === 0) {
    sp = t.altstack.sp + t.altstack.size;
    entering = true;
  }
  sp = roundDown(sp - FP_SIZE, 64);
  const fpAddress = sp;
  sp = roundDown(sp - FRAME_SIZE, 16) - 8;
  // Running over the end of the alternate stack must not write below it.
  if ((nested || entering) && !inAltStack(t, sp)) return false;
  if (sp < 0) return false;

  const bytes = new Uint8Array(FRAME_SIZE);
  const v = new DataView(bytes.buffer);
  v.setBigUint64(0, BigInt(action.restorer), true);
  v.setBigUint64(UC, BigInt(UC_FLAGS), true);
  v.setBigUint64(UC_LINK, 0n, true);
  putAltStack(t, v, UC_STACK);
  for (let i = 0; i < GREGS.length; i++) {
    v.setInt32(MCONTEXT + 8 * i, regs.lo(GREGS[i]), true);
    v.setInt32(MCONTEXT + 8 * i + 4, regs.hi(GREGS[i]), true);
  }
  v.setUint16(MC_CS, USER_CS, true);
  v.setUint16(MC_SS, USER_SS, true);
  v.setBigUint64(MC_ERR, BigInt(t.trap.error), true);
  v.setBigUint64(MC_TRAPNO, BigInt(t.trap.nr), true);
  v.setBigUint64(MC_OLDMASK, mask, true);
  v.setBigUint64(MC_CR2, BigInt.asUintN(64, t.trap.address), true);
  v.setBigUint64(MC_FPSTATE, BigInt(fpAddress), true);
  v.setBigUint64(UC_SIGMASK, mask, true);

  const fp = new Uint8Array(FP_SIZE);
  regs.saveFp(fp.subarray(0, 512));
  const f = new DataView(fp.buffer);
  fp.fill(0, SW_RESERVED, 512);
  f.setUint32(SW_RESERVED, FP_XSTATE_MAGIC1, true);
  f.setUint32(SW_RESERVED + 4, FP_SIZE, true);
  f.setBigUint64(SW_RESERVED + 8, XFEATURES, true);
  f.setUint32(SW_RESERVED + 16, XSTATE_SIZE, true);
  f.setBigUint64(512, XFEATURES, true);
  f.setUint32(XSTATE_SIZE, FP_XSTATE_MAGIC2, true);

  const written = (action.flags & SA_SIGINFO) !== 0 ? FRAME_SIZE : INFO;
  if (written === FRAME_SIZE) encodeSigInfo(new DataView(bytes.buffer, INFO, 128), info);
  if (t.mm.copyOut(fpAddress, fp) !== 0) return false;
  if (t.mm.copyOut(sp, bytes.subarray(0, written)) !== 0) return false;

  if ((t.altstack.flags & SS_AUTODISARM) !== 0 && t.altstack.size > 0) resetAltStack(t);
  regs.setNum(REG.rdi, info.signo);
  regs.setNum(REG.rax, 0);
  regs.setNum(REG.rsi, sp + INFO);
  regs.setNum(REG.rdx, sp + UC);
  regs.setNum(REG.rsp, sp);
  regs.setNum(REG.rip, action.handler);
  regs.set(REG.rflags, regs.get(REG.rflags) & ~(FLAG_DF | FLAG_RF | FLAG_TF));
  return true;
}

function restoreFrame(t: Task): bigint | null {
  const regs = t.regs;
  const v = t.mm.viewIn(regs.sp - 8, INFO);
  if (v === null) return null;
  const mask = v.getBigUint64(UC_SIGMASK, true);
  const fpAddress = Number(v.getBigUint64(MC_FPSTATE, true));
  const fp = fpAddress === 0 ? initialFp() : readFp(t, fpAddress);
  if (fp === null) return null;
  const flags = regs.get(REG.rflags);
  for (let i = 0; i < GREGS.length; i++) regs.set(GREGS[i], v.getBigUint64(MCONTEXT + 8 * i, true));
  const wanted = v.getBigUint64(MCONTEXT + 8 * 17, true);
  regs.set(REG.rflags, (flags & ~FIX_EFLAGS) | (wanted & FIX_EFLAGS) | FLAGS_FIXED);
  regs.loadFp(fp);
  // Errors are squashed, as Linux does: a handler may have left nonsense there.
  setAltStackFrom(t, v, UC_STACK, regs.sp);
  return mask;
}

function initialFp(): Uint8Array {
  const fp = new Uint8Array(512);
  const f = new DataView(fp.buffer);
  f.setUint16(0, 0x37f, true);
  f.setUint32(MXCSR, 0x1f80, true);
  return fp;
}

/** The fxsave image of the frame; parts XSTATE_BV leaves out are at their initial values (SDM vol. 1, 13.8). */
function readFp(t: Task, address: number): Uint8Array | null {
  const fp = t.mm.copyIn(address, 512);
  if (fp === null) return null;
  const f = new DataView(fp.buffer, fp.byteOffset);
  if ((f.getUint32(MXCSR, true) & ~MXCSR_MASK) !== 0) return null;
  if (f.getUint32(SW_RESERVED, true) !== FP_XSTATE_MAGIC1) return fp;
  const size = f.getUint32(SW_RESERVED + 16, true);
  const extended = f.getUint32(SW_RESERVED + 4, true);
  if (size < XSTATE_SIZE || size > extended || size > FP_SIZE) return fp;
  if (t.mm.u32(address + size) !== FP_XSTATE_MAGIC2) return fp;
  const present = t.mm.u64(address + 512);
  if (present === null) return null;
  const wanted = f.getBigUint64(SW_RESERVED + 8, true) & present;
  if ((present & ~XFEATURES) !== 0n) return null; // XRSTOR would raise #GP
  if ((wanted & 1n) === 0n) {
    const init = initialFp();
    fp.set(init.subarray(0, MXCSR), 0);
    fp.set(init.subarray(32, 160), 32);
  }
  if ((wanted & 2n) === 0n) fp.fill(0, 160, 416);
  return fp;
}

export const frameX86_64: SignalAbi = {
  restartSyscall: 219,
  setupFrame,
  restoreFrame,
  badFrame: (t) => forceSignal(t, { signo: SIGSEGV, code: SI_KERNEL, address: 0n }),
  result: (t) => t.regs.lo(REG.rax),
  setResult: (t, value) => t.regs.setNum(REG.rax, value),
  rewind(t, nr) {
    t.regs.setNum(REG.rax, nr);
    t.regs.pc -= 2; // syscall is two bytes
  },
};
