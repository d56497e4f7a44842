import { describe, expect, it } from 'vitest';
import { EAGAIN, ENOSPC, ENOTTY, ENXIO, EPIPE } from '../../../kernel/abi/errno.ts';
import { HostInputFile, HostOutputFile } from '../../../kernel/fs/dev/host-stream.ts';
import { File, O_NOCTTY, O_RDONLY, O_RDWR } from '../../../kernel/fs/file.ts';
import { openPath } from '../../../kernel/fs/open.ts';
import { AT_FDCWD } from '../../../kernel/fs/vfs.ts';
import type { HostTerminal, HostTerminalEnd } from '../../../kernel/fs/tty/host-port.ts';
import { IoBuf } from '../../../kernel/mm/iobuf.ts';
import { Harness } from '../harness.ts';
import { bytes, readText, text } from './fake-task.ts';

function open(h: Harness, path: string, flags = O_RDWR): File {
  const f = openPath(h.kernel.vfs, h.init, AT_FDCWD, path, flags);
  if (!(f instanceof File)) throw new Error(`${path}: ${f as number}`);
  return f.retain();
}

describe('/dev', () => {
  it('has its nodes with the right numbers and modes', () => {
    const h = new Harness();
    const node = (name: string): [number, number] => {
      const at = h.kernel.vfs.find(`/dev/${name}`);
      if (typeof at === 'number') throw new Error(name);
      return [at.inode.mode, at.inode.rdev];
    };
    expect(node('null')).toEqual([0o20666, 0x103]);
    expect(node('urandom')).toEqual([0o20666, 0x109]);
    expect(node('console')).toEqual([0o20600, 0x501]);
    expect(node('ptmx')).toEqual([0o20666, 0x502]);
    expect(node('shm')[0]).toBe(0o41777);
  });

  it('null, zero, full, random', () => {
    const h = new Harness();
    const t = h.init;
    expect(readText(open(h, '/dev/null'), 9, t)).toBe('');
    expect(open(h, '/dev/null').write(bytes(1000), t)).toBe(1000);
    expect(readText(open(h, '/dev/zero'), 3, t)).toBe('\0\0\0');
    expect(open(h, '/dev/full').write(bytes(1), t)).toBe(-ENOSPC);
    expect(readText(open(h, '/dev/full'), 2, t)).toBe('\0\0');
    const [a, b] = [readText(open(h, '/dev/urandom'), 16, t), readText(open(h, '/dev/random'), 16, t)];
    expect(a).toHaveLength(16);
    expect(a).not.toBe(b);
    expect(open(h, '/dev/zero').lseek(7, 0, t)).toBe(0);
  });

  it('maps /dev/zero: private to a process unless it is inherited shared', () => {
    const h = new Harness();
    const o = open(h, '/dev/zero').mmap(h.init, 3, 2);
    if (typeof o === 'number') throw new Error(String(o));
    const frame = o.frame(5, true);
    expect(frame).toBeGreaterThan(0);
    expect(h.ram.u8.subarray(frame, frame + 4096).every((x) => x === 0)).toBe(true);
  });

  it('has no /dev/tty for a process without a terminal', () => {
    const h = new Harness();
    expect(openPath(h.kernel.vfs, h.init, AT_FDCWD, '/dev/tty', O_RDWR)).toBe(-ENXIO);
  });

  it('opens a pty through ptmx and its name, and takes both away again', () => {
    const h = new Harness();
    const m = open(h, '/dev/ptmx', O_RDWR | O_NOCTTY);
    const at = h.scratch(h.init);
    expect(h.call(h.init, 'ioctl', -1, 0x5401, at)).toBe(-9);
    m.ioctl(h.init, 0x40045431, at); // unlock
    const s = open(h, '/dev/pts/0');
    expect(s.name).toBe('/dev/pts/0');
    expect(h.init.group.tty?.name).toBe('/dev/pts/0'); // a session leader without one
    expect(open(h, '/dev/tty').name).toBe('/dev/tty');
    s.write(text('hi\n'), h.init);
    expect(readText(m, 9, h.init)).toBe('hi\r\n');
    m.drop();
    expect(openPath(h.kernel.vfs, h.init, AT_FDCWD, '/dev/pts/0', O_RDWR)).toBe(-2);
  });
});

describe('ioctl', () => {
  it('does what every file understands', () => {
    const h = new Harness();
    const t = h.init;
    const at = h.scratch(t);
    t.fds.set(0, open(h, '/prog', O_RDONLY), false, t);
    expect(h.call(t, 'ioctl', 0, 0x5451, 0)).toBe(0);
    expect(t.fds.descriptor(0)!.cloexec).toBe(true);
    t.mm.putU32(at, 1);
    expect(h.call(t, 'ioctl', 0, 0x5421, at)).toBe(0);
    expect(t.fds.get(0)!.nonblocking).toBe(true);
    t.fds.get(0)!.pos = 16;
    expect(h.call(t, 'ioctl', 0, 0x541b, at)).toBe(0);
    expect(t.mm.u32(at)).toBe(4096);
    expect(h.call(t, 'ioctl', 0, 0x5460, at)).toBe(0);
    expect(t.mm.u64(at)).toBe(4112n);
    expect(h.call(t, 'ioctl', 0, 0x5401, at)).toBe(-ENOTTY);
    expect(h.call(t, 'ioctl', 0, 0x5421, 1)).toBe(-14);
  });
});

