#!/usr/bin/env node
// Starts a server, has a client of Debian's ask it REQUESTS times once it is warm, stops it, and prints what the client
// says: `rate N` and how many were answered. One command for each side, so that bench/run.mjs takes them in turn.
// Usage: node bench/serve.mjs SIDE nginx|nginx-one|redis|redis-inside REQUESTS [WARMUP]     (SIDE: native, qemu, or ring3's core)
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { debianRoot } from './debian.mjs';
import { CLI, nativeCommand, qemuOf } from './sides.mjs';

const ARCH = 'x86_64';
const root = debianRoot(ARCH);
/** Asked before it counts, so that what a side compiles is compiled. */
const WARM = { nginx: 60_000, 'nginx-one': 60_000, redis: 50_000, 'redis-inside': 50_000 };
const CLIENTS = 20;
const START_MS = 60_000;

const [side, name, count, before] = process.argv.slice(2);
const requests = Number(count);
const warm = Number(before ?? WARM[name]);
/** Not redis. */
const web = name.startsWith('nginx');
const port = await new Promise((resolve) => {
  const s = createServer().listen(0, '127.0.0.1', () => {
    const { port } = s.address();
    s.close(() => resolve(port));
  });
});
const outside = side === 'native' || side === 'qemu';
/** Inside a machine the published port is that of another interface than the loopback. */
const address = outside ? '127.0.0.1' : '0.0.0.0';

/** nginx's prefix is a folder of the root, which each side has by another name. */
const PREFIX = 'srv/bench';
function nginx() {
  mkdirSync(join(root, PREFIX, 'www'), { recursive: true });
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, PREFIX, 'www/index.html'), 'hello\n');
  for (const [file, line] of [
    ['passwd', 'root:x:0:0:root:/:/bin/sh\n'],
    ['group', 'root:x:0:\n'],
  ])
    // prettier-ignore
    if (!existsSync(join(root, 'etc', file))) writeFileSync(join(root, 'etc', file), line);
  writeFileSync(
    join(root, PREFIX, 'nginx.conf'),
    `user root; worker_processes ${name === 'nginx' ? 2 : 1}; daemon off; error_log stderr; pid nginx.pid;
events { worker_connections 512; }
http {
  access_log off; sendfile on; keepalive_requests 1000000000;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server { listen ${address}:${port}; root www; }
}
`,
  );
  const prefix = outside ? join(root, PREFIX) : `/${PREFIX}`;
  return ['usr/sbin/nginx', '-p', prefix, '-c', 'nginx.conf', '-e', 'stderr'];
}
const redis = () => [
  'usr/bin/redis-server', '--port', String(port), '--bind', address, '--save', '', '--appendonly', 'no',
  '--protected-mode', 'no', '--loglevel', 'warning', '--dir', '/tmp',
]; // prettier-ignore

/** A program of the root and its arguments, run by the side. */
function by([program, ...args], options = []) {
  if (side === 'native') return nativeCommand(program, args);
  if (side === 'qemu') return [qemuOf(ARCH), '-L', root, join(root, program), ...args];
  return [process.execPath, CLI, 'run', '--cpu', side, ...options, '--root', root, `/${program}`, ...args];
}

const ask = (n) =>
  web
    ? [
        'usr/bin/ab',
        '-q',
        '-k',
        '-c',
        String(CLIENTS),
        '-n',
        String(n),
        `http://127.0.0.1:${port}/index.html`,
      ]
    : [
        'usr/bin/redis-benchmark',
        '-p',
        String(port),
        '-c',
        String(CLIENTS),
        '-n',
        String(n),
        '-t',
        'get',
        '--csv',
      ];

/** Requests a second, from the last report in a client's output. */
function rateOf(output) {
  if (web) {
    const failed = /Failed requests: +(\d+)/.exec(output)?.[1];
    const rate = /Requests per second: +([\d.]+)/.exec(output)?.[1];
    if (failed !== '0' || !rate) throw new Error(`ab: ${output}`);
    return Number(rate);
  }
  const all = [...output.matchAll(/^"GET","([\d.]+)"/gm)];
  if (all.length === 0) throw new Error(`redis-benchmark: ${output}`);
  return Number(all.at(-1)[1]);
}

function client(n, command = nativeCommand) {
  const [program, ...args] = ask(n);
  const [file, ...rest] = command(program, args);
  const r = spawnSync(file, rest, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (r.status !== 0) throw new Error(`${program}: exit ${r.status} ${r.signal ?? ''} ${r.stderr}`);
  return r.stdout;
}

const reachable = () =>
  new Promise((resolve) => {
    const s = connect(port, '127.0.0.1', () => {
      s.destroy();
      resolve(true);
    });
    s.on('error', () => resolve(false));
  });

/** Server and client in one machine of ring3's, without the host's network. */
function insideOne() {
  const quoted = (list) => list.map((a) => (a === '' ? "''" : a)).join(' ');
  const server = redis();
  const script =
    `/${quoted(server)} & until /usr/bin/redis-cli -p ${port} ping >/dev/null 2>&1; do :; done; ` +
    `for n in ${warm} ${requests}; do /${quoted(ask('$n'))}; done; kill $!; wait`;
  const [file, ...args] = by(['bin/busybox', 'sh', '-c', script]);
  return rateOf(spawnSync(file, args, { encoding: 'utf8', maxBuffer: 2 ** 26 }).stdout);
}

async function acrossProcesses() {
  const [file, ...args] = by(web ? nginx() : redis(), ['-p', `${port}:${port}`]);
  const server = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  server.stderr.on('data', (d) => (said = (said + d).slice(-2000)));
  const gone = new Promise((resolve) => server.once('exit', resolve));
  let over = false;
  void gone.then(() => (over = true));
  try {
    const end = Date.now() + START_MS;
    while (!(await reachable())) {
      if (over || Date.now() > end) throw new Error(`${name} does not answer: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const own = name === 'redis-inside' ? (program, list) => by([program, ...list]) : undefined;
    client(warm, own);
    return rateOf(client(requests, own));
  } finally {
    server.kill('SIGTERM');
    await gone;
  }
}

const rate = name === 'redis-inside' && !outside ? insideOne() : await acrossProcesses();
console.log(`rate ${rate}\n${requests} requests answered`);
