import type { PageTable } from '../ports.ts';

/** A mapping of a MemObject, as the object sees it. Owned by kernel/mm. */
export interface ObjectMapper {
  /**
   * Pages [start, end) are about to be freed or cut off: drop them from the page tables and give their frames back.
   * Private copies of them go too when the file became shorter (`truncated`; assumed when `end` is Infinity).
   */
  dropped(object: MemObject, start: number, end: number, truncated?: boolean): void;
  /** write(2) changed the bytes of these pages behind the cpu's back. */
  changed?(object: MemObject, start: number, end: number): void;
  /** Whether it has a shared mapping of the object that is or may become writable. */
  mayWrite?(object: MemObject): boolean;
  /** Calls back for each guest page through which page `index` of the object may be written. */
  writers?(object: MemObject, index: number, fn: (table: PageTable, page: number) => void): void;
}

/** What a mapping maps: the pages of a shared anonymous area or of a file, shared by every process that maps them. */
export interface MemObject {
  /**
   * The frame holding page `index`, allocated or read in on demand. The object keeps the reference; a mapping that
   * stores the frame in a page table takes its own (Ram.retain). Returns -1 past the end of the object (SIGBUS)
   * and -2 when RAM is exhausted (SIGKILL by the OOM rule).
   */
  frame(index: number, forWrite: boolean): number;
  /** The frame if the page is in memory already, else -1: what a fault maps around the page it needs. */
  peek?(index: number): number;
  /** Mappings hold it; the last release frees what only mappings needed. */
  retain(): void;
  release(): void;
  /** Writes dirty pages back where that means something (host files). 0, or the first -errno. */
  sync(startIndex: number, endIndex: number): number;
  /** Mappings to be told when pages go away; absent where they never do (anonymous areas). */
  readonly mappers?: Set<ObjectMapper>;
  /** True: `frame(index, true)` must be called before a page is first written (a file that is written back). */
  readonly tracksDirty?: boolean;
  /** Pages count as RssShmem (shared anonymous memory, tmpfs) and not as RssFile. */
  readonly shmem?: boolean;
  /** Punches a hole (madvise MADV_REMOVE): pages [start, end) read zero afterwards. 0 or -errno. */
  punch?(start: number, end: number): number;
  /** Names for /proc/PID/maps, where the mapping has no file of its own. */
  readonly name: string;
  readonly dev: number;
  readonly ino: number;
  /** Identity of the bytes for the decoded-code cache and futex keys: unique per object for the machine's life. */
  readonly id: number;
}
