/**
 * NUMA policies (mm/mempolicy.c) of a machine with one node: they are checked, kept, inherited and told back as Linux
 * does, and all memory is on node 0 whatever they say.
 */
import { EACCES, EFAULT, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, EPERM, ESRCH } from '../abi/errno.ts';
import { PAGE_SIZE } from '../ports.ts';
import type { Args } from '../syscall/args.ts';
import { CAP_SYS_NICE, hasCapability } from '../task/creds.ts';
import { mayAccess } from '../task/pidfd.ts';
import type { Task } from '../task/task.ts';
import { pageDown, PAGE_MASK, sizeArg } from './layout.ts';
import type { MemPolicy } from './mempolicy.ts';

const MPOL_DEFAULT = 0;
const MPOL_PREFERRED = 1;
const MPOL_BIND = 2;
const MPOL_INTERLEAVE = 3;
const MPOL_LOCAL = 4;
const MPOL_PREFERRED_MANY = 5;
const MPOL_MAX = 6;

const MPOL_F_STATIC_NODES = 1 << 15;
const MPOL_F_RELATIVE_NODES = 1 << 14;
const MPOL_F_NUMA_BALANCING = 1 << 13;
const MPOL_USER_NODEMASK_FLAGS = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES;
const MPOL_MODE_FLAGS = MPOL_USER_NODEMASK_FLAGS | MPOL_F_NUMA_BALANCING;

// get_mempolicy(2).
const MPOL_F_NODE = 1;
const MPOL_F_ADDR = 2;
const MPOL_F_MEMS_ALLOWED = 4;

// mbind(2), move_pages(2).
const MPOL_MF_STRICT = 1;
const MPOL_MF_MOVE = 2;
const MPOL_MF_MOVE_ALL = 4;

/** Highest node number + 1 that a mask may name (CONFIG_NODES_SHIFT=10), and that there is. */
const MAX_NUMNODES = 1024;
const NODES = 1;
const ALL_NODES = 1n;

/** get_nodes: the mask of `maxnode` − 1 bits at `address`, or -errno. */
function readNodes(t: Task, address: number, maxnode: number): bigint | number {
  const bits = maxnode - 1;
  if (bits === 0 || address === 0) return 0n;
  if (!(bits > 0 && bits <= PAGE_SIZE * 8)) return -EINVAL;
  const words = Math.ceil(bits / 64);
  const v = t.mm.viewIn(address, words * 8);
  if (v === null) return -EFAULT;
  let nodes = 0n;
  for (let i = words - 1; i >= 0; i--) nodes = (nodes << 64n) | v.getBigUint64(8 * i, true);
  nodes = BigInt.asUintN(bits, nodes);
  return nodes >> BigInt(MAX_NUMNODES) === 0n ? nodes : -EINVAL;
}

/** sanitize_mpol_flags, get_nodes, mpol_new and mpol_set_nodemask: a policy, null (default) or -errno. */
function makePolicy(t: Task, word: number, address: number, maxnode: number): MemPolicy | null | number {
  const flags = word & MPOL_MODE_FLAGS;
  let mode = word & ~MPOL_MODE_FLAGS;
  if (mode < 0 || mode >= MPOL_MAX) return -EINVAL;
  if ((flags & MPOL_USER_NODEMASK_FLAGS) === MPOL_USER_NODEMASK_FLAGS) return -EINVAL;
  if (flags & MPOL_F_NUMA_BALANCING && mode !== MPOL_BIND) return -EINVAL;
  const given = readNodes(t, address, maxnode);
  if (typeof given === 'number') return given;
  const user = (flags & MPOL_USER_NODEMASK_FLAGS) !== 0;
  if (mode === MPOL_DEFAULT) return given === 0n ? null : -EINVAL;
  if (mode === MPOL_LOCAL && (given !== 0n || user)) return -EINVAL;
  if (given === 0n && mode !== MPOL_LOCAL) {
    if (mode !== MPOL_PREFERRED || user) return -EINVAL;
    mode = MPOL_LOCAL;
  }
  if (mode === MPOL_LOCAL) return { mode, flags, nodes: 0n, user: 0n };
  // Relative numbers wrap around the nodes there are: any is node 0.
  const nodes = flags & MPOL_F_RELATIVE_NODES ? ALL_NODES : given & ALL_NODES;
  return nodes === 0n ? -EINVAL : { mode, flags, nodes, user: user ? given : 0n };
}

