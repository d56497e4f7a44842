/** `ring3 run` and `ring3 strace`. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { Strace } from '../../kernel/trace/strace.ts';
import { SIGINT } from '../../kernel/signal/numbers.ts';
import { signalName, signalNumber } from '../../kernel/trace/tables.ts';
import { syscalls } from '../../kernel/syscall/table.ts';
import { serveGdb } from '../host/gdb-server.ts';
import { HostTerminal } from '../host/terminal.ts';
import { LockstepDifference } from '../../cpu/index.ts';
import { fdOutput, unblocked, writeAll } from '../host/output.ts';
import { readProgram } from '../host/program.ts';
import { BootError, DeadlockError, LivelockError } from '../machine/errors.ts';
import { Machine } from '../machine/machine.ts';
import type { BootOptions } from '../machine/options.ts';
import type { Explanation } from '../explain/types.ts';
import { readSchedule } from './schedule-option.ts';
import { printExplanation, QuitKey } from './explain-keys.ts';
import { runHelp, straceHelp } from './help.ts';
import type { RecordingSink } from '../record/format.ts';
import { type MachineArgs, machineDefaults, machineOptions } from './machine-options.ts';
import { parseOptions, UsageError } from './options.ts';
import { OverdueDeath } from './overdue.ts';
import { type StraceArgs, straceDefaults, straceOptions } from './strace-options.ts';

const TIMED_OUT = 124;
export const FAILED = 125;

/** ^C */
const INTERRUPT_KEY = 3;
/** Signals that are passed on to the guest's foreground. */
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const;

/** A trace nobody reads for so long is stuck. */
const SILENCE_AFTER_MS = 100;

export const note = (line: string): void => void writeAll(2, new TextEncoder().encode(`ring3: ${line}\n`));

export async function runCommand(argv: readonly string[]): Promise<number> {
  const args = machineDefaults();
  const command = parseOptions(machineOptions(true), argv, args, 'run');
  if (args.help) return help(runHelp());
  return await execute(args, needProgram(command, 'run', args), null);
}

export async function straceCommand(argv: readonly string[]): Promise<number> {
  const args = straceDefaults();
  const specs = straceOptions((name) => syscalls.has(name));
  const command = parseOptions(specs, argv, args, 'strace');
  if (args.help) return help(straceHelp(specs));
  if (args.follow === 2 && args.summary) throw new UsageError('-c and -C cannot be combined with -ff');
  needProgram(command, 'strace', args);
  const output = new TraceOutput(args, whileStalled(args));
  try {
    return await execute(args, command, output.tracer);
  } finally {
    output.close();
  }
}

/**
 * Nobody reads the trace. strace's program waits then, and so does the machine; but no event reaches it in that time, so
 * signals get their default action back, and --timeout is looked at here.
 */
export function whileStalled(args: StraceArgs): (ms: number) => void {
  const begun = performance.now();
  const silenced = new Map<NodeJS.Signals, NodeJS.SignalsListener[]>();
  return (ms) => {
    if (ms === 0) {
      for (const [name, listeners] of silenced) for (const f of listeners) process.on(name, f);
      silenced.clear();
    } else if (ms > SILENCE_AFTER_MS && silenced.size === 0) {
      for (const name of FORWARDED) {
        silenced.set(name, process.listeners(name));
        process.removeAllListeners(name);
      }
    }
    if (args.timeout !== null && performance.now() - begun > args.timeout / 1e6) process.exit(TIMED_OUT);
  };
}

/** A host error in words. */
function reason(e: NodeJS.ErrnoException): string {
  const [code, text] = getSystemErrorMap().get(e.errno ?? 0) ?? [e.code, null];
  return text === null ? e.message : `${text} (${code})`;
}

export function help(text: string): number {
  writeAll(1, new TextEncoder().encode(text));
  return 0;
}

/** An image may say itself what is run. */
export function needProgram(command: string[], name: string, args: MachineArgs): string[] {
  if (command.length === 0 && args.root === null)
    throw new UsageError(`no program given; write: ring3 ${name} PROG [ARGS...]`);
  return command;
}

/** The tracer of `ring3 strace` and the files it writes. */
export class TraceOutput {
  readonly tracer: Strace;
  private readonly file: number | null;
  private readonly perTask = new Map<number, number>();

