/** Processes and threads in StarryOS. */
import { EINVAL, ENOENT } from '../../abi/errno.ts';
import { AT_FDCWD, LOOKUP_FOLLOW } from '../../fs/vfs.ts';
import { IoBuf } from '../../mm/iobuf.ts';
import { openExec } from '../../fs/open.ts';
import { REG } from '../../ports.ts';
import type { Args } from '../../syscall/args.ts';
import {
  CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_FS, CLONE_THREAD, CLONE_VM, resetHandlers,
} from '../../task/clone.ts'; // prettier-ignore
import { exitGroup, exitTask } from '../../task/exit.ts';
import type { Task } from '../../task/task.ts';
import { KEEP_REGS, type SysResult } from '../../wait.ts';
import { panic } from '../panic.ts';
import type { Quirk, Wrap } from '../quirk.ts';
import { after, answers, argument, before, each } from '../wrap.ts';

const TASK = 'linux_syscall_api src/syscall_task/imp/task.rs';
const PROCESS = 'Starry modules/axprocess/src/process.rs clone_task';
const API = 'Starry modules/axprocess/src/api.rs';
const FORKS = ['fork', 'vfork', 'clone', 'clone3'];
/** CloneFlags: what from_bits takes without a panic, and the exit signal's six bits. */
const KNOWN_CLONE_FLAGS = 0x21ffff80 | 0x3f;

/** Flags and child_tid of a call that makes a task. */
function cloneRequest(t: Task, a: Args): { flags: number; childTid: number } {
  switch (t.row?.name) {
    case 'clone':
      return { flags: a.u32(0), childTid: a.ptr(t.regs.arch === 'x86_64' ? 3 : 4) };
    case 'clone3': {
      const v = t.mm.viewIn(a.ptr(0), 64);
      return v === null
        ? { flags: 0, childTid: 0 }
        : { flags: v.getUint32(0, true), childTid: Number(v.getBigUint64(16, true)) };
    }
    case 'vfork':
      return { flags: CLONE_VM, childTid: 0 };
    default:
      return { flags: 0, childTid: 0 };
  }
}

/** Does something to the task that a call has just made, before it runs. */
const toChild =
  (change: (child: Task, flags: number, childTid: number) => void): Wrap =>
  (linux) =>
  (t, a) => {
    if (t.parked !== null) return linux(t, a);
    const { flags, childTid } = cloneRequest(t, a);
    const r = linux(t, a);
    // A vfork waits for the child it has made.
    const tid = typeof r === 'number' ? r : (r.data as number);
    const child = tid > 0 ? t.kernel.processes.task(tid) : undefined;
    if (child !== undefined) change(child, flags, childTid);
    return r;
  };

const unknownFlags = before((t, a) => {
  const { flags } = cloneRequest(t, a);
  return (flags & ~KNOWN_CLONE_FLAGS) === 0
    ? undefined
    : panic(
        t,
        'linux_syscall_api/src/syscall_task/imp/task.rs',
        'called `Option::unwrap()` on a `None` value',
      );
});

/** execve looks at the name before anything is undone; what it finds decides. */
function isElf(t: Task, name: string): boolean | null {
  const at = t.kernel.vfs.lookup(t, AT_FDCWD, name, LOOKUP_FOLLOW);
  if (typeof at === 'number') return null;
  const file = openExec(t.kernel.vfs, t, at);
  if (typeof file === 'number') return null;
  file.retain();
  const magic = new Uint8Array(4);
  file.pread(IoBuf.of(magic), 0, t);
  file.drop();
  return magic.join() === '127,69,76,70';
}

/** A name ending in .sh is `busybox sh`; what is no ELF file is a panic of the parser. */
const noScripts: Wrap = (linux) => (t, a) => {
  const name = t.mm.cstring(a.ptr(0), 4096);
  if (typeof name === 'number') return linux(t, a);
  if (name.endsWith('.sh')) return shell(t, a, linux);
  return isElf(t, name) === false
    ? panic(t, 'modules/axprocess/src/api.rs', 'Error parsing app ELF file.: "Did not find ELF magic number"')
    : linux(t, a);
};

