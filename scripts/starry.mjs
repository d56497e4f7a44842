#!/usr/bin/env node
// Writes the tables of docs/starry.md: the quirks, and what each does to the tokio echo server (guests/rust/tokio-echo).
// Usage: node scripts/starry.mjs [--check]; needs `npm run build` and the guest. --check: writes nothing, says what differs.
import { readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const DOC = `${root}docs/starry.md`;
const PORT = 8080;
/** Milliseconds without progress after which a run is given up. */
const PATIENCE = 12000;

/**
 * Runs the server, talks to it, and ends it. `boot`: Machine.boot. What came of it, as data: `echoed` pieces of two, how it
 * ended, the kernel's panic, how many calls it made, and the errors calls returned ("name ERRNO").
 */
export async function talk(boot, program, options, patience = PATIENCE) {
  const reports = [];
  const m = await boot({
    program, argv: ['tokio-echo', `127.0.0.1:${PORT}`], seed: 1, cpus: 2, report: (line) => reports.push(line), ...options,
  }); // prettier-ignore
  const errors = [];
  const seen = new Set();
  let calls = 0;
  const last = [];
  /** The first thread's calls until it listens: from a seed they are the same each time. */
  const main = [];
  let listening = false;
  m.on('syscall', (e) => {
    if (e.type !== 'exit') return;
    calls++;
    if (e.tid === e.pid && !listening) main.push(e.text);
    if (e.name === 'write') listening = true;
    last.push(e.name);
    if (last.length > 30) last.shift();
    const errno = /= -1 (E[A-Z0-9]+)/.exec(e.text)?.[1];
    if (errno === undefined) return;
    const key = `${e.name} ${errno}`;
    if (!seen.has(key)) errors.push(key);
    seen.add(key);
  });
  let echoed = 0;
  let client = null;
  let timer;
  const end = await new Promise((resolve) => {
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => m.stop(), patience);
    };
    wait();
    client = m.connect(PORT);
    client.on('error', () => {});
    client.on('connect', () => client.write('hello'));
    client.on('data', () => {
      wait();
      echoed++;
      client.write(echoed === 1 ? 'again' : 'quit\n');
    });
    m.run().then(
      (status) => resolve({ status }),
      (error) => resolve({ error: error.constructor.name, message: error.message }),
    );
  });
  clearTimeout(timer);
  const waiting = m.tasks.map((t) => t.waiting);
  client.destroy();
  const out = {
    echoed,
    calls,
    looks: m.rounds,
    main,
    last: [...new Set(last)],
    errors,
    ...end,
    stderr: m.stderr,
    stdout: m.stdout,
    waiting,
    panic: reports.find((l) => l.includes('panicked')),
  };
  m.dispose();
  return out;
}

