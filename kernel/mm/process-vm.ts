/** process_vm_readv(2) and process_vm_writev(2). */
import { EFAULT, EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';

const UIO_MAXIOV = 1024;
const CAP_SYS_PTRACE = 1n << 19n;
/** Bytes moved at once: guest lengths never become host buffers. */
const CHUNK = 65536;

interface Range {
  base: number;
  length: number;
}

function readIovec(t: Task, address: number, count: number): Range[] | number {
  if (count > UIO_MAXIOV) return -EINVAL;
  const view = t.mm.viewIn(address, count * 16);
  if (!view) return -EFAULT;
  const out: Range[] = [];
  for (let i = 0; i < count; i++) {
    const length = Number(view.getBigInt64(16 * i + 8, true));
    if (length < 0) return -EINVAL;
    out.push({ base: Number(view.getBigUint64(16 * i, true)), length });
  }
  return out;
}

/** ptrace_may_access(PTRACE_MODE_ATTACH_REALCREDS), without security modules. */
function mayAttach(t: Task, target: Task): boolean {
  if (t.group === target.group) return true;
  if (t.creds.capEffective & CAP_SYS_PTRACE) return true;
  const { uid, gid } = t.creds;
  const c = target.creds;
  return (
    uid === c.uid && uid === c.euid && uid === c.suid && gid === c.gid && gid === c.egid && gid === c.sgid
  );
}

function processVm(t: Task, a: Args, write: boolean): number {
  if (a.ptr(5) !== 0) return -EINVAL;
  const local = readIovec(t, a.ptr(1), a.size(2));
  if (typeof local === 'number') return local;
  let total = 0;
  for (const r of local) total += r.length;
  if (total === 0) return 0;
  const remote = readIovec(t, a.ptr(3), a.size(4));
  if (typeof remote === 'number') return remote;
  if (remote.every((r) => r.length === 0)) return 0;
  const target = t.kernel.processes.task(a.i32(0));
  if (!target || target.state === 'zombie' || target.state === 'dead') return -ESRCH;
  if (!mayAttach(t, target)) return -EPERM;

  let done = 0;
  let li = 0;
  let lo = 0;
  for (const r of remote) {
    for (let ro = 0; ro < r.length;) {
      while (li < local.length && lo === local[li].length) {
        li++;
        lo = 0;
      }
      if (li === local.length) return done;
      const n = Math.min(CHUNK, r.length - ro, local[li].length - lo);
      const moved = move(t, target, local[li].base + lo, r.base + ro, n, write);
      if (moved <= 0) return done > 0 ? done : -EFAULT;
      done += moved;
      ro += moved;
      lo += moved;
      if (moved < n) return done;
    }
  }
  return done;
}

/** Moves up to `n` bytes; as far as both sides can be accessed, 0 when not at all. */
function move(t: Task, target: Task, local: number, remote: number, n: number, write: boolean): number {
  const from = write ? t.mm.iov(local, n, false) : target.mm.iov(remote, n, false);
  if (typeof from === 'number') return 0;
  const to = write ? target.mm.iov(remote, from.length, true) : t.mm.iov(local, from.length, true);
  if (typeof to === 'number') return 0;
  return to.put(from.bytes().subarray(0, to.length));
}

export function processVmReadv(t: Task, a: Args): number {
  return processVm(t, a, false);
}
export function processVmWritev(t: Task, a: Args): number {
  return processVm(t, a, true);
}
