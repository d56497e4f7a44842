/** Opening a pipe by name: FIFOs made by mknod(2), and pipes through /proc/PID/fd. See fifo(7) and fifo_open(). */
import { EINVAL, ENXIO, ERESTARTSYS } from '../../abi/errno.ts';
import type { Task } from '../../task/task.ts';
import { park, type Park } from '../../wait.ts';
import { O_ACCMODE, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, type File } from '../file.ts';
import type { Inode } from '../inode.ts';
import { PipeFile, PipeShared, type Opener } from './pipe-file.ts';

export function openFifo(inode: Inode, t: Task, flags: number): File | number | Park {
  inode.pipe ??= new PipeShared(t.kernel, `fifo:[${inode.ino}]`);
  return openPipeEnd(inode.pipe, inode, t, flags, true);
}

/** `named`: a FIFO, whose open waits for the other side; a pipe(2) reopened through /proc does not. */
export function openPipeEnd(
  shared: PipeShared,
  inode: Inode,
  t: Task,
  flags: number,
  named: boolean,
): File | number | Park {
  // prettier-ignore
  const waited = shared.openers.get(t);
  if (waited && t.parked?.data === waited) return finishOpen(shared, inode, t, flags, waited);
  const nonblock = (flags & O_NONBLOCK) !== 0;
  switch (flags & O_ACCMODE) {
    case O_RDONLY: {
      shared.readerOpens++;
      const alone = named && shared.writers === 0;
      if (alone && !nonblock) return waitForPartner(shared, t, { side: 'read', seen: shared.writerOpens });
      const file = new PipeFile(shared, flags, inode, alone ? shared.writerOpens : -1);
      shared.openWait.wake();
      return file;
    }
    case O_WRONLY: {
      const alone = named && shared.readers === 0;
      if (alone && nonblock) return -ENXIO;
      shared.writerOpens++;
      if (alone) return waitForPartner(shared, t, { side: 'write', seen: shared.readerOpens });
      const file = new PipeFile(shared, flags, inode);
      shared.openWait.wake();
      return file;
    }
    case O_RDWR: {
      shared.readerOpens++;
      shared.writerOpens++;
      const file = new PipeFile(shared, flags, inode);
      shared.openWait.wake();
      return file;
    }
    default:
      return -EINVAL;
  }
}

function waitForPartner(shared: PipeShared, t: Task, opener: Opener): Park {
  shared.openWait.wake();
  shared.openers.set(t, opener);
  return park({ on: shared.openWait, interrupted: ERESTARTSYS, data: opener });
}

function finishOpen(shared: PipeShared, inode: Inode, t: Task, flags: number, opener: Opener): File | Park {
  // prettier-ignore
  const now = opener.side === 'read' ? shared.writerOpens : shared.readerOpens;
  if (now === opener.seen) {
    if (t.woken === 'signal') {
      // It leaves: whoever counted on this end hears of it (err_rd, err_wr in fifo_open).
      shared.openers.delete(t);
      shared.wakeReaders(0);
      shared.wakeWriters(0);
    }
    return park({ on: shared.openWait, interrupted: ERESTARTSYS, data: opener });
  }
  shared.openers.delete(t);
  return new PipeFile(shared, flags, inode);
}
