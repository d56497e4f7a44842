/** Puts the mechanisms together into a Kernel, and starts the first process in it. */
import { ENOENT } from './abi/errno.ts';
import { CoreSettings } from './coredump/settings.ts';
import { PseudoFs } from './fs/anon/pseudo-fs.ts';
import { Notifier } from './fs/anon/inotify.ts';
import { Devices } from './fs/dev/devices.ts';
import { mountDev } from './fs/dev/devtmpfs.ts';
import { addMemDevices } from './fs/dev/mem-devices.ts';
import { FdTable, type File } from './fs/file.ts';
import { S_IFDIR, type FileSystem } from './fs/inode.ts';
import { mountProcAndSys } from './fs/proc/mount.ts';
import { ProcFs } from './fs/proc/procfs.ts';
import type { Tmpfs } from './fs/tmpfs.ts';
import { Ttys } from './fs/tty/ttys.ts';
import { AT_FDCWD, FsContext, LOOKUP_DIRECTORY, LOOKUP_FOLLOW, Vfs } from './fs/vfs.ts';
import { FutexTable } from './futex/futex.ts';
import type { ExceptionKind, Kernel, KernelOptions, KernelPorts, Utsname } from './kernel.ts';
import { IpcNamespace } from './ipc/ipc.ts';
import { KeyTable } from './keys/key.ts';
import { AddressSpace } from './mm/address-space.ts';
import type { KernelMemory } from './mm/kernel-memory.ts';
import { showRealtime } from './mm/image.ts';
import { Memory } from './mm/memory.ts';
import { procNetLines } from './net/proc-net.ts';
import { NetStack } from './net/stack.ts';
import { SignalHandlers, SignalQueue } from './signal/state.ts';
import { syscallEntry } from './syscall/dispatch.ts';
import { buildSyscallTable, type SyscallTable } from './syscall/table.ts';
import type { Behaviour } from './personality/behaviour.ts';
import { LINUX_PERSONALITY } from './personality/personality.ts';
import type { Tamperer } from './syscall/tamper.ts';
import { userCredentials, type Credentials } from './task/creds.ts';
import { execProgram } from './task/exec.ts';
import { exitTask } from './task/exit.ts';
import { ProcessTable } from './task/process-table.ts';
import { RunningPrograms } from './task/programs.ts';
import { defaultRlimits } from './task/rlimits.ts';
import { Scheduler } from './task/scheduler.ts';
import { Task } from './task/task.ts';
import { ThreadGroup } from './task/thread-group.ts';
import { exception, fault, prepareUser } from './task/user-mode.ts';
import { Timers } from './time/timers.ts';
import type { SignalGate } from './signal/gate.ts';
import type { Tracer } from './trace/tracer.ts';

export const defaultOptions: KernelOptions = {
  cpus: 2,
  hostname: 'ring3',
  firstPid: 1000,
  seeded: false,
  schedule: null,
  quantum: 200_000,
  arches: ['x86_64'],
  aslr: false,
  hwcap: 0x078bfbff,
  hwcap2: 0,
  minsigstksz: 1520,
  cpuFlags: ['fpu', 'tsc', 'cx8', 'cmov', 'fxsr', 'sse', 'sse2', 'syscall', 'nx', 'lm'],
  core: null,
  personality: LINUX_PERSONALITY,
  report: () => {},
};

/** `makeRoot`: the root file system, an empty tmpfs unless given. */
export function bootKernel(
  ports: KernelPorts,
  options: Partial<KernelOptions> = {},
  makeRoot?: (vfs: Vfs, memory: Memory) => FileSystem,
): KernelInstance {
  return new KernelInstance(ports, { ...defaultOptions, ...options }, makeRoot);
}

/** The first process. Strings are binary strings. */
export interface InitRequest {
  readonly path: string;
  readonly argv: readonly string[];
  /** NAME=value. */
  readonly envp: readonly string[];
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[];
  readonly umask?: number;
  /** Descriptors from 0 up. */
  readonly stdio?: readonly File[];
}

