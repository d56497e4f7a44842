/** What decides where core files go, and the host's own place for them. */

/** /proc/sys/kernel/{core_pattern,core_uses_pid} and fs/suid_dumpable. */
export class CoreSettings {
  pattern = 'core';
  usesPid = 0;
  suidDumpable = 0;
}

/** Where the bytes of one core file go. Offsets only grow; what is skipped reads zero. */
export interface CoreSink {
  /** False: it cannot take them, and no more will come. */
  write(bytes: Uint8Array, at: number): boolean;
  /** The file ends here. */
  close(size: number): void;
}

/** Core files outside of the machine. As with a core_pattern that is a pipe, RLIMIT_CORE does not count. */
export interface CorePort {
  /** As core_pattern's (core(5)). */
  readonly pattern: string;
  /** null: it cannot be written. */
  open(name: string): CoreSink | null;
}
