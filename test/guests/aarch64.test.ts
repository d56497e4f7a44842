/**
 * The guests of guests/guests.json built for aarch64: the same output and exit status as under qemu-aarch64, or, where
 * qemu's user mode is no Linux, as the same source built for this machine.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestPath, guestTable, builtNames, nativeReason, type GuestRun } from '../support/guests.ts';
import { hostTool, runNative, runRing3, withFolder, type RunResult } from '../support/run.ts';

const QEMU = hostTool('/usr/bin/qemu-aarch64', 'qemu-user', 'aarch64 guests beside qemu-aarch64');
/** A frame with SVE records is restored from those alone; ring3's cpu has no SVE. */
const QEMU_ARGS = ['-cpu', 'max,sve=off'];

/** Guests qemu-aarch64 (7.2) runs differently from Linux: held against their x86_64 twin, run natively. */
const NOT_BY_QEMU: Readonly<Record<string, string>> = {
  'bench-spawn': 'starts aarch64 programs only through binfmt_misc',
  corners: 'knows no ioctls of namespaces, and has no F_NOTIFY',
  epoll: 'checks a buffer nothing is written to',
  'exec-chain': 'starts aarch64 programs only through binfmt_misc',
  files: 'checks a buffer nothing is written to',
  ipc: 'takes SHM_REMAP for what it is not, and shmdt of a split mapping',
  memory: 'hangs in mremap of a part',
  multicast: 'lacks IP_MULTICAST_IF and others',
  'net-errors': 'reads no SO_BINDTODEVICE, knows no SO_BINDTOIFINDEX',
  'proc-self': "shows the host's /proc, where it is qemu itself",
  procs: 'refuses PR_SET_CHILD_SUBREAPER',
  programs: 'has no clone3',
  rlimits: 'leaves RLIMIT_AS and RLIMIT_DATA out',
  robust: 'has no robust lists',
  seccomp: 'has none',
  'seccomp-notify': 'has none',
  selfmod: 'misses writes through another mapping',
  sockets: 'loses MSG_CTRUNC',
  udp: 'loses MSG_CTRUNC and lacks options',
};

/** Exit statuses where qemu's is not Linux's. */
const STATUS: Readonly<Record<string, number>> = {
  'misbehave-musl wild-jump': 135, // a misaligned pc is a SIGBUS even where nothing is mapped (Arm ARM D1.3.5.7)
};

interface Row {
  readonly title: string;
  readonly name: string;
  readonly run: GuestRun;
}

const rows: Row[] = [];
const missing: string[] = [];
for (const g of guestTable()) {
  if (g.compare === false) continue;
  for (const name of builtNames(g, 'aarch64')) {
    if (guestPath(name, 'aarch64') === null) missing.push(name);
    else
      for (const run of g.runs ?? [g.expect ? { expect: g.expect } : {}])
        rows.push({ title: [name, ...(run.args ?? [])].join(' '), name, run });
  }
}
if (missing.length > 0) console.log(`Left out: aarch64 guests not built here: ${missing.join(' ')}`);

/** What Linux would show: by qemu or by the twin; null when this host has neither. */
async function oracle(name: string, run: GuestRun): Promise<RunResult | null> {
  const options = { stdin: run.stdin ?? '', timeout: 30_000 };
  if (name.replace(/-musl$/, '') in NOT_BY_QEMU) {
    const twin = guestPath(name, 'x86_64');
    if (twin === null || nativeReason() !== null) return null;
    const r = await runNative(twin, run.args ?? [], options);
    return { ...r, stdout: r.stdout.replaceAll('x86_64', 'aarch64') };
  }
  if (QEMU === null) return null;
  const r = await runNative(QEMU, [...QEMU_ARGS, guestPath(name, 'aarch64')!, ...(run.args ?? [])], options);
  return { ...r, stderr: r.stderr.replace(/^qemu: uncaught target signal .*\n/gm, '') };
}

const ownNotes = (text: string): string => text.replace(/^ring3: .*\n/gm, '');

describe('aarch64 guests', () => {
  it.each(rows)('$title', async ({ title, name, run }) => {
    const expected = await oracle(name, run);
    const ring3 = await runRing3(guestPath(name, 'aarch64')!, run.args ?? [], { stdin: run.stdin ?? '' });
    const { stdout, stderr, exit } = run.expect ?? {};
    if (stdout !== undefined) expect(ring3.stdout).toBe(stdout);
    if (stderr !== undefined) expect(ring3.stderr).toBe(stderr);
    if (exit !== undefined) expect(ring3.status).toBe(exit);
    if (expected === null) return;
    expect(ring3.stdout).toBe(expected.stdout);
    expect(ownNotes(ring3.stderr)).toBe(expected.stderr);
    expect(ring3.status).toBe(STATUS[title] ?? expected.status);
  });
});

/** Debian's cross libc (libc6-arm64-cross) is all that a dynamically linked program needs. */
const CROSS = '/usr/aarch64-linux-gnu/lib';
const compiler = hostTool(
  '/usr/bin/aarch64-linux-gnu-gcc',
  'gcc-aarch64-linux-gnu',
  'dynamic aarch64 programs',
);

describe.skipIf(compiler === null || !existsSync(`${CROSS}/libc.so.6`))('an aarch64 root', () => {
  it('runs dynamically linked programs, by name, by link and by script', () =>
    withFolder(async (root) => {
      for (const dir of ['lib', 'usr/bin', 'src']) mkdirSync(join(root, dir), { recursive: true });
      symlinkSync('usr/bin', join(root, 'bin'));
      for (const name of ['ld-linux-aarch64.so.1', 'libc.so.6', 'libm.so.6']) {
        cpSync(join(CROSS, name), join(root, 'lib', name), { dereference: true });
      }
      const source = join(root, 'src/show.c');
      writeFileSync(
        source,
        `#include <math.h>
#include <stdio.h>
#include <sys/utsname.h>
int main(int argc, char **argv) {
  struct utsname u;
  uname(&u);
  printf("%s", u.machine);
  for (int i = 1; i < argc; i++) printf(" %s", argv[i]);
  printf(" %.3f\\n", sqrt(argc + 0.5));
  return argc;
}`,
      );
      const program = join(root, 'usr/bin/show');
      execFileSync(compiler!, ['-O1', '-fno-builtin', '-o', program, source, '-lm']);
      symlinkSync('/usr/bin/show', join(root, 'usr/bin/link'));
      writeFileSync(join(root, 'script'), '#!/bin/link one two\n', { mode: 0o755 });
      const run = (name: string, ...args: string[]): Promise<RunResult> =>
        runRing3(name, args, { ring3: ['--root', root] });
      expect(await run('show', 'x')).toEqual({ stdout: 'aarch64 x 1.581\n', stderr: '', status: 2 });
      expect(await run('/bin/link')).toEqual({ stdout: 'aarch64 1.225\n', stderr: '', status: 1 });
      expect(await run('/script')).toEqual({
        stdout: 'aarch64 one two /script 1.871\n',
        stderr: '',
        status: 3,
      });
      const asked = await runRing3('show', [], { ring3: ['--root', root, '--platform', 'linux/amd64'] });
      expect(asked.stderr).toBe('ring3: show is for aarch64, not for linux/amd64\n');
      expect(asked.status).toBe(126);
    }));
});
