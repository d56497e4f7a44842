import { describe, expect, it } from 'vitest';
import { EACCES, EAGAIN, EINVAL, ENOSPC, EPERM } from '../../../kernel/abi/errno.ts';
import { Harness } from '../harness.ts';

const IPC_CREAT = 0o1000;
const SEM_UNDO = 0x1000;
const CLONE_SYSVSEM = 0x40000;
const SETVAL = 16;
const GETVAL = 12;

/** Writes sembufs and returns where they are. */
function sembufs(h: Harness, ...ops: [num: number, op: number, flags: number][]): number {
  const at = h.scratch(h.init);
  ops.forEach(([num, op, flags], i) => {
    h.init.mm.putU16(at + 6 * i, num);
    h.init.mm.putU16(at + 6 * i + 2, op & 0xffff);
    h.init.mm.putU16(at + 6 * i + 4, flags);
  });
  return at;
}

describe('System V ids', () => {
  it('are not given again until 64 others were', () => {
    const h = new Harness();
    const ids = Array.from({ length: 66 }, () => {
      const id = h.call(h.init, 'msgget', 0, IPC_CREAT | 0o600)!;
      h.call(h.init, 'msgctl', id, 0, 0);
      return id;
    });
    expect(ids.slice(0, 3)).toEqual([0, 1, 2]);
    expect(ids.slice(62)).toEqual([62, 63, 32768, 32769]);
    expect(h.call(h.init, 'msgctl', 0, 0, 0)).toBe(-EINVAL);
  });

  it('end at the limit, and give the memory they took back', () => {
    const h = new Harness();
    const before = h.kernel.kmem.used;
    for (let i = 0; i < 4096; i++) expect(h.call(h.init, 'shmget', 0, 1, 0o600)).toBeGreaterThanOrEqual(0);
    expect(h.call(h.init, 'shmget', 0, 1, 0o600)).toBe(-ENOSPC);
    for (const s of h.kernel.ipc.shm.list()) expect(h.call(h.init, 'shmctl', s.id, 0, 0)).toBe(0);
    expect(h.kernel.kmem.used).toBe(before);
  });

  it('are for their owner, group and others as the mode says', () => {
    const h = new Harness({ init: { uid: 7, gid: 8 } });
    const id = h.call(h.init, 'semget', 5, 1, IPC_CREAT | 0o400)!;
    expect(h.call(h.init, 'semctl', id, 0, SETVAL, 1)).toBe(-EACCES);
    expect(h.call(h.init, 'semctl', id, 0, GETVAL, 0)).toBe(0);
    expect(h.call(h.init, 'semget', 5, 1, 0o200)).toBe(-EACCES);
    h.kernel.ipc.sem.get(id)!.uid = h.kernel.ipc.sem.get(id)!.cuid = 9;
    expect(h.call(h.init, 'semctl', id, 0, GETVAL, 0)).toBe(-EACCES);
    expect(h.call(h.init, 'semctl', id, 0, 0, 0)).toBe(-EPERM);
  });
});

describe('System V semaphores', () => {
  it('are counted, so that making a set costs the same however many there are', () => {
    const h = new Harness();
    const ids = Array.from({ length: 3 }, (_, i) => h.call(h.init, 'semget', 0, i + 1, 0o600)!);
    expect(h.kernel.ipc.semaphores).toBe(6);
    expect(h.call(h.init, 'semctl', ids[1], 0, 0)).toBe(0);
    expect(h.kernel.ipc.semaphores).toBe(4);
  });

  it('are given to who waits, before the waker runs on', () => {
    const h = new Harness();
    const id = h.call(h.init, 'semget', 0, 1, 0o600)!;
    const take = sembufs(h, [0, -1, 0]);
    const child = h.task(h.call(h.init, 'fork'));
    expect(h.kernel.prepareUser(child)).toBe(true);
    expect(h.call(child, 'semop', id, take, 1)).toBeNull();
    expect(h.call(h.init, 'semctl', id, 0, 14, 0)).toBe(1); // GETNCNT
    expect(h.call(h.init, 'semop', id, sembufs(h, [0, 1, 0]), 1)).toBe(0);
    expect(h.call(h.init, 'semop', id, sembufs(h, [0, -1, 0o4000]), 1)).toBe(-EAGAIN);
    expect(h.finish(child)).toBe(0);
  });

  it('forget a waiter that was killed', () => {
    const h = new Harness();
    const id = h.call(h.init, 'semget', 0, 1, 0o600)!;
    const take = sembufs(h, [0, -1, 0]);
    const pid = h.call(h.init, 'fork')!;
    const child = h.task(pid);
    h.kernel.prepareUser(child);
    expect(h.call(child, 'semop', id, take, 1)).toBeNull();
    expect(h.call(h.init, 'kill', pid, 9)).toBe(0);
    expect(h.finish(child)).toBeNull();
    expect(h.kernel.ipc.sem.get(id)!.pending).toEqual([]);
  });

  it('are adjusted when the last task that shares the adjustments leaves, or unshares them', () => {
    const h = new Harness();
    const id = h.call(h.init, 'semget', 0, 2, 0o600)!;
    expect(h.call(h.init, 'semop', id, sembufs(h, [0, 3, SEM_UNDO], [1, 2, 0]), 2)).toBe(0);
    const pid = h.call(h.init, 'clone', CLONE_SYSVSEM | 17)!;
    const child = h.task(pid);
    h.kernel.prepareUser(child);
    h.call(child, 'exit', 0);
    expect(h.call(h.init, 'semctl', id, 0, GETVAL, 0)).toBe(3);
    expect(h.call(h.init, 'unshare', CLONE_SYSVSEM)).toBe(0);
    expect(h.call(h.init, 'semctl', id, 0, GETVAL, 0)).toBe(0);
    expect(h.call(h.init, 'semctl', id, 1, GETVAL, 0)).toBe(2);
  });
});

describe('message queues', () => {
  it('send: a signal ends the wait for room, and the message is not there', () => {
    const h = new Harness();
    const id = h.call(h.init, 'msgget', 0, 0o600)!;
    const at = h.scratch(h.init);
    h.init.mm.putU64(at, 1);
    for (let i = 0; i < 4; i++) expect(h.call(h.init, 'msgsnd', id, at, 4096, 0)).toBe(0);
    const pid = h.call(h.init, 'fork')!;
    const child = h.task(pid);
    h.kernel.prepareUser(child);
    expect(h.call(child, 'msgsnd', id, at, 1, 0)).toBeNull();
    h.call(h.init, 'kill', pid, 9);
    expect(h.finish(child)).toBeNull();
    const q = h.kernel.ipc.msg.get(id)!;
    expect([q.messages.length, q.bytes, q.room.empty]).toEqual([4, 16384, true]);
  });
});
