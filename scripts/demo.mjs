#!/usr/bin/env node
// The demo: a real Linux binary runs inside Node and its system calls appear in strace's format.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const run = (...args) => spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;

function show(...args) {
  console.log(`\n$ ring3 ${args.join(' ')}`);
  const status = run('dist/ring3.cjs', ...args);
  // From 124 on the status is ring3's own: below it is the guest's business.
  if (status >= 124) process.exit(status);
}

const failed = run('scripts/build.mjs');
if (failed !== 0) process.exit(failed);
show('run', 'guests/prebuilt/x86_64/hello');
show('strace', 'guests/prebuilt/x86_64/hello');
show('strace', '-f', '-c', 'guests/prebuilt/x86_64/threads-musl');
