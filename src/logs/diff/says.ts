/** Where Linux's manual speaks of a call's errors, and what it says of the common ones. */
import { ERRNO } from '../../../kernel/abi/errno.ts';
import type { Verdict } from '../check/finding.ts';
import type { LogCall } from '../events.ts';

/** Pages named otherwise than the call. */
const PAGES: Readonly<Record<string, string>> = {
  openat: 'open', newfstatat: 'stat', fstat: 'stat', lstat: 'stat', pread64: 'pread', pwrite64: 'pread', readv: 'readv',
  writev: 'readv', rt_sigaction: 'sigaction', rt_sigprocmask: 'sigprocmask', rt_sigsuspend: 'sigsuspend',
  rt_sigtimedwait: 'sigwaitinfo', munmap: 'mmap', epoll_pwait: 'epoll_wait', epoll_pwait2: 'epoll_wait',
  epoll_create1: 'epoll_create', pipe2: 'pipe', dup2: 'dup', dup3: 'dup', accept4: 'accept', prlimit64: 'getrlimit',
  ppoll: 'poll', pselect6: 'select', sendto: 'send', sendmsg: 'send', recvfrom: 'recv', recvmsg: 'recv',
  faccessat: 'access', faccessat2: 'access', mkdirat: 'mkdir', unlinkat: 'unlink', renameat: 'rename',
  renameat2: 'rename', readlinkat: 'readlink', linkat: 'link', symlinkat: 'symlink', clone3: 'clone', wait4: 'wait',
  waitid: 'wait', exit_group: 'exit_group', clock_gettime: 'clock_getres', eventfd2: 'eventfd', getdents64: 'getdents',
  tgkill: 'tkill', umount2: 'umount', sched_setscheduler: 'sched_setscheduler', setpgid: 'setpgid', getpgid: 'setpgid',
}; // prettier-ignore

/** In our words, by call and error. */
const SAYS: Readonly<Record<string, string>> = {
  'openat ENOENT': 'the file is not there and O_CREAT was not given, or a directory of the path is missing.',
  'openat EACCES': 'the file may not be opened that way, or a directory of the path may not be searched.',
  'openat EEXIST': 'O_CREAT and O_EXCL were given and the file is there.',
  'openat EMFILE': 'the process has as many descriptors open as it may.',
  'mmap ENOMEM': 'no room for it in the address space, too many areas, or a limit is reached.',
  'mmap EINVAL': 'the length is 0, address or offset are no multiples of a page, or neither MAP_SHARED nor MAP_PRIVATE is given.',
  'mmap EACCES': 'the file is not open for reading, or not for writing where a shared mapping is to be written.',
  'mprotect ENOMEM': 'part of the range is not mapped, or the areas would become too many.',
  'mprotect EACCES': 'the mapping can never have this access: a shared one of a file that is not open for writing.',
  'futex EAGAIN': 'the word was not the expected value when the kernel looked: another thread was faster.',
  'futex ETIMEDOUT': 'the time was over before it was woken.',
  'futex EINVAL': 'the address is not aligned to four bytes, the bit set is empty, or the timeout is no valid time.',
  'epoll_ctl EEXIST': 'EPOLL_CTL_ADD: the descriptor is in the set already.',
  'epoll_ctl ENOENT': 'EPOLL_CTL_MOD or EPOLL_CTL_DEL: the descriptor is not in the set.',
  'epoll_ctl EPERM': 'the descriptor is a regular file or directory, which are always ready.',
  'epoll_ctl EFAULT': 'EPOLL_CTL_ADD or EPOLL_CTL_MOD: the event cannot be read. EPOLL_CTL_DEL does not look at it.',
  'read EAGAIN': 'nothing to read now, and the descriptor is O_NONBLOCK.',
  'write EAGAIN': 'no room now, and the descriptor is O_NONBLOCK.',
  'write EPIPE': 'nobody reads the other end; SIGPIPE is sent, too.',
  'wait4 ECHILD': 'there is no child to wait for.',
  'execve ENOENT': 'the file is not there, or its interpreter is not.',
  'execve ENOEXEC': 'the file is of no format that can be run.',
  'ioctl ENOTTY': 'what the descriptor is open on does not have this request; a terminal has it.',
  'socket EAFNOSUPPORT': 'the kernel has no such family of addresses.',
  'bind EADDRINUSE': 'the address is taken.',
  'connect ECONNREFUSED': 'nobody listens there.',
  'connect EINPROGRESS': 'the socket is O_NONBLOCK; it becomes writable when it is connected.',
  'access ENOENT': 'the file is not there.',
  'lseek ESPIPE': 'pipes, sockets and terminals have no offset.',
  'close EBADF': 'the descriptor is not open.',
  'setpgid EPERM': 'the process is the leader of a session, or of another session than the group.',
  'setsid EPERM': 'the caller is the leader of a process group.',
  'kill ESRCH': 'there is no such process or group.',
}; // prettier-ignore

/** The manual on a call that failed, or on its result. */
export function manSays(c: LogCall): Verdict {
  const page = PAGES[c.name] ?? c.name;
  const base = { rule: 'manual', linux: '', kind: 'remark' as const };
  if (c.error === null) return { ...base, why: '', man: `${page}(2), RETURN VALUE` };
  const known = SAYS[`${c.name} ${c.error}`] ?? SAYS[`${page} ${c.error}`] ?? SAYS[`${page}at ${c.error}`];
  const text = Object.values(ERRNO).find(([name]) => name === c.error)?.[1] ?? '';
  return { ...base, why: `${c.error} means: ${known ?? `${text.toLowerCase()}.`}`, man: `${page}(2), ERRORS` };
} // prettier-ignore
