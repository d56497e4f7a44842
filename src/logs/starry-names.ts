/** What StarryOS calls system calls in its logs, where that is not Linux's name in capitals. */
import type { Arch } from '../../kernel/ports.ts';
import { syscalls } from '../../kernel/syscall/table.ts';

/** From the identifiers of its `*SyscallId` types. */
const ALIASES: Readonly<Record<string, string>> = {
  FCNTL64: 'fcntl',
  UNMOUNT: 'umount2',
  FTRUNCATE64: 'ftruncate',
  FSTATAT: 'newfstatat',
  SENDFILE64: 'sendfile',
  PREADLINKAT: 'readlinkat',
  COPYFILERANGE: 'copy_file_range',
  NANO_SLEEP: 'nanosleep',
  GETTIMER: 'getitimer',
  MADVICE: 'madvise',
  CLOCK_GET_TIME: 'clock_gettime',
  SCHED_GET_PRORITY_MAX: 'sched_get_priority_max',
  SCHED_GET_PRORITY_MIN: 'sched_get_priority_min',
  SIGACTION: 'rt_sigaction',
  SIGPROCMASK: 'rt_sigprocmask',
  SIGRETURN: 'rt_sigreturn',
  SIGTIMEDWAIT: 'rt_sigtimedwait',
  SIGSUSPEND: 'rt_sigsuspend',
};

/** Linux's name for one of StarryOS's; null: there is no such call. */
export function linuxName(id: string): string | null {
  const name = ALIASES[id] ?? id.toLowerCase();
  return syscalls.has(name) ? name : null;
}

/** Numbers by name and names by number. */
export class CallNumbers {
  private readonly names = new Map<number, string>();
  private readonly arch: Arch;

  constructor(arch: Arch) {
    this.arch = arch;
    for (const row of syscalls.values()) {
      const nr = row[arch];
      if (nr !== null) this.names.set(nr, row.name);
    }
  }
  name(nr: number): string | null {
    return this.names.get(nr) ?? null;
  }
  number(name: string): number | null {
    return syscalls.get(name)?.[this.arch] ?? null;
  }
}
