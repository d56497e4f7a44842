/** /proc/sys: the kernel's settings (proc(5), Documentation/admin-guide/sysctl). Values live where they are used. */
import { EACCES, EINVAL, EPERM } from '../../abi/errno.ts';
import type { Kernel } from '../../kernel.ts';
import { PID_MAX } from '../../task/process-table.ts';
import type { Task } from '../../task/task.ts';
import { PIPE_MAX_SIZE } from '../pipe/pipe.ts';
import { PTY_MAX } from '../tty/ttys.ts';
import { GeneratedDir, GeneratedFile, wantsWrite, type Accept, type GeneratedFs } from './generated.ts';

/** A setting: its text without the newline; `set` takes a write and gives 0 or -errno. */
interface Setting {
  readonly get: () => string | number;
  readonly set?: (text: string, t: Task) => number;
  /** Permission bits where they are not 0644 (with `set`) or 0444. */
  readonly perm?: number;
}

/** Fixed for the machine's life: reads only. `writable` ones keep what root writes, though nothing looks at it. */
const fixed = (value: string | number): Setting => ({ get: () => value });

/** A number kept here: what Linux lets root change and this kernel has no use for. */
function kept(value: number | string, min = 0, max = Number.MAX_SAFE_INTEGER): Setting {
  let now = String(value);
  return {
    get: () => now,
    set: (text) => {
      const fields = text.trim().split(/\s+/);
      if (fields.length !== now.split('\t').length) return -EINVAL;
      for (const f of fields)
        if (!/^-?\d{1,19}$/.test(f) || Number(f) < min || Number(f) > max) return -EINVAL;
      now = fields.join('\t');
      return 0;
    },
  };
}

/** A string kept here. */
function keptText(value: string, max: number): Setting {
  let now = value;
  return {
    get: () => now,
    set: (text) => {
      now = text.replace(/[\0\n][^]*$/, '').slice(0, max);
      return 0;
    },
  };
}

/** A number that is a field of some object. */
function field<K extends string>(owner: Record<K, number>, name: K, min: number, max: number): Setting {
  return {
    get: () => owner[name],
    set: (text) => {
      const n = Number(text.trim());
      if (!/^\s*\d{1,15}\s*$/.test(text) || n < min || n > max) return -EINVAL;
      owner[name] = n;
      return 0;
    },
  };
}

