/**
 * ZLMediaKit's MediaServer, when RING3_ZLM names the folder of a native build of it (MediaServer and its default.pem):
 * its help, its foreground, and as a daemon of a shell, streaming from one ffmpeg of the host to others.
 * RING3_ZLM_SECONDS: how long it streams (30; memory and open files are held against each other from its first third on).
 */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Machine, type BootOptions } from '../../src/index.ts';
import { addProgram } from '../support/root-folder.ts';
import { hostTool, runNative, runRing3, withFolder } from '../support/run.ts';
import { ScriptedTerminal } from '../support/terminal.ts';

const folder = process.env['RING3_ZLM'];
const program = folder ? join(folder, 'MediaServer') : '';
const there = program !== '' && existsSync(program);
if (!there)
  console.log(
    `Left out: ZLMediaKit's MediaServer: ${folder ? `${program} is missing` : 'RING3_ZLM names no folder that has it'}`,
  );
const busybox = there ? hostTool('/usr/bin/busybox', 'busybox-static', 'MediaServer as a daemon') : null;
const ffmpeg = there ? hostTool('/usr/bin/ffmpeg', 'ffmpeg', 'streams to and from MediaServer') : null;
const SECONDS = Number(process.env['RING3_ZLM_SECONDS'] ?? 30);
const SECRET = 'a-secret-for-the-test-of-the-api';

const CONFIG = `[api]\nsecret=${SECRET}\n[http]\nport=8080\nsslport=8443\n[rtmp]\nport=1935\n[rtsp]\nport=8554\nsslport=0\n`;
const PORTS = { http: 8080, https: 8443, rtmp: 1935, rtsp: 8554 };

/** A root file system with the server at its own path, busybox as a shell, and a configuration. */
function fill(root: string): void {
  addProgram(root, program);
  copyFileSync(join(folder!, 'default.pem'), join(root, folder!, 'default.pem'));
  mkdirSync(join(root, 'bin'), { recursive: true });
  if (busybox) {
    copyFileSync(busybox, join(root, 'bin/busybox'));
    for (const applet of ['sh', 'ls', 'ps', 'cat', 'grep', 'wc', 'kill', 'sleep'])
      if (!existsSync(join(root, 'bin', applet))) symlinkSync('/bin/busybox', join(root, 'bin', applet));
  }
  mkdirSync(join(root, 'srv'));
  writeFileSync(join(root, 'srv/config.ini'), CONFIG);
}

const bootOptions = (root: string): BootOptions => ({
  root,
  program,
  argv: [program, '-c', '/srv/config.ini', '--log-dir', '/srv/log/'],
  cwd: '/srv',
  cpus: 2,
  publish: Object.values(PORTS).map((guestPort) => ({ hostPort: 0, guestPort })),
});
type Ports = typeof PORTS;
const portsOf = (machine: Machine): Ports =>
  Object.fromEntries(Object.keys(PORTS).map((name, i) => [name, machine.ports[i]])) as Ports;

const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

async function api(ports: Ports, call: string, more = ''): Promise<Record<string, unknown>> {
  const r = await fetch(`http://127.0.0.1:${ports.http}/index/api/${call}?secret=${SECRET}${more}`);
  expect(r.status).toBe(200);
  return (await r.json()) as Record<string, unknown>;
}
/** The listener comes before the API does. */
async function answering(ports: Ports): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      await api(ports, 'getThreadsLoad');
      return;
    } catch (e) {
      if (i > 300) throw e;
      await sleep(100);
    }
  }
}

/** A player that asks for the stream, or does not, and goes away in one of the ways there are. */
function leave(ports: Ports, n: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(ports.http, '127.0.0.1', () => {
      if (n % 5 > 0) socket.write('GET /live/test.live.flv HTTP/1.1\r\nHost: ring3\r\n\r\n');
      setTimeout(() => (n % 2 ? socket.resetAndDestroy() : socket.destroy()), n * 10);
    });
    socket.on('data', () => undefined);
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });
}

