/**
 * Registers as gdb knows them: the target description ("Standard Target Features" in gdb's manual) and the bytes of each
 * register, in the order of the `g` packet.
 */
import { A64_REG, REG, type Arch } from '../../kernel/ports.ts';
import { readCall } from '../../kernel/syscall/dispatch.ts';
import type { Task } from '../../kernel/task/task.ts';

export interface GdbRegister {
  readonly name: string;
  readonly bytes: number;
  read(t: Task): Uint8Array;
  write(t: Task, value: Uint8Array): void;
}

export interface GdbRegisters {
  readonly xml: string;
  readonly list: readonly GdbRegister[];
}

function little(value: bigint, bytes: number): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) out[i] = Number((value >> BigInt(8 * i)) & 255n);
  return out;
}
function big(bytes: Uint8Array): bigint {
  let out = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) out = (out << 8n) | BigInt(bytes[i]);
  return out;
}

/** One of the general registers, `bytes` of it. */
const general = (name: string, index: number, bytes = 8): GdbRegister => ({
  name,
  bytes,
  read: (t) => little(t.regs.get(index), bytes),
  write: (t, value) => {
    t.regs.set(index, big(value));
  },
});

/** Bytes of the floating-point image, which is `size` long. */
const fromImage = (name: string, size: number, at: number, length: number, bytes = length): GdbRegister => ({
  name,
  bytes,
  read: (t) => {
    const image = new Uint8Array(size);
    t.regs.saveFp(image);
    const out = new Uint8Array(bytes);
    out.set(image.subarray(at, at + length));
    return out;
  },
  write: (t, value) => {
    const image = new Uint8Array(size);
    t.regs.saveFp(image);
    image.set(value.subarray(0, length), at);
    t.regs.loadFp(image);
  },
});

const fixed = (name: string, value: bigint, bytes: number): GdbRegister => ({
  name,
  bytes,
  read: () => little(value, bytes),
  write: () => undefined,
});

// ---- x86_64

const X86_GENERAL = [
  'rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp',
  'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15',
] as const; // prettier-ignore
const FXSAVE = 512;
const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The x87 tag word in full, from the one bit a register of fxsave. */
const ftag: GdbRegister = {
  name: 'ftag',
  bytes: 4,
  read: (t) => {
    const image = new Uint8Array(FXSAVE);
    t.regs.saveFp(image);
    const top = (image[3] >> 3) & 7;
    let out = 0;
    for (let physical = 0; physical < 8; physical++) {
      let tag = 3;
      if (image[4] & (1 << physical)) {
        const at = 32 + 16 * ((physical - top) & 7);
        const exponent = (image[at + 8] | (image[at + 9] << 8)) & 0x7fff;
        const zero = image.subarray(at, at + 8).every((b) => b === 0);
        tag = exponent === 0 && zero ? 1 : exponent !== 0 && exponent !== 0x7fff && image[at + 7] & 0x80 ? 0 : 2;
      }
      out |= tag << (2 * physical);
    }
    return little(BigInt(out), 4);
  },
  write: (t, value) => {
    const image = new Uint8Array(FXSAVE);
    t.regs.saveFp(image);
    const full = Number(big(value));
    image[4] = numbers(8).reduce((bits, i) => (((full >> (2 * i)) & 3) === 3 ? bits : bits | (1 << i)), 0);
    t.regs.loadFp(image);
  },
}; // prettier-ignore

/** The call a task is in or about to make; −1 elsewhere. */
const origRax: GdbRegister = {
  name: 'orig_rax',
  bytes: 8,
  read: (t) => little(BigInt.asUintN(64, BigInt(t.row !== null || t.parked !== null ? t.nr : -1)), 8),
  write: () => undefined,
};

