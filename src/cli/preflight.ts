/** `ring3 preflight`. */
import { preflight } from '../preflight/preflight.ts';
import { type OptionSpec, parseOptions, UsageError } from './options.ts';

interface Args {
  root: string | null;
  help: boolean;
}

const OPTIONS: OptionSpec<Args>[] = [
  { names: ['--root'], arg: 'DIR', apply: (o, v) => (o.root = v), help: "the folder with the guest's root file system" },
  { names: ['-h', '--help'], apply: (o) => (o.help = true), help: 'this text' },
]; // prettier-ignore

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The text to print, and the exit status: 1 when something is missing. */
export function preflightCommand(argv: readonly string[]): { text: string; status: number } {
  const args: Args = { root: null, help: false };
  const rest = parseOptions(OPTIONS, argv, args, 'preflight');
  if (args.help) return { text: 'Usage: ring3 preflight [--root DIR] PROG\n', status: 0 };
  if (rest.length !== 1) throw new UsageError("'ring3 preflight' takes one program");
  const r = preflight(rest[0], args.root, PATH);
  const section = (title: string, lines: readonly string[]): string =>
    lines.length === 0 ? '' : `${title}:\n${lines.map((l) => `  ${l}\n`).join('')}`;
  const text =
    section('missing', r.missing) +
    section('there, but not all of it', r.partial) +
    section('looked at', [...(r.arch === null ? [] : [r.arch]), ...r.files]) +
    section('notes', r.notes) +
    (r.missing.length === 0 ? 'nothing is missing\n' : '');
  return { text, status: r.missing.length === 0 ? 0 : 1 };
}
