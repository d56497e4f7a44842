/** bash-static on a long script, held against the same bash run natively. */
import { expect, it } from 'vitest';
import { nativeReason, rootPath } from '../support/guests.ts';
import { arm64Tool, hostTool, runNative, runRing3, withFolder } from '../support/run.ts';

const bash = hostTool('/usr/bin/bash-static', 'bash-static', 'bash script');
const arm64 = arm64Tool('bin/bash-static', "Debian's aarch64 bash");
const script = rootPath('guests/sh/bash-tour.sh');
const scripts = rootPath('guests/sh');

it.skipIf(bash === null || nativeReason() !== null).each([bash, arm64].filter((p) => p !== null))(
  'bash: arrays, functions, process substitution, traps, jobs: %s',
  async (program) => {
    const native = await withFolder((dir) => runNative(bash!, [script], { env: { TMPDIR: dir } }));
    const ring3 = await withFolder((dir) =>
      runRing3(program, [script], {
        env: { TMPDIR: dir },
        ring3: ['-v', `${dir}:${dir}`, '-v', `${scripts}:${scripts}:ro`],
      }),
    );
    expect(ring3.stdout).toBe(native.stdout);
    expect(ring3.stderr).toBe(native.stderr);
    expect(ring3.status).toBe(native.status);
    expect(native.status).toBe(17);
    expect(native.stdout).toContain('sum of statuses 10');
  },
);
