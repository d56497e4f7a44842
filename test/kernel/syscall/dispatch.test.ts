import { describe, expect, it } from 'vitest';
import {
  EINTR,
  ENOSYS,
  ERESTARTNOHAND,
  ERESTARTSYS,
  ERESTART_RESTARTBLOCK,
} from '../../../kernel/abi/errno.ts';
import { REG } from '../../../kernel/ports.ts';
import type { Handler } from '../../../kernel/syscall/define.ts';
import { FULL } from '../../../kernel/syscall/define.ts';
import { buildSyscallTable, syscalls } from '../../../kernel/syscall/table.ts';
import { absentRows } from '../../../kernel/syscall/absent.ts';
import { replaceResult, tamperingOf } from '../../../kernel/syscall/tamper.ts';
import type { Task } from '../../../kernel/task/task.ts';
import type { Tracer } from '../../../kernel/trace/tracer.ts';
import { DEFAULT_FORMAT } from '../../../kernel/trace/tracer.ts';
import { WaitQueue, park } from '../../../kernel/wait.ts';
import { Harness } from '../harness.ts';

const NR = 335; // no call has this number

/** A harness in which call 335 is `run`. */
function withCall(run: Handler): { h: Harness; other: Task; call: () => number | null } {
  const h = new Harness();
  const other = h.task(h.call(h.init, 'fork')); // somebody to send signals
  h.kernel.syscalls.x86_64[NR] = {
    name: 'test',
    x86_64: NR,
    aarch64: null,
    run,
    ret: 'int',
    support: FULL,
    args: [],
  };
  return {
    h,
    other,
    call: () => {
      h.init.regs.setNum(REG.rax, NR);
      h.kernel.scheduler.pick();
      h.kernel.syscall(h.init);
      return h.finish(h.init);
    },
  };
}

class Recorder implements Tracer {
  readonly format = DEFAULT_FORMAT;
  readonly log: string[] = [];
  enter(t: Task): void {
    this.log.push(`enter ${t.row?.name ?? t.nr}`);
  }
  exit(t: Task, result: number): void {
    this.log.push(`exit ${t.row?.name ?? t.nr} ${result}`);
  }
  signal(_t: Task, info: { signo: number }): void {
    this.log.push(`signal ${info.signo}`);
  }
  exited(t: Task, code: number): void {
    this.log.push(`exited ${t.tid} ${code}`);
  }
  killed(t: Task, signo: number): void {
    this.log.push(`killed ${t.tid} ${signo}`);
  }
  stopped(): void {}
  attached(_parent: Task, child: Task): void {
    this.log.push(`attached ${child.tid}`);
  }
}

/** A handler's run: why it woke. */
const reason = (t: Task): string => t.woken ?? 'entry';

