/** Corners of files that programs meet: what directories list first, locks told to readers, seals, names and attributes. */
import { beforeEach, describe, expect, it } from 'vitest';
import * as E from '../../../kernel/abi/errno.ts';
import { locksText } from '../../../kernel/fs/proc/locks-file.ts';
import { vmstatText } from '../../../kernel/fs/proc/system-files.ts';
import type { Task } from '../../../kernel/task/task.ts';
import { Harness } from '../harness.ts';

let h: Harness;
let t: Task;
let at: number;
beforeEach(() => {
  h = new Harness({});
  t = h.init;
  at = h.scratch(t);
});
const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const text = (s: string, offset = 0): number => {
  h.poke(t, at + offset, `${s}\0`);
  return at + offset;
};
const open = (path: string, flags = 0): number => h.call(t, 'openat', AT_FDCWD, text(path), flags, 0o644)!;

/** The names getdents64 gives. */
function names(path: string): string[] {
  const fd = open(path, 0o200000);
  const n = h.call(t, 'getdents64', fd, at + 256, 3800)!;
  const v = t.mm.viewIn(at + 256, n)!;
  const out: string[] = [];
  for (let i = 0; i < n; i += v.getUint16(i + 16, true)) {
    let name = '';
    for (let j = i + 19; v.getUint8(j) !== 0; j++) name += String.fromCharCode(v.getUint8(j));
    out.push(name);
  }
  return out;
}

describe('directories', () => {
  it('list themselves and their parent first, made ones too', () => {
    for (const path of ['/proc/sys', '/proc/sys/fs/epoll', '/sys', '/proc/self/fd', '/tmp'])
      expect(names(path).slice(0, 2)).toEqual(['.', '..']);
    expect(names('/proc/sys/fs/epoll')).toEqual(['.', '..', 'max_user_watches']);
  });
});

describe('/proc', () => {
  it('tells of locks', () => {
    const fd = open('/tmp/locked', 0o102);
    const { inode } = t.fds.get(fd)!;
    h.call(t, 'flock', fd, 2);
    // struct flock: type, whence, start, len.
    const flock = at + 512;
    t.mm.copyOut(flock, new Uint8Array(new BigInt64Array([0n, 10n, 5n, 0n]).buffer));
    expect(h.call(t, 'fcntl', fd, 6, flock)).toBe(0);
    const where = new RegExp(`^[0-9a-f]{2}:[0-9a-f]{2}:${inode!.ino}$`);
    const [posix, whole] = locksText(h.kernel)
      .trim()
      .split('\n')
      .map((l) => l.split(/ +/));
    expect(posix).toEqual([
      '1:',
      'POSIX',
      'ADVISORY',
      'READ',
      String(t.pid),
      expect.stringMatching(where),
      '10',
      '14',
    ]);
    expect(whole.slice(1, 5)).toEqual(['FLOCK', 'ADVISORY', 'WRITE', String(t.pid)]);
    expect(whole.slice(6)).toEqual(['0', 'EOF']);
  });

  it('has what vmstat looks for', () => {
    const found = new Map(
      vmstatText(h.kernel)
        .trim()
        .split('\n')
        .map((l) => l.split(' ') as [string, string]),
    );
    for (const name of ['pgpgin', 'pgpgout', 'pswpin', 'pswpout']) expect(found.get(name)).toBe('0');
    expect(Number(found.get('nr_free_pages'))).toBeGreaterThan(0);
  });

  it('has no extended attributes', () => {
    text('user.x', 128);
    expect(h.call(t, 'getxattr', text('/proc/self/status'), at + 128, 0, 0)).toBe(-E.EOPNOTSUPP);
  });
});

describe('files', () => {
  it('sealed against execution keep their bits', () => {
    const fd = h.call(t, 'memfd_create', text('m'), 8)!;
    const ino = t.fds.get(fd)!.inode!;
    expect(ino.mode & 0o777).toBe(0o666);
    expect(h.call(t, 'fcntl', fd, 1034, 0)).toBe(32);
    expect(h.call(t, 'fchmod', fd, 0o777)).toBe(-E.EPERM);
    expect(h.call(t, 'fchmod', fd, 0o600)).toBe(0);
    // What may be executed is closed against every change.
    const x = h.call(t, 'memfd_create', text('x'), 2)!;
    expect(h.call(t, 'fcntl', x, 1033, 32)).toBe(0);
    expect(h.call(t, 'fcntl', x, 1034, 0)).toBe(62);
    expect(h.call(t, 'memfd_create', text('e'), 8 | 16)).toBe(-E.EINVAL);
  });

  it('sealed against growth take no part of a page that would make them longer', () => {
    const fd = h.call(t, 'memfd_create', text('m'), 2)!;
    h.call(t, 'ftruncate', fd, 20);
    h.call(t, 'fcntl', fd, 1033, 4);
    expect(h.call(t, 'pwrite64', fd, text('abc'), 3, 18)).toBe(-E.EPERM);
    expect(h.call(t, 'pwrite64', fd, text('abc'), 3, 17)).toBe(3);
  });

  it('without a name are given one once', () => {
    const fd = open('/tmp', 0o20200002);
    expect(fd).toBeGreaterThanOrEqual(0);
    const link = (name: string): number =>
      h.call(
        t,
        'linkat',
        AT_FDCWD,
        text(`/proc/self/fd/${fd}`),
        AT_FDCWD,
        text(name, 64),
        AT_SYMLINK_FOLLOW,
      )!;
    expect(link('/tmp/one')).toBe(0);
    expect(h.call(t, 'unlinkat', AT_FDCWD, text('/tmp/one'), 0)).toBe(0);
    expect(link('/tmp/two')).toBe(-E.ENOENT);
  });

  it('are not copied from where offsets wrap', () => {
    const a = open('/tmp/a', 0o102);
    t.mm.putU64(at + 512, 2n ** 64n - 1n);
    expect(h.call(t, 'copy_file_range', a, at + 512, a, 0, 5, 0)).toBe(-E.EOVERFLOW);
    t.mm.putU64(at + 512, 2n ** 64n - 100n);
    expect(h.call(t, 'copy_file_range', a, at + 512, a, 0, 5, 0)).toBe(-E.EINVAL);
  });

  it('have attributes with whole names and valid capabilities only', () => {
    open('/tmp/a', 0o102);
    const set = (name: string, size: number): number =>
      h.call(t, 'setxattr', text('/tmp/a'), text(name, 64), at + 1024, size, 0)!;
    expect(set('user.', 1)).toBe(-E.EINVAL);
    expect(set('user.a', 1)).toBe(0);
    expect(set('security.capability', 3)).toBe(-E.EINVAL);
    t.mm.copyOut(at + 1024, Uint8Array.of(1, 0, 0, 2));
    expect(set('security.capability', 20)).toBe(0);
  });

  it('share no blocks', () => {
    const a = open('/tmp/a', 0o102);
    expect(h.call(t, 'ioctl', a, 0x40049409, a)).toBe(-E.EOPNOTSUPP);
  });
});
