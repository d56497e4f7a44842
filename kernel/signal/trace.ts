/** Signal structures as strace 6.1 prints them. */
import type { Arch } from '../ports.ts';
import type { UserMemory } from '../mm/user-memory.ts';
import { special, type Table } from '../trace/args.ts';
import { bits, i32, layout, signals, u64 } from '../trace/layout.ts';
import { siginfoText } from '../trace/siginfo.ts';
import { addrText, flagsText, hexText, sigsetText } from '../trace/text.ts';
import {
  SA_NOCLDSTOP, SA_NOCLDWAIT, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_RESTORER, SA_SIGINFO, SS_AUTODISARM,
} from './numbers.ts'; // prettier-ignore
import { decodeSigInfo } from './siginfo.ts';

export const SA_FLAGS = [
  [SA_RESTORER, 'SA_RESTORER'], [SA_ONSTACK, 'SA_ONSTACK'], [SA_RESTART, 'SA_RESTART'], [0x20000000, 'SA_INTERRUPT'],
  [SA_NODEFER, 'SA_NODEFER'], [SA_RESETHAND, 'SA_RESETHAND'], [SA_SIGINFO, 'SA_SIGINFO'],
  [SA_NOCLDSTOP, 'SA_NOCLDSTOP'], [SA_NOCLDWAIT, 'SA_NOCLDWAIT'],
] as const satisfies Table; // prettier-ignore

const SS_FLAGS = [[1, 'SS_ONSTACK'], [2, 'SS_DISABLE'], [SS_AUTODISARM, 'SS_AUTODISARM']] as const satisfies Table; // prettier-ignore

/** `{sa_handler=SIG_IGN, sa_mask=[], sa_flags=SA_RESTORER, sa_restorer=0x…}` */
export function actionText(m: UserMemory, address: number): string | null {
  const v = m.viewIn(address, 32);
  if (v === null) return null;
  const handler = v.getBigUint64(0, true);
  const name = handler === 0n ? 'SIG_DFL' : handler === 1n ? 'SIG_IGN' : addrText(handler);
  const flags = v.getUint32(8, true);
  const high = v.getUint32(12, true);
  let text = flagsText(flags, SA_FLAGS);
  if (high !== 0) text = `${flags === 0 ? '' : `${text}|`}${hexText(BigInt(high) << 32n)}`;
  let out = `{sa_handler=${name}, sa_mask=${sigsetText(v.getBigUint64(24, true))}, sa_flags=${text}`;
  if ((flags & SA_RESTORER) !== 0) out += `, sa_restorer=${addrText(v.getBigUint64(16, true))}`;
  return `${out}}`;
}

/** struct sigaction as the kernel has it; sa_handler 0 is SIG_DFL, 1 SIG_IGN. */
export const SIGACTION = layout(32, {
  sa_handler: u64(0),
  sa_flags: bits(8, SA_FLAGS),
  sa_restorer: u64(16),
  sa_mask: signals(24),
});
export const STACK = layout(24, { ss_sp: u64(0), ss_flags: bits(8, SS_FLAGS), ss_size: u64(16) });
/** What all siginfo have; the rest depends on them. */
export const SIGINFO = layout(128, {
  si_signo: i32(0),
  si_errno: i32(4),
  si_code: i32(8),
});

/** `{ss_sp=NULL, ss_flags=SS_DISABLE, ss_size=0}` */
export function stackText(m: UserMemory, address: number): string | null {
  const v = m.viewIn(address, 24);
  if (v === null) return null;
  const flags = flagsText(v.getUint32(8, true), SS_FLAGS, 'SS_???');
  return `{ss_sp=${addrText(v.getBigUint64(0, true))}, ss_flags=${flags}, ss_size=${v.getBigUint64(16, true)}}`;
}

export function siginfoArg(m: UserMemory, address: number): string | null {
  const v = m.viewIn(address, 128);
  return v === null ? null : siginfoText(decodeSigInfo(v, v.getInt32(0, true)));
}

/** uc_sigmask of the frame on the stack; x86_64's return address is gone by then. */
const SIGMASK_FROM_SP: Readonly<Record<Arch, number>> = { x86_64: 296, aarch64: 168 };

export const sigreturnText = special('frame', (t) => {
  const mask = t.mm.u64(t.regs.sp + SIGMASK_FROM_SP[t.regs.arch]);
  return mask === null ? '' : `{mask=${sigsetText(mask)}}`;
});

export const restartText = special('call', (t) => {
  const name = t.restartBlock?.row.name ?? t.row?.name;
  return `<... resuming interrupted ${name === undefined || name === 'restart_syscall' ? 'system call' : name} ...>`;
});
