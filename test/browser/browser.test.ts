// dist/browser.js does in a page what dist/index.js does in Node.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as browserAbsent from '../../src/browser/absent.ts';
import * as browserCores from '../../src/browser/core-files.ts';
import * as browserFolder from '../../src/browser/folder.ts';
import * as browserWait from '../../src/browser/wait.ts';
import type { hostCores } from '../../src/host/core-dump.ts';
import type * as nodeCores from '../../src/host/core-files.ts';
import type * as nodeFolder from '../../src/host/folder.ts';
import type { pumpStdin } from '../../src/host/input.ts';
import type { readProgram } from '../../src/host/program.ts';
import type * as nodeRecordings from '../../src/host/recording-file.ts';
import type { loadUnicorn } from '../../src/host/unicorn.ts';
import type * as nodeWait from '../../src/host/wait.ts';
import type { openImage } from '../../src/image/image.ts';
import { Machine, recordTo, Strace } from '../../src/index.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const guest = (name: string): string => join(root, 'guests/prebuilt', name);
const BUSYBOX = ['/usr/bin/busybox', '/bin/busybox'].find(existsSync);

/** The stand-ins have the shape of what they stand in for (cores are fetched). */
browserWait satisfies typeof nodeWait;
browserFolder satisfies typeof nodeFolder;
browserCores satisfies Pick<typeof nodeCores, 'backgroundCompilerOf' | 'compilerOf'> & {
  [K in 'loadCore' | 'loadA64Core']: () => Promise<ReturnType<(typeof nodeCores)[K]>>;
};
browserAbsent satisfies typeof nodeRecordings & {
  hostCores: typeof hostCores;
  loadUnicorn: typeof loadUnicorn;
  openImage: typeof openImage;
  pumpStdin: typeof pumpStdin;
  readProgram: typeof readProgram;
};

interface Out {
  x86: unknown;
  a64: unknown;
  compiled: { stdout: string };
  interpreted: { stdout: string };
  trace: string;
  skipped: string;
  replayed: boolean;
  fromFile: string;
  damaged: string;
  served?: string;
  server?: number;
  refusals: string[];
}

describe('in a page', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ring3-browser-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  let out: Out;

  beforeAll(async () => {
    const recording = join(folder, 'run.r3');
    const m = await Machine.boot({
      program: guest('x86_64/stdio-musl'),
      stdin: 'recorded\n',
      record: recordTo(recording, (why) => expect.fail(why)),
    });
    await m.run();
    m.dispose();
    const page = fileURLToPath(new URL('page.mjs', import.meta.url));
    const args = [
      '--experimental-vm-modules',
      '--no-warnings',
      page,
      recording,
      ...(BUSYBOX ? [BUSYBOX] : []),
    ];
    out = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Out;
  }, 60_000);

  it('programs of both architectures run', () => {
    const ran = { code: 2, signal: null, stdout: '   1 one\n   2 two\n' };
    expect(out.x86).toEqual(ran);
    expect(out.a64).toEqual(ran);
  });

  it('a seed gives the run it gives in Node, interpreted and compiled', async () => {
    const m = await Machine.boot({ program: guest('x86_64/racy-musl'), seed: 1 });
    await m.run();
    expect(out.interpreted.stdout).toBe(m.stdout);
    expect(out.compiled.stdout).toBe(m.stdout);
    m.dispose();
  });

  it('the trace is the one in Node', async () => {
    let trace = '';
    const tracer = new Strace({ write: (text) => (trace += text) });
    const program = new Uint8Array(readFileSync(guest('x86_64/stdio-musl')));
    const m = await Machine.boot({ program, stdin: '', tracer, seed: 1 });
    await m.run();
    tracer.finish();
    expect(trace).toContain('exit_group(');
    expect(out.trace).toBe(trace);
    m.dispose();
  });

  it('calls are stepped through and changed', () => {
    expect(out.skipped).toMatch(/^writev\(1, .* = -1 ENOSPC \(No space left on device\) \(INJECTED\)$/);
  });

  it('recordings replay: those made there, and files', () => {
    expect(out.replayed).toBe(true);
    expect(out.fromFile).toBe('   1 recorded\n');
    expect(out.damaged).toMatch(/damaged|not what was written/);
  });

  it.skipIf(!BUSYBOX)(
    `a server of the guest's answers${BUSYBOX ? '' : ' (left out: no busybox here)'}`,
    () => {
      expect(out.served).toBe('FROM THE PAGE');
      expect(out.server).toBe(0);
    },
  );

  it('what a page does not have is refused, with what to do', () => {
    expect(out.refusals).toHaveLength(6);
    for (const line of out.refusals)
      expect(line).toMatch(/^BootError: .*browser has no .*(: give |: speak |; give |: leave )/);
  });
});
