/**
 * A whole kernel on the real memory, page tables and registers of the cpu, with nothing executed: whoever the scheduler
 * picks makes a random system call. Anything thrown, any result that is none, any call that takes long is a finding.
 */
import { A64Cpu, X86Cpu } from '../../cpu/index.ts';
import { bootKernel, type KernelInstance } from '../../kernel/boot.ts';
import { File, O_CREAT, O_WRONLY } from '../../kernel/fs/file.ts';
import { HostInputFile, HostOutputFile } from '../../kernel/fs/dev/host-stream.ts';
import { openPath } from '../../kernel/fs/open.ts';
import type { TmpfsInode } from '../../kernel/fs/tmpfs-inode.ts';
import { IoBuf } from '../../kernel/mm/iobuf.ts';
import { REG, type Arch } from '../../kernel/ports.ts';
import { sendToGroup } from '../../kernel/signal/send.ts';
import { syscalls } from '../../kernel/syscall/table.ts';
import type { SyscallRow } from '../../kernel/syscall/define.ts';
import type { Task } from '../../kernel/task/task.ts';
import { Strace } from '../../kernel/trace/strace.ts';
import { KEEP_REGS } from '../../kernel/wait.ts';
import { loadA64Core, loadCore } from '../../src/host/core-files.ts';
import { hostRoot, mountHost } from '../../src/machine/mounts.ts';
import { makeDirs } from '../../src/machine/guest-files.ts';
import { InputQueue, SinkPort } from '../../src/machine/stdio.ts';
import { FakeClock, FakeEntropy } from '../kernel/fakes.ts';
import { tinyElf } from '../kernel/harness.ts';
import { Arguments, HOST_PATHS, PATHS } from './arguments.ts';
import type { HostFolders } from './host-folder.ts';
import { Random } from '../support/random.ts';

/** Where a call's number and arguments are. */
const CALL: Readonly<Record<Arch, { nr: number; args: readonly number[] }>> = {
  x86_64: { nr: REG.rax, args: [REG.rdi, REG.rsi, REG.rdx, REG.r10, REG.r8, REG.r9] },
  aarch64: { nr: 8, args: [0, 1, 2, 3, 4, 5] },
};
const rowsOf = (arch: Arch): SyscallRow[] =>
  [...syscalls.values()].filter((row) => row[arch] !== null && row.run !== undefined);

/** The cores' modules, loaded once for many worlds. */
export interface Cores {
  readonly x86_64: ReturnType<typeof loadCore>;
  readonly aarch64: ReturnType<typeof loadA64Core>;
}
export const loadCores = (): Cores => ({ x86_64: loadCore(), aarch64: loadA64Core() });
/** Results below −4095 that are results all the same. */
const UNSIGNED = new Set(['lseek', 'ptrace', 'prctl', 'shmat', 'times', 'time']);

export interface WorldOptions {
  readonly seed: number;
  readonly cores: Cores;
  /** Default: x86_64. */
  readonly arch?: Arch;
  /** Trace every call (and throw the text away). */
  readonly trace?: boolean;
  readonly memoryBytes?: number;
  /** Host folders to mount at /mnt and, read-only, at /ro. */
  readonly folders?: HostFolders;
  /** Another first process follows one that died, in what it left behind. */
  readonly respawn?: boolean;
  /** Told of each call before it is made. */
  readonly before?: (text: string) => void;
  /** Told of each call that took longer than `slowMs`. */
  readonly slow?: (text: string, ms: number) => void;
  readonly slowMs?: number;
}

export class World {
  readonly kernel: KernelInstance;
  readonly clock = new FakeClock();
  /** What was done last, newest at the end. */
  readonly log: string[] = [];
  calls = 0;
  /** Calls that came back with something else than an error. */
  succeeded = 0;
  /** Names of calls that did. */
  readonly good = new Set<string>();
  private readonly r: Random;
  private readonly arch: Arch;
  private readonly arguments: Arguments;
  private readonly options: WorldOptions;
  private idleRounds = 0;

