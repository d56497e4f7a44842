/** The host's side fails: a mounted folder goes away or is another, its disk is full, standard streams break. As natively. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestPath, nativeReason } from '../support/guests.ts';
import { CLI, hostTool, withFolder } from '../support/run.ts';

const busybox = hostTool('/usr/bin/busybox', 'busybox-static', 'a mounted folder that goes away');
const diskFull = guestPath('disk-full');
const here = process.platform === 'linux';
const mayMount =
  here &&
  nativeReason() === null &&
  spawnSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs tmpfs /mnt']).status === 0;
if (!mayMount) console.log('Left out: failing folders and full disks natively: no leave to mount here');

/** A shell that is told what to do line by line, and what the host does in between. */
async function session(program: string, args: readonly string[], steps: readonly Step[], top: string) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
  let heard = (): void => undefined;
  let out = '';
  let over = false;
  child.stdout.on('data', (d: Buffer) => {
    out += d.toString('latin1');
    heard();
  });
  child.on('close', () => {
    over = true;
    heard();
  });
  child.stdin.on('error', () => undefined);
  let transcript = '';
  for (const step of steps) {
    if ('host' in step) {
      execFileSync('sh', ['-c', step.host], { cwd: top });
      transcript += `host: ${step.host}\n`;
      continue;
    }
    out = '';
    child.stdin.write(`${step.guest}\necho '#'\n`);
    while (!out.endsWith('#\n') && !over) await new Promise<void>((resolve) => (heard = resolve));
    transcript += `guest: ${step.guest}\n${out}`;
  }
  child.stdin.end();
  while (!over) await new Promise<void>((resolve) => (heard = resolve));
  return transcript.replaceAll(top, 'TOP');
}

type Step = { readonly guest: string } | { readonly host: string };
const guest = (...lines: string[]): Step[] => lines.map((line) => ({ guest: line }));
const host = (...lines: string[]): Step[] => lines.map((line) => ({ host: line }));

async function both(
  steps: (m: string) => readonly Step[],
): Promise<{ ring3: string; native: string | null }> {
  const one = (native: boolean): Promise<string> =>
    withFolder(async (top) => {
      const [d, m] = [join(top, 'D'), join(top, 'M')];
      mkdirSync(join(d, 'sub'), { recursive: true });
      mkdirSync(m);
      writeFileSync(join(d, 'f'), 'one\n');
      writeFileSync(join(d, 'sub/f2'), 'two\n');
      const shell = `exec env -i PATH=/nowhere ${busybox!} sh 2>&1`;
      const run = ['run', '-e', 'PATH=/nowhere', '-w', '/', '-v', `${d}:${m}`, busybox!, 'sh', '-c'];
      return native
        ? session(
            '/usr/bin/unshare',
            ['-m', 'sh', '-c', `mount --bind '${d}' '${m}' && ${shell}`],
            steps(m),
            top,
          )
        : session(process.execPath, [CLI, ...run, `exec ${busybox!} sh 2>&1`], steps(m), top);
    });
  return { ring3: await one(false), native: mayMount ? await one(true) : null };
}