const X86: readonly GdbRegister[] = [
  ...X86_GENERAL.map((name) => general(name, REG[name])),
  general('rip', REG.rip),
  general('eflags', REG.rflags, 4),
  ...(['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const).map((name) =>
    fixed(name, { cs: 0x33n, ss: 0x2bn, ds: 0n, es: 0n, fs: 0n, gs: 0n }[name], 4),
  ),
  ...numbers(8).map((i) => fromImage(`st${i}`, FXSAVE, 32 + 16 * i, 10)),
  fromImage('fctrl', FXSAVE, 0, 2, 4),
  fromImage('fstat', FXSAVE, 2, 2, 4),
  ftag,
  fixed('fiseg', 0n, 4),
  fromImage('fioff', FXSAVE, 8, 4),
  fixed('foseg', 0n, 4),
  fromImage('fooff', FXSAVE, 16, 4),
  fromImage('fop', FXSAVE, 6, 2, 4),
  ...numbers(16).map((i) => fromImage(`xmm${i}`, FXSAVE, 160 + 16 * i, 16)),
  fromImage('mxcsr', FXSAVE, 24, 4),
  origRax,
  general('fs_base', REG.fs_base),
  general('gs_base', REG.gs_base),
];

const reg = (name: string, bits: number, type: string, group = ''): string =>
  `<reg name="${name}" bitsize="${bits}" type="${type}"${group ? ` group="${group}"` : ''}/>`;
const feature = (name: string, ...lines: string[]): string =>
  `<feature name="${name}">${lines.join('')}</feature>`;
const vector = (id: string, type: string, count: number): string =>
  `<vector id="${id}" type="${type}" count="${count}"/>`;
const target = (architecture: string, ...features: string[]): string =>
  `<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0"><architecture>${architecture}</architecture><osabi>GNU/Linux</osabi>${features.join('')}</target>`;
const fields = (list: readonly (readonly [name: string, type: string])[]): string =>
  list.map(([name, type]) => `<field name="${name}" type="${type}"/>`).join('');
const flags = (id: string, bits: readonly (readonly [name: string, bit: number])[]): string =>
  `<flags id="${id}" size="4">${bits.map(([name, bit]) => `<field name="${name}" start="${bit}" end="${bit}"/>`).join('')}</flags>`;

const X86_XML = target(
  'i386:x86-64',
  feature(
    'org.gnu.gdb.i386.core',
    flags('i386_eflags', [['CF', 0], ['', 1], ['PF', 2], ['AF', 4], ['ZF', 6], ['SF', 7], ['TF', 8], ['IF', 9], ['DF', 10], ['OF', 11], ['NT', 14], ['RF', 16], ['VM', 17], ['AC', 18], ['VIF', 19], ['VIP', 20], ['ID', 21]]),
    ...X86_GENERAL.map((name) => reg(name, 64, name === 'rbp' || name === 'rsp' ? 'data_ptr' : 'int64')),
    reg('rip', 64, 'code_ptr'),
    reg('eflags', 32, 'i386_eflags'),
    ...['cs', 'ss', 'ds', 'es', 'fs', 'gs'].map((name) => reg(name, 32, 'int32')),
    ...numbers(8).map((i) => reg(`st${i}`, 80, 'i387_ext')),
    ...['fctrl', 'fstat', 'ftag', 'fiseg', 'fioff', 'foseg', 'fooff', 'fop'].map((name) => reg(name, 32, 'int', 'float')),
  ),
  feature(
    'org.gnu.gdb.i386.sse',
    vector('v4f', 'ieee_single', 4), vector('v2d', 'ieee_double', 2), vector('v16i8', 'int8', 16),
    vector('v8i16', 'int16', 8), vector('v4i32', 'int32', 4), vector('v2i64', 'int64', 2),
    `<union id="vec128">${fields([['v4_float', 'v4f'], ['v2_double', 'v2d'], ['v16_int8', 'v16i8'], ['v8_int16', 'v8i16'], ['v4_int32', 'v4i32'], ['v2_int64', 'v2i64'], ['uint128', 'uint128']])}</union>`,
    flags('i386_mxcsr', [['IE', 0], ['DE', 1], ['ZE', 2], ['OE', 3], ['UE', 4], ['PE', 5], ['DAZ', 6], ['IM', 7], ['DM', 8], ['ZM', 9], ['OM', 10], ['UM', 11], ['PM', 12], ['FZ', 15]]),
    ...numbers(16).map((i) => reg(`xmm${i}`, 128, 'vec128')),
    reg('mxcsr', 32, 'i386_mxcsr', 'vector'),
  ),
  feature('org.gnu.gdb.i386.linux', reg('orig_rax', 64, 'int', 'system')),
  feature('org.gnu.gdb.i386.segments', reg('fs_base', 64, 'int'), reg('gs_base', 64, 'int')),
); // prettier-ignore

// ---- aarch64

const A64_IMAGE = 528;
const A64: readonly GdbRegister[] = [
  ...numbers(31).map((i) => general(`x${i}`, i)),
  general('sp', A64_REG.sp),
  general('pc', A64_REG.pc),
  general('cpsr', A64_REG.pstate, 4),
  ...numbers(32).map((i) => fromImage(`v${i}`, A64_IMAGE, 16 + 16 * i, 16)),
  fromImage('fpsr', A64_IMAGE, 0, 4),
  fromImage('fpcr', A64_IMAGE, 4, 4),
  general('tpidr', A64_REG.tpidr),
];

const A64_XML = target(
  'aarch64',
  feature(
    'org.gnu.gdb.aarch64.core',
    ...numbers(31).map((i) => reg(`x${i}`, 64, 'int')),
    reg('sp', 64, 'data_ptr'),
    reg('pc', 64, 'code_ptr'),
    flags('cpsr_flags', [['V', 28], ['C', 29], ['Z', 30], ['N', 31]]),
    reg('cpsr', 32, 'cpsr_flags'),
  ),
  feature(
    'org.gnu.gdb.aarch64.fpu',
    vector('v2d', 'ieee_double', 2), vector('v2u', 'uint64', 2), vector('v2i', 'int64', 2),
    vector('v4f', 'ieee_single', 4), vector('v4u', 'uint32', 4), vector('v4i', 'int32', 4),
    vector('v8u', 'uint16', 8), vector('v8i', 'int16', 8), vector('v16u', 'uint8', 16), vector('v16i', 'int8', 16),
    vector('v1u', 'uint128', 1), vector('v1i', 'int128', 1),
    `<union id="vnd">${fields([['f', 'v2d'], ['u', 'v2u'], ['s', 'v2i']])}</union>`,
    `<union id="vns">${fields([['f', 'v4f'], ['u', 'v4u'], ['s', 'v4i']])}</union>`,
    `<union id="vnh">${fields([['u', 'v8u'], ['s', 'v8i']])}</union>`,
    `<union id="vnb">${fields([['u', 'v16u'], ['s', 'v16i']])}</union>`,
    `<union id="vnq">${fields([['u', 'v1u'], ['s', 'v1i']])}</union>`,
    `<union id="aarch64v">${fields([['d', 'vnd'], ['s', 'vns'], ['h', 'vnh'], ['b', 'vnb'], ['q', 'vnq']])}</union>`,
    ...numbers(32).map((i) => reg(`v${i}`, 128, 'aarch64v')),
    reg('fpsr', 32, 'int'),
    reg('fpcr', 32, 'int'),
  ),
  feature('org.gnu.gdb.aarch64.tls', reg('tpidr', 64, 'data_ptr')),
); // prettier-ignore

export const gdbRegisters = (arch: Arch): GdbRegisters =>
  arch === 'x86_64' ? { xml: X86_XML, list: X86 } : { xml: A64_XML, list: A64 };

/** The task is about to make a call: its number shows in orig_rax from here on. */
export const noteCall = (t: Task): void => {
  readCall(t);
};
