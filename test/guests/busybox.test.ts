/** Debian's static busybox: applets and shell scripts, held against the same binary run natively. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Machine } from '../../src/index.ts';
import { nativeReason } from '../support/guests.ts';
import { arm64Tool, hostTool, runNative, runRing3, withFolder } from '../support/run.ts';
import { ScriptedTerminal } from '../support/terminal.ts';

const busybox = hostTool('/usr/bin/busybox', 'busybox-static', 'busybox applets and shell scripts');
/** Debian's own for arm64: what it prints, the x86_64 one prints too. */
const arm64 = arm64Tool('bin/busybox', "Debian's aarch64 busybox");
const ARCHES = [
  { arch: 'x86_64', program: busybox, options: [] },
  { arch: 'aarch64', program: arm64, options: ['-v', `${arm64}:/usr/bin/busybox:ro`] },
].filter((a): a is { arch: string; program: string; options: string[] } => a.program !== null);
/** Applets only: where busybox lacks one, no program of the host stands in. */
const ENV = { PATH: '/nowhere' };
const here = busybox !== null && nativeReason() === null;

/** Text and binary files in a folder both sides see under the same name. */
function fill(dir: string): void {
  const words = 'the quick brown fox jumps over the lazy dog while seven zebras vex a mild wizard'.split(' ');
  let text = '';
  let x = 12345;
  for (let i = 0; i < 2000; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    text += words[(x >>> 16) % words.length] + (i % 9 === 8 ? '\n' : ' ');
  }
  writeFileSync(join(dir, 'text'), text + '\n');
  const bytes = new Uint8Array(100_000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * i) >>> 7;
  writeFileSync(join(dir, 'binary'), bytes);
  writeFileSync(
    join(dir, 'table'),
    Array.from({ length: 200 }, (_, i) => `${(i * 7919) % 1000} name${i % 13} ${i * i}`).join('\n') + '\n',
  );
  mkdirSync(join(dir, 'tree/a/b/c'), { recursive: true });
  mkdirSync(join(dir, 'tree/d'));
  for (const f of [
    'tree/one.txt',
    'tree/a/two.c',
    'tree/a/b/three.txt',
    'tree/a/b/c/four.h',
    'tree/d/five.txt',
  ]) {
    writeFileSync(join(dir, f), `content of ${f}\n`.repeat(20));
  }
  mkdirSync(join(dir, 'out'));
}

