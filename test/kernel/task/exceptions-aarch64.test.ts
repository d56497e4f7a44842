/** aarch64's exceptions as signals: number, code, address, and the syndrome the frame shows. */
import { describe, expect, it } from 'vitest';
import type { ExceptionKind } from '../../../kernel/kernel.ts';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../../../kernel/ports.ts';
import { exceptionAarch64, memoryFault } from '../../../kernel/task/exceptions-aarch64.ts';

const BEFORE = { nr: 0, error: 0x92000047, address: 0x10n };

describe('exceptions', () => {
  it.each<[ExceptionKind, pc: number, at: number, signo: number, code: number, si: bigint, esr: number, far: bigint]>([
    ['undefined', 0x400100, 0x400100, 4, 1, 0x400100n, 0, 0n],
    ['breakpoint', 0x400100, 0x400100, 5, 1, 0x400100n, 0x92000047, 0x10n],
    ['alignment', 0x400100, 0x500003, 7, 1, 0x500003n, 0x92000021, 0x500003n],
    ['alignment', 0x400102, 0x400102, 7, 1, 0x400102n, 0x8a000000, 0n],
    ['gp', 2 ** 47, 2 ** 47, 11, 1, 2n ** 47n, 0x82000007, 2n ** 47n],
    ['gp', 2 ** 47 + 2, 2 ** 47 + 2, 7, 1, 2n ** 47n + 2n, 0x8a000000, 0n],
  ])('%s at pc %#x, address %#x', (kind, pc, at, signo, code, si, esr, far) => {
    const { info, trap } = exceptionAarch64(kind, pc, at, BEFORE);
    expect(info).toEqual({ signo, code, address: si });
    expect(trap).toEqual({ nr: 0, error: esr, address: far });
  }); // prettier-ignore
});

describe('memory faults', () => {
  it.each<[string, address: bigint, access: number, signo: number, code: number, esr: number, far: bigint]>([
    ['read of nothing', 0x10n, PROT_READ, 11, 1, 0x92000007, 0x10n],
    ['write of nothing', 0x10n, PROT_WRITE, 11, 1, 0x92000047, 0x10n],
    ['write of read-only', 0x400000n, PROT_WRITE, 11, 2, 0x9200004f, 0x400000n],
    ['jump to data', 0x500000n, PROT_EXEC, 11, 2, 0x8200000f, 0x500000n],
    ['past the end of a file', 0x500000n, PROT_READ, 7, 2, 0x92000007, 0x500000n],
    ['a tagged pointer', 0x5a00_0000_0000_0010n, PROT_READ, 11, 1, 0x92000007, 0x10n],
    ['the kernel', 0xffff_8000_0000_0000n, PROT_READ, 11, 1, 0x92000004, 0xffff_8000_0000_0000n],
  ])('%s', (_what, address, access, signo, code, esr, far) => {
    expect(memoryFault(address, access, signo, code)).toEqual({ nr: 0, error: esr, address: far });
  });
});
