/** Options that come from JavaScript, or from a guess at their names: a wrong one is said at once, and not passed over. */
import { BootError } from './errors.ts';
import type { BootOptions } from './options.ts';

/** What is looked at here; what an option means, and whether it fits, is looked at where it is used. */
type Kind = 'text' | 'number' | 'boolean' | 'function' | 'object' | 'list' | 'texts' | 'seed' | 'any';

const KINDS: Readonly<Record<keyof BootOptions, Kind>> = {
  program: 'any',
  path: 'text',
  hostPath: 'text',
  platform: 'text',
  cpu: 'text',
  stats: 'boolean',
  onSample: 'function',
  onRegion: 'function',
  mode: 'number',
  argv: 'texts',
  env: 'object',
  setEnv: 'object',
  cwd: 'text',
  uid: 'number',
  gid: 'number',
  stdin: 'any',
  stdout: 'any',
  stderr: 'any',
  terminal: 'object',
  inheritStdin: 'boolean',
  files: 'object',
  mounts: 'list',
  root: 'text',
  rootReadWrite: 'boolean',
  publish: 'list',
  hostNetwork: 'boolean',
  seed: 'seed',
  schedule: 'text',
  clock: 'text',
  record: 'object',
  countEvents: 'boolean',
  hostname: 'text',
  cpus: 'number',
  aslr: 'boolean',
  limits: 'object',
  core: 'text',
  personality: 'text',
  quirks: 'texts',
  noQuirks: 'texts',
  livelock: 'number',
  inject: 'list',
  closed: 'boolean',
  tracer: 'object',
  report: 'function',
};

/** Names others give to the same things. */
const MEANT: Readonly<Record<string, string>> = {
  args: 'argv, with the name of the program first',
  arguments: 'argv, with the name of the program first',
  environment: 'env',
  workdir: 'cwd',
  user: 'uid and gid',
  volumes: 'mounts',
  ports: 'publish',
  net: 'hostNetwork',
  input: 'stdin',
  faults: 'inject',
  timeout: 'limits: { time } with a seed; or machine.stop()',
};

const FITS: Readonly<Record<Kind, readonly [what: string, fits: (v: unknown) => boolean]>> = {
  text: ['a string', (v) => typeof v === 'string'],
  number: ['a number', (v) => typeof v === 'number' && !Number.isNaN(v)],
  boolean: ['true or false', (v) => typeof v === 'boolean'],
  function: ['a function', (v) => typeof v === 'function'],
  object: ['an object', (v) => typeof v === 'object' && !Array.isArray(v)],
  list: ['a list', (v) => Array.isArray(v)],
  texts: ['a list of strings', (v) => Array.isArray(v) && v.every((x) => typeof x === 'string')],
  seed: ['a number or a string', (v) => typeof v === 'string' || (typeof v === 'number' && !Number.isNaN(v))],
  any: ['', () => true],
};

/** Throws BootError for options that there are none of, and for values of another kind. */
export function checkOptions(options: BootOptions): void {
  if (typeof options !== 'object' || options === null || options.program === undefined)
    throw new BootError('setup', "no program given; write: Machine.boot({ program: './prog' })");
  for (const [name, value] of Object.entries(options as unknown as Record<string, unknown>)) {
    if (!Object.hasOwn(KINDS, name)) {
      const meant = Object.hasOwn(MEANT, name) ? `; it is ${MEANT[name]}` : '; BootOptions lists them';
      throw new BootError('setup', `no option '${name}' of Machine.boot${meant}`);
    }
    if (value === undefined || value === null) continue;
    const [what, fits] = FITS[KINDS[name as keyof BootOptions]];
    if (!fits(value)) {
      const instead = name === 'record' ? 'what recordTo(path) gives, or a MemoryRecording' : what;
      throw new BootError('setup', `give ${instead}`, name);
    }
  }
}
