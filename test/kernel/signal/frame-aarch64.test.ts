/** The aarch64 signal frame: what a handler finds, what sigreturn takes back, and which frames it refuses. */
import { describe, expect, it } from 'vitest';
import { vdsoImage, vdsoSymbol } from '../../../loader/vdso.ts';
import { MAP_ANONYMOUS, MAP_PRIVATE } from '../../../kernel/mm/flags.ts';
import { PROT_READ, PROT_WRITE } from '../../../kernel/ports.ts';
import { sendToGroup } from '../../../kernel/signal/send.ts';
import type { Task } from '../../../kernel/task/task.ts';
import { Harness } from '../harness.ts';

const SIGUSR1 = 10;
const SIGSEGV = 11;
const HANDLER = 0x401100;
const SA_SIGINFO = 4;
const SA_ONSTACK = 0x08000000;
const SA_RESTART = 0x10000000;
const SA_RESTORER = 0x04000000;
const SP = 31;
const PC = 32;
const PSTATE = 33;
const TPIDR = 34;
const FRAME = 4688;

const UC = 128;
const MC = UC + 176;
const RESERVED = MC + 288;

class Rig {
  readonly h = new Harness({ arches: ['aarch64'] });
  readonly t: Task = this.h.init;
  readonly scratch = this.h.scratch(this.t);

  constructor() {
    const { t } = this;
    for (let i = 0; i < 31; i++) t.regs.set(i, 0x1111_0000_0000_0000n + BigInt(i));
    t.regs.set(PC, 0x401234n);
    t.regs.set(PSTATE, 0x60000000n);
    t.regs.set(TPIDR, 0x7fff12345678n);
  }

  action(signo: number, flags: number, restorer = 0): void {
    const v = new DataView(new ArrayBuffer(32));
    v.setBigUint64(0, BigInt(HANDLER), true);
    v.setBigUint64(8, BigInt(flags >>> 0), true);
    v.setBigUint64(16, BigInt(restorer), true);
    this.t.mm.copyOut(this.scratch, new Uint8Array(v.buffer));
    this.keeping(() => {
      expect(this.h.call(this.t, 'rt_sigaction', signo, this.scratch, 0, 8)).toBe(0);
    });
  }

  /** Runs `body` and puts the registers back: as if its calls had been made elsewhere. */
  keeping(body: () => void): void {
    const saved = Array.from({ length: 35 }, (_, i) => this.t.regs.get(i));
    body();
    saved.forEach((v, i) => {
      this.t.regs.set(i, v);
    });
  }

  /** A signal from nowhere, delivered. */
  deliver(signo = SIGUSR1): DataView {
    this.keeping(() => {
      this.h.enter(this.t, 'tgkill', this.t.tid, this.t.tid, signo);
    });
    expect(this.h.kernel.prepareUser(this.t)).toBe(true);
    return this.frame();
  }

  frame(): DataView {
    return this.t.mm.viewIn(this.t.regs.sp, FRAME)!;
  }

  poke(offset: number, value: bigint): void {
    this.t.mm.putU64(this.t.regs.sp + offset, value);
  }

  sigreturn(): void {
    this.h.enter(this.t, 'rt_sigreturn');
  }

  /** The signal the task is about to get, with its code and address. */
  pending(): { signo: number; code: number; address: bigint | undefined } {
    const info = this.t.pending.infos.find((s) => s.signo === SIGSEGV)!;
    return { signo: info.signo, code: info.code, address: info.address };
  }
}