function run(args: string[]): Promise<void> {
  const child = spawn(ffmpeg!, ['-nostdin', '-v', 'error', '-y', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.on('data', (b: Buffer) => (text += b.toString()));
  return new Promise((resolve, reject) =>
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`ffmpeg ${args.join(' ')}: ${text}`)),
    ),
  );
}
/** Hashes of a stream's packets as they are: pictures without what players add to them, sound. */
const HASHES = (to: string): string[] => [
  ...[
    '-map',
    '0:v',
    '-c',
    'copy',
    '-bsf:v',
    'h264_mp4toannexb,filter_units=pass_types=1|5',
    '-f',
    'framemd5',
    `${to}.v`,
  ],
  ...['-map', '0:a', '-c', 'copy', '-f', 'framemd5', `${to}.a`],
];
function hashes(file: string): string[] {
  const lines = readFileSync(file, 'latin1').split('\n');
  return lines.filter((l) => /^\d/.test(l)).map((l) => l.split(',')[5].trim());
}
/** How many packets of a stream came, when they are those that were sent, without a gap; what is wrong otherwise. */
function gapless(sent: readonly string[], got: readonly string[]): number | string {
  // The clip may be sent round and round.
  const from = sent.indexOf(got[0]);
  if (from < 0) return 'starts with a packet nobody sent';
  const at = got.findIndex((hash, i) => hash !== sent[(from + i) % sent.length]);
  return at < 0 ? got.length : `packet ${at} of ${got.length} is not what follows the one before it`;
}