  constructor(options: WorldOptions) {
    this.options = options;
    this.r = new Random(options.seed);
    this.arch = options.arch ?? 'x86_64';
    this.arguments = new Arguments(this.r, rowsOf(this.arch), options.folders ? HOST_PATHS : PATHS);
    const sizes = { memoryBytes: options.memoryBytes ?? 24 << 20, codeBytes: 1 << 20 };
    const cpu =
      this.arch === 'x86_64'
        ? new X86Cpu({ ...options.cores.x86_64, ...sizes })
        : new A64Cpu({ ...options.cores.aarch64, ...sizes });
    this.kernel = bootKernel(
      {
        ram: cpu.memory, cpu, clock: this.clock, entropy: new FakeEntropy(options.seed | 1),
        limits: { maxTasks: 40, maxFds: 4096, maxFileBytes: 8 << 20 },
      },
      { seeded: this.r.chance(0.5), aslr: this.r.chance(0.2), arches: [this.arch] },
    ); // prettier-ignore
    if (options.trace)
      this.kernel.tracer = new Strace({ write: () => {}, follow: true, format: { verbose: true } });
    this.checkResults();
    this.file('/prog', tinyElf(this.arch === 'aarch64' ? 183 : 62), 0o755);
    this.file('/script', '#!/prog x\n', 0o755);
    this.file('/tmp/a', 'hello, world\n'.repeat(1000));
    this.file('/tmp/b', '');
    if (options.folders) {
      mountHost(this.kernel, { host: options.folders.writable, guest: '/mnt' });
      if (options.seed % 2 === 0) {
        mountHost(this.kernel, { host: options.folders.readOnly, guest: '/ro', readOnly: true });
      } else {
        // The same folder with an overlay on it: every write succeeds, and it must not change either.
        const { vfs, memory } = this.kernel;
        makeDirs(vfs, '/ro');
        const overlay = hostRoot(options.folders.readOnly, false, vfs, memory);
        if (typeof vfs.mount('/ro', overlay) === 'number') throw new Error('mount');
      }
    }
    if (!this.start()) throw new Error('the first process cannot be made');
  }

  /** A first process with files open. False: the machine has no room for one. */
  private start(): boolean {
    const nothing = { write: (): void => {}, closed: false };
    const t = this.kernel.spawnInit({
      path: '/prog', argv: ['prog'], envp: ['A=b'], uid: this.r.chance(0.5) ? 0 : 1000,
      stdio: [
        new HostInputFile(this.kernel, new InputQueue()),
        new HostOutputFile(this.kernel, new SinkPort(nothing), 'stdout'),
        new HostOutputFile(this.kernel, new SinkPort(nothing), 'stderr'),
      ],
    }); // prettier-ignore
    if (typeof t === 'number') return false;
    this.setUp(t);
    return true;
  }

  /** One round: whoever is next makes a call, faults, or time goes on. False: the world is over. */
  round(): boolean {
    const { kernel, r } = this;
    if (kernel.exitStatus !== null) {
      if (!this.options.respawn || kernel.exitStatus === 127 << 8) return false;
      kernel.exitStatus = null;
      return this.start();
    }
    if (kernel.nextDeadline() <= this.clock.now) {
      this.note('expire');
      this.timed('expire', () => kernel.expire(this.clock.now));
    }
    if (this.options.folders && r.chance(0.05)) this.options.folders.change(r);
    const t = kernel.scheduler.pick();
    if (t === null) return this.wait();
    this.idleRounds = 0;
    this.note(`prepareUser ${t.tid}`);
    let ready = false;
    this.timed('prepareUser', () => (ready = kernel.prepareUser(t)));
    if (!ready) return true;
    // Rarely: most faults end the process, and a new one costs as much as hundreds of calls.
    if (r.below(200) === 0) this.fault(t);
    else this.call(t);
    kernel.scheduler.ran(t, r.below(60_000));
    this.clock.now += r.below(100_000);
    return true;
  }

