import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AddressSpace } from '../../../kernel/mm/address-space.ts';
import { buildImage, objectSource, type Image } from '../../../kernel/mm/image.ts';
import { Memory } from '../../../kernel/mm/memory.ts';
import { PageCacheObject } from '../../../kernel/mm/objects.ts';
import { planElf } from '../../../loader/elf.ts';
import { FakeCpu, FakeEntropy, FakeRam } from '../fakes.ts';

const SOURCE = `
#include <stdio.h>
#include <sys/auxv.h>
#include <fcntl.h>
#include <unistd.h>
char bss[40000]; int data = 5;
static void dump(const char *p) { char b[65536]; int f = open(p, O_RDONLY); ssize_t n;
  while ((n = read(f, b, sizeof b)) > 0) write(1, b, n); close(f); }
int main(int argc, char **argv, char **envp) {
  unsigned long *p = (unsigned long *)argv - 1;
  char **e = envp; while (*e) e++;
  unsigned long *aux = (unsigned long *)(e + 1), *q = aux;
  while (q[0]) q += 2;
  // The stack as the program found it: from argc to the top.
  printf("%lx %ld\\n", (unsigned long)p, (long)(q + 2 - p));
  for (unsigned long *w = p; w < q + 2; w++) printf("%lx ", *w);
  printf("\\n"); fflush(stdout);
  unsigned char *s = (unsigned char *)(q + 2);
  for (; s < (unsigned char *)0x7ffffffff000; s++) printf("%02x", *s);
  printf("\\n"); fflush(stdout);
  dump("/proc/self/maps");
  return 0;
}`;

const canCompare =
  process.arch === 'x64' &&
  process.platform === 'linux' &&
  existsSync('/usr/bin/gcc') &&
  existsSync('/usr/bin/setarch');

/** The program's memory as execve would make it. */
function load(path: string, interpPath: string | null, argv: string[], envp: string[]) {
  const ram = new FakeRam(4096);
  const memory = new Memory(ram);
  const open = (p: string) => {
    const bytes = readFileSync(p);
    const backing = {
      size: bytes.length,
      read: (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)),
    };
    const object = new PageCacheObject(memory, backing, { name: p, dev: 0xfe00, ino: 1 });
    const plan = planElf(objectSource(memory, object, bytes.length));
    if (!plan.ok) throw new Error(plan.reason);
    return { plan, object, file: null };
  };
  const image = buildImage({ cpu: new FakeCpu(), memory }, null, {
    program: open(path), interp: interpPath === null ? null : open(interpPath), argv, envp, execfn: path,
    creds: { uid: 0, euid: 0, gid: 0, egid: 0 }, secure: false, entropy: new FakeEntropy(), hwcap: 0x178bfbff, hwcap2: 2,
    minsigstksz: 3376,
  }); // prettier-ignore
  if (typeof image === 'number') throw new Error(`errno ${-image}`);
  return { image, ram, memory };
}

/** The areas of the file, the stack and the unnamed ones, [vvar…vdso] as one: start-end, rights, offset, name. */
const areas = (maps: string, path: string): string[] =>
  maps
    .split('\n')
    .filter((l) => l.includes(path) || l.includes('[stack]'))
    .map((l) => l.replace(/ [0-9a-f]+:[0-9a-f]+ \d+ +/, ' '));

describe.runIf(canCompare)('buildImage against execve', () => {
  const dir = mkdtempSync(join(tmpdir(), 'ring3-image-'));
  beforeAll(() => {
    writeFileSync(join(dir, 'p.c'), SOURCE);
    for (const [name, flags] of [
      ['exec', ['-static']],
      ['spie', ['-static-pie']],
      ['dyn', []],
    ] as const)
      execFileSync('gcc', ['-w', '-O1', ...flags, '-o', join(dir, name), join(dir, 'p.c')]);
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it.each(['exec', 'spie', 'dyn'])('lays out %s as Linux does', (name) => {
    const path = join(dir, name);
    const argv = [path, 'one', '', 'three and more'];
    const envp = ['A=1', 'LONG=' + 'x'.repeat(5000)];
    const native = execFileSync('setarch', ['-R', 'env', '-i', ...envp, ...argv], {
      encoding: 'latin1',
    }).split('\n');
    const interpPath = name === 'dyn' ? '/lib64/ld-linux-x86-64.so.2' : null;
    const { image } = load(path, interpPath, argv, envp);
    const { mm, sp } = image;

    const words = native[1]
      .trim()
      .split(' ')
      .map((w) => parseInt(w, 16));
    // AT_RSEQ_* (27, 28) came after 6.1: compare without them, at whatever sp that gives.
    const nativeAuxv = pairs(words.slice(words.indexOf(0, words.indexOf(0) + 1) + 1));
    const ours = pairs(wordsAt(mm, mm.startStack, image));
    expect([...ours.keys()]).toEqual([...nativeAuxv.keys()].filter((k) => k !== 27 && k !== 28));
    for (const [key, value] of ours) {
      // The vDSO has other pages before it since 6.13, and ld.so moves with them.
      if (key === 33) continue;
      expect([key, value], `auxv ${key}`).toEqual([key, nativeAuxv.get(key)]);
    }
    expect(sp % 16).toBe(0);
    // Strings and all else above the vectors: the same bytes at the same addresses, random ones aside.
    const text = Uint8Array.from(native[2].match(/../g)!, (b) => parseInt(b, 16));
    const random = ours.get(25)!;
    const from = random;
    const want = text.slice(text.length - (0x7ffffffff000 - from));
    const got = mm.copyIn(from, 0x7ffffffff000 - from)!;
    want.fill(0, 0, 16);
    got.fill(0, 0, 16);
    expect(Buffer.from(got).toString('latin1')).toBe(Buffer.from(want).toString('latin1'));

    const oursAreas = areas(mm.formatMaps(), path);
    const nativeAreas = areas(native.slice(3).join('\n'), path);
    if (name === 'dyn') {
      // libc has mprotected RELRO since: the outer borders are the kernel's.
      expect(oursAreas.at(0)!.split('-')[0]).toBe(nativeAreas.at(0)!.split('-')[0]);
      expect(oursAreas.at(-1)).toBe(nativeAreas.at(-1));
    } else {
      const border = (list: string[]) => [
        list[0].split('-')[0],
        list.at(-2)!.split(' ')[0].split('-')[1],
        list.at(-1),
      ];
      expect(border(oursAreas)).toEqual(border(nativeAreas));
      expect(oursAreas.slice(0, 3)).toEqual(nativeAreas.slice(0, 3));
    }
  });
});

function wordsAt(mm: AddressSpace, sp: number, _image: Image): number[] {
  const argc = mm.ptr(sp);
  let at = sp + 8 * (argc + 2);
  while (mm.ptr(at) !== 0) at += 8;
  const out: number[] = [];
  for (at += 8; mm.ptr(at) !== 0; at += 16) out.push(mm.ptr(at), mm.ptr(at + 8));
  return out;
}

function pairs(words: number[]): Map<number, number> {
  const out = new Map<number, number>();
  for (let i = 0; i + 1 < words.length && words[i] !== 0; i += 2) out.set(words[i], words[i + 1]);
  return out;
}
