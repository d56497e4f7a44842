/** Who a task is: its numbers, and user and group ids (credentials(7)). Capabilities are in capabilities.ts. */
import { EFAULT, EINVAL, EPERM } from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import { SECBIT_NO_SETUID_FIXUP } from './capabilities.ts';
import { CAP_FS_SET, CAP_SETGID, CAP_SETUID, hasCapability, type Credentials } from './creds.ts';
import type { Task } from './task.ts';

/** (uid_t)−1: "leave alone" where a call takes several ids, invalid elsewhere. */
const KEEP = 0xffffffff;
const NGROUPS_MAX = 65536;

export function getpid(t: Task): number {
  return t.group.pid;
}
export function gettid(t: Task): number {
  return t.tid;
}
export function getppid(t: Task): number {
  return t.group.parent === null ? 0 : t.group.parent.pid;
}
export function getuid(t: Task): number {
  return t.creds.uid;
}
export function geteuid(t: Task): number {
  return t.creds.euid;
}
export function getgid(t: Task): number {
  return t.creds.gid;
}
export function getegid(t: Task): number {
  return t.creds.egid;
}

/** commit_creds: new credentials, and what a change of identity does besides (set_dumpable, pdeath_signal). */
export function commitCreds(t: Task, next: Credentials): void {
  const old = t.creds;
  if (
    old.euid !== next.euid ||
    old.egid !== next.egid ||
    old.fsuid !== next.fsuid ||
    old.fsgid !== next.fsgid ||
    (next.capPermitted & ~old.capPermitted) !== 0n
  ) {
    // prettier-ignore
    t.group.dumpable = t.kernel.coredump.suidDumpable;
    t.attrs.parentDeathSignal = 0;
  }
  t.creds = next;
}

/** cap_emulate_setxuid: capabilities follow user 0 as it comes and goes. */
function fixCapabilities(t: Task, next: Credentials): Credentials {
  const old = t.creds;
  if ((t.attrs.securebits & SECBIT_NO_SETUID_FIXUP) !== 0) return next;
  const wasRoot = old.uid === 0 || old.euid === 0 || old.suid === 0;
  const isRoot = next.uid === 0 || next.euid === 0 || next.suid === 0;
  let { capEffective, capPermitted, capAmbient } = next;
  if (wasRoot && !isRoot) {
    if (!t.attrs.keepCaps) {
      capPermitted = 0n;
      capEffective = 0n;
    }
    capAmbient = 0n;
  }
  if (old.euid === 0 && next.euid !== 0) capEffective = 0n;
  if (old.euid !== 0 && next.euid === 0) capEffective = capPermitted;
  return { ...next, capEffective, capPermitted, capAmbient };
}

function setUids(t: Task, uid: number, euid: number, suid: number): number {
  commitCreds(t, fixCapabilities(t, { ...t.creds, uid, euid, suid, fsuid: euid }));
  return 0;
}

function setGids(t: Task, gid: number, egid: number, sgid: number): number {
  commitCreds(t, { ...t.creds, gid, egid, sgid, fsgid: egid });
  return 0;
}

/** setuid(2). */
export function setuid(t: Task, a: Args): number {
  const id = a.u32(0);
  const c = t.creds;
  if (id === KEEP) return -EINVAL;
  if (hasCapability(t, CAP_SETUID)) return setUids(t, id, id, id);
  if (id !== c.uid && id !== c.suid) return -EPERM;
  return setUids(t, c.uid, id, c.suid);
}

/** setgid(2). */
export function setgid(t: Task, a: Args): number {
  const id = a.u32(0);
  const c = t.creds;
  if (id === KEEP) return -EINVAL;
  if (hasCapability(t, CAP_SETGID)) return setGids(t, id, id, id);
  if (id !== c.gid && id !== c.sgid) return -EPERM;
  return setGids(t, c.gid, id, c.sgid);
}

/** setreuid(2). */
export function setreuid(t: Task, a: Args): number {
  const [r, e] = [a.u32(0), a.u32(1)];
  const c = t.creds;
  const cap = hasCapability(t, CAP_SETUID);
  if (r !== KEEP && r !== c.uid && r !== c.euid && !cap) return -EPERM;
  if (e !== KEEP && e !== c.uid && e !== c.euid && e !== c.suid && !cap) return -EPERM;
  const euid = e === KEEP ? c.euid : e;
  const saves = r !== KEEP || (e !== KEEP && e !== c.uid);
  return setUids(t, r === KEEP ? c.uid : r, euid, saves ? euid : c.suid);
}