describe.skipIf(!here || busybox === null)('a mounted folder', () => {
  it('is gone, and another has its name', async () => {
    const { ring3, native } = await both((m) => [
      ...guest(`exec 3<${m}/f 4>>${m}/log; cd ${m}/sub; ls ..`),
      ...host('rm -rf D'),
      ...guest(`cat <&3`, `echo x >&4; echo $?`, `ls -a ${m}; echo $?`, `cat ${m}/f`, `echo new > ${m}/new`),
      ...guest(`mkdir ${m}/d`, `ls -a .; echo $?`, `cat f2`, `echo y > z`, `stat -c '%h %F' ${m}`),
      ...guest(`${busybox!} pwd; cd ..; echo $?; ${busybox!} pwd`, `ls ${m}/../M/sub`, `mv ${m}/f ${m}/g`),
      ...guest(`rm ${m}/f`, `df ${m} >/dev/null; echo $?`, `touch ${m}; echo $?`, `chmod 700 ${m}; echo $?`),
      ...host('mkdir D; echo again > D/f'),
      ...guest(`cat ${m}/f`, `ls -a ${m}`, `echo k > ${m}/k`, `cd ${m}; echo $?; ls; echo fine`),
    ]);
    expect(ring3).toContain("guest: cat TOP/M/f\ncat: can't open 'TOP/M/f': No such file or directory\n");
    expect(ring3).toMatch(/fine\n#\n$/);
    if (native !== null) expect(ring3).toBe(native);
  });

  it('is renamed and replaced, and so is what is in it', async () => {
    const { ring3, native } = await both((m) => [
      ...guest(`exec 3<${m}/f 4>>${m}/log; cd ${m}/sub; ls ..`),
      ...host('mv D E; mkdir D; echo new > D/f; mkdir D/sub; echo other > D/sub/f2'),
      ...guest(`cat <&3`, `cat ${m}/f`, `cat f2`, `echo a > ${m}/made; ls ${m}`, `ls ..`),
      ...host('mv E/sub E/bus; mkdir E/sub; echo third > E/sub/f2; mv E/f E/g; echo newf > E/f'),
      ...guest(`cat f2`, `ls . ${m}/sub`, `cat ${m}/sub/f2`, `cat ${m}/f ${m}/g`),
      ...guest(`cd ../sub; cat f2`, `cat <&3; echo z >> ${m}/f; cat ${m}/f`),
      ...host('rm E/f; mkdir E/f; rm -r E/sub; echo file > E/sub; mkfifo E/p; ln -s g E/l'),
      ...guest(`cat ${m}/f`, `ls ${m}/sub`, `cat ${m}/sub`, `ls .`, `cat ${m}/f/x`, `cat ${m}/l`, `ls ${m}`),
    ]);
    expect(ring3).toContain('guest: cat TOP/M/sub/f2\nthird\n#\n');
    if (native !== null) expect(ring3).toBe(native);
  });

  // Root reads everything: somebody else must run ring3, from a place they can reach.
  const nobody = { uid: 65534, gid: 65534 };
  const asNobody =
    here &&
    process.getuid!() === 0 &&
    spawnSync(process.execPath, ['-e', '0'], { ...nobody, cwd: '/' }).status === 0;
  if (!asNobody)
    console.log('Left out: a mounted folder that may not be read: not root here, or Node is private');
  it.skipIf(!asNobody)('may not be read any more', async () => {
    const top = mkdtempSync(join(tmpdir(), 'ring3-test-'));
    try {
      const d = join(top, 'D');
      mkdirSync(join(d, 'sub'), { recursive: true });
      writeFileSync(join(d, 'f'), 'one\n');
      cpSync(dirname(CLI), join(top, 'dist'), { recursive: true });
      execFileSync('chown', ['-R', '65534:65534', top]);
      execFileSync('chmod', ['755', top]);
      const script = [
        'exec 3</m/f; read x; cat <&3; cat /m/f; ls /m; echo a > /m/a; mkdir /m/d; ls /m/sub; rm /m/f; echo fine; read x',
        'cat /m/f; echo b >> /m/f; chmod 600 /m/f; cat /m/f; ls /m',
      ].join('; ');
      const args = [
        join(top, 'dist/ring3.cjs'),
        'run',
        '-v',
        `${d}:/m`,
        busybox!,
        'sh',
        '-c',
        `exec 2>&1; echo ready; ${script}`,
      ];
      const child = spawn(process.execPath, args, {
        ...nobody,
        cwd: '/',
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let out = '';
      let heard = (): void => undefined;
      child.stdout.on('data', (b: Buffer) => {
        out += b.toString('latin1');
        heard();
      });
      const until = async (text: string): Promise<void> => {
        while (!out.includes(text)) await new Promise<void>((resolve) => (heard = resolve));
      };
      await until('ready\n');
      execFileSync('chmod', ['000', d]);
      child.stdin.write('go\n');
      await until('fine\n');
      execFileSync('chmod', ['755', d]);
      execFileSync('chmod', ['400', join(d, 'f')]);
      child.stdin.end('on\n');
      await new Promise((resolve) => child.once('close', resolve));
      expect(out).toBe(`ready
one
cat: can't open '/m/f': Permission denied
ls: can't open '/m': Permission denied
sh: can't create /m/a: Permission denied
mkdir: can't create directory '/m/d': Permission denied
ls: /m/sub: Permission denied
rm: can't stat '/m/f': Permission denied
fine
one
sh: can't create /m/f: Permission denied
one
f
sub
`);
    } finally {
      rmSync(top, { recursive: true });
    }
  });
});

it.skipIf(!mayMount || diskFull === null)('a disk fills up', async () => {
  const one = (command: string): Promise<string> =>
    withFolder((top) => {
      const script = `mount -t tmpfs -o size=256k,nr_inodes=20 tmpfs '${top}' && exec ${command.replace('TOP', top)}`;
      const r = spawnSync('/usr/bin/unshare', ['-m', 'sh', '-c', script], {
        encoding: 'latin1',
        timeout: 100_000,
      });
      expect(r.stderr).toBe('');
      return Promise.resolve(r.stdout);
    });
  const native = await one(`${diskFull!} 'TOP'`);
  expect(native).toContain('64 pages, then SIGBUS with code 2\n');
  expect(await one(`${process.execPath} ${CLI} run -v 'TOP:/m' ${diskFull!} /m`)).toBe(native);
});

describe.skipIf(!here || busybox === null)('standard streams', () => {
  const script = (what: string) => (program: string) => what.replaceAll('BB', program);
  it.each([
    ['nobody reads the output', script('{ BB yes; echo $? >&2; } | head -1')],
    [
      'nobody reads it and SIGPIPE is ignored',
      script(`{ BB sh -c 'trap "" PIPE; while echo x; do :; done; echo $? >&2'; } | head -1`),
    ],
    ['the output is full', script("BB sh -c 'echo hello; echo $? >&2' >/dev/full")],
    ['the output is open for reading', script("BB sh -c 'echo hello; echo $? >&2' 1</dev/null")],
    ['the input is a directory', script('BB cat </')],
    ['the input is open for writing', script('BB cat 0>/dev/null')],
    ['the input is open for both', script('cd $(mktemp -d) && echo text >f && BB cat 0<>f; rm -r $PWD')],
    ['the error output is full', script('BB sh -c "echo hello >&2; echo \\$?" 2>/dev/full')],
  ] as const)('%s', (_what, command) => {
    const shell = (program: string) => {
      const { stdout, stderr, status } = spawnSync('sh', ['-c', command(program)], {
        encoding: 'latin1', timeout: 100_000, stdio: ['ignore', 'pipe', 'pipe'],
      }); // prettier-ignore
      return { stdout, stderr, status };
    };
    const ring3 = shell(`${process.execPath} ${CLI} run ${busybox!}`);
    if (nativeReason() === null) expect(ring3).toEqual(shell(busybox!));
    else expect(ring3.status).not.toBe(null);
  });

  it('are closed: as /dev/null, which Node puts in their place', () => {
    const r = spawnSync(
      'sh',
      [
        '-c',
        `${process.execPath} ${CLI} run ${busybox!} sh -c 'cat && echo hello && echo bad >&2 && exit 5' <&- >&- 2>&-; echo $?`,
      ],
      { encoding: 'latin1', timeout: 100_000 },
    );
    expect(r.stdout).toBe('5\n');
  });
});