  constructor(args: StraceArgs, stalled: (ms: number) => void) {
    const separate = args.follow === 2 && args.output !== null;
    const open = (path: string): number => {
      try {
        return openSync(path, args.append ? 'a' : 'w', 0o666);
      } catch (e) {
        throw new BootError(
          'setup',
          `cannot write the trace to ${path}: ${reason(e as NodeJS.ErrnoException)}`,
        );
      }
    };
    this.file = args.output !== null && !separate ? open(args.output) : null;
    const shared = unblocked(this.file ?? 2);
    const fdOf = (tid: number): number => {
      if (!separate) return shared;
      let fd = this.perTask.get(tid);
      if (fd === undefined) this.perTask.set(tid, (fd = open(`${args.output!}.${tid}`)));
      return fd;
    };
    let lost = false;
    this.tracer = new Strace({
      write: (text, tid) => {
        if (writeAll(fdOf(tid), Buffer.from(text, 'latin1'), stalled) || lost) return;
        lost = true;
        if (args.output !== null) note(`the trace in ${args.output} is not whole: it could not be written`);
      },
      format: {
        strsize: args.strsize, verbose: args.verbose,
        hex: args.hex as 0 | 1 | 2, fds: args.fds as 0 | 1 | 2,
      },
      follow: args.follow > 0,
      separate,
      toFile: args.output !== null,
      column: args.column,
      timestamps: args.timestamps as 0 | 1 | 2 | 3,
      utcOffset: -new Date().getTimezoneOffset() * 60,
      relative: args.relative,
      durations: args.durations,
      ...(args.trace ? { trace: args.trace } : {}),
      ...(args.signals ? { signals: args.signals } : {}),
      status: args.status,
      ...(args.paths.length > 0 ? { paths: args.paths } : {}),
      summary: args.summary,
      sort: args.sort,
      quiet: args.quiet as 0 | 1 | 2 | 3,
      numbers: args.numbers,
      instructionPointer: args.instructionPointer,
    }); // prettier-ignore
  }

  close(): void {
    this.tracer.finish();
    if (this.file !== null) closeSync(this.file);
    for (const fd of this.perTask.values()) closeSync(fd);
  }
}

function parseUser(text: string): [uid: number, gid: number] {
  const m = /^([0-9]{1,9})(?::([0-9]{1,9}))?$/.exec(text);
  if (!m) throw new UsageError(`option '-u': '${text}' is no user; write a number, or UID:GID`);
  return [Number(m[1]), Number(m[2] ?? m[1])];
}

/** What is set beside the defaults and what an image sets. */
function environment(args: MachineArgs, terminal: boolean): Record<string, string | null> {
  const env: Record<string, string | null> = {};
  if (terminal) env['TERM'] = process.env['TERM'] ?? 'xterm';
  for (const [name, value] of args.env) {
    const v = value ?? process.env[name];
    env[name] = v ?? null;
  }
  return env;
}

/** Runs a program as the options say. `record`: takes a recording of it. */
/** What the machine is booted with, but for its standard streams and who watches. */
export function bootOptions(args: MachineArgs, command: readonly string[], terminal: boolean): BootOptions {
  const name = command.length === 0 ? '' : command[0];
  const user = args.user === null ? null : parseUser(args.user);
  const program = args.root === null ? readProgram(name, true) : null;
  return {
    program: program ? program.bytes : name,
    ...(program
      ? { path: name.includes('/') ? name : program.path, hostPath: program.path, mode: program.mode }
      : { root: args.root! }),
    argv: [args.argv0 ?? name, ...command.slice(1)],
    setEnv: environment(args, terminal),
    ...(args.workdir === null && args.root !== null ? {} : { cwd: args.workdir ?? process.cwd() }),
    ...(user === null ? {} : { uid: user[0], gid: user[1] }),
    mounts: args.mounts,
    rootReadWrite: args.readWrite,
    publish: args.publish,
    hostNetwork: args.hostNetwork,
    aslr: args.aslr,
    limits: { ...(args.maxMemory === null ? {} : { memory: args.maxMemory }) },
    cpu: args.cpu,
    personality: args.personality,
    quirks: args.quirks,
    noQuirks: args.noQuirks,
    ...(args.core === null ? {} : { core: args.core }),
    ...(args.platform === null ? {} : { platform: args.platform }),
    ...(args.seed === null ? {} : { seed: args.seed }),
    ...(args.schedule === null ? {} : { schedule: readSchedule(args.schedule) }),
    ...(args.livelock === null ? {} : { livelock: args.livelock }),
    ...(args.hostname === null ? {} : { hostname: args.hostname }),
    ...(args.cpus === null ? {} : { cpus: args.cpus }),
    inject: args.inject,
  };
}

