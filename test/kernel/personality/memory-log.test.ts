/** mmap, mprotect, munmap and brk of StarryOS's logs, replayed under its quirks: every address is the log's. */
import { describe, expect, it } from 'vitest';
import { O_RDWR } from '../../../kernel/fs/file.ts';
import type { MapRequest } from '../../../kernel/mm/address-space.ts';
import { AnonObject } from '../../../kernel/mm/objects.ts';
import { personality } from '../../../kernel/personality/personality.ts';
import { buildSyscallTable } from '../../../kernel/syscall/table.ts';
import { args, FakeFile, mmTask } from '../mm/fake-mm-task.ts';

/** What was there before the first line: heap and stack, the dynamic linker, and for the shell what it had mapped. */
const FIXED = [
  [0x3fa00000, 0x600000],
  [0x4000000, 0x36000],
] as const;

/** MediaServer (process 8): the program, then libssl.so.3. */
const MEDIA_SERVER = `
[syscall] id = 12, args = [0, 1073740732, 0, 35, 0, 0], return 1067450368
[syscall] id = 9, args = [0, 20314104, 1, 2050, 4, 0], return 4096
[syscall] id = 10, args = [10264576, 9883648, 0, 2050, 4, 0], return 0
[syscall] id = 9, args = [10264576, 6320128, 5, 2066, 4, 10260480], return 10264576
[syscall] id = 9, args = [16584704, 3559424, 1, 2066, 4, 16580608], return 16584704
[syscall] id = 9, args = [20148224, 139264, 3, 2066, 4, 20140032], return 20148224
[syscall] id = 9, args = [20287488, 30712, 3, 50, 4294967295, 0], return 20287488
[syscall] id = 9, args = [0, 669680, 1, 2050, 4, 0], return 20320256
[syscall] id = 9, args = [20443136, 372736, 5, 2066, 4, 122880], return 20443136
[syscall] id = 9, args = [20815872, 118784, 1, 2066, 4, 495616], return 20815872
[syscall] id = 9, args = [20934656, 57344, 3, 2066, 4, 610304], return 20934656`;

/** sleep (another process 8). */
const SLEEP = `
[syscall] id = 9, args = [0, 16408, 1, 2050, 4, 0], return 4096
[syscall] id = 9, args = [8192, 4096, 5, 2066, 4, 4096], return 8192
[syscall] id = 9, args = [12288, 4096, 1, 2066, 4, 8192], return 12288
[syscall] id = 9, args = [16384, 8192, 3, 2066, 4, 8192], return 16384`;

/** The shell (process 6), whose first five pages were taken. */
const SHELL = `
[syscall] id = 9, args = [0, 4096, 3, 34, 18446744073709551615, 0], return 24576
[syscall] id = 11, args = [24576, 4096, 4096, 1, 24576, 1], return 0
[syscall] id = 9, args = [0, 16384, 3, 34, 18446744073709551615, 0], return 24576`;

function boot(name: string) {
  const { quirks, behaviour } = personality(name);
  const m = mmTask();
  m.memory.ways = behaviour;
  (m.t.kernel as { behaviour: unknown }).behaviour = behaviour;
  const rows = buildSyscallTable(quirks).x86_64;
  const anon = { prot: 3, flags: 0x32 } as const;
  const map = (r: Pick<MapRequest, 'start' | 'length'>): number => m.mm.map({ ...anon, ...r });
  m.files.set(4, new FakeFile(O_RDWR, new AnonObject(m.memory, 2 ** 25)));
  return { ...m, rows, map };
}

/** The results of the log's calls, and what it says they were. */
function replay(name: string, log: string, before: readonly (readonly [number, number])[]) {
  const { t, mm, rows, map } = boot(name);
  for (const [start, length] of before) expect(map({ start, length })).toBe(start);
  mm.startBrk = mm.brk = 0x3fa00000;
  const calls = [...log.matchAll(/id = (\d+), args = \[(.*)\], return (-?\d+)/g)];
  expect(calls.length).toBeGreaterThan(2);
  return {
    said: calls.map((c) => Number(c[3])),
    got: calls.map((c) => rows[Number(c[1])]!.run!(t, args(...c[2].split(', ').map(BigInt)))),
    mm,
  };
}

describe.each(['starry', 'starry@2024-07'])('%s', (name) => {
  it.each([
    ['MediaServer', MEDIA_SERVER, FIXED],
    ['sleep', SLEEP, FIXED],
    ['the shell', SHELL, [[0x1000, 0x5000], ...FIXED]],
  ] as const)('answers the calls of %s as the log has it', (_who, log, before) => {
    const { said, got } = replay(name, log, before);
    expect(got).toEqual(said);
  });
});

it('splits an area right, or turns it inside out, as the quirk has it', () => {
  const areas = (name: string): string[] => {
    const { mm } = replay(name, MEDIA_SERVER, FIXED);
    return mm.vmas
      .all()
      .filter((v) => v.start >= 0x9ca000 && v.end <= 0x1361000)
      .map((v) => `${v.start.toString(16)}-${v.end.toString(16)} ${v.flags & 7}`);
  };
  expect(areas('starry')).toEqual([
    '9ca000-fd1000 5',
    'fd1000-1337000 1', // and the readable PROT_NONE page behind it
    '1337000-1359000 3',
    '1359000-1361000 3',
  ]);
  // "[VA:0x9ca000, VA:0x1337000]", then "[VA:0x1337000, VA:0x1336000]": nothing of it is mapped.
  expect(areas('starry@2024-07')).toEqual(['9ca000-1337000 5', '1337000-1359000 3', '1359000-1361000 3']);
});

it('linux answers otherwise', () => {
  const { said, got } = replay('linux', MEDIA_SERVER, FIXED);
  expect(got[1]).not.toBe(said[1]);
});
