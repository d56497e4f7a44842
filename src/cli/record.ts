/** `ring3 record`. */
import { recordTo } from '../host/recording-file.ts';
import { FRAME, type RecordingSink } from '../record/format.ts';
import { recordHelp } from './help.ts';
import { type MachineArgs, machineDefaults, machineOptions } from './machine-options.ts';
import { type OptionSpec, parseOptions, UsageError } from './options.ts';
import { execute, FAILED, help, needProgram, note } from './run.ts';

export interface RecordArgs extends MachineArgs {
  output: string | null;
}

export function recordOptions(): OptionSpec<RecordArgs>[] {
  return [
    {
      names: ['-o', '--output'], arg: 'FILE', apply: (o, v) => (o.output = v),
      help: 'write the recording to FILE',
    },
    ...machineOptions(true),
  ]; // prettier-ignore
}

export async function recordCommand(argv: readonly string[]): Promise<number> {
  const args: RecordArgs = { ...machineDefaults(), output: null };
  const specs = recordOptions();
  const command = parseOptions(specs, argv, args, 'record');
  if (args.help) return help(recordHelp(specs.filter((s) => !s.names.includes('--gdb'))));
  if (args.gdb !== null)
    throw new UsageError(
      'what gdb does is not recorded; record without --gdb, then debug the recording: ring3 replay --gdb PORT FILE',
    );
  if (args.output === '-')
    throw new UsageError("option '-o': standard output is the guest's; name a file for the recording");
  needProgram(command, 'record -o FILE', args);
  const { output } = args;
  if (output === null)
    throw new UsageError('no file for the recording given; write: ring3 record -o FILE PROG [ARGS...]');
  // The file is made when the machine is there: what goes wrong before must not cost an older recording.
  let sink: RecordingSink | null = null;
  let header: Uint8Array | null = null;
  let whole = true;
  const status = await execute(args, command, null, {
    frame: (kind, bytes) => {
      if (header === null) {
        header = bytes.slice();
        return;
      }
      if (sink === null) {
        sink = recordTo(output, (why) => {
          whole = false;
          note(why);
        });
        sink.frame(FRAME.header, header);
      }
      sink.frame(kind, bytes);
    },
    close: () => sink?.close(),
  });
  return whole ? status : FAILED;
}
