/** Debian's busybox sh on a long script, held against the same busybox run natively. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { nativeReason, rootPath } from '../support/guests.ts';
import { hostTool, runNative, runRing3, withFolder } from '../support/run.ts';

const busybox = hostTool('/usr/bin/busybox', 'busybox-static', 'shell script');
const args = ['sh', '-c', readFileSync(rootPath('guests/sh/ash-tour.sh'), 'latin1'), 'tour'];
/** No program of the host stands in for an applet. */
const ENV = { PATH: '/nowhere' };

it.skipIf(busybox === null || nativeReason() !== null)(
  'busybox sh: lists, jobs, traps, redirections, limits, pipes, signals, files',
  async () => {
    const native = await withFolder((cwd) => runNative(busybox!, args, { env: ENV, cwd }));
    // In the machine's own file system: a mount of the host has no FIFOs.
    const ring3 = await runRing3(busybox!, args, { env: ENV, cwd: '/tmp/tour' });
    expect(ring3.stdout).toBe(native.stdout);
    expect(ring3.stderr).toBe(native.stderr);
    expect(ring3.status).toBe(native.status);
    expect(native.status).toBe(7);
    expect(native.stdout).toContain('via fifo');
  },
  120_000,
);
