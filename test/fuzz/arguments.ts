/**
 * Arguments of system calls, plausible and hostile: descriptors that are open and some that are not, pointers to where
 * memory is, ends, is read-only or was never mapped, with structures in it or noise, lengths up to 2^64 − 1.
 */
import type { AddressSpace } from '../../kernel/mm/address-space.ts';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE } from '../../kernel/mm/flags.ts';
import type { SyscallRow } from '../../kernel/syscall/define.ts';
import type { Task } from '../../kernel/task/task.ts';
import type { Random } from '../support/random.ts';

/** Where every address space has its playground: four pages to write, one to read, one without rights, then nothing. */
export const ZONE = 0x10000000;
const WRITABLE = 0x4000;
const READ_ONLY = ZONE + WRITABLE;
const NO_ACCESS = READ_ONLY + 0x1000;
const END = NO_ACCESS + 0x1000;

const HOSTILE: readonly bigint[] = [
  0n, 1n, 2n, 7n, 8n, 4095n, 4096n, 4097n, 65535n, 65536n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n,
  0x7ffffffff000n, 0x7fffffffffffn, 0x800000000000n, 0x4141414141414141n, 0x7fffffffffffffffn, 0x8000000000000000n,
  -1n, -2n, -100n, -4095n, -4096n, -0x80000000n, 1n << 46n, 1n << 53n, (1n << 53n) + 1n, (1n << 62n) + 4096n,
]; // prettier-ignore

export const PATHS: readonly string[] = [
  '/', '.', '..', '', '/tmp', '/tmp/a', '/tmp/b', '/tmp/dir', '/tmp/dir/x', '/tmp/fifo', '/tmp/link', '/tmp/loop1', '/tmp/sock',
  '/prog', '/script', '/no/such', '/tmp/a/x', '/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/tty', '/dev/ptmx',
  '/dev/pts/0', '/dev/shm/m', '/proc', '/proc/self', '/proc/self/fd', '/proc/self/fd/0', '/proc/self/fd/3', '/proc/self/exe',
  '/proc/self/maps', '/proc/self/mem', '/proc/self/root', '/proc/self/cwd/tmp/a', '/proc/self/task', '/proc/self/stat',
  '/proc/self/status', '/proc/self/environ', '/proc/self/cmdline', '/proc/self/mountinfo', '/proc/self/comm', '/proc/1000/fd',
  '/proc/self/oom_score_adj', '/proc/sys/kernel/hostname', '/proc/sys/vm/max_map_count', '/proc/net/tcp', '/proc/meminfo',
  '/proc/self/smaps', '/proc/self/pagemap', '/proc/sys', '/sys', '/sys/fs/cgroup', '/sys/devices/system/cpu/online',
  '\xff\xfe\n', `/tmp/${'n'.repeat(255)}`, `/tmp/${'n'.repeat(256)}`, `${'./'.repeat(600)}tmp/a`,
  `${'/tmp/dir/..'.repeat(200)}`, '/tmp/dir/../../../../..', '//tmp///a', '/tmp/dir/', 'x', 'name', 'user.test',
]; // prettier-ignore

const IN_FOLDER: readonly string[] = [
  '', '/', '/f', '/d', '/d/g', '/d/e', '/d/e/h', '/d/..', '/d/../..', '/out', '/out/canary', '/out/f', '/out/d/g', '/up', '/fifo', '/x',
  '/d/x', '/name', '/new\nline', '/\xff\xfe', `/${'n'.repeat(255)}`, `/${'n'.repeat(256)}`, '/d/e/../../../../../etc/x', '/f/x', '/d/',
]; // prettier-ignore

/** Names in host folders at /mnt and /ro, and ways around them. */
export const HOST_PATHS: readonly string[] = [
  ...IN_FOLDER.map((p) => `/mnt${p}`), ...IN_FOLDER.map((p) => `/mnt${p}`), ...IN_FOLDER.map((p) => `/ro${p}`),
  'f', 'd/g', 'x', 'd', '.', '..', '../outside/canary', 'out/canary', 'up', 'e/h', 'g', '/proc/self/fd/24', '/proc/self/fd/22/d/g',
  '/proc/self/fd/25', '/proc/self/cwd/f', '/proc/self/root/mnt/f', '/proc/self/fd/20/out/canary', '/tmp/a', '/tmp/dir', 'user.test',
]; // prettier-ignore

