/** Who gets a file's signals, and may it: F_SETOWN and F_SETSIG. */
export interface FileOwner {
  /** A process or thread; minus a process group; 0: nobody. */
  readonly who: number;
  /** `who` is one thread (F_OWNER_TID). */
  readonly thread: boolean;
  /** The setter's ids, which must be allowed to signal `who` (sigio_perm). */
  readonly uid: number;
  readonly euid: number;
}
export const NO_OWNER: FileOwner = { who: 0, thread: false, uid: 0, euid: 0 };
