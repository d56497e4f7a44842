/**
 * A whole Debian as root: its programs, and Python's own tests of what it needs of a kernel, give what they give natively
 * in the same root. RING3_DEBIAN names the folder, made as root with
 *   mmdebstrap --variant=minbase --include=python3,libpython3.11-testsuite,perl,git,gcc,libc6-dev,sqlite3,xz-utils,netbase \
 *     bookworm FOLDER
 * It takes half an hour; RING3_DEBIAN_ONLY is a pattern of the names below.
 */
import { describe, expect, it } from 'vitest';
import { rootPath } from '../support/guests.ts';
import { runNative, runRing3, type RunResult } from '../support/run.ts';

const root = process.env['RING3_DEBIAN'];
const ONLY = new RegExp(process.env['RING3_DEBIAN_ONLY'] ?? '');
const asRoot = process.getuid?.() === 0;
if (!root)
  console.log(
    'Left out: programs of a whole Debian: RING3_DEBIAN names no folder (test/guests/debian.test.ts)',
  );
else if (!asRoot) console.log('Left out: programs of a whole Debian: only root can run them natively in it');

const TESTS = rootPath('test/guests/debian');
const HOUR = 3_600_000;
const ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
};

/** Enters a copy-on-write view of the folder with what a guest sees mounted, and a network of its own. */
const ENTER = `
root=$1 tests=$2; shift 2
d=/run/ring3-debian; mkdir -p $d; mount -t tmpfs none $d; mkdir $d/u $d/w $d/m; m=$d/m
mount -t overlay -o lowerdir=$root,upperdir=$d/u,workdir=$d/w none $m
mount -t proc proc $m/proc; mount -t sysfs sysfs $m/sys; mount -t tmpfs -o mode=1777 none $m/tmp
mkdir -p $m/mnt/tests; mount --bind $tests $m/mnt/tests
mount -t tmpfs -o mode=755 none $m/dev; mkdir $m/dev/pts $m/dev/shm; touch $m/dev/ptmx
for f in null zero full random urandom tty; do touch $m/dev/$f; mount --bind /dev/$f $m/dev/$f; done
ln -s /proc/self/fd $m/dev/fd; ln -s fd/0 $m/dev/stdin; ln -s fd/1 $m/dev/stdout; ln -s fd/2 $m/dev/stderr
mount -t devpts -o newinstance,ptmxmode=0666 devpts $m/dev/pts; mount --bind $m/dev/pts/ptmx $m/dev/ptmx
mount -t tmpfs none $m/dev/shm; ip link set lo up; cd /; ulimit -n 1024
exec chroot $m "$@"`;

function there(command: readonly string[]): Promise<RunResult> {
  const args = ['-mpnfui', '--propagation', 'private', 'bash', '-c', ENTER, 'sh', root!, TESTS, ...command];
  return runNative('/usr/bin/unshare', args, { stdin: null, env: ENV, timeout: HOUR });
}

function here([program, ...args]: readonly string[]): Promise<RunResult> {
  const env = Object.entries(ENV).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const ring3 = ['--root', root!, '-v', `${TESTS}:/mnt/tests:ro`, ...env];
  return runRing3(program, args, { stdin: null, ring3, timeout: HOUR });
}

/** A line for each test, without what tests print themselves. */
const sorted = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => /^finished$|\b(ok|FAIL|ERROR|skipped|expected failure)$/.test(line))
    .sort();

describe.skipIf(!root || !asRoot)('in a whole Debian', { timeout: 2 * HOUR }, () => {
  it.runIf(ONLY.test('programs'))(
    'git, gcc, perl, sqlite3, tar, xz and coreutils print the same',
    async () => {
      const command = ['/bin/bash', '/mnt/tests/programs.sh'];
      const native = await there(command);
      expect(native.stdout).toContain('== coreutils');
      const guest = await here(command);
      expect(guest.stdout).toBe(native.stdout);
      expect(guest.stderr).toBe(native.stderr);
      expect(guest.status).toBe(native.status);
    },
  );

  const MODULES = ['os', 'select', 'mmap', 'signal', 'socket', 'threading', 'subprocess'];
  it.for(MODULES.map((m) => `test_${m}`).filter((m) => ONLY.test(m)))('%s', async (module) => {
    const command = ['/usr/bin/python3', '/mnt/tests/unittests.py', module];
    const native = sorted((await there(command)).stdout);
    expect(native).toContain('finished');
    const guest = await here(command);
    expect(sorted(guest.stdout), guest.stderr.slice(-20_000)).toEqual(native);
  });
});
