/** A machine's options as a recording keeps them, and back. */
import type { Arch } from '../../kernel/ports.ts';
import type { Program } from '../machine/program.ts';
import type { BootOptions, ReplayOptions, TerminalPort } from '../machine/options.ts';
import type { RecordedOptions } from './format.ts';

/** Nothing is asked for that was not recorded. */
export function recordedOptions(
  options: BootOptions & { env: Record<string, string> },
  parts: { arch: Arch; program: Program | null; image: boolean; epoch: bigint },
): RecordedOptions {
  const { arch, program, epoch } = parts;
  const { root, terminal } = options;
  return {
    arch,
    program: program && { bytes: program.bytes, path: program.path, name: program.name, mode: program.mode },
    programName: typeof options.program === 'string' ? options.program : (program?.name ?? ''),
    argv: options.argv ?? [program?.name ?? (options.program as string)],
    env: options.env,
    cwd: options.cwd ?? '/',
    uid: options.uid ?? 0,
    gid: options.gid ?? 0,
    files: options.files ?? {},
    mounts: (options.mounts ?? []).map((m) => ({
      host: m.host,
      guest: m.guest,
      readOnly: m.readOnly ?? false,
    })),
    root:
      root === undefined
        ? null
        : { path: root, kind: parts.image ? 'image' : 'folder', readWrite: options.rootReadWrite ?? false },
    eth0: options.hostNetwork === true || (options.publish ?? []).length > 0,
    hostNetwork: options.hostNetwork ?? false,
    seed: String(options.seed),
    schedule: options.schedule ?? null,
    epoch: epoch.toString(),
    cpu: options.cpu ?? 'jit',
    hostname: options.hostname ?? null,
    cpus: options.cpus ?? 1,
    aslr: options.aslr ?? false,
    limits: options.limits ?? {},
    terminal: terminal ? { connected: terminal.connected, ...terminal.size() } : null,
    core: options.core ?? null,
    personality: options.personality ?? null,
    quirks: options.quirks ?? [],
    noQuirks: options.noQuirks ?? [],
    inject: options.inject ?? [],
  };
}

/** What a replay boots with. */
export function replayOptions(recorded: RecordedOptions, given: ReplayOptions): BootOptions {
  const r = recorded;
  const { terminal: shown, ...rest } = given;
  return {
    cpu: r.cpu,
    ...rest,
    program: r.programName,
    argv: r.argv,
    env: r.env,
    cwd: r.cwd,
    uid: r.uid,
    gid: r.gid,
    files: r.files,
    mounts: r.mounts,
    ...(r.root === null ? {} : { root: r.root.path, rootReadWrite: r.root.readWrite }),
    seed: r.seed,
    ...(r.schedule ? { schedule: r.schedule } : {}),
    ...(r.hostname === null ? {} : { hostname: r.hostname }),
    cpus: r.cpus,
    aslr: r.aslr,
    limits: r.limits,
    ...(r.core === null ? {} : { core: r.core }),
    ...(r.personality === null ? {} : { personality: r.personality }),
    quirks: r.quirks,
    noQuirks: r.noQuirks,
    inject: r.inject,
    terminal: r.terminal && replayedTerminal(r.terminal, shown),
  };
}

function replayedTerminal(
  recorded: NonNullable<RecordedOptions['terminal']>,
  shown: ((bytes: Uint8Array) => void) | undefined,
): TerminalPort {
  const { connected, ...size } = recorded;
  return {
    connected,
    live: false,
    size: () => size,
    write: (bytes) => {
      shown?.(bytes);
      return bytes.length;
    },
    attach: () => {},
    restore: () => {},
  };
}
