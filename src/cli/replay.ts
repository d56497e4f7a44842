/** `ring3 replay`. */
import { syscalls } from '../../kernel/syscall/table.ts';
import { fdOutput, writeAll } from '../host/output.ts';
import { openRecording } from '../host/recording-file.ts';
import { DeadlockError } from '../machine/errors.ts';
import { Machine } from '../machine/machine.ts';
import type { Recording } from '../record/format.ts';
import { DivergenceError, RecordingEndError } from '../record/errors.ts';
import { replayHelp } from './help.ts';
import { type OptionSpec, parseCount, parseOptions, UsageError } from './options.ts';
import { serveGdb } from '../host/gdb-server.ts';
import { FAILED, help, note, TraceOutput } from './run.ts';
import { type StraceArgs, straceDefaults, straceOptions } from './strace-options.ts';

export interface ReplayArgs extends StraceArgs {
  strace: boolean;
  to: number | null;
  info: boolean;
}

/** Of strace's options those that say how a trace looks, and of run's those that do not change the machine. */
const KEPT = ['--cpu', '--stats', '--help', '--gdb'];

export function replayOptionSpecs(): OptionSpec<ReplayArgs>[] {
  const strace = straceOptions((name) => syscalls.has(name));
  const trace = strace.slice(
    0,
    strace.findIndex((s) => s.names[0] === '-E'),
  );
  const kept = strace.filter((s) => s.names.some((n) => KEPT.includes(n)));
  return [
    {
      names: ['--to'], arg: 'N', apply: (o, v) => (o.to = parseCount(v, '--to', 1, Number.MAX_SAFE_INTEGER)),
      help: 'stop when event N has happened, and say what the tasks are doing',
    },
    { names: ['--strace'], apply: (o) => (o.strace = true), help: "show the system calls, with strace's options and text" },
    { names: ['--info'], apply: (o) => (o.info = true), help: 'say what was recorded, and do not replay it' },
    ...trace.map((s) => ({ ...s, help: s.help.replace(/;\ninject=[^]*$/, ''), apply: (o: ReplayArgs, v: string) => { o.strace = true; s.apply(o, v); } })),
    ...kept,
    { names: ['-h'], apply: (o) => (o.help = true), help: 'as --help' },
  ]; // prettier-ignore
}

export async function replayCommand(argv: readonly string[]): Promise<number> {
  const args: ReplayArgs = { ...straceDefaults(), strace: false, to: null, info: false, cpu: '' };
  const specs = replayOptionSpecs();
  const rest = parseOptions(specs, argv, args, 'replay');
  if (args.help) return help(replayHelp(specs));
  if (rest.length === 0) throw new UsageError('no recording given; write: ring3 replay [OPTIONS] FILE');
  if (rest.length > 1)
    throw new UsageError(`'${rest[1]}': a replay takes one recording, and options come before it`);
  if (args.inject.length > 0)
    throw new UsageError(
      'a replay does what was recorded: no fault can be put into it; give --inject to ring3 record',
    );
  const recording = openRecording(rest[0]);
  if (args.info) {
    writeAll(1, new TextEncoder().encode(infoText(rest[0], recording)));
    return 0;
  }
  const output = args.strace ? new TraceOutput(args, () => {}) : null;
  try {
    return await replay(recording, args, output);
  } finally {
    output?.close();
  }
}

async function replay(recording: Recording, args: ReplayArgs, trace: TraceOutput | null): Promise<number> {
  const flush = (): void => trace?.tracer.flush();
  const started = performance.now();
  const m = await Machine.replay(recording, {
    ...(args.cpu === '' ? {} : { cpu: args.cpu }),
    stats: args.stats,
    stdout: fdOutput(1, flush),
    stderr: fdOutput(2, flush),
    terminal: (bytes) => {
      flush();
      writeAll(1, bytes);
    },
    ...(trace ? { tracer: trace.tracer } : {}),
  });
  try {
    if (args.to !== null) await m.runTo(args.to);
    const gdb = args.gdb && (await serveGdb(m, { ...args.gdb, recorded: true, report: note }));
    if (gdb === 'killed') return 0;
    if (args.to === null) await m.run();
    flush();
    if (m.status !== null) {
      if (args.to !== null && m.position < args.to)
        note(`the guest ended before event ${args.to}: there were ${m.position}`);
      return m.status.status;
    }
    for (const line of whereText(m)) note(line);
    return 0;
  } catch (e) {
    flush();
    if (e instanceof RecordingEndError) {
      note(e.message);
      return e.damaged ? FAILED : 0;
    }
    if (e instanceof DeadlockError || e instanceof DivergenceError) {
      note(e.message);
      const { ring3 } = recording.header;
      if (e instanceof DivergenceError) note(`it was recorded by ring3 ${ring3}`);
      return FAILED;
    }
    throw e;
  } finally {
    if (args.stats) m.statsLines(performance.now() - started).forEach(note);
    m.dispose();
  }
}

function whereText(m: Machine): string[] {
  return [`stopped after event ${m.position}`, ...m.tasks.map((t) => `  ${t.waiting}`)];
}

function infoText(path: string, r: Recording): string {
  const { header, end } = r;
  const o = header.options;
  const lines = [
    `${path}: ${o.argv.join(' ')}`,
    `  recorded ${new Date(header.recorded).toISOString()} by ring3 ${header.ring3}`,
    `  ${o.arch}, seed ${o.seed}${o.cpus > 1 ? `, ${o.cpus} processors` : ''}`,
    ...(o.schedule ? [`  schedule ${o.schedule}`] : []),
    ...(o.personality && o.personality !== 'linux' ? [`  personality ${o.personality}`] : []),
    ...(o.quirks.length > 0 ? [`  quirks ${o.quirks.join(', ')}`] : []),
    ...(o.noQuirks.length > 0 ? [`  without ${o.noQuirks.join(', ')}`] : []),
    ...o.inject.map((what) => `  inject ${typeof what === 'string' ? what : JSON.stringify(what)}`),
    ...(o.root ? [`  root ${o.root.path}`] : []),
    ...o.mounts.map((m) => `  mount ${m.host} at ${m.guest}`),
    end
      ? `  ${end.events} events, ${end.rounds} rounds; ${END_TEXT[end.reason]}`
      : '  cut off: the recorder was killed; what is there can be replayed',
  ];
  return lines.join('\n') + '\n';
}

const END_TEXT = {
  exited: 'the guest ended',
  stopped: 'the machine was stopped before the guest ended',
  deadlock: 'the guest deadlocked',
  failed: 'ring3 failed',
};
