import { describe, expect, it } from 'vitest';
import {
  E2BIG,
  EACCES,
  EAGAIN,
  ECHILD,
  EINVAL,
  ELOOP,
  ENOENT,
  ENOEXEC,
  ENOSYS,
  EPERM,
  ESRCH,
} from '../../../kernel/abi/errno.ts';
import { REG } from '../../../kernel/ports.ts';
import { Harness, tinyElf } from '../harness.ts';

const SIGCHLD = 17;
const WNOHANG = 1;

describe('fork and wait', () => {
  it('gives the child its own number, zero, and a copy of memory', () => {
    const h = new Harness();
    const p = h.init;
    const at = h.scratch(p);
    p.mm.putU32(at, 1);
    const pid = h.call(p, 'fork');
    expect(pid).toBe(1001);
    const c = h.task(pid);
    expect(h.kernel.prepareUser(c)).toBe(true);
    expect(c.regs.get(REG.rax)).toBe(0n);
    c.mm.putU32(at, 2);
    expect(p.mm.u32(at)).toBe(1);
    expect(c.mm.u32(at)).toBe(2);
    expect(h.call(c, 'getppid')).toBe(1000);
  });

  it('runs the child first', () => {
    const h = new Harness();
    const pid = h.call(h.init, 'fork');
    expect(h.kernel.scheduler.pick()!.tid).toBe(pid);
  });

  it('parks wait4 until the child exits, then reaps it', () => {
    const h = new Harness();
    const p = h.init;
    const at = h.scratch(p);
    const pid = h.call(p, 'fork')!;
    expect(h.call(p, 'wait4', -1, at, WNOHANG, 0)).toBe(0);
    expect(h.call(p, 'wait4', -1, at, 0, 0)).toBeNull();
    expect(p.state).toBe('parked');
    h.call(h.task(pid), 'exit_group', 7);
    expect(h.finish(p)).toBe(pid);
    expect(p.mm.u32(at)).toBe(7 << 8);
    expect(h.kernel.processes.group(pid)).toBeUndefined();
    expect(h.call(p, 'wait4', -1, at, 0, 0)).toBe(-ECHILD);
  });

  it('leaves a zombie until it is waited for; its numbers stay taken', () => {
    const h = new Harness();
    const pid = h.call(h.init, 'fork')!;
    h.call(h.task(pid), 'exit_group', 0);
    expect(h.kernel.processes.group(pid)!.zombie).toBe(0);
    expect(h.call(h.init, 'getpgid', pid)).toBe(1000);
    expect(h.call(h.init, 'wait4', pid, 0, 0, 0)).toBe(pid);
    expect(h.call(h.init, 'getpgid', pid)).toBe(-ESRCH);
  });

  it('reaps by itself when SIGCHLD is ignored', () => {
    const h = new Harness();
    h.init.sighand.actions[SIGCHLD - 1].handler = 1;
    const pid = h.call(h.init, 'fork')!;
    expect(h.call(h.init, 'wait4', -1, 0, 0, 0)).toBeNull();
    h.call(h.task(pid), 'exit_group', 0);
    expect(h.finish(h.init)).toBe(-ECHILD);
  });

  it('tells children by process group, and refuses what Linux refuses', () => {
    const h = new Harness();
    const a = h.call(h.init, 'fork')!;
    const b = h.call(h.init, 'fork')!;
    expect(h.call(h.init, 'setpgid', b, 0)).toBe(0);
    h.call(h.task(a), 'exit_group', 0);
    h.call(h.task(b), 'exit_group', 0);
    expect(h.call(h.init, 'wait4', -b, 0, 0, 0)).toBe(b);
    expect(h.call(h.init, 'wait4', 0, 0, 0, 0)).toBe(a);
    expect(h.call(h.init, 'wait4', -1, 0, 0x10, 0)).toBe(-EINVAL);
    expect(h.call(h.init, 'wait4', -0x80000000, 0, 0, 0)).toBe(-ESRCH);
  });

  it('stops making tasks at the limit', () => {
    const h = new Harness({ limits: { maxTasks: 3 } });
    expect(h.call(h.init, 'fork')).toBe(1001);
    expect(h.call(h.init, 'fork')).toBe(1002);
    expect(h.call(h.init, 'fork')).toBe(-EAGAIN);
  });

  it('hands orphans to pid 1, or to a subreaper', () => {
    const h = new Harness();
    expect(h.call(h.init, 'prctl', 36, 1)).toBe(0);
    const a = h.task(h.call(h.init, 'fork'));
    const b = h.task(h.call(a, 'fork'));
    h.call(a, 'exit_group', 0);
    expect(h.call(b, 'getppid')).toBe(1000);
    expect(h.call(h.init, 'prctl', 36, 0)).toBe(0);
    const c = h.task(h.call(b, 'fork'));
    h.call(b, 'exit_group', 0);
    expect(h.call(c, 'getppid')).toBe(1);
    h.call(c, 'exit_group', 0);
    expect(h.kernel.processes.group(c.tid)).toBeUndefined();
  });

  it('ends the machine with the first process', () => {
    const h = new Harness();
    h.call(h.init, 'exit_group', 3);
    expect(h.kernel.exitStatus).toBe(3 << 8);
  });

  it('writes waitid’s six fields', () => {
    const h = new Harness();
    const at = h.scratch(h.init);
    const pid = h.call(h.init, 'fork')!;
    h.call(h.task(pid), 'exit_group', 9);
    expect(h.call(h.init, 'waitid', 1, pid, at, 4 | 0x1000000, 0)).toBe(0);
    const v = h.init.mm.viewIn(at, 32)!;
    expect([0, 4, 8, 16, 20, 24].map((o) => v.getInt32(o, true))).toEqual([SIGCHLD, 0, 1, pid, 0, 9]);
    expect(h.call(h.init, 'waitid', 0, 0, at, 4, 0)).toBe(0);
    expect(h.call(h.init, 'waitid', 0, 0, at, 4, 0)).toBe(-ECHILD);
    expect(h.call(h.init, 'waitid', 0, 0, at, WNOHANG, 0)).toBe(-EINVAL);
  });
});

