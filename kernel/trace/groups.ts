/** strace's classes of system calls (`-e trace=%file`) and the sets its -e expressions name. Source: strace(1) and the
 *  classes strace 6.1 itself applies on x86_64. */

const words = (s: string): readonly string[] => s.trim().split(/\s+/);

const STAT = words('stat');
const LSTAT = words('lstat');
const FSTAT = words('fstat newfstatat statx');
const STATFS = words('statfs');
const FSTATFS = words('fstatfs');

export const SYSCALL_GROUPS: Readonly<Record<string, readonly string[]>> = {
  '%file': words(`access acct chdir chmod chown chroot creat execve execveat faccessat faccessat2 fanotify_mark fchmodat
    fchownat fsconfig fspick futimesat getcwd getxattr inotify_add_watch lchown lgetxattr link linkat listxattr llistxattr
    lremovexattr lsetxattr lstat mkdir mkdirat mknod mknodat mount mount_setattr move_mount name_to_handle_at newfstatat open
    open_tree openat openat2 pivot_root quotactl readlink readlinkat removexattr rename renameat renameat2 rmdir setxattr stat
    statfs statx swapoff swapon symlink symlinkat truncate umount2 unlink unlinkat uselib utime utimensat utimes`),
  '%process': words(`clone clone3 execve execveat exit exit_group fork kill pidfd_send_signal rt_sigqueueinfo
    rt_tgsigqueueinfo tgkill tkill vfork wait4 waitid`),
  '%network': words(`accept accept4 bind connect getpeername getpmsg getsockname getsockopt listen putpmsg recvfrom recvmmsg
    recvmsg sendfile sendmmsg sendmsg sendto setsockopt shutdown socket socketpair`),
  '%signal': words(`kill pause pidfd_send_signal rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
    rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sigaltstack signalfd signalfd4 tgkill tkill io_uring_enter`),
  '%ipc': words('msgctl msgget msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget'),
  '%desc': words(`bpf close copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait
    epoll_pwait2 epoll_wait eventfd eventfd2 execveat faccessat faccessat2 fadvise64 fallocate fanotify_init fanotify_mark
    fchdir fchmod fchmodat fchown fchownat fcntl fdatasync fgetxattr finit_module flistxattr flock fremovexattr fsconfig
    fsetxattr fsmount fsopen fspick fstat fstatfs fsync ftruncate futimesat getdents getdents64 inotify_add_watch
    inotify_init inotify_init1 inotify_rm_watch io_uring_enter io_uring_register io_uring_setup ioctl kexec_file_load
    landlock_add_rule landlock_create_ruleset landlock_restrict_self linkat lseek memfd_create memfd_secret mkdirat mknodat
    mmap mount_setattr move_mount mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend name_to_handle_at newfstatat
    open open_by_handle_at open_tree openat openat2 perf_event_open pidfd_getfd pidfd_open pidfd_send_signal pipe pipe2 poll
    ppoll pread64 preadv preadv2 process_madvise process_mrelease pselect6 pwrite64 pwritev pwritev2 quotactl_fd read
    readahead readlinkat readv renameat renameat2 select sendfile setns signalfd signalfd4 splice statx symlinkat
    sync_file_range syncfs tee timerfd_create timerfd_gettime timerfd_settime unlinkat userfaultfd utimensat vmsplice write
    writev`),
  '%memory': words(`brk get_mempolicy io_destroy io_setup io_uring_register madvise mbind migrate_pages mincore mlock mlock2
    mlockall mmap move_pages mprotect mremap msync munlock munlockall munmap pkey_mprotect remap_file_pages set_mempolicy
    set_mempolicy_home_node shmat shmdt`),
  '%creds': words(`capget capset getegid geteuid getgid getgroups getresgid getresuid getuid prctl setfsgid setfsuid setgid
    setgroups setregid setresgid setresuid setreuid setuid`),
  '%clock': words(`adjtimex clock_adjtime clock_getres clock_gettime clock_settime gettimeofday settimeofday time`),
  '%pure': words('getegid geteuid getgid getpgrp getpid getppid gettid getuid'),
  '%stat': STAT,
  '%lstat': LSTAT,
  '%fstat': FSTAT,
  '%%stat': [...STAT, ...LSTAT, ...FSTAT],
  '%statfs': STATFS,
  '%fstatfs': FSTATFS,
  '%%statfs': [...STATFS, ...FSTATFS, 'ustat'],
}; // prettier-ignore

const ALIASES: Readonly<Record<string, string>> = { '%net': '%network' };
/** Names strace still takes without the per cent sign. */
const OLD_GROUPS = new Set(['file', 'process', 'network', 'signal', 'ipc', 'desc', 'memory']);

/** A set of calls: what `-e trace=` means. A set that was given by numbers has to be told `nr`. */
export type CallFilter = (name: string, nr?: number) => boolean;

/** Numbers beyond are in no table. */
const NUMBERS = 548;

/**
 * Reads the right side of `-e trace=`: names, %groups, /regex, `all`, `none`, `?` before what may be unknown, `!` before
 * the whole for its complement; numbers where callers are known by theirs (`numbered`). Returns the filter, or what is wrong with it.
 */
export function parseCallSet(
  text: string,
  known: (name: string) => boolean,
  numbered = false,
): CallFilter | { error: string } {
  const negated = text.startsWith('!');
  const names = new Set<string>();
  const numbers = new Set<number>();
  const patterns: RegExp[] = [];
  let all = false;
  for (const raw of (negated ? text.slice(1) : text).split(',')) {
    const optional = raw.startsWith('?');
    const item = optional ? raw.slice(1) : raw;
    if (item === 'all') all = true;
    else if (item === 'none') continue;
    else if (item.startsWith('/')) {
      try {
        patterns.push(new RegExp(item.slice(1)));
      } catch {
        return { error: `invalid regular expression '${item.slice(1)}'` };
      }
    } else if (item.startsWith('%') || OLD_GROUPS.has(item)) {
      const key = item.startsWith('%') ? item : `%${item}`;
      const group = SYSCALL_GROUPS[ALIASES[key] ?? key];
      if (group === undefined) return { error: `invalid system call '${item}'` };
      for (const name of group) names.add(name);
    } else if (numbered && /^\d+$/.test(item) && (optional || Number(item) < NUMBERS))
      numbers.add(Number(item));
    else if (item === '' || (!known(item) && !optional)) return { error: `invalid system call '${item}'` };
    else names.add(item);
  }
  return (name, nr = -1) =>
    (all || names.has(name) || numbers.has(nr) || patterns.some((p) => p.test(name))) !== negated;
}
