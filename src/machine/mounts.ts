/** Host folders in the guest: `-v` mounts and `--root`. */
import { Dentry, MNT_READONLY, MNT_RELATIME } from '../../kernel/fs/dentry.ts';
import type { FileSystem } from '../../kernel/fs/inode.ts';
import type { HostFs } from '../../kernel/fs/host-port.ts';
import { HostFileSystem } from '../../kernel/fs/host-fs.ts';
import type { Vfs } from '../../kernel/fs/vfs.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Memory } from '../../kernel/mm/memory.ts';
import { openHostFolder } from '../host/folder.ts';
import type { Folder } from '../record/tape.ts';
import { BootError } from './errors.ts';
import { makeDirs, toBinary, writeGuestFile } from './guest-files.ts';
import type { MountSpec } from './options.ts';

/** Opens what `option`, one of BootOptions, names on the host. */
export type OpenFolder = (path: string, option: string, fs?: MountSpec['fs']) => Folder;

/** The guest's root file system in a host folder or an image; its changes go there with `readWrite`, else they stay in memory. */
export function hostRoot(
  folder: string | HostFs,
  readWrite: boolean,
  vfs: Vfs,
  memory: Memory,
  open: OpenFolder = openHostFolder,
  steady = false,
): FileSystem {
  if (typeof folder !== 'string') {
    return vfs.newOverlay(
      new HostFileSystem(folder, { dev: vfs.newDev(), memory, readOnly: true, stable: true }),
      steady,
    );
  }
  const { host, file } = open(folder, 'root');
  if (file !== null) throw new BootError('setup', `${folder} is no directory`, 'root');
  const fs = new HostFileSystem(host, {
    dev: vfs.newDev(),
    memory,
    readOnly: !readWrite,
    stable: !readWrite,
  });
  return readWrite ? fs : vfs.newOverlay(fs, steady);
}

/** Shows a host folder, or a single file, at a place in the guest, which is made when it is missing. */
export function mountHost(kernel: Kernel, spec: MountSpec, open: OpenFolder = openHostFolder): void {
  const { host, file } = open(spec.host, 'mounts', spec.fs);
  const { vfs, memory } = kernel;
  const fs = new HostFileSystem(host, { dev: vfs.newDev(), memory, readOnly: spec.readOnly ?? false });
  const flags = MNT_RELATIME | (spec.readOnly ? MNT_READONLY : 0);
  let root: Dentry | undefined;
  if (file === null) makeDirs(vfs, spec.guest);
  else {
    const inode = fs.root.lookup(toBinary(file));
    if (typeof inode === 'number') throw new BootError('setup', `${spec.host} cannot be opened`, 'mounts');
    root = new Dentry('', null, inode);
    if (typeof vfs.find(toBinary(spec.guest)) === 'number') writeGuestFile(vfs, null, spec.guest, '');
  }
  const mounted = vfs.mount(toBinary(spec.guest), fs, {
    flags,
    source: toBinary(spec.host),
    ...(root ? { root } : {}),
  });
  if (typeof mounted === 'number') {
    throw new BootError(
      'setup',
      `${spec.host} cannot be mounted at ${spec.guest}: that is ${file === null ? 'no' : 'a'} directory`,
      'mounts',
    );
  }
}
