/** Opening what is neither file nor directory: FIFOs, device nodes, sockets; whichever file system holds the node. */
import { ENXIO } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import type { Park } from '../wait.ts';
import type { Path } from './dentry.ts';
import type { File } from './file.ts';
import { S_IFCHR, S_IFIFO, type Inode } from './inode.ts';
import { openFifo } from './pipe/fifo.ts';

/** For `Inode.open` of a special node. Sockets and block devices answer ENXIO as Linux does without a driver. */
export function openSpecial(inode: Inode, t: Task | null, flags: number, at: Path): File | number | Park {
  if (t === null) return -ENXIO;
  switch (inode.type) {
    case S_IFIFO:
      return openFifo(inode, t, flags);
    case S_IFCHR:
      return t.kernel.devices.open(inode, t, flags, at);
    default:
      return -ENXIO;
  }
}
