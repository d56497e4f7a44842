/** Help texts. */
import type { RecordArgs } from './record.ts';
import type { ReplayArgs } from './replay.ts';
import { type MachineArgs, machineOptions } from './machine-options.ts';
import { optionHelp, type OptionSpec } from './options.ts';
import type { ExploreArgs } from './explore.ts';
import type { StraceArgs } from './strace-options.ts';

export const HELP = `ring3 runs Linux programs (x86_64 and aarch64 ELF) in Node.js.

Usage:
  ring3 run [OPTIONS] PROG [ARGS...]      run a program
  ring3 strace [OPTIONS] PROG [ARGS...]   run it and show its system calls, with strace's options and text
  ring3 record -o FILE [OPTIONS] PROG     run it, and write down all that happens
  ring3 replay [OPTIONS] FILE             run it again exactly so, anywhere, with nothing from outside
  ring3 explore [OPTIONS] PROG [ARGS...]  run it under many schedules: find crashes, hangs and races
  ring3 syscalls [--markdown]             which system calls there are, and how complete each is
  ring3 quirks [--personality P]          in what the personality starry differs from Linux
  ring3 preflight [--root DIR] PROG       what PROG would need that is not there: files, calls, processor
  ring3 check [OPTIONS] LOG               what in a StarryOS log or strace's text is not as Linux does it
  ring3 diff [OPTIONS] A B                the first call two logs, or a log and a run here, differ in
  ring3 version
  ring3 help [COMMAND]

Examples:
  ring3 run /bin/busybox sh -c 'echo hello; uname -a'
  ring3 strace -f -e trace=%process /bin/busybox sh -c 'ls | wc -l'
  ring3 run -v "$PWD:/data:ro" -w /data /bin/busybox ls -l
  ring3 run -p 8080:80 -v "$PWD:/www:ro" /bin/busybox httpd -f -h /www
  ring3 run --root ./debian bash -c 'echo changed > /etc/motd; ls -l /etc/motd'
  ring3 run --seed 1 ./racy
  ring3 run --fault write:error=ENOSPC:when=3+ ./prog
`;

const RULES = `
The guest sees no host file but PROG, at its own path, and what -v or --root show it. Its working directory is named
as the host's and empty; with --root it is /. The machine ends with PROG: processes still running in the background are
killed then, as in a container. Exit status: the guest's own, or 128 + the number of the signal that killed it; 2 bad
option, 70 a fault in ring3 itself, 124 timeout, 125 ring3 could not set up the machine or the guest deadlocked, 126 PROG
cannot be run, 127 no such PROG.
`;

export const runHelp = (): string =>
  `Usage: ring3 run [OPTIONS] PROG [ARGS...]\n\n${optionHelp<MachineArgs>(machineOptions(true))}\n${RULES}`;

export const straceHelp = (specs: readonly OptionSpec<StraceArgs>[]): string =>
  `Usage: ring3 strace [OPTIONS] PROG [ARGS...]\n\n${optionHelp(specs)}\n${RULES}`;

export const recordHelp = (specs: readonly OptionSpec<RecordArgs>[]): string =>
  `Usage: ring3 record -o FILE [OPTIONS] PROG [ARGS...]

Runs PROG, and writes to FILE all that it takes to run it again: the program, a seed, and everything that comes from outside.
Without --seed one is drawn. Time is virtual: it passes with instructions, and while the guest waits for something that may come
from outside it passes as it does on the host. When FILE cannot be written to its end, PROG goes on, and the exit status is 125.

${optionHelp(specs)}
${RULES}`;

export const replayHelp = (specs: readonly OptionSpec<ReplayArgs>[]): string =>
  `Usage: ring3 replay [OPTIONS] FILE      (- for FILE: standard input)

Runs what 'ring3 record' wrote to FILE again, without touching the host: no file, port or input. What the guest does is
compared with the recording event by event. Exit status: the guest's own; 0 when the replay stops before the guest does
(--to, or the recording ends); 125 when it differs from the recording, or the guest deadlocked.

${optionHelp(specs)}
`;

export const exploreHelp = (specs: readonly OptionSpec<ExploreArgs>[]): string =>
  `Usage: ring3 explore [OPTIONS] PROG [ARGS...]

Runs PROG under many schedules and tells of crashes, hangs, and exit statuses and outputs that differ from what most runs
give; of each the shortest schedule that shows it, and the command that repeats it. Exit status: 1 when something was
found, 3 when every schedule ends in the same way and badly: with a status other than 0, killed by a signal, hanging; else 0.

${optionHelp(specs)}
`;
