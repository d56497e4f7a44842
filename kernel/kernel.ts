/**
 * The kernel's root object: every mechanism hangs off it, and a machine has exactly one. `src/machine` drives it:
 * pick a task, run the cpu, hand the exit back here. Built by `bootKernel` in `boot.ts`.
 */
import type { Arch, Clock, CpuFactory, Entropy, Limits, Ram } from './ports.ts';
import type { SchedulePolicy } from './task/schedule.ts';
import type { Scheduler } from './task/scheduler.ts';
import type { ProcessTable } from './task/process-table.ts';
import type { RunningPrograms } from './task/programs.ts';
import type { CorePort, CoreSettings } from './coredump/settings.ts';
import type { Task } from './task/task.ts';
import type { KernelMemory } from './mm/kernel-memory.ts';
import type { Memory } from './mm/memory.ts';
import type { Timers } from './time/timers.ts';
import type { FutexTable } from './futex/futex.ts';
import type { Vfs } from './fs/vfs.ts';
import type { Tmpfs } from './fs/tmpfs.ts';
import type { PseudoFs } from './fs/anon/pseudo-fs.ts';
import type { Notifier } from './fs/anon/inotify.ts';
import type { Devices } from './fs/dev/devices.ts';
import type { ProcFs } from './fs/proc/procfs.ts';
import type { Ttys } from './fs/tty/ttys.ts';
import type { IpcNamespace } from './ipc/ipc.ts';
import type { KeyTable } from './keys/key.ts';
import type { NetStack } from './net/stack.ts';
import type { SignalGate } from './signal/gate.ts';
import type { Tracer } from './trace/tracer.ts';
import type { Behaviour } from './personality/behaviour.ts';
import type { Personality } from './personality/personality.ts';
import type { Tamperer } from './syscall/tamper.ts';
import type { SyscallTable } from './syscall/table.ts';

export interface KernelPorts {
  readonly ram: Ram;
  readonly cpu: CpuFactory;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly limits: Limits;
}

/** What a guest can see of the machine and how it is scheduled. `defaultOptions` in boot.ts has the defaults. */
export interface KernelOptions {
  /** CPUs sched_getaffinity, /proc/cpuinfo and sysfs show. */
  readonly cpus: number;
  readonly hostname: string;
  /** Pid of the first process. Not 1 by default: programs that see themselves as pid 1 act as an init. */
  readonly firstPid: number;
  /** Scheduling order and quanta are drawn from `ports.entropy` instead of round-robin with a fixed quantum. */
  readonly seeded: boolean;
  /** Decides whom the scheduler runs and for how long; null: it alone. */
  readonly schedule: SchedulePolicy | null;
  /** Instructions a task runs before another gets its turn (the mean, when seeded). */
  readonly quantum: number;
  /** Architectures the cpu runs; programs for others are ENOEXEC. The first is the first process's before it execs. */
  readonly arches: readonly Arch[];
  /** Address space layout is drawn from the entropy port. */
  readonly aslr: boolean;
  /** AT_HWCAP, AT_HWCAP2 and AT_MINSIGSTKSZ of the auxiliary vector, as the cpu has them. */
  readonly hwcap: number;
  readonly hwcap2: number;
  readonly minsigstksz: number;
  /** "flags" (x86_64) or "Features" (aarch64) of /proc/cpuinfo: the cpu's own list. */
  readonly cpuFlags: readonly string[];
  /** Takes core files instead of the guest's own file system; null: they go where core_pattern says. */
  readonly core: CorePort | null;
  /** Ways in which the kernel is to differ from Linux. */
  readonly personality: Personality;
  /** Takes lines for the person running the machine. */
  readonly report: (line: string) => void;
}

/** Processor exceptions that are not memory faults. */
export type ExceptionKind = 'divide' | 'undefined' | 'gp' | 'breakpoint' | 'alignment' | 'fp' | 'step';

/** struct new_utsname, as binary strings. */
export interface Utsname {
  readonly sysname: string;
  nodename: string;
  readonly release: string;
  readonly version: string;
  domainname: string;
}

/** The mechanisms, one field each. Built in `boot.ts`; handlers reach them as `t.kernel.NAME`. */
export interface Kernel extends KernelPorts {
  readonly options: KernelOptions;
  /** What all address spaces share. */
  readonly memory: Memory;
  /** What the kernel holds for its guests outside of RAM, counted. */
  readonly kmem: KernelMemory;
  readonly coredump: CoreSettings;
  readonly scheduler: Scheduler;
  readonly processes: ProcessTable;
  /** Files that running programs came from. */
  readonly programs: RunningPrograms;
  readonly timers: Timers;
  readonly futexes: FutexTable;
  readonly vfs: Vfs;
  /** pipefs, sockfs, anon_inodefs: inodes without a path. */
  readonly pseudo: PseudoFs;
  /** The kernel's own tmpfs: memfd_create's files. */
  readonly shmem: Tmpfs;
  /** Character devices by number, terminals included. */
  readonly devices: Devices;
  readonly ttys: Ttys;
  /** /proc; the network stack gives it its tables (`net`). */
  readonly procfs: ProcFs;
  /** inotify's ear in the VFS. */
  readonly notify: Notifier;
  readonly net: NetStack;
  readonly ipc: IpcNamespace;
  readonly keys: KeyTable;
  readonly syscalls: SyscallTable;
  /** What a personality turns where no system call does: Linux's ways but for its quirks. */
  readonly behaviour: Behaviour;
  readonly uts: Utsname;
  /** Sees every call's entry and exit and every signal; null when nobody watches. */
  tracer: Tracer | null;
  /** Changes calls; null when nobody does. */
  tamper: Tamperer | null;
  /**
   * Somebody wants to look at the machine as it is: what happens between user mode and user mode (a call's exit, signals) is
   * cut where it is, and goes on when the task is picked again.
   */
  pausing: boolean;
  /** Asked about each signal before it is acted on; null: nobody is. */
  signalGate: SignalGate | null;

  /** One line for the person running the machine: missing calls, dropped features. */
  report(line: string): void;
  /** The same, but each `key` only once in the machine's life. */
  reportOnce(key: string, line: string): void;

  /**
   * Called before every return to user mode: carries on a woken call, delivers signals, takes the exits they cause.
   * False: the task may not run now (parked again, stopped, dead); pick another.
   */
  prepareUser(t: Task): boolean;
  /** The cpu left at a system-call instruction; the pc is past it. */
  syscall(t: Task): void;
  /** The cpu could not make this access (a PROT_* bit); the pc is at the instruction. */
  fault(t: Task, address: number | bigint, access: number): void;
  /** `address` is the faulting instruction's (the one after it for 'breakpoint'). */
  exception(t: Task, kind: ExceptionKind, address: number): void;

  /** Earliest moment (monotonic ns) something is due; Infinity: nothing is. */
  nextDeadline(): number;
  /** Wakes and fires what is due at `now`. */
  expire(now: number): void;
  /** Wait status of the first process once it is gone: the machine is over. */
  exitStatus: number | null;
}