describe('vfork', () => {
  it('parks the parent until the child exits', () => {
    const h = new Harness();
    expect(h.call(h.init, 'vfork')).toBeNull();
    expect(h.init.parked!.uninterruptible).toBe(true);
    const c = h.task(1001);
    expect(c.mm).toBe(h.init.mm);
    h.call(c, 'exit_group', 0);
    expect(h.finish(h.init)).toBe(1001);
  });

  it('or execs', () => {
    const h = new Harness();
    h.call(h.init, 'vfork');
    const c = h.task(1001);
    const at = h.scratch(h.init);
    h.poke(c, at, '/prog');
    expect(h.call(c, 'execve', at, 0, 0)).toBe(0);
    expect(c.mm).not.toBe(h.init.mm);
    expect(h.finish(h.init)).toBe(1001);
  });

  it('is not broken off by a signal, but by the end of the process', () => {
    const h = new Harness();
    h.call(h.init, 'vfork');
    const c = h.task(1001);
    h.init.sighand.actions[9].handler = 0x1000; // a handler waits; a deadly signal would not
    h.call(c, 'kill', 1000, 10);
    expect(h.init.state).toBe('parked');
    h.call(c, 'kill', 1000, 9);
    expect(h.finish(h.init)).toBeNull();
    expect(h.init.state).toBe('zombie');
    expect(h.kernel.exitStatus).toBe(9);
  });
});

