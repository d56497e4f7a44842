/** Finds and reads the program named on the command line, as a shell would. */
import { readFileSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { BootError } from '../machine/errors.ts';

export interface HostProgram {
  /** Absolute path on the host, symlinks kept. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}

/** Reads `name`: a path, or (with `search`) a name to look for in $PATH. Throws BootError. */
export function readProgram(name: string, search = false): HostProgram {
  const path = search && !name.includes('/') ? searchPath(name) : resolve(name);
  let mode: number;
  try {
    const st = statSync(path);
    if (st.isDirectory())
      throw new BootError('not-executable', `${name} is a directory; name a program in it`);
    if (!st.isFile()) throw new BootError('not-executable', `${name} is not a regular file`);
    mode = st.mode & 0o7777;
  } catch (e) {
    throw asBootError(e, name);
  }
  if ((mode & 0o111) === 0) {
    throw new BootError('not-executable', `${name} is not executable; try: chmod +x ${name}`);
  }
  try {
    return { path, bytes: readFileSync(path), mode };
  } catch (e) {
    throw asBootError(e, name);
  }
}

function searchPath(name: string): string {
  for (const dir of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(isAbsolute(dir) ? dir : resolve(dir), name);
    try {
      const st = statSync(path);
      if (st.isFile() && (st.mode & 0o111) !== 0) return path;
    } catch {
      // not there: the next folder may have it
    }
  }
  let here = false;
  try {
    here = statSync(name).isFile();
  } catch {
    // nor here
  }
  throw new BootError(
    'missing',
    `${name === '' ? "''" : name}: not found in $PATH${here ? `; for the file here write ./${name}` : ''}`,
  );
}

function asBootError(e: unknown, name: string): BootError {
  if (e instanceof BootError) return e;
  const code = (e as NodeJS.ErrnoException).code;
  switch (code) {
    case 'ENOENT':
      return new BootError('missing', `${name}: no such file`);
    case 'ENOTDIR':
      return new BootError('missing', `${name}: a part of the path is not a directory`);
    case 'EACCES':
    case 'EPERM':
      return new BootError('not-executable', `${name}: permission denied`);
    case 'ELOOP':
      return new BootError('not-executable', `${name}: too many symbolic links`);
    default:
      return new BootError('not-executable', `${name}: cannot be read (${code ?? String(e)})`);
  }
}
