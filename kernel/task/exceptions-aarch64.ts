/** aarch64's exceptions as signals (arch/arm64/kernel/traps.c, mm/fault.c), with the syndrome signal frames show. */
import type { ExceptionKind } from '../kernel.ts';
import { PROT_EXEC, PROT_WRITE } from '../ports.ts';
import {
  BUS_ADRALN, FPE_FLTINV, FPE_INTDIV, ILL_ILLOPC, SEGV_ACCERR, SEGV_MAPERR, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP,
  TRAP_BRKPT, TRAP_TRACE,
} from '../signal/numbers.ts'; // prettier-ignore
import type { SigInfo, Trap } from '../signal/state.ts';

// ESR_ELx (Arm ARM D19.2.37): exception class, 32-bit instruction, write, fault status.
const EC_INSTRUCTION_ABORT = 0x80000000;
const EC_PC_ALIGNMENT = 0x88000000;
const EC_DATA_ABORT = 0x90000000;
const IL = 0x02000000;
const WNR = 0x40;
const FSC_TRANSLATION_L0 = 0x04;
const FSC_TRANSLATION_L3 = 0x07;
const FSC_PERMISSION_L3 = 0x0f;
const FSC_ALIGNMENT = 0x21;

/** untagged_addr: the top byte is no part of an address. */
const untagged = (address: bigint): bigint => BigInt.asUintN(64, BigInt.asIntN(56, address));

/**
 * Thread's fault_address and fault_code of a memory fault (set_thread_esr), and si_addr. The level of a translation
 * fault depends on what else is mapped near by; here it is always the last one.
 */
export function memoryFault(address: bigint, access: number, signo: number, code: number): Trap {
  const at = untagged(address);
  const kernel = (at & (1n << 55n)) !== 0n;
  const status = kernel
    ? FSC_TRANSLATION_L0
    : signo === SIGSEGV && code === SEGV_ACCERR
      ? FSC_PERMISSION_L3
      : FSC_TRANSLATION_L3;
  const kind =
    (access & PROT_EXEC) !== 0
      ? EC_INSTRUCTION_ABORT
      : EC_DATA_ABORT + ((access & PROT_WRITE) !== 0 ? WNR : 0);
  return { nr: 0, error: kind + IL + status, address: at };
}

/** What an exception at `pc` becomes; `address` is what the cpu says of it. `trap` is the thread's until now. */
export function exceptionAarch64(
  kind: ExceptionKind,
  pc: number,
  address: number,
  trap: Trap,
): { info: SigInfo; trap: Trap } {
  // Whatever else is wrong with a misaligned pc comes after that.
  if (pc % 4 !== 0 && (kind === 'gp' || kind === 'alignment')) {
    const code = BUS_ADRALN;
    return {
      info: { signo: SIGBUS, code, address: BigInt(pc) },
      trap: { nr: 0, error: EC_PC_ALIGNMENT + IL, address: 0n },
    };
  }
  const at = BigInt(address);
  const nothing: Trap = { nr: 0, error: 0, address: 0n };
  switch (kind) {
    case 'alignment': {
      const si = untagged(at);
      return {
        info: { signo: SIGBUS, code: BUS_ADRALN, address: si },
        trap: { nr: 0, error: EC_DATA_ABORT + IL + FSC_ALIGNMENT, address: si },
      };
    }
    case 'gp': // no address a pc can have
      return {
        info: { signo: SIGSEGV, code: SEGV_MAPERR, address: untagged(BigInt(pc)) },
        trap: memoryFault(BigInt(pc), PROT_EXEC, SIGSEGV, SEGV_MAPERR),
      };
    case 'breakpoint':
      return { info: { signo: SIGTRAP, code: TRAP_BRKPT, address: at }, trap };
    case 'step':
      return { info: { signo: SIGTRAP, code: TRAP_TRACE, address: at }, trap };
    case 'undefined':
      return { info: { signo: SIGILL, code: ILL_ILLOPC, address: at }, trap: nothing };
    case 'divide':
      return { info: { signo: SIGFPE, code: FPE_INTDIV, address: at }, trap: nothing };
    case 'fp':
      return { info: { signo: SIGFPE, code: FPE_FLTINV, address: at }, trap: nothing };
  }
}
