/** A task with a real address space over fake RAM, for handlers of kernel/mm. */
import { LINUX } from '../../../kernel/personality/behaviour.ts';
import { File, O_RDONLY, O_RDWR, O_WRONLY } from '../../../kernel/fs/file.ts';
import { AddressSpace } from '../../../kernel/mm/address-space.ts';
import { Memory } from '../../../kernel/mm/memory.ts';
import type { MemObject } from '../../../kernel/mm/mem-object.ts';
import { PageCacheObject } from '../../../kernel/mm/objects.ts';
import { Args } from '../../../kernel/syscall/args.ts';
import { userCredentials } from '../../../kernel/task/creds.ts';
import type { Task } from '../../../kernel/task/task.ts';
import { FakeCpu, FakeRam } from '../fakes.ts';

export class FakeFile extends File {
  readonly name: string;
  private readonly object: MemObject;
  constructor(flags: number, object: MemObject) {
    super(flags, null, 'fake');
    this.object = object;
    this.name = object.name;
  }
  override mmap(): MemObject {
    return this.object;
  }
}

export const ACCESS_MODES = [O_RDWR, O_RDONLY, O_WRONLY] as const;

/** Bytes that can be mapped and are written back. */
export function fakeObject(memory: Memory, bytes: Uint8Array, name = '/f'): PageCacheObject {
  const backing = {
    size: bytes.length,
    read: (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)),
    write: (offset: number, page: Uint8Array) => {
      bytes.set(page, offset);
      return 0;
    },
  };
  return new PageCacheObject(memory, backing, { name, dev: 0xfe00, ino: 7 });
}

export function mmTask({ frames = 4096, uid = 0 } = {}) {
  const ram = new FakeRam(frames);
  const memory = new Memory(ram);
  const rlimits = Array.from({ length: 16 }, () => ({ cur: Infinity, max: Infinity }));
  rlimits[3].cur = 8 * 1024 * 1024;
  const mm = AddressSpace.create({ cpu: new FakeCpu(), memory }, 'x86_64', { rlimits });
  const files = new Map<number, File>();
  const tasks = new Map<number, Task>();
  const group = { rlimits };
  const t = {
    mm, group, fds: { get: (fd: number) => files.get(fd), opened: (fd: number) => files.get(fd) }, creds: userCredentials(uid, uid), tid: 1, state: 'runnable',
    kernel: { memory, ram, behaviour: LINUX, processes: { task: (tid: number) => tasks.get(tid) } },
  } as unknown as Task; // prettier-ignore
  tasks.set(1, t);
  return { t, mm, ram, memory, files, rlimits, tasks };
}

/** Arguments as a guest's registers hold them. */
export function args(...values: (number | bigint)[]): Args {
  const a = new Args();
  values.forEach((v, i) => {
    const n = BigInt.asUintN(64, BigInt(v));
    a.words[2 * i] = Number(BigInt.asIntN(32, n));
    a.words[2 * i + 1] = Number(BigInt.asIntN(32, n >> 32n));
  });
  return a;
}
