#!/usr/bin/env node
// Programs that test a kernel, run natively and in ring3 out of the same root folder (Debian's, say; the tests are in it):
// as root in a container of its own natively, with --root here. The results are kept in build/conformance/SUITE.json,
// and docs/conformance.md is written from all there are and the reasons in docs/conformance-reasons.txt.
//
// Usage: node scripts/conformance.mjs --suite NAME --root DIR --tests DIR-IN-ROOT [OPTIONS]
//   --list FILE          the tests, a line each: a name and a command for the shell (LTP's runtest files); may be repeated.
//                        Without it every executable of the folder is one
//   --match REGEX        of these, the names that match
//   --only REGEX         run only these now; the other results stay
//   --sides native,ring3 where to run (both); --failed: only those that pass natively and failed in ring3
//   --batch N            N tests one after the other in the same container or machine (1): sooner done. What fails so may
//                        do better alone: --failed without it
//   --missing            only what has no result yet
//   --seconds N          a test may take this long (60)
//   --env NAME=VALUE     may be repeated; TMPDIR is /tmp and PATH has the tests' folder in any case
//   --ring3 FILE         which ring3 (dist/ring3.cjs)
//   --option OPTION      of `ring3 run`; may be repeated
//   --report             only write docs/conformance.md
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { native } from './conformance/native.mjs';
import { report } from './conformance/report.mjs';
import { ring3 } from './conformance/ring3.mjs';

const args = process.argv.slice(2);
const flag = (name) => args.includes(name);
const all = (name) => args.flatMap((a, i) => (a === name ? [args[i + 1]] : []));
const option = (name, otherwise) => all(name)[0] ?? otherwise;
const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const RESULTS = path('build/conformance');
const SIDES = { native, ring3 };
/** How much of a test's output is kept: its end. */
const KEPT = 3000;

/** name → command for the shell. */
function testsOf(root, folder) {
  const tests = new Map();
  for (const file of all('--list'))
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const [, name, command] = /^\s*([^#\s]\S*)\s+(.+)$/.exec(line) ?? [];
      if (name) tests.set(name, command);
    }
  if (all('--list').length === 0)
    for (const name of readdirSync(join(root, folder), { recursive: true }).sort()) {
      const stat = statSync(join(root, folder, name));
      if (stat.isFile() && stat.mode & 0o111) tests.set(name, join('/', folder, name));
    }
  const match = new RegExp(option('--match', ''));
  return new Map([...tests].filter(([name]) => match.test(name)));
}

/** What LTP's exit statuses say; 0 and others are everyone's. */
function verdict({ status, signal, timeout }) {
  if (timeout) return 'timeout';
  if (signal) return signal;
  if (status === 0) return 'pass';
  return status === 32 ? 'not applicable' : `fails (${status})`;
}
const count = (text, word) => text.split(new RegExp(`\\b${word}\\b`)).length - 1;

function run(suite) {
  const root = option('--root');
  const folder = option('--tests', '');
  const seconds = Number(option('--seconds', '60'));
  const env = {
    PATH: `${join('/', folder)}:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: '/root',
    USER: 'root',
    TMPDIR: '/tmp',
    ...Object.fromEntries(all('--env').map((e) => [e.slice(0, e.indexOf('=')), e.slice(e.indexOf('=') + 1)])),
  };
  const file = join(RESULTS, `${suite}.json`);
  const results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const tests = testsOf(root, folder);
  const only = new RegExp(option('--only', ''));
  const sides = option('--sides', 'native,ring3').split(',');
  mkdirSync(RESULTS, { recursive: true });
  for (const name of Object.keys(results)) if (!tests.has(name)) delete results[name];
  for (const [name, command] of tests) (results[name] ??= {}).command = command;
  const save = () => writeFileSync(file, JSON.stringify(results, null, 1));
  const batch = Number(option('--batch', '1'));
  for (const side of sides) {
    const wanted = [...tests.keys()].filter((name) => {
      const r = results[name];
      if (!only.test(name) || (flag('--missing') && r[side])) return false;
      if (flag('--failed') && !(r.native?.verdict === 'pass' && r.ring3?.verdict !== 'pass')) return false;
      return side === 'native' || r.native?.verdict === 'pass';
    });
    const say = (command, limit) =>
      SIDES[side](root, 'tmp', env, command, limit, {
        launcher: option('--ring3'),
        options: all('--option'),
      });
    for (let i = 0; i < wanted.length; i += batch) {
      const names = wanted.slice(i, i + batch);
      const found =
        batch === 1
          ? {}
          : inOneGo(
              names,
              (n) => tests.get(n),
              seconds,
              (c) => say(c, seconds + 10 * batch),
            );
      for (const name of names) {
        // Whoever a batch did not come to has a turn of its own.
        const start = performance.now();
        const got = found[name] ?? say(tests.get(name), seconds);
        const ms = Math.round(performance.now() - start);
        const checks = count(got.output, 'TPASS');
        results[name][side] = { verdict: verdict(got), ms, checks, output: got.output.slice(-KEPT) };
        console.log(`${name}: ${side} ${results[name][side].verdict} (${ms} ms)`);
      }
      save();
    }
  }
}

/** Several tests by one shell: name → result, for those that ended. */
function inOneGo(names, commandOf, seconds, say) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const script = names.map(
    (n, i) =>
      `echo; echo "@@begin ${i}"; timeout -s KILL ${seconds} sh -c ${quote(commandOf(n))} 2>&1; s=$?; echo; echo "@@end ${i} $s"`,
  );
  const { output } = say(script.join('\n'));
  const found = {};
  for (const [i, name] of names.entries()) {
    const [, text, status] = new RegExp(`@@begin ${i}\\n([^]*?)\\n@@end ${i} (\\d+)\\n`).exec(output) ?? [];
    if (status !== undefined)
      found[name] = {
        status: Number(status),
        signal: null,
        timeout: Number(status) === 137,
        output: text,
      };
  }
  return found;
}

/** name → reason, of one suite: lines `SUITE NAME REASON`. */
function reasons() {
  const file = path('docs/conformance-reasons.txt');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  const found = new Map();
  for (const line of lines) {
    const [, suite, name, reason] = /^([^#\s]\S*)\s+(\S+)\s+(.+)$/.exec(line) ?? [];
    if (suite) found.set(`${suite} ${name}`, reason);
  }
  return found;
}

if (!flag('--report')) run(option('--suite'));
const suites = readdirSync(RESULTS).filter((f) => f.endsWith('.json')).sort(); // prettier-ignore
const texts = suites.map((f) => [
  f.replace(/\.json$/, ''),
  JSON.parse(readFileSync(join(RESULTS, f), 'utf8')),
]);
const { text, summary } = report(texts, reasons());
console.log(summary);
if (flag('--report')) writeFileSync(path('docs/conformance.md'), text);
