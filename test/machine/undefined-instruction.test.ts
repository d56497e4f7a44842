import { describe, expect, it } from 'vitest';
import type { Task } from '../../kernel/task/task.ts';
import { undefinedInstructionReporter } from '../../src/machine/undefined-instruction.ts';

const PAGE_END = 0x402000;

/** As much of a task as the reporter looks at. */
function task(pc: number, code: readonly number[], handler = 0): Task {
  const actions = Array.from({ length: 64 }, () => ({ handler: 0 }));
  actions[3] = { handler };
  const copyIn = (address: number, length: number): Uint8Array | null =>
    address + length > PAGE_END
      ? null
      : Uint8Array.from([...code, ...Array<number>(15).fill(0x90)].slice(0, length));
  return { regs: { pc, arch: 'x86_64' }, sighand: { actions }, mm: { copyIn } } as unknown as Task;
}

describe('undefined instructions', () => {
  it('are named once, with their bytes', () => {
    const lines: string[] = [];
    const tell = undefinedInstructionReporter((line) => lines.push(line));
    tell(task(0x401000, [0x62, 0xf1, 0x7c, 0x48]));
    tell(task(0x401000, [0x62, 0xf1, 0x7c, 0x48]));
    tell(task(PAGE_END - 2, [0xc5, 0xf8]));
    expect(lines).toEqual([
      expect.stringMatching(/^undefined instruction at 0x401000: 62 f1 7c 48 90( 90){10} \(/),
      expect.stringMatching(/^undefined instruction at 0x401ffe: c5 f8 \(/),
    ]);
  });

  it('are not when they are meant (ud2) or the guest handles SIGILL', () => {
    const lines: string[] = [];
    const tell = undefinedInstructionReporter((line) => lines.push(line));
    tell(task(0x401000, [0x0f, 0x0b]));
    tell(task(0x401000, [0x67, 0x0f, 0xb9, 0x40]));
    tell(task(0x401000, [0xc5, 0xf8, 0x77], 0x401234));
    expect(lines).toEqual([]);
  });

  it('of aarch64 are one word, and UDF is meant', () => {
    const lines: string[] = [];
    const tell = undefinedInstructionReporter((line) => lines.push(line));
    const arm = (word: number): Task =>
      ({
        ...task(0x401000, []),
        regs: { pc: 0x401000, arch: 'aarch64' },
        mm: { u32: () => word },
      }) as unknown as Task;
    tell(arm(0));
    tell(arm(-14));
    tell(arm(0x04a0e3e0));
    expect(lines).toEqual([expect.stringMatching(/^undefined instruction at 0x401000: 04a0e3e0 \(AT_HWCAP/)]);
  });
});
