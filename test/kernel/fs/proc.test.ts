import { beforeEach, describe, expect, it } from 'vitest';
import { EACCES, EINVAL, EIO, ENOENT } from '../../../kernel/abi/errno.ts';
import { AT_FDCWD, LOOKUP_FOLLOW } from '../../../kernel/fs/vfs.ts';
import { File, O_RDONLY, O_WRONLY } from '../../../kernel/fs/file.ts';
import type { Inode } from '../../../kernel/fs/inode.ts';
import { newPipe } from '../../../kernel/fs/pipe/syscalls.ts';
import { openPath } from '../../../kernel/fs/open.ts';
import { IoBuf } from '../../../kernel/mm/iobuf.ts';
import { userCredentials } from '../../../kernel/task/creds.ts';
import type { Task } from '../../../kernel/task/task.ts';
import { Harness } from '../harness.ts';

let h: Harness;
let t: Task;
beforeEach(() => {
  h = new Harness({ cpus: 2, init: { argv: ['prog', 'one arg'], envp: ['A=1', 'B=2'] } });
  t = h.init;
});

/** All of a file as one read with a large buffer after the other; the sizes of the reads in `sizes`. */
function cat(path: string, by = t, sizes: number[] = [], buffer = 65536): string {
  const f = openPath(h.kernel.vfs, by, AT_FDCWD, path, O_RDONLY);
  if (!(f instanceof File)) throw new Error(`${path}: ${f as number}`);
  f.retain();
  let out = '';
  for (;;) {
    const b = new Uint8Array(buffer);
    const n = f.read(IoBuf.of(b), by);
    if (n < 0) throw new Error(`${path}: read ${n}`);
    sizes.push(n);
    if (n === 0) break;
    out += String.fromCharCode(...b.subarray(0, n));
  }
  f.drop();
  return out;
}
function write(path: string, text: string, by = t): number {
  const f = openPath(h.kernel.vfs, by, AT_FDCWD, path, O_WRONLY);
  if (!(f instanceof File)) return f as number;
  f.retain();
  const n = f.write(IoBuf.of(Uint8Array.from(text, (c) => c.charCodeAt(0))), by);
  f.drop();
  return n;
}
function inode(path: string, by: Task | null = t, flags = LOOKUP_FOLLOW): Inode {
  const at = h.kernel.vfs.lookup(by, AT_FDCWD, path, flags);
  if (typeof at === 'number') throw new Error(`${path}: ${at}`);
  return at.inode;
}
const list = (path: string): string[] => (inode(path).entries(t) as { name: string }[]).map((e) => e.name);