/** Puts the program "/busybox" and the arguments "busybox", "sh" before the others, below the stack. */
function shell(t: Task, a: Args, linux: (t: Task, a: Args) => SysResult): SysResult {
  const { words } = a;
  const argv: number[] = [];
  for (let p = t.mm.ptr(a.ptr(1)); p > 0 && argv.length < 4096; p = t.mm.ptr(a.ptr(1) + 8 * argv.length))
    argv.push(p);
  const text = Uint8Array.from('/busybox\0busybox\0sh\0\0\0\0\0', (c) => c.charCodeAt(0));
  const at = t.regs.sp - 4096 - 8 * argv.length - (t.regs.sp % 16);
  const pointers = new BigUint64Array([at + 9, at + 17, ...argv, 0].map(BigInt));
  if (t.mm.copyOut(at, text) < 0 || t.mm.copyOut(at + 32, new Uint8Array(pointers.buffer)) < 0)
    return linux(t, a);
  const kept = words.slice(0, 4);
  [at, at + 32].forEach((p, i) => words.set([p | 0, Math.floor(p / 2 ** 32)], 2 * i));
  const r = linux(t, a);
  if (t.args === a) words.set(kept, 0);
  return r;
}

const forgetsSignals: Wrap = (linux) => (t, a) => {
  let argc = 0;
  while (argc < 4096 && t.mm.ptr(a.ptr(1) + 8 * argc) > 0) argc++;
  const r = linux(t, a);
  const done = r === 0 || r === KEEP_REGS;
  if (!done || t.state === 'dead' || t.group.groupExit !== null) return r;
  resetHandlers(t.sighand, true);
  t.sigmask = 0n;
  t.regs.setNum(t.regs.arch === 'x86_64' ? REG.rax : 0, argc);
  return r === 0 ? argc : r;
};

/** An errno of execve that ends the process instead. */
const endsProcess = after((t, _a, r) => {
  if (r !== -ENOENT) return r;
  exitGroup(t, 0);
  return KEEP_REGS;
});

const statusOf = (change: (status: number) => number): Wrap =>
  after((t, a, r) => {
    if (r <= 0 || a.ptr(1) === 0) return r;
    const status = t.mm.u32(a.ptr(1));
    if (status >= 0) t.mm.putU32(a.ptr(1), change(status));
    return r;
  });

/** exit of any thread: the first one takes all others with it, another goes alone. */
const exitOne = (t: Task, a: Args): SysResult => {
  const status = (a.i32(0) & 0xff) << 8;
  if (t === t.group.leader) exitGroup(t, status);
  else exitTask(t, status);
  return KEEP_REGS;
};

const RLIMIT_STACK = 3;
const RLIMIT_NOFILE = 7;
const RLIMIT_AS = 9;

const PR_SET_NAME = 15;
const PR_GET_NAME = 16;

/** setsid moves the caller into a process of a new number, whose directory is "/"; nobody can wait for the old one. */
const newProcess = (t: Task): number => {
  const g = t.group;
  const old = t.tid;
  g.session = g.pgrp = g.pid;
  g.tty = null;
  g.shownPid = t.kernel.processes.allocate();
  // Its parent goes on waiting for the process it knew.
  if (g.parent !== null) g.exitSignal = 0;
  t.fs.cwd = t.kernel.vfs.root;
  return old;
};

