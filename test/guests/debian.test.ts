/**
 * A whole Debian as root: its programs, and Python's own tests of what it needs of a kernel, give what they give natively
 * in the same root. RING3_DEBIAN names the folder, made as root with
 *   mmdebstrap --variant=minbase --include=python3,libpython3.11-testsuite,perl,git,gcc,libc6-dev,sqlite3,xz-utils,netbase \
 *     bookworm FOLDER
 * RING3_DEBIAN_ARM64 names one with --arch=arm64. Its programs are held against a static qemu-aarch64, which
 * RING3_QEMU_AARCH64 names (binfmt_misc in a user namespace, Linux 6.7, starts it); Python's tests against the native ones
 * in the first folder, because qemu fails some of them.
 * It takes half an hour each; RING3_DEBIAN_ONLY is a pattern of the names below.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { rootPath } from '../support/guests.ts';
import { runNative, runRing3, type RunResult } from '../support/run.ts';

const amd64 = process.env['RING3_DEBIAN'];
const arm64 = process.env['RING3_DEBIAN_ARM64'];
const qemu = process.env['RING3_QEMU_AARCH64'];
const ONLY = new RegExp(process.env['RING3_DEBIAN_ONLY'] ?? '');
const asRoot = process.getuid?.() === 0;
for (const [name, folder, arch] of [
  ['RING3_DEBIAN', amd64, 'amd64'],
  ['RING3_DEBIAN_ARM64', arm64, 'arm64'],
]) {
  const why = !folder
    ? `${name} names no folder (test/guests/debian.test.ts)`
    : 'only root can run them there';
  if (!folder || !asRoot) console.log(`Left out: programs of a whole Debian ${arch}: ${why}`);
}
if (arm64 && !qemu)
  console.log('Left out: programs of a Debian arm64 beside qemu: RING3_QEMU_AARCH64 names none');

const TESTS = rootPath('test/guests/debian');
const HOUR = 3_600_000;
const ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
};

/**
 * Enters a copy-on-write view of the folder with what a guest sees mounted, and a network of its own; with an emulator's
 * line for binfmt_misc, programs are run by it.
 */
const ENTER = `
root=$1 tests=$2 emulator=$3; shift 3
d=/run/ring3-debian; mkdir -p $d; mount -t tmpfs none $d; mkdir $d/u $d/w $d/m; m=$d/m
mount -t overlay -o lowerdir=$root,upperdir=$d/u,workdir=$d/w none $m
mount -t proc proc $m/proc
b=$m/proc/sys/fs/binfmt_misc
[ -z "$emulator" ] || { mount -t binfmt_misc binfmt_misc $b && printf %s "$emulator" >$b/register; } || exit
mount -t sysfs sysfs $m/sys; mount -t tmpfs -o mode=1777 none $m/tmp
mkdir -p $m/mnt/tests; mount --bind $tests $m/mnt/tests
mount -t tmpfs -o mode=755 none $m/dev; mkdir $m/dev/pts $m/dev/shm; touch $m/dev/ptmx
for f in null zero full random urandom tty; do touch $m/dev/$f; mount --bind /dev/$f $m/dev/$f; done
ln -s /proc/self/fd $m/dev/fd; ln -s fd/0 $m/dev/stdin; ln -s fd/1 $m/dev/stdout; ln -s fd/2 $m/dev/stderr
mount -t devpts -o newinstance,ptmxmode=0666 devpts $m/dev/pts; mount --bind $m/dev/pts/ptmx $m/dev/ptmx
mount -t tmpfs none $m/dev/shm; ip link set lo up; cd /; ulimit -n 1024
exec chroot $m "$@"`;

const enter = (root: string, emulator: string, command: readonly string[]): string[] => [
  ...['-mpnfui', '--propagation', 'private', 'bash', '-c', ENTER, 'sh', root, TESTS, emulator],
  ...command,
];

const native = (command: readonly string[]): Promise<RunResult> =>
  runNative('/usr/bin/unshare', enter(amd64!, '', command), { stdin: null, env: ENV, timeout: HOUR });

/** ELF, 64 bits, little-endian, ET_EXEC or ET_DYN, EM_AARCH64. */
const IS_AARCH64 = [
  String.raw`\x7fELF\x02\x01\x01` + String.raw`\x00`.repeat(9) + String.raw`\x02\x00\xb7\x00`,
  String.raw`\xff`.repeat(7) + String.raw`\x00` + String.raw`\xff`.repeat(8) + String.raw`\xfe\xff\xff\xff`,
].join(':');

/** Perl, because unshare(1) would have to exec before anybody can give it ids. */
const HOLD = 'syscall(272, 0x10000000) == 0 or die "unshare: $!"; $| = 1; print "here"; sleep 1 while 1';

/** In a user namespace that has every id of this one: what it registers with binfmt_misc nobody else sees. */
async function emulated(command: readonly string[]): Promise<RunResult> {
  const holder = spawn('/usr/bin/perl', ['-e', HOLD], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(holder.stdout, 'data');
    for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${holder.pid}/${map}`, '0 0 4294967295\n');
    const args = ['-U', '-t', String(holder.pid), '-S', '0', '-G', '0', '/usr/bin/unshare'];
    const inside = enter(arm64!, `:aarch64:M::${IS_AARCH64}:${qemu}:FP`, command);
    return await runNative('/usr/bin/nsenter', [...args, ...inside], {
      stdin: null,
      env: ENV,
      timeout: HOUR,
    });
  } finally {
    holder.kill('SIGKILL');
  }
}

function ring3(root: string, [program, ...args]: readonly string[]): Promise<RunResult> {
  const env = Object.entries(ENV).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const options = ['--root', root, '-v', `${TESTS}:/mnt/tests:ro`, ...env];
  return runRing3(program, args, { stdin: null, ring3: options, timeout: HOUR });
}

/** A line for each test, without what tests print themselves. */
const sorted = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => /^finished$|\b(ok|FAIL|ERROR|skipped|expected failure)$/.test(line))
    .sort();

const PROGRAMS = ['/bin/bash', '/mnt/tests/programs.sh'];
const module = (name: string): string[] => ['/usr/bin/python3', '/mnt/tests/unittests.py', name];
const MODULES = ['os', 'select', 'mmap', 'signal', 'socket', 'threading', 'subprocess']
  .map((m) => `test_${m}`)
  .filter((m) => ONLY.test(m));

describe.each([
  { debian: 'amd64', folder: amd64, beside: native },
  { debian: 'arm64', folder: arm64, beside: qemu ? emulated : null },
])('in a whole Debian $debian', { timeout: 2 * HOUR }, ({ folder, beside }) => {
  it.runIf(folder && asRoot && beside && ONLY.test('programs'))(
    'git, gcc, perl, sqlite3, tar, xz and coreutils print the same',
    async () => {
      const expected = await beside!(PROGRAMS);
      expect(expected.stdout, expected.stderr).toContain('== coreutils');
      const guest = await ring3(folder!, PROGRAMS);
      expect(guest.stdout).toBe(expected.stdout);
      expect(guest.stderr).toBe(expected.stderr);
      expect(guest.status).toBe(expected.status);
    },
  );

  describe.runIf(folder && amd64 && asRoot)("Python's tests", () => {
    it.for(MODULES)('%s', async (name) => {
      const expected = sorted((await native(module(name))).stdout);
      expect(expected).toContain('finished');
      const guest = await ring3(folder!, module(name));
      expect(sorted(guest.stdout), guest.stderr.slice(-20_000)).toEqual(expected);
    });
  });
});
