/** Descriptors: which are open, which are free, and what epoll sets hold, as far as the log tells. */
import { syscalls } from '../../../kernel/syscall/table.ts';
import { callText, type LogCall } from '../events.ts';
import type { Findings } from './finding.ts';
import { View, type Verdict } from './finding.ts';
import { type Birth, PerTask } from './tasks.ts';

/** Whether a descriptor is in an epoll set. */
type Member = 'in' | 'out' | 'unknown';

interface Files {
  /** Opened in the log and not closed since: the line. */
  readonly open: Map<number, number>;
  /** Closed in the log and not opened since. */
  readonly closed: Map<number, number>;
  /** Sets made in the log. */
  readonly sets: Map<number, Map<number, Member>>;
}

/** A mode of opening, or O_PATH, gives them EBADF for descriptors that are open. */
const MODE_COUNTS =
  /^(p?readv?2?|p?writev?2?|pread64|pwrite64|sendfile|splice|tee|vmsplice|copy_file_range|ftruncate|fallocate|mmap|flock|fchmod|fchown|fsync|getdents64|ioctl|fsetxattr)$/;
/** They may put descriptors where the log does not show them. */
const HIDES = new Set([
  'recvmsg',
  'recvmmsg',
  'clone',
  'clone3',
  'close_range',
  'io_uring_enter',
  'unshare',
  'dup3',
]);

const fresh = (): Files => ({ open: new Map(), closed: new Map(), sets: new Map() });

export class FdModel {
  private readonly findings: Findings;
  private readonly files: PerTask<Files>;
  /** No task the log does not show can change them; else nothing is certain. */
  private readonly alone: boolean;

  constructor(findings: Findings, births: ReadonlyMap<number, Birth>, alone: boolean) {
    this.findings = findings;
    this.alone = alone;
    const copy = (f: Files): Files => {
      f.sets.clear(); // one epoll set, two processes
      return { open: new Map(f.open), closed: new Map(f.closed), sets: new Map() };
    };
    this.files = new PerTask(births, (b) => b.sharesFiles, fresh, copy);
  }

  /** A call returned. */
  exit(call: LogCall): void {
    if (!this.alone) return;
    this.files.returned(call);
    const c = new View(call);
    const f = this.files.get(call.tid);
    const line = call.exit ?? 0;
    if (call.name === 'execve' && c.ok) this.files.renew(call.tid);
    else if (call.name === 'close') this.close(c, f, line);
    else if (call.name === 'pipe' || call.name === 'pipe2' || call.name === 'socketpair')
      this.pair(c, f, line);
    else if (call.name === 'dup2' || call.name === 'dup3') this.dup2(c, f, line);
    else {
      this.use(c, f);
      if (HIDES.has(call.name) && c.ok) f.closed.clear();
      if (call.name === 'close_range') f.open.clear();
      if (call.name === 'epoll_ctl') this.epollCtl(c, f);
      if (c.ok && returnsFd(call)) this.opened(c, f, line);
    }
  }

  private found(c: View, v: Verdict): void {
    const { call } = c;
    this.findings.add(v, call, call.exit ?? 0, callText(call), call.source, call.tid);
  }

  private opened(c: View, f: Files, line: number): void {
    const fd = c.result;
    const from = c.name === 'fcntl' ? (c.i32(2) ?? 0) : 0;
    const before = f.open.get(fd);
    const man = 'open(2), DESCRIPTION';
    const lower = [...f.closed].filter(([n]) => n < fd && n >= from).sort((x, y) => x[0] - y[0])[0];
    if (before !== undefined) {
      this.found(c, {
        rule: 'fd-taken', linux: 'a descriptor that is free', man,
        why: `${fd} has been open since line ${before}.`,
      }); // prettier-ignore
    } else if (lower) {
      this.found(c, {
        rule: 'fd-lowest', linux: String(lower[0]), man,
        why: `The lowest free number is taken; ${lower[0]} was closed at line ${lower[1]}.`,
      }); // prettier-ignore
      f.closed.clear(); // say it once
    }
    this.put(f, fd, line);
    if (c.name === 'epoll_create' || c.name === 'epoll_create1') f.sets.set(fd, new Map());
    const of = c.i32(0);
    if ((c.name === 'dup' || c.name === 'fcntl') && of !== null) this.alias(f, of, fd);
  }

