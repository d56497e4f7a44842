/** A task (thread) and its thread group (process), after Linux's task_struct and signal_struct. */
import type { Kernel } from '../kernel.ts';
import type { FdTable } from '../fs/file.ts';
import type { FsContext } from '../fs/vfs.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import type { Regs } from '../ports.ts';
import type { SignalHandlers, SignalQueue, AltStack, Trap } from '../signal/state.ts';
import { Args } from '../syscall/args.ts';
import type { SemUndo } from '../ipc/sem.ts';
import { TaskKeyrings } from '../keys/task-keyrings.ts';
import type { Seccomp } from '../seccomp/seccomp.ts';
import type { SyscallRow } from '../syscall/define.ts';
import type { Tampering } from '../syscall/tamper.ts';
import type { Park, TaskWaiter, WaitQueue, WakeReason } from '../wait.ts';
import { TaskAttributes } from './attributes.ts';
import type { Credentials } from './creds.ts';
import type { ThreadGroup } from './thread-group.ts';

export type TaskState = 'runnable' | 'parked' | 'stopped' | 'zombie' | 'dead';

/** A call that signals interrupted with ERESTART_RESTARTBLOCK: its handler runs again with `parked` as it was. */
export interface RestartBlock {
  readonly row: SyscallRow;
  readonly args: Args;
  readonly parked: Park | null;
}

export class Task {
  readonly kernel: Kernel;
  /** Thread id. Changes only when execve makes another thread the leader (de_thread). */
  tid: number;
  /** The process it belongs to. Changes never; exec makes this task the leader. */
  group: ThreadGroup;
  regs: Regs;
  /** null once the task has exited. */
  mm: AddressSpace;
  fds: FdTable;
  fs: FsContext;
  creds: Credentials;
  /** Dispositions, shared by CLONE_SIGHAND. */
  sighand: SignalHandlers;
  /** Signals for this thread alone. */
  pending: SignalQueue;
  /** Blocked signals: bit n−1 for signal n. */
  sigmask = 0n;
  /** Mask to put back when the current call is over (sigsuspend, ppoll, epoll_pwait), null otherwise. */
  savedSigmask: bigint | null = null;
  /** rt_sigtimedwait: the mask in force apart from the signals waited for; null when not waiting (real_blocked). */
  realSigmask: bigint | null = null;
  /** TIF_SIGPENDING: deliverSignals has work, and no wait may begin. Owned by kernel/signal. */
  sigPending = false;
  /** The last fault's numbers, for signal frames. */
  trap: Trap = { nr: 0, error: 0, address: 0n };
  altstack: AltStack;
  /** Up to 15 bytes, binary string. */
  comm: string;
  state: TaskState = 'runnable';

  /** The call being served (from its entry until its result is in the registers). */
  row: SyscallRow | null = null;
  nr = -1;
  readonly args = new Args();
  /** What it waits for, while parked and during the handler's next run. */
  parked: Park | null = null;
  woken: WakeReason | null = null;
  /** Its entries on the queues of `parked`, and its place among the deadlines (−1: none). Owned by the scheduler. */
  waiters: TaskWaiter[] = [];
  heapIndex = -1;
  /** What somebody outside does to the call under way; null: nothing. Set at its entry only. */
  tampering: Tampering | null = null;
  /** Fault injection: how often it made each call, by name; null: nobody counts. */
  callCounts: Map<string, number> | null = null;
  /**
   * Code (ERESTARTSYS…) of the call that just ended with −code in the result register, 0 for none. Signal delivery
   * turns it into −EINTR or runs the call again (number `nr`, arguments `args`), and sets it back to 0.
   */
  restart = 0;
  /** What restart_syscall carries on after ERESTART_RESTARTBLOCK. */
  restartBlock: RestartBlock | null = null;
  /** A handler has begun and not returned (with rt_sigreturn). */
  inHandler = false;
  /** A quirk of signals: no handler runs any more; and the registers that one comes back to. */
  deaf = false;
  keptRegs: Regs | null = null;
  /** A group stop began: end any wait and stop at the next signal delivery. Set and cleared by signal delivery. */
  stopRequested = false;

  /** Where a vfork parent waits; null once this task has exited or called execve. */
  vforkDone: WaitQueue | null = null;
  /** A trace argument's note from the entry of the call being served. */
  traceNote: number | string = 0;
  /** set_tid_address / CLONE_CHILD_CLEARTID: zeroed and woken at exit; 0: none. */
  clearChildTid = 0;
  robustList = 0;
  robustListLength = 0;
  readonly keyrings = new TaskKeyrings();
  /** Which calls it may make; null: all. */
  seccomp: Seccomp | null = null;
  /** System V semaphore adjustments its exit makes; shared by CLONE_SYSVSEM. */
  semUndo: SemUndo | null = null;
  /** Instructions retired by this task: its cpu time in nanoseconds. */
  retired = 0;
  voluntarySwitches = 0;
  involuntarySwitches = 0;
  minorFaults = 0;
  /** Monotonic nanoseconds at start. */
  startTime = 0;
  readonly attrs: TaskAttributes;
  /** wait status once dead. */
  exitCode = 0;

  constructor(init: {
    kernel: Kernel;
    tid: number;
    group: ThreadGroup;
    regs: Regs;
    mm: AddressSpace;
    fds: FdTable;
    fs: FsContext;
    creds: Credentials;
    sighand: SignalHandlers;
    pending: SignalQueue;
    altstack: AltStack;
    comm: string;
    attrs?: TaskAttributes;
  }) {
    this.kernel = init.kernel;
    this.tid = init.tid;
    this.group = init.group;
    this.regs = init.regs;
    this.mm = init.mm;
    this.fds = init.fds;
    this.fs = init.fs;
    this.creds = init.creds;
    this.sighand = init.sighand;
    this.pending = init.pending;
    this.altstack = init.altstack;
    this.comm = init.comm;
    this.attrs = init.attrs ?? new TaskAttributes();
  }

  /** Process id as the guest sees it. */
  get pid(): number {
    return this.group.pid;
  }
}
