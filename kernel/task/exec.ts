/**
 * Replacing a process's program, after do_execveat_common and begin_new_exec of fs/exec.c: find what the name leads to
 * (through `#!` lines), plan it, build the new image, and only then give up the old one.
 */
import { ELIBBAD, ELOOP, ENOENT, ENOMEM, ENOEXEC, E2BIG } from '../abi/errno.ts';
import { MNT_NOSUID, type Path } from '../fs/dentry.ts';
import type { File } from '../fs/file.ts';
import { openExec } from '../fs/open.ts';
import { AT_FDCWD } from '../fs/vfs.ts';
import { resetKeyrings } from '../keys/keyrings.ts';
import { MAP_PRIVATE } from '../mm/flags.ts';
import { buildImage, objectSource, type Program } from '../mm/image.ts';
import { IoBuf } from '../mm/iobuf.ts';
import { PROT_EXEC, PROT_READ } from '../ports.ts';
import { SIGCHLD, SIGSEGV, SI_KERNEL } from '../signal/numbers.ts';
import { forceSignal } from '../signal/send.ts';
import { SignalHandlers } from '../signal/state.ts';
import { planElf } from '../../loader/elf.ts';
import { BINPRM_BUF_SIZE, parseScript } from '../../loader/script.ts';
import { ArgumentBudget } from '../../loader/stack.ts';
import { execCredentials } from './capabilities.ts';
import { resetHandlers } from './clone.ts';
import type { Credentials } from './creds.ts';
import { deThread, dropMemory, leaveMemory } from './exit.ts';
import { RLIMIT_STACK } from './rlimits.ts';
import { commitCreds } from './syscalls-id.ts';
import type { Task } from './task.ts';

/** `#!` lines that may lead to one another. */
const MAX_SCRIPTS = 5;
const TASK_COMM_LEN = 16;

export interface ExecRequest {
  readonly at: Path;
  /** The name execve was given: AT_EXECFN, comm, and what a script's interpreter gets to see. Binary strings. */
  readonly filename: string;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  /** `filename` goes through a descriptor that will be closed (execveat): a script's interpreter could not open it. */
  readonly unreachable?: boolean;
}

/** Runs the program in `t`. 0, or -errno with the old program as it was (or killed, when Linux finds out too late). */
export function execProgram(t: Task, req: ExecRequest): number {
  const k = t.kernel;
  const opened: File[] = [];
  const done = (result: number): number => {
    for (const f of opened) f.drop();
    return result;
  };
  /** Opens and plans one ELF file; a script gives null. */
  const open = (at: Path): File | number => {
    const file = openExec(k.vfs, t, at);
    if (typeof file !== 'number') opened.push(file.retain());
    return file;
  };

  // Descriptors that are shared become its own, and that cannot fail any more later on (unshare_files).
  if (t.fds.users > 1 && !t.fds.copyable(k.kmem)) return -ENOMEM;
  let at = req.at;
  let argv = req.argv.length === 0 ? [''] : req.argv;
  let name = req.filename;
  let file: File;
  for (let depth = 0; ; depth++) {
    const f = open(at);
    if (typeof f === 'number') return done(f);
    file = f;
    if (depth > MAX_SCRIPTS) return done(-ELOOP);
    const script = parseScript(head(t, file));
    if (script === null) break;
    if (req.unreachable && depth === 0) return done(-ENOENT);
    argv = [
      script.interpreter,
      ...(script.argument === null ? [] : [script.argument]),
      name,
      ...argv.slice(1),
    ];
    if (!fits(t, argv, req.envp, req.filename)) return done(-E2BIG);
    name = script.interpreter;
    const next = k.vfs.lookup(t, AT_FDCWD, name);
    if (typeof next === 'number') return done(next);
    at = next;
  }

  let program = plan(t, file, false);
  if (typeof program === 'number') return done(program);
  if (!k.options.arches.includes(program.plan.arch)) return done(-ENOEXEC);
  let interp: Program | null = null;
  if (program.plan.interp !== null) {
    const where = k.vfs.lookup(t, AT_FDCWD, program.plan.interp);
    if (typeof where === 'number') return done(where);
    const f = open(where);
    if (typeof f === 'number') return done(f);
    const p = plan(t, f, true);
    if (typeof p === 'number') return done(p);
    if (p.plan.arch !== program.plan.arch) return done(-ELIBBAD);
    interp = p;
  }

  if (interp !== null && k.behaviour.linkerAsProgram) {
    argv = [program.plan.interp!, ...argv];
    file = interp.file!;
    program = interp;
    interp = null;
  }
  const creds = newCredentials(t, at);
  const { hwcap, hwcap2, minsigstksz, aslr } = k.options;
  const image = buildImage(k, t.group, {
    program, interp, argv, envp: req.envp, execfn: req.filename, creds, entropy: k.entropy, aslr, hwcap, hwcap2,
    minsigstksz, secure: isSecure(t.creds, creds),
  }); // prettier-ignore
  if (typeof image === 'number') {
    tooLate(t);
    return done(image);
  }

  deThread(t);
  leaveMemory(t);
  image.mm.coredumpFilter = t.mm.coredumpFilter;
  dropMemory(t);
  t.mm = image.mm;
  k.programs.hold(image.mm, file);
  t.group.exe = at;
  becomeFresh(t, creds, req.filename);
  // Whoever may not read a program may not read it in its core either (would_dump).
  if (file.inode!.access(t, 4) < 0) t.group.dumpable = k.coredump.suidDumpable;

  if (t.regs.arch === program.plan.arch) t.regs.reset();
  else {
    t.regs.release();
    t.regs = k.cpu.newRegs(program.plan.arch);
  }
  t.regs.pc = image.entry;
  t.regs.sp = image.sp;
  return done(0);
}