describe('a frame', () => {
  it('holds registers, mask, siginfo, records and the link of frame pointers', () => {
    const r = new Rig();
    const { t } = r;
    t.sigmask = 0x8000n;
    t.regs.loadFp(Uint8Array.from({ length: 528 }, (_, i) => i & 255));
    const sp = t.regs.sp;
    r.action(SIGUSR1, SA_SIGINFO);
    const v = r.deliver();
    expect(t.regs.sp % 16).toBe(0);
    expect(t.regs.sp).toBe(sp - (sp % 16) - 16 - FRAME);
    expect(t.regs.get(0)).toBe(BigInt(SIGUSR1));
    expect(t.regs.get(1)).toBe(t.regs.get(SP));
    expect(t.regs.get(2)).toBe(t.regs.get(SP) + BigInt(UC));
    expect(t.regs.pc).toBe(HANDLER);
    expect(t.regs.get(TPIDR)).toBe(0x7fff12345678n);
    // x29 points to {x29, x30} as they were.
    const record = t.regs.num(29);
    expect(record).toBe(t.regs.sp + FRAME);
    expect(t.mm.u64(record)).toBe(0x1111_0000_0000_001dn);
    expect(t.mm.u64(record + 8)).toBe(0x1111_0000_0000_001en);
    expect(v.getInt32(0, true)).toBe(SIGUSR1);
    expect(v.getInt32(8, true)).toBe(-6);
    expect(v.getInt32(16, true)).toBe(t.pid);
    expect(v.getUint32(UC + 24, true)).toBe(2); // SS_DISABLE
    expect(v.getBigUint64(UC + 40, true)).toBe(0x8000n);
    expect(v.getBigUint64(MC, true)).toBe(0n);
    expect(v.getBigUint64(MC + 8 + 8 * 19, true)).toBe(0x1111_0000_0000_0013n);
    expect(v.getBigUint64(MC + 256, true)).toBe(BigInt(sp));
    expect(v.getBigUint64(MC + 264, true)).toBe(0x401234n);
    expect(v.getBigUint64(MC + 272, true)).toBe(0x60000000n);
    expect(v.getUint32(RESERVED, true)).toBe(0x46508001);
    expect(v.getUint32(RESERVED + 4, true)).toBe(0x210);
    expect(v.getUint32(RESERVED + 8, true)).toBe(0x03020100); // fpsr
    expect(v.getUint32(RESERVED + 12, true)).toBe(0x07060504); // fpcr
    expect(v.getUint8(RESERVED + 16)).toBe(16); // v0
    expect(v.getUint8(RESERVED + 527)).toBe(527 & 255);
    expect(v.getBigUint64(RESERVED + 528, true)).toBe(0n);
  });

  it('returns to the restorer, or else to the vDSO', () => {
    const r = new Rig();
    r.action(SIGUSR1, SA_RESTORER | 0x40000000, 0x401400);
    r.deliver();
    expect(r.t.regs.num(30)).toBe(0x401400);
    r.action(SIGUSR1, 0x40000000, 0x401400); // SA_NODEFER, no SA_RESTORER: the field says nothing
    r.deliver();
    const code = r.t.regs.num(30);
    expect(code).toBe(r.t.mm.vdso + vdsoSymbol('aarch64', '__kernel_rt_sigreturn'));
    expect(r.t.mm.u32(code)).toBe(0xd2801168); // mov x8, #139
    expect(r.t.mm.u32(code + 4)).toBe(0xd4000001); // svc #0
    const image = vdsoImage('aarch64');
    expect(new DataView(image.buffer).getUint32(vdsoSymbol('aarch64', '__kernel_rt_sigreturn'), true)).toBe(
      0xd2801168,
    );
  });

  it('leaves x1 and x2 alone without SA_SIGINFO', () => {
    const r = new Rig();
    r.action(SIGUSR1, 0);
    r.deliver();
    expect(r.t.regs.get(1)).toBe(0x1111_0000_0000_0001n);
    expect(r.t.regs.get(2)).toBe(0x1111_0000_0000_0002n);
  });

  it('says what faulted: address and syndrome', () => {
    const r = new Rig();
    r.action(SIGSEGV, SA_SIGINFO);
    r.h.kernel.fault(r.t, 0x10, PROT_WRITE);
    expect(r.h.kernel.prepareUser(r.t)).toBe(true);
    const v = r.frame();
    expect(v.getInt32(8, true)).toBe(1); // SEGV_MAPERR
    expect(v.getBigUint64(16, true)).toBe(0x10n);
    expect(v.getBigUint64(MC, true)).toBe(0x10n);
    expect(v.getUint32(RESERVED + 528, true)).toBe(0x45535201);
    expect(v.getUint32(RESERVED + 532, true)).toBe(16);
    // Data abort from EL0, 32-bit instruction, a write, translation fault of the last level.
    expect(v.getBigUint64(RESERVED + 536, true)).toBe(0x92000047n);
    expect(v.getBigUint64(RESERVED + 544, true)).toBe(0n);
  });

  it('goes to the alternate stack, and not onto it twice', () => {
    const r = new Rig();
    const { t, h } = r;
    const at = t.mm.map({ length: 32768, prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS });
    const stack = (size: number): number | null => {
      const v = new DataView(new ArrayBuffer(24));
      v.setBigUint64(0, BigInt(at), true);
      v.setBigUint64(16, BigInt(size), true);
      t.mm.copyOut(r.scratch, new Uint8Array(v.buffer));
      return h.call(t, 'sigaltstack', r.scratch, 0);
    };
    r.keeping(() => {
      expect(stack(5119)).toBe(-12); // MINSIGSTKSZ is 5120
      expect(stack(32768)).toBe(0);
    });
    r.action(SIGUSR1, SA_ONSTACK | 0x40000000);
    const v = r.deliver();
    const first = t.regs.sp;
    expect(first).toBe(at + 32768 - 16 - FRAME);
    expect(v.getBigUint64(UC + 16, true)).toBe(BigInt(at));
    expect(v.getUint32(UC + 24, true)).toBe(0);
    r.deliver();
    expect(t.regs.sp).toBe(first - 16 - FRAME);
  });

  it('that cannot be written is a SIGSEGV', () => {
    const r = new Rig();
    r.action(SIGUSR1, 0);
    r.t.regs.sp = 0x2000;
    r.keeping(() => {
      r.h.enter(r.t, 'tgkill', r.t.tid, r.t.tid, SIGUSR1);
    });
    expect(r.h.kernel.prepareUser(r.t)).toBe(false);
    expect(r.h.kernel.exitStatus).toBe(SIGSEGV);
  });
});