/** The first call the first thread made otherwise than on linux, before it listened; null when there is none. */
function firstDifference(run, linux) {
  // Random bytes are drawn from the seed, in an order that a quirk may change.
  const plain = (s) => s?.replace(/^getrandom\(".*?"/, 'getrandom(…');
  const at = run.main.findIndex((text, i) => plain(text) !== plain(linux.main[i]));
  if (at < 0) return null;
  const text = run.main[at];
  const other = linux.main[at] ?? 'nothing more';
  const name = (s) => s.slice(0, s.indexOf('('));
  const short = (s) => (s.length > 110 ? `${s.slice(0, 60)} … ${s.slice(-45)}` : s);
  const result = (s) => s.slice(s.lastIndexOf(') = ') + 4);
  if (name(text) !== name(other)) return `\`${short(text)}\` where linux has \`${short(other)}\``;
  return result(text) === result(other)
    ? `\`${short(text)}\`, on linux \`${short(other)}\``
    : `\`${short(text)}\`, on linux ${result(other)}`;
}

/** How a run ended, in words. */
function ending(run, linux) {
  const panic = /panicked at (.*)$/.exec(run.panic ?? '')?.[1];
  if (panic) return `the kernel panics${run.echoed > 0 ? ' after it has echoed' : ''}: ${panic}`;
  if (run.status !== undefined && run.echoed === 2) {
    const factor = run.calls / linux.calls;
    const more =
      factor >= 3 ? `, with ${factor >= 20 ? magnitude(factor) : Math.floor(factor)} times the calls` : '';
    return `echoes and ends${run.status.status === 0 ? '' : ` with status ${run.status.status}`}${more}`;
  }
  if (run.status !== undefined) {
    const why = run.stderr.split('\n').find((l) => /[Ee]rror|panicked/.test(l)) ?? run.stderr.split('\n')[0];
    const how = run.status.signal
      ? `is killed by ${run.status.signal}`
      : `ends with status ${run.status.status}`;
    return `${how} before it ${run.echoed === 0 ? 'echoes' : 'is told to'}${why ? `: ${why.trim()}` : ''}`;
  }
  const what =
    run.echoed === 2 ? 'echoes and does not end' : run.echoed === 1 ? 'echoes once' : 'does not echo';
  const heard = run.stdout.includes('listening') ? '' : ', nor listens';
  const names = run.last.map((n) => `\`${n}\``).join(' and ');
  return `${what}${heard}: ${run.calls > 20 * linux.calls ? `it makes ${names} without end` : 'it waits for ever'}`;
}

/** What a run shows, beside one on linux: how it ended and in what it differs. */
export function sentence(run, linux) {
  const fresh = run.errors.filter((e) => !linux.errors.includes(e));
  const errors = fresh.map((e) => `\`${e.split(' ')[0]}\` is ${e.split(' ')[1]}`).join(', ');
  const first = firstDifference(run, linux);
  const end = ending(run, linux);
  const busy = run.looks - run.calls > linux.looks - linux.calls + 100;
  const ends = end === 'echoes and ends' && busy ? `${end}, and never sleeps` : end;
  return [
    ends,
    ...(errors === '' ? [] : [errors]),
    ...(first === null ? [] : [`first seen in ${first}`]),
  ].join('; ');
}

const magnitude = (x) => 10 ** Math.floor(Math.log10(x));

/** The whole table. */
export async function tokioTable(boot, program, quirks, personalities, patience = PATIENCE) {
  const linux = await talk(boot, program, {}, patience);
  if (linux.echoed !== 2 || linux.status?.status !== 0)
    throw new Error('the server does not even run on linux');
  const rows = [];
  for (const [label, options] of [
    ...personalities,
    ...quirks.map((q) => [`\`${q.name}\``, { quirks: [q.name] }]),
  ])
    rows.push([label, sentence(await talk(boot, program, options, patience), linux)]);
  const same = rows.filter(([, text]) => text === 'echoes and ends').map(([label]) => label);
  const other = rows.filter(([, text]) => text !== 'echoes and ends');
  const lines = other.map(([label, text]) => `| ${label} | ${text.replaceAll('|', '\\|')} |`);
  return `| with | the echo server |\n|---|---|\n${lines.join('\n')}\n\nNo difference (it echoes and ends, with the calls it makes on linux or a few more): ${same.join(', ')}.\n`;
}

export const PERSONALITIES = [
  ['--personality starry', { personality: 'starry' }],
  ['--personality starry@2024-07', { personality: 'starry@2024-07' }],
  ['starry, without `no-preemption`', { personality: 'starry', noQuirks: ['no-preemption'] }],
  ['starry, without `epoll-level-only`', { personality: 'starry', noQuirks: ['epoll-level-only'] }],
];

/** Puts text between the markers of a section. */
export function withSection(doc, name, text) {
  const [from, to] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`];
  const start = doc.indexOf(from) + from.length;
  const end = doc.indexOf(to);
  if (start < from.length || end < start) throw new Error(`docs/starry.md has no section ${name}`);
  return `${doc.slice(0, start)}\n${text}\n${doc.slice(end)}`;
}

async function main() {
  const { Machine, QUIRKS } = await import(pathToFileURL(`${root}dist/index.js`).href);
  const list = spawnSync(process.execPath, [`${root}dist/ring3.cjs`, 'quirks', '--markdown'], {
    encoding: 'utf8',
  }).stdout;
  const table = await tokioTable(
    (o) => Machine.boot(o),
    `${root}build/guests/x86_64/tokio-echo`,
    QUIRKS,
    PERSONALITIES,
  );
  const before = readFileSync(DOC, 'utf8');
  const after = withSection(withSection(before, 'quirks', list), 'tokio', table);
  if (!process.argv.includes('--check')) writeFileSync(DOC, after);
  else if (after !== before) {
    console.error('docs/starry.md is not what scripts/starry.mjs writes');
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