/** set_mempolicy(2). */
export function setMempolicy(t: Task, a: Args): number {
  const policy = makePolicy(t, a.i32(0), a.ptr(1), a.size(2));
  if (typeof policy === 'number') return policy;
  t.attrs.mempolicy = policy;
  return 0;
}

/** What get_mempolicy tells: the mode (or a node) and the mask. */
function askPolicy(t: Task, address: number, flags: number): { value: number; nodes: bigint } | number {
  if (flags & MPOL_F_MEMS_ALLOWED)
    return flags & (MPOL_F_NODE | MPOL_F_ADDR) ? -EINVAL : { value: 0, nodes: ALL_NODES };
  let policy = t.attrs.mempolicy;
  if (flags & MPOL_F_ADDR) {
    const v = t.mm.vmas.containing(address);
    if (v === undefined) return -EFAULT;
    policy = v.policy;
  } else if (address !== 0) return -EINVAL;
  const nodes = policy === null ? 0n : policy.flags & MPOL_USER_NODEMASK_FLAGS ? policy.user : policy.nodes;
  if (flags & MPOL_F_NODE) {
    if (flags & MPOL_F_ADDR) {
      // lookup_node brings the page in.
      if (typeof t.mm.iov(address, 1, false) === 'number') return -EFAULT;
    } else if (policy?.mode !== MPOL_INTERLEAVE) return -EINVAL;
    return { value: 0, nodes };
  }
  return { value: policy === null ? MPOL_DEFAULT : policy.mode | policy.flags, nodes };
}

/** get_mempolicy(2). */
export function getMempolicy(t: Task, a: Args): number {
  const mask = a.ptr(1);
  const maxnode = a.size(2);
  const flags = a.size(4);
  if (mask !== 0 && maxnode < NODES) return -EINVAL;
  if (flags > 7) return -EINVAL;
  const answer = askPolicy(t, a.ptr(3), flags);
  if (typeof answer === 'number') return answer;
  if (a.ptr(0) !== 0 && t.mm.putU32(a.ptr(0), answer.value) < 0) return -EFAULT;
  if (mask === 0) return 0;
  const bytes = Math.ceil((maxnode - 1) / 64) * 8;
  if (bytes > PAGE_SIZE) return -EINVAL;
  const out = new DataView(new ArrayBuffer(bytes));
  if (bytes > 0) out.setBigUint64(0, BigInt.asUintN(64, answer.nodes), true);
  return t.mm.copyOut(mask, new Uint8Array(out.buffer)) < 0 ? -EFAULT : 0;
}

/** Whether [start, end) is mapped throughout. */
function mapped(t: Task, start: number, end: number): boolean {
  let at = start;
  for (const v of t.mm.vmas.within(start, end)) {
    if (v.start > at) return false;
    at = v.end;
  }
  return at >= end;
}

/** mbind(2). */
export function mbind(t: Task, a: Args): number {
  const { mm } = t;
  const start = a.ptr(0);
  const policy = makePolicy(t, a.i32(2), a.ptr(3), a.size(4));
  const flags = a.u32(5);
  // The mode's own checks and the mask's come before those of the range, those of both together after them.
  const modeFault = typeof policy === 'number';
  if (modeFault && policy === -EFAULT) return policy;
  if (flags & ~(MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)) return -EINVAL;
  if (flags & MPOL_MF_MOVE_ALL && !hasCapability(t, CAP_SYS_NICE)) return -EPERM;
  if (a.u32(0) & PAGE_MASK) return -EINVAL;
  const end = start + sizeArg(a, 1);
  if (end >= 2 ** 64) return -EINVAL;
  if (modeFault) return policy;
  if (end === start) return 0;
  if (!mapped(t, start, end)) return -EFAULT;
  const err = mm.split(start) || mm.split(end);
  if (err < 0) return err;
  for (const v of mm.vmas.within(start, end)) v.policy = policy;
  mm.merge(start, end);
  return 0;
}