/** setregid(2). */
export function setregid(t: Task, a: Args): number {
  const [r, e] = [a.u32(0), a.u32(1)];
  const c = t.creds;
  const cap = hasCapability(t, CAP_SETGID);
  if (r !== KEEP && r !== c.gid && r !== c.egid && !cap) return -EPERM;
  if (e !== KEEP && e !== c.gid && e !== c.egid && e !== c.sgid && !cap) return -EPERM;
  const egid = e === KEEP ? c.egid : e;
  const saves = r !== KEEP || (e !== KEEP && e !== c.gid);
  return setGids(t, r === KEEP ? c.gid : r, egid, saves ? egid : c.sgid);
}

/** setresuid(2). */
export function setresuid(t: Task, a: Args): number {
  const c = t.creds;
  const ids = [a.u32(0), a.u32(1), a.u32(2)];
  const mine = [c.uid, c.euid, c.suid];
  if (!hasCapability(t, CAP_SETUID) && ids.some((id) => id !== KEEP && !mine.includes(id))) return -EPERM;
  const [uid, euid, suid] = ids.map((id, i) => (id === KEEP ? mine[i] : id));
  return setUids(t, uid, euid, suid);
}

/** setresgid(2). */
export function setresgid(t: Task, a: Args): number {
  const c = t.creds;
  const ids = [a.u32(0), a.u32(1), a.u32(2)];
  const mine = [c.gid, c.egid, c.sgid];
  if (!hasCapability(t, CAP_SETGID) && ids.some((id) => id !== KEEP && !mine.includes(id))) return -EPERM;
  const [gid, egid, sgid] = ids.map((id, i) => (id === KEEP ? mine[i] : id));
  return setGids(t, gid, egid, sgid);
}

function putIds(t: Task, a: Args, ids: readonly number[]): number {
  for (let i = 0; i < 3; i++) if (t.mm.putU32(a.ptr(i), ids[i]) !== 0) return -EFAULT;
  return 0;
}

/** getresuid(2). */
export function getresuid(t: Task, a: Args): number {
  return putIds(t, a, [t.creds.uid, t.creds.euid, t.creds.suid]);
}
/** getresgid(2). */
export function getresgid(t: Task, a: Args): number {
  return putIds(t, a, [t.creds.gid, t.creds.egid, t.creds.sgid]);
}

/** setfsuid(2): always the old value, whether it worked or not. */
export function setfsuid(t: Task, a: Args): number {
  const c = t.creds;
  const id = a.u32(0);
  if (id === KEEP || id === c.fsuid) return c.fsuid;
  if (id !== c.uid && id !== c.euid && id !== c.suid && !hasCapability(t, CAP_SETUID)) return c.fsuid;
  let capEffective = c.capEffective;
  if ((t.attrs.securebits & SECBIT_NO_SETUID_FIXUP) === 0) {
    if (c.fsuid === 0) capEffective &= ~CAP_FS_SET;
    if (id === 0) capEffective |= CAP_FS_SET & c.capPermitted;
  }
  commitCreds(t, { ...c, fsuid: id, capEffective });
  return c.fsuid;
}

/** setfsgid(2). */
export function setfsgid(t: Task, a: Args): number {
  const c = t.creds;
  const id = a.u32(0);
  const allowed = id === c.gid || id === c.egid || id === c.sgid || hasCapability(t, CAP_SETGID);
  if (id !== KEEP && id !== c.fsgid && allowed) commitCreds(t, { ...c, fsgid: id });
  return c.fsgid;
}

/** getgroups(2). */
export function getgroups(t: Task, a: Args): number {
  const size = a.i32(0);
  const { groups } = t.creds;
  if (size < 0) return -EINVAL;
  if (size === 0) return groups.length;
  if (groups.length > size) return -EINVAL;
  const out = new Uint8Array(Uint32Array.from(groups).buffer);
  return t.mm.copyOut(a.ptr(1), out) !== 0 ? -EFAULT : groups.length;
}

/** setgroups(2). The kernel keeps them sorted. */
export function setgroups(t: Task, a: Args): number {
  if (!hasCapability(t, CAP_SETGID)) return -EPERM;
  const size = a.u32(0);
  if (size > NGROUPS_MAX) return -EINVAL;
  const v = t.mm.viewIn(a.ptr(1), size * 4);
  if (v === null) return -EFAULT;
  const groups: number[] = [];
  for (let i = 0; i < size; i++) groups.push(v.getUint32(4 * i, true));
  if (groups.includes(KEEP)) return -EINVAL;
  commitCreds(t, { ...t.creds, groups: groups.sort((x, y) => x - y) });
  return 0;
}
