/** execve and execveat: names and strings in, execProgram does the rest. */
import { E2BIG, EFAULT, EINVAL, ELOOP, ENAMETOOLONG, ENOENT } from '../abi/errno.ts';
import { S_IFLNK, S_IFMT } from '../fs/inode.ts';
import { getname } from '../fs/syscalls-open.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, LOOKUP_EMPTY, LOOKUP_FOLLOW } from '../fs/vfs.ts';
import { ArgumentBudget, MAX_ARG_STRLEN } from '../../loader/stack.ts';
import type { Args } from '../syscall/args.ts';
import { execProgram } from './exec.ts';
import { RLIMIT_STACK } from './rlimits.ts';
import type { Task } from './task.ts';

/** Pointers past which no argument list can fit any more (bprm_stack_limits allows 6 MiB in all). */
const MAX_POINTERS = (6 * 1024 * 1024) / 8;

/** A NULL-terminated vector's pointers. NULL itself is an empty vector. */
function pointers(t: Task, address: number): number[] | number {
  const out: number[] = [];
  if (address === 0) return out;
  for (;;) {
    const p = t.mm.ptr(address + 8 * out.length);
    if (p < 0) return -EFAULT;
    if (p === 0) return out;
    if (out.length >= MAX_POINTERS) return -E2BIG;
    out.push(p);
  }
}

function strings(t: Task, from: readonly number[], budget: ArgumentBudget): string[] | number {
  const out: string[] = [];
  for (const p of from) {
    const s = t.mm.cstring(p, MAX_ARG_STRLEN);
    if (typeof s === 'number') return s === -ENAMETOOLONG ? -E2BIG : s;
    if (!budget.take(s.length)) return -E2BIG;
    out.push(s);
  }
  return out;
}

/** execve(2). */
export function execve(t: Task, a: Args): number {
  return start(t, AT_FDCWD, a.ptr(0), a.ptr(1), a.ptr(2), 0);
}

/** execveat(2). */
export function execveat(t: Task, a: Args): number {
  return start(t, a.i32(0), a.ptr(1), a.ptr(2), a.ptr(3), a.u32(4));
}

/** do_execveat_common: the name is read first, then the vectors and strings, then the file is looked for. */
function start(t: Task, dirfd: number, name: number, argvAt: number, envpAt: number, flags: number): number {
  const path = getname(t, name);
  if (typeof path === 'number') return path;
  if (path === '' && (flags & AT_EMPTY_PATH) === 0) return -ENOENT;
  const argvPointers = pointers(t, argvAt);
  if (typeof argvPointers === 'number') return argvPointers;
  const envpPointers = pointers(t, envpAt);
  if (typeof envpPointers === 'number') return envpPointers;
  const stack = t.group.rlimits[RLIMIT_STACK].cur;
  const budget = new ArgumentBudget(stack, argvPointers.length, envpPointers.length);
  const direct = dirfd === AT_FDCWD || path.startsWith('/');
  const filename = direct ? path : `/dev/fd/${dirfd}${path === '' ? '' : `/${path}`}`;
  if (budget.exhausted || !budget.take(filename.length)) return -E2BIG;
  const envp = strings(t, envpPointers, budget);
  if (typeof envp === 'number') return envp;
  const argv = strings(t, argvPointers, budget);
  if (typeof argv === 'number') return argv;

  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const follow = (flags & AT_SYMLINK_NOFOLLOW) === 0 ? LOOKUP_FOLLOW : 0;
  const empty = (flags & AT_EMPTY_PATH) !== 0 ? LOOKUP_EMPTY : 0;
  const at = t.kernel.vfs.lookup(t, dirfd, path, follow | empty);
  if (typeof at === 'number') return at;
  if (follow === 0 && (at.inode.mode & S_IFMT) === S_IFLNK) return -ELOOP;
  const unreachable = !direct && (t.fds.descriptor(dirfd)?.cloexec ?? false);
  return execProgram(t, { at, filename, argv, envp, unreachable });
}
