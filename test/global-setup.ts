import { execFileSync } from 'node:child_process';

/** Tests boot machines from the sources: make sure the generated cpu module is as new as they are. */
export function setup(): void {
  execFileSync(process.execPath, ['scripts/build.mjs', '--cpu-only', '--if-stale'], { stdio: 'inherit' });
}
