/** `--root`: a folder as the guest's root file system. The guest works in it as in a copy; the folder stays as it was. */
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { linkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Machine } from '../../src/index.ts';
import { nativeReason } from '../support/guests.ts';
import { addProgram } from '../support/root-folder.ts';
import { hostTool, runNative, runRing3, withFolder } from '../support/run.ts';

const busybox = hostTool('/usr/bin/busybox', 'busybox-static', 'a root file system of busybox');
const PROGRAMS = 'ls cat sed mawk grep sort perl mv rm cp cmp chmod find tail tar ln mkdir stat wc'.split(
  ' ',
);
const bash = hostTool('/usr/bin/bash', 'bash', 'dynamically linked programs');
const native = nativeReason() === null;

/** Everything in a folder: types, modes, times, contents. */
function tree(dir: string): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const name of readdirSync(dir, { recursive: true, encoding: 'latin1' }).sort()) {
    const st = lstatSync(join(dir, name));
    const text = st.isFile()
      ? readFileSync(join(dir, name), 'latin1')
      : st.isSymbolicLink()
        ? readlinkSync(join(dir, name))
        : '';
    out[name] = [st.mode, st.nlink, st.ino, st.mtimeMs, st.ctimeMs, text];
  }
  return out;
}

function fill(data: string): void {
  mkdirSync(join(data, 'sub/deep'), { recursive: true });
  for (const n of [1, 2, 3]) writeFileSync(join(data, `f${n}`), `line ${n}\n`.repeat(n * 10));
  writeFileSync(
    join(data, 'sub/deep/x'),
    Uint8Array.from({ length: 50_000 }, (_, i) => (i * i) >> 5),
  );
  linkSync(join(data, 'f1'), join(data, 'sub/f1'));
  symlinkSync('sub/deep', join(data, 'l'));
}

/** Run in the data folder, here and in a copy of it. */
const SCRIPT = `
set -e
mkdir new; echo made > new/file; echo more >> f1; cat sub/f1 | tail -2
mv sub moved; ls moved moved/deep; mkdir sub; ls sub | wc -l
cp -a moved copy; rm -r moved; cmp copy/deep/x l/x || echo "l leads nowhere"
ln -s ../f2 sub/l2; sed -i s/line/LINE/ f2; sort -u sub/l2; chmod 700 f3; ln f3 sub/f3; stat -c '%a %h %s' sub/f3
tar cf all.tar copy f1 sub && rm -rf copy sub && tar xf all.tar && find . | sort && grep -c LINE sub/l2
for i in 1 2 3 4 5 6 7 8 9; do echo $i > "n$i"; done; mv n1 n2; rm n3; ls
`;

