/** Rows of the signal system calls. */
import { defineSyscalls, FULL } from '../syscall/define.ts';
import { enumOf, int, pid, sig, sigset, size, timespec } from '../trace/args.ts';
import { structure } from '../trace/layout.ts';
import { SIGPROCMASK_HOW, signalName } from '../trace/tables.ts';
import {
  pause, restart_syscall, rt_sigaction, rt_sigpending, rt_sigprocmask, rt_sigreturn, rt_sigsuspend, rt_sigtimedwait,
  sigaltstack,
} from './syscalls.ts'; // prettier-ignore
import { kill, rt_sigqueueinfo, rt_tgsigqueueinfo, tgkill, tkill } from './syscalls-kill.ts';
import {
  actionText,
  restartText,
  SIGACTION,
  siginfoArg,
  SIGINFO,
  sigreturnText,
  STACK,
  stackText,
} from './trace.ts';

export const signalRows = defineSyscalls({
  rt_sigaction: {
    x86_64: 13, aarch64: 134, run: rt_sigaction, ret: 'int', support: FULL,
    args: [sig('signum'), structure('act', actionText, SIGACTION), structure('oldact', actionText, SIGACTION, { out: true }), size('sigsetsize')],
  },
  rt_sigprocmask: {
    x86_64: 14, aarch64: 135, run: rt_sigprocmask, ret: 'int', support: FULL,
    args: [enumOf('how', SIGPROCMASK_HOW, 'SIG_???'), sigset('set', { sizeArg: 3 }), sigset('oldset', { out: true, sizeArg: 3 }), size('sigsetsize')],
  },
  rt_sigreturn: {
    x86_64: 15, aarch64: 139, run: rt_sigreturn, ret: 'int', support: FULL, args: [sigreturnText],
  },
  rt_sigpending: {
    x86_64: 127, aarch64: 136, run: rt_sigpending, ret: 'int', support: FULL,
    args: [sigset('set', { out: true }), size('sigsetsize')],
  },
  rt_sigtimedwait: {
    x86_64: 128, aarch64: 137, run: rt_sigtimedwait, ret: 'int', support: FULL, blocks: true,
    args: [sigset('set', { sizeArg: 3 }), structure('info', siginfoArg, SIGINFO, { out: true }), timespec('timeout'), size('sigsetsize')],
    aux: (_t, _a, ret) => (ret > 0 ? signalName(ret) : null),
  },
  rt_sigqueueinfo: {
    x86_64: 129, aarch64: 138, run: rt_sigqueueinfo, ret: 'int', support: FULL,
    args: [pid('tgid'), sig('sig'), structure('info', siginfoArg, SIGINFO)],
  },
  rt_sigsuspend: {
    x86_64: 130, aarch64: 133, run: rt_sigsuspend, ret: 'int', support: FULL, blocks: true,
    args: [sigset('mask', { sizeArg: 1 }), size('sigsetsize')],
  },
  sigaltstack: {
    x86_64: 131, aarch64: 132, run: sigaltstack, ret: 'int', support: FULL,
    args: [structure('ss', stackText, STACK), structure('old_ss', stackText, STACK, { out: true })],
  },
  pause: { x86_64: 34, aarch64: null, run: pause, ret: 'int', support: FULL, blocks: true, args: [] },
  kill: { x86_64: 62, aarch64: 129, run: kill, ret: 'int', support: FULL, args: [pid('pid'), sig('sig')] },
  tkill: { x86_64: 200, aarch64: 130, run: tkill, ret: 'int', support: FULL, args: [pid('tid'), sig('sig')] },
  tgkill: {
    x86_64: 234, aarch64: 131, run: tgkill, ret: 'int', support: FULL, args: [int('tgid'), pid('tid'), sig('sig')],
  },
  rt_tgsigqueueinfo: {
    x86_64: 297, aarch64: 240, run: rt_tgsigqueueinfo, ret: 'int', support: FULL,
    args: [pid('tgid'), pid('tid'), sig('sig'), structure('info', siginfoArg, SIGINFO)],
  },
  restart_syscall: {
    x86_64: 219, aarch64: 128, run: restart_syscall, ret: 'int', support: FULL, blocks: true, args: [restartText],
  },
}); // prettier-ignore
