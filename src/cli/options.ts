/** A small option parser: clustered short options, `--long=value`, and nothing read past the program's name. */

/** What the person typed cannot be used; the message says what and what to do. Exit status 2. */
export class UsageError extends Error {}

export interface OptionSpec<T> {
  /** '-f', '--follow-forks'… */
  readonly names: readonly string[];
  /** Name of the value in the help text; without it the option takes none. */
  readonly arg?: string;
  /** The value may be left out, and can only be given as `--name=value`. */
  readonly optional?: boolean;
  readonly help: string;
  /** Throws UsageError when the value cannot be used. */
  readonly apply: (target: T, value: string) => void;
}

/**
 * Reads options from the front of `argv` into `target`; stops at the first word that is none, or after `--`. Returns the
 * rest: the program and its arguments.
 */
export function parseOptions<T>(
  specs: readonly OptionSpec<T>[],
  argv: readonly string[],
  target: T,
  command: string,
): string[] {
  const byName = new Map<string, OptionSpec<T>>();
  for (const s of specs) for (const n of s.names) byName.set(n, s);
  const find = (name: string): OptionSpec<T> => {
    const s = byName.get(name);
    if (!s) throw new UsageError(`unknown option '${name}'; 'ring3 ${command} --help' lists them`);
    return s;
  };
  let i = 0;
  for (; i < argv.length; i++) {
    const word = argv[i];
    if (word === '--') return argv.slice(i + 1);
    if (!word.startsWith('-') || word === '-') break;
    if (word.startsWith('--')) {
      const eq = word.indexOf('=');
      const name = eq < 0 ? word : word.slice(0, eq);
      const s = find(name);
      if (s.arg === undefined) {
        if (eq >= 0) throw new UsageError(`option '${name}' takes no value`);
        s.apply(target, '');
      } else if (eq >= 0) s.apply(target, word.slice(eq + 1));
      else if (s.optional) s.apply(target, '');
      else s.apply(target, needValue(argv[++i], name, s.arg));
      continue;
    }
    for (let k = 1; k < word.length; k++) {
      const name = '-' + word[k];
      const s = find(name);
      if (s.arg === undefined || s.optional) {
        s.apply(target, '');
        continue;
      }
      const rest = word.slice(k + 1);
      s.apply(target, rest !== '' ? rest : needValue(argv[++i], name, s.arg));
      break;
    }
  }
  return argv.slice(i);
}

function needValue(value: string | undefined, name: string, arg: string): string {
  if (value === undefined) throw new UsageError(`option '${name}' needs a value: ${name} ${arg}`);
  return value;
}

/** The options as lines of help. */
export function optionHelp<T>(specs: readonly OptionSpec<T>[]): string {
  return specs
    .map((s) => {
      const value = s.arg === undefined ? '' : s.optional ? `[=${s.arg}]` : ` ${s.arg}`;
      const left = `  ${s.names.join(', ')}${value}`;
      const help = s.help.split('\n');
      const first = left.length < 28 ? left.padEnd(28) + help[0] : `${left}\n${' '.repeat(28)}${help[0]}`;
      return [first, ...help.slice(1).map((l) => ' '.repeat(28) + l)].join('\n');
    })
    .join('\n');
}

/** "512m", "1g", "65536" → bytes. */
export function parseSize(text: string, option: string): number {
  const m = /^([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)i?b?$/i.exec(text);
  if (!m) throw new UsageError(`option '${option}': '${text}' is no size; write 512m or 1g`);
  return Math.floor(Number(m[1]) * 1024 ** ['', 'k', 'm', 'g', 't'].indexOf(m[2].toLowerCase()));
}

/** "10", "1.5s", "500ms", "2m", "1h" → nanoseconds. */
export function parseDuration(text: string, option: string): number {
  const m = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|)$/.exec(text);
  if (!m) throw new UsageError(`option '${option}': '${text}' is no duration; write 10, 500ms or 2m`);
  const unit = { ms: 1e6, s: 1e9, '': 1e9, m: 60e9, h: 3600e9 }[m[2]]!;
  return Number(m[1]) * unit;
}

export function parseCount(text: string, option: string, min: number, max: number): number {
  const n = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  if (!(n >= min && n <= max)) {
    throw new UsageError(`option '${option}': '${text}' is no number between ${min} and ${max}`);
  }
  return n;
}
