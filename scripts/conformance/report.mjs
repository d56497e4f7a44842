// docs/conformance.md: per suite what passes, what fails and why, then each test.
import { release } from 'node:os';

const table = (head, lines) =>
  [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const percent = (a, b) => (b === 0 ? '–' : `${((100 * a) / b).toFixed(1)} %`);

/** Programs that pass natively, and of these those that pass here. */
function figures(results) {
  const tests = Object.entries(results).filter(([, r]) => r.native);
  const passing = tests.filter(([, r]) => r.native.verdict === 'pass');
  const ran = passing.filter(([, r]) => r.ring3);
  const same = ran.filter(([, r]) => r.ring3.verdict === 'pass');
  return { tests, passing, ran, same };
}

/** A verdict with how many of its checks a test made, where these are fewer than natively. */
function here(r) {
  if (!r.ring3) return '–';
  if (r.ring3.verdict !== 'pass') return `**${r.ring3.verdict}**`;
  return r.ring3.checks < r.native.checks ? `pass, ${r.ring3.checks} of ${r.native.checks} checks` : 'pass';
}

function suite(name, results, reasons) {
  const { passing, same } = figures(results);
  const failing = passing.filter(([, r]) => r.ring3 && r.ring3.verdict !== 'pass');
  const others = new Map();
  for (const [test, r] of Object.entries(results))
    if (r.native && r.native.verdict !== 'pass')
      others.set(r.native.verdict, [...(others.get(r.native.verdict) ?? []), test]);
  const parts = [`## ${name}`];
  if (failing.length > 0)
    parts.push(
      '### Passes natively, not here',
      table(
        ['test', 'here', 'reason'],
        failing.map(([t, r]) => [t, r.ring3.verdict, reasons.get(`${name} ${t}`) ?? 'not yet looked into']),
      ),
    );
  const fewer = same.filter(([, r]) => r.ring3.checks < r.native.checks);
  if (fewer.length > 0)
    parts.push(
      '### Passes with fewer checks than natively',
      'What a test cannot check where it runs it leaves out and says so.',
      table(
        ['test', 'checks here', 'natively'],
        fewer.map(([t, r]) => [t, r.ring3.checks, r.native.checks]),
      ),
    );
  parts.push(
    '### Each test that passes natively',
    table(
      ['test', 'native', 'ring3'],
      passing.map(([t, r]) => [t, 'pass', here(r)]),
    ),
  );
  if (others.size > 0)
    parts.push(
      '### Does not pass natively, and is not counted',
      [...others].map(([v, tests]) => `${v} (${tests.length}): ${tests.join(' ')}`).join('\n\n'),
    );
  return parts.join('\n\n');
}

export function report(suites, reasons) {
  const rows = suites.map(([name, results]) => {
    const f = figures(results);
    return [
      name,
      f.tests.length,
      f.passing.length,
      f.ran.length,
      f.same.length,
      percent(f.same.length, f.ran.length),
    ];
  });
  const unexplained = suites.flatMap(([name, results]) =>
    figures(results)
      .ran.filter(([t, r]) => r.ring3.verdict !== 'pass' && !reasons.has(`${name} ${t}`))
      .map(([t]) => `${name} ${t}`),
  );
  const head = ['suite', 'tests', 'pass natively', 'of these run in ring3', 'pass in ring3', ''];
  const summary = `${rows.map((r) => r.join(' ')).join('\n')}\nwithout a reason: ${unexplained.length}`;
  const text = `# Conformance

Written by \`node scripts/conformance.mjs --report\` on ${new Date().toISOString().slice(0, 10)}. Tests of the kernel that others wrote, the same
binaries out of the same Debian root folder: natively on Linux ${release()} as root in a container (namespaces of its
own, docker's capabilities), and in ring3 with \`--root\`. A test passes when it exits with 0; LTP's say with 32 that they
are not applicable. scripts/conformance.mjs says how to run it with tests of your own.

${table(head, rows)}

${suites.map(([name, results]) => suite(name, results, reasons)).join('\n\n')}
`;
  return { text, summary };
}
