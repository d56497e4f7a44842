/** What a mapping maps: the pages of a shared anonymous area or of a file, shared by every process that maps them. */
export interface MemObject {
  /**
   * The frame holding page `index`, allocated or read in on demand. The object keeps the reference; a mapping that
   * stores the frame in a page table takes its own (Ram.retain). Returns -1 past the end of the object (SIGBUS)
   * and -2 when RAM is exhausted (SIGKILL by the OOM rule).
   */
  frame(index: number, forWrite: boolean): number;
  /** Mappings hold it; the last release frees what only mappings needed. */
  retain(): void;
  release(): void;
  /** Writes dirty pages back where that means something (host files). */
  sync(startIndex: number, endIndex: number): void;
  /** Names for /proc/PID/maps. */
  readonly name: string;
  readonly dev: number;
  readonly ino: number;
  /** Identity of the bytes for the decoded-code cache and futex keys: unique per object for the machine's life. */
  readonly id: number;
}
