/** ioctl(2): what every file understands; the rest is the file's own (do_vfs_ioctl). */
import { EBADF, EFAULT, ENOTTY, EOPNOTSUPP } from '../../abi/errno.ts';
import type { Args } from '../../syscall/args.ts';
import type { Task } from '../../task/task.ts';
import type { SysResult } from '../../wait.ts';
import { O_ASYNC, O_NONBLOCK, O_PATH } from '../file.ts';
import { setAsync } from '../sigio.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../inode.ts';
import { FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, FIONREAD, FIOQSIZE } from '../tty/ioctls.ts';

const FIGETBSZ = 2;
const FICLONE = 0x40049409;
const FICLONERANGE = 0x4020940d;
const BLOCK_SIZE = 4096;

export function ioctl(t: Task, a: Args): SysResult {
  const d = t.fds.descriptor(a.i32(0));
  if (!d || d.file.flags & O_PATH) return -EBADF;
  const { file } = d;
  const cmd = a.u32(1);
  const arg = a.ptr(2);
  const type = file.inode?.type ?? 0;
  switch (cmd) {
    case FIOCLEX:
      d.cloexec = true;
      return 0;
    case FIONCLEX:
      d.cloexec = false;
      return 0;
    case FIONBIO:
    case FIOASYNC: {
      const on = t.mm.i32(arg);
      if (on === null) return -EFAULT;
      const bit = cmd === FIONBIO ? O_NONBLOCK : O_ASYNC;
      // Without a fasync method there is nothing to switch on (ioctl_fioasync).
      if (bit === O_ASYNC && (on !== 0) !== ((file.flags & O_ASYNC) !== 0) && !file.pollable) return -ENOTTY;
      if (bit === O_ASYNC) setAsync(t, file, a.i32(0), on !== 0);
      else file.flags = on !== 0 ? file.flags | bit : file.flags & ~bit;
      return 0;
    }
    case FIOQSIZE:
      if (type !== S_IFREG && type !== S_IFDIR && type !== S_IFLNK) return -ENOTTY;
      return t.mm.putU64(arg, file.inode!.size);
    case FICLONE:
    case FICLONERANGE:
      // No file system here shares blocks between files.
      return type === S_IFREG ? -EOPNOTSUPP : -ENOTTY;
    case FIGETBSZ:
      return file.inode === null ? -ENOTTY : t.mm.putU32(arg, BLOCK_SIZE);
    case FIONREAD:
      if (type !== S_IFREG) break;
      return t.mm.putU32(arg, (file.inode!.size - file.pos) >>> 0);
  }
  return file.ioctl(t, cmd, arg);
}
