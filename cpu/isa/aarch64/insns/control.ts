/** Branches, exceptions, hints, barriers, system registers, cache maintenance. Arm ARM C4.1.4. */
import type { Val } from '../../../builder.ts';
import type { A64Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';
import { A, FPCR_BITS, FPSR_BITS } from '../layout.ts';
import { controlChanged } from './fp-arith.ts';
import { COUNTER_FREQUENCY, CTR, DCZID, idRegister } from '../sysregs.ts';

const LR_OFFSET = A.x + 8 * 30;

function link(b: A64Builder): void {
  b.setState('i64.store', LR_OFFSET, b.nextPc());
}

function branchIf(b: A64Builder, taken: Val): void {
  b.if(taken, () => {
    b.jumpDirect();
  });
  b.fallThrough();
}

/** MRS and MSR of one register: op1, CRn, CRm, op2 (op0 is 3). */
const field = (v: number, width: number): string => v.toString(2).padStart(width, '0');
const systemRegister = (op1: number, crn: number, crm: number, op2: number): string =>
  `1 ${field(op1, 3)} ${field(crn, 4)} ${field(crm, 4)} ${field(op2, 3)}`;
const readable = (name: string, id: string, read: (b: A64Builder) => Val, special = false): Definition =>
  insn(`mrs ${name}`, `1101010100 1 1 ${id} Rt`, 'w:Rt', (b, rt) => {
    b.setX(rt, read(b));
  }, { special }); // prettier-ignore
const writable = (name: string, id: string, write: (b: A64Builder, v: Val) => void, special = false): Definition =>
  insn(`msr ${name}`, `1101010100 0 1 ${id} Rt`, 'r:Rt', (b, rt) => {
    write(b, b.x(rt));
  }, { special }); // prettier-ignore

const NZCV = systemRegister(3, 4, 2, 0);
const FPCR = systemRegister(3, 4, 4, 0);
const FPSR = systemRegister(3, 4, 4, 1);
const TPIDR = systemRegister(3, 13, 0, 2);

/** DC and IC by address: those a program may use. Coherent caches: nothing to do, but the address must be readable. */
const BY_ADDRESS = [['dc cvau', 11, 1], ['dc cvac', 10, 1], ['dc civac', 14, 1], ['ic ivau', 5, 1]] as const; // prettier-ignore

export const control: readonly Definition[] = [
  insn('b', '0 00101 imm26:26', '', (b) => {
    b.jumpDirect();
  }, { target: 'imm26', ends: true }),
  insn('bl', '1 00101 imm26:26', '', (b) => {
    link(b);
    b.jumpDirect();
  }, { target: 'imm26', ends: true, flow: 'call' }),
  insn('b.cond', '0101010 0 imm19:19 0 cond:4', '', (b) => {
    branchIf(b, b.condition(b.f['cond']));
  }, { by: 'cond', target: 'imm19', ends: true, condition: 'cond' }),
  ...(['cbz', 'cbnz'] as const).map((name, k) =>
    insn(name, `sf 011010 ${k} imm19:19 Rt`, 'r:Rt', (b, rt) => {
      const v = b.x(rt, b.width);
      branchIf(b, k ? b.nez(v) : b.eqz(v));
    }, { by: 'sf', target: 'imm19', ends: true }),
  ),
  ...(['tbz', 'tbnz'] as const).map((name, k) =>
    insn(name, `b5:1 011011 ${k} b40:5 imm14:14 Rt`, 'r:Rt', (b, rt) => {
      const bit = b.and(b.wrap(b.shrU(b.x(rt), b.extU(b.small()))), 1);
      branchIf(b, k ? bit : b.eqz(bit));
    }, { small: 'bit', target: 'imm14', ends: true }),
  ),
  insn('br', '1101011 0000 11111 000000 Rn 00000', 'r:Rn', (b, rn) => {
    b.jumpIndirect(b.x(rn));
  }, { ends: true }),
  insn('blr', '1101011 0001 11111 000000 Rn 00000', 'r:Rn', (b, rn) => {
    const target = b.x(rn); // before x30 changes
    link(b);
    b.jumpIndirect(target);
  }, { ends: true, flow: 'call' }),
  insn('ret', '1101011 0010 11111 000000 Rn 00000', 'r:Rn', (b, rn) => {
    b.jumpIndirect(b.x(rn));
  }, { ends: true, flow: 'return' }),

  insn('svc', '11010100 000 imm16:16 00001', '', (b) => {
    b.raise('syscall');
  }, { ends: true, special: true }),
  // The pc stays at the BRK, as Linux's SIGTRAP has it.
  insn('brk', '11010100 001 imm16:16 00000', '', (b) => {
    b.raise('breakpoint');
  }, { ends: true, imm: 'pc', special: true }),
  insn('udf', '0000000000000000 imm16:16', '', (b) => {
    b.raise('undefined');
  }, { ends: true, special: true }),

  // All hints, those of pointer authentication and branch targets too: without the features they do nothing.
  insn('hint', '1101010100 0 00 011 0010 CRm:4 op2:3 11111', '', () => undefined),
  insn('clrex', '1101010100 0 00 011 0011 CRm:4 010 11111', '', (b) => {
    b.setState('i64.store', A.monitor, b.i64(-1));
  }),
  insn('dsb', '1101010100 0 00 011 0011 CRm:4 100 11111', '', () => undefined),
  insn('dmb', '1101010100 0 00 011 0011 CRm:4 101 11111', '', () => undefined),
  insn('isb', '1101010100 0 00 011 0011 CRm:4 110 11111', '', () => undefined),

  readable('nzcv', NZCV, (b) => b.shl(b.nzcv(), 28)),
  writable('nzcv', NZCV, (b, v) => {
    b.setNzcv(b.and(b.shrU(v, 28), 15));
  }),
  readable('fpcr', FPCR, (b) => b.getState('i64.load32_u', A.fpcr)),
  writable('fpcr', FPCR, (b, v) => {
    b.setState('i64.store32', A.fpcr, b.and(v, FPCR_BITS));
    controlChanged(b);
  }),
  readable('fpsr', FPSR, (b) => b.getState('i64.load32_u', A.fpsr)),
  writable('fpsr', FPSR, (b, v) => {
    b.setState('i64.store32', A.fpsr, b.and(v, FPSR_BITS));
    controlChanged(b);
  }),
  readable('tpidr_el0', TPIDR, (b) => b.getState('i64.load', A.tpidr)),
  writable('tpidr_el0', TPIDR, (b, v) => {
    b.setState('i64.store', A.tpidr, v);
  }),
  readable('tpidrro_el0', systemRegister(3, 13, 0, 3), (b) => b.getState('i64.load', A.tpidrro)),
  readable('cntvct_el0', systemRegister(3, 14, 0, 2), (b) => b.callHost('counter')!, true),
  readable('cntfrq_el0', systemRegister(3, 14, 0, 0), (b) => b.i64(COUNTER_FREQUENCY), true),
  readable('ctr_el0', systemRegister(3, 0, 0, 1), (b) => b.i64(CTR), true),
  readable('dczid_el0', systemRegister(3, 0, 0, 7), (b) => b.i64(DCZID), true),
  // The others Linux emulates for programs that ask what the cpu has.
  insn('mrs id', '1101010100 1 1 1 000 0000 CRm:4 op2:3 Rt', 'w:Rt', (b, rt) => {
    b.setX(rt, b.i64(idRegister(b.f['CRm'], b.f['op2'])!));
  }, { by: 'CRm op2', where: (f) => idRegister(f['CRm'], f['op2']) !== null, special: true }),

  insn('dc zva', '1101010100 0 01 011 0111 0100 001 Rt', 'r:Rt', (b, rt) => {
    const size = 4 << DCZID;
    const at = b.translate(b.and(b.x(rt), ~(size - 1)), size, 'w');
    for (let i = 0; i < size; i += 16) b.rawStore('v128.store', at, b.v128(new Uint8Array(16)), i);
  }),
  ...BY_ADDRESS.map(([name, crm, op2]) =>
    insn(name, `1101010100 0 01 011 0111 ${field(crm, 4)} ${field(op2, 3)} Rt`, 'r:Rt', (b, rt) => {
      b.translate(b.x(rt), 1, 'r');
    }),
  ),
]; // prettier-ignore
