import { describe, expect, it } from 'vitest';
import { epollRows as rows } from '../../../kernel/epoll/rows.ts';
import { enqueue } from '../../../kernel/signal/queue.ts';
import { IoBuf } from '../../../kernel/mm/iobuf.ts';
import { EAGAIN, EBADF, EINVAL } from '../../../kernel/abi/errno.ts';
import { FakeFile, TestTask, testKernel } from './harness.ts';

const SIGINT = 2, SIGUSR1 = 10, SIGRT = 40; // prettier-ignore

function setup() {
  const kernel = testKernel();
  const t = new TestTask(kernel);
  (kernel.scheduler as { current: unknown }).current = t.task;
  const mask = (...signals: number[]) => {
    const at = t.alloc(8);
    t.mem.putU64(
      at,
      signals.reduce((m, s) => m | (1n << BigInt(s - 1)), 0n),
    );
    return at;
  };
  const read = (fd: number, n: number): DataView | number => {
    const out = new Uint8Array(n);
    const r = t.task.fds.get(fd)!.read(IoBuf.of(out), t.task);
    return r < 0 ? r : new DataView(out.buffer, 0, r);
  };
  return { kernel, t, mask, read };
}

describe('signalfd', () => {
  it('reads pending signals of the thread and the process as records', () => {
    const { t, mask, read } = setup();
    const fd = t.call(rows.signalfd4, -1, mask(SIGINT, SIGRT), 8, 0) as number;
    const file = t.task.fds.get(fd)!;
    expect([file.poll(), read(fd, 256)]).toEqual([0, -EAGAIN]);
    let woken = 0;
    file.waiters.add({ wake: () => void woken++ });
    enqueue(t.task.pending, { signo: SIGUSR1, code: 0, pid: 5, uid: 6 });
    expect(file.poll()).toBe(0);
    enqueue(t.task.group.pending, { signo: SIGINT, code: 0, pid: 7, uid: 8 });
    enqueue(t.task.pending, { signo: SIGRT, code: -1, pid: 9, uid: 10, value: 0x1122334455667788n });
    t.task.sighand.signalfd.wake();
    expect([woken, file.poll()]).toEqual([1, 1]);
    const v = read(fd, 300) as DataView;
    expect(v.byteLength).toBe(256);
    expect([0, 8, 12, 16].map((o) => v.getInt32(o, true))).toEqual([SIGRT, -1, 9, 10]);
    expect([v.getUint32(44, true), v.getBigUint64(48, true)]).toEqual([0x55667788, 0x1122334455667788n]);
    expect([128, 136, 140, 144].map((o) => v.getInt32(o, true))).toEqual([SIGINT, 0, 7, 8]);
    expect(file.poll()).toBe(0);
    expect(t.task.pending.mask).toBe(1n << 9n);
  });
  it('changes its mask in place, never taking SIGKILL', () => {
    const { t, mask, read } = setup();
    const fd = t.call(rows.signalfd, -1, mask(SIGINT), 8) as number;
    enqueue(t.task.pending, { signo: SIGUSR1, code: 0 });
    expect(read(fd, 128)).toBe(-EAGAIN);
    expect(t.call(rows.signalfd, fd, mask(SIGUSR1, 9), 8)).toBe(fd);
    expect((read(fd, 128) as DataView).getUint32(0, true)).toBe(SIGUSR1);
    expect(t.task.fds.get(fd)!.fdinfo()).toBe('sigmask:\t0000000000000200\n');
  });
  it('refuses bad arguments', () => {
    const { t, mask, read } = setup();
    expect(t.call(rows.signalfd4, -1, mask(2), 4, 0)).toBe(-EINVAL);
    expect(t.call(rows.signalfd4, -1, mask(2), 8, 3)).toBe(-EINVAL);
    expect(t.call(rows.signalfd4, 50, mask(2), 8, 0)).toBe(-EBADF);
    expect(t.call(rows.signalfd4, t.install(new FakeFile()), mask(2), 8, 0)).toBe(-EINVAL);
    const fd = t.call(rows.signalfd, -1, mask(2), 8) as number;
    expect(read(fd, 127)).toBe(-EINVAL);
  });
});
