/** Blocking on sockets: what a call that found nothing to do answers, and moving bytes with waits in between. */
import { EAGAIN, EINTR, EPIPE, ERESTARTSYS } from '../abi/errno.ts';
import type { IoBuf } from '../mm/iobuf.ts';
import type { Task } from '../task/task.ts';
import { park } from '../wait.ts';
import type { SysResult } from '../wait.ts';
import {
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_FASTOPEN,
  MSG_NOSIGNAL,
  MSG_PEEK,
  MSG_WAITALL,
  RCV_SHUTDOWN,
} from './constants.ts';
import type { Received, Sending, Socket } from './socket.ts';

/** How far a call that parked has come; `index` counts whole messages of sendmmsg and recvmmsg. */
export interface Progress {
  readonly done: number;
  readonly index: number;
}

export const progressOf = (t: Task): Progress =>
  t.parked !== null ? (t.parked.data as Progress) : { done: 0, index: 0 };

export const nonblocking = (s: Socket, flags: number): boolean =>
  s.nonblocking || (flags & MSG_DONTWAIT) !== 0;

/** Waits on the socket for at most `ns` from the first time on; -EAGAIN once that is over (sock_intr_errno). */
export function waitOn(t: Task, s: Socket, ns: number, data: Progress, exclusive = false): SysResult {
  if (t.woken === 'timeout') return -EAGAIN;
  const deadline = t.parked ? t.parked.deadline : t.kernel.clock.monotonic() + ns;
  return park({
    on: s.waiters,
    deadline,
    interrupted: ns === Infinity ? ERESTARTSYS : EINTR,
    data,
    exclusive,
  });
}

/** True when a wait that has made progress must end with what it has. */
const mustStop = (t: Task, s: Socket, flags: number): boolean =>
  nonblocking(s, flags) || t.woken === 'timeout' || t.woken === 'signal';

/** Receives into `buf`, waiting as the socket and the flags say. */
export function receive(t: Task, s: Socket, buf: IoBuf, flags: number, r: Received, p: Progress): SysResult {
  const wait = (done: number): SysResult => {
    if (done > 0 && mustStop(t, s, flags)) return done;
    // Nobody waits for the error queue.
    if (nonblocking(s, flags) || flags & MSG_ERRQUEUE) return -EAGAIN;
    return waitOn(t, s, s.options.rcvtimeo, { done: flags & MSG_PEEK ? 0 : done, index: p.index });
  };
  if (!s.stream) {
    const n = s.receive(t, buf, flags, r);
    return n === -EAGAIN ? wait(0) : n;
  }
  const target = flags & MSG_WAITALL ? buf.length : Math.min(s.options.rcvlowat, buf.length);
  let done = p.done;
  for (;;) {
    if (done > 0 && s.error) return done;
    const n = s.receive(t, done === 0 ? buf : buf.slice(done), flags, r);
    if (n === -EAGAIN) return wait(done);
    if (n <= 0) return done || n;
    if (flags & MSG_PEEK) return n >= target || s.down & RCV_SHUTDOWN ? n : wait(n);
    done += n;
    // A read of a stream stops where files came along.
    if (done >= target || (r.control && s.family === AF_UNIX)) return done;
  }
}

/** Sends `buf`; a stream goes on until all is taken. SIGPIPE as the flags say. */
export function send(t: Task, s: Socket, buf: IoBuf, m: Sending, p: Progress): SysResult {
  let done = p.done;
  for (;;) {
    const first = done === 0;
    const rest = { ...m, control: null, flags: m.flags & ~MSG_FASTOPEN };
    const n = s.send(t, first ? buf : buf.slice(done), first ? m : rest);
    if (n > 0) {
      done += n;
      if (!s.stream || done >= buf.length) return done;
      continue;
    }
    if (n === -EAGAIN) {
      if (done > 0 && mustStop(t, s, m.flags)) return done;
      if (nonblocking(s, m.flags)) return -EAGAIN;
      return waitOn(t, s, s.options.sndtimeo, { done, index: p.index });
    }
    if (done > 0) return done;
    if (n === -EPIPE && !(m.flags & MSG_NOSIGNAL)) s.brokenPipe(t);
    return n;
  }
}
