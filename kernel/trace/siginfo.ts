/** siginfo_t as strace prints it, in signal lines and in rt_sigqueueinfo. */
import { ERRNO } from '../abi/errno.ts';
import type { SigInfo } from '../signal/state.ts';
import { SIGNAL_CODES, SI_CODES, signalName } from './tables.ts';
import { addrText, enumText, hexText } from './text.ts';

const SIGILL = 4;
const SIGTRAP = 5;
const SIGBUS = 7;
const SIGFPE = 8;
const SIGSEGV = 11;
const SIGCHLD = 17;
const SIGIO = 29;
const CLD_EXITED = 1;
const SI_USER = 0;
const SI_QUEUE = -1;
const SI_TIMER = -2;
const SI_TKILL = -6;

const valueText = (i: SigInfo): string =>
  i.value ? `, si_int=${Number(BigInt.asIntN(32, i.value))}, si_ptr=${hexText(i.value)}` : '';

/** `{si_signo=SIGCHLD, si_code=CLD_EXITED, …}` */
export function siginfoText(i: SigInfo): string {
  const codes = i.code > 0 && i.code < 0x80 ? (SIGNAL_CODES[i.signo] ?? []) : SI_CODES;
  let out = `{si_signo=${signalName(i.signo)}, si_code=${enumText(i.code, codes)}`;
  if (i.errno) out += `, si_errno=${ERRNO[i.errno]?.[0] ?? i.errno}`;
  const source = `, si_pid=${i.pid ?? 0}, si_uid=${i.uid ?? 0}`;
  if (i.code === SI_TIMER) {
    out += `, si_timerid=${hexText(i.timerId ?? 0)}, si_overrun=${i.overrun ?? 0}${valueText(i)}`;
  } else if (i.code === SI_USER || i.code === SI_TKILL) {
    out += source;
  } else if (i.code <= SI_QUEUE) {
    out += source + valueText(i);
  } else if (i.signo === SIGCHLD) {
    const status = i.status ?? 0;
    out += `${source}, si_status=${i.code === CLD_EXITED ? status : signalName(status)}`;
    out += `, si_utime=${i.utime ?? 0}, si_stime=${i.stime ?? 0}`;
  } else if ([SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV].includes(i.signo)) {
    out += `, si_addr=${addrText(i.address ?? 0n)}`;
  } else if (i.signo === SIGIO) {
    out += `, si_band=${i.band ?? 0}, si_fd=${i.fd ?? 0}`;
  } else {
    if (i.pid || i.uid) out += source;
    out += valueText(i);
  }
  return out + '}';
}
