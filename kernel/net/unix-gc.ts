/**
 * Open files on their way through AF_UNIX sockets (net/unix/garbage.c, scm.c): counted, and freed when the sockets that
 * carry them can only be reached through one another.
 */
import type { File } from '../fs/file.ts';
import type { UnixSocket } from './unix.ts';

export class InFlight {
  /** Descriptors in messages, of every kind of file. */
  count = 0;
  /** Sockets among them, by how many messages hold each. */
  private readonly sockets = new Map<UnixSocket, number>();
  private readonly doomed: File[] = [];
  private draining = false;
  private collecting = false;
  private readonly isSocket: (f: File) => f is UnixSocket;

  constructor(isSocket: (f: File) => f is UnixSocket) {
    this.isSocket = isSocket;
  }

  /** A message took the files with it. */
  sent(files: readonly File[]): void {
    this.count += files.length;
    for (const f of files) if (this.isSocket(f)) this.sockets.set(f, (this.sockets.get(f) ?? 0) + 1);
  }
  /** A message gave them up: to its receiver, or because its queue is gone. */
  left(files: readonly File[]): void {
    this.count -= files.length;
    for (const f of files) {
      if (!this.isSocket(f)) continue;
      const n = this.sockets.get(f)! - 1;
      if (n > 0) this.sockets.set(f, n);
      else this.sockets.delete(f);
    }
  }

  /** Lets go of files one after another: each may be a socket with files of its own, to any depth (delayed fput). */
  discard(files: readonly File[]): void {
    this.doomed.push(...files);
    if (this.draining) return;
    this.draining = true;
    for (let f = this.doomed.pop(); f !== undefined; f = this.doomed.pop()) f.drop();
    this.draining = false;
  }

  /** A socket lost a reference: does nothing but messages hold it now? */
  dropped(s: UnixSocket): void {
    if (this.sockets.get(s) === s.refs) this.collect();
  }

  /** unix_gc: what is held by messages only, and by no message that somebody could still receive, goes. */
  private collect(): void {
    if (this.collecting) return;
    this.collecting = true;
    const suspects = new Set<UnixSocket>();
    for (const [s, n] of this.sockets) if (s.refs === n) suspects.add(s);
    // Whatever a live socket's queue holds is alive, and what that one's queue holds, and so on.
    const within = new Map<UnixSocket, number>();
    for (const s of suspects) {
      for (const f of s.carried()) {
        if (this.isSocket(f) && suspects.has(f)) within.set(f, (within.get(f) ?? 0) + 1);
      }
    }
    const alive = [...suspects].filter((s) => (within.get(s) ?? 0) < this.sockets.get(s)!);
    for (let s = alive.pop(); s !== undefined; s = alive.pop()) {
      if (!suspects.delete(s)) continue;
      for (const f of s.carried()) if (this.isSocket(f) && suspects.has(f)) alive.push(f);
    }
    const garbage = [...suspects].flatMap((s) => s.uncarry());
    this.discard(garbage);
    this.collecting = false;
  }
}
