import { describe, expect, it } from 'vitest';
import {
  EAGAIN,
  EBUSY,
  EFAULT,
  EINVAL,
  EMFILE,
  ENOPKG,
  ENXIO,
  EPERM,
  EPIPE,
} from '../../../kernel/abi/errno.ts';
import {
  F_GETPIPE_SZ,
  F_SETPIPE_SZ,
  O_CLOEXEC,
  O_DIRECT,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} from '../../../kernel/fs/file.ts';
import { S_IFIFO } from '../../../kernel/fs/inode.ts';
import { openFifo } from '../../../kernel/fs/pipe/fifo.ts';
import type { PipeFile } from '../../../kernel/fs/pipe/pipe-file.ts';
import { newPipe, pipe2 } from '../../../kernel/fs/pipe/syscalls.ts';
import { Args } from '../../../kernel/syscall/args.ts';
import { userCredentials } from '../../../kernel/task/creds.ts';
import type { Park } from '../../../kernel/wait.ts';
import { BASE, bytes, fakeKernel, fakeTask, readText, text, wakeups } from './fake-task.ts';

const IN = 0x41;
const OUT = 0x104;
const ERR = 8;
const HUP = 0x10;

function args(...values: number[]): Args {
  const a = new Args();
  values.forEach((v, i) => {
    a.words[2 * i] = v | 0;
    a.words[2 * i + 1] = v < 0 ? -1 : Math.floor(v / 2 ** 32);
  });
  return a;
}

function setup(flags = 0) {
  const t = fakeTask(fakeKernel());
  const [r, w] = newPipe(t, flags);
  r.retain();
  w.retain();
  return { t, r, w };
}

describe('pipe buffer', () => {
  it('holds 16 pages and then asks to wait', () => {
    const { t, r, w } = setup();
    expect(w.write(bytes(70000), t)).toBe(65536);
    expect(w.write(bytes(1), t)).toBe(-EAGAIN);
    expect(w.poll()).toBe(0);
    expect(r.poll()).toBe(IN);
    expect(readText(r, 4095, t)).toHaveLength(4095);
    expect(w.write(bytes(1), t)).toBe(-EAGAIN); // a slot is free only once it is empty
    expect(readText(r, 1, t)).toBe('a');
    expect(w.poll()).toBe(OUT);
  });

  it('merges small writes and keeps one up to PIPE_BUF in one piece', () => {
    const { t, r, w } = setup();
    for (let i = 0; i < 15; i++) w.write(bytes(4096), t);
    expect(w.write(text('ab'), t)).toBe(2);
    expect(w.write(bytes(4094), t)).toBe(4094); // exactly fills the last page
    expect(w.write(text('c'), t)).toBe(-EAGAIN);
    expect(r.pipe.bytes).toBe(65536);
    expect(readText(r, 4096, t)).toHaveLength(4096);
    w.write(bytes(10), t);
    expect(w.write(bytes(4090), t)).toBe(-EAGAIN); // neither fits the last page nor finds a slot
  });

  it('keeps packets apart with O_DIRECT and drops what a read leaves', () => {
    const { t, r, w } = setup(O_DIRECT);
    w.write(text('hello'), t);
    w.write(text('world!'), t);
    expect(readText(r, 3, t)).toBe('hel');
    expect(readText(r, 100, t)).toBe('world!');
    expect(readText(r, 100, t)).toBe(-EAGAIN);
  });

  it('lets tee and splice look before they take', () => {
    const { t, r, w } = setup();
    w.write(text('abcdef'), t);
    expect(String.fromCharCode(...r.pipe.peek(4).bytes())).toBe('abcd');
    r.pipe.consume(2);
    expect(readText(r, 9, t)).toBe('cdef');
    expect(t.kernel.kmem.used).toBe(4096); // one page is kept at hand
  });

  it('resizes by F_SETPIPE_SZ with its limits', () => {
    const { t, r, w } = setup();
    expect(r.fcntl(t, F_GETPIPE_SZ, 0)).toBe(65536);
    expect(r.fcntl(t, F_SETPIPE_SZ, 5000)).toBe(8192);
    w.write(bytes(8192), t);
    expect(r.fcntl(t, F_SETPIPE_SZ, 0)).toBe(-EBUSY);
    t.creds = userCredentials(1000, 1000);
    expect(r.fcntl(t, F_SETPIPE_SZ, 1048577)).toBe(-EPERM);
    expect(r.fcntl(t, F_SETPIPE_SZ, 2 ** 32)).toBe(-EINVAL);
    expect(r.fcntl(t, F_SETPIPE_SZ, 1048576)).toBe(1048576);
  });
});

