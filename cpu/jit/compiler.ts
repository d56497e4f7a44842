/** The compiler as the rest of the cpu sees it, here or in another thread. */
import type { ExitCause } from '../layout.ts';
import type { CompiledRegion, CompileRequest } from './compile.ts';
import type { CompileJob } from './job.ts';

export type CompileRegion = (request: CompileRequest) => CompiledRegion | null;

/** What a compiler in another thread answers. */
export interface Compiled {
  /** null: there is nothing to compile at the seeds. */
  readonly region: CompiledRegion | null;
  readonly module: WebAssembly.Module | null;
  readonly milliseconds: number;
  /** Why it could not: our own fault. */
  readonly failure?: string;
}

/** A compiler in another thread, which answers in the order of the jobs. */
export interface BackgroundCompiler {
  /** `records`: copies of the job's, which it may keep. */
  post(job: CompileJob, records: Uint8Array): void;
  /** It takes jobs: it has come up, and nothing went wrong. */
  readonly ready: boolean;
  /** The next answer. */
  poll(): Compiled | null;
}

/** What was compiled, and how it was used. */
export interface CompilerStats {
  /** Regions made. */
  readonly regions: number;
  /** Guest instructions in all of them (one in two regions counts twice), and their bytes of WebAssembly. */
  readonly instructions: number;
  readonly bytes: number;
  /** Regions that went to make room for others. */
  readonly evicted: number;
  /** Time spent making them, mostly in another thread. */
  readonly milliseconds: number;
  /** What kept code from being compiled, if the compiler ever failed. */
  readonly failure: string | null;
  /** How often each cause took execution out of a region, and instructions retired inside; null when not counted. */
  readonly exits: Readonly<Record<ExitCause, number>> | null;
}
