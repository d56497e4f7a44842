/**
 * A copy-on-write overlay: a host folder that is only read, and over it whatever the guest changes, in memory
 * (Documentation/filesystems/overlayfs.rst, with the lower layer's inodes indexed and names redirected: hard links
 * survive copy-up and lower directories can be renamed). The lower folder is expected not to change meanwhile.
 */
import type { HostFileSystem, HostInode } from './host-fs.ts';
import { OverlayInode } from './overlay-inode.ts';
import type { TmpfsInode } from './tmpfs-inode.ts';
import { Tmpfs, type TmpfsDeps } from './tmpfs.ts';

const OVERLAYFS_SUPER_MAGIC = 0x794c7630;
/** Inode numbers of what the guest makes begin here; lower files keep the host's. */
const FIRST_INO = 2 ** 48;
/** Unchanged inodes remembered before those nobody uses are looked for. */
const MIN_SWEEP = 4096;

export class OverlayFs extends Tmpfs {
  override readonly magic: number = OVERLAYFS_SUPER_MAGIC;
  declare readonly root: OverlayInode;
  readonly prunes = true;
  /** What differs from the lower layer, by the lower file's key. */
  private readonly changed = new Map<string, OverlayInode>();
  /** What does not, as long as somebody (a name, an open file, a watch) holds it: one object a file. */
  private readonly clean = new Map<string, WeakRef<OverlayInode>>();
  private sweepAt = MIN_SWEEP;
  /** Holds them all: which are there does not depend on the host's garbage collector then, nor what the host is asked for. */
  private readonly steady: OverlayInode[] | null;

  constructor(deps: TmpfsDeps, dev: number, lower: HostFileSystem, steady = false) {
    super(deps, dev, { type: 'overlay' });
    this.steady = steady ? [] : null;
    this.root.cover(lower.root);
    this.root.changed = true; // its room was counted when it was made
    this.changed.set(lower.root.key, this.root);
  }

  protected override build(mode: number, uid: number, gid: number): OverlayInode {
    return new OverlayInode(this, FIRST_INO + this.nextIno++, mode, uid, gid);
  }

  /** The inode over a lower file just looked up in `dir`: the same one for the same file. */
  over(lower: HostInode, dir: OverlayInode): OverlayInode {
    const known = this.changed.get(lower.key) ?? this.clean.get(lower.key)?.deref();
    if (known !== undefined) return known;
    const inode = new OverlayInode(this, lower.ino, lower.mode, lower.uid, lower.gid);
    inode.cover(lower);
    if (inode.names !== null) inode.parent = dir;
    if (this.clean.size >= this.sweepAt) this.sweep();
    this.clean.set(lower.key, new WeakRef(inode));
    this.steady?.push(inode);
    return inode;
  }

  private sweep(): void {
    for (const [key, ref] of this.clean) if (ref.deref() === undefined) this.clean.delete(key);
    this.sweepAt = Math.max(MIN_SWEEP, this.clean.size * 2);
  }

  /** A lower file is about to differ. */
  keep(inode: OverlayInode, lower: HostInode): void {
    this.inodes++;
    this.clean.delete(lower.key);
    this.changed.set(lower.key, inode);
  }

  override freed(inode: TmpfsInode): void {
    const { lower } = inode as OverlayInode;
    if (lower !== null && this.changed.get(lower.key) === inode) this.changed.delete(lower.key);
    super.freed(inode);
  }
}
