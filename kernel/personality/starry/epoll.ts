/** epoll, poll, select and eventfd in StarryOS. */
import { EEXIST, EFAULT } from '../../abi/errno.ts';
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EventPoll } from '../../epoll/eventpoll.ts'; // prettier-ignore
import { epollEventLayout } from '../../epoll/syscalls.ts';
import { EventFd } from '../../fs/anon/eventfd.ts';
import { HostInputFile } from '../../fs/dev/host-stream.ts';
import { O_NONBLOCK, POLLERR, POLLHUP, POLLIN, POLLRDHUP, POLLRDNORM, type File } from '../../fs/file.ts';
import { S_IFMT, S_IFREG } from '../../fs/inode.ts';
import { TtyFile } from '../../fs/tty/tty-file.ts';
import { Socket } from '../../net/socket.ts';
import type { Args } from '../../syscall/args.ts';
import type { Task } from '../../task/task.ts';
import type { Park } from '../../wait.ts';
import { panic } from '../panic.ts';
import type { Quirk, Wrap } from '../quirk.ts';
import { after, argument, before, each, waiting, withArg } from '../wrap.ts';

const EPOLL = 'linux_syscall_api src/syscall_fs/imp/epoll.rs';
const CTYPE = 'linux_syscall_api src/syscall_fs/ctype/epoll.rs';
const POLL = 'linux_syscall_api src/syscall_fs/imp/poll.rs';
const EVENTFD = 'linux_syscall_api src/syscall_fs/ctype/eventfd.rs';
const EPOLL_WAITS = ['epoll_wait', 'epoll_pwait'];
const POLLS = ['poll', 'ppoll', 'select', 'pselect6'];
const F_GETFL = 3;
const F_SETFL = 4;
const FIONBIO = 0x5421;
/** Of the counter that deadlines are in: the 4 GHz time stamp counter of x86_pc. */
const TICKS_PER_NS = 4;

const eventIsReadable = (t: Task, a: Args): number | undefined =>
  t.mm.viewIn(a.ptr(3), epollEventLayout(t).size) === null ? -EFAULT : undefined;

const busy = waiting((_t, _a, p) => ({ ...p, on: [], polls: true }));

/** The item a successful ADD or MOD left behind gets its descriptor's number as data. */
const dataIsFd = after((t, a, r) => {
  const ep = t.fds.opened(a.i32(0));
  const file = t.fds.opened(a.i32(2));
  if (r !== 0 || a.i32(1) === EPOLL_CTL_DEL || !(ep instanceof EventPoll) || !file) return r;
  const item = ep.find(file, a.i32(2));
  if (item) {
    item.lo = a.i32(2);
    item.hi = 0;
  }
  return r;
});

/** close(2) takes the number out of every epoll file of the process, whoever else has the file open. */
const closeForgets = before((t, a) => {
  for (const fd of t.fds.list()) {
    const ep = t.fds.opened(fd);
    if (!(ep instanceof EventPoll)) continue;
    for (const item of [...ep.list()]) if (item.fd === a.i32(0)) ep.remove(item);
  }
  return undefined;
});

const negativeFd = before((t, a) => {
  const n = Math.min(a.u32(1), 65536);
  const bytes = n === 0 ? null : t.mm.viewIn(a.ptr(0), 8 * n);
  if (bytes === null) return undefined;
  for (let i = 0; i < n; i++) {
    const fd = bytes.getInt32(8 * i, true);
    if (fd < 0) {
      const index = BigInt.asUintN(64, BigInt(fd));
      return panic(
        t,
        'linux_syscall_api/src/syscall_fs/imp/poll.rs',
        `index out of bounds: the index is ${index}`,
      );
    }
  }
  return undefined;
});

const isEof = (file: File): boolean =>
  (file.inode!.mode & S_IFMT) === S_IFREG && !(file instanceof HostInputFile) && file.pos >= file.inode!.size;

const onEventFd = (t: Task, a: Args): EventFd | null => {
  const file = t.fds.opened(a.i32(0));
  return file instanceof EventFd ? file : null;
};

/** The counter is read as 1 and stays: checked_add_signed(-1) is worked out and thrown away. */
const keepCount: Wrap = (linux) => (t, a) => {
  const file = onEventFd(t, a);
  const count = file?.isSemaphore ? file.count : null;
  const r = linux(t, a);
  if (file !== null && count !== null && r === 8) file.count = count;
  return r;
};