/** Calls that end or idle the caller, or throw its memory away, are made rarely. */
const RARE: ReadonlyMap<string, number> = new Map([
  ['exit', 0.05], ['exit_group', 0.02], ['kill', 0.2], ['tkill', 0.2], ['tgkill', 0.2], ['execve', 0.3], ['pause', 0.1],
  ['rt_sigsuspend', 0.1], ['munmap', 0.3], ['rt_sigreturn', 0.1], ['close_range', 0.1], ['vhangup', 0.1],
]); // prettier-ignore

export class Arguments {
  private readonly r: Random;
  /** Address spaces that have their zone. */
  private zones = new WeakSet<AddressSpace>();
  private readonly rows: readonly SyscallRow[];

  private readonly paths: readonly string[];
  /** Paths as they lie in memory. */
  private readonly strings = new Map<string, Uint8Array>();

  constructor(r: Random, rows: readonly SyscallRow[], paths: readonly string[] = PATHS) {
    this.r = r;
    this.paths = paths;
    this.rows = rows;
  }

  row(t: Task): SyscallRow {
    for (;;) {
      const row = this.r.pick(this.rows);
      const p = RARE.get(row.name) ?? 1;
      const ends = (row.name === 'exit' || row.name === 'exit_group') && t.tid === 1000;
      if (this.r.chance(ends ? p / 10 : p)) return row;
    }
  }

  /** Makes sure the task has its zone, with something in it. */
  prepare(t: Task): void {
    const { mm } = t;
    if (!this.zones.has(mm) || this.r.chance(0.01)) {
      this.zones.add(mm);
      const map = (at: number, length: number, prot: number): number =>
        mm.mapAt(at, length, { start: at, length, prot, flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED });
      map(ZONE, WRITABLE, 3);
      map(READ_ONLY, 0x1000, 1);
      map(NO_ACCESS, 0x1000, 0);
      mm.unmap(END, END + 0x4000);
    }
  }

  all(t: Task, row: SyscallRow): bigint[] {
    const out: bigint[] = [];
    for (let i = 0; i < 6; i++) {
      const type = row.args[i];
      if (!type || this.r.chance(0.03)) out.push(this.anything(t));
      else if (type.kind === 'fd' || /fd/.test(type.name))
        out.push(this.r.chance(0.1) ? this.anything(t) : this.fd());
      else if (type.kind === 'path' || /path|target|filename/.test(type.name)) out.push(this.path(t));
      else out.push(this.named(t, type.name));
    }
    return out;
  }

  private named(t: Task, name: string): bigint {
    const { r } = this;
    if (r.chance(0.05)) return this.anything(t);
    if (/^(pid|tid|tgid|pgid|id|who|pid1|pid2)$/.test(name)) return this.pid();
    if (name === 'sigsetsize' && r.chance(0.8)) return 8n;
    if (/^(shmid|semid|msqid|semnum|nsems|nsops|key|msgtyp|msg_prio)$/.test(name)) return BigInt(r.below(6));
    if (/^(shmflg|semflg|msgflg)$/.test(name) && r.chance(0.8)) return BigInt(r.below(64) * 512 + 0o600);
    if (/^(addrlen|optlen)$/.test(name) && r.chance(0.7)) return r.pick([4n, 8n, 16n, 28n, 110n, 2n, 0n]);
    if (/^(level|domain)$/.test(name) && r.chance(0.8)) return r.pick([0n, 1n, 2n, 6n, 10n, 16n, 17n, 41n]);
    if (/^(timerid|clockid|which|how|type)$/.test(name) && r.chance(0.8)) return BigInt(r.below(4));
    if (name === 'timeout' && r.chance(0.5)) return BigInt(r.below(3));
    if (/^(sig|signum)$/.test(name)) return BigInt(r.below(70)) - 2n;
    if (/flags|mask$|options|mode|prot|how/.test(name) && name !== 'sigmask') return this.flags();
    if (
      /^(op|cmd|request|option|operation|optname|advice|level|domain|type|protocol|clockid|which|whence|resource|policy|timerid|code|first|last|pkey|nfds|count|len|length|size|iovcnt|vlen|maxevents|addrlen|optlen|backlog|sigsetsize|cpusetsize|liovcnt|riovcnt|old_size|new_size|bufsiz|buflen|nr_segs|nr_futexes|timeout|seconds|val|val3|offset|status|initval|wd)$/.test(
        name,
      )
    )
      return this.small();
    if (/addr$|address/.test(name) && r.chance(0.4)) return BigInt(ZONE + r.below(10) * 4096);
    return this.pointer(t);
  }

