import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AddressSpace } from '../../kernel/mm/address-space.ts';
import { buildImage } from '../../kernel/mm/image.ts';
import { Memory } from '../../kernel/mm/memory.ts';
import { planElf, type ElfPlan, type Refusal } from '../../loader/elf.ts';
import { parseScript } from '../../loader/script.ts';
import { ArgumentBudget, MAX_ARG_STRLEN } from '../../loader/stack.ts';
import { elfHash, vdsoImage } from '../../loader/vdso.ts';
import { FakeCpu, FakeEntropy, FakeRam } from '../kernel/fakes.ts';
import { fakeObject } from '../kernel/mm/fake-mm-task.ts';

/** A static x86_64 program: text, data with BSS, GNU_STACK. */
function program(): Uint8Array {
  const bytes = new Uint8Array(0x3000);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, 0x401000n, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 3, true);
  view.setUint16(58, 64, true);
  const segments: [number, number, bigint, bigint, bigint, bigint, bigint][] = [
    [1, 5, 0n, 0x400000n, 0x2000n, 0x2000n, 0x1000n],
    [1, 6, 0x2000n, 0x402000n, 0x123n, 0x5000n, 0x1000n],
    [0x6474e551, 6, 0n, 0n, 0n, 0n, 16n],
  ];
  segments.forEach(([type, flags, offset, vaddr, filesz, memsz, align], i) => {
    const at = 64 + 56 * i;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    [offset, vaddr, vaddr, filesz, memsz, align].forEach((n, k) =>
      view.setBigUint64(at + 8 + 8 * k, n, true),
    );
  });
  bytes.fill(0x90, 0x1000, 0x2000);
  bytes.fill(0x41, 0x2000, 0x3000);
  return bytes;
}

const set = (at: number, ...values: number[]): Uint8Array => {
  const bytes = program();
  bytes.set(values, at);
  return bytes;
};

function image(memory: Memory, plan: ElfPlan, bytes: Uint8Array) {
  return buildImage({ cpu: new FakeCpu(), memory }, null, {
    program: { plan, object: fakeObject(memory, bytes), file: null }, interp: null, argv: ['p'], envp: [], execfn: 'p',
    creds: { uid: 0, euid: 0, gid: 0, egid: 0 }, secure: false, entropy: new FakeEntropy(), hwcap: 0, hwcap2: 0,
    minsigstksz: 2048,
  }); // prettier-ignore
}

