/** Opens a folder named on the command line. */
import { accessSync, constants, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { BootError } from '../machine/errors.ts';
import { NodeHostFs } from './host-fs.ts';

/** `file`: the name in the folder, when the path was a file's. `option` is named in the error. */
export function openHostFolder(path: string, option: string): { host: NodeHostFs; file: string | null } {
  const full = resolve(path);
  try {
    const isDirectory = statSync(full).isDirectory();
    accessSync(full, isDirectory ? constants.R_OK | constants.X_OK : constants.R_OK);
    return isDirectory
      ? { host: new NodeHostFs(full), file: null }
      : { host: new NodeHostFs(dirname(full)), file: basename(full) };
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    const why =
      code === 'ENOENT'
        ? 'does not exist; create it first'
        : code === 'EACCES'
          ? 'cannot be read (permission denied)'
          : `cannot be opened (${code ?? String(e)})`;
    throw new BootError('setup', `option '${option}': ${path} ${why}`);
  }
}
