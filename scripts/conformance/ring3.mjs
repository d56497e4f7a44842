// A test in ring3: the same command in the same root folder.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { asChild } from './native.mjs';

const RING3 = fileURLToPath(new URL('../../dist/ring3.cjs', import.meta.url));
/** ring3's own grace over the timeout it is given, which kills the guest and keeps its output. */
const GRACE_SECONDS = 20;

/** What a guest said, and how it ended: { status, signal, timeout, output }. */
export function ring3(root, dir, env, command, seconds, { launcher = RING3, options = [] }) {
  const variables = Object.entries(env).flatMap(([k, v]) => ['-e', `${k}=${v}`]);
  const r = spawnSync(
    process.execPath,
    [launcher, 'run', '--root', root, '-w', `/${dir}`, '--timeout', `${seconds}s`, ...variables, ...options,
     ...asChild(command)], // prettier-ignore
    {
      encoding: 'latin1',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 << 20,
      timeout: (seconds + GRACE_SECONDS) * 1000,
      killSignal: 'SIGKILL',
    },
  );
  const timeout = r.error?.code === 'ETIMEDOUT' || (r.status === 124 && /timed? ?out/i.test(r.stderr));
  return { status: r.status, signal: r.signal, timeout, output: r.stdout + r.stderr };
}