const APPLETS: readonly [string, string][] = [
  [
    'sha256sum, md5sum, sha1sum, sha512sum',
    'sha256sum text binary; md5sum text; sha1sum binary; sha512sum text',
  ],
  [
    'gzip round trip',
    'gzip -c binary > out/b.gz && gunzip -c out/b.gz | cmp - binary && echo same; gzip -c text | wc -c; gzip -l out/b.gz | tail -1 | awk "{print \\$2}"',
  ],
  [
    'bzip2 and xz round trips',
    'bzip2 -c text > out/t.bz2 && bunzip2 -c out/t.bz2 | sha1sum; wc -c < out/t.bz2',
  ],
  [
    'sort',
    'sort text | sha1sum; sort -n table | head -5; sort -k2,2 -k1,1nr table | tail -3; sort -u -k2,2 table | wc -l; tr " " "\\n" < text | sort | uniq -c | sort -rn | head -4',
  ],
  [
    'awk',
    `awk '{ n += NF; for (i = 1; i <= NF; i++) c[$i]++ } END { print NR, n; for (w in c) if (c[w] > 130) print w, c[w] }' text | sort; awk 'BEGIN { printf "%.6f %d %s %e\\n", atan2(1, 1) * 4, 2 ^ 31, substr("hello", 2, 3), 1 / 3; print sin(1), cos(1), exp(1), log(10), sqrt(2), int(-3.7) }'; awk '{ s += $3 } $1 % 2 { odd++ } END { print s, odd, s / NR }' table`,
  ],
  [
    'sed',
    `sed -n '3,5p;s/quick/SLOW/gp' text | head -8; sed -e 's/\\([a-z]*\\) \\([a-z]*\\)/\\2 \\1/' -e '2,$d' text; sed -n '$=' text; sed 'y/abc/xyz/;/fox/!d' text | sha1sum; sed -i 's/name/NAME/' out/../table && head -2 table`,
  ],
  [
    'find',
    'find tree | sort; find tree -name "*.txt" -type f | sort; find tree -type d -exec echo dir {} \\; | sort; find tree -size +0c -newer tree/one.txt | wc -l >/dev/null; find tree -name "*.c" -print0 | xargs -0 cat | head -1',
  ],
  [
    'tar round trip',
    'tar cf out/t.tar tree && tar tf out/t.tar | sort && mkdir out/x && tar xf out/t.tar -C out/x && (cd tree && find . -type f | sort | xargs sha1sum) > out/1 && (cd out/x/tree && find . -type f | sort | xargs sha1sum) > out/2 && cmp out/1 out/2 && echo same; gzip -c out/t.tar | tar tzf - | wc -l',
  ],
  [
    'cpio, ar, uuencode, base64',
    'find tree -type f | sort | cpio -o -H newc 2>/dev/null | cpio -t 2>/dev/null; base64 binary | sha1sum; base64 text | base64 -d | cmp - text && echo same; uuencode text name | uudecode -o out/u && cmp out/u text && echo same',
  ],
  [
    'text tools',
    'cut -d" " -f2,4 text | head -3; paste table table | head -2; tr a-z A-Z < text | head -2; rev text | head -1; tac text | head -1; nl table | tail -1; fold -w 30 text | head -3; wc text; head -c 20 binary | od -A d -t x1; hexdump -C binary | sed -n 3,4p; expand -t 4 text | cksum; comm -12 tree/one.txt tree/one.txt | wc -l; split -l 50 table out/part && ls out',
  ],
  [
    'grep',
    'grep -c fox text; grep -n "^the" text | head -3; grep -E "(qu|br)[a-z]+" -o text | sort | uniq -c; grep -rl three tree | sort; grep -v e table | head -2; grep -i -w FOX text | wc -l; grep nothing text; echo $?',
  ],
  [
    'diff and patch',
    'sed "s/fox/cat/" text > out/t2; diff text out/t2 | head -6; diff -u text out/t2 > out/p; cp text out/t3; patch out/t3 out/p; cmp out/t3 out/t2 && echo patched',
  ],
  [
    'file operations',
    'cd out && cp -r ../tree . && mv tree t2 && ln -s t2 link && ls -lR t2 | awk "{print \\$1, \\$5, \\$NF}" | grep -v total; readlink link; ln t2/one.txt hard; stat -c "%s %h %F %a" hard t2 link; chmod 640 hard; stat -c %a hard; du -a t2 | wc -l; touch -d "2001-02-03 04:05:06" hard; date -u -r hard; rm -r t2; ls; dd if=../binary of=part bs=1000 skip=3 count=5 2>/dev/null; sha1sum part; truncate -s 10 part; wc -c part; mkdir -p a/b/c && rmdir -p a/b/c && ls -d a; echo $?',
  ],
  [
    'arithmetic and dates',
    'expr 6 \\* 7; seq 1 3 20 | xargs; factor 1234567890; echo "2^100; 355/113; scale=20; 355/113; sqrt(2)" | bc; date -u -d @1000000000 "+%Y-%m-%d %H:%M:%S %j %a"; cal 2 2024 | head -4; echo "5 3 + 2 * p" | dc; printf "%s %5d %.3f\\n" x 42 2.5',
  ],
  [
    'sums and codes',
    'cksum text; crc32 binary 2>/dev/null; sum text; cat text text | sha3sum | cut -c1-20; yes abc | head -1000 | md5sum; od -c text | head -2',
  ],
  [
    'environment and processes',
    'A=1 env | grep ^A; env -i B=2 /usr/bin/busybox env; nice -n 5 nice; true; echo $?; false; echo $?; basename /a/b.c .c; dirname /a/b; which sh >/dev/null; sleep 0.01; timeout 1 sleep 5; echo $?; time -f x true 2>&1 | wc -l; id -u; hostname >/dev/null; uname -s; nohup echo hi 2>/dev/null; ps >/dev/null && echo ps',
  ],
];

