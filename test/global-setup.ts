import { execFileSync } from 'node:child_process';

/** Tests run the bundle users get and boot machines from the sources: both must be as new as the sources are. */
export function setup(): void {
  execFileSync(process.execPath, ['scripts/build.mjs', '--if-stale'], { stdio: 'inherit' });
}
