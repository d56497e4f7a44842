/** `ring3 quirks`: in what the personalities differ from Linux. */
import { personality, PersonalityError, QUIRKS, STARRY_DATE } from '../../kernel/personality/personality.ts';
import { GROUPS, type Quirk } from '../../kernel/personality/quirk.ts';
import { type OptionSpec, parseOptions, UsageError } from './options.ts';

interface Args {
  markdown: boolean;
  personality: string | null;
  help: boolean;
}

const OPTIONS: OptionSpec<Args>[] = [
  { names: ['--markdown'], apply: (o) => (o.markdown = true), help: 'as Markdown tables, with sources' },
  { names: ['--personality'], arg: 'NAME[@DATE]', apply: (o, v) => (o.personality = v), help: 'only those this personality has' },
  { names: ['-h', '--help'], apply: (o) => (o.help = true), help: 'this text' },
]; // prettier-ignore

const HELP = `Usage: ring3 quirks [--markdown] [--personality starry[@YYYY-MM]] [NAME...]

Lists the quirks by group: what a program sees, and what Linux does. With names: all that is known of each.
'ring3 run --personality starry PROG' has all of them that were there on ${STARRY_DATE};
--quirk NAME adds one, --no-quirk NAME leaves one out.
`;

export function quirksCommand(argv: readonly string[]): string {
  const args: Args = { markdown: false, personality: null, help: false };
  const names: string[] = [];
  for (let rest = [...argv]; rest.length > 0;) {
    rest = parseOptions(OPTIONS, rest, args, 'quirks');
    const name = rest.shift();
    if (name !== undefined) names.push(name);
  }
  if (args.help) return HELP;
  try {
    const listed = args.personality === null ? QUIRKS : personality(args.personality).quirks;
    if (args.markdown) return markdown(listed);
    if (names.length === 0) return list(listed);
    personality('linux', names);
  } catch (e) {
    if (e instanceof PersonalityError) throw new UsageError(e.message);
    throw e;
  }
  return names.map((n) => details(QUIRKS.find((q) => q.name === n)!)).join('\n');
}

/** "2024-07-07 to 2024-07-15", "before 2024-05-09"; '' for always. */
function dates(q: Quirk): string {
  if (q.since === undefined) return q.until === undefined ? '' : `before ${q.until}`;
  return q.until === undefined ? `since ${q.since}` : `${q.since} to ${q.until}`;
}

function list(quirks: readonly Quirk[]): string {
  const standard = personality('starry').quirks;
  const sections = GROUPS.map((group) => {
    const rows = quirks.filter((q) => q.group === group);
    if (rows.length === 0) return '';
    const lines = rows.map((q) => {
      const mark = standard.includes(q) ? '*' : ' ';
      const when = dates(q);
      return `${mark} ${q.name.padEnd(27)} ${q.symptom}${when === '' ? '' : ` (${when})`}\n`;
    });
    return `${group}\n${lines.join('')}\n`;
  });
  const n = quirks.filter((q) => standard.includes(q)).length;
  return `${sections.join('')}${quirks.length} quirks; the ${n} with * make --personality starry (${STARRY_DATE})\n`;
}

function details(q: Quirk): string {
  const when = dates(q);
  return [
    `${q.name} (${q.group})`,
    `  ${q.symptom}`,
    `  Linux:  ${q.linux}`,
    `  Source: ${q.source}`,
    ...(when === '' ? [] : [`  Dates:  ${when}`]),
    ...(q.apart === undefined ? [] : [`  Only with --quirk: ${q.apart}`]),
    '',
  ].join('\n');
}

function markdown(quirks: readonly Quirk[]): string {
  const cell = (s: string): string => s.replaceAll('|', '\\|');
  return GROUPS.map((group) => {
    const rows = quirks.filter((q) => q.group === group);
    if (rows.length === 0) return '';
    const lines = rows.map((q) => {
      const when = [dates(q), q.apart === undefined ? '' : `only with --quirk: ${q.apart}`].filter(
        (s) => s !== '',
      );
      const note = when.length === 0 ? '' : ` (${when.join('; ')})`;
      return `| \`${q.name}\` | ${cell(q.symptom)}${cell(note)} | ${cell(q.linux)} | ${cell(q.source)} |`;
    });
    return `### ${group[0].toUpperCase()}${group.slice(1)}\n\n| quirk | a program sees | Linux | source |\n|---|---|---|---|\n${lines.join('\n')}\n`;
  })
    .filter((s) => s !== '')
    .join('\n');
}