const SCRIPTS: readonly [string, string][] = [
  [
    'pipes',
    'i=0; while [ $i -lt 50 ]; do echo $i; i=$((i+1)); done | grep 7 | sort -rn | tr "\\n" " "; echo; seq 1 1000 | awk "{s+=\\$1} END {print s}"; yes | head -5 | cat -n; echo a b c | { read x y; echo "$y $x"; }; cat text | cat | cat | cat | cat | sha1sum',
  ],
  [
    'subshells',
    '(cd tree; pwd | sed "s/.*\\///"; exit 3); echo $?; x=1; (x=2; echo $x); echo $x; y=$(echo $(echo nested $(echo deep))); echo "$y"; { echo group; x=5; }; echo $x; (exit 200); echo $?; echo "$( (echo a; echo b) | wc -l)"',
  ],
  [
    'background jobs',
    'for i in 3 1 2; do (sleep 0.0$i; exit $i) & done; wait; echo all; sleep 0.2 & p=$!; kill $p; wait $p; echo "killed $?"; (exit 7) & wait $!; echo $?; { sleep 0.05; echo late; } & echo early; wait; sleep 5 & kill -9 $!; wait $! 2>/dev/null; echo $?',
  ],
  [
    'traps',
    'trap "echo exiting" EXIT; trap "echo usr1" USR1; trap "echo term" TERM; kill -USR1 $$; kill -TERM $$; trap "" INT; kill -INT $$; echo survived; trap - USR1; (trap "echo child; exit 4" HUP; sleep 5 & kill -HUP $(exec sh -c "echo \\$PPID"); wait); echo $?; exit 9',
  ],
  [
    'here-documents',
    'cat <<A <<B\nfirst\nA\nsecond $((1+1))\nB\ncat <<"Q"\n$HOME `date`\nQ\ncat <<-T\n\t\ttabs\n\tT\nwhile read l; do echo "<$l>"; done <<E\none\n two\nE\nbig=$(cat text); cat <<E | sha1sum\n$big$big$big\nE',
  ],
  [
    'functions, loops, case',
    'f() { local a=$1; shift; [ $# -gt 0 ] && f "$@"; echo "$a"; }; f 1 2 3; for w in x "y z" *.none; do echo "[$w]"; done; case hello in h*o) echo match;; *) echo no;; esac; n=10; until [ $n -le 7 ]; do n=$((n-1)); [ $n -eq 8 ] && continue; echo $n; done; set -- a b c; echo $# $2 "$*"; IFS=,; set -- $(echo 1,2,3); echo $3; unset IFS; eval "v=eval"; echo $v; test -d tree -a -f text && echo both',
  ],
  [
    'expansions',
    'p=/a/b/c.tar.gz; echo ${p##*/} ${p%.*} ${#p} ${p#*/}; echo ${nope:-default} ${nope:+set} $((0x10+010)) $((7/2)) $((1<2?3:4)); u="a  b"; echo $u "$u"; echo tree/*.txt tree/[ad]; echo ~ | head -c 1; echo; printf "%d %x %05.1f %s\\n" 10 255 3.14159 end; echo "${p/b/B}" "${p:3:3}"; set -u; (echo $undefined) 2>/dev/null || echo unset',
  ],
  [
    'redirections',
    'echo out > out/f; echo more >> out/f; cat < out/f; exec 5> out/g; echo five >&5; exec 5>&-; cat out/g; ls missing 2>&1 | wc -l; { echo e >&2; echo o; } 2>/dev/null; exec 6<text; read a <&6; read b <&6; echo "$a" | wc -w; : > out/empty; wc -c < out/empty; echo x | tee out/t1 out/t2; cat out/t1 out/t2; set -C; (echo y > out/f) 2>/dev/null || echo kept',
  ],
  [
    'exec and exit',
    'sh -c "exit 3"; echo $?; sh -c "kill -TERM \\$\\$"; echo $?; sh -c "kill -SEGV \\$\\$"; echo $?; nosuchcommand 2>/dev/null; echo $?; ./text 2>/dev/null; echo $?; (exec echo replaced); exec sh -c "echo last; exit 42"',
  ],
];

describe.skipIf(!here).each(ARCHES)('busybox applets, $arch', (target) => {
  it.each(APPLETS)('%s', async (_name, script) => {
    // Each side gets a folder of its own at the same path: one after the other.
    const results = await both(script, target);
    expect(results.ring3.stdout).toBe(results.native.stdout);
    expect(results.ring3.status).toBe(results.native.status);
    expect(results.native.stdout.length).toBeGreaterThan(4);
  });
});

describe.skipIf(!here).each(ARCHES)('busybox sh, $arch', (target) => {
  it.each(SCRIPTS)('%s', async (_name, script) => {
    const results = await both(script, target);
    expect(results.ring3.stdout).toBe(results.native.stdout);
    expect(results.ring3.stderr).toBe(results.native.stderr);
    expect(results.ring3.status).toBe(results.native.status);
    expect(results.native.stdout.length).toBeGreaterThan(10);
  });

  it('reads a script from standard input', async () => {
    const options = {
      stdin: 'x=4\necho $((x * 10 + 2))\nfor i in 1 2; do\necho $i\ndone\nexit 6\n',
      env: ENV,
    };
    const native = await runNative(busybox!, ['sh'], options);
    expect(await runRing3(target.program, ['sh'], options)).toEqual(native);
    expect(native).toMatchObject({ stdout: '42\n1\n2\n', status: 6 });
  });
});

/** Runs a script in a filled folder named `work` below / on both sides. */
async function both(script: string, target: (typeof ARCHES)[number]) {
  const options = (dir: string) => ({ cwd: dir, timeout: 90_000, env: ENV });
  const native = await withFolder(async (dir) => {
    fill(dir);
    return runNative(busybox!, ['sh', '-c', script], options(dir));
  });
  const ring3 = await withFolder(async (dir) => {
    fill(dir);
    const ring3 = ['-v', `${dir}:${dir}`, ...target.options];
    return runRing3(target.program, ['sh', '-c', script], { ...options(dir), ring3 });
  });
  return { native, ring3 };
}

