/** eventfd, eventfd2, inotify_init, inotify_init1, inotify_add_watch, inotify_rm_watch. */
import { EBADF, EINVAL } from '../../abi/errno.ts';
import type { Args } from '../../syscall/args.ts';
import type { Task } from '../../task/task.ts';
import { installFile, O_CLOEXEC, O_NONBLOCK } from '../file.ts';
import { AT_FDCWD, LOOKUP_DIRECTORY, LOOKUP_FOLLOW } from '../vfs.ts';
import { PATH_MAX } from '../walk.ts';
import { EventFd } from './eventfd.ts';
import {
  InotifyFile, IN_ALL_EVENTS, IN_DONT_FOLLOW, IN_EXCL_UNLINK, IN_MASK_ADD, IN_MASK_CREATE, IN_ONESHOT, IN_ONLYDIR,
} from './inotify.ts'; // prettier-ignore
import { IN_IGNORED, IN_ISDIR, IN_Q_OVERFLOW, IN_UNMOUNT } from '../notify.ts';

export const EFD_SEMAPHORE = 1;

export function eventfd(t: Task, a: Args): number {
  return makeEventfd(t, a.u32(0), 0);
}

export function eventfd2(t: Task, a: Args): number {
  return makeEventfd(t, a.u32(0), a.u32(1));
}

function makeEventfd(t: Task, count: number, flags: number): number {
  if (flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK)) return -EINVAL;
  const { pseudo } = t.kernel;
  const semaphore = (flags & EFD_SEMAPHORE) !== 0;
  const file = new EventFd(pseudo.anonInode, count, semaphore, flags & O_NONBLOCK, pseudo.nextEventfdId());
  return installFile(t, file, (flags & O_CLOEXEC) !== 0);
}

export function inotifyInit(t: Task): number {
  return makeInotify(t, 0);
}

export function inotifyInit1(t: Task, a: Args): number {
  return makeInotify(t, a.u32(0));
}

function makeInotify(t: Task, flags: number): number {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK)) return -EINVAL;
  const file = t.kernel.notify.open(t.kernel.pseudo.anonInode, flags & O_NONBLOCK, t.creds.uid);
  if (typeof file === 'number') return file;
  const fd = installFile(t, file, (flags & O_CLOEXEC) !== 0);
  if (fd < 0) file.release();
  return fd;
}

const ALL_INOTIFY_BITS =
  (IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK |
    IN_MASK_ADD | IN_MASK_CREATE | IN_ISDIR | IN_ONESHOT) >>> 0; // prettier-ignore
const MAY_READ = 4;

export function inotifyAddWatch(t: Task, a: Args): number {
  const mask = a.u32(2);
  if (mask & ~ALL_INOTIFY_BITS || mask === 0) return -EINVAL;
  const file = t.fds.opened(a.i32(0));
  if (!file) return -EBADF;
  if ((mask & IN_MASK_ADD && mask & IN_MASK_CREATE) || !(file instanceof InotifyFile)) return -EINVAL;
  const name = t.mm.cstring(a.ptr(1), PATH_MAX);
  if (typeof name === 'number') return name;
  const how = (mask & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) | (mask & IN_ONLYDIR ? LOOKUP_DIRECTORY : 0);
  const at = t.kernel.vfs.lookup(t, AT_FDCWD, name, how);
  if (typeof at === 'number') return at;
  const denied = at.inode.access(t, MAY_READ);
  return denied < 0 ? denied : file.watch(at.inode, mask);
}

export function inotifyRmWatch(t: Task, a: Args): number {
  const file = t.fds.opened(a.i32(0));
  if (!file) return -EBADF;
  return file instanceof InotifyFile ? file.unwatch(a.i32(1)) : -EINVAL;
}