describe('/proc', () => {
  it('lists live processes and leads self to the reader', () => {
    const child = h.task(h.call(t, 'fork'));
    expect(list('/proc').filter((n) => /^\d/.test(n))).toEqual(['1000', '1001']);
    expect(inode('/proc/self', t, 0).readlink(t)).toBe('1000');
    expect(inode('/proc/thread-self', child, 0).readlink(child)).toBe('1001/task/1001');
    expect(inode('/proc/self/stat')).toBe(inode('/proc/1000/stat'));
    expect(h.kernel.vfs.lookup(t, AT_FDCWD, '/proc/77')).toBe(-ENOENT);
    expect(h.kernel.vfs.lookup(t, AT_FDCWD, '/proc/01000')).toBe(-ENOENT);
  });

  it('forgets a process that was waited for', () => {
    const pid = h.call(t, 'fork')!;
    h.call(h.task(pid), 'exit_group', 0);
    expect(cat(`/proc/${pid}/stat`)).toMatch(/^1001 \(prog\) Z 1000 /);
    expect(cat(`/proc/${pid}/cmdline`)).toBe('');
    expect(cat(`/proc/${pid}/maps`)).toBe('');
    h.call(t, 'wait4', -1, 0, 0, 0);
    expect(h.kernel.vfs.lookup(t, AT_FDCWD, `/proc/${pid}`)).toBe(-ENOENT);
  });

  it('describes the machine', () => {
    expect(cat('/proc/cpuinfo').match(/^processor\t: \d$/gm)).toEqual(['processor\t: 0', 'processor\t: 1']);
    expect(cat('/proc/cpuinfo')).toContain('\nflags\t\t: fpu tsc cx8 cmov fxsr sse sse2 syscall nx lm\n');
    expect(cat('/proc/meminfo')).toMatch(/^MemTotal: {11}8192 kB\nMemFree: {8} +\d+ kB\n/);
    expect(cat('/proc/version')).toMatch(/^Linux version 6\.1\.0 /);
    h.clock.now = 12_340_000_000;
    expect(cat('/proc/uptime')).toBe('12.34 24.68\n');
    expect(cat('/proc/stat')).toMatch(
      /^cpu {2}\d+ 0 0 \d+ 0 0 0 0 0 0\ncpu0 .*\ncpu1 [^]*\nbtime 1600000000\nprocesses 1\n/,
    );
    expect(cat('/proc/loadavg')).toBe('0.00 0.00 0.00 1/1 1000\n');
    expect(cat('/proc/filesystems')).toContain('nodev\tproc\n');
    expect(cat('/proc/devices')).toContain('  1 mem\n  5 /dev/tty\n');
    expect(cat('/proc/net/tcp')).toMatch(/^ {2}sl {2}local_address rem_address {3}st .* {21}\n$/);
  });

  it('refuses writes as Linux does', () => {
    expect(write('/proc/version', 'x')).toBe(-EIO);
    expect(write('/proc/self/stat', 'x')).toBe(-EINVAL);
    expect(write('/proc/sys/kernel/ostype', 'x')).toBe(-EACCES);
  });
});

