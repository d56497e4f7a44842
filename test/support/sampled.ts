/** Runs a guest with every sample of the running code written down, to hold two runs against each other. */
import { Machine, Strace, type BootOptions } from '../../src/index.ts';
import { readProgram } from '../../src/host/program.ts';

type OnSample = NonNullable<BootOptions['onSample']>;
type SampledRegs = Parameters<OnSample>[0];

/** What is looked at in full when two runs differ. */
export interface Sample {
  readonly retired: number;
  readonly pc: number;
  readonly registers: Readonly<Record<string, string>>;
}

export interface SampledRun {
  /** A hash of each sample. */
  readonly hashes: Int32Array;
  readonly output: string;
  readonly errors: string;
  readonly status: number | string;
  readonly instructions: number;
  readonly trace: string;
  /** Regions compiled. */
  readonly regions: number;
  /** Instructions they retired. */
  readonly compiled: number;
  /** The samples asked for. */
  readonly samples: readonly Sample[];
}

const X86 = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15', 'rip', 'rflags', 'fs_base', 'gs_base']; // prettier-ignore
const A64 = [...Array.from({ length: 31 }, (_, i) => `x${i}`), 'sp', 'pc', 'nzcv', 'tpidr'];

/** Registers, floating point and vectors included, as one number. */
class Hasher {
  private readonly fp: Uint8Array;
  private readonly words: Int32Array;
  readonly names: readonly string[];

  constructor(arch: string) {
    this.names = arch === 'x86_64' ? X86 : A64;
    this.fp = new Uint8Array(arch === 'x86_64' ? 512 : 528);
    this.words = new Int32Array(this.fp.buffer);
  }

  hash(regs: SampledRegs, retired: number): number {
    let h = Math.imul(regs.pc ^ Math.imul(retired, 0x9e3779b1), 0x01000193);
    for (let i = 0; i < this.names.length; i++) {
      const v = regs.num(i);
      h = Math.imul(h ^ (v | 0), 0x01000193);
      h = Math.imul(h ^ Math.floor(v / 4294967296), 0x85ebca6b) ^ (h >>> 15);
    }
    regs.saveFp(this.fp);
    for (const w of this.words) h = Math.imul(h ^ w, 0x01000193) ^ (h >>> 13);
    return h;
  }

  sample(regs: SampledRegs, retired: number): Sample {
    const registers: Record<string, string> = {};
    this.names.forEach((name, i) => (registers[name] = regs.get(i).toString(16)));
    regs.saveFp(this.fp);
    for (let i = 0; i < this.fp.length; i += 16)
      registers[`fp+${i}`] = Buffer.from(this.fp.subarray(i, i + 16)).toString('hex');
    return { retired, pc: regs.pc, registers };
  }
}

export interface SampledOptions {
  readonly program: string;
  readonly argv: readonly string[];
  readonly arch: string;
  readonly cpu: string;
  readonly boot?: Partial<BootOptions>;
  /** Samples to give in full, by number. */
  readonly wanted?: readonly number[];
}

export async function runSampled(o: SampledOptions): Promise<SampledRun> {
  const hasher = new Hasher(o.arch);
  let hashes = new Int32Array(1 << 12);
  let n = 0;
  const samples: Sample[] = [];
  let trace = '';
  const tracer = new Strace({
    write: (text) => {
      trace += text;
    },
    follow: true,
  });
  const file = readProgram(o.program, true);
  const m = await Machine.boot({
    program: file.bytes,
    path: `/bin/${o.program.slice(o.program.lastIndexOf('/') + 1)}`,
    argv: o.argv,
    mode: file.mode,
    seed: 1,
    cpu: o.cpu,
    stats: true,
    tracer,
    limits: { memory: 256 << 20 },
    onSample: (regs, retired) => {
      if (n === hashes.length) {
        const larger = new Int32Array(2 * n);
        larger.set(hashes);
        hashes = larger;
      }
      if (o.wanted?.includes(n)) samples.push(hasher.sample(regs, retired));
      hashes[n++] = hasher.hash(regs, retired);
    },
    ...o.boot,
  });
  let status: number | string;
  try {
    status = (await m.run()).status;
  } catch (e) {
    status = String(e);
  }
  tracer.finish();
  const { compiler, instructions } = m.stats;
  const run: SampledRun = {
    hashes: hashes.subarray(0, n),
    output: m.stdout,
    errors: m.stderr,
    status,
    instructions,
    trace,
    regions: compiler?.regions ?? 0,
    compiled: compiler?.exits?.instructions ?? 0,
    samples,
  };
  m.dispose();
  return run;
}

/** Where two runs part, in words; null: they are the same. */
export async function difference(
  o: Omit<SampledOptions, 'cpu'>,
  [interp, jit]: readonly [string, string],
): Promise<{ readonly text: string | null; readonly runs: readonly [SampledRun, SampledRun] }> {
  const a = await runSampled({ ...o, cpu: interp });
  const b = await runSampled({ ...o, cpu: jit });
  const runs = [a, b] as const;
  const length = Math.max(a.hashes.length, b.hashes.length);
  for (let i = 0; i < length; i++) {
    if (i < a.hashes.length && i < b.hashes.length && a.hashes[i] === b.hashes[i]) continue;
    const wanted = [i - 1, i];
    const [x, y] = [
      await runSampled({ ...o, cpu: interp, wanted }),
      await runSampled({ ...o, cpu: jit, wanted }),
    ];
    return { text: `sample ${i} of ${length}: ${between(x.samples, y.samples)}`, runs };
  }
  for (const what of ['instructions', 'status', 'output', 'errors', 'trace'] as const)
    if (a[what] !== b[what])
      return { text: `${what} differ:\n${excerpt(String(a[what]), String(b[what]))}`, runs };
  return { text: null, runs };
}

function between(a: readonly Sample[], b: readonly Sample[]): string {
  const [x, y] = [a[a.length - 1] as Sample | undefined, b[b.length - 1] as Sample | undefined];
  if (!x || !y) return `one run has none`;
  const before =
    a.length > 1 ? ` (the last that was equal: pc ${a[0].pc.toString(16)}, ${a[0].retired} retired)` : '';
  const names = Object.keys(x.registers).filter((k) => x.registers[k] !== y.registers[k]);
  return [
    `pc ${x.pc.toString(16)} interpreted, ${y.pc.toString(16)} compiled; retired ${x.retired} and ${y.retired}${before}`,
    ...names.map((k) => `${k}: ${x.registers[k]} interpreted, ${y.registers[k]} compiled`),
  ].join('\n  ');
}

function excerpt(a: string, b: string): string {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  const from = Math.max(0, i - 200);
  return `interpreted: …${a.slice(from, i + 200)}\ncompiled: …${b.slice(from, i + 200)}`;
}