  private call(t: Task): void {
    const { r } = this;
    this.arguments.prepare(t);
    const row = this.arguments.row(t);
    const args = this.arguments.all(t, row);
    const hex = args
      .slice(0, Math.max(1, row.args.length))
      .map((a) => `0x${BigInt.asUintN(64, a).toString(16)}`);
    const text = `${t.tid} ${row.name}(${hex.join(', ')})`;
    this.note(text);
    const where = CALL[this.arch];
    t.regs.setNum(where.nr, row[this.arch]!);
    where.args.forEach((reg, i) => t.regs.set(reg, BigInt.asUintN(64, args[i])));
    if (r.chance(0.01)) t.regs.sp = r.below(0x7fffffff) * 4;
    this.calls++;
    this.timed(text, () => this.kernel.syscall(t));
  }

  private fault(t: Task): void {
    const { r } = this;
    const address = r.chance(0.5)
      ? 0x10000000 + r.below(0x8000)
      : Number(BigInt.asUintN(64, r.u64() >> BigInt(r.below(64))));
    const access = r.pick([1, 2, 4]);
    this.note(`${t.tid} fault ${address.toString(16)} ${access}`);
    if (r.chance(0.9)) this.kernel.fault(t, address, access);
    else
      this.kernel.exception(t, r.pick(['divide', 'undefined', 'gp', 'breakpoint', 'fp'] as const), 0x401000);
  }

  /** Nobody can run: time goes on, or somebody gets a signal. */
  private wait(): boolean {
    const { kernel, r } = this;
    const next = kernel.nextDeadline();
    if (next !== Infinity && r.chance(0.7)) {
      if (!(next >= 0)) throw new Error(`deadline ${next}`);
      this.clock.now = Math.max(this.clock.now, next);
      this.note('expire');
      this.timed('expire', () => kernel.expire(this.clock.now));
      return true;
    }
    const groups = [...kernel.processes.groups.values()];
    if (groups.length === 0 || ++this.idleRounds > 200) return false;
    const signo = r.pick([18, 18, 14, 10, 12, 2, 15, 9]);
    const group = r.pick(groups);
    this.note(`signal ${signo} to ${group.pid}`);
    if (signo !== 9 || group.pid !== 1000) sendToGroup(group, { signo, code: 0, pid: 0, uid: 0 });
    return true;
  }

  /** Ends every process: what they held must come back. */
  finish(): void {
    const { kernel } = this;
    for (let i = 0; i < 10_000 && kernel.processes.tasks.size > 0; i++) {
      for (const g of kernel.processes.groups.values()) sendToGroup(g, { signo: 9, code: 0, pid: 0, uid: 0 });
      const t = kernel.scheduler.pick();
      if (t !== null) kernel.prepareUser(t);
      else if (i > 100) break;
    }
  }

  private timed(text: string, fn: () => void): void {
    const start = performance.now();
    fn();
    const ms = performance.now() - start;
    if (ms > (this.options.slowMs ?? 250)) this.options.slow?.(text, ms);
  }

  private note(text: string): void {
    this.options.before?.(text);
    this.log.push(text);
    if (this.log.length > 400) this.log.splice(0, 200);
  }

  /** Every handler's result is looked at: an integer, no errno Linux does not have, nothing internal. */
  private checkResults(): void {
    const table = this.kernel.syscalls[this.arch];
    for (const [nr, row] of table.entries()) {
      if (!row?.run) continue;
      const { run, name } = row;
      table[nr] = {
        ...row,
        run: (t, a) => {
          const result = run(t, a);
          if (typeof result === 'number') {
            const strange =
              !Number.isInteger(result) ||
              (result !== KEEP_REGS &&
                result < 0 &&
                !UNSIGNED.has(name) &&
                (result < -530 || (result < -133 && result > -512)));
            if (strange) throw new Error(`${name} returned ${result}`);
            if (result >= 0) {
              this.succeeded++;
              this.good.add(name);
            }
          } else if (Number.isNaN(result.deadline)) throw new Error(`${name} waits until NaN`);
          return result;
        },
      };
    }
  }

