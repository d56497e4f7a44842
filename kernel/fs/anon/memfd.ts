/** memfd_create(2): a nameless file of the kernel's own tmpfs; its seals are tmpfs-file.ts's. */
import { EFAULT, EINVAL, ENAMETOOLONG, ENODEV } from '../../abi/errno.ts';
import type { Args } from '../../syscall/args.ts';
import type { Task } from '../../task/task.ts';
import { File, installFile, O_LARGEFILE, O_RDWR } from '../file.ts';
import { S_IFREG } from '../inode.ts';
import { openInode } from '../open.ts';
import { F_SEAL_EXEC, F_SEAL_SEAL } from '../tmpfs-file.ts';

export const MFD_CLOEXEC = 1;
export const MFD_ALLOW_SEALING = 2;
export const MFD_HUGETLB = 4;
/** Never executable, and sealed so; executable. Linux 6.3. */
export const MFD_NOEXEC_SEAL = 8;
export const MFD_EXEC = 16;
/** The name with "memfd:" before it must fit NAME_MAX. */
const MFD_NAME_MAX = 249;

export function memfdCreate(t: Task, a: Args): number {
  const flags = a.u32(1);
  // With MFD_HUGETLB the upper bits are the size of a page.
  const plain = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_NOEXEC_SEAL | MFD_EXEC;
  const known = plain | (flags & MFD_HUGETLB ? 0x3f << 26 : 0);
  if (flags & ~known) return -EINVAL;
  if (flags & MFD_EXEC && flags & MFD_NOEXEC_SEAL) return -EINVAL;
  if (flags & MFD_HUGETLB) return -ENODEV; // no huge pages here
  const name = t.mm.cstring(a.ptr(0), MFD_NAME_MAX + 1);
  if (typeof name === 'number') return name === -ENAMETOOLONG ? -EINVAL : -EFAULT;
  const { shmem, vfs } = t.kernel;
  const inode = shmem.anonymous(S_IFREG | (flags & MFD_NOEXEC_SEAL ? 0o666 : 0o777), t);
  if (typeof inode === 'number') return inode;
  if (flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)) inode.seals &= ~F_SEAL_SEAL;
  if (flags & MFD_NOEXEC_SEAL) inode.seals |= F_SEAL_EXEC;
  const file = openInode(
    vfs,
    t,
    vfs.anonPath(inode, `/memfd:${name} (deleted)`),
    O_RDWR | O_LARGEFILE,
    true,
    false,
  );
  if (!(file instanceof File)) return typeof file === 'number' ? file : -EINVAL;
  const fd = installFile(t, file, (flags & MFD_CLOEXEC) !== 0);
  if (fd < 0) file.retain().drop();
  return fd;
}