describe.skipIf(busybox === null || !native)('a folder as root', () => {
  it('serves a busybox system and stays as it was', () =>
    withFolder(async (dir) => {
      const root = join(dir, 'root');
      mkdirSync(join(root, 'bin'), { recursive: true });
      cpSync(busybox!, join(root, 'bin/busybox'));
      fill(join(root, 'data'));
      cpSync(join(root, 'data'), join(dir, 'data'), {
        recursive: true,
        preserveTimestamps: true,
        verbatimSymlinks: true,
      });
      // cpSync makes two files of a hard link.
      const link = 'rm sub/f1; ln f1 sub/f1;';
      const before = tree(root);
      const ENV = { PATH: '/nowhere' };
      const there = await runNative(busybox!, ['sh', '-c', link + SCRIPT], {
        cwd: join(dir, 'data'),
        env: ENV,
      });
      const here = await runRing3('/bin/busybox', ['sh', '-c', link + SCRIPT], {
        cwd: '/data', env: ENV, ring3: ['--root', root],
      }); // prettier-ignore
      expect(here).toEqual(there);
      expect(here.status).toBe(0);
      expect(tree(root)).toEqual(before);
    }));

  it('has the mounts every guest has, and makes its working directory', () =>
    withFolder(async (root) => {
      mkdirSync(join(root, 'bin'));
      cpSync(busybox!, join(root, 'bin/busybox'));
      const script =
        'pwd; ls /; ls /dev/null /dev/shm/.. /dev/pts /proc/self/maps; echo x > /tmp/x; cat /tmp/x; busybox ls -ld /tmp | cut -c1-10';
      const machine = await Machine.boot({
        root, program: 'busybox', argv: ['busybox', 'sh', '-c', script], cwd: '/some/where', env: { PATH: '/bin' },
      }); // prettier-ignore
      const end = await machine.run();
      expect(machine.stderr).toBe('');
      expect(end.status).toBe(0);
      expect(machine.stdout.split('\n').slice(0, 8)).toEqual([
        '/some/where',
        'bin',
        'dev',
        'proc',
        'some',
        'sys',
        'tmp',
        '/dev/null',
      ]);
      expect(machine.stdout).toMatch(/\nx\ndrwxrwxrwt\n$/);
      expect(readdirSync(root)).toEqual(['bin']);
    }));

  it('takes the changes with --rw', () =>
    withFolder(async (root) => {
      mkdirSync(join(root, 'bin'));
      cpSync(busybox!, join(root, 'bin/busybox'));
      const script = 'echo written > /file; mkdir /dir; mv /file /dir; test -c /dev/null && echo devices';
      const r = await runRing3('/bin/busybox', ['sh', '-c', script], { ring3: ['--root', root, '--rw'] });
      expect(r).toEqual({ stdout: 'devices\n', stderr: '', status: 0 });
      expect(readFileSync(join(root, 'dir/file'), 'latin1')).toBe('written\n');
      expect(readdirSync(root).sort()).toEqual(['bin', 'dev', 'dir', 'proc', 'sys', 'tmp']);
      expect(readdirSync(join(root, 'dev'))).toEqual([]);
    }));
});

describe.skipIf(bash === null || !native)('dynamically linked programs', () => {
  it('run from copies of this machine’s files as they run on it', () =>
    withFolder(async (dir) => {
      const root = join(dir, 'root');
      fill(join(root, 'data'));
      addProgram(root, bash!);
      for (const name of PROGRAMS) addProgram(root, `/usr/bin/${name}`);
      if (!existsSync(join(root, 'bin'))) symlinkSync('usr/bin', join(root, 'bin'));
      cpSync(join(root, 'data'), join(dir, 'data'), {
        recursive: true,
        preserveTimestamps: true,
        verbatimSymlinks: true,
      });
      const before = tree(root);
      const scripts = [
        `rm sub/f1; ln f1 sub/f1; ${SCRIPT}`,
        `a=(3 1 2); for i in "\${a[@]}"; do echo $((i * i)); done | sort; [[ foo =~ ^f(o+)$ ]] && echo "\${BASH_REMATCH[1]}"; declare -A m=([x]=y); echo "\${m[x]}"`,
        `mawk 'BEGIN { for (i = 0; i < 5; i++) print i * 1.5, sin(i), substr("hello", i, 2) } { n[$1]++ } END { for (k in n) print k, n[k] }' f1 f2 f3`,
        `perl -e '%h = (a => 1, b => 2); print sort(keys %h), "\\n"; $_ = "foobar"; s/o+/0/g; print; print 10 / 3, "\\n"; open F, ">new" or die; print F "x" x 100000; close F; print -s "new"; rename "new", "sub/n"; fork or exit 3; wait; print $? >> 8, "\\n"; print \`ls sub\`'`,
        `grep -rn 'e [23]' . | sort; find . -name 'f*' -printf '%p %s %m %y\\n' | sort; ls --nosuch; echo $?; cat nosuch`,
      ];
      for (const script of scripts) {
        const env = { LC_ALL: 'C', PATH: '/usr/bin' };
        const copy = join(dir, 'copy');
        await runNative('/usr/bin/rm', ['-rf', copy]);
        cpSync(join(dir, 'data'), copy, {
          recursive: true,
          preserveTimestamps: true,
          verbatimSymlinks: true,
        });
        const there = await runNative(bash!, ['-c', script], { cwd: copy, env });
        const here = await runRing3(bash!, ['-c', script], { cwd: '/data', env, ring3: ['--root', root] });
        expect(here, script).toEqual(there);
      }
      expect(tree(root)).toEqual(before);
    }));
});