/** The first bytes, which decide what kind of program it is. */
function head(t: Task, file: File): Uint8Array {
  const buf = new Uint8Array(BINPRM_BUF_SIZE);
  const n = file.pread(IoBuf.of(buf), 0, t);
  return buf.subarray(0, Math.max(n, 0));
}

function plan(t: Task, file: File, asInterpreter: boolean): Program | number {
  const object = file.mmap(t, PROT_READ | PROT_EXEC, MAP_PRIVATE);
  if (typeof object === 'number') return asInterpreter ? -ELIBBAD : -ENOEXEC;
  const source = objectSource(t.kernel.memory, object, file.inode?.size ?? 0);
  const p = planElf(source, { taskSize: t.mm.layout.taskSize, asInterpreter });
  if (p.ok) return { plan: p, object, file };
  if (p.fatal) tooLate(t);
  return -p.errno;
}

/** Linux notices when the old program is gone already: the process dies (bprm_execve). */
function tooLate(t: Task): void {
  forceSignal(t, { signo: SIGSEGV, code: SI_KERNEL, address: 0n }, true);
}

function fits(t: Task, argv: readonly string[], envp: readonly string[], filename: string): boolean {
  const budget = new ArgumentBudget(t.group.rlimits[RLIMIT_STACK].cur, argv.length, envp.length);
  if (budget.exhausted || !budget.take(filename.length)) return false;
  return envp.every((s) => budget.take(s.length)) && argv.every((s) => budget.take(s.length));
}

/** Set-id bits count unless the mount or the task forbids (bprm_fill_uid). */
function newCredentials(t: Task, at: Path): Credentials {
  const { mode, uid, gid } = at.inode;
  const allowed = (at.mnt.flags & MNT_NOSUID) === 0 && !t.attrs.noNewPrivs;
  const suid = allowed && (mode & 0o4000) !== 0 ? uid : null;
  const sgid = allowed && (mode & 0o2010) === 0o2010 ? gid : null;
  return execCredentials(t, suid, sgid);
}

/** AT_SECURE: the program has more rights than whoever runs it (cap_bprm_creds_from_file). */
function isSecure(old: Credentials, next: Credentials): boolean {
  if (next.uid !== next.euid || next.gid !== next.egid) return true;
  return old.uid !== 0 && (next.capEffective & ~next.capAmbient) !== 0n;
}

/** What execve(2) resets, and what "Effect on process attributes" there lists. */
function becomeFresh(t: Task, creds: Credentials, filename: string): void {
  const g = t.group;
  if (t.sighand.users > 1) {
    t.sighand.users--;
    t.sighand = new SignalHandlers(t.sighand.actions);
  }
  resetHandlers(t.sighand);
  t.altstack = { sp: 0, size: 0, flags: 2 };
  if (t.fds.users > 1) {
    const shared = t.fds;
    t.fds = shared.clone(t.kernel.kmem) ?? shared.cloneUnpaid();
    shared.users--;
  }
  t.fds.closeOnExec(t);
  g.timers?.deletePosix(t.kernel.timers);
  g.exitSignal = SIGCHLD;
  g.execed = true;
  g.dumpable = 1;
  g.membarrier = 0;
  commitCreds(t, creds);
  resetKeyrings(t);
  t.attrs.keepCaps = false;
  t.attrs.rseq = t.attrs.rseqLength = t.attrs.rseqSignature = 0;
  t.restartBlock = null;
  t.comm = filename.slice(filename.lastIndexOf('/') + 1).slice(0, TASK_COMM_LEN - 1);
}
