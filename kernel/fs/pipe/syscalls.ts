/** pipe(2) and pipe2(2). */
import { EFAULT, EINVAL, ENOPKG } from '../../abi/errno.ts';
import type { Args } from '../../syscall/args.ts';
import type { Task } from '../../task/task.ts';
import { installFile, O_CLOEXEC, O_DIRECT, O_EXCL, O_NONBLOCK, O_RDONLY, O_WRONLY } from '../file.ts';
import { S_IFIFO } from '../inode.ts';
import { openFlagsIn } from '../syscalls-open.ts';
import { openPipeEnd } from './fifo.ts';
import { PipeFile, PipeShared } from './pipe-file.ts';

/** O_EXCL here: a watch queue (O_NOTIFICATION_PIPE), which kernels may be built without. */
const O_NOTIFICATION_PIPE = O_EXCL;

export function pipe(t: Task, a: Args): number {
  return makePipe(t, a.ptr(0), 0);
}

export function pipe2(t: Task, a: Args): number {
  const flags = openFlagsIn(t.regs.arch, a.u32(1));
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_NOTIFICATION_PIPE)) return -EINVAL;
  if (flags & O_NOTIFICATION_PIPE) return -ENOPKG;
  return makePipe(t, a.ptr(0), flags);
}

function makePipe(t: Task, out: number, flags: number): number {
  const [reader, writer] = newPipe(t, flags & (O_NONBLOCK | O_DIRECT));
  const cloexec = (flags & O_CLOEXEC) !== 0;
  const r = installFile(t, reader, cloexec);
  if (r < 0) {
    reader.release();
    writer.release();
    return r;
  }
  const w = installFile(t, writer, cloexec);
  if (w < 0) {
    t.fds.close(r, t);
    writer.release();
    return w;
  }
  const pair = new Uint8Array(new Int32Array([r, w]).buffer);
  if (t.mm.copyOut(out, pair) < 0) {
    t.fds.close(r, t);
    t.fds.close(w, t);
    return -EFAULT;
  }
  return 0;
}

/** Two ends of a new pipe, without references yet. */
export function newPipe(t: Task, flags: number): [reader: PipeFile, writer: PipeFile] {
  const { pseudo } = t.kernel;
  const inode = pseudo.inode(pseudo.pipefs, S_IFIFO | 0o600, t.creds.fsuid, t.creds.fsgid);
  const shared = new PipeShared(t.kernel, `pipe:[${inode.ino}]`);
  inode.reopen = (by, f) => openPipeEnd(shared, inode, by, f, false);
  shared.readerOpens = shared.writerOpens = 1;
  return [new PipeFile(shared, O_RDONLY | flags, inode), new PipeFile(shared, O_WRONLY | flags, inode)];
}
