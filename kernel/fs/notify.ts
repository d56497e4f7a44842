/** What the VFS tells inotify. The event bits are the IN_* of inotify(7), which are also fsnotify's own. */
import type { Inode } from './inode.ts';

export const IN_ACCESS = 0x1;
export const IN_MODIFY = 0x2;
export const IN_ATTRIB = 0x4;
export const IN_CLOSE_WRITE = 0x8;
export const IN_CLOSE_NOWRITE = 0x10;
export const IN_OPEN = 0x20;
export const IN_MOVED_FROM = 0x40;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
export const IN_UNMOUNT = 0x2000;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_IGNORED = 0x8000;
export const IN_ISDIR = 0x40000000;

/** Held by the kernel as `notify`. Callers ask `active` first: with no watch anywhere nothing is to be done. */
export interface FsNotify {
  readonly active: boolean;
  /**
   * `inode` was opened, read, written, closed, changed (IN_OPEN, IN_ACCESS, IN_MODIFY, IN_CLOSE_*, IN_ATTRIB,
   * IN_DELETE_SELF); `dir` and `name` are where it was reached, null and '' when it has no name. A watch on the inode
   * and one on the directory (with the name) both hear of it; IN_ISDIR is added here. `unlinked`: the name it was
   * reached by is gone, which IN_EXCL_UNLINK has no interest in.
   */
  event(mask: number, inode: Inode, dir: Inode | null, name: string, unlinked?: boolean): void;
  /** `name` in `dir` was made or removed (IN_CREATE, IN_DELETE): only the directory hears of it. */
  entry(mask: number, dir: Inode, name: string, inode: Inode): void;
  /** rename(2) done: IN_MOVED_FROM and IN_MOVED_TO with one cookie, then IN_MOVE_SELF. */
  moved(inode: Inode, fromDir: Inode, fromName: string, toDir: Inode, toName: string): void;
  /** The last link and the last open file are gone: watches go too, with IN_DELETE_SELF and IN_IGNORED. */
  gone(inode: Inode): void;
}
