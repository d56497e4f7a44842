/** Runs a guest natively and in ring3 and hands back what a shell would see of each. */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootPath } from './guests.ts';

export interface RunOptions {
  /** null: /dev/null. */
  readonly stdin?: string | Uint8Array | null;
  /** Options of `ring3 run` (mounts, seed, limits). Native runs have none. */
  readonly ring3?: readonly string[];
  /** Environment beside PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory of the native run; ring3 has `-w` for it. */
  readonly cwd?: string;
  /** Milliseconds. Default 60,000. */
  readonly timeout?: number;
}

export interface RunResult {
  /** One character for each byte. */
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status as a shell gives it: 128 + n after signal n. */
  readonly status: number;
}

export const CLI = rootPath('dist/ring3.cjs');
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGTRAP: 5, SIGABRT: 6, SIGBUS: 7, SIGFPE: 8, SIGKILL: 9, SIGUSR1: 10, SIGSEGV: 11,
  SIGUSR2: 12, SIGPIPE: 13, SIGALRM: 14, SIGTERM: 15,
}; // prettier-ignore

const stdio = (options: RunOptions): StdioOptions => [
  options.stdin === null ? 'ignore' : 'pipe',
  'pipe',
  'pipe',
];

function collect(child: ChildProcess, what: string, options: RunOptions): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout!.on('data', (b: Buffer) => out.push(b));
    child.stderr!.on('data', (b: Buffer) => err.push(b));
    child.stdin?.on('error', () => undefined); // a guest need not read its input
    child.stdin?.end(options.stdin ?? '');
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, options.timeout ?? 60_000);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const result = {
        stdout: Buffer.concat(out).toString('latin1'),
        stderr: Buffer.concat(err).toString('latin1'),
        status: code ?? 128 + (SIGNALS[signal ?? ''] ?? 0),
      };
      if (late)
        reject(
          new Error(
            `${what} took too long; so far:\n${result.stdout.slice(-2000)}${result.stderr.slice(-2000)}`,
          ),
        );
      else resolve(result);
    });
  });
}

export function runNative(
  program: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<RunResult> {
  const child = spawn(program, args, {
    env: { PATH, HOME: '/root', ...options.env },
    cwd: options.cwd ?? '/',
    stdio: stdio(options),
  });
  return collect(child, `${program} ${args.join(' ')}`, options);
}

/** `ring3 COMMAND OPTIONS PROGRAM ARGS`, by the bundle users get. */
export function runRing3(
  program: string,
  args: readonly string[] = [],
  options: RunOptions = {},
  command = 'run',
): Promise<RunResult> {
  const env = Object.entries({ HOME: '/root', ...options.env }).flatMap(([k, v]) => ['-e', `${k}=${v}`]);
  const where = options.cwd === undefined ? [] : ['-w', options.cwd];
  const child = spawn(
    process.execPath,
    [CLI, command, ...(command === 'run' ? env : []), ...where, ...(options.ring3 ?? []), program, ...args],
    {
      env: { PATH },
      cwd: '/',
      stdio: stdio(options),
    },
  );
  return collect(child, `ring3 ${command} ${program} ${args.join(' ')}`, options);
}

export async function runBoth(
  program: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<{ native: RunResult; ring3: RunResult }> {
  // One after the other: a guest's own timing must not suffer from its twin.
  return { native: await runNative(program, args, options), ring3: await runRing3(program, args, options) };
}

/** Runs `body` with a fresh host folder, gone afterwards. */
export async function withFolder<T>(body: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'ring3-test-'));
  try {
    return await body(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** A program of Debian's arm64 packages as scripts/debian-arm64.mjs unpacks them, or the reason why it is left out. */
export function arm64Tool(path: string, what: string): string | null {
  const found = rootPath(`build/arm64/root/${path}`);
  if (existsSync(found)) return found;
  console.log(`Left out: ${what}: not here (npm test fetches it on Debian)`);
  return null;
}

/** A tool of the host, or the reason why what needs it is left out (printed once). */
export function hostTool(path: string, debianPackage: string, what: string): string | null {
  if (existsSync(path)) return path;
  console.log(`Left out: ${what}: ${path} not found (Debian package ${debianPackage})`);
  return null;
}
