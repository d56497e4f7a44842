/** What `monitor COMMAND` in gdb does. */
import { explanationText } from '../explain/text.ts';
import type { Machine } from '../machine/machine.ts';

const HELP = `monitor explain   who waits for what, and who could wake it
monitor when      where the run is: rounds of the scheduler, instructions, virtual time
monitor help      this text
`;

export function monitor(machine: Machine, command: string): string {
  switch (command.trim()) {
    case 'explain':
      return `${explanationText(machine.explain()).trimEnd()}\n`;
    case 'when': {
      const { rounds, stats, internals } = machine;
      const seconds = (internals.kernel.clock.monotonic() / 1e9).toFixed(6);
      return `round ${rounds}, ${stats.instructions} instructions, ${seconds} s\n`;
    }
    case 'help':
    case '':
      return HELP;
    default:
      return `no such command: ${command}\n${HELP}`;
  }
}
