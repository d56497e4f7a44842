/** epoll, poll and select: which results their arguments allow. */
import type { Verdict, View } from './finding.ts';
import type { Rule } from './rules.ts';

const ADD = 1;
const DEL = 2;
const MOD = 3;
const EP_MAX_EVENTS = Math.floor(0x7fffffff / 12);
/** Logs round times down to microseconds. */
const CLOCK_ERROR = 2e-6;

const epollCtl: Rule = (c) => {
  const op = c.i32(1);
  const fd = c.i32(2);
  const event = c.u64(3);
  if (op === DEL && c.error === 'EFAULT')
    return {
      rule: 'epoll-del-event', linux: `0, or ENOENT when fd ${fd} is not in the set`,
      why: 'EPOLL_CTL_DEL does not look at the event: it may be NULL (since Linux 2.6.9).',
      man: 'epoll_ctl(2), EPOLL_CTL_DEL and BUGS',
    }; // prettier-ignore
  if (c.ok && op !== null && op !== ADD && op !== DEL && op !== MOD)
    return {
      rule: 'epoll-op',
      linux: 'EINVAL',
      why: `There is no operation ${op}.`,
      man: 'epoll_ctl(2), ERRORS',
    };
  if (c.ok && (op === ADD || op === MOD) && event === 0)
    return {
      rule: 'epoll-no-event', linux: 'EFAULT', why: 'There is no event at address 0.', man: 'epoll_ctl(2), ERRORS',
    }; // prettier-ignore
  return c.ok && c.result !== 0
    ? { rule: 'not-zero', linux: '0', why: 'The call has no other successful result.', man: 'epoll_ctl(2)' }
    : null;
};

/** `none`: a call that found nothing has waited all of its time. */
function early(c: View, ms: number | null, page: string): Verdict | null {
  if (ms === null || c.result !== 0) return null;
  if (ms < 0)
    return {
      rule: 'wait-forever', linux: 'a number of 1 or more, or EINTR',
      why: 'The timeout is negative: it waits until there is something to tell.', man: `${page}, timeout`,
    }; // prettier-ignore
  const { seconds } = c;
  if (seconds === null || seconds + CLOCK_ERROR >= ms / 1000) return null;
  return {
    rule: 'wait-too-short', linux: `0 after ${ms} ms`,
    why: `It gave up after ${(seconds * 1000).toFixed(3)} ms of the ${ms} ms it was given.`, man: `${page}, timeout`,
  }; // prettier-ignore
}

const epollWait: Rule = (c) => {
  const max = c.i32(2);
  const man = 'epoll_wait(2), ERRORS';
  if (max !== null) {
    if (c.ok && (max <= 0 || max > EP_MAX_EVENTS))
      return { rule: 'epoll-maxevents', linux: 'EINVAL', why: `maxevents is ${max}.`, man };
    if (c.result > max)
      return {
        rule: 'epoll-too-many',
        linux: `at most ${max}`,
        why: `There is room for ${max} events.`,
        man,
      };
  }
  return c.name === 'epoll_pwait2' ? null : early(c, c.i32(3), 'epoll_wait(2)');
};

const poll: Rule = (c) => {
  const nfds = c.u32(1);
  if (nfds === 0 && c.error === 'EFAULT')
    return {
      rule: 'poll-nothing', linux: '0 after the timeout',
      why: 'With no descriptors the array is not looked at.', man: 'poll(2)',
    }; // prettier-ignore
  if (nfds !== null && c.result > nfds)
    return { rule: 'poll-too-many', linux: `at most ${nfds}`, why: `${nfds} descriptors were given.`, man: 'poll(2), RETURN VALUE' };
  return c.name === 'poll' ? early(c, c.i32(2), 'poll(2)') : null;
}; // prettier-ignore

const epollCreate: Rule = (c) => {
  const size = c.i32(0);
  if (c.name !== 'epoll_create' || size === null) return null;
  if (c.ok && size <= 0)
    return { rule: 'epoll-size', linux: 'EINVAL', why: 'The size must be positive.', man: 'epoll_create(2), ERRORS' };
  if (c.error === 'EINVAL' && size > 0)
    return { rule: 'epoll-size', linux: 'a descriptor', why: 'Any positive size will do.', man: 'epoll_create(2), ERRORS' };
  return null;
}; // prettier-ignore

export const pollRules: Readonly<Record<string, readonly Rule[]>> = {
  epoll_ctl: [epollCtl],
  epoll_wait: [epollWait],
  epoll_pwait: [epollWait],
  epoll_pwait2: [epollWait],
  epoll_create: [epollCreate],
  poll: [poll],
  ppoll: [poll],
};
