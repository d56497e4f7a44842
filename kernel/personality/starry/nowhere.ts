/** A working directory that is not there: StarryOS keeps its name and looks nothing up. */
import { ENOENT } from '../../abi/errno.ts';
import { Dentry, Path, pathName } from '../../fs/dentry.ts';
import { Inode, S_IFDIR, type DirEntry, type FileSystem } from '../../fs/inode.ts';
import { AT_FDCWD, LOOKUP_DIRECTORY, LOOKUP_FOLLOW } from '../../fs/vfs.ts';
import type { Task } from '../../task/task.ts';

/** A directory in which nothing is, and nothing can be made. */
class Nowhere extends Inode {
  readonly fs: FileSystem;
  readonly ino = 0;
  mode = S_IFDIR | 0o777;

  constructor(fs: FileSystem) {
    super();
    this.fs = fs;
  }
  get size(): number {
    return 0;
  }
  open(): number {
    return -ENOENT;
  }
  override lookup(): number {
    return -ENOENT;
  }
  override entries(): DirEntry[] | number {
    return -ENOENT;
  }
  override mknod(): number {
    return -ENOENT;
  }
  override mkdir(): number {
    return -ENOENT;
  }
  override symlink(): number {
    return -ENOENT;
  }
  override link(): number {
    return -ENOENT;
  }
}

/** `name` as a path: as far as it is there, and from there on by name only. null: not even its beginning is. */
export function pathByName(t: Task, name: string): Path | null {
  const { cwd, root } = t.fs;
  const parts: string[] = [];
  for (const part of `${name.startsWith('/') ? '' : pathName(cwd, root)}/${name}`.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  for (let there = parts.length - 1; there >= 0; there--) {
    const at = t.kernel.vfs.lookup(
      t,
      AT_FDCWD,
      `/${parts.slice(0, there).join('/')}`,
      LOOKUP_FOLLOW | LOOKUP_DIRECTORY,
    );
    if (typeof at === 'number') continue;
    const nowhere = new Nowhere(at.inode.fs);
    const dentry = parts.slice(there).reduce((dir, part) => new Dentry(part, dir, nowhere), at.dentry);
    return new Path(at.mnt, dentry);
  }
  return null;
}
