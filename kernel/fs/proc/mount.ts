/** Mounts /proc, /sys and /sys/fs/cgroup as Debian does. */
import type { Kernel } from '../../kernel.ts';
import { MNT_NODEV, MNT_NOEXEC, MNT_NOSUID, MNT_RELATIME } from '../dentry.ts';
import { CgroupFs } from '../sys/cgroupfs.ts';
import { SysFs } from '../sys/sysfs.ts';
import type { ProcFs } from './procfs.ts';

/** Where a directory is missing (a read-only root without one), that mount is left out. */
export function mountProcAndSys(kernel: Kernel, proc: ProcFs): void {
  const { vfs } = kernel;
  const sys = new SysFs(kernel, vfs.newDev());
  const cgroup = new CgroupFs(kernel, vfs.newDev());
  // mount(2) of these types shows the one instance there is.
  for (const fs of [proc, sys, cgroup, kernel.ttys.devpts]) vfs.fsTypes.set(fs.type, () => fs);
  const flags = MNT_NOSUID | MNT_NODEV | MNT_NOEXEC | MNT_RELATIME;
  vfs.mount('/proc', proc, { flags });
  vfs.mount('/sys', sys, { flags });
  vfs.mount('/sys/fs/cgroup', cgroup, { flags });
}
