/** Two calls older than /proc, about file systems without a path: sysfs(2) and ustat(2). */
import { EFAULT, EINVAL, ENOENT } from '../abi/errno.ts';
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import { getname } from './syscalls-open.ts';
import type { Vfs } from './vfs.ts';

/** Those of which there is one superblock that nobody can mount, and those `Vfs` makes itself. */
const BUILT_IN = ['tmpfs', 'devtmpfs', 'sockfs', 'pipefs', 'ramfs', 'overlay'];

const cstr = (s: string): Uint8Array => Uint8Array.from(`${s}\0`, (c) => c.charCodeAt(0));

/** Every type of file system, in the order /proc/filesystems shows; none is for block devices. */
export const filesystemTypes = (vfs: Vfs): string[] => [...new Set([...vfs.fsTypes.keys(), ...BUILT_IN])];

/** sysfs(2): a type's index (1), its name (2), or how many there are (3). */
export function sysfs(t: Task, a: Args): number {
  const types = filesystemTypes(t.kernel.vfs);
  switch (a.i32(0)) {
    case 1: {
      const name = getname(t, a.ptr(1));
      if (typeof name === 'number') return name;
      if (name === '') return -ENOENT;
      const index = types.indexOf(name);
      return index < 0 ? -EINVAL : index;
    }
    case 2: {
      if (a.u32(1) >= types.length) return -EINVAL;
      return t.mm.copyOut(a.ptr(2), cstr(types[a.u32(1)])) < 0 ? -EFAULT : 0;
    }
    case 3:
      return types.length;
    default:
      return -EINVAL;
  }
}

/** ustat(2): room and inodes that are free on the file system with this st_dev. The names were never filled in. */
export function ustat(t: Task, a: Args): number {
  const mount = t.kernel.vfs.mounts.find((m) => m.fs.dev === a.u32(0));
  if (mount === undefined) return -EINVAL;
  const s = mount.fs.statfs?.();
  const v = new DataView(new ArrayBuffer(32));
  v.setInt32(0, s?.bfree ?? 0, true);
  v.setBigUint64(8, BigInt(s?.ffree ?? 0), true);
  return t.mm.copyOut(a.ptr(1), new Uint8Array(v.buffer)) < 0 ? -EFAULT : 0;
}