export class KernelInstance implements Kernel {
  readonly ram;
  readonly cpu;
  readonly clock;
  readonly entropy;
  readonly limits;
  readonly options: KernelOptions;
  readonly memory: Memory;
  readonly kmem: KernelMemory;
  readonly coredump = new CoreSettings();
  readonly scheduler: Scheduler;
  readonly processes: ProcessTable;
  readonly programs = new RunningPrograms();
  readonly timers: Timers;
  readonly futexes = new FutexTable();
  readonly vfs: Vfs;
  readonly pseudo: PseudoFs;
  readonly shmem: Tmpfs;
  readonly devices = new Devices();
  readonly ttys: Ttys;
  readonly procfs: ProcFs;
  readonly notify: Notifier;
  readonly net: NetStack;
  readonly ipc: IpcNamespace;
  readonly keys: KeyTable;
  readonly syscalls: SyscallTable;
  readonly behaviour: Behaviour;
  readonly uts: Utsname;
  tracer: Tracer | null = null;
  tamper: Tamperer | null = null;
  pausing = false;
  signalGate: SignalGate | null = null;
  exitStatus: number | null = null;
  private readonly reported = new Set<string>();
  /** Who was in user mode last. */
  private lastRun: Task | null = null;

  constructor(
    ports: KernelPorts,
    options: KernelOptions,
    makeRoot?: (vfs: Vfs, memory: Memory) => FileSystem,
  ) {
    this.ram = ports.ram;
    this.cpu = ports.cpu;
    this.clock = ports.clock;
    this.entropy = ports.entropy;
    this.limits = ports.limits;
    this.options = options;
    const { quirks, behaviour } = options.personality;
    this.behaviour = behaviour;
    this.syscalls = buildSyscallTable(quirks);
    if (!behaviour.dates) ports.clock.setRealtimeOffset(0n);
    this.memory = new Memory(ports.ram);
    this.memory.ways = behaviour;
    this.kmem = this.memory.kmem;
    showRealtime(this.memory, ports.clock.realtimeOffset);
    this.notify = new Notifier(this.kmem);
    this.scheduler = new Scheduler(ports.entropy, { ...options, preemptive: behaviour.preemptive });
    this.timers = new Timers(ports.clock);
    const init = new ThreadGroup(1, null, new SignalQueue(), defaultRlimits(ports.limits));
    this.processes = new ProcessTable(options.firstPid, init, () => this.initTask(init));
    this.processes.mainTid = behaviour.mainTid;
    this.uts = {
      sysname: 'Linux',
      nodename: options.hostname,
      release: '6.1.0',
      version: '#1 SMP ring3',
      domainname: '(none)',
    };
    const deps = { ...ports, shrink: () => this.memory.shrink() };
    this.vfs = new Vfs(deps, makeRoot && ((vfs) => makeRoot(vfs, this.memory)));
    this.pseudo = new PseudoFs(ports.clock, () => this.vfs.newDev());
    this.net = new NetStack({ pseudo: this.pseudo, clock: ports.clock, kmem: this.kmem });
    this.net.udp.firstTakesAll = behaviour.udpFirst;
    this.ipc = new IpcNamespace(this);
    this.keys = new KeyTable(this);
    this.shmem = this.vfs.newTmpfs();
    addMemDevices(this.devices, ports.entropy);
    this.ttys = new Ttys(this, this.vfs.newDev());
    this.procfs = new ProcFs(this, this.vfs.newDev());
    this.procfs.net = { procNet: (name) => procNetLines(this.net, name) };
    this.mountAll();
  }