describe('rt_sigreturn', () => {
  it('takes everything back, and what the handler changed in the frame', () => {
    const r = new Rig();
    const { t } = r;
    t.regs.loadFp(Uint8Array.from({ length: 528 }, (_, i) => (i * 7) & 255));
    const before = Array.from({ length: 35 }, (_, i) => t.regs.get(i));
    r.action(SIGUSR1, SA_SIGINFO);
    r.deliver();
    expect(t.sigmask).toBe(0x200n);
    r.poke(MC + 8 + 8 * 5, 0xabcdn);
    r.poke(MC + 264, 0x401500n);
    r.poke(MC + 272, 0x90000000n);
    r.poke(UC + 40, 0x4n);
    t.regs.loadFp(new Uint8Array(528));
    for (let i = 0; i < 31; i++) t.regs.set(i, 77n);
    r.sigreturn();
    expect(r.h.kernel.prepareUser(t)).toBe(true);
    before[5] = 0xabcdn;
    before[PC] = 0x401500n;
    before[PSTATE] = 0x90000000n;
    expect(Array.from({ length: 35 }, (_, i) => t.regs.get(i))).toEqual(before);
    expect(t.sigmask).toBe(4n);
    const image = new Uint8Array(528);
    t.regs.saveFp(image);
    expect(image[0]).toBe(0);
    expect(image[7]).toBe(49);
    expect([...image.subarray(16)]).toEqual(Array.from({ length: 512 }, (_, i) => ((i + 16) * 7) & 255));
  });

  it.each<[string, (r: Rig) => void, code: number]>([
    ['a misaligned stack pointer', (r) => (r.t.regs.sp += 8), 2],
    ['kernel mode', (r) => { r.poke(MC + 272, 5n); }, 2],
    ['AArch32', (r) => { r.poke(MC + 272, 0x10n); }, 2],
    ['masked interrupts', (r) => { r.poke(MC + 272, 0x80n); }, 2],
    ['no fpsimd_context', (r) => { r.poke(RESERVED, 0n); }, 2],
    ['a record of unknown kind', (r) => { r.poke(RESERVED, (0x210n << 32n) | 0x53564501n); }, 2],
    ['a record that is too small', (r) => { r.poke(RESERVED, (4n << 32n) | 0x46508001n); }, 2],
    ['a second fpsimd_context', (r) => { r.poke(RESERVED + 528, (0x210n << 32n) | 0x46508001n); }, 2],
    ['a stack that is gone', (r) => (r.t.regs.sp = 0x10000), 2],
    ['a stack above everything', (r) => { r.t.regs.sp = 0x7fff_ffff_fff0; }, 1],
  ])('refuses %s', (_what, spoil, code) => {
    const r = new Rig();
    r.action(SIGUSR1, SA_SIGINFO);
    r.deliver();
    spoil(r);
    r.sigreturn();
    expect(r.pending()).toEqual({ signo: SIGSEGV, code, address: r.t.regs.get(SP) });
  }); // prettier-ignore

  it('ignores bits of pstate that do not exist and drops the others', () => {
    const r = new Rig();
    r.action(SIGUSR1, 0);
    r.deliver();
    r.poke(MC + 272, 0xffffffff_30000020n);
    r.sigreturn();
    expect(r.h.kernel.prepareUser(r.t)).toBe(true);
    expect(r.t.regs.get(PSTATE)).toBe(0x30000000n);
  });

  it('finds records in an extra_context', () => {
    const r = new Rig();
    const { t } = r;
    r.action(SIGUSR1, SA_SIGINFO);
    r.deliver();
    const at = t.regs.sp + RESERVED;
    const record = t.mm.copyIn(at, 528)!;
    record[16] = 99;
    const size = 528 + 16;
    t.mm.putU64(at, (32n << 32n) | 0x45585401n);
    t.mm.putU64(at + 8, BigInt(at + 48));
    t.mm.putU64(at + 16, BigInt(size));
    t.mm.putU64(at + 24, 0n);
    t.mm.putU64(at + 32, 0n);
    t.mm.copyOut(at + 48, record);
    t.mm.putU64(at + 48 + 528, 0n);
    r.sigreturn();
    expect(r.h.kernel.prepareUser(t)).toBe(true);
    const image = new Uint8Array(528);
    t.regs.saveFp(image);
    expect(image[16]).toBe(99);
  });
});