const shortenTo = (p: Park, now: number, factor: number): Park =>
  p.deadline === Infinity ? p : { ...p, deadline: now + (p.deadline - now) * factor };

export const epollQuirks: readonly Quirk[] = [
  {
    name: 'epoll-del-null-efault',
    group: 'epoll',
    symptom: 'EPOLL_CTL_DEL with a NULL event is EFAULT and takes nothing out',
    linux: '0: the event is not looked at (since 2.6.9)',
    source: `${EPOLL} syscall_epoll_ctl; the log of MediaServer -d: "id = 233, args = [7, 2, 0, 0, 0, 268438480], return -14"`,
    calls: { epoll_ctl: before(eventIsReadable) },
  },
  {
    name: 'epoll-busy',
    group: 'epoll',
    symptom: 'epoll_wait looks at all descriptors again and again instead of sleeping',
    linux: 'it sleeps until one is ready',
    source: `${CTYPE} epoll_wait`,
    calls: each(EPOLL_WAITS, busy),
  },
  {
    name: 'epoll-timeout-ticks',
    group: 'epoll',
    symptom: 'a timeout counts ticks of the processor: it is over at once; 0 waits for ever',
    linux: 'milliseconds; 0 does not wait',
    source: `${EPOLL} syscall_epoll_wait`,
    calls: each(EPOLL_WAITS, (linux) => (t, a) => {
      const ms = a.i32(3);
      const r = withArg(linux, t, a, 3, ms > 0 ? ms : -1);
      if (typeof r === 'number' || t.parked !== null || ms <= 0) return r;
      return { ...r, deadline: t.kernel.clock.monotonic() + ms / TICKS_PER_NS };
    }),
  },
  {
    name: 'epoll-level-only',
    group: 'epoll',
    symptom:
      'EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE and EPOLLRDHUP are taken and ignored: every item is level-triggered',
    linux: 'honoured',
    source: `${CTYPE} epoll_wait`,
    behaviour: { epollEvents: ~(EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | POLLRDHUP) },
  },
  {
    name: 'epoll-add-replaces',
    group: 'epoll',
    symptom: 'EPOLL_CTL_ADD of a descriptor that is there replaces it',
    linux: 'EEXIST',
    source: `${CTYPE} epoll_ctl`,
    calls: {
      epoll_ctl: (linux) => (t, a) => {
        const r = linux(t, a);
        return r === -EEXIST && a.i32(1) === EPOLL_CTL_ADD ? withArg(linux, t, a, 1, EPOLL_CTL_MOD) : r;
      },
    },
  },
  {
    name: 'epoll-400-events',
    group: 'epoll',
    symptom: 'epoll_wait returns 400 events at most',
    linux: 'as many as asked for',
    source: `${EPOLL} syscall_epoll_wait`,
    calls: each(
      EPOLL_WAITS,
      argument(2, (_t, a) => (a.i32(2) > 400 ? 400 : undefined)),
    ),
  },
  {
    name: 'epoll-close-by-number',
    group: 'epoll',
    symptom: 'close(fd) ends the watch on fd although a duplicate keeps the file open',
    linux: 'the watch lasts as long as the open file',
    source: 'linux_syscall_api src/syscall_fs/imp/io.rs syscall_close',
    calls: { close: closeForgets },
  },
  {
    name: 'epoll-regular-file',
    group: 'epoll',
    symptom: 'epoll takes regular files and directories',
    linux: 'EPERM',
    source: CTYPE,
    behaviour: { epollAnyFile: true },
  },
  {
    name: 'epoll-pwait-mask-efault',
    group: 'epoll',
    symptom: 'epoll_pwait with a signal mask is EFAULT',
    linux: 'the mask holds during the wait',
    source: `${EPOLL} syscall_epoll_pwait (the old mask's address is the kernel's)`,
    calls: { epoll_pwait: before((_t, a) => (a.ptr(4) !== 0 ? -EFAULT : undefined)) },
  },
  {
    name: 'epoll-event-16-bytes',
    group: 'epoll',
    symptom: 'struct epoll_event has 16 bytes on x86_64, its data at 8',
    linux: '12 bytes, packed',
    source: 'linux_syscall_api before bd1b4b8',
    until: '2024-07-03',
    behaviour: { epollPacked: false },
  },
  {
    name: 'epoll-data-is-fd',
    group: 'epoll',
    symptom: "epoll_wait's data is the descriptor, whatever the program stored",
    linux: 'what EPOLL_CTL_ADD or MOD stored',
    source: 'linux_syscall_api before 7541e79',
    until: '2024-07-04',
    calls: { epoll_ctl: dataIsFd },
  },
  {
    name: 'sockets-no-hup',
    group: 'epoll',
    symptom: 'poll and epoll report no POLLHUP, POLLERR or POLLRDHUP of sockets',
    linux: 'reported',
    source: 'Starry modules/axfs/src/api/port.rs (the defaults of FileIO)',
    ready: (file, events) => (file instanceof Socket ? events & ~(POLLHUP | POLLERR | POLLRDHUP) : events),
  },
  {
    name: 'poll-busy',
    group: 'epoll',
    symptom: 'poll and select look again and again instead of sleeping',
    linux: 'they sleep',
    source: POLL,
    calls: each(POLLS, busy),
  },
  {
    name: 'poll-timeout-short',
    group: 'epoll',
    symptom: "poll's timeout is taken as microseconds: a thousandth of what was meant",
    linux: 'milliseconds',
    source: `${POLL} syscall_poll (TimeVal::from_micro)`,
    calls: {
      poll: waiting((t, _a, p) => (t.parked === null ? shortenTo(p, t.kernel.clock.monotonic(), 1e-3) : p)),
    },
  },
  {
    name: 'poll-negative-fd-panic',
    group: 'epoll',
    symptom: 'poll with a negative descriptor panics',
    linux: 'the entry is left out',
    source: `${POLL} ppoll (fd_table[poll_fd.fd as usize])`,
    calls: each(['poll', 'ppoll'], negativeFd),
  },
  {
    name: 'poll-none-efault',
    group: 'epoll',
    symptom: 'poll of no descriptors, as a way to sleep, is EFAULT',
    linux: 'it sleeps',
    source: POLL,
    calls: each(
      ['poll', 'ppoll'],
      before((_t, a) => (a.u32(1) === 0 ? -EFAULT : undefined)),
    ),
  },
  {
    name: 'file-end-not-ready',
    group: 'epoll',
    symptom: 'poll says that a regular file at its end is not readable',
    linux: 'regular files are always ready',
    source: 'linux_syscall_api src/syscall_fs/ctype/file.rs',
    ready: (file, events) => (file.inode !== null && isEof(file) ? events & ~(POLLIN | POLLRDNORM) : events),
  },
  {
    name: 'stdin-always-ready',
    group: 'epoll',
    symptom: 'poll says that there is input on stdin when there is none',
    linux: 'when there is some',
    source: 'Starry modules/axprocess/stdio.rs',
    ready: (file, events) =>
      file instanceof HostInputFile || file instanceof TtyFile ? events | POLLIN | POLLRDNORM : events,
  },
  {
    name: 'eventfd-semaphore-stays',
    group: 'epoll',
    symptom: 'reading an EFD_SEMAPHORE eventfd gives 1 and takes nothing away',
    linux: 'takes 1 away',
    source: EVENTFD,
    calls: each(['read', 'readv'], keepCount),
  },
  {
    name: 'eventfd-blocking-fixed',
    group: 'epoll',
    symptom: 'F_SETFL and FIONBIO do nothing to an eventfd: it stays blocking or not as it was made',
    linux: 'they set O_NONBLOCK',
    source: EVENTFD,
    calls: {
      fcntl: before((t, a) => (a.i32(1) === F_SETFL && onEventFd(t, a) ? 0 : undefined)),
      ioctl: before((t, a) => (a.u32(1) === FIONBIO && onEventFd(t, a) ? 0 : undefined)),
    },
  },
  {
    name: 'eventfd-getfl',
    group: 'epoll',
    symptom: 'F_GETFL of an eventfd does not show O_NONBLOCK',
    linux: 'it does',
    source: 'linux_syscall_api before bbe77a6',
    until: '2024-04-22',
    calls: {
      fcntl: after((t, a, r) => (a.i32(1) === F_GETFL && r >= 0 && onEventFd(t, a) ? r & ~O_NONBLOCK : r)),
    },
  },
];