describe('/proc/PID', () => {
  it('has the 52 fields of stat', () => {
    t.comm = 'a) b';
    const line = cat('/proc/self/stat');
    expect(line).toMatch(/^1000 \(a\) b\) R 1 1000 1000 0 -1 /);
    const fields = line
      .trimEnd()
      .slice(line.indexOf(') R') + 2)
      .split(' ');
    expect(fields).toHaveLength(50);
    expect(Number(fields[20])).toBe(t.mm.totalVm * 4096);
    expect(Number(fields[45])).toBe(t.mm.argStart);
  });

  it('shows status with ids, sets and memory', () => {
    t.sigmask = 0x201n;
    const text = cat('/proc/self/status');
    expect(text).toMatch(
      /^Name:\tprog\nUmask:\t0022\nState:\tR \(running\)\nTgid:\t1000\nNgid:\t0\nPid:\t1000\nPPid:\t1\n/,
    );
    expect(text).toContain('\nSigBlk:\t0000000000000201\n');
    expect(text).toContain('\nCapEff:\t000001ffffffffff\n');
    expect(text).toContain(`\nVmSize:\t${String(t.mm.totalVm * 4).padStart(8)} kB\n`);
    expect(text).toContain('\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n');
    expect(text).toContain('\nThreads:\t1\n');
  });

  it('maps memory, a line an area', () => {
    const lines = cat('/proc/self/maps').trimEnd().split('\n');
    expect(lines).toHaveLength(t.mm.vmas.count);
    const dev = h.kernel.vfs.root.mnt.fs.dev.toString(16).padStart(2, '0');
    const ino = inode('/prog').ino;
    expect(lines[0]).toBe(`00400000-00402000 r-xp 00000000 00:${dev} ${ino} `.padEnd(73) + '/prog');
    expect(lines.find((l) => l.endsWith('[stack]'))).toMatch(
      /^7f[0-9a-f]{10}-7f[0-9a-f]{10} rw-p 00000000 00:00 0 {26}\[stack\]$/,
    );
  });

  it('gives maps in whole lines of up to a page, other files as they are', () => {
    for (let i = 0; i < 120; i++) {
      t.mm.map({ length: 4096, prot: i % 2 ? 1 : 3, flags: 0x22 });
    }
    const sizes: number[] = [];
    const text = cat('/proc/self/maps', t, sizes);
    expect(sizes.length).toBeGreaterThan(2);
    for (const n of sizes) expect(n).toBeLessThan(4096);
    let at = 0;
    for (const n of sizes.slice(0, -1)) expect(text[(at += n) - 1]).toBe('\n');
    expect(cat('/proc/self/maps', t, [], 100)).toBe(text);
    expect(cat('/proc/self/maps', t, [], 1)).toBe(text);
    const smaps = cat('/proc/self/smaps');
    expect(smaps.match(/^VmFlags: /gm)).toHaveLength(t.mm.vmas.count);
  });

  it('gives command line, environment and auxiliary vector as they lie in memory', () => {
    expect(cat('/proc/self/cmdline')).toBe('prog\0one arg\0');
    expect(cat('/proc/self/environ')).toBe('A=1\0B=2\0');
    expect(cat('/proc/self/auxv')).toHaveLength(t.mm.auxv.length);
    expect(cat('/proc/self/comm')).toBe('prog\n');
    expect(write('/proc/self/comm', 'a very long new name\n')).toBe(21);
    expect(t.comm).toBe('a very long new');
  });

  it('links to program, directory and root, and jumps there', () => {
    expect(inode('/proc/self/exe', t, 0).readlink(t)).toBe('/prog');
    expect(inode('/proc/self/exe')).toBe(inode('/prog'));
    expect(inode('/proc/self/cwd', t, 0).readlink(t)).toBe('/');
    expect(inode('/proc/self/root/prog')).toBe(inode('/prog'));
  });

  it('shows descriptors as links that open what they stand for', () => {
    const [r, w] = newPipe(t, 0);
    t.fds.set(3, r, false, t);
    t.fds.set(4, w, true, t);
    expect(list('/proc/self/fd')).toEqual(['3', '4']);
    expect(inode('/proc/self/fd/3', t, 0).readlink(t)).toMatch(/^pipe:\[\d+\]$/);
    expect(inode('/proc/self/fd/3', t, 0).mode & 0o777).toBe(0o500);
    expect(inode('/proc/self/fd/4', t, 0).mode & 0o777).toBe(0o300);
    const again = openPath(h.kernel.vfs, t, AT_FDCWD, '/proc/self/fd/3', O_RDONLY) as File;
    expect(again.pipe).toBe(r.pipe);
    expect(cat('/proc/self/fdinfo/4')).toBe(`pos:\t0\nflags:\t02000001\nmnt_id:\t0\nino:\t${w.inode!.ino}\n`);
    t.fds.close(3, t);
    expect(h.kernel.vfs.lookup(t, AT_FDCWD, '/proc/self/fd/3')).toBe(-ENOENT);
  });

  it("keeps a stranger out of a process's descriptors and memory", () => {
    const other = h.task(h.call(t, 'fork'));
    other.creds = userCredentials(1000, 1000);
    expect(h.kernel.vfs.lookup(other, AT_FDCWD, '/proc/1000/fd/0')).toBe(-EACCES);
    expect(openPath(h.kernel.vfs, other, AT_FDCWD, '/proc/1000/maps', O_RDONLY)).toBe(-EACCES);
    expect(inode('/proc/1000/exe', other, 0).readlink(other)).toBe(-EACCES);
    expect(cat('/proc/1000/status', other)).toContain('Name:\tprog');
    expect(inode('/proc/1001/stat', other).uid).toBe(1000);
    expect(cat('/proc/1000/stat', other).trimEnd().split(' ').slice(45, 52)).toEqual(Array(7).fill('0'));
  });

  it('lists mounts in both forms', () => {
    expect(cat('/proc/mounts')).toContain('proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n');
    expect(cat('/proc/self/mounts')).toContain(
      'devpts /dev/pts devpts rw,relatime,gid=5,mode=620,ptmxmode=000 0 0\n',
    );
    expect(cat('/proc/self/mountinfo')).toMatch(
      /^(\d+) \1 0:\d+ \/ \/ rw,relatime - \S+ \S+ rw\n(?:\d+ \d+ 0:\d+ \/ \/\S+ rw\S* - \S+ \S+ rw\S*\n)+$/,
    );
    expect(cat('/proc/self/mountinfo')).toMatch(/ \/ \/sys\/fs\/cgroup rw,\S+ - cgroup2 cgroup2 rw\n/);
    expect(cat('/proc/self/cgroup')).toBe('0::/\n');
  });

  it('has limits, threads and settings', () => {
    expect(cat('/proc/self/limits')).toContain(
      'Max open files            1024                 1024                 files     \n',
    );
    expect(list('/proc/self/task')).toEqual(['1000']);
    expect(list('/proc/self/task/1000')).not.toContain('task');
    expect(write('/proc/self/oom_score_adj', '500\n')).toBe(4);
    expect(cat('/proc/self/oom_score_adj')).toBe('500\n');
    expect(write('/proc/self/oom_score_adj', '1001')).toBe(-EINVAL);
  });

  it('reads and writes memory through mem', () => {
    const at = h.scratch(t);
    h.poke(t, at, 'hello');
    const f = (openPath(h.kernel.vfs, t, AT_FDCWD, '/proc/self/mem', 2) as File).retain();
    const b = new Uint8Array(5);
    expect(f.pread(IoBuf.of(b), at, t)).toBe(5);
    expect(String.fromCharCode(...b)).toBe('hello');
    expect(f.pwrite(IoBuf.of(Uint8Array.of(0x4a)), at, t)).toBe(1);
    expect(t.mm.cstring(at)).toBe('Jello');
    expect(f.pread(IoBuf.of(b), 16, t)).toBe(-EIO);
  });
});

