/** Stands in for src/host/folder.ts: a page has no folders, but it may mount a volume of memfs or anything like node:fs. */
import type { FsLike, NodeHostFs } from '../host/host-fs.ts';
import { openHostFolder as openFolder } from '../host/folder.ts';
import { BootError } from '../machine/errors.ts';

export function openHostFolder(
  path: string,
  option: string,
  fs?: FsLike,
): { host: NodeHostFs; file: string | null } {
  if (!fs)
    throw new BootError(
      'setup',
      'a browser has no folders; give an fs with it (a memfs volume), or BootOptions.files',
      option,
    );
  if (typeof Buffer === 'undefined')
    throw new BootError(
      'setup',
      "a volume needs Node's Buffer, as memfs does: put the npm package buffer in globalThis.Buffer",
      option,
    );
  return openFolder(path, option, fs);
}