describe.each(ARCHES)('busybox in a terminal and on the network, $arch', ({ program }) => {
  it('vi edits a file through a pty', async () => {
    const terminal = new ScriptedTerminal();
    const machine = await Machine.boot({
      program,
      argv: ['busybox', 'vi', '/file'],
      env: { TERM: 'vt100' },
      files: { '/file': 'first line\nsecond line\nthird line\n' },
      terminal,
    });
    const run = machine.run();
    await terminal.until('third line');
    terminal.type('jdd'); // delete the second line
    terminal.type('Gonew last line\x1b');
    await terminal.until('new last line');
    terminal.type(':s/last/LAST/\r');
    terminal.type(':wq\r');
    const status = await run;
    expect(status.code).toBe(0);
    expect(machine.readText('/file')).toBe('first line\nthird line\nnew LAST line\n');
    machine.dispose();
  });

  it('sh edits its command line, and ^C and ^D work', async () => {
    const terminal = new ScriptedTerminal();
    const machine = await Machine.boot({
      program,
      argv: ['sh'],
      env: { PS1: 'ring3> ', TERM: 'vt100' },
      terminal,
    });
    const run = machine.run();
    await terminal.until('ring3> ');
    terminal.type('echo hullo\x1b[D\x1b[D\x1b[D\x7fe\r'); // left three times, backspace, e
    await terminal.until('\nhello');
    terminal.type('sleep 100\r');
    const asleep = (): boolean => machine.tasks.some((t) => t.name === 'sleep' && t.state === 'parked');
    while (!asleep()) await new Promise((r) => setTimeout(r, 5));
    terminal.type('\x03');
    await terminal.until('ring3> ');
    terminal.type('echo status $?\r');
    await terminal.until('\nstatus 130');
    terminal.type('\x1b[A\x1b[A\x1b[A\r'); // history: the echo again
    await terminal.until('\nhello');
    terminal.type('exit 5\r');
    expect((await run).code).toBe(5);
    machine.dispose();
  });

  it('httpd answers a client through a published port', async () => {
    await withFolder(async (dir) => {
      writeFileSync(join(dir, 'index.html'), '<h1>served from ring3</h1>\n');
      const big = Buffer.alloc(300_000, 'abcdefghij');
      writeFileSync(join(dir, 'big'), big);
      const machine = await Machine.boot({
        program,
        argv: ['busybox', 'httpd', '-f', '-p', '80', '-h', '/www'],
        mounts: [{ host: dir, guest: '/www', readOnly: true }],
        publish: [{ hostPort: 0, guestPort: 80 }],
      });
      const run = machine.run().catch(() => undefined);
      const base = `http://127.0.0.1:${machine.ports[0]}`;
      const page = await fetch(`${base}/index.html`);
      expect(page.status).toBe(200);
      expect(await page.text()).toBe('<h1>served from ring3</h1>\n');
      expect((await fetch(`${base}/missing`)).status).toBe(404);
      const bodies = await Promise.all(
        Array.from({ length: 8 }, async () => Buffer.from(await (await fetch(`${base}/big`)).arrayBuffer())),
      );
      for (const body of bodies) expect(body.equals(big)).toBe(true);
      // A client that goes away in the middle does no harm.
      await new Promise<void>((resolve) => {
        const s = connect(machine.ports[0], '127.0.0.1', () => {
          s.write('GET /big HTTP/1.0\r\n\r\n');
          s.once('data', () => s.destroy());
        });
        s.on('close', () => resolve());
      });
      expect((await fetch(`${base}/index.html`)).status).toBe(200);
      machine.stop();
      await run;
      machine.dispose();
    });
  });

  it('sees no host file but its own, and a mount only read-only', async () => {
    await withFolder(async (dir) => {
      writeFileSync(join(dir, 'seen'), 'seen\n');
      const script =
        'cat /etc/passwd /root/.bashrc; ls /work; cat /m/seen; echo x > /m/new; ls /m/../../m; cat /m/../etc/hostname; ln -s /etc/passwd /tmp/p; cat /tmp/p';
      const r = await runRing3(program, ['sh', '-c', script], { ring3: ['-v', `${dir}:/m:ro`] });
      expect(r.stdout).toContain('seen\n');
      expect(r.stdout).not.toContain('root:x:0:0:root:/root:/bin/bash');
      expect(r.stderr).toContain('Read-only file system');
      expect(() => readFileSync(join(dir, 'new'))).toThrow();
    });
  });
});
