/** F_NOTIFY (dnotify): a signal when something in a directory happens. After fs/notify/dnotify of Linux 6.1. */
import { ENOMEM, ENOTDIR } from '../../abi/errno.ts';
import type { Task } from '../../task/task.ts';
import type { File } from '../file.ts';
import { S_IFDIR } from '../inode.ts';
import {
  IN_ACCESS, IN_ATTRIB, IN_CREATE, IN_DELETE, IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO,
} from '../notify.ts'; // prettier-ignore
import { POLL_MSG, sendSigio, setOwner } from '../sigio.ts';
import { IN_RENAMED, type Watch } from './inotify.ts';

const DN_MULTISHOT = 0x80000000;
/** DN_* → IN_*. */
const EVENTS: readonly (readonly [number, number])[] = [
  [0x1, IN_ACCESS],
  [0x2, IN_MODIFY],
  [0x4, IN_CREATE | IN_MOVED_TO],
  [0x8, IN_DELETE | IN_MOVED_FROM],
  [0x10, IN_RENAMED],
  [0x20, IN_ATTRIB],
];

/** F_NOTIFY: adds to what an open directory's owner is told; no event at all ends it. */
export function setNotify(t: Task, file: File, fd: number, arg: number): number {
  const inode = file.inode;
  if (!inode || inode.type !== S_IFDIR) return -ENOTDIR;
  const { notify } = t.kernel;
  const kernel = t.kernel;
  let mask = 0;
  for (const [dn, events] of EVENTS) if (arg & dn) mask |= events;
  if (mask === 0) {
    file.dnotify?.();
    return 0;
  }
  file.dnotify?.();
  const multishot = (arg & DN_MULTISHOT) !== 0;
  const end = (): void => {
    if (file.dnotify === null) return;
    file.dnotify = null;
    notify.remove(watch, null);
  };
  const watch: Watch = {
    wd: 0,
    inode,
    mask,
    owner: {
      queue: (): void => {
        if (!multishot) end();
        sendSigio(kernel, file, fd, POLL_MSG);
      },
      ignored: end,
    },
  };
  if (notify.add(watch, null) < 0) return -ENOMEM;
  file.dnotify = end;
  return setOwner(t, file, t.pid, false, false);
}