  private file(path: string, bytes: Uint8Array | string, mode = 0o644): void {
    const data = typeof bytes === 'string' ? Uint8Array.from(bytes, (c) => c.charCodeAt(0)) : bytes;
    const f = openPath(this.kernel.vfs, null, -100, path, O_CREAT | O_WRONLY, mode);
    if (!(f instanceof File)) throw new Error(`${path}: ${typeof f === 'number' ? f : 'parked'}`);
    f.retain();
    (f.inode as TmpfsInode).write(IoBuf.of(data), 0, data.length);
    f.drop();
  }

  /** Files and descriptors of every kind, made by calls as a program would. */
  private setUp(t: Task): void {
    const made = (asked: string, ...given: (number | bigint | string)[]): void => {
      const [name, args] = this.arch === 'x86_64' ? [asked, given] : modern(asked, given);
      const row = syscalls.get(name)!;
      this.arguments.prepare(t);
      let at = 0x10000000;
      const where = CALL[this.arch];
      t.regs.setNum(where.nr, row[this.arch]!);
      where.args.forEach((reg, i) => {
        const a = args[i] ?? 0;
        if (typeof a === 'string') {
          t.mm.copyOut(
            at,
            Uint8Array.from(`${a}\0`, (c) => c.charCodeAt(0)),
          );
          t.regs.set(reg, BigInt(at));
          at += a.length + 1;
        } else t.regs.set(reg, BigInt.asUintN(64, BigInt(a)));
      });
      this.kernel.syscall(t);
    };
    made('mkdir', '/tmp/dir', 0o777);
    made('mknod', '/tmp/fifo', 0o010666, 0);
    made('symlink', 'a', '/tmp/link');
    made('symlink', 'loop2', '/tmp/loop1');
    made('symlink', 'loop1', '/tmp/loop2');
    made('open', '/tmp/a', 2, 0);
    made('open', '/tmp/dir', 0o200000, 0);
    made('open', '/tmp/fifo', 2, 0);
    made('open', '/dev/zero', 2, 0);
    made('open', '/dev/ptmx', 2, 0);
    made('open', '/proc/self/maps', 0, 0);
    made('pipe', 0x10001000);
    made('eventfd2', 0, 0);
    made('epoll_create1', 0);
    made('socket', 2, 1, 0);
    made('socket', 2, 2, 0);
    made('socketpair', 1, 1, 0, 0x10001000);
    made('socket', 16, 3, 0);
    made('timerfd_create', 1, 0);
    made('memfd_create', 'm', 2);
    made('inotify_init1', 0);
    made('signalfd4', -1, 0x10001000, 8, 0);
    if (!this.options.folders) return;
    made('open', '/mnt', 0o200000, 0);
    made('open', '/mnt/d', 0o200000, 0);
    made('open', '/mnt/f', 2, 0);
    made('open', '/mnt/d/g', 0o2002, 0);
    made('open', '/ro', 0o200000, 0);
    made('open', '/ro/d', 0o200000, 0);
    made('open', '/ro/f', 0, 0);
  }
}

/** The call aarch64 has in place of an old one. */
function modern(name: string, args: (number | bigint | string)[]): [string, (number | bigint | string)[]] {
  const AT_FDCWD = -100;
  if (name === 'pipe') return ['pipe2', [...args, 0]];
  if (name === 'symlink') return ['symlinkat', [args[0], AT_FDCWD, args[1]]];
  return syscalls.get(name)?.aarch64 === null ? [`${name}at`, [AT_FDCWD, ...args]] : [name, args];
}
