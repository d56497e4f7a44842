#!/usr/bin/env node
// What recording and replaying cost: each program run, run with a seed, recorded, and replayed, in turn. Times are those of the whole
// command. Of a server the client's rate counts, and of its replay the time of the command against the recording's.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { median, once, options, scratchFile } from './measure.mjs';
import { INPUTS } from './programs.mjs';
import { CLI } from './sides.mjs';

const given = options('node bench/record.mjs [--runs N] [--only NAME,NAME…]', {
  runs: { type: 'string', default: '5' },
  only: { type: 'string' },
});
const RUNS = Number(given.runs);
const only = given.only?.split(',');

mkdirSync(INPUTS, { recursive: true });
const guest = (name) => new URL(`../build/guests/x86_64/${name}`, import.meta.url).pathname;
const PROGRAMS = [
  ['getpid, 3,000,000 calls', guest('bench-getpid-loop'), '3000000'],
  ['write to /dev/null, 1,000,000 calls', guest('bench-write-lines'), '1000000'],
  ['futex ping-pong, 300,000 rounds', guest('bench-futex-pingpong'), '300000'],
  ['sha256', guest('bench-sha256'), '20000'],
  ['qsort', guest('bench-qsort'), '3000'],
  ['files of a mounted folder', '/usr/bin/busybox', 'sh', '-c', 'for i in 1 2 3 4 5 6; do find /data -type f | xargs cat | md5sum; done'],
].filter(([name]) => !only || only.some((o) => name.startsWith(o))); // prettier-ignore

const MOUNT = ['-v', `${new URL('../kernel', import.meta.url).pathname}:/data:ro`];
const ratio = (a, b) => (a / b).toFixed(2);

for (const [name, program, ...rest] of PROGRAMS) {
  if (!existsSync(program)) {
    console.log(`${name}: left out: ${program} is not there`);
    continue;
  }
  const file = scratchFile('run.r3');
  const ring3 = (...words) => [process.execPath, CLI, ...words];
  const commands = {
    run: ring3('run', ...MOUNT, program, ...rest),
    seeded: ring3('run', '--seed', '1', ...MOUNT, program, ...rest),
    record: ring3('record', '-o', file, ...MOUNT, program, ...rest),
    replay: ring3('replay', file),
  };
  const times = Object.fromEntries(Object.keys(commands).map((k) => [k, []]));
  for (let i = 0; i < RUNS; i++)
    for (const [kind, command] of Object.entries(commands)) times[kind].push(once(command));
  const of = (kind, what) => median(times[kind].map((t) => t[what]));
  if (new Set(Object.values(times).flatMap((list) => list.map((t) => t.result))).size > 1) {
    console.log(`${name}: the results differ`);
    process.exitCode = 1;
  }
  const row = Object.keys(commands).map(
    (k) => `${k} ${of(k, 'ms').toFixed(0)} ms (cpu ${of(k, 'cpu').toFixed(0)})`,
  );
  console.log(
    `${name}: ${row.join(', ')}; record/run ${ratio(of('record', 'ms'), of('run', 'ms'))}, replay/run ${ratio(of('replay', 'ms'), of('run', 'ms'))}, ` +
      `replay/record ${ratio(of('replay', 'ms'), of('record', 'ms'))}; ${statSync(file).size} bytes`,
  );
}

/** Clients that send a line and wait for it, over and over. Milliseconds. */
async function ask(port, clients, messages) {
  const start = performance.now();
  await Promise.all(
    Array.from(
      { length: clients },
      () =>
        new Promise((resolve, reject) => {
          let left = messages;
          const socket = connect(port, '127.0.0.1', () => socket.write('a line to be echoed\n'));
          socket.setNoDelay(true);
          socket.on('data', () => (--left > 0 ? socket.write('a line to be echoed\n') : socket.end()));
          socket.on('close', resolve);
          socket.on('error', reject);
        }),
    ),
  );
  return performance.now() - start;
}

async function serve(words, port) {
  const child = spawn(
    process.execPath,
    [CLI, ...words, '-p', `${port}:7000`, guest('tokio-echo'), '0.0.0.0:7000'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const start = performance.now();
  await new Promise((resolve) => child.stdout.once('data', resolve));
  await ask(port, 4, 200);
  const ms = await ask(port, 8, 1000);
  // utime and stime, in hundredths of a second.
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(') ')[1].split(' ');
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('close', resolve));
  return {
    rate: 8000 / (ms / 1000),
    cpu: 10 * (Number(stat[11]) + Number(stat[12])),
    ms: performance.now() - start,
  };
}

if (!only || only.includes('server')) {
  const freePort = () =>
    new Promise((resolve) => {
      const s = createServer().listen(0, '127.0.0.1', () => {
        const { port } = s.address();
        s.close(() => resolve(port));
      });
    });
  const file = scratchFile('server.r3');
  const got = { run: [], runCpu: [], record: [], recordCpu: [], recorded: [], replay: [], replayCpu: [] };
  for (let i = 0; i < RUNS; i++) {
    const run = await serve(['run'], await freePort());
    const recorded = await serve(['record', '-o', file], await freePort());
    const replayed = once([process.execPath, CLI, 'replay', file]);
    got.run.push(run.rate);
    got.runCpu.push(run.cpu);
    got.record.push(recorded.rate);
    got.recordCpu.push(recorded.cpu);
    got.recorded.push(recorded.ms);
    got.replay.push(replayed.ms);
    got.replayCpu.push(replayed.cpu);
  }
  const m = Object.fromEntries(Object.entries(got).map(([k, list]) => [k, median(list)]));
  console.log(
    `tokio echo server, 8 clients, 8,000 messages: run ${m.run.toFixed(0)}/s (cpu ${m.runCpu}), record ${m.record.toFixed(0)}/s (cpu ${m.recordCpu}); ` +
      `record/run ${ratio(m.run, m.record)} (cpu ${ratio(m.recordCpu, m.runCpu)}); recorded in ${m.recorded.toFixed(0)} ms, ` +
      `replayed in ${m.replay.toFixed(0)} ms (cpu ${m.replayCpu.toFixed(0)}); ${statSync(file).size} bytes`,
  );
}