  fd(): bigint {
    const { r } = this;
    const k = r.below(20);
    if (k === 0) return -1n;
    if (k === 1) return -100n;
    if (k === 2) return BigInt(r.below(1100));
    return BigInt(r.below(32));
  }

  private pid(): bigint {
    const { r } = this;
    const k = r.below(12);
    if (k < 4) return 0n;
    if (k === 4) return -1n;
    if (k === 5) return BigInt(-1000 - r.below(10));
    if (k === 6) return BigInt(r.below(5));
    return BigInt(1000 + r.below(60));
  }

  private flags(): bigint {
    const { r } = this;
    const k = r.below(14);
    if (k < 2 || k > 9) return 0n;
    if (k === 2) return -1n;
    if (k === 3) return BigInt(r.u32());
    let out = 0n;
    for (let n = 1 + r.below(4); n > 0; n--) out |= 1n << BigInt(r.below(k === 4 ? 64 : 24));
    return out;
  }

  private small(): bigint {
    const { r } = this;
    const k = r.below(12);
    if (k < 5) return BigInt(r.below(34));
    if (k === 5) return BigInt(r.below(300));
    if (k === 6) return BigInt(r.below(70000));
    if (k === 7) return BigInt(1024 + r.below(8));
    if (k === 8) return BigInt(4096 * r.below(40));
    if (k === 9) return 1n << BigInt(r.below(64));
    return r.pick(HOSTILE);
  }

  private anything(t: Task): bigint {
    const { r } = this;
    const k = r.below(5);
    if (k === 0) return r.u64();
    if (k === 1) return r.pick(HOSTILE);
    if (k === 2) return this.small();
    if (k === 3) return this.flags();
    return this.pointer(t);
  }

  private path(t: Task): bigint {
    if (this.r.chance(0.06)) return this.pointer(t);
    const at = ZONE + this.r.below(WRITABLE - 2100);
    this.string(t, at, this.r.pick(this.paths));
    return BigInt(at);
  }

  private string(t: Task, at: number, text: string): void {
    let bytes = this.strings.get(text);
    if (bytes === undefined)
      this.strings.set(text, (bytes = Uint8Array.from(`${text}\0`, (c) => c.charCodeAt(0))));
    t.mm.copyOut(at, bytes);
  }

  /** A pointer; what it leads to is often a structure. */
  private pointer(t: Task): bigint {
    const { r } = this;
    const k = r.below(32);
    if (k < 3) return 0n;
    if (k === 3) return r.pick(HOSTILE);
    if (k === 4) return BigInt(READ_ONLY + r.below(4096));
    if (k === 5) return BigInt(NO_ACCESS + r.below(4096));
    if (k === 6) return BigInt(NO_ACCESS - r.below(64));
    if (k === 7) return BigInt(READ_ONLY - r.below(64));
    if (k === 8) return BigInt(END + r.below(64) - 32);
    if (k === 9) return BigInt(0x400000 + r.below(8192));
    const at = ZONE + (r.below(WRITABLE - 512) & (r.chance(0.9) ? ~7 : ~0));
    this.fill(t, at);
    return BigInt(at);
  }

