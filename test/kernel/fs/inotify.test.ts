/** The sequences are those a Linux kernel gave for the same calls (link counts and names as there). */
import { beforeEach, describe, expect, it } from 'vitest';
import { EAGAIN, EEXIST, EINVAL, EMFILE, ENOSPC, ENOTDIR } from '../../../kernel/abi/errno.ts';
import { IoBuf } from '../../../kernel/mm/iobuf.ts';
import type { Task } from '../../../kernel/task/task.ts';
import { Harness } from '../harness.ts';

const O_CREAT = 0o100;
const O_NONBLOCK = 0o4000;
const ALL = 0xfff;
const AT_FDCWD = -100;

let h: Harness;
let t: Task;
let fd: number;
beforeEach(() => {
  h = new Harness();
  t = h.init;
  call('chdir', '/tmp');
  fd = call('inotify_init1', O_NONBLOCK);
});

/** A call whose string arguments are put into the task's memory. */
function call(name: string, ...args: (number | string)[]): number {
  let at = h.scratch(t);
  const values = args.map((a) => {
    if (typeof a === 'number') return a;
    const where = h.poke(t, at, a);
    at += a.length + 1;
    return where;
  });
  const r = h.call(t, name, ...values);
  if (r === null) throw new Error(`${name} waits`);
  return r;
}

/** The queue's events as "wd:mask[:name]", cookies as "+". */
function events(): string[] {
  const buf = new Uint8Array(8192);
  const n = t.fds.get(fd)!.read(IoBuf.of(buf), t);
  if (n === -EAGAIN) return [];
  const v = new DataView(buf.buffer);
  const out: string[] = [];
  for (let at = 0; at < n;) {
    const length = v.getUint32(at + 12, true);
    expect(length % 16).toBe(0);
    const name = String.fromCharCode(...buf.subarray(at + 16, at + 16 + length)).replaceAll('\0', '');
    const cookie = v.getUint32(at + 8, true) ? '+' : '';
    out.push(
      `${v.getInt32(at, true)}:${v.getUint32(at + 4, true).toString(16)}${cookie}${name && `:${name}`}`,
    );
    at += 16 + length;
  }
  return out;
}

describe('inotify', () => {
  it('tells of a file in a watched directory', () => {
    expect(call('inotify_add_watch', fd, '.', ALL)).toBe(1);
    const f = call('open', 'a', O_CREAT | 2, 0o600);
    expect(events()).toEqual(['1:100:a', '1:20:a']);
    call('write', f, h.scratch(t), 1);
    call('write', f, h.scratch(t), 1);
    expect(events()).toEqual(['1:2:a']);
    call('lseek', f, 0, 0);
    call('read', f, h.scratch(t), 1);
    expect(events()).toEqual(['1:1:a']);
    call('ftruncate', f, 0);
    expect(events()).toEqual(['1:2:a']);
    call('fchmod', f, 0o644);
    expect(events()).toEqual(['1:4:a']);
    call('close', f);
    expect(events()).toEqual(['1:8:a']);
  });

  it('tells of links, renames and the end of a watched file', () => {
    call('close', call('open', 'a', O_CREAT | 2, 0o600));
    call('inotify_add_watch', fd, '.', ALL);
    call('inotify_add_watch', fd, 'a', ALL);
    const f = call('open', 'a', 0, 0);
    expect(events()).toEqual(['1:20:a', '2:20']);
    call('link', 'a', 'b');
    expect(events()).toEqual(['2:4', '1:100:b']);
    call('unlink', 'b');
    expect(events()).toEqual(['2:4', '1:200:b']);
    call('rename', 'a', 'c');
    expect(events()).toEqual(['1:40+:a', '1:80+:c', '2:800']);
    call('unlink', 'c');
    expect(events()).toEqual(['2:4', '1:200:c']);
    call('close', f);
    expect(events()).toEqual(['1:10:c', '2:10', '2:400', '2:8000']);
  });

  it('tells of directories', () => {
    call('inotify_add_watch', fd, '.', ALL);
    call('mkdir', 'd', 0o755);
    expect(events()).toEqual(['1:40000100:d']);
    call('inotify_add_watch', fd, 'd', ALL);
    call('symlink', 'x', 'd/s');
    call('unlink', 'd/s');
    expect(events()).toEqual(['2:100:s', '2:200:s']);
    call('rmdir', 'd');
    expect(events()).toEqual(['2:400', '2:8000', '1:40000200:d']);
    const f = call('openat', AT_FDCWD, '.', 0o200000, 0);
    expect(events()).toEqual(['1:40000020']);
    call('close', f);
    expect(events()).toEqual(['1:40000010']);
  });

  it('ends watches by call, after one event, and with the file', () => {
    call('inotify_add_watch', fd, '.', ALL);
    expect(call('inotify_rm_watch', fd, 1)).toBe(0);
    expect(call('inotify_rm_watch', fd, 1)).toBe(-EINVAL);
    expect(events()).toEqual(['1:8000']);
    call('inotify_add_watch', fd, '.', 0x80000100);
    call('mkdir', 'q', 0o700);
    call('mkdir', 'q2', 0o700);
    expect(events()).toEqual(['2:40000100:q', '2:8000']);
    expect(h.kernel.notify.active).toBe(false);
  });

  it('changes a watch, adds to it, or refuses', () => {
    expect(call('inotify_add_watch', fd, '.', 0x100)).toBe(1);
    expect(call('inotify_add_watch', fd, '.', 0x10000200)).toBe(-EEXIST);
    expect(call('inotify_add_watch', fd, '.', 0x20000200)).toBe(1);
    call('mkdir', 'x', 0o700);
    call('rmdir', 'x');
    expect(events()).toEqual(['1:40000100:x', '1:40000200:x']);
    expect(call('inotify_add_watch', fd, '/prog', 0x01000100)).toBe(-ENOTDIR);
    expect(call('inotify_add_watch', fd, '.', 0)).toBe(-EINVAL);
    expect(call('inotify_add_watch', 99, '.', 1)).toBe(-9);
  });

  it('gives whole events only, and their size through FIONREAD', () => {
    call('inotify_add_watch', fd, '.', 0x100);
    call('mkdir', 'sub', 0o700);
    const at = h.scratch(t);
    call('ioctl', fd, 0x541b, at);
    expect(t.mm.u32(at)).toBe(32);
    expect(call('read', fd, at, 16)).toBe(-EINVAL);
    expect(call('read', fd, at, 32)).toBe(32);
  });

  it('has limits: instances, watches, events', () => {
    const { limits } = h.kernel.notify;
    limits.maxUserInstances = 1;
    expect(call('inotify_init')).toBe(-EMFILE);
    limits.maxUserWatches = 1;
    call('inotify_add_watch', fd, '.', 0x300);
    expect(call('inotify_add_watch', fd, '/', 0x100)).toBe(-ENOSPC);
    limits.maxQueuedEvents = 2;
    for (const name of ['a', 'b', 'c', 'd']) call('mkdir', name, 0o700);
    expect(events()).toEqual(['1:40000100:a', '1:40000100:b', '-1:4000']);
    call('close', fd);
    expect(h.kernel.notify.active).toBe(false);
  });
});
