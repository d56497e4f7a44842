/** Capability sets: capget, capset, the prctl operations on them, and what execve makes of them (capabilities(7)). */
import { EFAULT, EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import { CAP_SETPCAP, hasCapability, type Credentials } from './creds.ts';
import type { Task } from './task.ts';

export const SECBIT_NOROOT = 1;
export const SECBIT_NO_SETUID_FIXUP = 4;
export const SECBIT_KEEP_CAPS = 16;
export const SECBIT_NO_CAP_AMBIENT_RAISE = 64;
export const CAP_LAST_CAP = 40;

/** Header version → 32-bit words in each set. */
const VERSIONS = new Map([[0x19980330, 1], [0x20071026, 2], [0x20080522, 2]]); // prettier-ignore
const NEWEST_VERSION = 0x20080522;

/** cap_validate_magic: words per set, -EFAULT, or -EINVAL with the version we like written back. */
function words(t: Task, header: number): number {
  const version = t.mm.u32(header);
  if (version < 0) return -EFAULT;
  const n = VERSIONS.get(version);
  if (n !== undefined) return n;
  return t.mm.putU32(header, NEWEST_VERSION) !== 0 ? -EFAULT : -EINVAL;
}

/** capget(2). */
export function capget(t: Task, a: Args): number {
  const n = words(t, a.ptr(0));
  if (a.ptr(1) === 0) return n === -EINVAL || n > 0 ? 0 : n;
  if (n < 0) return n;
  const pid = t.mm.i32(a.ptr(0) + 4);
  if (pid === null) return -EFAULT;
  if (pid < 0) return -EINVAL;
  const who = pid === 0 ? t : t.kernel.processes.task(pid);
  if (who === undefined) return -ESRCH;
  const c = who.creds;
  const out = new DataView(new ArrayBuffer(12 * n));
  for (let i = 0; i < n; i++) {
    const word = (set: bigint): number => Number((set >> BigInt(32 * i)) & 0xffffffffn);
    out.setUint32(12 * i, word(c.capEffective), true);
    out.setUint32(12 * i + 4, word(c.capPermitted), true);
    out.setUint32(12 * i + 8, word(c.capInheritable), true);
  }
  return t.mm.copyOut(a.ptr(1), new Uint8Array(out.buffer)) !== 0 ? -EFAULT : 0;
}

/** capset(2), with the rules of cap_capset. */
export function capset(t: Task, a: Args): number {
  const n = words(t, a.ptr(0));
  if (n < 0) return n;
  const pid = t.mm.i32(a.ptr(0) + 4);
  if (pid === null) return -EFAULT;
  if (pid !== 0 && pid !== t.tid) return -EPERM;
  const v = t.mm.viewIn(a.ptr(1), 12 * n);
  if (v === null) return -EFAULT;
  const set = (at: number): bigint => {
    let s = BigInt(v.getUint32(at, true));
    if (n > 1) s |= BigInt(v.getUint32(12 + at, true)) << 32n;
    return s & ((1n << BigInt(CAP_LAST_CAP + 1)) - 1n);
  };
  const [effective, permitted, inheritable] = [set(0), set(4), set(8)];
  const c = t.creds;
  const within = (x: bigint, y: bigint): boolean => (x & ~y) === 0n;
  if (!hasCapability(t, CAP_SETPCAP) && !within(inheritable, c.capInheritable | c.capPermitted))
    return -EPERM;
  if (!within(inheritable, c.capInheritable | c.capBounding)) return -EPERM;
  if (!within(permitted, c.capPermitted)) return -EPERM;
  if (!within(effective, permitted)) return -EPERM;
  t.creds = {
    ...c,
    capEffective: effective,
    capPermitted: permitted,
    capInheritable: inheritable,
    capAmbient: c.capAmbient & permitted & inheritable,
  };
  return 0;
}

/** PR_CAPBSET_READ and PR_CAPBSET_DROP. */
export function boundingRead(t: Task, cap: number): number {
  if (cap > CAP_LAST_CAP) return -EINVAL;
  return Number((t.creds.capBounding >> BigInt(cap)) & 1n);
}
export function boundingDrop(t: Task, cap: number): number {
  if (!hasCapability(t, CAP_SETPCAP)) return -EPERM;
  if (cap > CAP_LAST_CAP) return -EINVAL;
  t.creds = { ...t.creds, capBounding: t.creds.capBounding & ~(1n << BigInt(cap)) };
  return 0;
}

/** PR_CAP_AMBIENT: 1 is set, 2 raise, 3 lower, 4 clear all. */
export function ambient(t: Task, op: number, cap: number): number {
  const c = t.creds;
  if (op === 4) {
    if (cap !== 0) return -EINVAL;
    t.creds = { ...c, capAmbient: 0n };
    return 0;
  }
  if (cap > CAP_LAST_CAP) return -EINVAL;
  const bit = 1n << BigInt(cap);
  if (op === 1) return (c.capAmbient & bit) !== 0n ? 1 : 0;
  if (op !== 2 && op !== 3) return -EINVAL;
  if (op === 2) {
    const may = (c.capPermitted & c.capInheritable & bit) !== 0n;
    if (!may || (t.attrs.securebits & SECBIT_NO_CAP_AMBIENT_RAISE) !== 0) return -EPERM;
  }
  t.creds = { ...c, capAmbient: op === 2 ? c.capAmbient | bit : c.capAmbient & ~bit };
  return 0;
}

/**
 * Credentials after execve of a file without file capabilities: P'(permitted) and P'(effective) of capabilities(7).
 * `suid`, `sgid`: the id the file's set-id bit gives, or null.
 */
export function execCredentials(t: Task, suid: number | null, sgid: number | null): Credentials {
  const c = t.creds;
  const euid = suid ?? c.euid;
  const egid = sgid ?? c.egid;
  const setId = suid !== null && suid !== c.uid;
  let permitted = c.capAmbient;
  let effective = c.capAmbient;
  let ambientSet = setId || (sgid !== null && sgid !== c.gid) ? 0n : c.capAmbient;
  if ((t.attrs.securebits & SECBIT_NOROOT) === 0 && (euid === 0 || c.uid === 0)) {
    permitted = c.capBounding | c.capInheritable;
    effective = euid === 0 ? permitted : 0n;
    if (setId) ambientSet = 0n;
  }
  return {
    ...c, euid, egid, suid: euid, sgid: egid, fsuid: euid, fsgid: egid,
    capPermitted: permitted, capEffective: effective, capAmbient: ambientSet,
  }; // prettier-ignore
}