  /** Writes something like a structure: iovecs, times, sockaddrs, msghdrs, sets, arrays of pointers, noise. */
  private fill(t: Task, at: number): void {
    const { r } = this;
    const bytes = new Uint8Array(256);
    const v = new DataView(bytes.buffer);
    const put = (o: number, x: bigint): void => v.setBigUint64(o, BigInt.asUintN(64, x), true);
    const inner = (): bigint =>
      BigInt(r.chance(0.85) ? ZONE + r.below(WRITABLE) : READ_ONLY + r.below(0x3000));
    switch (r.below(13)) {
      case 0: // iovecs
        for (let i = 0; i < 256; i += 16) {
          put(i, inner());
          put(i + 8, r.chance(0.8) ? BigInt(r.below(5000)) : r.pick(HOSTILE));
        }
        break;
      case 1: // timespec, itimerspec
        for (let i = 0; i < 64; i += 16) {
          put(i, r.chance(0.8) ? BigInt(r.below(3)) : r.pick(HOSTILE));
          put(i + 8, r.chance(0.8) ? BigInt(r.below(1_000_000_000)) : r.pick(HOSTILE));
        }
        break;
      case 2: // 1 ns, over and over
        put(8, 1n);
        put(24, 1n);
        break;
      case 3: // sockaddr_in, sockaddr_in6
        v.setUint16(0, r.pick([2, 2, 10]), true);
        v.setUint16(2, r.below(20) + 8000);
        v.setUint32(4, r.pick([0, 0x7f000001, 0xffffffff]));
        if (r.chance(0.5)) bytes[23] = 1;
        break;
      case 4: {
        // sockaddr_un
        v.setUint16(0, 1, true);
        const name = r.pick(['/tmp/sock', '\0abstract', '', '/tmp/s2', 'x'.repeat(108)]);
        for (let i = 0; i < name.length; i++) bytes[2 + i] = name.charCodeAt(i);
        break;
      }
      case 5: {
        // msghdr, with a control message that may hold descriptors
        const control = at + 128;
        put(0, r.chance(0.5) ? 0n : inner());
        v.setUint32(8, r.below(130), true);
        put(16, BigInt(at + 64));
        put(24, r.chance(0.9) ? BigInt(r.below(4)) : r.pick(HOSTILE));
        put(32, r.chance(0.8) ? BigInt(control) : inner());
        put(40, r.chance(0.8) ? BigInt(16 + 4 * r.below(12)) : r.pick(HOSTILE));
        put(64, inner());
        put(72, BigInt(r.below(4000)));
        put(80, inner());
        put(88, BigInt(r.below(4000)));
        put(128, BigInt(16 + 4 * (1 + r.below(8))));
        v.setUint32(136, 1, true);
        v.setUint32(140, r.pick([1, 1, 1, 2]), true);
        for (let i = 0; i < 10; i++) v.setInt32(144 + 4 * i, Number(this.fd()), true);
        break;
      }
      case 6: // pollfds, epoll_events
        for (let i = 0; i < 256; i += 8) {
          v.setInt32(i, Number(this.fd()), true);
          v.setUint32(i + 4, r.chance(0.5) ? r.u32() : r.below(64), true);
        }
        break;
      case 7: // pointers, as argv; the list may have no end
        for (let i = 0; i < 256; i += 8) put(i, i > 32 && r.chance(0.5) ? 0n : inner());
        break;
      case 8: // sigaction, sigset, sigevent
        put(0, r.pick([0n, 1n, 0x401000n, inner(), r.u64()]));
        put(8, this.flags());
        put(16, 0x401000n);
        put(24, r.u64());
        break;
      case 9: // clone_args
        put(0, this.flags());
        for (let i = 8; i < 88; i += 8) put(i, r.chance(0.6) ? 0n : inner());
        put(32, BigInt(r.below(65)));
        break;
      case 10: // all ones
        bytes.fill(255);
        break;
      case 11: // small numbers
        for (let i = 0; i < 256; i += 4) v.setUint32(i, r.below(64), true);
        break;
      default:
        for (let i = 0; i < 256; i += 4) v.setUint32(i, r.u32(), true);
    }
    t.mm.copyOut(at, bytes);
    if (r.chance(0.2)) this.string(t, at + 8 * r.below(24), r.pick(this.paths));
  }
}
