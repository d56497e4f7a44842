/**
 * What an image says of how it is run (config.md of opencontainers/image-spec): its command, environment, folder and user,
 * wherever the options do not say otherwise, as `docker run` takes them.
 */
import { BootError } from '../machine/errors.ts';
import type { BootOptions } from '../machine/options.ts';

/** The part of an image's configuration that is looked at. */
export interface ImageConfig {
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly WorkingDir?: string | null;
  readonly User?: string | null;
}

/** A root file system that knows how it is run. */
export interface Configured {
  readonly config: ImageConfig;
  /** A file's text; null: there is none. */
  text(path: string): string | null;
}

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Boot options made whole: program, environment, folder and user, out of what was given, the image, and defaults. */
export function resolveOptions(
  options: BootOptions,
  image: Configured | null,
): BootOptions & { env: Record<string, string> } {
  const config = image?.config ?? {};
  const user = options.uid === undefined && image && config.User ? findUser(image, config.User) : null;
  const uid = options.uid ?? user?.uid ?? 0;
  const gid = options.gid ?? user?.gid ?? 0;
  const cwd = options.cwd ?? (config.WorkingDir || '/');
  const env: Record<string, string> = { ...options.env };
  if (options.env === undefined) {
    env['PATH'] = DEFAULT_PATH;
    env['HOSTNAME'] = options.hostname ?? 'ring3';
    env['HOME'] = user?.home ?? (uid === 0 ? '/root' : '/');
    for (const entry of config.Env ?? []) {
      const eq = entry.indexOf('=');
      if (eq > 0) env[entry.slice(0, eq)] = entry.slice(eq + 1);
    }
  }
  for (const [name, value] of Object.entries(options.setEnv ?? {})) {
    if (value === null) delete env[name];
    else env[name] = value;
  }
  const whole = { ...options, uid, gid, cwd, env };
  if (options.program !== '') return whole;
  const command = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (command.length === 0) {
    const why = image
      ? `the image ${options.root} names none`
      : `${options.root} is no image that could name one`;
    throw new BootError('setup', `no program given, and ${why}`);
  }
  return { ...whole, program: command[0], argv: command };
}

interface User {
  readonly uid: number;
  readonly gid: number;
  readonly home: string | null;
}

/** `user[:group]`, names or numbers, by the image's own passwd and group; a number need not be in them. */
function findUser(image: Configured, text: string): User {
  const [name, group] = text.split(':');
  const rows = (path: string): string[][] =>
    (image.text(path) ?? '').split('\n').map((line) => line.split(':'));
  const number = (s: string): number | null => (/^[0-9]{1,9}$/.test(s) ? Number(s) : null);
  const entry = rows('etc/passwd').find((r) => r.length > 5 && (r[0] === name || r[2] === name));
  const uid = entry ? Number(entry[2]) : number(name);
  if (uid === null)
    throw new BootError(
      'setup',
      `the image runs as '${name}', whom its /etc/passwd does not know; choose with -u`,
    );
  let gid: number | null = entry ? Number(entry[3]) : 0;
  if (group) {
    const row = rows('etc/group').find((r) => r.length > 2 && r[0] === group);
    gid = row ? Number(row[2]) : number(group);
  }
  if (gid === null)
    throw new BootError(
      'setup',
      `the image runs in the group '${group}', which its /etc/group does not know; choose with -u`,
    );
  return { uid, gid, home: entry?.[5] || null };
}
