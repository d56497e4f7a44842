/** gdb's own numbers for signals (include/gdb/signals.def), which do not depend on the target, and Linux's. */
const GDB_OF_LINUX: Readonly<Record<number, number>> = {
  1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 10, 8: 8, 9: 9, 10: 30, 11: 11, 12: 31, 13: 13, 14: 14, 15: 15, 17: 20, 18: 19,
  19: 17, 20: 18, 21: 21, 22: 22, 23: 16, 24: 24, 25: 25, 26: 26, 27: 27, 28: 28, 29: 23, 30: 32, 31: 12, 32: 77, 64: 78,
}; // prettier-ignore
const GDB_UNKNOWN = 143;
/** GDB_SIGNAL_REALTIME_33. */
const REALTIME_33 = 45;

export function gdbSignal(signo: number): number {
  if (signo >= 33 && signo <= 63) return signo - 33 + REALTIME_33;
  return GDB_OF_LINUX[signo] ?? GDB_UNKNOWN;
}

/** 0: Linux has no such signal. */
export function linuxSignal(n: number): number {
  if (n >= REALTIME_33 && n <= REALTIME_33 + 30) return n - REALTIME_33 + 33;
  for (const [linux, gdb] of Object.entries(GDB_OF_LINUX)) if (gdb === n) return Number(linux);
  return 0;
}
