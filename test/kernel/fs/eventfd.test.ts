import { describe, expect, it } from 'vitest';
import { EAGAIN, EINVAL } from '../../../kernel/abi/errno.ts';
import { EventFd } from '../../../kernel/fs/anon/eventfd.ts';
import { IoBuf } from '../../../kernel/mm/iobuf.ts';
import { bytes, fakeKernel, fakeTask, wakeups } from './fake-task.ts';

function setup(count: number, semaphore = false) {
  const t = fakeTask(fakeKernel());
  const f = new EventFd(t.kernel.pseudo.anonInode, count, semaphore, 0, 0);
  const write = (v: bigint) => f.write(IoBuf.of(new Uint8Array(new BigUint64Array([v]).buffer)), t);
  const read = () => {
    const out = new BigUint64Array(1);
    const r = f.read(IoBuf.of(new Uint8Array(out.buffer)), t);
    return r < 0 ? r : out[0];
  };
  return { t, f, write, read };
}

describe('eventfd', () => {
  it('adds on write and empties on read', () => {
    const { write, read } = setup(3);
    expect(write(4n)).toBe(8);
    expect(read()).toBe(7n);
    expect(read()).toBe(-EAGAIN);
  });
  it('counts down by one as a semaphore', () => {
    const { read } = setup(2, true);
    expect([read(), read(), read()]).toEqual([1n, 1n, -EAGAIN]);
  });
  it('makes a write wait that would overflow, and refuses the largest value', () => {
    const { f, write, read } = setup(1);
    expect(write(0xffffffffffffffffn)).toBe(-EINVAL);
    expect(write(0xfffffffffffffffdn)).toBe(8);
    expect(f.poll()).toBe(1);
    expect(write(1n)).toBe(-EAGAIN);
    expect(read()).toBe(0xfffffffffffffffen);
    f.signal(0xffffffffffffffffn);
    expect(f.poll()).toBe(1 | 8);
  });
  it('needs eight bytes', () => {
    const { t, f } = setup(1);
    expect(f.read(bytes(7), t)).toBe(-EINVAL);
    expect(f.write(bytes(7), t)).toBe(-EINVAL);
  });
  it('wakes with POLLIN on every write and POLLOUT on every read: each is an edge', () => {
    const { f, write, read } = setup(0);
    const seen = wakeups(f);
    write(1n);
    write(1n);
    read();
    expect(seen).toEqual([1, 1, 4]);
  });
  it('shows its count in fdinfo', () => {
    expect(setup(0x1f).f.fdinfo()).toBe('eventfd-count:               1f\neventfd-id: 0\n');
  });
});
