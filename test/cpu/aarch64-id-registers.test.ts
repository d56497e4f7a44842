/** What MRS of the ID space gives a program, as Linux emulates it (Documentation/arm64/cpu-feature-registers.rst). */
import { describe, expect, it } from 'vitest';
import { A64Cpu, EXIT } from '../../cpu/index.ts';
import { loadA64Core } from '../../src/host/core-files.ts';

const CODE = 0x10000;
const core = loadA64Core();

/** What `mrs x0, S3_op1_c0_cCRm_op2` leaves in x0; null: it is undefined. */
function mrs(op1: number, crm: number, op2: number): bigint | null {
  const cpu = new A64Cpu({ ...core, memoryBytes: 8 << 20 });
  const table = cpu.newPageTable();
  const regs = cpu.newRegs();
  const at = cpu.memory.alloc(1);
  table.set(CODE, at, 7);
  const word = 0xd5380000 | (op1 << 16) | (crm << 8) | (op2 << 5);
  cpu.memory.view.setUint32(at, word, true);
  cpu.memory.view.setUint32(at + 4, 0xd4000001, true); // svc #0
  regs.set(0, 0xdeadn);
  regs.pc = CODE;
  const exit = cpu.run(regs, table, 1000);
  if (exit === EXIT.undefined) return null;
  expect(exit).toBe(EXIT.syscall);
  return regs.get(0);
}

const NAMED: Readonly<Record<string, bigint>> = {
  '0 0': 0x000f0000n, // MIDR_EL1
  '0 5': 0x80000000n, // MPIDR_EL1
  '0 6': 0n, // REVIDR_EL1
  '4 0': 0x11n, // ID_AA64PFR0_EL1
  '5 0': 0x6n, // ID_AA64DFR0_EL1
  '6 0': 0x00211120n, // ID_AA64ISAR0_EL1
};

describe('ID registers', () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])('CRm %i', (crm) => {
    for (let op2 = 0; op2 < 8; op2++) {
      const reserved = crm >= 2 && crm <= 7 ? 0n : null; // no name, not implemented, AArch32's: zero
      expect(mrs(0, crm, op2), `op2 ${op2}`).toBe(NAMED[`${crm} ${op2}`] ?? reserved);
    }
  });

  it('nothing with another op1', () => {
    for (const crm of [0, 2, 4, 6]) expect(mrs(1, crm, 0)).toBeNull();
  });
});
