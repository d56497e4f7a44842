/** The overlay of `--root`: what the guest sees is what a copy of the folder would show, and the folder stays. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { EACCES, EEXIST, EIO, ENOENT, ENOSPC, ENOTEMPTY, EWOULDBLOCK } from '../../../kernel/abi/errno.ts';
import { File, O_CREAT, O_RDONLY, O_RDWR, O_TMPFILE, O_WRONLY } from '../../../kernel/fs/file.ts';
import type { HostDir, HostEntry, HostOpen } from '../../../kernel/fs/host-port.ts';
import { openPath } from '../../../kernel/fs/open.ts';
import { MAP_PRIVATE } from '../../../kernel/mm/flags.ts';
import { PROT_READ } from '../../../kernel/ports.ts';
import { NodeHostFs } from '../../../src/host/host-fs.ts';
import { cleanUp, Guest, newFolder, fill, type Seen } from './overlay-guest.ts';

afterEach(cleanUp);

describe.skipIf(process.platform !== 'linux')('overlay', () => {
  it('shows removed names no more, and a directory made anew is empty', () => {
    const lower = newFolder();
    fill(lower);
    const g = new Guest(lower);
    expect(g.call('unlink', '/w/a/a')).toBe(0);
    expect(g.stat('/w/a/a')).toBe(-ENOENT);
    expect(g.names('/w/a')).toEqual(['b', 'd']);
    expect(g.put('/w/a/a', 'anew')).toBe(4);
    expect(g.names('/w/a')).toEqual(['a', 'b', 'd']);
    for (const p of ['b', 'c', 'd']) expect(g.call('unlink', `/w/d/${p}`)).toBe(0);
    expect(g.call('rmdir', '/w/d')).toBe(0);
    expect(g.call('mkdir', '/w/d', 0o755)).toBe(0);
    expect(g.names('/w/d')).toEqual([]);
    // A lower directory keeps its contents wherever it goes, and leaves nothing behind.
    expect(g.call('rename', '/w/a', '/w/d/moved')).toBe(0);
    expect(g.call('mkdir', '/w/a', 0o755)).toBe(0);
    expect(g.names('/w/a')).toEqual([]);
    expect(g.cat('/w/d/moved/b/a')).toBe('second '.repeat(2000));
    expect(g.cat('/w/d/moved/a')).toBe('anew');
  });

  it('exchanges lower names, and replaces none that may not be', () => {
    const lower = newFolder();
    fill(lower);
    const g = new Guest(lower);
    const ino = (p: string): number => (g.stat(p) as Seen).ino;
    const [a, b] = [ino('/w/a'), ino('/w/d/b')];
    expect(g.call('renameat2', -100, '/w/a', -100, '/w/d/b', 1)).toBe(-EEXIST); // RENAME_NOREPLACE
    expect(g.call('renameat2', -100, '/w/a', -100, '/w/d/b', 2)).toBe(0); // RENAME_EXCHANGE
    expect([ino('/w/d/b'), ino('/w/a')]).toEqual([a, b]);
    expect(g.names('/w/d/b')).toEqual(['a', 'b', 'd']);
    expect(g.names('/w/d')).toEqual(['b', 'c', 'd']);
    expect(g.cat('/w/a')).toBe('linked');
    expect(ino('/w/d/b/..')).toBe(ino('/w/d'));
    // What RENAME_WHITEOUT leaves is a device to the guest, as on any other file system.
    expect(g.call('renameat2', -100, '/w/a', -100, '/w/e', 4)).toBe(0);
    expect((g.stat('/w/a') as Seen).mode & 0o170000).toBe(0o020000);
  });

  it('makes the folders a system needs, in memory', () => {
    const lower = newFolder();
    const g = new Guest(lower);
    expect(g.names('/')).toEqual(['dev', 'proc', 'prog', 'sys', 'tmp']);
    expect(g.names('/dev')).toContain('null');
    expect(g.cat('/proc/mounts')).toMatch(/^overlay \/ overlay rw,/);
    expect(fs.readdirSync(lower)).toEqual([]);
  });

  it('keeps a file one file when it is copied up', () => {
    const lower = newFolder();
    fill(lower);
    const g = new Guest(lower);
    const watcher = g.call('inotify_init1', 0o4000);
    expect(g.call('inotify_add_watch', watcher, '/w/b', 2)).toBe(1); // IN_MODIFY
    const reader = g.open('/w/b', O_RDONLY);
    const was = g.fstat(reader);
    expect((g.list('/w') as Map<string, number>).get('b')).toBe(was.ino);
    expect(g.call('flock', reader, 2)).toBe(0);
    const writer = g.open('/w/d/b', O_RDWR); // by another of its names
    expect(g.write(writer, 'changed')).toBe(7);
    expect(g.call('flock', writer, 6)).toBe(-EWOULDBLOCK);
    expect(g.read(reader, 100)).toBe('changed');
    for (const now of [g.fstat(reader), g.fstat(writer), g.stat('/w/a/d') as Seen]) {
      expect([now.dev, now.ino, now.nlink, now.size]).toEqual([was.dev, was.ino, 3, 7]);
    }
    expect((g.list('/w') as Map<string, number>).get('b')).toBe(was.ino);
    expect((g.read(watcher, 100) as string).charCodeAt(4)).toBe(2);
    expect(g.call('unlink', '/w/b')).toBe(0);
    expect(g.cat('/w/a/d')).toBe('changed');
    expect(g.fstat(reader).nlink).toBe(2);
  });

  it('maps the pages of the lower file until it is copied up', () => {
    const lower = newFolder();
    fill(lower);
    const g = new Guest(lower);
    const { vfs } = g.h.kernel;
    const t = g.h.init;
    const object = (): unknown => {
      const file = openPath(vfs, t, -100, '/w/a/b/a', O_RDONLY);
      if (!(file instanceof File)) throw new Error('open');
      file.retain();
      const mapped = file.mmap(t, PROT_READ, MAP_PRIVATE);
      file.drop();
      return mapped;
    };
    const shared = object();
    expect(object()).toBe(shared);
    const fd = g.open('/w/a/b/a', O_RDONLY);
    const at = g.call('mmap', 0, 16384, PROT_READ, MAP_PRIVATE, fd, 0);
    expect(Buffer.from(t.mm.copyIn(at, 6)!).toString()).toBe('second');
    expect(g.put('/w/a/b/a', 'SECOND', O_WRONLY)).toBe(6);
    expect(object()).not.toBe(shared);
    const after = g.call('mmap', 0, 16384, PROT_READ, MAP_PRIVATE, fd, 0);
    expect(Buffer.from(t.mm.copyIn(after, 13)!).toString()).toBe('SECOND second');
    // As on Linux, the old mapping shows the lower file, pages not yet read included.
    expect(Buffer.from(t.mm.copyIn(at, 6)!).toString()).toBe('second');
    expect(Buffer.from(t.mm.copyIn(at + 8192, 7)!).toString()).toBe('second '.repeat(2000).slice(8192, 8199));
  });

  it('keeps the pages of lower files nobody maps until memory is short', () => {
    const lower = newFolder();
    fs.writeFileSync(join(lower, 'lib'), 'text'.repeat(25 * 1024));
    const g = new Guest(lower, 64 << 20);
    const { ram, memory } = g.h.kernel;
    const t = g.h.init;
    const map = (): number =>
      g.call('mmap', 0, 100 << 10, PROT_READ, MAP_PRIVATE, g.open('/lib', O_RDONLY), 0);
    const used = ram.used;
    const at = map();
    expect(t.mm.copyIn(at, 100 << 10)!.length).toBe(100 << 10);
    const { object } = t.mm.vmas.find(at)!;
    const frame = object!.peek!(3);
    expect(g.call('munmap', at, 100 << 10)).toBe(0);
    expect(ram.used).toBeGreaterThanOrEqual(used + 25);
    expect(object!.peek!(3)).toBe(frame);
    expect(g.call('munmap', map(), 100 << 10)).toBe(0);
    expect(object!.peek!(3)).toBe(frame);
    // Files and programs get the memory when they need it.
    const fd = g.open('/big', O_RDWR | O_CREAT, 0o644);
    const page = 'x'.repeat(4000);
    while (memory.spare > 0) expect(g.write(fd, page)).toBe(4000);
    expect(object!.peek!(3)).toBe(frame);
    for (let i = 0; i < 10; i++) expect(g.write(fd, page)).toBe(4000);
    expect(object!.peek!(3)).toBe(-1);
    expect(Buffer.from(t.mm.copyIn(map(), 4)!).toString()).toBe('text');
  });

  it('takes room for what changes, and gives it back', () => {
    const lower = newFolder();
    fs.writeFileSync(join(lower, 'big'), 'x'.repeat(100_000));
    fs.writeFileSync(join(lower, 'small'), 'y'.repeat(20_000));
    fs.writeFileSync(join(lower, 'hole'), '');
    fs.truncateSync(join(lower, 'hole'), 1 << 20);
    const g = new Guest(lower, 72 << 10);
    const { room } = g;
    expect(room).toBeGreaterThan(8);
    expect(g.open('/big', O_RDWR)).toBe(-ENOSPC);
    expect((g.cat('/big') as string).length).toBe(100_000);
    expect(g.room).toBe(room);
    expect(g.put('/hole', 'z', O_WRONLY)).toBe(1);
    expect(room - g.room).toBeLessThanOrEqual(2);
    expect(g.stat('/hole')).toMatchObject({ size: 1 << 20 });
    expect(g.put('/small', 'z', O_WRONLY)).toBe(1);
    const less = g.room;
    expect(room - less).toBeGreaterThanOrEqual(5);
    expect(g.call('truncate', '/big', 4)).toBe(0);
    expect(g.cat('/big')).toBe('xxxx');
    // Full: names can still go.
    let n = 0;
    while (g.call('mknod', `/tmp/${n}`, 0o100644, 0) === 0) g.put(`/tmp/${n++}`, 'full');
    expect(g.call('mkdir', '/more', 0o755)).toBe(-ENOSPC);
    expect(g.call('unlink', '/small')).toBe(0);
    expect(g.call('unlink', '/big')).toBe(0);
    expect(g.call('unlink', '/hole')).toBe(0);
    for (let i = 0; i <= n; i++) g.call('unlink', `/tmp/${i}`);
    expect(g.names('/')).toEqual(['dev', 'proc', 'prog', 'sys', 'tmp']);
    expect(g.room).toBe(room);
  });

  it('holds pipes, sockets, devices and nameless files', () => {
    const lower = newFolder();
    fill(lower);
    const g = new Guest(lower);
    expect(g.call('mknod', '/w/fifo', 0o010644, 0)).toBe(0);
    const fifo = g.open('/w/fifo', O_RDWR);
    expect(g.write(fifo, 'through')).toBe(7);
    expect(g.read(fifo, 100)).toBe('through');
    expect(g.call('mknod', '/w/null', 0o020666, 0x103)).toBe(0);
    expect(g.put('/w/null', 'gone', O_WRONLY)).toBe(4);
    const socket = g.call('socket', 1, 1, 0);
    expect(g.h.init.mm.copyOut(g.buffer, Uint8Array.from(Buffer.from('\x01\0/w/d/sock\0', 'latin1')))).toBe(
      0,
    );
    expect(g.call('bind', socket, g.buffer, 13)).toBe(0);
    expect(g.call('listen', socket, 1)).toBe(0);
    expect((g.stat('/w/d/sock') as Seen).mode & 0o170000).toBe(0o140000);
    g.h.init.mm.copyOut(g.buffer, Uint8Array.from(Buffer.from('\x01\0/w/d/sock\0', 'latin1')));
    expect(g.call('connect', g.call('socket', 1, 1, 0), g.buffer, 13)).toBe(0);
    const nameless = g.open('/w/a', O_TMPFILE | O_RDWR, 0o600);
    expect(g.write(nameless, 'text')).toBe(4);
    expect(g.call('linkat', -100, `/proc/self/fd/${nameless}`, -100, '/w/a/named', 0x400)).toBe(0);
    expect(g.cat('/w/a/named')).toBe('text');
    expect(g.names('/w/a')).toEqual(['a', 'b', 'd', 'named']);
  });

  it('passes on what the host refuses, and lets go of it all the same', () => {
    const lower = newFolder();
    fill(lower);
    /** The host's user may neither list w/a nor read w/b. */
    class Refusing extends NodeHostFs {
      override list(dir: HostDir): HostEntry[] | number {
        const list = super.list(dir);
        return typeof list !== 'number' && list.some((e) => e.name === 'a') && this.stat(dir, 'c') === -ENOENT
          ? -EACCES
          : list;
      }
      override open(dir: HostDir, name: string, how: HostOpen): number {
        return name === 'b' ? -EACCES : super.open(dir, name, how);
      }
    }
    const g = new Guest(lower, undefined, Refusing);
    expect(g.cat('/w/b')).toBe(-EACCES);
    expect(g.put('/w/b', 'x', O_WRONLY)).toBe(-EACCES);
    expect(g.call('chmod', '/w/b', 0o600)).toBe(0);
    expect(g.put('/w/b', 'anew', O_WRONLY | fs.constants.O_TRUNC)).toBe(4);
    expect(g.cat('/w/d/b')).toBe('anew');
    expect(g.call('unlink', '/w/b')).toBe(0);
    expect(g.list('/w/a')).toBe(-EACCES);
    expect(g.call('rmdir', '/w/a')).toBe(-ENOTEMPTY);
    expect(g.call('rename', '/w/a', '/w/x')).toBe(0);
    expect(g.cat('/w/x/a')).toBe('first');
    expect(g.names('/w')).toEqual(['c', 'd', 'x']);
  });

  it('keeps files just closed open on the host, the last sixty-four of them', () => {
    const lower = newFolder();
    const COUNT = 100;
    for (let i = 0; i < COUNT; i++) fs.writeFileSync(join(lower, String(i)), `content ${i}`);
    let opened = 0;
    const open = new Set<number>();
    class Counting extends NodeHostFs {
      override open(dir: HostDir, name: string, how: HostOpen): number {
        const h = super.open(dir, name, how);
        opened++;
        open.add(h);
        return h;
      }
      override close(h: number): void {
        open.delete(h);
        super.close(h);
      }
    }
    const g = new Guest(lower, undefined, Counting);
    const [first, second] = [g.open('/5', O_RDONLY), g.open('/5', O_RDONLY)];
    expect(g.read(first, 7)).toBe('content');
    expect(g.read(second, 100)).toBe('content 5'); // each has its own position
    expect(g.call('close', first)).toBe(0);
    expect(g.read(second, 100)).toBe('');
    expect(g.call('close', second)).toBe(0);
    expect([opened, open.size]).toEqual([1, 1]);
    for (let i = 0; i < COUNT; i++) expect(g.cat(`/${i}`)).toBe(`content ${i}`);
    expect([opened, open.size]).toEqual([COUNT, 64]);
    for (let i = COUNT - 64; i < COUNT; i++) expect(g.cat(`/${i}`)).toBe(`content ${i}`);
    expect(opened).toBe(COUNT);
    expect(g.cat('/5')).toBe('content 5');
    expect([opened, open.size]).toEqual([COUNT + 1, 64]);
  });

  it('reads small files from the host once, large ones each time, and says when the host cannot', () => {
    const lower = newFolder();
    fs.writeFileSync(join(lower, 'small'), 'x'.repeat(65536));
    fs.writeFileSync(join(lower, 'large'), 'y'.repeat(65537));
    let reads = 0;
    let fails = false;
    class Counting extends NodeHostFs {
      override read(file: number, into: Uint8Array, offset: number): number {
        reads++;
        return fails ? -EIO : super.read(file, into, offset);
      }
    }
    const g = new Guest(lower, undefined, Counting);
    fails = true;
    expect(g.cat('/small')).toBe(-EIO);
    fails = false;
    expect(g.cat('/small')).toBe('x'.repeat(65536));
    const before = reads;
    expect(g.cat('/small')).toBe('x'.repeat(65536));
    expect(reads).toBe(before);
    expect(g.cat('/large')).toBe('y'.repeat(65537));
    expect(g.cat('/large')).toBe('y'.repeat(65537));
    expect(reads - before).toBeGreaterThan(30);
    expect(g.put('/small', 'z', O_WRONLY)).toBe(1);
    expect(g.cat('/small')).toBe('z' + 'x'.repeat(65535));
  });

  it('forgets unused names of large folders and nothing else', () => {
    const lower = newFolder();
    fs.mkdirSync(join(lower, 'many'));
    const COUNT = 2500;
    for (let i = 0; i < COUNT; i++) fs.writeFileSync(join(lower, `many/${i}`), String(i));
    const g = new Guest(lower);
    const fd = g.open('/many/7', O_RDONLY);
    expect(g.call('chmod', '/many/8', 0o600)).toBe(0);
    expect(g.put('/many/9', 'nine', O_WRONLY)).toBe(4);
    expect(g.call('flock', fd, 2)).toBe(0);
    for (let i = 0; i < COUNT; i++) expect(g.stat(`/many/${i}`)).toMatchObject({ nlink: 1 });
    const many = g.h.kernel.vfs.find('/many');
    if (typeof many === 'number') throw new Error('find');
    expect(many.dentry.children!.size).toBeLessThan(COUNT);
    expect(g.call('flock', g.open('/many/7', O_RDONLY), 6)).toBe(-EWOULDBLOCK);
    expect((g.stat('/many/8') as Seen).mode & 0o777).toBe(0o600);
    expect(g.cat('/many/9')).toBe('nine');
    expect(g.names('/many').length).toBe(COUNT);
    for (let i = 0; i < COUNT; i++) expect(g.call('unlink', `/many/${i}`)).toBe(0);
    expect(g.call('rmdir', '/many')).toBe(0);
  });
});
