/** The command line: `ring3 run|strace|record|replay|syscalls|quirks|preflight|version|help`. */
import { VERSION } from '../version.ts';
import { checkCommand } from './check.ts';
import { diffCommand } from './diff.ts';
import { exploreCommand } from './explore.ts';
import { HELP } from './help.ts';
import { UsageError } from './options.ts';
import { preflightCommand } from './preflight.ts';
import { recordCommand } from './record.ts';
import { replayCommand } from './replay.ts';
import { runCommand, straceCommand } from './run.ts';
import { quirksCommand } from './quirks.ts';
import { syscallsCommand } from './syscalls.ts';
import { BootError } from '../machine/errors.ts';
import { writeAll } from '../host/output.ts';

/** Exit statuses of ring3 itself, as shells and docker give them. */
const USAGE = 2;
const FAILED = 125;
/** EX_SOFTWARE of sysexits.h: a fault of ring3's own. */
const INTERNAL = 70;
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

const say = (fd: number, text: string): void => void writeAll(fd, new TextEncoder().encode(text));

async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  switch (command) {
    case 'run':
      return await runCommand(rest);
    case 'strace':
      return await straceCommand(rest);
    case 'record':
      return await recordCommand(rest);
    case 'replay':
      return await replayCommand(rest);
    case 'explore':
      return await exploreCommand(rest);
    case 'syscalls':
      say(1, syscallsCommand(rest));
      return 0;
    case 'quirks':
      say(1, quirksCommand(rest));
      return 0;
    case 'preflight': {
      const { text, status } = preflightCommand(rest);
      say(1, text);
      return status;
    }
    case 'diff': {
      const { text, status } = diffCommand(rest);
      say(1, text);
      return status;
    }
    case 'check': {
      const { text, status } = checkCommand(rest);
      say(1, text);
      return status;
    }
    case 'version':
    case '--version':
    case '-V':
      say(1, `ring3 ${VERSION}\n`);
      return 0;
    case 'help':
    case '--help':
    case '-h':
      if (['run', 'strace', 'record', 'replay', 'syscalls', 'preflight', 'quirks'].includes(rest[0]))
        return await main([rest[0], '--help']);
      if (['check', 'diff', 'explore'].includes(rest[0])) return await main([rest[0], '--help']);
      if (rest.length > 0) throw new UsageError(`no help on '${rest[0]}'; 'ring3 help' shows what there is`);
      say(1, HELP);
      return 0;
    case undefined:
      say(2, HELP);
      return USAGE;
    default:
      throw new UsageError(
        command.startsWith('-')
          ? `unknown option '${command}'; 'ring3 help' shows what there is`
          : `unknown command '${command}'; to run a program: ring3 run ${command}`,
      );
  }
}

/** A fault of ring3's own, in one line; the stack is there for whoever asks. */
function describeFault(error: unknown): string {
  if (!(error instanceof Error)) return `internal error: ${String(error)} (please report this)`;
  const origin = error.cause instanceof Error ? error.cause : error;
  if (process.env['RING3_DEBUG']) return `internal error: ${error.message}\n${origin.stack ?? ''}`;
  const where = /\n\s+(at [^\n]+)/.exec(origin.stack ?? '')?.[1] ?? 'at an unknown place';
  const what = error.message.split('\n', 1)[0];
  return `internal error: ${what}, ${where} (please report this with the program; RING3_DEBUG=1 shows the whole stack)`;
}

/** How the command line spells options of Machine.boot. */
const SPELLED: Readonly<Record<string, string>> = { root: '--root', rootReadWrite: '--rw', mounts: '-v' };

function bootText({ option, why, message }: BootError): string {
  return option !== null && Object.hasOwn(SPELLED, option) ? `option '${SPELLED[option]}': ${why}` : message;
}

/** Says why and ends; leaving restores the terminal. */
function fail(error: unknown): never {
  if (error instanceof UsageError) say(2, `ring3: ${error.message}\n`);
  else if (error instanceof BootError) say(2, `ring3: ${bootText(error)}\n`);
  else say(2, `ring3: ${describeFault(error)}\n`);
  process.exit(statusOf(error));
}

function statusOf(error: unknown): number {
  if (error instanceof UsageError) return USAGE;
  if (error instanceof BootError) {
    return error.kind === 'missing' ? NOT_FOUND : error.kind === 'not-executable' ? NOT_EXECUTABLE : FAILED;
  }
  return INTERNAL;
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
main(process.argv.slice(2)).then((status) => process.exit(status), fail);
