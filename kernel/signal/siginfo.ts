/** siginfo_t in guest memory: 128 bytes, the fields of a union chosen by signal and code (siginfo_layout). */
import type { SigInfo } from './state.ts';
import {
  SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGIO, SIGSEGV, SIGSYS, SIGTRAP, SI_KERNEL, SI_SIGIO, SI_TIMER, SI_USER,
} from './numbers.ts'; // prettier-ignore

export const SIGINFO_SIZE = 128;
/** Bytes of the union Linux keeps when a process makes a siginfo itself. */
const KEPT = 32;

export type SigInfoLayout = 'kill' | 'timer' | 'rt' | 'poll' | 'fault' | 'chld' | 'sys';

export function siginfoLayout(signo: number, code: number): SigInfoLayout {
  if (code > SI_USER && code < SI_KERNEL) {
    switch (signo) {
      case SIGILL:
      case SIGFPE:
      case SIGSEGV:
      case SIGBUS:
      case SIGTRAP:
        return 'fault';
      case SIGCHLD:
        return 'chld';
      case SIGIO:
        return 'poll';
      case SIGSYS:
        return 'sys';
    }
    return 'kill';
  }
  if (code === SI_TIMER) return 'timer';
  if (code === SI_SIGIO) return 'poll';
  return code < 0 ? 'rt' : 'kill';
}

/** Writes all 128 bytes at the start of `view`. */
export function encodeSigInfo(view: DataView, info: SigInfo): void {
  for (let i = 0; i < SIGINFO_SIZE; i += 8) view.setBigUint64(i, 0n, true);
  view.setInt32(0, info.signo, true);
  view.setInt32(4, info.errno ?? 0, true);
  view.setInt32(8, info.code, true);
  if (info.raw !== undefined) {
    for (let i = 0; i < info.raw.length; i++) view.setUint8(16 + i, info.raw[i]);
    return;
  }
  const value = BigInt.asUintN(64, info.value ?? 0n);
  switch (info.poll ? 'poll' : siginfoLayout(info.signo, info.code)) {
    case 'kill':
      view.setInt32(16, info.pid ?? 0, true);
      view.setUint32(20, info.uid ?? 0, true);
      // SI_KERNEL of a fault without an address shares these bytes with si_addr, which is 0.
      break;
    case 'rt':
      view.setInt32(16, info.pid ?? 0, true);
      view.setUint32(20, info.uid ?? 0, true);
      view.setBigUint64(24, value, true);
      break;
    case 'timer':
      view.setInt32(16, info.timerId ?? 0, true);
      view.setInt32(20, info.overrun ?? 0, true);
      view.setBigUint64(24, value, true);
      break;
    case 'chld':
      view.setInt32(16, info.pid ?? 0, true);
      view.setUint32(20, info.uid ?? 0, true);
      view.setInt32(24, info.status ?? 0, true);
      view.setBigInt64(32, BigInt(info.utime ?? 0), true);
      view.setBigInt64(40, BigInt(info.stime ?? 0), true);
      break;
    case 'fault':
      view.setBigUint64(16, BigInt.asUintN(64, info.address ?? 0n), true);
      break;
    case 'poll':
      view.setBigInt64(16, BigInt(info.band ?? 0), true);
      view.setInt32(24, info.fd ?? 0, true);
      break;
    case 'sys':
      view.setBigUint64(16, BigInt.asUintN(64, info.address ?? 0n), true);
      view.setInt32(24, info.syscall ?? 0, true);
      view.setUint32(28, info.arch ?? 0, true);
      break;
  }
}

/** A siginfo a process made (rt_sigqueueinfo): decoded for traces and signalfd, and kept byte for byte. */
export function decodeSigInfo(view: DataView, signo: number): SigInfo {
  const code = view.getInt32(8, true);
  const raw = new Uint8Array(view.buffer, view.byteOffset + 16, KEPT).slice();
  const base = { signo, code, errno: view.getInt32(4, true), raw };
  switch (siginfoLayout(signo, code)) {
    case 'timer':
      return { ...base, overrun: view.getInt32(20, true), value: view.getBigUint64(24, true) };
    case 'poll':
      return { ...base, band: Number(view.getBigInt64(16, true)), fd: view.getInt32(24, true) };
    case 'fault':
      return { ...base, address: view.getBigUint64(16, true) };
    default:
      return {
        ...base,
        pid: view.getInt32(16, true),
        uid: view.getUint32(20, true),
        value: view.getBigUint64(24, true),
        status: view.getInt32(24, true),
      };
  }
}
