/** Hooks and exact steps on a machine: they see all there is to see, and the run is the one nobody looks at. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Machine, type MemoryHit } from '../../src/index.ts';
import { readSymbols } from '../../src/machine/symbols.ts';
import { guestPath } from '../support/guests.ts';

describe.each([
  ['racy-musl', ['interp', 'jit:64:1']],
  ['fork-shm-musl', ['interp', 'jit:64:1']],
  ['signals-musl', ['interp']],
] as const)('%s', (name, cpus) => {
  const options = { program: guestPath(name)!, seed: 7, countEvents: true };
  const end = async (m: Machine): Promise<unknown> => {
    const { status } = await m.run();
    const { stdout, rounds, position } = m;
    m.dispose();
    return { status, stdout, rounds, position, instructions: m.stats.instructions };
  };

  it.each(cpus)(
    'runs as ever under hooks and exact steps (%s)',
    async (cpu) => {
      const plain = await end(await Machine.boot({ ...options, cpu }));
      // One by one, and all at once.
      const slow = await Machine.boot({ ...options, cpu });
      const pcs: number[] = [];
      const pc = (m: Machine): number => Number(m.regs()[m.arch === 'x86_64' ? 'rip' : 'pc']);
      for (let i = 0; i < 1500; i++) {
        pcs.push(pc(slow));
        expect(await slow.stepInstructions()).toBe(true);
      }
      const fast = await Machine.boot({ ...options, cpu });
      expect(await fast.stepInstructions(1500)).toBe(true);
      expect(fast.regs()).toEqual(slow.regs());

      const { debug } = slow;
      const places = [...new Set(pcs)].filter((_, i) => i % 7 === 0);
      let hits = 0;
      let stops = 0;
      for (const at of places) debug.onInstructions(at, at + 1, () => void hits++);
      const first = pcs[pcs.length - 1] - 32;
      debug.onInstructions(first, first + 64, () => {
        stops++;
        return true;
      });
      const accesses: MemoryHit[] = [];
      const sp = Number(slow.regs()[slow.arch === 'x86_64' ? 'rsp' : 'sp']);
      debug.onMemory(sp - 128, sp + 128, 'access', (hit) => {
        if (accesses.length < 1000) accesses.push(hit);
      });
      debug.onMemory(sp - 128, sp - 64, 'write', () => void hits++, { before: true });
      expect(await end(slow)).toEqual(plain);
      expect(await end(fast)).toEqual(plain);
      expect(Math.min(hits, stops)).toBeGreaterThan(0);
      expect(accesses.length).toBeGreaterThan(10);
      for (const a of accesses) expect(a.address + a.size > sp - 128 && a.address < sp + 128).toBe(true);
    },
    120_000,
  );
});

describe('hooks', () => {
  it('count every instruction of a range and stop the machine where they say', async () => {
    const options = { program: guestPath('hello')!, seed: 1 };
    const m = await Machine.boot(options);
    const pcs: bigint[] = [];
    const remove = m.debug.onInstructions(0, 2 ** 47, ({ address }) => void pcs.push(BigInt(address)));
    await m.run();
    const { instructions } = m.stats;
    expect(pcs.length).toBe(instructions);
    remove();

    const again = await Machine.boot(options);
    let at: number | null = null;
    again.debug.onInstructions(Number(pcs[2]), Number(pcs[2]) + 1, ({ address }) => {
      at = address;
      return true;
    });
    expect(await again.runUntil(() => at !== null)).toBe(true);
    expect([at, again.regs()[again.arch === 'x86_64' ? 'rip' : 'pc']]).toEqual([Number(pcs[2]), pcs[2]]);
    expect((await again.run()).status).toBe(0);
    expect(again.stats.instructions).toBe(instructions);
    expect(await again.runUntil(() => false)).toBe(false);
  });

  it.each(['x86_64', 'aarch64'].filter((arch) => guestPath('debugged', arch)))(
    'set since a moment hold there too when the machine goes back to it: %s',
    async (arch) => {
      const program = guestPath('debugged', arch)!;
      const m = await Machine.boot({ program, seed: 1 });
      const symbols = readSymbols(readFileSync(program));
      const [counter, inchild] = ['counter', 'inchild'].map((s) => symbols.get(s)!);
      const fresh = m.snapshot(); // no code was decoded, no page of data is mapped
      let hits: string[] = [];
      await m.stepInstructions(4000);
      const under = m.snapshot();
      const remove = m.debug.onMemory(counter, counter + 4, 'write', () => void hits.push('counter'));
      m.debug.onInstructions(inchild, inchild + 1, ({ pid }) => void hits.push(`child ${pid}`));
      const child = /^child 1\d\d\d$/;
      const all = [...Array<string>(6).fill('counter'), expect.stringMatching(child)];
      await m.run();
      expect(hits).toEqual(all);
      // The child's address space is gone for the second time, and so are the first process and its own.
      for (const from of [fresh, under, fresh]) {
        m.restore(from);
        hits = [];
        await m.run();
        expect(hits).toEqual(all);
      }
      remove();
      m.restore(fresh);
      hits = [];
      await m.run();
      expect(hits).toEqual([expect.stringMatching(child)]);
      m.dispose();
    },
    30_000,
  );

  it('are refused by a core that cannot', async () => {
    const m = await Machine.boot({ program: guestPath('hello')!, cpu: 'lockstep:jit' });
    expect(() => m.debug).toThrow('take jit or interp');
  });
});