describe('/proc/sys', () => {
  it('shows settings and takes what can be changed', () => {
    expect(cat('/proc/sys/kernel/pid_max')).toBe('32768\n');
    expect(cat('/proc/sys/kernel/osrelease')).toBe('6.1.0\n');
    expect(cat('/proc/sys/net/ipv4/ip_local_port_range')).toBe('32768\t60999\n');
    expect(cat('/proc/sys/kernel/random/uuid')).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n$/,
    );
    expect(cat('/proc/sys/kernel/random/boot_id')).toBe(cat('/proc/sys/kernel/random/boot_id'));
    expect(write('/proc/sys/kernel/hostname', 'box\n')).toBe(4);
    expect(h.kernel.uts.nodename).toBe('box');
    expect(write('/proc/sys/vm/max_map_count', '100\n')).toBe(4);
    expect(h.kernel.memory.maxMapCount).toBe(100);
    expect(write('/proc/sys/vm/swappiness', '201')).toBe(-EINVAL);
    expect(write('/proc/sys/vm/swappiness', 'x')).toBe(-EINVAL);
  });
  it('holds root to the modes too', () => {
    expect(openPath(h.kernel.vfs, t, AT_FDCWD, '/proc/sys/vm/drop_caches', O_RDONLY)).toBe(-EACCES);
  });
});

describe('/sys', () => {
  it('has what runtimes ask for', () => {
    expect(cat('/sys/kernel/mm/transparent_hugepage/hpage_pmd_size')).toBe('2097152\n');
    expect(cat('/sys/kernel/mm/transparent_hugepage/enabled')).toBe('[always] madvise never\n');
    expect(cat('/sys/devices/system/cpu/online')).toBe('0-1\n');
    expect(cat('/sys/devices/system/cpu/cpu1/topology/core_siblings')).toBe('3\n');
    expect(cat('/sys/fs/cgroup/cpu.max')).toBe('max 100000\n');
    expect(cat('/sys/fs/cgroup/cgroup.procs')).toBe('1000\n');
    expect(inode('/sys/devices/system/cpu/online').size).toBe(4096);
    expect(inode('/sys/class/net/lo/mtu').type).toBe(0o100000);
    expect(write('/sys/kernel/mm/transparent_hugepage/enabled', 'never')).toBe(5);
    expect(cat('/sys/kernel/mm/transparent_hugepage/enabled')).toBe('always madvise [never]\n');
    expect(write('/sys/devices/system/cpu/online', '0')).toBe(-EACCES);
  });
});
