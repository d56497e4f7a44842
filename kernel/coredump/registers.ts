/** A thread's registers as core files have them: the regsets of arch/{x86,arm64}/kernel/ptrace.c. */
import { A64_REG, REG, type Regs } from '../ports.ts';
import type { Task } from '../task/task.ts';

export const NT_PRFPREG = 2;
const NT_X86_XSTATE = 0x202;
const NT_ARM_TLS = 0x401;
const NT_ARM_SYSTEM_CALL = 0x404;

export interface Regset {
  readonly type: number;
  readonly bytes: Uint8Array;
}

const USER_CS = 0x33n;
const USER_SS = 0x2b;

/** Order of struct user_regs_struct up to orig_rax. */
const X86_REGS = [
  REG.r15, REG.r14, REG.r13, REG.r12, REG.rbp, REG.rbx, REG.r11, REG.r10, REG.r9, REG.r8, REG.rax, REG.rcx, REG.rdx,
  REG.rsi, REG.rdi,
] as const; // prettier-ignore

/**
 * A register as the thread would have it on its way out of the kernel: one that waits in a call is seen as Linux's are,
 * whose wait the death of the process ends.
 */
function register(t: Task, i: number, result: number): bigint {
  if (t.parked !== null && i === result) return BigInt.asUintN(64, BigInt(-t.parked.interrupted));
  return t.regs.get(i);
}

/** pr_reg: struct user_regs_struct, or user_pt_regs. */
export function generalRegisters(t: Task): Uint8Array {
  return t.regs.arch === 'x86_64' ? x86Registers(t) : arm64Registers(t);
}

function x86Registers(t: Task): Uint8Array {
  const { regs } = t;
  const values = X86_REGS.map((i) => register(t, i, REG.rax));
  values.push(
    BigInt.asUintN(64, BigInt(t.nr)),
    regs.get(REG.rip),
    USER_CS,
    regs.get(REG.rflags),
    regs.get(REG.rsp),
  );
  values.push(BigInt(USER_SS), regs.get(REG.fs_base), regs.get(REG.gs_base), 0n, 0n, 0n, 0n);
  return words(values);
}

function arm64Registers(t: Task): Uint8Array {
  const values: bigint[] = [];
  for (let i: number = A64_REG.x0; i <= A64_REG.pstate; i++) values.push(register(t, i, A64_REG.x0));
  return words(values);
}

function words(values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const v = new DataView(bytes.buffer);
  values.forEach((n, i) => v.setBigUint64(8 * i, n, true));
  return bytes;
}

/** The regsets besides the general registers. */
export function otherRegsets(t: Task): Regset[] {
  return t.regs.arch === 'x86_64' ? x86Regsets(t.regs) : arm64Regsets(t);
}

/** In the fxsave image: where the kernel tells debuggers XCR0. */
const XCR0_AT = 464;
const X87_SSE = 3n;

function x86Regsets(regs: Regs): Regset[] {
  const xsave = new Uint8Array(512 + 64);
  regs.saveFp(xsave.subarray(0, 512));
  const fxsave = xsave.slice(0, 512);
  const v = new DataView(xsave.buffer);
  xsave.fill(0, XCR0_AT, 512);
  v.setBigUint64(XCR0_AT, X87_SSE, true);
  v.setBigUint64(512, X87_SSE, true); // XSTATE_BV
  return [
    { type: NT_PRFPREG, bytes: fxsave },
    { type: NT_X86_XSTATE, bytes: xsave },
  ];
}

function arm64Regsets(t: Task): Regset[] {
  // saveFp: fpsr, fpcr, eight bytes of nothing, v0…v31. struct user_fpsimd_state has the vectors first.
  const image = new Uint8Array(528);
  t.regs.saveFp(image);
  const fpsimd = new Uint8Array(528);
  fpsimd.set(image.subarray(16), 0);
  fpsimd.set(image.subarray(0, 8), 512);
  const call = new Uint8Array(4);
  new DataView(call.buffer).setInt32(0, t.nr, true);
  return [
    { type: NT_PRFPREG, bytes: fpsimd },
    { type: NT_ARM_TLS, bytes: words([t.regs.get(A64_REG.tpidr)]) },
    { type: NT_ARM_SYSTEM_CALL, bytes: call },
  ];
}