describe('dispatch', () => {
  it('hands over six arguments in full width', () => {
    let seen: (number | bigint)[] = [];
    const { h, call } = withCall((_t, a) => {
      seen = [a.i32(0), a.u32(0), a.ptr(1), a.i64(2), a.big(3), a.size(4), a.i32(5)];
      return 0;
    });
    const r = h.init.regs;
    r.set(REG.rdi, 0xdeadbeef80000000n);
    r.set(REG.rsi, 0x7fff12345678n);
    r.set(REG.rdx, BigInt.asUintN(64, -5n));
    r.set(REG.r10, (1n << 64n) - 1n);
    r.set(REG.r8, 1n << 40n);
    r.set(REG.r9, 7n);
    call();
    expect(seen).toEqual([-0x80000000, 0x80000000, 0x7fff12345678, -5, (1n << 64n) - 1n, 2 ** 40, 7]);
  });

  it('runs a parked handler again with its record, and only then gives the result', () => {
    const q = new WaitQueue('q');
    const runs: string[] = [];
    const { h, call } = withCall((t) => {
      runs.push(`${reason(t)} ${String(t.parked?.data)}`);
      return runs.length < 3 ? park({ on: q, interrupted: ERESTARTSYS, data: runs.length }) : 42;
    });
    expect(call()).toBeNull();
    q.wake();
    expect(h.finish(h.init)).toBeNull();
    q.wake();
    expect(h.finish(h.init)).toBe(42);
    expect(runs).toEqual(['entry undefined', 'event 1', 'event 2']);
    expect(h.init.parked).toBeNull();
  });

  it('wakes at the deadline', () => {
    const { h, call } = withCall((t) =>
      t.woken === 'timeout' ? -110 : park({ on: [], interrupted: EINTR, deadline: 500 }),
    );
    expect(call()).toBeNull();
    expect(h.kernel.nextDeadline()).toBe(500);
    h.kernel.expire(499);
    expect(h.init.state).toBe('parked');
    h.kernel.expire(500);
    expect(h.finish(h.init)).toBe(-110);
  });

  it('does not begin a wait that a signal has ended, but lets the handler clean up', () => {
    const runs: string[] = [];
    const { h } = withCall((t) => {
      runs.push(reason(t));
      return park({ on: [], interrupted: EINTR });
    });
    h.init.sighand.actions[9].handler = 0x401000;
    h.init.sighand.actions[9].flags = 0x04000000; // SA_RESTORER
    h.call(h.init, 'rt_sigprocmask', 0, h.scratch(h.init), 0, 8);
    h.enter(h.init, 'kill', 1000, 10);
    h.init.regs.setNum(REG.rax, NR);
    h.kernel.syscall(h.init);
    expect(runs).toEqual(['entry', 'signal']);
    expect(h.init.regs.get(REG.rax)).toBe(BigInt.asUintN(64, BigInt(-EINTR)));
  });

  it('makes an interrupted call again unless a handler without SA_RESTART ran', () => {
    for (const [code, restartFlag, again] of [
      [ERESTARTSYS, true, true],
      [ERESTARTSYS, false, false],
      [ERESTARTNOHAND, true, false],
      [EINTR, true, false],
    ] as const) {
      const { h, other, call } = withCall(() => park({ on: [], interrupted: code }));
      const t = h.init;
      t.sighand.actions[9].handler = 0x401000;
      t.sighand.actions[9].flags = 0x04000000 | (restartFlag ? 0x10000000 : 0);
      t.sighand.actions[9].restorer = 0x401010;
      const pc = t.regs.pc;
      expect(call()).toBeNull();
      h.call(other, 'kill', 1000, 10);
      expect(h.kernel.prepareUser(t)).toBe(true);
      expect(t.regs.pc).toBe(0x401000); // in the handler
      t.regs.sp += 8; // the handler returns to the restorer
      h.call(t, 'rt_sigreturn');
      expect(t.regs.pc, `${code} ${restartFlag}`).toBe(again ? pc - 2 : pc);
      expect(Number(BigInt.asIntN(64, t.regs.get(REG.rax)))).toBe(again ? NR : -EINTR);
    }
  });

  it('makes it again when nothing but a stop was in the way', () => {
    const { h, other, call } = withCall(() => park({ on: [], interrupted: ERESTARTNOHAND }));
    const pc = h.init.regs.pc;
    expect(call()).toBeNull();
    h.call(other, 'kill', 1000, 19);
    expect(h.finish(h.init)).toBeNull();
    expect(h.init.state).toBe('stopped');
    h.call(other, 'kill', 1000, 18);
    expect(h.kernel.prepareUser(h.init)).toBe(true);
    expect(h.init.regs.pc).toBe(pc - 2);
    expect(h.init.regs.num(REG.rax)).toBe(NR);
  });

  it('remembers what restart_syscall goes on with', () => {
    const runs: string[] = [];
    const { h, other, call } = withCall((t) => {
      runs.push(`${reason(t)} ${String(t.parked?.data)}`);
      return park({ on: [], interrupted: ERESTART_RESTARTBLOCK, deadline: 1000, data: 'kept' });
    });
    call();
    h.call(other, 'kill', 1000, 19);
    h.finish(h.init);
    h.call(other, 'kill', 1000, 18);
    expect(h.kernel.prepareUser(h.init)).toBe(true);
    expect(h.init.regs.num(REG.rax)).toBe(219);
    h.kernel.syscall(h.init);
    expect(h.init.state).toBe('parked');
    expect(runs.at(-1)).toBe('event kept');
  });

  it('shows calls to the tracer, after who may answer in the kernel’s place, change the number or the result', () => {
    const h = new Harness();
    const tracer = new Recorder();
    h.kernel.tracer = tracer;
    let enter = (_t: Task): void => {};
    let exit = (_t: Task): void => {};
    h.kernel.tamper = { enter: (t) => enter(t), exit: (t) => exit(t) };
    expect(h.call(h.init, 'getpid')).toBe(1000);
    enter = (t) => {
      tamperingOf(t).result = BigInt(-EINTR);
    };
    expect(h.call(h.init, 'getpid')).toBe(-EINTR);
    enter = (t) => {
      t.nr = 110;
    };
    expect(h.call(h.init, 'getpid')).toBe(1);
    enter = () => {};
    exit = (t) => replaceResult(t, 7n, false);
    expect(h.call(h.init, 'getppid')).toBe(7);
    expect(h.init.tampering).toBe(null);
    h.kernel.tamper = null;
    const pid = h.call(h.init, 'fork')!;
    h.call(h.task(pid), 'exit_group', 3);
    expect(tracer.log).toEqual([
      'enter getpid', 'exit getpid 1000', 'enter getpid', 'exit getpid -4', 'enter getppid', 'exit getppid 1',
      'enter getppid', 'exit getppid 7', 'enter fork', 'attached 1001', 'exit fork 1001', 'enter exit_group', 'exited 1001 3',
    ]); // prettier-ignore
  });

  it('answers numbers far outside the table', () => {
    const h = new Harness();
    for (const nr of [-1, 0x7fffffff, 512, 335]) {
      h.init.regs.setNum(REG.rax, nr);
      h.kernel.syscall(h.init);
      expect(Number(BigInt.asIntN(64, h.init.regs.get(REG.rax)))).toBe(-ENOSYS);
    }
  });
});

describe('the table', () => {
  it('has every call of Linux 6.1 once', () => {
    const table = buildSyscallTable();
    const numbers = table.x86_64.flatMap((row, nr) => (row ? [nr] : []));
    // 0…334 and 424…450, as asm/unistd_64.h has them.
    expect(numbers).toEqual([...Array(335).keys(), ...Array.from({ length: 27 }, (_, i) => 424 + i)]);
    for (const [name, row] of Object.entries(absentRows)) {
      expect(syscalls.get(name)!.x86_64).toBe(row.x86_64);
      expect(syscalls.get(name)!.aarch64).toBe(row.aarch64);
    }
  });

  it('answers at least 200 for real', () => {
    const real = [...syscalls.values()].filter(
      (r) => r.x86_64 !== null && /full|partial/.test(r.support.level),
    );
    expect(real.length).toBeGreaterThanOrEqual(200);
    for (const r of syscalls.values()) expect(r.run === undefined).toBe(r.support.level === 'absent');
  });
});