describe.skipIf(!there)('MediaServer', () => {
  it('-h prints what it prints natively', () =>
    withFolder(async (root) => {
      fill(root);
      const native = await runNative(program, ['-h']);
      const here = await runRing3(program, ['-h'], {
        ring3: ['--root', root, '--cpus', String(availableParallelism())],
      });
      // Its log has the time and the process id in each line.
      const still = (text: string): string => text.replace(/\d{4}-\d\d-\d\d [\d:.]+|\[\d+-/g, '');
      expect({ ...here, stdout: still(here.stdout) }).toEqual({ ...native, stdout: still(native.stdout) });
      expect(here.stdout).toContain('--daemon');
    }));

  it('in the foreground answers its HTTP API, over TLS too, and ends cleanly', () =>
    withFolder(async (root) => {
      fill(root);
      const machine = await Machine.boot(bootOptions(root));
      const over = machine.run();
      const ports = portsOf(machine);
      await answering(ports);
      const config = (await api(ports, 'getServerConfig')) as { data: Record<string, string>[] };
      expect(config.data[0]['rtsp.port']).toBe('8554');
      expect(await api(ports, 'getMediaList')).toMatchObject({ code: 0 });
      expect(await api(ports, 'getThreadsLoad')).toMatchObject({ code: 0, data: [{}, {}] });
      expect(await api(ports, 'getAllSession')).toMatchObject({ code: 0 });
      expect(await api(ports, 'nosuch').catch(() => 'refused')).toBe('refused');
      const wrong = await fetch(`http://127.0.0.1:${ports.http}/index/api/getMediaList?secret=wrong`);
      expect(await wrong.json()).toMatchObject({ code: -100 });
      const tls = await runNative('/usr/bin/openssl', ['s_client', '-connect', `127.0.0.1:${ports.https}`], {
        stdin: `GET /index/api/version?secret=${SECRET} HTTP/1.0\r\n\r\n`,
      });
      expect(tls.stdout).toMatch(/Cipher is TLS_/);
      machine.kill('SIGINT');
      expect(await over).toMatchObject({ code: 0 });
      machine.dispose();
    }));
});

describe.skipIf(!there || !busybox || !ffmpeg)('MediaServer -d & in a shell', () => {
  it(
    `passes RTMP on as RTSP and HTTP-FLV without loss for ${SECONDS} s, and does not grow`,
    () =>
      withFolder(async (dir) => {
        const root = join(dir, 'root');
        fill(root);
        const clip = join(dir, 'clip.flv');
        await run([
          ...[
            '-f',
            'lavfi',
            '-i',
            'testsrc2=size=320x240:rate=25',
            '-f',
            'lavfi',
            '-i',
            'sine=frequency=440:beep_factor=4',
          ],
          ...['-t', '60', '-c:v', 'libx264', '-preset', 'ultrafast', '-b:v', '500k', '-g', '25', '-bf', '0'],
          ...['-pix_fmt', 'yuv420p', '-c:a', 'aac', clip],
        ]);
        await run(['-i', clip, ...HASHES(join(dir, 'sent'))]);

        const terminal = new ScriptedTerminal();
        const machine = await Machine.boot({
          ...bootOptions(root),
          program: '/bin/busybox',
          argv: ['sh'],
          env: { PS1: 'ring3> ', PATH: `${folder!}:/bin`, TERM: 'vt100' },
          terminal,
        });
        const over = machine.run();
        const ports = portsOf(machine);
        const line = async (text: string): Promise<string> => {
          const at = terminal.screen.length;
          terminal.type(`${text}\recho "[done]"\r`);
          await terminal.until('\n[done]');
          return terminal.screen.slice(at);
        };
        await terminal.until('ring3> ');
        await line('MediaServer -d -c /srv/config.ini --log-dir /srv/log/ > /srv/out 2>&1 &');
        await answering(ports);
        // The watchdog that was typed, and the server it started.
        const pids = [...(await line('ps')).matchAll(/(\d+) \S+ +MediaServer -d/g)].map((m) => m[1]);
        expect(pids).toHaveLength(2);
        const server = pids[1];
        expect(await line('ls /srv')).toMatch(/config\.ini/);
        const state = async (): Promise<{ fds: number; kB: number }> => {
          const text = await line(`ls /proc/${server}/fd | wc -l; grep VmRSS /proc/${server}/status`);
          return { fds: Number(/\n(\d+)\r/.exec(text)![1]), kB: Number(/VmRSS:\s+(\d+)/.exec(text)![1]) };
        };

        const publisher = spawn(
          ffmpeg!,
          ['-nostdin', '-v', 'error', '-re', '-stream_loop', '-1', '-i', clip, '-c', 'copy', '-f', 'flv', `rtmp://127.0.0.1:${ports.rtmp}/live/test`],
          { stdio: 'ignore' },
        ); // prettier-ignore
        try {
          const which = '&vhost=__defaultVhost__&app=live&stream=test&schema=';
          for (const schema of ['rtsp', 'rtmp'])
            while ((await api(ports, 'isMediaOnline', which + schema))['online'] !== true) await sleep(200);
          const pull = (url: string, name: string, options: string[] = []): Promise<void> =>
            run([...options, '-t', String(SECONDS), '-i', url, ...HASHES(join(dir, name))]);
          const pulls = Promise.all([
            pull(`rtsp://127.0.0.1:${ports.rtsp}/live/test`, 'rtsp', ['-rtsp_transport', 'tcp']),
            pull(`http://127.0.0.1:${ports.http}/live/test.live.flv`, 'flv'),
          ]);
          pulls.catch(() => undefined);
          await sleep((SECONDS / 3) * 1000);
          const early = await state();
          await sleep((SECONDS / 2) * 1000);
          const late = await state();
          await pulls;
          console.log(`MediaServer ${SECONDS / 3} s after its first player: ${JSON.stringify(early)}, ${SECONDS / 2} s later: ${JSON.stringify(late)}`); // prettier-ignore
          expect(late.fds).toBeLessThanOrEqual(early.fds + 2); // a file of HLS may be open
          expect(late.kB).toBeLessThan(early.kB * 1.1 + 1024);
          // Players that are gone, some before they were answered, leave nothing behind.
          await Promise.all(Array.from({ length: 50 }, (_, i) => leave(ports, i)));
          for (let i = 0; i < 200 && (await state()).fds > late.fds; i++) await sleep(500);
          expect((await state()).fds).toBeLessThanOrEqual(late.fds + 1);
        } finally {
          publisher.kill('SIGKILL');
        }
        for (const name of ['rtsp', 'flv'])
          for (const [kind, least] of [['v', 25], ['a', 43]] as const) {
            const n = gapless(hashes(join(dir, `sent.${kind}`)), hashes(join(dir, `${name}.${kind}`)));
            expect(n, `${name}.${kind}`).toBeGreaterThanOrEqual(Math.floor(least * (SECONDS - 1)));
          } // prettier-ignore
        await line(`kill -INT %1`);
        while ((await line('ps')).includes('MediaServer -d')) await sleep(200);
        terminal.type('exit 3\r');
        expect(await over).toMatchObject({ code: 3 });
        machine.dispose();
      }),
    SECONDS * 1000 + 180_000,
  );
});