export const taskQuirks: readonly Quirk[] = [
  {
    name: 'main-tid-follows-pid',
    group: 'tasks',
    symptom: "the first thread's id is its process's plus 1, to gettid, set_tid_address and CLONE_*_SETTID",
    linux: 'they are equal',
    source: PROCESS,
    behaviour: { mainTid: true },
    calls: each(
      ['gettid', 'set_tid_address'],
      after((t, _a, r) => (r === t.group.pid ? r + 1 : r)),
    ),
  },
  {
    name: 'cleartid-at-clone',
    group: 'tasks',
    symptom:
      'CLONE_CHILD_CLEARTID writes 0 when the thread is made: glibc believes that it has ended, and pthread_join returns',
    linux: 'when the thread ends',
    source: PROCESS,
    calls: each(
      ['clone', 'clone3'],
      toChild((child, flags, childTid) => {
        if (flags & CLONE_CHILD_CLEARTID && !(flags & CLONE_CHILD_SETTID)) child.mm.putU32(childTid, 0);
      }),
    ),
  },
  {
    name: 'clone-flags-panic',
    group: 'tasks',
    symptom:
      'a clone flag that is not known (CLONE_NEWUSER, CLONE_IO…) panics; clone3 drops the bits above 32',
    linux: 'it works, or EINVAL or EPERM',
    source: TASK,
    calls: each(['clone', 'clone3'], unknownFlags),
  },
  {
    name: 'fork-resets-umask',
    group: 'tasks',
    symptom: 'a forked process has umask 022',
    linux: "its parent's",
    source: PROCESS,
    calls: each(
      FORKS,
      toChild((child, flags) => {
        if (!(flags & (CLONE_FS | CLONE_THREAD))) child.fs.umask = 0o022;
      }),
    ),
  },
  {
    name: 'fork-drops-altstack',
    group: 'tasks',
    symptom: 'a forked process has no alternate signal stack',
    linux: "its parent's",
    source: `${PROCESS} (SignalModule::init_signal)`,
    calls: each(
      FORKS,
      toChild((child) => {
        child.altstack = { sp: 0, size: 0, flags: 2 };
      }),
    ),
  },
  {
    name: 'fork-resets-brk',
    group: 'tasks',
    symptom: "a forked process's break is at the bottom of the heap",
    linux: "where its parent's is",
    source: `${PROCESS} (heap_top = heap_bottom)`,
    calls: each(
      FORKS,
      toChild((child, flags) => {
        if (!(flags & (CLONE_VM | CLONE_THREAD))) child.mm.brk = child.mm.startBrk;
      }),
    ),
  },
  {
    name: 'exec-missing-ends',
    group: 'tasks',
    symptom: 'execve of a file that is not there ends the process with status 0',
    linux: 'ENOENT',
    source: `${TASK} syscall_exec (the old program is gone by then)`,
    calls: { execve: endsProcess },
  },
  {
    name: 'exec-no-scripts',
    group: 'tasks',
    symptom: 'execve of a script panics; a name that ends in .sh is given to /busybox sh',
    linux: 'the #! line is followed; ENOEXEC without one',
    source: `${API} load_app`,
    calls: { execve: noScripts },
  },
  {
    name: 'exec-resets-signals',
    group: 'tasks',
    symptom: 'execve forgets ignored signals and the mask, and returns argc in the result register',
    linux: 'SIG_IGN and the mask are kept; the register is 0',
    source: `${TASK} syscall_exec; the log: "id = 59, … return 2"`,
    calls: { execve: forgetsSignals },
  },
  {
    name: 'exec-linker-as-program',
    group: 'tasks',
    symptom: 'a dynamic program is run as its interpreter with the arguments behind its name, as by hand',
    linux: 'both are mapped; AT_ENTRY and AT_PHDR say where the program is',
    source: `${API} load_app; the log: args: ["/lib64/ld-linux-x86-64.so.2", "/MediaServer", "-d"]`,
    behaviour: { linkerAsProgram: true },
  },
  {
    name: 'auxv-short',
    group: 'tasks',
    symptom:
      'the auxiliary vector has AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ and a constant AT_RANDOM; there is no vDSO',
    linux: 'twenty entries, random bytes, a vDSO',
    source: 'Starry crates elf_parser/src/auxv.rs',
    behaviour: { fullAuxv: false, vdso: false },
  },
  {
    name: 'exit-group-is-exit',
    group: 'tasks',
    symptom: 'exit_group of another thread ends that thread only; exit of the first one ends all',
    linux: 'exit_group ends all, exit one',
    source: `${API} exit_current_task`,
    calls: each(['exit', 'exit_group'], () => exitOne),
  },
  {
    name: 'wait-status-exit-only',
    group: 'tasks',
    symptom: "wait4 says of a process that a signal killed that it exited, with the signal's number",
    linux: 'WIFSIGNALED',
    source: `${API} wait_pid (exit_code << 8)`,
    calls: { wait4: statusOf((s) => (s & 0x7f ? (s & 0x7f) << 8 : s)) },
  },
  {
    name: 'wait-any-group',
    group: 'tasks',
    symptom: 'wait4 for a process group (0 or −pgid) takes any child',
    linux: 'children of that group; ECHILD when there are none',
    source: `${API} wait_pid`,
    calls: { wait4: argument(0, (_t, a) => (a.i32(0) <= 0 ? -1 : undefined)) },
  },
  {
    name: 'wait-status-unshifted',
    group: 'tasks',
    symptom: 'wait4 stores the exit code itself: 1 reads as "killed by SIGHUP"',
    linux: 'code << 8',
    source: 'linux_syscall_api before 813b5ed',
    until: '2024-01-28',
    calls: { wait4: statusOf((s) => (s >> 8) | (s & 0x7f)) },
  },
  {
    name: 'setpgid-ignored',
    group: 'tasks',
    symptom: 'setpgid returns 0 and does nothing; getpgid is 0',
    linux: 'process groups',
    source: `${TASK}; the log: "not support setpgid, try to set 7"`,
    calls: { setpgid: answers(0), getpgid: answers(0) },
  },
  {
    name: 'setsid-new-process',
    group: 'tasks',
    symptom: 'setsid gives the caller another pid and the directory "/"; it returns the thread id',
    linux: 'the pid stays and is returned',
    source: `${TASK} syscall_setsid`,
    calls: {
      setsid: () => newProcess,
      getpid: after((t, _a, r) => (t.group.shownPid !== 0 ? t.group.shownPid : r)),
    },
  },
  {
    name: 'prlimit-unfilled',
    group: 'tasks',
    symptom:
      'prlimit64 of anything but RLIMIT_STACK, RLIMIT_NOFILE and RLIMIT_AS returns 0 and leaves the limits as they were',
    linux: 'filled in; EINVAL for a number that is none',
    source: TASK,
    calls: {
      prlimit64: before((_t, a) =>
        [RLIMIT_STACK, RLIMIT_NOFILE, RLIMIT_AS].includes(a.i32(1)) ? undefined : 0,
      ),
    },
  },
  {
    name: 'prctl-unknown',
    group: 'tasks',
    symptom: 'every prctl but PR_SET_NAME and PR_GET_NAME returns 0 and does nothing',
    linux: 'what it says; EINVAL when there is no such',
    source: TASK,
    calls: {
      prctl: before((_t, a) => ([PR_SET_NAME, PR_GET_NAME].includes(a.i32(0)) ? undefined : 0)),
    },
  },
  {
    name: 'clone-sixteen-bytes',
    group: 'tasks',
    symptom: 'clone3 with a stack that is not aligned to 16 is EINVAL',
    linux: 'the architecture decides when it is used',
    source: `${TASK} syscall_clone3`,
    calls: {
      clone3: before((t, a) => {
        const v = t.mm.viewIn(a.ptr(0), 64);
        return v !== null && v.getUint32(40, true) % 16 !== 0 ? -EINVAL : undefined;
      }),
    },
  },
  {
    name: 'arch-prctl-gs-panic',
    group: 'tasks',
    symptom: 'arch_prctl(ARCH_SET_GS) and ARCH_GET_GS panic',
    linux: 'they work',
    source: TASK,
    calls: {
      arch_prctl: before((t, a) =>
        a.u32(0) === 0x1001 || a.u32(0) === 0x1004
          ? panic(t, 'linux_syscall_api/src/syscall_task/imp/task.rs', 'not yet implemented')
          : undefined,
      ),
    },
  },
];
