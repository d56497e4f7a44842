/** The thread that compiles hot code: entry of dist/compiler-thread.cjs. It gets jobs with copies of their records. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { workerData, type MessagePort } from 'node:worker_threads';
import { placeRecords, recordsEnd } from '../../cpu/jit/job.ts';
import type { CompileJob, CompileRegion, Compiled } from '../../cpu/index.ts';
import { loadBundle } from './bundle.ts';

/** What it is started with. */
export interface ThreadData {
  readonly port: MessagePort;
  /** An answer lies in the port when the first is not 0; jobs are taken when the second is. */
  readonly told: Int32Array;
  /** Paths of the compiler's bundle and of the decoder's tables. */
  readonly bundle: string;
  readonly tables: string;
}

/** What it is sent, and what it answers, under the same number. */
export interface ThreadJob {
  readonly id: number;
  readonly job: CompileJob;
  /** Copies of the job's. */
  readonly records: Uint8Array;
}

export interface ThreadAnswer {
  readonly id: number;
  readonly compiled: Compiled;
}

interface Bundle {
  compilerOf(tables: unknown): CompileRegion;
}

/** Bytes. */
const GROWTH = 4 << 20;

/** Records lie where they do in the machine's memory; of its pages the host only keeps those that were written. */
class RecordMemory {
  private bytes = new Uint8Array(0);
  view = new DataView(this.bytes.buffer);

  place({ job, records }: ThreadJob): void {
    const end = recordsEnd(job);
    if (end > this.bytes.length) {
      this.bytes = new Uint8Array(end + GROWTH);
      this.view = new DataView(this.bytes.buffer);
    }
    placeRecords(this.bytes, job, records);
  }
}

/** The code stays interpreted when it cannot be compiled. */
function answerTo(compile: CompileRegion, job: CompileJob, view: DataView): Compiled {
  const start = performance.now();
  try {
    const region = compile({ ...job, view });
    const module = region && new WebAssembly.Module(region.bytes as Uint8Array<ArrayBuffer>);
    return { region, module, milliseconds: performance.now() - start };
  } catch (error) {
    return { region: null, module: null, milliseconds: performance.now() - start, failure: String(error) };
  }
}

function serve({ port, told, bundle, tables }: ThreadData): void {
  const { compilerOf } = loadBundle(bundle) as Bundle;
  const compile = compilerOf(JSON.parse(readFileSync(tables, 'utf8')));
  const memory = new RecordMemory();
  // The guest's thread shall not have to compile what it calls first.
  setFlagsFromString('--no-wasm-lazy-compilation');
  port.on('message', (message: ThreadJob) => {
    memory.place(message);
    const compiled = answerTo(compile, message.job, memory.view);
    port.postMessage({ id: message.id, compiled } satisfies ThreadAnswer);
    Atomics.store(told, 0, 1);
  });
  Atomics.store(told, 1, 1);
}

serve(workerData as ThreadData);
