/** vFile: gdb reads the guest's files (`set sysroot target:`, programs and libraries). */
import { pathName } from '../../kernel/fs/dentry.ts';
import { readGuestFile, GuestFileError } from '../machine/guest-files.ts';
import type { Machine } from '../machine/machine.ts';
import { binaryOf, textOfHex } from './packets.ts';
import { fromBinary } from '../machine/guest-files.ts';

/** gdb's own numbers for errno (include/gdb/fileio.h). */
const ENOENT = 2;
const EBADF = 9;
const EROFS = 30;
const EUNKNOWN = 9999;
/** struct stat of gdb's File-I/O protocol, big-endian. */
const STAT_SIZE = 64;
const S_IFREG = 0o100644;

export class GdbFiles {
  private readonly machine: Machine;
  private readonly open = new Map<number, Uint8Array>();
  private next = 3;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** What follows `vFile:`. */
  command(text: string): string {
    const [name, rest = ''] = text.split(/:(.*)/s);
    const args = rest.split(',');
    switch (name) {
      case 'setfs':
        return 'F0';
      case 'open':
        return this.openFile(textOfHex(args[0]), parseInt(args[1], 16));
      case 'close':
        return this.open.delete(parseInt(args[0], 16)) ? 'F0' : fail(EBADF);
      case 'pread': {
        const bytes = this.open.get(parseInt(args[0], 16));
        if (!bytes) return fail(EBADF);
        const at = parseInt(args[2], 16);
        return attached(bytes.subarray(at, at + Math.min(parseInt(args[1], 16), 0x8000)));
      }
      case 'fstat': {
        const bytes = this.open.get(parseInt(args[0], 16));
        if (!bytes) return fail(EBADF);
        const stat = new Uint8Array(STAT_SIZE);
        const v = new DataView(stat.buffer);
        v.setUint32(8, S_IFREG);
        v.setUint32(12, 1);
        v.setBigUint64(28, BigInt(bytes.length));
        v.setBigUint64(36, 4096n);
        v.setBigUint64(44, BigInt(Math.ceil(bytes.length / 512)));
        return attached(stat);
      }
      case 'readlink': {
        const { vfs } = this.machine.internals.kernel;
        const at = vfs.find(textOfHex(args[0]));
        if (typeof at === 'number') return fail(ENOENT);
        const to = pathName(at, null);
        return `F${to.length.toString(16)};${to}`;
      }
      case 'unlink':
      case 'pwrite':
        return fail(EROFS);
      default:
        return '';
    }
  }

  private openFile(path: string, flags: number): string {
    if (flags & 3) return fail(EROFS);
    const { vfs, processes } = this.machine.internals.kernel;
    try {
      const bytes = readGuestFile(vfs, processes.first?.leader ?? null, fromBinary(path));
      const fd = this.next++;
      this.open.set(fd, bytes);
      return `F${fd.toString(16)}`;
    } catch (e) {
      if (!(e instanceof GuestFileError)) throw e;
      return fail(e.code === 'ENOENT' ? ENOENT : e.code === 'EACCES' ? 13 : EUNKNOWN);
    }
  }
}

const fail = (errno: number): string => `F-1,${errno.toString(16)}`;
const attached = (bytes: Uint8Array): string => `F${bytes.length.toString(16)};${binaryOf(bytes)}`;
