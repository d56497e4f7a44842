/** Advisory locks of one inode. */
export class FileLocks {
  /** Nothing is locked: the inode may forget this object. */
  get empty(): boolean {
    return true;
  }
}
