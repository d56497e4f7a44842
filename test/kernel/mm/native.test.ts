import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_GROWSDOWN, MAP_PRIVATE } from '../../../kernel/mm/flags.ts';
import { mmRows } from '../../../kernel/mm/rows.ts';
import {
  VM_ACCOUNT,
  VM_DONTEXPAND,
  VM_IO,
  VM_MAYEXEC,
  VM_MAYWRITE,
  VM_PFNMAP,
} from '../../../kernel/mm/vma.ts';
import { ACCESS_MODES, args, FakeFile, fakeObject, mmTask } from './fake-mm-task.ts';

const canCompare =
  process.arch === 'x64' &&
  process.platform === 'linux' &&
  existsSync('/usr/bin/gcc') &&
  existsSync('/usr/bin/setarch');

/** RING3_MM_SEEDS: more of them. */
const SEEDS = Array.from({ length: Number(process.env.RING3_MM_SEEDS ?? 40) }, (_, i) => i + 1);
const OPS = 250;
/** Below it lie the program and its heap, whose areas the kernel joins or not for reasons of its own. */
const ARENA = 0x10000000;

interface Area {
  text: string;
  start: number;
  end: number;
  perms: string;
  name: string;
}

function parse(lines: string[]): Area[] {
  return lines
    .filter((l) => !l.includes('[vsyscall]'))
    .map((l) => {
      const [range, perms, offset, , , name = ''] = l.split(/ +/);
      const [start, end] = range.split('-').map((x) => parseInt(x, 16));
      return { text: `${range} ${perms} ${offset} ${name}`, start, end, perms, name };
    });
}

describe.runIf(canCompare)('memory calls against the kernel of this machine', () => {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ring3-mm-'));
  const program = join(dir, 'mm-fuzz');
  const file = join(dir, 'f');
  beforeAll(() => {
    execFileSync('gcc', ['-w', '-O1', '-static', '-o', program, join(import.meta.dirname, 'mm-fuzz.c')]);
    writeFileSync(file, new Uint8Array(32768));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it.each(SEEDS)('gives the same results and areas for sequence %i', (seed) => {
    // It may unmap what it runs on: what it said before counts.
    const out = spawnSync('setarch', ['-R', program, String(seed), String(OPS), file], {
      encoding: 'latin1',
      maxBuffer: 1 << 28,
    }).stdout;
    const steps = out.split('-\n').slice(0, -1);
    const first = steps[0].trim().split('\n');
    const { t, mm, memory, files } = mmTask({ uid: process.getuid!() });
    // The program as it stood: every area in place.
    const initial = parse(first.slice(1));
    for (const v of initial) {
      const prot = (v.perms[0] === 'r' ? 1 : 0) | (v.perms[1] === 'w' ? 2 : 0) | (v.perms[2] === 'x' ? 4 : 0);
      const grow = v.name === '[stack]' ? MAP_GROWSDOWN : 0;
      const r = mm.map({
        start: v.start, length: v.end - v.start, prot, flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | grow,
        add: v.name.startsWith('[vv') ? VM_IO | VM_DONTEXPAND | VM_PFNMAP : v.name === '[vdso]' ? VM_DONTEXPAND : 0,
        remove: v.name.startsWith('[vv') ? VM_MAYWRITE | VM_MAYEXEC : 0,
        name: ['[stack]', '[heap]'].includes(v.name) ? null : v.name.replace('[vvar_vclock]', '[vvar]') || '[bss]', // never merges with the heap
      }); // prettier-ignore
      expect(r).toBe(v.start);
      if (v.name === '[heap]') {
        mm.startBrk = v.start;
        // What libc wrote: it does not merge with areas written later.
        mm.handleFault(v.start, 2);
      }
      if (v.name === '[stack]') {
        mm.startStack = parseInt(first[0].split(' ')[2], 16);
        mm.setFlags(mm.vmas.containing(v.start)!, mm.vmas.containing(v.start)!.flags | VM_ACCOUNT);
      }
    }
    mm.brk = parseInt(first[0].split(' ')[1], 16);
    const object = fakeObject(memory, new Uint8Array(32768), file);
    object.retain();
    ACCESS_MODES.forEach((mode, i) => files.set(4 + i, new FakeFile(mode, object)));
    const ours = () => parse(mm.formatMaps().trim().split('\n')).map((v) => [v.start, v.text] as const);
    const own = new Set(initial.filter((v) => !['[heap]', '[stack]'].includes(v.name)).map((v) => v.start));

    for (const step of steps.slice(1)) {
      const lines = step.trim().split('\n');
      if (lines[0] === '') continue;
      const isCall = /^[a-z]\w* /.test(lines[0]) && !/^[0-9a-f]+-/.test(lines[0]);
      if (!isCall) continue;
      const [name, ...words] = lines[0].trim().split(' ');
      const values = words.map((w) => BigInt(`0x${w}`));
      const a = args(...values.slice(0, 6));
      let result: number;
      if (name === 'touch') {
        const buf = mm.iov(a.ptr(1), 1, true);
        result = typeof buf === 'number' ? buf : 1;
      } else result = mmRows[name as keyof typeof mmRows].run(t, a);
      const where = `${seed}: ${lines[0]}`;
      expect(BigInt.asUintN(64, BigInt(result)).toString(16), where).toBe(
        values[values.length - 1].toString(16),
      );
      const want = parse(lines.slice(1))
        .filter((v) => v.start >= ARENA && !own.has(v.start))
        .map((v) => v.text);
      const have = ours()
        .filter(([start]) => start >= ARENA && !own.has(start))
        .map(([, text]) => text);
      expect(have, where).toEqual(want);
    }
  });
});
