/** Rows of epoll, poll, select, timerfd and signalfd. */
import { FULL, defineSyscalls } from '../syscall/define.ts';
import { enumOf, fd, flags, int, sigset, size, timespec, timeval, uint } from '../trace/args.ts';
import { CLOCKS } from '../trace/tables.ts';
import { poll, ppoll, pselect6, select } from './poll.ts';
import { signalfd, signalfd4 } from './signalfd.ts';
import { epoll_create, epoll_create1, epoll_ctl, epoll_pwait, epoll_pwait2, epoll_wait } from './syscalls.ts';
import { timerfd_create, timerfd_gettime, timerfd_settime } from './timerfd.ts';
import {
  EPOLL_CTL, EPOLL_FLAGS, SFD_FLAGS, TFD_CREATE_FLAGS, TFD_SETTIME_FLAGS, epollEvent, epollEvents, fdset, itimerspec,
  pollAux, pollfds, ppollAux, pselectMask, selectAux,
} from './trace.ts'; // prettier-ignore

export const epollRows = defineSyscalls({
  poll: {
    x86_64: 7, aarch64: null, run: poll, ret: 'int', support: FULL, blocks: true, aux: pollAux,
    args: [pollfds('fds'), uint('nfds'), int('timeout')],
  },
  ppoll: {
    x86_64: 271, aarch64: 73, run: ppoll, ret: 'int', support: FULL, blocks: true, aux: ppollAux,
    args: [pollfds('fds'), uint('nfds'), timespec('tmo_p'), sigset('sigmask', { sizeArg: 4 }), size('sigsetsize')],
  },
  select: {
    x86_64: 23, aarch64: null, run: select, ret: 'int', support: FULL, blocks: true, aux: selectAux('timeval'),
    args: [int('nfds'), fdset('readfds'), fdset('writefds'), fdset('exceptfds'), timeval('timeout')],
  },
  pselect6: {
    x86_64: 270, aarch64: 72, run: pselect6, ret: 'int', support: FULL, blocks: true, aux: selectAux('timespec'),
    args: [int('nfds'), fdset('readfds'), fdset('writefds'), fdset('exceptfds'), timespec('timeout'), pselectMask('sigmask')],
  },
  epoll_create: {
    x86_64: 213, aarch64: null, run: epoll_create, ret: 'fd', support: FULL, args: [int('size')],
  },
  epoll_create1: {
    x86_64: 291, aarch64: 20, run: epoll_create1, ret: 'fd', support: FULL,
    args: [flags('flags', EPOLL_FLAGS, 'EPOLL_???')],
  },
  epoll_ctl: {
    x86_64: 233, aarch64: 21, run: epoll_ctl, ret: 'int', support: FULL,
    args: [fd('epfd'), enumOf('op', EPOLL_CTL, 'EPOLL_CTL_???'), fd('fd'), epollEvent('event')],
  },
  epoll_wait: {
    x86_64: 232, aarch64: null, run: epoll_wait, ret: 'int', support: FULL, blocks: true,
    args: [fd('epfd'), epollEvents('events'), int('maxevents'), int('timeout')],
  },
  epoll_pwait: {
    x86_64: 281, aarch64: 22, run: epoll_pwait, ret: 'int', support: FULL, blocks: true,
    args: [fd('epfd'), epollEvents('events'), int('maxevents'), int('timeout'), sigset('sigmask', { sizeArg: 5 }), size('sigsetsize')],
  },
  epoll_pwait2: {
    x86_64: 441, aarch64: 441, run: epoll_pwait2, ret: 'int', support: FULL, blocks: true,
    args: [fd('epfd'), epollEvents('events'), int('maxevents'), timespec('timeout'), sigset('sigmask', { sizeArg: 5 }), size('sigsetsize')],
  },
  timerfd_create: {
    x86_64: 283, aarch64: 85, run: timerfd_create, ret: 'fd', support: FULL,
    args: [enumOf('clockid', CLOCKS, 'CLOCK_???'), flags('flags', TFD_CREATE_FLAGS, 'TFD_???')],
  },
  timerfd_settime: {
    x86_64: 286, aarch64: 86, run: timerfd_settime, ret: 'int', support: FULL,
    args: [fd('fd'), flags('flags', TFD_SETTIME_FLAGS, 'TFD_???'), itimerspec('new_value'), itimerspec('old_value', { out: true })],
  },
  timerfd_gettime: {
    x86_64: 287, aarch64: 87, run: timerfd_gettime, ret: 'int', support: FULL,
    args: [fd('fd'), itimerspec('curr_value', { out: true })],
  },
  signalfd: {
    x86_64: 282, aarch64: null, run: signalfd, ret: 'fd', support: FULL,
    args: [fd('fd'), sigset('mask', { sizeArg: 2 }), size('sizemask')],
  },
  signalfd4: {
    x86_64: 289, aarch64: 74, run: signalfd4, ret: 'fd', support: FULL,
    args: [fd('fd'), sigset('mask', { sizeArg: 2 }), size('sizemask'), flags('flags', SFD_FLAGS, 'SFD_???')],
  },
}); // prettier-ignore
