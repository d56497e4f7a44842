/** The file system a guest without `--root` finds: the usual folders and the few files libcs look for. */
import type { Kernel } from '../../kernel/kernel.ts';
import { makeDirs, writeGuestFile } from './guest-files.ts';
import type { BootOptions } from './options.ts';

const DIRS: readonly (readonly [path: string, mode: number])[] = [
  ['/bin', 0o755], ['/dev', 0o755], ['/etc', 0o755], ['/home', 0o755], ['/lib', 0o755], ['/mnt', 0o755],
  ['/opt', 0o755], ['/proc', 0o555], ['/root', 0o700], ['/run', 0o755], ['/sbin', 0o755], ['/srv', 0o755],
  ['/sys', 0o555], ['/tmp', 0o1777], ['/usr', 0o755], ['/usr/bin', 0o755], ['/usr/lib', 0o755], ['/usr/sbin', 0o755],
  ['/var', 0o755], ['/var/log', 0o755], ['/var/run', 0o755], ['/var/tmp', 0o1777],
]; // prettier-ignore

/** Makes them in the machine's root tmpfs. */
export function populateRoot(kernel: Kernel, options: BootOptions): void {
  const { vfs } = kernel;
  const hostname = options.hostname ?? 'ring3';
  const uid = options.uid ?? 0;
  const gid = options.gid ?? 0;
  for (const [path, mode] of DIRS) makeDirs(vfs, path, mode);
  const user = uid === 0 ? '' : `user:x:${uid}:${gid}:user:/:/bin/sh\n`;
  const group = gid === 0 ? '' : `user:x:${gid}:\n`;
  const files: Record<string, string> = {
    '/etc/passwd': `root:x:0:0:root:/root:/bin/sh\n${user}nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
    '/etc/group': `root:x:0:\ntty:x:5:\n${group}nogroup:x:65534:\n`,
    '/etc/hostname': `${hostname}\n`,
    '/etc/hosts': `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t${hostname}\n`,
    '/etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
  };
  for (const [path, text] of Object.entries(files)) writeGuestFile(vfs, null, path, text);
}
