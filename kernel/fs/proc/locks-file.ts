/** /proc/locks: who holds which part of which file (proc_locks(5), fs/locks.c lock_get_status). */
import type { Kernel } from '../../kernel.ts';
import type { Inode } from '../inode.ts';
import { F_WRLCK } from '../locks.ts';

/** Every inode that an open file has and somebody locked. */
function lockedInodes(k: Kernel): Set<Inode> {
  const out = new Set<Inode>();
  for (const t of k.processes.tasks.values()) {
    if (t.state === 'zombie' || t.state === 'dead') continue;
    for (const fd of t.fds.list()) {
      const inode = t.fds.get(fd)?.inode;
      if (inode?.locks) out.add(inode);
    }
  }
  return out;
}

export function locksText(k: Kernel): string {
  const lines: string[] = [];
  const hex = (n: number): string => n.toString(16).padStart(2, '0');
  for (const inode of lockedInodes(k)) {
    const { records, flocks } = inode.locks!;
    const { dev } = inode.fs;
    const add = (kind: string, type: number, pid: number, range: string): void => {
      const where = `${hex(Math.floor(dev / 256))}:${hex(dev % 256)}:${inode.ino}`;
      lines.push(
        `${lines.length + 1}: ${kind} ADVISORY  ${type === F_WRLCK ? 'WRITE' : 'READ'} ${pid} ${where} ${range}\n`,
      );
    };
    for (const { pid, type, start, end } of records)
      add(pid === -1 ? 'OFDLCK' : 'POSIX ', type, pid, `${start} ${end === Infinity ? 'EOF' : end - 1}`);
    for (const { type, pid } of flocks.values()) add('FLOCK ', type, pid, '0 EOF');
  }
  return lines.join('');
}