  /** The directories every system has, and what is mounted on them. A root that cannot take one goes without. */
  private mountAll(): void {
    const { vfs } = this;
    for (const [name, mode] of [
      ['dev', 0o755],
      ['proc', 0o555],
      ['sys', 0o555],
      ['tmp', 0o1777],
    ] as const) {
      if (typeof vfs.find(`/${name}`) !== 'number') continue;
      const dir = vfs.root.inode.mkdir(name, S_IFDIR | mode, null);
      if (typeof dir !== 'number') dir.mode = S_IFDIR | mode;
    }
    mountDev(this, vfs.newTmpfs(0o755, 'devtmpfs'), vfs.newTmpfs(), this.ttys);
    mountProcAndSys(this, this.procfs);
  }

  report(line: string): void {
    this.options.report(line);
  }

  reportOnce(key: string, line: string): void {
    if (this.reported.has(key)) return;
    this.reported.add(key);
    this.report(line);
  }

  prepareUser(t: Task): boolean {
    const switched = t !== this.lastRun;
    this.lastRun = t;
    const ready = prepareUser(t, switched);
    if (!ready && switched && this.pausing) this.lastRun = null; // it is not over: asked again, it was switched to still
    return ready;
  }

  syscall(t: Task): void {
    syscallEntry(t);
  }

  fault(t: Task, address: number | bigint, access: number): void {
    fault(t, address, access);
  }

  exception(t: Task, kind: ExceptionKind, address: number): void {
    exception(t, kind, address);
  }

  nextDeadline(): number {
    return Math.min(this.scheduler.nextDeadline(), this.timers.next());
  }

  expire(now: number): void {
    this.timers.expire(now);
    this.scheduler.expire(now);
  }

  /** Pid 1's task: somebody to ask about, who does nothing. */
  private initTask(group: ThreadGroup): Task {
    if (group.live === 0) {
      const t = this.newTask(group, userCredentials(0, 0), 0o022);
      t.state = 'parked';
      group.leader = t;
      group.tasks.add(t);
      group.live = 1;
    }
    return group.leader;
  }

  private newTask(group: ThreadGroup, creds: Credentials, umask: number): Task {
    const arch = this.options.arches[0];
    return new Task({
      kernel: this,
      tid: group.pid,
      group,
      regs: this.cpu.newRegs(arch),
      mm: AddressSpace.create(this, arch, group),
      fds: new FdTable(),
      fs: new FsContext(this.vfs.root, this.vfs.root, umask),
      creds,
      sighand: new SignalHandlers(),
      pending: new SignalQueue(),
      altstack: { sp: 0, size: 0, flags: 2 },
      comm: 'init',
    });
  }

  /** Starts the first process: a session of its own, child of pid 1. The task, or -errno. */
  spawnInit(req: InitRequest): Task | number {
    const pid = this.processes.allocateProcess();
    const group = new ThreadGroup(pid, this.processes.init, new SignalQueue(), defaultRlimits(this.limits));
    group.pgrp = group.session = pid;
    group.exitSignal = 17;
    const t = this.newTask(
      group,
      userCredentials(req.uid ?? 0, req.gid ?? 0, req.groups),
      req.umask ?? 0o022,
    );
    group.leader = t;
    group.tasks.add(t);
    group.live = 1;
    group.startTime = t.startTime = this.clock.monotonic();
    this.processes.groups.set(pid, group);
    this.processes.tasks.set(pid, t);
    this.processes.created++;
    this.processes.init.children.add(group);
    (req.stdio ?? []).forEach((file, fd) => t.fds.set(fd, file, false, t));
    const err = this.enter(t, req);
    if (err < 0) {
      exitTask(t, 127 << 8);
      this.exitStatus = null;
      return err;
    }
    this.processes.first = group;
    this.scheduler.add(t, false);
    return t;
  }

  private enter(t: Task, req: InitRequest): number {
    const cwd = this.vfs.lookup(t, AT_FDCWD, req.cwd ?? '/', LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
    if (typeof cwd === 'number') return cwd;
    t.fs.cwd = cwd;
    if (req.path === '') return -ENOENT;
    const at = this.vfs.lookup(t, AT_FDCWD, req.path);
    if (typeof at === 'number') return at;
    return execProgram(t, { at, filename: req.path, argv: req.argv, envp: req.envp });
  }
}