describe('clone', () => {
  const [VM, FS, FILES, SIGHAND, THREAD] = [0x100, 0x200, 0x400, 0x800, 0x10000];

  it('refuses the combinations copy_process refuses', () => {
    const h = new Harness();
    expect(h.call(h.init, 'clone', THREAD, 0, 0, 0, 0)).toBe(-EINVAL);
    expect(h.call(h.init, 'clone', THREAD | SIGHAND, 0, 0, 0, 0)).toBe(-EINVAL);
    expect(h.call(h.init, 'clone', SIGHAND, 0, 0, 0, 0)).toBe(-EINVAL);
    expect(h.call(h.init, 'clone', FS | 0x20000, 0, 0, 0, 0)).toBe(-EINVAL);
  });

  it('makes a thread as pthread_create does', () => {
    const h = new Harness();
    const at = h.scratch(h.init);
    const flags = VM | FS | FILES | SIGHAND | THREAD | 0x40000 | 0x80000 | 0x100000 | 0x200000;
    const tid = h.call(h.init, 'clone', flags, at + 4096, at, at + 4, 0x7000)!;
    const t = h.task(tid);
    expect(t.group).toBe(h.init.group);
    expect(t.mm).toBe(h.init.mm);
    expect(h.init.mm.u32(at)).toBe(tid);
    expect(t.regs.sp).toBe(at + 4096);
    expect(t.regs.get(REG.fs_base)).toBe(0x7000n);
    expect(h.call(t, 'getpid')).toBe(1000);
    expect(h.call(t, 'gettid')).toBe(tid);
    h.init.mm.putU32(at + 4, tid);
    h.call(t, 'exit', 0);
    expect(h.init.mm.u32(at + 4)).toBe(0);
    expect(h.kernel.processes.task(tid)).toBeUndefined();
    expect(h.init.state).toBe('runnable');
  });

  it('waits for a clone child only with __WALL or __WCLONE', () => {
    const h = new Harness();
    const pid = h.call(h.init, 'clone', 0, 0, 0, 0, 0)!;
    h.call(h.task(pid), 'exit_group', 0);
    expect(h.call(h.init, 'wait4', -1, 0, 0, 0)).toBe(-ECHILD);
    expect(h.call(h.init, 'wait4', -1, 0, 0x40000000, 0)).toBe(pid);
  });

  it('clone3 checks its structure', () => {
    const h = new Harness();
    const at = h.scratch(h.init);
    expect(h.call(h.init, 'clone3', at, 63)).toBe(-EINVAL);
    expect(h.call(h.init, 'clone3', at, 4097)).toBe(-E2BIG);
    h.init.mm.putU64(at + 88, 1);
    expect(h.call(h.init, 'clone3', at, 96)).toBe(-E2BIG);
    h.init.mm.putU64(at + 88, 0);
    h.init.mm.putU64(at + 32, SIGCHLD);
    expect(h.call(h.init, 'clone3', at, 96)).toBe(1001);
    h.init.mm.putU64(at + 40, 0x1000);
    expect(h.call(h.init, 'clone3', at, 88)).toBe(-EINVAL);
  });

  it('exit_group takes every thread along, parked ones too', () => {
    const h = new Harness();
    const tid = h.call(h.init, 'clone', VM | FS | FILES | SIGHAND | THREAD, 0, 0, 0, 0)!;
    const t = h.task(tid);
    h.call(t, 'wait4', -1, 0, 0, 0);
    const child = h.call(h.init, 'fork')!;
    expect(h.call(t, 'wait4', child, 0, 0, 0)).toBeNull();
    h.call(h.init, 'exit_group', 4);
    expect(h.kernel.exitStatus).toBeNull();
    expect(h.finish(t)).toBeNull();
    expect(h.kernel.exitStatus).toBe(4 << 8);
  });
});