describe('pipe ends', () => {
  it('tells readers of the first byte only, until somebody polls', () => {
    const { t, r, w } = setup();
    const seen = wakeups(r);
    w.write(text('x'), t);
    w.write(text('y'), t);
    expect(seen).toEqual([IN]);
    r.poll();
    w.write(text('z'), t);
    expect(seen).toEqual([IN, IN]);
  });

  it('tells writers only when a full pipe gets room', () => {
    const { t, r, w } = setup();
    const seen = wakeups(w);
    w.write(bytes(65535), t);
    readText(r, 4096, t);
    expect(seen).toEqual([OUT]);
    readText(r, 4096, t);
    expect(seen).toEqual([OUT]);
  });

  it('ends with 0 and POLLHUP for the reader, SIGPIPE, EPIPE and POLLERR for the writer', () => {
    const a = setup();
    a.w.write(text('last'), a.t);
    const seen = wakeups(a.r);
    a.w.drop();
    expect(seen).toEqual([0]);
    expect(a.r.poll()).toBe(IN | HUP);
    expect(readText(a.r, 9, a.t)).toBe('last');
    expect(readText(a.r, 9, a.t)).toBe('');
    expect(a.r.poll()).toBe(HUP);

    const b = setup();
    b.r.drop();
    expect(b.w.poll()).toBe(OUT | ERR);
    expect(b.w.write(text('x'), b.t)).toBe(-EPIPE);
    expect(b.t.pending.infos.map((i) => i.signo)).toEqual([13]);
    expect(b.w.write(bytes(0), b.t)).toBe(0);
  });

  it('frees its pages at the last close', () => {
    const { t, r, w } = setup();
    w.write(bytes(10000), t);
    expect(t.kernel.kmem.used).toBe(3 * 4096);
    w.drop();
    r.drop();
    expect(t.kernel.kmem.used).toBe(0);
  });
});

describe('pipe2', () => {
  it('makes two descriptors and stores their numbers', () => {
    const t = fakeTask(fakeKernel());
    expect(pipe2(t, args(BASE, O_CLOEXEC | O_NONBLOCK))).toBe(0);
    expect([t.memory.i32(BASE), t.memory.i32(BASE + 4)]).toEqual([0, 1]);
    expect(t.fds.descriptor(0)!.cloexec).toBe(true);
    expect(t.fds.get(0)!.flags).toBe(O_RDONLY | O_NONBLOCK);
    expect(t.fds.get(1)!.flags).toBe(O_WRONLY | O_NONBLOCK);
    expect(t.fds.get(0)!.name).toMatch(/^pipe:\[\d+\]$/);
  });
  it('leaves no descriptor behind when it fails', () => {
    const t = fakeTask(fakeKernel());
    expect(pipe2(t, args(8, 0))).toBe(-EFAULT);
    expect(pipe2(t, args(BASE, 0x10))).toBe(-EINVAL);
    expect(pipe2(t, args(BASE, 0o200))).toBe(-ENOPKG);
    t.group.rlimits[7].cur = 1;
    expect(pipe2(t, args(BASE, 0))).toBe(-EMFILE);
    expect(t.fds.list()).toEqual([]);
  });
  it("knows aarch64's O_DIRECT", () => {
    const t = fakeTask(fakeKernel(), 1, 'aarch64');
    expect(pipe2(t, args(BASE, 0o40000))).toBe(-EINVAL);
    expect(pipe2(t, args(BASE, 0o200000))).toBe(0);
    expect(t.fds.get(1)!.flags).toBe(O_WRONLY | O_DIRECT);
  });
});

describe('FIFO', () => {
  function fifo() {
    const k = fakeKernel();
    const inode = k.pseudo.inode(k.pseudo.pipefs, S_IFIFO | 0o644, 0, 0);
    return { k, inode, reader: fakeTask(k, 1), writer: fakeTask(k, 2) };
  }
  it('waits for the other side', () => {
    const { inode, reader, writer } = fifo();
    const parked = openFifo(inode, reader, O_RDONLY) as Park;
    expect(parked.park).toBe(true);
    reader.parked = parked;
    expect(openFifo(inode, reader, O_RDONLY)).toMatchObject({ park: true }); // woken for nothing
    const w = (openFifo(inode, writer, O_WRONLY) as PipeFile).retain();
    // The reader has not run yet, but counts: no EPIPE.
    expect(w.write(text('hi'), writer)).toBe(2);
    const r = (openFifo(inode, reader, O_RDONLY) as PipeFile).retain();
    reader.parked = null;
    expect(readText(r, 9, reader)).toBe('hi');
    w.drop();
    expect(readText(r, 9, reader)).toBe('');
  });
  it('gives ENXIO to a nonblocking writer alone, and lets a nonblocking reader in without POLLHUP', () => {
    const { inode, reader, writer } = fifo();
    expect(openFifo(inode, writer, O_WRONLY | O_NONBLOCK)).toBe(-ENXIO);
    const r = (openFifo(inode, reader, O_RDONLY | O_NONBLOCK) as PipeFile).retain();
    expect(r.poll()).toBe(0);
    const w = (openFifo(inode, writer, O_WRONLY | O_NONBLOCK) as PipeFile).retain();
    w.drop();
    expect(r.poll()).toBe(HUP);
  });
  it('forgets an opener whose call a signal ended', () => {
    const { inode, reader, writer } = fifo();
    reader.parked = openFifo(inode, reader, O_RDONLY) as Park;
    reader.woken = 'signal';
    openFifo(inode, reader, O_RDONLY);
    reader.parked = null;
    expect(openFifo(inode, writer, O_WRONLY | O_NONBLOCK)).toBe(-ENXIO);
  });
  it('opens both ways at once with O_RDWR', () => {
    const { inode, reader } = fifo();
    const f = (openFifo(inode, reader, O_RDWR) as PipeFile).retain();
    f.write(text('loop'), reader);
    expect(f.poll()).toBe(IN | OUT);
    expect(readText(f, 9, reader)).toBe('loop');
  });
});
