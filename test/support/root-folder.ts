/** Root file systems for `--root`, put together from copies of this machine's programs. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Copies a program to its own place in `root`, with the dynamic linker and libraries ldd names. */
export function addProgram(root: string, program: string): void {
  copy(root, program);
  let libraries = '';
  try {
    libraries = execFileSync('ldd', [program], { encoding: 'latin1', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return; // linked statically
  }
  for (const [path] of libraries.matchAll(/\/\S+/g)) copy(root, path);
}

function copy(root: string, path: string): void {
  const to = join(root, path);
  if (existsSync(to) || !existsSync(path)) return;
  mkdirSync(dirname(to), { recursive: true });
  cpSync(realpathSync(path), to);
}