describe('an interrupted call', () => {
  it('is made again with its first argument, which the result had replaced', () => {
    const r = new Rig();
    const { t, h } = r;
    r.action(SIGUSR1, SA_RESTART);
    r.keeping(() => {
      expect(h.call(t, 'pipe2', r.scratch, 0)).toBe(0);
    });
    const fd = t.mm.u32(r.scratch);
    t.regs.pc = 0x401238;
    h.enter(t, 'read', fd, r.scratch, 1);
    expect(t.state).toBe('parked');
    sendToGroup(t.group, { signo: SIGUSR1, code: 0, pid: 1, uid: 0 });
    expect(h.kernel.prepareUser(t)).toBe(true);
    const v = r.frame();
    expect(v.getBigUint64(MC + 8, true)).toBe(BigInt(fd));
    expect(v.getBigUint64(MC + 8 + 64, true)).toBe(63n);
    expect(v.getBigUint64(MC + 264, true)).toBe(0x401234n);
  });

  it('goes on by restart_syscall when a stop broke off a nanosleep', () => {
    const r = new Rig();
    const { t, h } = r;
    t.mm.putU64(r.scratch, 5n);
    t.mm.putU64(r.scratch + 8, 0n);
    t.regs.pc = 0x401238;
    h.enter(t, 'nanosleep', r.scratch, 0);
    expect(t.state).toBe('parked');
    sendToGroup(t.group, { signo: 19, code: 0, pid: 1, uid: 0 });
    expect(h.kernel.prepareUser(t)).toBe(false);
    expect(t.state).toBe('stopped');
    sendToGroup(t.group, { signo: 18, code: 0, pid: 1, uid: 0 });
    expect(h.kernel.prepareUser(t)).toBe(true);
    expect(t.regs.get(8)).toBe(128n);
    expect(t.regs.get(0)).toBe(BigInt(r.scratch));
    expect(t.regs.pc).toBe(0x401234);
    h.kernel.syscall(t);
    expect(t.state).toBe('parked');
    h.clock.now = 6e9;
    h.kernel.expire(h.clock.now);
    expect(h.finish(t)).toBe(0);
  });
});