describe('planElf', () => {
  it('plans segments, stack and headers', () => {
    const plan = planElf(program()) as ElfPlan;
    expect(plan).toMatchObject({
      ok: true, arch: 'x86_64', relocatable: false, entry: 0x401000, phdr: 0x400040, phnum: 3, interp: null,
      execStack: false, start: 0x400000, span: 0x7000, align: 4096,
    }); // prettier-ignore
    expect(plan.segments).toEqual([
      { vaddr: 0x400000, offset: 0, filesz: 0x2000, memsz: 0x2000, prot: 5 },
      { vaddr: 0x402000, offset: 0x2000, filesz: 0x123, memsz: 0x5000, prot: 3 },
    ]);
  });

  it.each<[string, Uint8Array, Partial<Refusal>]>([
    ['an empty file', new Uint8Array(0), { errno: 8, kind: 'not-elf' }],
    ['text', Buffer.from('hello, this is text'), { errno: 8, kind: 'not-elf' }],
    ['a cut header', program().subarray(0, 40), { errno: 8, kind: 'truncated' }],
    ['cut program headers', program().subarray(0, 100), { errno: 8, kind: 'truncated' }],
    [
      '32 bits',
      set(4, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0),
      { errno: 8, reason: 'a 32-bit x86 program' },
    ],
    ['big-endian', set(5, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 22), { errno: 8, kind: 'wrong-endian' }],
    ['another machine', set(18, 243, 0), { errno: 8, reason: 'a program for RISC-V' }],
    ['an object file', set(16, 1, 0), { errno: 8, kind: 'not-executable' }],
    ['a core file', set(16, 4, 0), { errno: 8, reason: 'a core dump' }],
    ['too many program headers', set(56, 74, 0), { errno: 8, kind: 'malformed' }],
    ['no program headers', set(56, 0, 0), { errno: 8, kind: 'malformed' }],
    ['odd header size', set(54, 55, 0), { errno: 8, kind: 'malformed' }],
    ['filesz over memsz', set(64 + 32, 0, 0x30), { errno: 22, fatal: true }],
    ['an address past the end', set(64 + 16 + 5, 0x80), { errno: 22, fatal: true }],
    ['a misaligned offset', set(64 + 8, 8), { errno: 22, fatal: true }],
  ])('refuses %s', (_what, bytes, want) => {
    expect(planElf(bytes)).toMatchObject({ ok: false, ...want });
  });

  it('gives a plan or an errno, and an image or an errno, for 100,000 mutated headers', () => {
    const original = program();
    const ram = new FakeRam(64);
    const memory = new Memory(ram);
    let state = 12345;
    const below = (n: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % n;
    };
    const counts = { plan: 0, refused: 0, image: 0, failed: 0 };
    const bytes = original.slice();
    for (let i = 0; i < 100_000; i++) {
      bytes.set(original.subarray(0, 0x100));
      for (let k = 1 + below(4); k > 0; k--) {
        const at = below(64 + 3 * 56);
        const how = below(4);
        bytes[at] = how === 0 ? 0 : how === 1 ? 0xff : how === 2 ? bytes[at] ^ (1 << below(8)) : below(256);
      }
      const plan = planElf(below(50) ? bytes : bytes.subarray(0, below(300)));
      if (!plan.ok) {
        expect([5, 8, 22]).toContain(plan.errno);
        counts.refused++;
        continue;
      }
      counts.plan++;
      if (i % 40 !== 0) continue;
      const r = image(memory, plan, bytes);
      if (typeof r === 'number') {
        expect(r).toBeLessThan(0);
        counts.failed++;
      } else {
        counts.image++;
        r.mm.release();
      }
    }
    // The vDSO's pages stay; nothing else does.
    expect(ram.used).toBeLessThanOrEqual(2);
    expect(counts.plan).toBeGreaterThan(1000);
    expect(counts.refused).toBeGreaterThan(1000);
    expect(counts.image).toBeGreaterThan(10);
  }, 60_000);
});

describe('buildImage', () => {
  it('maps file pages, zeroes the rest of the last and the BSS, and puts the break after it', () => {
    const memory = new Memory(new FakeRam(256));
    const bytes = program();
    const r = image(memory, planElf(bytes) as ElfPlan, bytes);
    if (typeof r === 'number') throw new Error(String(r));
    const { mm } = r;
    expect(r.entry).toBe(0x401000);
    expect(mm.copyIn(0x401000, 2)).toEqual(Uint8Array.of(0x90, 0x90));
    expect(mm.copyIn(0x402122, 3)).toEqual(Uint8Array.of(0x41, 0, 0));
    expect(mm.copyIn(0x402ffe, 4)).toEqual(new Uint8Array(4));
    expect(mm.putU32(0x406ffc, 1)).toBe(0);
    expect(mm.putU32(0x401000, 1)).toBe(-14);
    expect(mm.u32(0x407000)).toBe(-14);
    expect(mm.brk).toBe(0x407000);
    expect(bytes[0x2123]).toBe(0x41);
    expect(mm.formatMaps()).toBe(`00400000-00402000 r-xp 00000000 fe:00 7                                  /f
00402000-00403000 rw-p 00002000 fe:00 7                                  /f
00403000-00407000 rw-p 00000000 00:00 0 
7ffff7ff9000-7ffff7ffd000 r--p 00000000 00:00 0                          [vvar]
7ffff7ffd000-7ffff7fff000 r-xp 00000000 00:00 0                          [vdso]
7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]
`);
    mm.release();
    expect(AddressSpace.create({ cpu: new FakeCpu(), memory }, 'x86_64').vmas.count).toBe(0);
  });
});

