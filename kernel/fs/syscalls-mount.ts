/** mount(2), umount2(2), pivot_root(2). */
import { EBUSY, EFAULT, EINVAL, ENODEV, ENOENT, ENOTDIR, EPERM } from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import {
  MNT_NOATIME,
  MNT_NODEV,
  MNT_NODIRATIME,
  MNT_NOEXEC,
  MNT_NOSUID,
  MNT_READONLY,
  MNT_RELATIME,
  Path,
} from './dentry.ts';
import { CAP_SYS_ADMIN, S_IFDIR, S_IFMT, capable, type FileSystem } from './inode.ts';
import { getname } from './syscalls-open.ts';
import { AT_FDCWD, LOOKUP_DIRECTORY, LOOKUP_FOLLOW } from './vfs.ts';

const MS_REMOUNT = 32;
const MS_BIND = 4096;
const MS_MOVE = 8192;
const MS_PROPAGATION = 0x20000 | 0x40000 | 0x80000 | 0x100000; // UNBINDABLE, PRIVATE, SLAVE, SHARED
const MS_STRICTATIME = 1 << 24;
const MS_MGC_VAL = 0xc0ed0000;
const MOUNT_FLAGS = MNT_READONLY | MNT_NOSUID | MNT_NODEV | MNT_NOEXEC | MNT_NOATIME | MNT_NODIRATIME;

/** The MNT_* of a mount's flags argument. */
function mountFlags(flags: number): number {
  const atime = flags & (MNT_NOATIME | MS_STRICTATIME) ? 0 : MNT_RELATIME;
  return (flags & MOUNT_FLAGS) | atime;
}

/** mount(2): new tmpfs and kernel file systems, bind mounts, remount and move. */
export function mount(t: Task, a: Args): number {
  let flags = a.u32(3);
  const type = a.ptr(2) === 0 ? '' : t.mm.cstring(a.ptr(2), 4096);
  if (typeof type === 'number') return type === -EFAULT ? -EFAULT : -EINVAL;
  const source = a.ptr(0) === 0 ? '' : getname(t, a.ptr(0));
  if (typeof source === 'number') return source;
  const data = a.ptr(4) === 0 ? '' : t.mm.cstring(a.ptr(4), 4096);
  if (typeof data === 'number') return data;
  const target = getname(t, a.ptr(1));
  if (typeof target === 'number') return target;
  const { vfs } = t.kernel;
  const at = vfs.lookup(t, AT_FDCWD, target, LOOKUP_FOLLOW);
  if (typeof at === 'number') return at;
  if (!capable(t.creds, CAP_SYS_ADMIN)) return -EPERM;
  if ((flags & 0xffff0000) >>> 0 === MS_MGC_VAL) flags &= 0xffff;
  if (flags & MS_REMOUNT) {
    if (at.dentry !== at.mnt.root) return -EINVAL;
    at.mnt.flags = mountFlags(flags);
    return 0;
  }
  if (flags & MS_BIND) return bind(t, source, at);
  if (flags & MS_PROPAGATION) return at.dentry === at.mnt.root ? 0 : -EINVAL;
  if (flags & MS_MOVE) return move(t, source, at);
  if (type === '') return -EINVAL;
  const fs = newFs(t, type, source, data);
  if (typeof fs === 'number') return fs;
  const m = vfs.mount(at, fs, { flags: mountFlags(flags), source: source || 'none' });
  return typeof m === 'number' ? m : 0;
}

function newFs(t: Task, type: string, source: string, data: string): FileSystem | number {
  const { vfs } = t.kernel;
  if (type === 'tmpfs' || type === 'ramfs') {
    const mode = /(?:^|,)mode=([0-7]+)(?:,|$)/.exec(data);
    return vfs.newTmpfs(mode ? parseInt(mode[1], 8) & 0o7777 : type === 'ramfs' ? 0o755 : 0o1777, type);
  }
  return vfs.fsTypes.get(type)?.(t, source, data) ?? -ENODEV;
}