/** set_mempolicy_home_node(2): where to begin among the nodes of a policy of several. */
export function setMempolicyHomeNode(t: Task, a: Args): number {
  const start = a.ptr(0);
  if (a.u32(0) & PAGE_MASK || a.ptr(3) !== 0 || a.ptr(2) >= NODES) return -EINVAL;
  const end = start + sizeArg(a, 1);
  if (end >= 2 ** 64) return -EINVAL;
  if (end === start) return 0;
  const areas = t.mm.vmas.within(start, end);
  if (areas.length === 0) return -ENOENT;
  const several = areas.every((v) => v.policy?.mode === MPOL_BIND || v.policy?.mode === MPOL_PREFERRED_MANY);
  return several ? 0 : -EOPNOTSUPP;
}

/** The process another's pages are asked about; 0: the caller. */
function otherTask(t: Task, pid: number): Task | number {
  const other = pid === 0 ? t : t.kernel.processes.task(pid);
  if (other === undefined || other.state === 'zombie' || other.state === 'dead') return -ESRCH;
  return mayAccess(t, other.group) ? other : -EPERM;
}

/** migrate_pages(2): there is nowhere to go. */
export function migratePages(t: Task, a: Args): number {
  const from = readNodes(t, a.ptr(2), a.size(1));
  if (typeof from === 'number') return from;
  const to = readNodes(t, a.ptr(3), a.size(1));
  if (typeof to === 'number') return to;
  const other = otherTask(t, a.i32(0));
  if (typeof other === 'number') return other;
  if ((to & ~ALL_NODES) !== 0n && !hasCapability(t, CAP_SYS_NICE)) return -EPERM;
  return (to & ALL_NODES) === 0n ? -EINVAL : 0;
}

/** Pages are looked at this many at a time: no guest's count becomes an allocation. */
const PAGE_BATCH = 512;

/** move_pages(2): where each page is, and an error for what is to go elsewhere than node 0. */
export function movePages(t: Task, a: Args): number {
  const flags = a.u32(5);
  if (flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)) return -EINVAL;
  if (flags & MPOL_MF_MOVE_ALL && !hasCapability(t, CAP_SYS_NICE)) return -EPERM;
  const other = otherTask(t, a.i32(0));
  if (typeof other === 'number') return other;
  const count = a.size(1);
  const nodes = a.ptr(3);
  for (let done = 0; done < count; done += PAGE_BATCH) {
    const n = Math.min(PAGE_BATCH, count - done);
    const pages = t.mm.viewIn(a.ptr(2) + 8 * done, 8 * n);
    const wanted = nodes === 0 ? null : t.mm.viewIn(nodes + 4 * done, 4 * n);
    if (pages === null || (nodes !== 0 && wanted === null)) return -EFAULT;
    const status = new DataView(new ArrayBuffer(4 * n));
    for (let i = 0; i < n; i++) {
      const node = wanted?.getInt32(4 * i, true) ?? 0;
      if (node !== 0) return node > 0 && node < NODES ? -EACCES : -ENODEV;
      status.setInt32(4 * i, nodeOf(other, Number(pages.getBigUint64(8 * i, true))), true);
    }
    if (t.mm.copyOut(a.ptr(4) + 4 * done, new Uint8Array(status.buffer)) < 0) return -EFAULT;
  }
  return 0;
}

/** The node of the page at `address`, or -errno. */
function nodeOf(t: Task, address: number): number {
  if (t.mm.vmas.containing(address) === undefined) return -EFAULT;
  return t.mm.pageTable.frame(pageDown(address)) < 0 ? -ENOENT : 0;
}