describe('parseScript', () => {
  const script = (s: string) => parseScript(Buffer.from(s, 'latin1'));
  it.each<[string, ReturnType<typeof parseScript>]>([
    ['#!/bin/sh\n', { interpreter: '/bin/sh', argument: null }],
    ['#! \t/bin/sh -e  -x \t\nrest', { interpreter: '/bin/sh', argument: '-e  -x' }],
    ['#!/bin/sh', { interpreter: '/bin/sh', argument: null }],
    ['#!\n', null],
    ['#!   \n', null],
    ['#/bin/sh\n', null],
    ['#!/bin/sh \0-e\n', { interpreter: '/bin/sh', argument: null }],
    [`#!${'x'.repeat(300)}\n`, null],
    [`#!/bin/sh ${'y'.repeat(300)}\n`, { interpreter: '/bin/sh', argument: 'y'.repeat(245) }],
    [`#!${'x'.repeat(252)} \n`, { interpreter: 'x'.repeat(252), argument: null }],
  ])('reads %j', (text, want) => {
    expect(script(text)).toEqual(want);
  });
});

describe('ArgumentBudget', () => {
  it('allows a quarter of the stack, 128 KiB at least and 6 MiB at most', () => {
    const budget = new ArgumentBudget(8 << 20, 1, 0);
    const string = MAX_ARG_STRLEN - 1;
    let n = 0;
    while (budget.take(string)) n++;
    expect(n).toBe(15); // 2 MiB less 8 bytes
    expect(new ArgumentBudget(4096, 1, 0).take(131000)).toBe(true);
    expect(new ArgumentBudget(1 << 30, 1, 0).take(MAX_ARG_STRLEN)).toBe(false);
    expect(new ArgumentBudget(1 << 30, 2_000_000, 0).take(0)).toBe(false);
  });
});

describe('vdsoImage', () => {
  it('hashes as the gABI says', () => {
    expect(elfHash('LINUX_2.6')).toBe(0x3ae75f6); // the constant Go's runtime looks for
  });

  const assemblers = ['x86_64', 'aarch64'].every((a) => existsSync(`/usr/bin/${a}-linux-gnu-as`));
  it.runIf(assemblers)('is what its assembly says', () => {
    const made = execFileSync(process.execPath, ['scripts/vdso.mjs', '--print'], { encoding: 'utf8' });
    expect(made).toBe(readFileSync('loader/vdso/code.ts', 'utf8'));
  });

  it.runIf(process.arch === 'x64' && existsSync('/usr/bin/gcc'))('is a shared object ld.so accepts', () => {
    const dir = mkdtempSync(join(tmpdir(), 'ring3-vdso-'));
    try {
      writeFileSync(join(dir, 'vdso.so'), vdsoImage('x86_64'));
      writeFileSync(
        join(dir, 'p.c'),
        `#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>
int main(int c, char **v) {
  void *h = dlopen(v[1], RTLD_NOW);
  if (!h) return puts(dlerror()), 1;
  const char *n[] = {"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu", "__vdso_clock_getres",
                     "clock_gettime", "getcpu"};
  for (int i = 0; i < 7; i++) if (!dlvsym(h, n[i], "LINUX_2.6")) return puts(dlerror()), 1;
  if (dlvsym(h, n[0], "LINUX_2.7")) return puts("any version"), 1;
  int (*f)(int, struct timespec *) = dlvsym(h, n[0], "LINUX_2.6");
  struct timespec a, b;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a); // by a system call: the others need our [vvar] and counter
  printf("%d %d\\n", f(CLOCK_PROCESS_CPUTIME_ID, &b), b.tv_sec - a.tv_sec <= 1);
  return 0;
}`,
      );
      execFileSync('gcc', ['-w', '-o', join(dir, 'p'), join(dir, 'p.c'), '-ldl']);
      expect(execFileSync(join(dir, 'p'), [join(dir, 'vdso.so')], { encoding: 'utf8' })).toBe('0 1\n');
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
