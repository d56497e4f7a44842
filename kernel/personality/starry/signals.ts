/** Signals in StarryOS. */
import { EINTR, EINVAL, ESRCH } from '../../abi/errno.ts';
import { setSigmask } from '../../signal/send.ts';
import { park } from '../../wait.ts';
import type { Quirk, Wrap } from '../quirk.ts';
import { after, before } from '../wrap.ts';

const KILL = 'linux_syscall_api src/syscall_task/imp/signal.rs';
const DELIVERY = 'Starry modules/axprocess/src/signal.rs handle_signals';

/** The mask is set and stays; the call ends as soon as something is pending. */
const keepMask: Wrap = () => (t, a) => {
  if (t.parked !== null) return -EINTR;
  const mask = t.mm.u64(a.ptr(0));
  if (mask === null) return -EINVAL;
  setSigmask(t, mask);
  return park({ on: [], interrupted: EINTR });
};

export const signalQuirks: readonly Quirk[] = [
  {
    name: 'signal-ignored-deafens',
    group: 'signals',
    symptom: 'after a signal set to SIG_IGN has come, no handler runs in that thread any more',
    linux: 'it is ignored',
    source: `${DELIVERY} (the saved trap frame stays)`,
    behaviour: { ignoredDeafens: true },
  },
  {
    name: 'signal-nested-dropped',
    group: 'signals',
    symptom: 'a signal that comes while a handler runs is lost',
    linux: 'it is handled then, or stays pending while it is blocked',
    source: DELIVERY,
    behaviour: { nestedDropped: true },
  },
  {
    name: 'sigaction-flags-ignored',
    group: 'signals',
    symptom: 'sa_mask, SA_NODEFER and SA_RESETHAND have no effect; SA_RESTART only in wait4',
    linux: 'honoured',
    source: DELIVERY,
    behaviour: { plainHandlers: true },
  },
  {
    name: 'siginfo-empty',
    group: 'signals',
    symptom:
      'si_code is −6 (SI_TKILL) and si_pid 0, whoever sent the signal: its record is looked for under the number before',
    linux: 'who sent it and how',
    source: `${DELIVERY} (info.get(&(sig_num - 1)))`,
    behaviour: { emptySiginfo: true },
  },
  {
    name: 'ucontext-pc-only',
    group: 'signals',
    symptom: "a handler's ucontext has the pc and zeros; what it changes there but the pc is ignored",
    linux: 'all registers; changes count',
    source: 'Starry modules/axsignal/src/ucontext; load_trap_for_signal',
    behaviour: { ucontextPcOnly: true },
  },
  {
    name: 'kill-positive-only',
    group: 'signals',
    symptom: 'kill with signal 0 or a negative pid is EINVAL, with pid 0 ESRCH; a pid that is not there is 0',
    linux: 'signal 0 checks, 0 and negative pids are groups; ESRCH',
    source: `${KILL} syscall_kill`,
    calls: {
      kill: (linux) => (t, a) => {
        const pid = a.i32(0);
        if (pid > 0 && a.i32(1) > 0) {
          const r = linux(t, a);
          return r === -ESRCH ? 0 : r;
        }
        return pid === 0 ? -ESRCH : -EINVAL;
      },
    },
  },
  {
    name: 'tkill-missing-ok',
    group: 'signals',
    symptom: 'tkill and tgkill of a thread that is not there return 0; signal 0 is EINVAL',
    linux: 'ESRCH; signal 0 checks',
    source: KILL,
    calls: {
      tkill: (linux) => (t, a) => (a.i32(1) <= 0 ? -EINVAL : found(linux(t, a) as number)),
      tgkill: (linux) => (t, a) => (a.i32(2) <= 0 ? -EINVAL : found(linux(t, a) as number)),
    },
  },
  {
    name: 'process-signals-leader',
    group: 'signals',
    symptom: "a process's signals reach its first thread only, blocked there or not",
    linux: 'any thread that does not block them',
    source: `${DELIVERY.replace('handle_signals', 'send_signal_to_process')}`,
    behaviour: { leaderOnly: true },
  },
  {
    name: 'stop-signals-panic',
    group: 'signals',
    symptom: 'SIGSTOP, SIGTSTP and SIGCONT with their default action panic',
    linux: 'job control',
    source: `${DELIVERY} (unimplemented!())`,
    behaviour: { jobControl: false },
  },
  {
    name: 'no-sigpipe',
    group: 'signals',
    symptom: 'SIGPIPE is never raised',
    linux: 'by a write nobody can read',
    source: 'linux_syscall_api src/syscall_fs/imp/io.rs syscall_write',
    behaviour: { sigpipe: false },
  },
  {
    name: 'sigsuspend-keeps-mask',
    group: 'signals',
    symptom: 'the mask of rt_sigsuspend stays when it returns',
    linux: 'the old one comes back',
    source: `${KILL} syscall_sigsuspend`,
    calls: { rt_sigsuspend: keepMask },
  },
  {
    name: 'sigtimedwait-at-once',
    group: 'signals',
    symptom: 'rt_sigtimedwait returns 0 at once',
    linux: "it waits, and returns the signal's number",
    source: 'linux_syscall_api src/syscall_task/mod.rs (SIGTIMEDWAIT => Ok(0))',
    calls: { rt_sigtimedwait: before(() => 0) },
  },
  {
    name: 'sigaction-kill-eperm',
    group: 'signals',
    symptom: 'rt_sigaction of SIGKILL or SIGSTOP is EPERM, even to read it',
    linux: 'EINVAL to change it, 0 to read it',
    source: `${KILL} syscall_sigaction`,
    calls: { rt_sigaction: after((_t, a, r) => (a.i32(0) === 9 || a.i32(0) === 19 ? -1 : r)) },
  },
];

const found = (r: number): number => (r === -ESRCH ? 0 : r);
