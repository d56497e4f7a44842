/** Ancillary data: struct cmsghdr in and out (cmsg(3)). */
import { EBADF, EFAULT, EINVAL, ENOBUFS, EPERM, ESRCH, ETOOMANYREFS } from '../abi/errno.ts';
import { RLIMIT_NOFILE, installFile } from '../fs/file.ts';
import type { File } from '../fs/file.ts';
import { pidfdCreate } from '../task/pidfd.ts';
import type { Task } from '../task/task.ts';
import type { ThreadGroup } from '../task/thread-group.ts';
import {
  MSG_CMSG_CLOEXEC, MSG_CTRUNC, SCM_CREDENTIALS, SCM_MAX_FD, SCM_PIDFD, SCM_RIGHTS, SOL_SOCKET,
} from './constants.ts'; // prettier-ignore

const HEADER = 16;
/** More than this many control bytes are refused (net.core.optmem_max). */
const OPTMEM_MAX = 131072;
const CAP_SYS_ADMIN = 21n;
const CAP_SYS_RESOURCE = 24n;
const CAP_SETUID = 7n;
const CAP_SETGID = 6n;

export interface Ucred {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** What travels beside the bytes. Open files hold a reference each. */
export interface Control {
  readonly files: File[];
  readonly creds: Ucred | null;
  /** The sender, of whom a descriptor is wanted (SO_PASSPIDFD). */
  readonly sender?: ThreadGroup | null;
  /** Other messages, already encoded: level, type, data. */
  readonly other: readonly { level: number; type: number; data: Uint8Array }[];
}

export const align8 = (n: number): number => Math.ceil(n / 8) * 8;

export const ucredOf = (t: Task): Ucred => ({ pid: t.pid, uid: t.creds.uid, gid: t.creds.gid });

export function dropFiles(c: Control | null): void {
  if (c) for (const f of c.files.splice(0)) f.drop();
}

/** Reads and checks msg_control. `unix`: SCM_RIGHTS and SCM_CREDENTIALS mean something. */
export function readControl(
  t: Task,
  address: number,
  length: number,
  unix: boolean,
): Control | null | number {
  if (length === 0 || address === 0) return null;
  if (length > OPTMEM_MAX) return -ENOBUFS;
  const bytes = t.mm.copyIn(address, length);
  if (!bytes) return -EFAULT;
  const v = new DataView(bytes.buffer, bytes.byteOffset, length);
  const files: File[] = [];
  let creds: Ucred | null = null;
  const other: { level: number; type: number; data: Uint8Array }[] = [];
  const refuse = (errno: number): number => {
    for (const f of files) f.drop();
    return -errno;
  };
  for (let at = 0; at + HEADER <= length;) {
    const size = Number(v.getBigUint64(at, true));
    if (size < HEADER || size > length - at) return refuse(EINVAL);
    const level = v.getInt32(at + 8, true);
    const type = v.getInt32(at + 12, true);
    if (level !== SOL_SOCKET) other.push({ level, type, data: bytes.slice(at + HEADER, at + size) });
    else if (!unix) {
      if (type === SCM_RIGHTS || type === SCM_CREDENTIALS) {
        // sock_cmsg_send: both are silently accepted on other families.
      } else return refuse(EINVAL);
    } else if (type === SCM_RIGHTS) {
      const n = Math.floor((size - HEADER) / 4);
      if (files.length + n > SCM_MAX_FD) return refuse(EINVAL);
      // too_many_unix_fds: unread messages may hold as many files as a process may, unless it is privileged.
      const free = ((t.creds.capEffective >> CAP_SYS_RESOURCE) & 1n) === 1n;
      if (!free && t.kernel.net.inFlight.count + n > t.group.rlimits[RLIMIT_NOFILE].cur)
        return refuse(ETOOMANYREFS);
      for (let i = 0; i < n; i++) {
        const file = t.fds.get(v.getInt32(at + HEADER + 4 * i, true));
        if (!file) return refuse(EBADF);
        files.push(file.retain());
      }
    } else if (type === SCM_CREDENTIALS) {
      if (size !== HEADER + 12) return refuse(EINVAL);
      creds = {
        pid: v.getInt32(at + 16, true),
        uid: v.getInt32(at + 20, true),
        gid: v.getInt32(at + 24, true),
      };
      if (!mayClaim(t, creds)) return refuse(EPERM);
      if (!processOf(t, creds.pid)) return refuse(ESRCH);
      if (creds.uid === -1 || creds.gid === -1) return refuse(EINVAL);
    } else return refuse(EINVAL);
    at += align8(size);
  }
  return files.length || creds || other.length ? { files, creds, other } : null;
}

/** The process with this number: mostly the caller. */
export const processOf = (t: Task, pid: number): ThreadGroup | null =>
  pid === t.pid ? t.group : (t.kernel.processes.group(pid) ?? null);

/** scm_check_creds: a process may only say who it is, unless it is privileged. */
function mayClaim(t: Task, c: Ucred): boolean {
  const has = (cap: bigint): boolean => ((t.creds.capEffective >> cap) & 1n) === 1n;
  const { uid, euid, suid, gid, egid, sgid } = t.creds;
  return (
    (c.pid === t.pid || has(CAP_SYS_ADMIN)) &&
    (c.uid === uid || c.uid === euid || c.uid === suid || has(CAP_SETUID)) &&
    (c.gid === gid || c.gid === egid || c.gid === sgid || has(CAP_SETGID))
  );
}

/**
 * Writes control messages to the receiver's buffer: files become descriptors. Returns the bytes used and the MSG_*
 * flags to report. Files that found no room are dropped (MSG_CTRUNC).
 */
export function writeControl(
  t: Task,
  address: number,
  length: number,
  c: Control,
  flags: number,
): { used: number; flags: number } {
  let at = 0;
  let out = 0;
  const header = (size: number, level: number, type: number): Uint8Array => {
    const h = new Uint8Array(HEADER);
    const v = new DataView(h.buffer);
    v.setBigUint64(0, BigInt(size), true);
    v.setInt32(8, level, true);
    v.setInt32(12, type, true);
    return h;
  };
  const put = (level: number, type: number, data: Uint8Array): void => {
    const room = length - at;
    if (address === 0 || room < HEADER) {
      out |= MSG_CTRUNC;
      return;
    }
    let size = HEADER + data.length;
    if (size > room) {
      out |= MSG_CTRUNC;
      size = room;
    }
    t.mm.copyOut(address + at, header(size, level, type));
    t.mm.copyOut(address + at + HEADER, data.subarray(0, size - HEADER));
    at += Math.min(align8(size), room);
  };
  for (const m of c.other) put(m.level, m.type, m.data);
  if (c.creds) {
    const data = new Uint8Array(12);
    const v = new DataView(data.buffer);
    v.setInt32(0, c.creds.pid, true);
    v.setInt32(4, c.creds.uid, true);
    v.setInt32(8, c.creds.gid, true);
    put(SOL_SOCKET, SCM_CREDENTIALS, data);
  }
  if (c.files.length) {
    // scm_detach_fds: as many whole descriptors as fit.
    const room = address === 0 ? 0 : Math.max(0, Math.floor((length - at - HEADER) / 4));
    const fds: number[] = [];
    for (const file of c.files) {
      if (fds.length >= room) break;
      const fd = installFile(t, file, (flags & MSG_CMSG_CLOEXEC) !== 0);
      if (fd < 0) break;
      fds.push(fd);
    }
    if (fds.length < c.files.length) out |= MSG_CTRUNC;
    if (fds.length) {
      const size = HEADER + 4 * fds.length;
      t.mm.copyOut(address + at, header(size, SOL_SOCKET, SCM_RIGHTS));
      t.mm.copyOut(address + at + HEADER, new Uint8Array(Int32Array.from(fds).buffer));
      at += Math.min(align8(size), length - at);
    }
    dropFiles(c);
  }
  if (c.sender) {
    // scm_pidfd_recv: a whole one or none.
    if (address === 0 || length - at < HEADER + 4) out |= MSG_CTRUNC;
    else {
      const file = pidfdCreate(c.sender);
      const fd = installFile(t, file, true);
      if (fd < 0) file.release();
      put(SOL_SOCKET, SCM_PIDFD, new Uint8Array(Int32Array.of(fd).buffer));
    }
  }
  return { used: at, flags: out };
}
