/** What `explain` tells of a machine: plain data (it can be sent, stored and shown anywhere). Times are nanoseconds. */

/** A task that could end a wait, and what it would have to do. */
export interface Waker {
  readonly tid: number;
  /** "write to pipe:[5] (fd 4)", "unlock the mutex", "end". */
  readonly by: string;
}

/** An open descriptor of a process. */
export interface Holder {
  readonly pid: number;
  readonly fd: number;
}

/** The address of a word of guest memory, with the name of the variable it lies in when the program has symbols. */
export interface Place {
  readonly address: number;
  /** "queue_lock", "pool+0x28". */
  readonly symbol: string | null;
}

/** How the owner of a lock is known. */
export type OwnerSource =
  /** A priority-inheritance futex: the word holds its thread id, and the kernel hands it over. */
  | 'pi'
  /** It is on the thread's robust list. */
  | 'robust'
  /** `__owner` of a glibc pthread_mutex_t, or the owner of a stdio stream's lock. */
  | 'glibc'
  /** The word of a musl mutex that is not of the normal type. */
  | 'musl';

export interface FutexWait extends Place {
  readonly type: 'futex';
  readonly shared: boolean;
  /** The word now; null: its page is gone. */
  readonly value: number | null;
  /** What the waiter found in it when it went to sleep; null: the operation does not compare. */
  readonly expected: number | null;
  readonly bitset: number;
  readonly owner: { readonly tid: number; readonly how: OwnerSource } | null;
  /** A thread that has ended and holds it, says the C library's own note. */
  readonly abandonedBy: number | null;
  /** The thread whose end clears the word and wakes (CLONE_CHILD_CLEARTID: pthread_join). */
  readonly endOf: number | null;
  /** Others that sleep on the same word. */
  readonly others: readonly number[];
}

/** One file a task waits for. */
export interface FileWait {
  readonly type: 'file';
  /** The waiter's descriptor; -1 when it has none (any more). */
  readonly fd: number;
  /** "pipe:[5]", "TCP:[127.0.0.1:80]", "/dev/pts/0". */
  readonly name: string;
  readonly kind:
    | 'pipe' | 'socket' | 'listener' | 'eventfd' | 'timerfd' | 'signalfd' | 'epoll' | 'terminal' | 'pidfd' | 'input'
    | 'output' | 'other'; // prettier-ignore
  /** What it would do: "read", "write", "accept", "connect", or the events it polls for: "POLLIN". */
  readonly wants: string;
  readonly ready: boolean;
  /** Why it is not ready: "it is empty". */
  readonly why: string;
  /** Who holds the other end (of an eventfd: the same). */
  readonly holders: readonly Holder[];
  /** For an epoll file inside an epoll set: its members. */
  readonly members?: readonly FileWait[];
}

export interface EpollWait {
  readonly type: 'epoll';
  readonly fd: number;
  readonly members: readonly FileWait[];
}

export interface ChildWait {
  readonly type: 'children';
  readonly children: readonly { readonly pid: number; readonly name: string; readonly state: string }[];
}

/** A record lock, flock, or lease. */
export interface LockWait {
  readonly type: 'lock';
  readonly fd: number;
  readonly name: string;
  /** Processes that hold what stands in the way. */
  readonly heldBy: readonly number[];
}

/** It lends its memory to this child (vfork). */
export interface VforkWait {
  readonly type: 'vfork';
  readonly child: number;
}

/** pause, sigsuspend, sigtimedwait, or stopped by job control. */
export interface SignalWait {
  readonly type: 'signal';
  /** Names of the signals that would end it; empty: any that is not ignored or blocked. */
  readonly signals: readonly string[];
}

export interface TimeWait {
  readonly type: 'time';
}

/** System V and POSIX message queues, semaphores, a seccomp supervisor… */
export interface QueueWait {
  readonly type: 'queue';
  readonly what: string;
}

export type Wait =
  | FutexWait | FileWait | EpollWait | ChildWait | LockWait | VforkWait | SignalWait | TimeWait | QueueWait; // prettier-ignore

export interface TaskReport {
  readonly tid: number;
  readonly pid: number;
  /** comm. */
  readonly name: string;
  /** 'running': it has the cpu; 'runnable': it could run. */
  readonly state: 'running' | 'runnable' | 'waiting' | 'stopped' | 'zombie';
  /** The call it is in, as strace writes its entry; null in user code. */
  readonly call: {
    readonly name: string;
    readonly nr: number;
    readonly args: readonly bigint[];
    readonly text: string;
  } | null;
  /** Where it is in user code. */
  readonly pc: Place;
  /** Instructions retired so far. */
  readonly instructions: number;
  readonly waits: readonly Wait[];
  /** Nanoseconds until the wait ends by itself; null: never. */
  readonly timeLeft: number | null;
  /** Tasks that could end the wait. */
  readonly wakers: readonly Waker[];
  /** `wakers` is all there is: nobody else can end it, signals and the outside aside. */
  readonly complete: boolean;
  /** Something outside of the guest could end it: "input from the terminal". */
  readonly outside: string | null;
}

/** The same calls with the same results, over and over, by all that ran. */
export interface Livelock {
  /** Calls watched, and how long that took. */
  readonly calls: number;
  readonly nanoseconds: number;
  readonly loops: readonly {
    readonly tid: number;
    readonly name: string;
    /** One round, each as strace writes it: `futex(0x4c, 393, …) = -1 EINVAL (Invalid argument)`. */
    readonly round: readonly string[];
    /** How often it was seen; instructions between two of them. */
    readonly rounds: number;
    readonly instructions: number;
  }[];
  /** Tasks that could have run in that time and did not. */
  readonly starved: readonly number[];
}

export type Verdict =
  /** Tasks wait for each other in a circle, or for themselves. */
  | 'deadlock'
  /** A futex's word is not what its sleeper went to sleep on, and nobody woke it; or nobody is left who could. */
  | 'lost-wakeup'
  /** Somebody waits for what nobody left can do. */
  | 'abandoned'
  | 'livelock'
  /** Nothing can run before a timer. */
  | 'sleeping'
  /** Nothing can run before something comes from outside. */
  | 'outside'
  /** Everything is stopped by job control. */
  | 'stopped'
  | 'running';

export interface Explanation {
  readonly verdict: Verdict;
  /** One line: what is wrong, or what everything waits for. */
  readonly cause: string;
  /** The tasks it is about. */
  readonly involved: readonly number[];
  /** Monotonic time of the guest. */
  readonly time: number;
  readonly tasks: readonly TaskReport[];
  readonly livelock: Livelock | null;
}