function bind(t: Task, source: string, at: Path): number {
  if (source === '') return -EINVAL;
  const from = t.kernel.vfs.lookup(t, AT_FDCWD, source, LOOKUP_FOLLOW);
  if (typeof from === 'number') return from;
  const m = t.kernel.vfs.mount(at, from.mnt.fs, {
    flags: from.mnt.flags,
    source: from.mnt.source,
    root: from.dentry,
  });
  return typeof m === 'number' ? m : 0;
}

function move(t: Task, source: string, at: Path): number {
  if (source === '') return -EINVAL;
  const { vfs } = t.kernel;
  const from = vfs.lookup(t, AT_FDCWD, source, LOOKUP_FOLLOW);
  if (typeof from === 'number') return from;
  const m = from.mnt;
  if (from.dentry !== m.root || m.at === null) return -EINVAL;
  if (((m.root.inode.mode ^ at.inode.mode) & S_IFMT) !== 0) return -EINVAL;
  return vfs.moveMount(m, at);
}

const MNT_DETACH = 2;
const UMOUNT_ALL = 15;

/** umount2(2). A mount in use (a working directory, a root, an open file) is busy unless MNT_DETACH. */
export function umount2(t: Task, a: Args): number {
  const flags = a.u32(1);
  if (flags & ~UMOUNT_ALL) return -EINVAL;
  const name = getname(t, a.ptr(0));
  if (typeof name === 'number') return name;
  const { vfs } = t.kernel;
  const at = vfs.lookup(t, AT_FDCWD, name, flags & 8 ? 0 : LOOKUP_FOLLOW);
  if (typeof at === 'number') return at;
  if (at.dentry !== at.mnt.root) return -EINVAL;
  if (!capable(t.creds, CAP_SYS_ADMIN)) return -EPERM;
  const m = at.mnt;
  const lazy = (flags & MNT_DETACH) !== 0;
  if (!lazy) {
    for (const task of t.kernel.processes.tasks.values()) {
      if (task.state === 'dead' || task.state === 'zombie') continue;
      if (task.fs.cwd.mnt === m || task.fs.root.mnt === m) return -EBUSY;
      for (const fd of task.fds.list()) if (task.fds.get(fd)?.path?.mnt === m) return -EBUSY;
    }
  }
  return vfs.umount(m, lazy);
}

/** pivot_root(2): the new root's mount takes the place of the old one, which moves to `put_old`. */
export function pivotRoot(t: Task, a: Args): number {
  if (!capable(t.creds, CAP_SYS_ADMIN)) return -EPERM;
  const newName = getname(t, a.ptr(0));
  if (typeof newName === 'number') return newName;
  const { vfs } = t.kernel;
  const fresh = vfs.lookup(t, AT_FDCWD, newName, LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
  if (typeof fresh === 'number') return fresh;
  const oldName = getname(t, a.ptr(1));
  if (typeof oldName === 'number') return oldName;
  const put = vfs.lookup(t, AT_FDCWD, oldName, LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
  if (typeof put === 'number') return put;
  const root = t.fs.root;
  if (fresh.mnt === root.mnt || put.mnt === root.mnt) return -EBUSY;
  if (root.dentry !== root.mnt.root || fresh.dentry !== fresh.mnt.root || fresh.mnt.at === null)
    return -EINVAL;
  if (put.dentry.deleted) return -ENOENT;
  if (put.mnt !== fresh.mnt || !put.dentry.within(fresh.dentry)) return -EINVAL;
  if ((put.inode.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
  vfs.pivot(root.mnt, fresh.mnt, put);
  for (const task of t.kernel.processes.tasks.values()) {
    if (task.fs.root.same(root)) task.fs.root = new Path(fresh.mnt, fresh.mnt.root);
    if (task.fs.cwd.same(root)) task.fs.cwd = new Path(fresh.mnt, fresh.mnt.root);
  }
  return 0;
}
