/** The compatibility page: every system call and how complete it is, from the table itself. */
import { syscalls } from '../../kernel/syscall/table.ts';
import type { SyscallRow } from '../../kernel/syscall/define.ts';
import { type OptionSpec, parseOptions, UsageError } from './options.ts';

interface Args {
  markdown: boolean;
  help: boolean;
}

const OPTIONS: OptionSpec<Args>[] = [
  { names: ['--markdown'], apply: (o) => (o.markdown = true), help: 'as a Markdown table' },
  { names: ['-h', '--help'], apply: (o) => (o.help = true), help: 'this text' },
]; // prettier-ignore

const number = (n: number | null): string => (n === null ? '-' : String(n));
const order = (r: SyscallRow): number => r.x86_64 ?? 1000 + (r.aarch64 ?? 0);

export function syscallsCommand(argv: readonly string[]): string {
  const args: Args = { markdown: false, help: false };
  const rest = parseOptions(OPTIONS, argv, args, 'syscalls');
  if (rest.length > 0) throw new UsageError(`'ring3 syscalls' takes no argument '${rest[0]}'`);
  if (args.help) return 'Usage: ring3 syscalls [--markdown]\n';
  const rows = [...syscalls.values()].sort((a, b) => order(a) - order(b));
  return args.markdown ? markdown(rows) : text(rows);
}

function counts(rows: readonly SyscallRow[]): string {
  const n = (level: string): number => rows.filter((r) => r.support.level === level).length;
  return `${rows.length} system calls: ${n('full')} full, ${n('partial')} partial, ${n('refused')} refused, ${n('absent')} absent`;
}

function text(rows: readonly SyscallRow[]): string {
  const lines = rows.map((r) =>
    `${r.name.padEnd(24)} ${number(r.x86_64).padStart(6)} ${number(r.aarch64).padStart(7)}  ${r.support.level.padEnd(8)} ${r.support.note ?? ''}`.trimEnd(),
  );
  return `${'name'.padEnd(24)} x86_64 aarch64  support  note\n${lines.join('\n')}\n\n${counts(rows)}\n`;
}

/** What each level means, in the order of the page. */
const LEVELS: readonly (readonly [level: SyscallRow['support']['level'], title: string, text: string])[] = [
  ['partial', 'Partial', 'What is missing stands beside each.'],
  ['refused', 'Refused', 'They answer as an unprivileged kernel, or one built without them, does.'],
  ['absent', 'Absent', 'They return ENOSYS and are reported once.'],
  ['full', 'Full', 'As Linux 6.1 documents them.'],
];

function markdown(rows: readonly SyscallRow[]): string {
  const cell = (s: string): string => s.replaceAll('|', '\\|');
  const section = ([level, title, about]: (typeof LEVELS)[number]): string => {
    const list = rows.filter((r) => r.support.level === level);
    const noted = list.some((r) => r.support.note !== undefined);
    const lines = list.map(
      (r) =>
        `| \`${r.name}\` | ${number(r.x86_64)} | ${number(r.aarch64)} |${noted ? ` ${cell(r.support.note ?? '')} |` : ''}`,
    );
    const head = noted
      ? '| call | x86_64 | aarch64 | note |\n|---|---:|---:|---|'
      : '| call | x86_64 | aarch64 |\n|---|---:|---:|';
    return `## ${title}: ${list.length}\n\n${about}\n\n${head}\n${lines.join('\n')}\n`;
  };
  return `# Compatibility\n\n${counts(rows)}. Made from the table by \`ring3 syscalls --markdown\`;\n\`ring3 preflight PROG\` says which of them a program uses.\n\n${LEVELS.map(section).join('\n')}`;
}
