/** Opens a folder that an option names. */
import * as nodeFs from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { BootError } from '../machine/errors.ts';
import { NodeHostFs, type FsLike } from './host-fs.ts';

/** `file`: the name in the folder, when the path was a file's. `option`, one of BootOptions, is named in the error. */
export function openHostFolder(
  path: string,
  option: string,
  fs?: FsLike,
): { host: NodeHostFs; file: string | null } {
  const full = resolve(path);
  const options = fs ? { fs } : {};
  try {
    const used = fs ?? nodeFs; // a volume's methods need their `this`
    const isDirectory = used.statSync(full).isDirectory();
    const { R_OK, X_OK } = nodeFs.constants;
    used.accessSync(full, isDirectory ? R_OK | X_OK : R_OK);
    return isDirectory
      ? { host: new NodeHostFs(full, options), file: null }
      : { host: new NodeHostFs(dirname(full), options), file: basename(full) };
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    const why =
      code === 'ENOENT'
        ? 'does not exist; create it first'
        : code === 'EACCES'
          ? 'cannot be read (permission denied)'
          : `cannot be opened (${code ?? String(e)})`;
    throw new BootError('setup', `${path} ${why}`, option);
  }
}