describe('host terminal', () => {
  function console_() {
    const h = new Harness();
    let end!: HostTerminalEnd;
    let out = '';
    let room = Infinity;
    const port: HostTerminal = {
      size: () => ({ rows: 24, cols: 80, xpixel: 0, ypixel: 0 }),
      write: (b) => {
        const n = Math.min(b.length, room);
        room -= n;
        out += String.fromCharCode(...b.subarray(0, n));
        return n;
      },
      attach: (e) => (end = e),
    };
    const tty = h.kernel.ttys.attachHost(port, 0);
    const f = open(h, '/dev/pts/0');
    return { h, t: h.init, f, tty, end: () => end, out: () => out, setRoom: (n: number) => (room = n) };
  }
  it('types and shows', () => {
    const c = console_();
    expect(c.end().input(Uint8Array.from([0x6c, 0x73, 0x0d]))).toBe(3);
    expect(c.out()).toBe('ls\r\n');
    expect(readText(c.f, 99, c.t)).toBe('ls\n');
    c.f.write(text('a\nb'), c.t);
    expect(c.out()).toBe('ls\r\na\r\nb');
    expect(c.t.group.tty).toBe(c.tty);
    expect(c.tty.winsize).toMatchObject({ rows: 24, cols: 80 });
  });
  it('holds output back while the host is slow', () => {
    const c = console_();
    c.setRoom(2);
    let n = 0;
    for (let r = 1; r > 0; n += Math.max(r, 0)) r = c.f.write(bytes(30000), c.t);
    expect(n).toBe(65538);
    expect(c.f.poll() & 4).toBe(0);
    c.setRoom(Infinity);
    c.end().drained();
    expect(c.out()).toHaveLength(65538);
    expect(c.f.poll() & 4).toBe(4);
  });
  it('sends ^C and window changes to the foreground group, and SIGHUP when it goes', () => {
    const c = console_();
    const pending = c.t.group.pending;
    c.end().input(Uint8Array.of(3));
    expect(pending.mask).toBe(2n);
    c.end().hangup();
    expect(pending.mask & 1n).toBe(1n);
    expect(c.t.group.tty).toBe(null);
  });
});

describe('host streams', () => {
  it('input waits until the host has something, and ends', () => {
    const h = new Harness();
    let data: Uint8Array | null = null;
    let ready = (): void => undefined;
    const f = new HostInputFile(h.kernel, {
      mode: 0o10600,
      read: (max) => {
        const d = data;
        data = d && d.length > max ? d.subarray(max) : d && d.length > 0 ? null : d;
        return d && d.subarray(0, max);
      },
      ready: () => data !== null,
      onReady: (cb) => (ready = cb),
    });
    let woken = 0;
    f.waiters.add({ wake: () => void woken++ });
    expect(readText(f, 3, h.init)).toBe(-EAGAIN);
    expect(f.poll()).toBe(0);
    data = Uint8Array.from([1, 2, 3, 4].map((n) => n + 0x60));
    ready();
    expect([woken, f.poll()]).toEqual([1, 0x41]);
    expect([readText(f, 3, h.init), readText(f, 3, h.init)]).toEqual(['abc', 'd']);
    expect(readText(f, 3, h.init)).toBe(-EAGAIN);
    data = new Uint8Array(0);
    expect(readText(f, 3, h.init)).toBe('');
    expect(f.name).toMatch(/^pipe:/);
    expect(f.inode.mode).toBe(0o10600);
  });
  it('output stops when the host is full, and breaks with SIGPIPE', () => {
    const h = new Harness();
    let room = 4;
    const out: number[] = [];
    const f = new HostOutputFile(h.kernel, {
      mode: 0o10600,
      write: (b) => {
        if (room < 0) return -EPIPE;
        const part = b.subarray(0, room);
        out.push(...part);
        room -= part.length;
        return part.length;
      },
      writable: () => room !== 0,
      onDrain: () => undefined,
    });
    const two = new IoBuf([Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6)]);
    expect(f.write(two, h.init)).toBe(4);
    expect(out).toEqual([1, 2, 3, 4]);
    expect(f.write(two, h.init)).toBe(-EAGAIN);
    expect(f.poll()).toBe(0);
    room = -1;
    expect(f.write(two, h.init)).toBe(-EPIPE);
    expect(h.init.pending.mask).toBe(1n << 12n);
    expect(f.poll() & 8).toBe(8);
  });
});
