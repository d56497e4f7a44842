import { describe, expect, it } from 'vitest';
import { EFAULT, EPERM, ESRCH } from '../../../kernel/abi/errno.ts';
import { Harness } from '../harness.ts';

describe('pid 1', () => {
  it('can be asked about, though it is in no listing', () => {
    const h = new Harness();
    const t = h.init;
    const at = h.scratch(t);
    const read = (path: string): string => {
      const fd = h.call(t, 'open', h.poke(t, at, path), 0)!;
      const n = h.call(t, 'read', fd, at + 4096, 1024)!;
      return String.fromCharCode(...t.mm.copyIn(at + 4096, n)!);
    };
    expect(h.call(t, 'getppid')).toBe(1);
    expect(h.call(t, 'getpgid', 1)).toBe(1);
    expect(h.call(t, 'kill', 1, 0)).toBe(0);
    expect(h.call(t, 'sched_getscheduler', 1)).toBe(0);
    expect(h.call(t, 'prlimit64', 1, 7, 0, at + 4096)).toBe(0);
    expect(read('/proc/1/stat')).toMatch(/^1 \(init\) S 0 1 1 0 /);
    expect(read('/proc/1/status')).toMatch(/^Name:\tinit\n/);
    expect(read('/proc/1/cmdline')).toBe('');
    expect(h.call(t, 'access', h.poke(t, at, '/proc/1/root/prog'), 0)).toBe(0);
    expect([...h.kernel.processes.groups.keys()]).toEqual([t.pid]);
    expect(h.call(t, 'process_vm_readv', 1, at, 0, at, 0, 0)).toBe(0);
  });

  it('is deaf to signals, and nobody waits for its end', () => {
    const h = new Harness();
    const t = h.init;
    const at = h.scratch(t);
    for (const signo of [2, 9, 15, 19, 34]) expect(h.call(t, 'kill', 1, signo)).toBe(0);
    expect(h.call(t, 'tgkill', 1, 1, 9)).toBe(0);
    const pidfd = h.call(t, 'pidfd_open', 1, 0)!;
    t.mm.putU32(at, pidfd);
    t.mm.putU32(at + 4, 1);
    expect(h.call(t, 'poll', at, 1, 0)).toBe(0);
    expect(h.kernel.processes.init.leader.state).toBe('parked');
    expect(h.call(t, 'setpgid', 1, 0)).toBe(-ESRCH);
    expect(h.kernel.exitStatus).toBeNull();
  });

  it('is root’s', () => {
    const h = new Harness({ init: { uid: 7, gid: 7 } });
    const t = h.init;
    const at = h.scratch(t);
    expect(h.call(t, 'kill', 1, 15)).toBe(-EPERM);
    expect(h.call(t, 'setpriority', 0, 1, -2)).toBe(-EPERM);
    expect(h.call(t, 'get_robust_list', 1, at, at + 8)).toBe(-EPERM);
    const dir = h.call(t, 'open', h.poke(t, at, '/proc/1'), 0o200000)!;
    expect(h.call(t, 'pidfd_send_signal', dir, 15, 0, 0)).toBe(-EPERM);
    expect(h.call(t, 'sched_setscheduler', 1, 0, 8)).toBe(-EFAULT);
  });

  it('takes the children of who is gone, having been asked about or not', () => {
    const h = new Harness();
    const t = h.init;
    h.call(t, 'kill', 1, 0);
    const middle = h.kernel.processes.task(h.call(t, 'fork')!)!;
    const orphan = h.kernel.processes.task(h.call(middle, 'fork')!)!;
    h.call(middle, 'exit', 0);
    expect(h.call(orphan, 'getppid')).toBe(1);
    h.call(orphan, 'exit', 3);
    expect(h.kernel.processes.group(orphan.pid)).toBeUndefined();
  });
});
