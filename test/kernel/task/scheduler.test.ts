import { LINUX } from '../../../kernel/personality/behaviour.ts';
import { describe, expect, it } from 'vitest';
import { ERESTARTSYS } from '../../../kernel/abi/errno.ts';
import { Scheduler } from '../../../kernel/task/scheduler.ts';
import type { Task } from '../../../kernel/task/task.ts';
import { WaitQueue, park } from '../../../kernel/wait.ts';
import { FakeEntropy } from '../fakes.ts';

const OPTIONS = { seeded: false, quantum: 100 };

/** As much of a task as the scheduler touches. */
function task(tid: number, scheduler: Scheduler): Task {
  return {
    tid, state: 'runnable', waiters: [], heapIndex: -1, parked: null, woken: null, retired: 0,
    voluntarySwitches: 0, involuntarySwitches: 0, group: { groupExit: null }, kernel: { scheduler, behaviour: LINUX },
  } as unknown as Task; // prettier-ignore
}

function setup(n: number, options = OPTIONS, seed = 1): { s: Scheduler; tasks: Task[] } {
  const s = new Scheduler(new FakeEntropy(seed), options);
  const tasks = Array.from({ length: n }, (_, i) => task(i + 1, s));
  for (const t of tasks) s.add(t, false);
  return { s, tasks };
}

/** Task ids of `turns` turns in which everyone uses up the quantum. */
function order(s: Scheduler, turns: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < turns; i++) {
    const t = s.pick()!;
    out.push(t.tid);
    s.ran(t, s.left);
  }
  return out;
}

describe('Scheduler', () => {
  it('goes round, a quantum each', () => {
    const { s } = setup(3);
    expect(order(s, 7)).toEqual([1, 2, 3, 1, 2, 3, 1]);
  });

  it('keeps the current task until its quantum is used up', () => {
    const { s } = setup(2);
    const t = s.pick()!;
    s.ran(t, 60);
    expect(s.pick()).toBe(t);
    expect(s.left).toBe(40);
    s.ran(t, 41);
    expect(s.pick()!.tid).toBe(2);
    expect(t.retired).toBe(101);
    expect(t.involuntarySwitches).toBe(1);
  });

  it('gives way on yield, and to a new task that goes first', () => {
    const { s, tasks } = setup(2);
    s.pick();
    s.yield();
    expect(s.pick()!.tid).toBe(2);
    s.add(task(3, s), true);
    expect(s.pick()!.tid).toBe(3);
    expect(s.runnable).toBe(3);
    s.remove(s.current!);
    expect(s.pick()).toBe(tasks[0]);
  });

  it('parks on every queue and leaves all of them when one wakes it', () => {
    const { s, tasks } = setup(1);
    const [a, b] = [new WaitQueue('a'), new WaitQueue('b')];
    const t = s.pick()!;
    s.park(t, park({ on: [a, b], interrupted: ERESTARTSYS, deadline: 50 }));
    expect(s.pick()).toBeNull();
    expect(s.nextDeadline()).toBe(50);
    b.wake();
    expect(t.woken).toBe('event');
    expect(a.empty && b.empty).toBe(true);
    expect(s.nextDeadline()).toBe(Infinity);
    expect(s.pick()).toBe(tasks[0]);
  });

  it('wakes by deadline, earliest first and equal ones in order of arrival', () => {
    const { s, tasks } = setup(6);
    const at = [30, 10, 20, 10, 40, 20];
    tasks.forEach((t, i) => s.park(t, park({ on: [], interrupted: 4, deadline: at[i] })));
    s.wake(tasks[2], 'event');
    s.expire(29);
    expect(s.nextDeadline()).toBe(30);
    s.expire(40);
    expect(order(s, 6)).toEqual([3, 2, 4, 6, 1, 5]);
    expect(tasks.map((t) => t.woken)).toEqual([
      'timeout',
      'timeout',
      'event',
      'timeout',
      'timeout',
      'timeout',
    ]);
  });

  it('wakes one exclusive waiter for an event', () => {
    const { s, tasks } = setup(3);
    const q = new WaitQueue('q');
    for (const t of tasks) s.park(t, park({ on: q, interrupted: 4, exclusive: true }));
    q.wake();
    expect(tasks.map((t) => t.state)).toEqual(['runnable', 'parked', 'parked']);
  });

  it('lets a signal end only an interruptible wait', () => {
    const { s, tasks } = setup(1);
    const t = tasks[0];
    s.park(t, park({ on: [], interrupted: 4, uninterruptible: true }));
    s.wake(t, 'signal');
    expect(t.state).toBe('parked');
    t.group.groupExit = 9;
    s.wake(t, 'signal');
    expect(t.state).toBe('runnable');
  });

  it('draws order and quanta from the seed', () => {
    const run = (seed: number): string => {
      const { s } = setup(5, { seeded: true, quantum: 100 }, seed);
      const out: string[] = [];
      for (let i = 0; i < 40; i++) {
        const t = s.pick()!;
        out.push(`${t.tid}:${s.left}`);
        s.ran(t, s.left);
      }
      return out.join(' ');
    };
    expect(run(7)).toBe(run(7));
    expect(run(7)).not.toBe(run(8));
  });

  it('survives a storm of parks and wakes without losing anybody', () => {
    const { s, tasks } = setup(40);
    const e = new FakeEntropy(99);
    const q = new WaitQueue('storm');
    let now = 0;
    for (let i = 0; i < 5000; i++) {
      const t = s.pick();
      if (t !== null && e.below(3) > 0)
        s.park(t, park({ on: q, interrupted: 4, deadline: now + 1 + e.below(50) }));
      else if (t !== null) s.yield();
      if (e.below(20) === 0) q.wake();
      s.expire((now += e.below(3)));
    }
    s.expire(Infinity);
    expect(q.empty).toBe(true);
    expect(s.runnable).toBe(tasks.length);
    expect(new Set(order(s, 40)).size).toBe(40);
  });
});
