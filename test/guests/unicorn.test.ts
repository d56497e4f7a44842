/** Whole programs on `--cpu unicorn`, of both architectures: what they do there is what they do on the interpreter. */
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { loadNativeUnicorn } from '../../src/host/unicorn-native.ts';
import { builtNames, guestPath, guestTable, type GuestRun } from '../support/guests.ts';
import { arm64Tool, hostTool, runRing3, type RunResult } from '../support/run.ts';
import { client, serve } from '../support/server.ts';

const here = loadNativeUnicorn() !== null;
if (!here) console.log('Left out: guests on Unicorn: libunicorn2 or the package koffi is not here');

const ARCHES = ['x86_64', 'aarch64'] as const;
const BUSYBOX = {
  x86_64: hostTool('/usr/bin/busybox', 'busybox-static', 'busybox on Unicorn'),
  aarch64: arm64Tool('bin/busybox', "Debian's aarch64 busybox on Unicorn"),
};

/** The same on both cores, and something at all. */
async function same(program: string, args: readonly string[] = [], run: GuestRun = {}): Promise<void> {
  const on = (core: string): Promise<RunResult> =>
    runRing3(program, args, { stdin: run.stdin ?? '', ring3: ['--cpu', core] });
  const [unicorn, interpreter] = await Promise.all([on('unicorn'), on('interp')]);
  const { stdout, stderr, exit } = run.expect ?? {};
  if (stdout !== undefined) expect(interpreter.stdout).toBe(stdout);
  if (stderr !== undefined) expect(interpreter.stderr).toBe(stderr);
  if (exit !== undefined) expect(interpreter.status).toBe(exit);
  expect(unicorn).toEqual(interpreter);
}

/** Guests that Unicorn's known deviations, or the time they take there, leave out; others show time or what they run on. */
const NOT: Readonly<Record<string, string>> = {
  floats: "the x87's exception flags and its transcendental functions",
  'segv-recover': 'see test/machine/unicorn.test.ts',
  rlimits: 'forks until it must not: 40 seconds',
  strings: 'nothing but time',
  timers: 'which of two processes wakes first hangs on how loaded the machine is',
  racy: 'what it prints is how instructions are counted',
};

const BUSY: readonly [string, string][] = [
  ['ls and sort', 'ls -l / | sort; echo $?'],
  ['text', 'seq 1 300 | sed "s/7/x/g" | grep -v 1 | awk "{ n += length(\\$1) } END { print n, NR }"; echo a b c | tr a-z A-Z | rev'],
  ['sums', 'seq 1 2000 > /tmp/s; md5sum /tmp/s; sha1sum /tmp/s; sha256sum /tmp/s; cksum /tmp/s; sha512sum /tmp/s | cut -c1-40'],
  ['packing', 'seq 1 5000 > /tmp/s; gzip -c /tmp/s > /tmp/z; gunzip -c /tmp/z | cmp - /tmp/s && echo same; bzip2 -c /tmp/s | bunzip2 -c | tail -1; tar cf - /tmp/s | tar tf -'],
  ['arithmetic', 'echo "2^70; 355/113" | bc; expr 17 \\* 23; factor 1234567; awk "BEGIN { printf \\"%.5f %e\\\\n\\", 4 * atan2(1, 1), 1 / 3 }"'],
  ['processes', 'for i in 3 1 2; do (echo $i; exit $i) & wait $!; echo $?; done; kill -0 $$; sh -c "kill -9 \\$\\$"; echo $?'],
  ['files', 'mkdir -p /tmp/a/b; cd /tmp/a; for i in 1 2 3; do echo $i > b/$i; done; ln -s b/1 l; find . | sort; cat l; stat -c "%s %F" b/2; rm -r b; ls'],
]; // prettier-ignore

describe.skipIf(!here)('on Unicorn', () => {
  describe.each(ARCHES)('%s', (arch) => {
    const busybox = BUSYBOX[arch];
    it.skipIf(busybox === null).each(BUSY)('busybox: %s', (_, script) =>
      same(busybox!, ['sh', '-c', script]),
    );

    const echo = guestPath('tokio-echo', arch);
    if (!echo) console.log(`Left out: the tokio echo server on Unicorn, ${arch}: not built here`);
    it.skipIf(echo === null)('the tokio echo server: 20 clients, 200 messages', async () => {
      const { machine, run, port } = await serve(echo!, 7000, { cpu: 'unicorn' });
      const counts = await Promise.all(Array.from({ length: 20 }, (_, id) => client(port, id, 10)));
      expect(counts).toEqual(Array<number>(20).fill(10));
      connect(port, '127.0.0.1').end('quit\n');
      await run;
      expect(machine.status).toMatchObject({ code: 0 });
      expect(machine.stdout).toBe('listening\nserved 21\n');
      machine.dispose();
    });

    for (const name of ['go-hello', 'go-routines', 'rust-hello']) {
      const path = guestPath(name, arch);
      if (!path) console.log(`Left out: ${name} on Unicorn, ${arch}: not built here`);
      else it(name, () => same(path));
    }

    const rows = guestTable().flatMap((g) => {
      if (g.compare === false || g.name in NOT || !/^(c|asm)\//.test(g.source)) return [];
      const names = builtNames(g, arch).filter((n) => guestPath(n, arch) !== null);
      // One libc is enough here.
      return names.slice(-1).flatMap((name) =>
        (g.runs ?? [g.expect ? { expect: g.expect } : {}]).map((run: GuestRun) => ({
          title: [name, ...(run.args ?? [])].join(' '),
          name,
          run,
        })),
      );
    });
    it.each(rows)('$title', ({ name, run }) => same(guestPath(name, arch)!, run.args, run));
  });
});
