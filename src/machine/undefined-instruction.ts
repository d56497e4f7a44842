/** Says which instruction a guest died of that this cpu does not have: a SIGILL alone would leave people guessing. */
import type { Task } from '../../kernel/task/task.ts';

const SIGILL = 4;
const PAGE = 4096;
const LONGEST = 15;
/** Lines a run may cost: a guest may fork children that all die so. */
const MOST = 8;

/** The bytes of the instruction at `pc`, how to show them, and where a program could have asked; null: it is meant. */
function describe(t: Task, pc: number): string | null {
  if (t.regs.arch === 'aarch64') {
    const word = t.mm.u32(pc);
    // UDF: permanently undefined.
    if (word <= 0xffff) return null;
    return `${word.toString(16).padStart(8, '0')} (AT_HWCAP and /proc/cpuinfo tell programs what this cpu has)`;
  }
  // The instruction may go on behind the end of what is mapped.
  const code = t.mm.copyIn(pc, LONGEST) ?? t.mm.copyIn(pc, Math.min(LONGEST, PAGE - (pc % PAGE)));
  if (!code || isMeant(code)) return null;
  const bytes = Array.from(code, (b) => b.toString(16).padStart(2, '0')).join(' ');
  return `${bytes} (CPUID tells programs what this cpu has)`;
}

/** UD2, UD1, UD0: undefined on every x86 processor, and meant so. */
function isMeant(code: Uint8Array): boolean {
  const at = code.findIndex((b) => b === 0x0f);
  return at >= 0 && at <= 1 && [0x0b, 0xb9, 0xff].includes(code[at + 1] ?? 0);
}

export function undefinedInstructionReporter(report: (line: string) => void): (t: Task) => void {
  const told = new Set<number>();
  return (t) => {
    const { pc } = t.regs;
    const handled = (t.sighand.actions[SIGILL - 1]?.handler ?? 0) !== 0;
    if (handled || told.has(pc) || told.size >= MOST) return;
    const what = describe(t, pc);
    if (what === null) return;
    told.add(pc);
    report(`undefined instruction at 0x${pc.toString(16)}: ${what}`);
  };
}
