/** The cpu's own RAM and page tables, without the rest of a cpu. */
import { Memory as GuestRam } from '../../../cpu/memory/memory.ts';
import { PageTable } from '../../../cpu/memory/page-table.ts';
import { Memory } from '../../../kernel/mm/memory.ts';

export function realPorts(mebibytes: number) {
  const ram = new GuestRam(mebibytes << 20, 65536);
  const owner = {
    flush: () => undefined,
    codeChanged: () => undefined,
    codeRemapped: () => undefined,
    isCodeFrame: () => false,
    destroyed: () => undefined,
  };
  const memory = new Memory(ram);
  const cpu = { newPageTable: () => new PageTable(ram, owner), newRegs: () => null as never };
  return { ram, memory, cpu };
}
