import { expect, it } from 'vitest';
import { readRegisters, registerIndex } from '../../src/machine/registers.ts';
import { FakeRegs } from '../kernel/fakes.ts';

it('registers are those of the architecture; others say so', () => {
  const regs = new FakeRegs('aarch64');
  regs.set(0, 7n);
  regs.set(34, 9n);
  const r = readRegisters(regs);
  expect(Object.keys(r)).toHaveLength(35);
  expect([r.x0, r.tpidr, r.pc]).toEqual([7n, 9n, 0n]);
  expect(() => r.rip).toThrow(new RangeError('no register rip on aarch64'));
  expect(Object.keys(readRegisters(new FakeRegs('x86_64')))).toHaveLength(20);
  expect(registerIndex('aarch64', 'sp')).toBe(31);
  expect(() => registerIndex('aarch64', 'rax')).toThrow('no register rax on aarch64');
  expect(() => registerIndex('x86_64', 'toString')).toThrow(RangeError);
});
