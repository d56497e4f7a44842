/**
 * What the kernel itself keeps for its guests, outside of their RAM: open files, bytes in pipes and sockets, queued
 * events, watches, locks. Linux charges these to the memory cgroup (GFP_KERNEL_ACCOUNT); here one count for the whole
 * machine stands between the guests and the host's heap. Sizes are what the objects take here, rounded up.
 */

/** An open file with its wait queue and, for most, an inode. */
export const FILE_COST = 2048;
/** A socket; a closed one that its peer was connected to lives on behind it, uncounted. */
export const SOCKET_COST = 8192;
/** One slot of a descriptor table. */
export const FD_COST = 64;
/** An epoll item, an inotify watch: an object in two or three tables. */
export const WATCH_COST = 512;
export const LOCK_COST = 128;
/** A queued signal's record, an inotify event without its name. */
export const RECORD_COST = 192;
/** An area of an address space. */
export const AREA_COST = 256;

export class KernelMemory {
  used = 0;
  readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  /** Takes bytes; false, and nothing is taken, when there is no room. */
  charge(bytes: number): boolean {
    if (this.used + bytes > this.max) return false;
    this.used += bytes;
    return true;
  }

  /** Gives bytes back. */
  uncharge(bytes: number): void {
    this.used -= bytes;
  }

  /** Little is left: buffers stop growing (tcp_under_memory_pressure). */
  get tight(): boolean {
    return this.used > this.max - this.max / 8;
  }
}

/** A quarter of a machine's RAM, on top of it. */
export function kernelMemoryFor(ramBytes: number): number {
  return Math.max(Math.floor(ramBytes / 4), 4 << 20);
}