/** A version 4 UUID of 16 random bytes. */
function uuid(bytes: Uint8Array): string {
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function settings(k: Kernel): Record<string, Setting> {
  const { uts, limits, memory } = k;
  const random = (): string => {
    const b = new Uint8Array(16);
    k.entropy.fill(b);
    return uuid(b);
  };
  let bootId: string | null = null;
  const lastPid = (): number => [...k.processes.groups.keys()].at(-1) ?? 0;
  const name = (get: () => string, set: (s: string) => void): Setting => ({
    get,
    set: (text, t) => {
      if ((t.creds.capEffective & (1n << 21n)) === 0n) return -EPERM;
      set(text.replace(/[\0\n][^]*$/, '').slice(0, 64));
      return 0;
    },
  });
  const inotify = k.notify.limits;
  return {
    'kernel/ostype': fixed(uts.sysname),
    'kernel/osrelease': fixed(uts.release),
    'kernel/version': fixed(uts.version),
    'kernel/arch': { get: () => k.options.arches[0] },
    'kernel/hostname': name(
      () => uts.nodename,
      (s) => (uts.nodename = s),
    ),
    'kernel/domainname': name(
      () => uts.domainname,
      (s) => (uts.domainname = s),
    ),
    'kernel/pid_max': kept(PID_MAX, 301, PID_MAX),
    'kernel/threads-max': kept(limits.maxTasks, 1, limits.maxTasks),
    'kernel/ns_last_pid': { get: lastPid, perm: 0o666 },
    'kernel/cap_last_cap': fixed(40),
    'kernel/ngroups_max': fixed(65536),
    'kernel/overflowuid': kept(65534, 0, 65535),
    'kernel/overflowgid': kept(65534, 0, 65535),
    'kernel/randomize_va_space': kept(k.options.aslr ? 2 : 0, 0, 2),
    'kernel/tainted': fixed(0),
    'kernel/core_pattern': {
      get: () => k.coredump.pattern,
      set: (text) => {
        k.coredump.pattern = text.replace(/[\0\n][^]*$/, '').slice(0, 127);
        return 0;
      },
    },
    'kernel/core_uses_pid': field(k.coredump, 'usesPid', 0, 2 ** 31 - 1),
    'kernel/core_pipe_limit': kept(0),
    'kernel/ctrl-alt-del': kept(0, 0, 1),
    'kernel/dmesg_restrict': kept(1, 0, 1),
    'kernel/kptr_restrict': kept(0, 0, 2),
    'kernel/panic': kept(0, -1),
    'kernel/panic_on_oops': kept(0),
    'kernel/perf_event_paranoid': kept(3, -1),
    'kernel/printk': kept('4\t4\t1\t7'),
    'kernel/sysctl_writes_strict': kept(1, -1, 1),
    'kernel/unprivileged_bpf_disabled': kept(2, 0, 2),
    'kernel/sched_rr_timeslice_ms': kept(100),
    'kernel/sched_rt_period_us': kept(1000000),
    'kernel/sched_rt_runtime_us': kept(950000, -1),
    'kernel/sched_autogroup_enabled': kept(1, 0, 1),
    'kernel/sem': kept('32000\t1024000000\t500\t32000'),
    'kernel/shmmax': kept('18446744073692774399', 0, Infinity),
    'kernel/shmall': kept('18446744073692774399', 0, Infinity),
    'kernel/shmmni': kept(4096),
    'kernel/shm_rmid_forced': kept(0, 0, 1),
    'kernel/msgmax': kept(8192),
    'kernel/msgmnb': kept(16384),
    'kernel/msgmni': kept(32000),
    'kernel/pty/max': kept(PTY_MAX),
    'kernel/pty/nr': { get: () => k.ttys.count },
    'kernel/pty/reserve': kept(1024),
    'kernel/random/boot_id': { get: () => (bootId ??= random()) },
    'kernel/random/uuid': { get: random },
    'kernel/random/entropy_avail': fixed(256),
    'kernel/random/poolsize': fixed(256),
    'kernel/random/urandom_min_reseed_secs': kept(60),
    'kernel/random/write_wakeup_threshold': kept(256),
    'kernel/seccomp/actions_avail': fixed('kill_process kill_thread trap errno user_notif trace log allow'),
    'kernel/keys/gc_delay': kept(300),
    'kernel/keys/maxbytes': field(k.keys.limits, 'maxbytes', 0, 2 ** 31 - 1),
    'kernel/keys/maxkeys': field(k.keys.limits, 'maxkeys', 0, 2 ** 31 - 1),
    'kernel/keys/root_maxbytes': field(k.keys.limits, 'root_maxbytes', 0, 2 ** 31 - 1),
    'kernel/keys/root_maxkeys': field(k.keys.limits, 'root_maxkeys', 0, 2 ** 31 - 1),
    'kernel/yama/ptrace_scope': kept(0, 0, 3),
    'vm/overcommit_memory': kept(0, 0, 2),
    'vm/overcommit_ratio': kept(50),
    'vm/overcommit_kbytes': kept(0),
    'vm/max_map_count': field(memory, 'maxMapCount', 0, 2 ** 31 - 1),
    'vm/mmap_min_addr': kept(65536),
    'vm/mmap_rnd_bits': { ...kept(28, 28, 32), perm: 0o600 },
    'vm/swappiness': kept(60, 0, 200),
    'vm/nr_hugepages': kept(0, 0, 0),
    'vm/nr_overcommit_hugepages': kept(0, 0, 0),
    'vm/min_free_kbytes': kept(4096),
    'vm/dirty_ratio': kept(20, 0, 100),
    'vm/dirty_background_ratio': kept(10, 0, 100),
    'vm/dirty_expire_centisecs': kept(3000),
    'vm/dirty_writeback_centisecs': kept(500),
    'vm/page-cluster': kept(3),
    'vm/vfs_cache_pressure': kept(100),
    'vm/oom_kill_allocating_task': kept(0),
    'vm/panic_on_oom': kept(0, 0, 2),
    'vm/legacy_va_layout': kept(0),
    'vm/user_reserve_kbytes': kept(131072),
    'vm/admin_reserve_kbytes': kept(8192),
    'vm/stat_interval': kept(1),
    'vm/drop_caches': { get: () => 0, set: () => 0, perm: 0o200 },
    'fs/file-max': kept(limits.maxFds * limits.maxTasks),
    'fs/file-nr': { get: () => `${openFiles(k)}\t0\t${limits.maxFds * limits.maxTasks}` },
    'fs/nr_open': fixed(limits.maxFds),
    'fs/pipe-max-size': kept(PIPE_MAX_SIZE, 4096, PIPE_MAX_SIZE),
    'fs/pipe-user-pages-soft': kept(16384),
    'fs/pipe-user-pages-hard': kept(0),
    'fs/inode-nr': fixed('0\t0'),
    'fs/inode-state': fixed('0\t0\t0\t0\t0\t0\t0'),
    'fs/dentry-state': fixed('0\t0\t45\t0\t0\t0'),
    'fs/inotify/max_queued_events': field(inotify, 'maxQueuedEvents', 0, 2 ** 20),
    'fs/inotify/max_user_instances': field(inotify, 'maxUserInstances', 0, 2 ** 20),
    'fs/inotify/max_user_watches': field(inotify, 'maxUserWatches', 0, 2 ** 20),
    'fs/epoll/max_user_watches': kept(1 << 20),
    'fs/aio-max-nr': kept(65536),
    'fs/aio-nr': fixed(0),
    'fs/mqueue/msg_max': kept(10),
    'fs/mqueue/msgsize_max': kept(8192),
    'fs/mqueue/queues_max': kept(256),
    'fs/overflowuid': kept(65534, 0, 65535),
    'fs/overflowgid': kept(65534, 0, 65535),
    'fs/protected_symlinks': kept(0, 0, 1),
    'fs/protected_hardlinks': kept(0, 0, 1),
    'fs/protected_regular': kept(0, 0, 2),
    'fs/protected_fifos': kept(0, 0, 2),
    'fs/suid_dumpable': field(k.coredump, 'suidDumpable', 0, 2),
    'fs/lease-break-time': field(k.vfs, 'leaseBreakTime', 0, 2 ** 31 - 1),
    'fs/leases-enable': kept(1),
    'fs/dir-notify-enable': kept(1),
    'fs/mount-max': kept(100000),
    'net/core/somaxconn': kept(4096, 0, 65535),
    'net/core/rmem_default': kept(212992),
    'net/core/rmem_max': kept(212992),
    'net/core/wmem_default': kept(212992),
    'net/core/wmem_max': kept(212992),
    'net/core/netdev_max_backlog': kept(1000),
    'net/core/optmem_max': kept(20480),
    'net/core/default_qdisc': keptText('pfifo_fast', 15),
    'net/ipv4/ip_local_port_range': kept('32768\t60999', 1, 65535),
    'net/ipv4/ip_forward': kept(0, 0, 1),
    'net/ipv4/ip_default_ttl': kept(64, 1, 255),
    'net/ipv4/ip_nonlocal_bind': kept(0, 0, 1),
    'net/ipv4/ip_unprivileged_port_start': kept(1024, 0, 65535),
    'net/ipv4/ping_group_range': kept('1\t0'),
    'net/ipv4/tcp_rmem': kept('4096\t131072\t6291456'),
    'net/ipv4/tcp_wmem': kept('4096\t16384\t4194304'),
    'net/ipv4/tcp_mem': kept('22278\t29706\t44556'),
    'net/ipv4/udp_mem': kept('44559\t59413\t89118'),
    'net/ipv4/tcp_fin_timeout': kept(60),
    'net/ipv4/tcp_syncookies': kept(1, 0, 2),
    'net/ipv4/tcp_max_syn_backlog': kept(512),
    'net/ipv4/tcp_keepalive_time': kept(7200),
    'net/ipv4/tcp_keepalive_intvl': kept(75),
    'net/ipv4/tcp_keepalive_probes': kept(9),
    'net/ipv4/tcp_tw_reuse': kept(2, 0, 2),
    'net/ipv4/tcp_sack': kept(1, 0, 1),
    'net/ipv4/tcp_timestamps': kept(1, 0, 2),
    'net/ipv4/tcp_window_scaling': kept(1, 0, 1),
    'net/ipv4/tcp_congestion_control': keptText('cubic', 15),
    'net/ipv4/tcp_available_congestion_control': fixed('reno cubic'),
    'net/ipv4/tcp_fastopen': kept(1),
    'net/ipv4/tcp_retries2': kept(15),
    'net/ipv4/tcp_syn_retries': kept(6),
    'net/ipv6/bindv6only': kept(0, 0, 1),
    'net/ipv6/conf/all/disable_ipv6': kept(0, 0, 1),
    'net/ipv6/conf/default/disable_ipv6': kept(0, 0, 1),
    'net/ipv6/conf/lo/disable_ipv6': kept(0, 0, 1),
    'net/unix/max_dgram_qlen': kept(10),
  };
}

function openFiles(k: Kernel): number {
  const files = new Set<unknown>();
  for (const t of k.processes.tasks.values()) {
    if (t.state === 'zombie' || t.state === 'dead') continue;
    for (const fd of t.fds.list()) files.add(t.fds.get(fd));
  }
  return files.size;
}

/** Root is bound by these files' modes too (sysctl_perm): only the owner's bits count for it. */
function checkMode(perm: number): (t: Task, flags: number) => number {
  return (t, flags) => {
    const bits = t.creds.euid === 0 ? perm >> 6 : perm;
    const wanted = (wantsWrite(flags) ? 2 : 0) | ((flags & 3) !== 1 ? 4 : 0);
    return (bits & wanted) === wanted ? 0 : -EACCES;
  };
}

export function sysctlTree(fs: GeneratedFs, k: Kernel): GeneratedDir {
  const root = new GeneratedDir(fs);
  root.nlink = 1;
  for (const [path, s] of Object.entries(settings(k))) {
    const parts = path.split('/');
    let dir = root;
    for (const part of parts.slice(0, -1)) {
      let next = dir.children.get(part) as GeneratedDir | undefined;
      if (!next) {
        next = dir.add(part, new GeneratedDir(fs));
        next.nlink = dir.nlink = 1;
      }
      dir = next;
    }
    const perm = s.perm ?? (s.set ? 0o644 : 0o444);
    const accept: Accept | null = s.set ?? null;
    const file = new GeneratedFile(fs, perm, () => `${s.get()}\n`, { accept, mayOpen: checkMode(perm) });
    dir.add(parts[parts.length - 1], file);
  }
  return root;
}