describe('execve', () => {
  const exec = (h: Harness, path: string): number | null => {
    const at = h.scratch(h.init);
    return h.call(h.init, 'execve', h.poke(h.init, at, path), 0, 0);
  };

  it('starts at the entry with a fresh register set and Linux’s stack', () => {
    const h = new Harness();
    const t = h.init;
    const at = h.scratch(t);
    h.poke(t, at, '/prog');
    h.poke(t, at + 64, 'one');
    h.poke(t, at + 80, 'A=b');
    t.mm.putU64(at + 128, at + 64);
    t.mm.putU64(at + 144, at + 80);
    expect(h.call(t, 'execve', at, at + 128, at + 144)).toBe(0);
    expect(t.regs.pc).toBe(0x401000);
    const sp = t.regs.sp;
    expect(sp % 16).toBe(0);
    expect(t.mm.ptr(sp)).toBe(1);
    expect(t.mm.cstring(t.mm.ptr(sp + 8))).toBe('one');
    expect(t.mm.ptr(sp + 16)).toBe(0);
    expect(t.mm.cstring(t.mm.ptr(sp + 24))).toBe('A=b');
    expect(t.comm).toBe('prog');
  });

  it('names the right errors', () => {
    const h = new Harness();
    h.file('/text', 'hello\n', 0o755);
    h.file('/noexec', tinyElf(), 0o644);
    h.file('/arm', tinyElf(183), 0o755);
    h.file('/loop', '#!/loop\n', 0o755);
    h.file('/lost', '#!/nowhere\n', 0o755);
    expect(exec(h, '/missing')).toBe(-ENOENT);
    expect(exec(h, '')).toBe(-ENOENT);
    expect(exec(h, '/text')).toBe(-ENOEXEC);
    expect(exec(h, '/noexec')).toBe(-EACCES);
    expect(exec(h, '/')).toBe(-EACCES);
    expect(exec(h, '/arm')).toBe(-ENOEXEC);
    expect(exec(h, '/loop')).toBe(-ELOOP);
    expect(exec(h, '/lost')).toBe(-ENOENT);
    expect(exec(h, '/prog')).toBe(0);
  });

  it('runs #! scripts with the interpreter’s one argument', () => {
    const h = new Harness();
    h.file('/script', '#! /prog  -a b \n', 0o755);
    const t = h.init;
    expect(exec(h, '/script')).toBe(0);
    const sp = t.regs.sp;
    const argv = [1, 2, 3].map((i) => t.mm.cstring(t.mm.ptr(sp + 8 * i)));
    expect(t.mm.ptr(sp)).toBe(3);
    expect(argv).toEqual(['/prog', '-a b', '/script']);
    expect(t.comm).toBe('script');
  });

  it('keeps ignored signals and the mask, resets handlers, closes close-on-exec files', () => {
    const h = new Harness();
    const t = h.init;
    t.sighand.actions[1].handler = 1;
    t.sighand.actions[9].handler = 0x1234;
    t.sigmask = 4n;
    const at = h.scratch(t);
    h.poke(t, at, '/prog');
    expect(h.call(t, 'openat', -100, at, 0o2000000, 0)).toBe(0);
    expect(h.call(t, 'openat', -100, at, 0, 0)).toBe(1);
    expect(exec(h, '/prog')).toBe(0);
    expect(t.sighand.actions[1].handler).toBe(1);
    expect(t.sighand.actions[9].handler).toBe(0);
    expect(t.sigmask).toBe(4n);
    expect(t.fds.list()).toEqual([1]);
  });

  it('ends the other threads; a thread that execs becomes the leader', () => {
    const h = new Harness();
    const tid = h.call(h.init, 'clone', 0x100 | 0x200 | 0x400 | 0x800 | 0x10000, 0, 0, 0, 0)!;
    const t = h.task(tid);
    const at = h.scratch(t);
    h.poke(t, at, '/prog');
    expect(h.call(t, 'execve', at, 0, 0)).toBe(0);
    expect(t.tid).toBe(1000);
    expect(h.kernel.processes.task(1000)).toBe(t);
    expect(h.kernel.processes.task(tid)).toBeUndefined();
    expect(h.init.state).toBe('dead');
    expect(t.group.live).toBe(1);
    h.call(t, 'exit_group', 5);
    expect(h.kernel.exitStatus).toBe(5 << 8);
  });

  it('frees the old memory', () => {
    const h = new Harness();
    const before = h.ram.used;
    for (let i = 0; i < 5; i++) expect(exec(h, '/prog')).toBe(0);
    expect(h.ram.used).toBeLessThanOrEqual(before + 4);
  });

  it('takes set-id bits unless no_new_privs', () => {
    const h = new Harness({ init: { uid: 100, gid: 100 } });
    h.file('/suid', tinyElf(), 0o4755);
    expect(exec(h, '/suid')).toBe(0);
    expect(h.init.creds.euid).toBe(0);
    expect(h.init.creds.uid).toBe(100);
    const g = new Harness({ init: { uid: 100, gid: 100 } });
    g.file('/suid', tinyElf(), 0o4755);
    expect(g.call(g.init, 'prctl', 38, 1, 0, 0, 0)).toBe(0);
    expect(exec(g, '/suid')).toBe(0);
    expect(g.init.creds.euid).toBe(100);
  });
});

describe('sessions and process groups', () => {
  it('follows setpgid(2) and setsid(2)', () => {
    const h = new Harness();
    expect(h.call(h.init, 'setsid')).toBe(-EPERM);
    const c = h.task(h.call(h.init, 'fork'));
    expect(h.call(c, 'getpgrp')).toBe(1000);
    expect(h.call(c, 'setsid')).toBe(c.tid);
    expect(h.call(c, 'getsid', 0)).toBe(c.tid);
    expect(h.call(h.init, 'setpgid', c.tid, 0)).toBe(-EPERM);
    const d = h.task(h.call(h.init, 'fork'));
    expect(h.call(h.init, 'setpgid', d.tid, 9999)).toBe(-EPERM);
    expect(h.call(h.init, 'setpgid', d.tid, d.tid)).toBe(0);
    const at = h.scratch(d);
    h.poke(d, at, '/prog');
    expect(h.call(d, 'execve', at, 0, 0)).toBe(0);
    expect(h.call(h.init, 'setpgid', d.tid, 1000)).toBe(-EACCES);
    expect(h.call(h.init, 'setpgid', 4242, 0)).toBe(-ESRCH);
  });
});

describe('missing calls', () => {
  it('are ENOSYS and reported once', () => {
    const h = new Harness();
    expect(h.call(h.init, 'io_setup', 1, 0)).toBe(-ENOSYS);
    expect(h.call(h.init, 'io_setup', 1, 0)).toBe(-ENOSYS);
    expect(h.reports).toEqual(['system call io_setup is not implemented: returning ENOSYS']);
    h.init.regs.setNum(REG.rax, 9999);
    h.kernel.syscall(h.init);
    expect(h.init.regs.get(REG.rax)).toBe(BigInt.asUintN(64, BigInt(-ENOSYS)));
  });
});