export async function execute(
  args: MachineArgs,
  command: readonly string[],
  tracer: Strace | null,
  record: RecordingSink | null = null,
): Promise<number> {
  const flush = (): void => tracer?.flush();
  // Under a schedule all is as ring3 explore saw it: streams that are no terminals.
  const terminal = args.schedule === null ? HostTerminal.open(flush) : null;
  if (args.dumpRegions !== null && !/^(lockstep:)?jit/.test(args.cpu))
    throw new UsageError(`--dump-regions shows what is compiled, and --cpu ${args.cpu} compiles nothing`);
  const dump = args.dumpRegions === null ? null : openDump(args.dumpRegions);
  // gdb goes back in a run that is the same each time.
  const reversible = args.gdb !== null && (args.seed !== null || args.schedule !== null);
  const options: BootOptions = {
    ...bootOptions(args, command, terminal !== null),
    terminal,
    inheritStdin: true,
    stdout: fdOutput(1, flush),
    stderr: fdOutput(2, flush),
    ...(reversible ? { countEvents: true } : {}),
    stats: args.stats,
    ...(dump === null ? {} : { onRegion: (listing: string) => void writeSync(dump, `${listing}\n`) }),
    ...(tracer === null ? {} : { tracer }),
    ...(record === null ? {} : { record }),
    report: (line) => {
      tracer?.endLine();
      note(line);
    },
  };
  const started = performance.now();
  let machine: Machine | null = null;
  let timer: NodeJS.Timeout | undefined;
  let timedOut: Explanation | null = null;
  let overdue: OverdueDeath | null = null;
  try {
    machine = await Machine.boot(options);
    const m = machine;
    const quit = new QuitKey(m, terminal, flush);
    overdue = new OverdueDeath(m);
    forwardSignals(m, terminal, quit, overdue);
    if (args.timeout !== null) {
      timer = setTimeout(() => {
        timedOut = m.explainBusy();
        m.stop();
      }, args.timeout / 1e6);
    }
    if (args.gdb !== null) {
      const onInterruptKey = (pressed: () => void): void => {
        const typed = terminal?.onTyped;
        if (!terminal) return;
        terminal.onTyped = (bytes): void => {
          typed?.(bytes);
          if (bytes.includes(INTERRUPT_KEY)) pressed();
        };
      };
      await serveGdb(m, { ...args.gdb, onInterruptKey, report: note });
    }
    const end = await m.run();
    flush();
    return end.status;
  } catch (e) {
    tracer?.endLine();
    terminal?.restore();
    if (overdue?.signo) {
      const name = signalName(overdue.signo);
      note(
        `the guest had to die of ${name} and did not get to it: it was ended at the second (none of its tasks gives way)`,
      );
      return 128 + overdue.signo;
    }
    if (timedOut !== null) {
      note(`the guest was still running after ${args.timeout! / 1e9} s and was killed (--timeout)`);
      printExplanation(timedOut, false);
      return TIMED_OUT;
    }
    if (e instanceof DeadlockError || e instanceof LivelockError || e instanceof LockstepDifference) {
      note(e.message);
      return FAILED;
    }
    throw e;
  } finally {
    clearTimeout(timer);
    terminal?.restore();
    if (machine && args.stats) machine.statsLines(performance.now() - started).forEach(note);
    machine?.dispose();
    if (dump !== null) closeSync(dump);
  }
}

function openDump(path: string): number {
  try {
    return openSync(path, 'w', 0o666);
  } catch (e) {
    throw new BootError('setup', `cannot write to ${path}: ${reason(e as NodeJS.ErrnoException)}`);
  }
}

function forwardSignals(
  m: Machine,
  terminal: HostTerminal | null,
  quit: QuitKey,
  overdue: OverdueDeath,
): void {
  for (const name of FORWARDED) {
    process.on(name, () => {
      if (name !== 'SIGCONT' && overdue.sending(signalNumber(name))) return m.stop();
      if (name === 'SIGQUIT') quit.pressed();
      // A terminal in raw mode sends no signals of its own: these come from outside and are for the whole guest.
      m.signalForeground(signalNumber(name));
    });
  }
  if (terminal !== null) {
    const typed = terminal.onTyped;
    terminal.onTyped = (bytes) => {
      typed?.(bytes);
      const key = m.interruptKey;
      if (key !== null && bytes.includes(key) && overdue.sending(SIGINT)) m.stop();
    };
  }
  if (terminal === null) {
    process.on('SIGTSTP', () => {
      m.signalForeground(signalNumber('SIGTSTP'));
      m.whenStopped(() => process.kill(process.pid, 'SIGSTOP'));
    });
  }
}
