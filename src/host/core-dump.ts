/** Core files of guests on the host (`--core`). */
import {
  accessSync,
  closeSync,
  constants,
  ftruncateSync,
  lstatSync,
  openSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { CorePort, CoreSink } from '../../kernel/coredump/settings.ts';
import { BootError } from '../machine/errors.ts';

/** `pattern`: a path, with core(5)'s % specifiers. Throws BootError when its folder cannot be written. */
export function hostCores(pattern: string, report: (line: string) => void): CorePort {
  const folder = dirname(resolve(pattern));
  if (!folder.includes('%')) {
    try {
      accessSync(folder, constants.W_OK);
    } catch (e) {
      throw new BootError('setup', `cannot write core files to ${folder}: ${(e as Error).message}`);
    }
  }
  // Names come from the kernel as bytes.
  const bytes = Buffer.from(pattern).toString('latin1');
  return { pattern: bytes, open: (name) => openCore(Buffer.from(name, 'latin1'), report) };
}

function openCore(path: Buffer, report: (line: string) => void): CoreSink | null {
  const failed = (e: unknown): void =>
    report(`the core file ${path.toString()} could not be written: ${(e as Error).message}`);
  let fd: number;
  try {
    // A new file, as Linux makes one, and never in the place of a link or a device.
    const old = lstatSync(path, { throwIfNoEntry: false });
    if (old && !old.isFile()) throw new Error('it is there and is no regular file');
    if (old) unlinkSync(path);
    fd = openSync(path, 'wx', 0o600);
  } catch (e) {
    failed(e);
    return null;
  }
  return {
    write(data, at) {
      try {
        for (let done = 0; done < data.length;)
          done += writeSync(fd, data, done, data.length - done, at + done);
        return true;
      } catch (e) {
        failed(e);
        return false;
      }
    },
    close(size) {
      try {
        ftruncateSync(fd, size);
      } finally {
        closeSync(fd);
      }
      report(`core dumped to ${path.toString()}`);
    },
  };
}
