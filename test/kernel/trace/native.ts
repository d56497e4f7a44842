/** Runs a program under the real strace and under ours, and makes both traces comparable. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Machine, Strace } from '../../../src/index.ts';
import { straceDefaults, straceOptions, type StraceArgs } from '../../../src/cli/strace-options.ts';
import { parseOptions } from '../../../src/cli/options.ts';
import { syscalls } from '../../../kernel/syscall/table.ts';

/** The environment both see. */
const ENV = { PATH: '/usr/bin:/bin', HOME: '/root' };

/** Per task, in order of creation: lines with addresses, ids, times and random bytes made equal. */
export interface Traces {
  readonly tasks: string[];
  readonly stdout: string;
  readonly status: number | null;
}

/**
 * `P0`, `P1` … for task ids, `PTR` for addresses (five hexadecimal digits and more), `T` for points and lengths of time,
 * one space before `=`.
 */
export function normalise(traces: ReadonlyMap<number, string>): string[] {
  const tids = [...traces.keys()].sort((a, b) => a - b);
  return tids.map((tid) => {
    let text = traces.get(tid)!;
    tids.forEach((id, i) => (text = text.replaceAll(new RegExp(`\\b${id}\\b`, 'g'), `P${i}`)));
    return text
      .replaceAll(/0x[0-9a-f]{5,}/g, 'PTR')
      .replaceAll(/getrandom\("[^"]*"(\.\.\.)?/g, 'getrandom("R"')
      .replaceAll(/tv_sec=\d{6,}, tv_([nu])sec=\d+/g, 'tv_sec=T, tv_$1sec=T')
      .replaceAll(/ +=/g, ' =');
  });
}

/** Natively: `strace -ff OPTIONS program args`. */
export function native(program: string, args: readonly string[], options: readonly string[]): Traces {
  const dir = mkdtempSync(join(tmpdir(), 'ring3-strace-'));
  try {
    const r = spawnSync('strace', ['-ff', '-o', join(dir, 't'), ...options, program, ...args], {
      env: ENV,
      input: '',
      encoding: 'latin1',
      timeout: 30_000,
    });
    const traces = new Map<number, string>();
    for (const f of readdirSync(dir)) traces.set(Number(f.slice(2)), readFileSync(join(dir, f), 'latin1'));
    return { tasks: normalise(traces), stdout: r.stdout, status: r.status };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Here, with the same options. */
export async function here(
  program: string,
  args: readonly string[],
  options: readonly string[],
): Promise<Traces> {
  const traces = new Map<number, string>();
  const o: StraceArgs = straceDefaults();
  parseOptions(
    straceOptions((name) => syscalls.has(name)),
    options,
    o,
    'strace',
  );
  const tracer = new Strace({
    write: (text, tid) => traces.set(tid, (traces.get(tid) ?? '') + text),
    follow: true, separate: true, toFile: true, status: o.status, durations: o.durations,
    format: { strsize: o.strsize, hex: o.hex as 0 | 1 | 2, verbose: o.verbose, fds: o.fds as 0 | 1 | 2 },
    ...(o.trace ? { trace: o.trace } : {}),
    ...(o.signals ? { signals: o.signals } : {}),
  }); // prettier-ignore
  const m = await Machine.boot({
    program,
    argv: [program, ...args],
    env: ENV,
    cwd: process.cwd(),
    stdin: '',
    inject: o.inject,
    tracer,
  });
  const end = await m.run();
  tracer.finish();
  return { tasks: normalise(traces), stdout: m.stdout, status: end.signal ? null : end.code };
}
