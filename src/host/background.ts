/** Compiles hot code in a thread beside the guest: one for each architecture, which all machines of the process share. */
import {
  MessageChannel,
  SHARE_ENV,
  Worker,
  receiveMessageOnPort,
  type MessagePort,
} from 'node:worker_threads';
import type { BackgroundCompiler, CompileJob, Compiled } from '../../cpu/index.ts';
import type { ThreadAnswer, ThreadData, ThreadJob } from './compiler-thread.ts';

/** What a lost job is answered with. */
const NOTHING: Compiled = { region: null, module: null, milliseconds: 0 };

export interface ThreadFiles {
  readonly thread: string;
  readonly bundle: string;
  readonly tables: string;
}

class CompilerThread {
  private readonly port: MessagePort;
  /** What the thread tells without a turn of the event loop: that an answer lies in the port, and that it has come up. */
  private readonly told = new Int32Array(new SharedArrayBuffer(8));
  private readonly waiting = new Map<number, (compiled: Compiled) => void>();
  private last = 0;
  alive = true;

  constructor({ thread, bundle, tables }: ThreadFiles) {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    const { told } = this;
    const workerData: ThreadData = { port: port2, told, bundle, tables };
    const worker = new Worker(thread, {
      workerData,
      transferList: [port2],
      env: SHARE_ENV, // sooner there than with a copy
      resourceLimits: { maxYoungGenerationSizeMb: 64 },
    });
    // It keeps nobody from ending.
    worker.unref();
    port1.unref();
    const end = (): void => {
      this.alive = false;
      for (const answer of this.waiting.values()) answer(NOTHING);
      this.waiting.clear();
    };
    worker.on('error', end);
    worker.on('exit', end);
  }

  get ready(): boolean {
    return this.alive && Atomics.load(this.told, 1) !== 0;
  }

  post(job: CompileJob, records: Uint8Array, answer: (compiled: Compiled) => void): void {
    const id = ++this.last;
    this.waiting.set(id, answer);
    const transfer = [records.buffer as ArrayBuffer, job.blocks.buffer as ArrayBuffer];
    this.port.postMessage({ id, job, records } satisfies ThreadJob, transfer);
  }

  /** Hands out the answers that have come, without a turn of the event loop: a guest that computes takes none. */
  poll(): void {
    if (Atomics.exchange(this.told, 0, 0) === 0) return;
    for (let m = receiveMessageOnPort(this.port); m; m = receiveMessageOnPort(this.port)) {
      const { id, compiled } = m.message as ThreadAnswer;
      this.waiting.get(id)?.(compiled);
      this.waiting.delete(id);
    }
  }
}

const threads = new Map<string, CompilerThread>();

/** A machine's way to the thread that compiles from these files, which is started when it is the first. */
export function backgroundCompiler(files: ThreadFiles): BackgroundCompiler {
  let thread = threads.get(files.bundle);
  if (!thread?.alive) threads.set(files.bundle, (thread = new CompilerThread(files)));
  const used = thread;
  const answers: Compiled[] = [];
  return {
    get ready() {
      return used.ready;
    },
    post: (job, records) => {
      used.post(job, records, (compiled) => answers.push(compiled));
    },
    poll: () => {
      used.poll();
      return answers.shift() ?? null;
    },
  };
}