  private put(f: Files, fd: number, line: number): void {
    f.open.set(fd, line);
    f.closed.delete(fd);
    f.sets.delete(fd);
  }

  private alias(f: Files, of: number, fd: number): void {
    const set = f.sets.get(of);
    if (set) f.sets.set(fd, set);
  }

  private dup2(c: View, f: Files, line: number): void {
    const [of, to] = [c.i32(0), c.i32(1)];
    this.use(c, f);
    if (!c.ok || to === null || of === null || of === to) return;
    this.leaves(f, to);
    this.put(f, to, line);
    this.alias(f, of, to);
  }

  /** Two descriptors in memory: strace shows them, StarryOS does not. */
  private pair(c: View, f: Files, line: number): void {
    if (!c.ok) return;
    const shown = /\[(\d+), (\d+)\]/.exec(c.call.args.join(', '));
    if (!shown) f.closed.clear();
    else for (const fd of [Number(shown[1]), Number(shown[2])]) this.put(f, fd, line);
  }

  private close(c: View, f: Files, line: number): void {
    const fd = c.i32(0);
    if (fd === null) return;
    this.use(c, f);
    const gone = c.ok || c.error === 'EBADF';
    if (c.error === 'EBADF' && f.open.has(fd)) this.isOpen(c, f, fd, '0');
    if (!gone) return;
    this.leaves(f, fd);
    f.open.delete(fd);
    f.sets.delete(fd);
    f.closed.set(fd, line);
  }

  /** A descriptor is closed: what it was open on leaves the sets, unless another descriptor is open on it too. */
  private leaves(f: Files, fd: number): void {
    for (const set of f.sets.values()) if (set.get(fd) === 'in') set.set(fd, 'unknown');
  }

  private use(c: View, f: Files): void {
    const { call } = c;
    if (syscalls.get(call.name)?.args[0]?.kind !== 'fd') return;
    const fd = c.i32(0);
    if (fd === null || fd < 0) return;
    const since = f.closed.get(fd);
    if (c.ok && since !== undefined) {
      this.found(c, {
        rule: 'fd-closed', linux: 'EBADF', why: `${fd} was closed at line ${since}.`, man: `${call.name}(2), ERRORS`,
      }); // prettier-ignore
    }
    if (c.error === 'EBADF' && f.open.has(fd) && call.name !== 'close' && !MODE_COUNTS.test(call.name)) {
      if (call.name !== 'epoll_ctl') this.isOpen(c, f, fd, 'no EBADF');
    }
  }

  private isOpen(c: View, f: Files, fd: number, linux: string): void {
    this.found(c, {
      rule: 'fd-open', linux, why: `${fd} has been open since line ${f.open.get(fd)}.`, man: `${c.name}(2), ERRORS`,
    }); // prettier-ignore
  }

  private epollCtl(c: View, f: Files): void {
    const [epfd, op, fd] = [c.i32(0), c.i32(1), c.i32(2)];
    const set = epfd === null ? undefined : f.sets.get(epfd);
    if (!set || fd === null || op === null) return;
    const member = set.get(fd) ?? 'out';
    const say = (rule: string, linux: string, why: string): void =>
      this.found(c, { rule, linux, why, man: 'epoll_ctl(2), ERRORS' });
    const add = op === 1;
    if (add && c.ok && member === 'in') say('epoll-add-twice', 'EEXIST', `${fd} is in the set already.`);
    if (add && c.error === 'EEXIST' && member === 'out') say('epoll-not-there', '0', `${fd} is not in the set.`);
    if (!add && c.ok && member === 'out') say('epoll-not-there', 'ENOENT', `${fd} is not in the set.`);
    if (!add && c.error === 'ENOENT' && member === 'in') say('epoll-there', '0', `${fd} is in the set.`);
    if (c.ok) set.set(fd, op === 2 ? 'out' : 'in');
  } // prettier-ignore
}

function returnsFd(call: LogCall): boolean {
  if (call.name === 'fcntl') return /F_DUPFD/.test(call.args[1] ?? '');
  return syscalls.get(call.name)?.ret === 'fd';
}
