/** System calls on tasks, credentials, limits and the machine as a whole. */
import { seccomp } from '../seccomp/seccomp.ts';
import { seccompArgs } from '../seccomp/trace.ts';
import { FULL, defineSyscalls, partial, refused } from '../syscall/define.ts';
import { enumOf, fd, flags, hex, int, long, path, pid, ptr, sig, size, str, struct, timespec, uint } from '../trace/args.ts'; // prettier-ignore
import { siginfoText } from '../trace/siginfo.ts';
import { decodeSigInfo, SIGINFO_SIZE } from '../signal/siginfo.ts';
import { addrText, enumText, flagsText } from '../trace/text.ts';
import { special } from '../trace/args.ts';
import { capget, capset } from './capabilities.ts';
import { execve, execveat } from './syscalls-exec.ts';
import { pidfd_getfd, pidfd_open, pidfd_send_signal } from './pidfd.ts';
import { rseq } from './rseq.ts';
import { clone, clone3, fork, setns, unshare, vfork } from './syscalls-clone.ts';
import * as ids from './syscalls-id.ts';
import {
  arch_prctl, personality, prctl, set_tid_address,
} from './syscalls-prctl.ts'; // prettier-ignore
import {
  getpriority, getrlimit, getrusage, ioprio_get, ioprio_set, prlimit64, setpriority, setrlimit, times,
} from './syscalls-resource.ts'; // prettier-ignore
import * as sched from './syscalls-sched.ts';
import { getpgid, getpgrp, getsid, setpgid, setsid } from './syscalls-session.ts';
import * as system from './syscalls-system.ts';
import { exit, exit_group, wait4, waitid } from './syscalls-wait.ts';
import * as T from './trace.ts';
import { prctlArgs, prctlAux } from './trace-prctl.ts';

const resource = enumOf('resource', T.RESOURCES, 'RLIMIT_???');
const AT_FLAGS = [[0x100, 'AT_SYMLINK_NOFOLLOW'], [0x1000, 'AT_EMPTY_PATH']] as const; // prettier-ignore
const CONTAINER = 'as in a container: the capability for it is not there';
const ONE_CPU = 'kept and read back; scheduling is round-robin for all';

export const taskRows = defineSyscalls({
  // Making, replacing and ending processes.
  fork: { x86_64: 57, aarch64: null, run: fork, ret: 'int', support: FULL, args: [] },
  vfork: { x86_64: 58, aarch64: null, run: vfork, ret: 'int', support: FULL, args: [], blocks: true },
  clone: {
    x86_64: 56, aarch64: 220, run: clone, ret: 'int', args: T.cloneArgs, blocks: true,
    support: partial('no namespaces'),
  },
  clone3: {
    x86_64: 435, aarch64: 435, run: clone3, ret: 'int', args: [T.clone3Args, size('size')], blocks: true,
    support: partial('no namespaces; there is no cgroup to start in'),
  },
  unshare: {
    x86_64: 272, aarch64: 97, run: unshare, ret: 'int', args: [flags('flags', T.UNSHARE_FLAGS, 'CLONE_???')],
    support: partial('files and fs only; no namespaces'),
  },
  execve: {
    x86_64: 59, aarch64: 221, run: execve, ret: 'int', support: FULL,
    args: [path('pathname'), T.stringVector('argv', false), T.stringVector('envp', true)],
  },
  execveat: {
    x86_64: 322, aarch64: 281, run: execveat, ret: 'int', support: FULL,
    args: [fd('dirfd'), path('pathname'), T.stringVector('argv', false), T.stringVector('envp', true), flags('flags', AT_FLAGS, 'AT_???')],
  },
  exit: { x86_64: 60, aarch64: 93, run: exit, ret: 'none', support: FULL, args: [int('status')] },
  exit_group: { x86_64: 231, aarch64: 94, run: exit_group, ret: 'none', support: FULL, args: [int('status')] },
  wait4: {
    x86_64: 61, aarch64: 260, run: wait4, ret: 'int', support: FULL, blocks: true,
    args: [pid('pid'), T.waitStatus, flags('options', T.WAIT_OPTIONS, 'W???'), T.rusageFound],
  },
  waitid: {
    x86_64: 247, aarch64: 95, run: waitid, ret: 'int', support: FULL, blocks: true,
    args: [enumOf('idtype', T.WAITID_TYPES, 'P_???'), pid('id'), T.waitInfo, flags('options', T.WAIT_OPTIONS, 'W???'), T.rusageOut],
  },
  pidfd_open: { x86_64: 434, aarch64: 434, run: pidfd_open, ret: 'fd', support: FULL, args: [pid('pid'), flags('flags', [[0o4000, 'PIDFD_NONBLOCK']], 'PIDFD_???')] },
  pidfd_getfd: { x86_64: 438, aarch64: 438, run: pidfd_getfd, ret: 'fd', support: FULL, args: [fd('pidfd'), int('targetfd'), hex('flags')] },
  pidfd_send_signal: {
    x86_64: 424, aarch64: 424, run: pidfd_send_signal, ret: 'int', support: FULL,
    args: [
      fd('pidfd'), sig('sig'),
      struct('info', (m, p) => {
        const v = m.viewIn(p, SIGINFO_SIZE);
        return v === null ? null : siginfoText(decodeSigInfo(v, v.getInt32(0, true)));
      }),
      hex('flags'),
    ],
  },

  // Numbers, groups and sessions.
  getpid: { x86_64: 39, aarch64: 172, run: ids.getpid, ret: 'int', support: FULL, args: [] },
  gettid: { x86_64: 186, aarch64: 178, run: ids.gettid, ret: 'int', support: FULL, args: [] },
  getppid: { x86_64: 110, aarch64: 173, run: ids.getppid, ret: 'int', support: FULL, args: [] },
  set_tid_address: { x86_64: 218, aarch64: 96, run: set_tid_address, ret: 'int', support: FULL, args: [ptr('tidptr')] },
  setpgid: { x86_64: 109, aarch64: 154, run: setpgid, ret: 'int', support: FULL, args: [pid('pid'), pid('pgid')] },
  getpgid: { x86_64: 121, aarch64: 155, run: getpgid, ret: 'int', support: FULL, args: [pid('pid')] },
  getpgrp: { x86_64: 111, aarch64: null, run: getpgrp, ret: 'int', support: FULL, args: [] },
  setsid: { x86_64: 112, aarch64: 157, run: setsid, ret: 'int', support: FULL, args: [] },
  getsid: { x86_64: 124, aarch64: 156, run: getsid, ret: 'int', support: FULL, args: [pid('pid')] },

  // Credentials.
  getuid: { x86_64: 102, aarch64: 174, run: ids.getuid, ret: 'int', support: FULL, args: [] },
  geteuid: { x86_64: 107, aarch64: 175, run: ids.geteuid, ret: 'int', support: FULL, args: [] },
  getgid: { x86_64: 104, aarch64: 176, run: ids.getgid, ret: 'int', support: FULL, args: [] },
  getegid: { x86_64: 108, aarch64: 177, run: ids.getegid, ret: 'int', support: FULL, args: [] },
  setuid: { x86_64: 105, aarch64: 146, run: ids.setuid, ret: 'int', support: FULL, args: [T.id('uid')] },
  setgid: { x86_64: 106, aarch64: 144, run: ids.setgid, ret: 'int', support: FULL, args: [T.id('gid')] },
  setreuid: { x86_64: 113, aarch64: 145, run: ids.setreuid, ret: 'int', support: FULL, args: [T.id('ruid'), T.id('euid')] },
  setregid: { x86_64: 114, aarch64: 143, run: ids.setregid, ret: 'int', support: FULL, args: [T.id('rgid'), T.id('egid')] },
  setresuid: { x86_64: 117, aarch64: 147, run: ids.setresuid, ret: 'int', support: FULL, args: [T.id('ruid'), T.id('euid'), T.id('suid')] },
  getresuid: { x86_64: 118, aarch64: 148, run: ids.getresuid, ret: 'int', support: FULL, args: [T.idPtr('ruid'), T.idPtr('euid'), T.idPtr('suid')] },
  setresgid: { x86_64: 119, aarch64: 149, run: ids.setresgid, ret: 'int', support: FULL, args: [T.id('rgid'), T.id('egid'), T.id('sgid')] },
  getresgid: { x86_64: 120, aarch64: 150, run: ids.getresgid, ret: 'int', support: FULL, args: [T.idPtr('rgid'), T.idPtr('egid'), T.idPtr('sgid')] },
  setfsuid: { x86_64: 122, aarch64: 151, run: ids.setfsuid, ret: 'int', support: FULL, args: [T.id('fsuid')] },
  setfsgid: { x86_64: 123, aarch64: 152, run: ids.setfsgid, ret: 'int', support: FULL, args: [T.id('fsgid')] },
  getgroups: { x86_64: 115, aarch64: 158, run: ids.getgroups, ret: 'int', support: FULL, args: [int('size'), T.idList('list', 0, true)] },
  setgroups: { x86_64: 116, aarch64: 159, run: ids.setgroups, ret: 'int', support: FULL, args: [int('size'), T.idList('list', 0, false)] },
  capget: { x86_64: 125, aarch64: 90, run: capget, ret: 'int', support: FULL, args: [T.capHeader, T.capData(true)] },
  capset: { x86_64: 126, aarch64: 91, run: capset, ret: 'int', support: FULL, args: [T.capHeader, T.capData(false)] },

  // Settings of a task.
  prctl: {
    x86_64: 157, aarch64: 167, run: prctl, ret: 'int', args: prctlArgs, aux: prctlAux,
    support: partial('no PR_SET_MM, PR_SET_TSC(SIGSEGV), core scheduling or syscall user dispatch'),
  },
  arch_prctl: {
    x86_64: 158, aarch64: null, run: arch_prctl, ret: 'int', support: FULL,
    args: [
      enumOf('code', T.ARCH_PRCTL, 'ARCH_???'),
      special('addr', (t, a, i, ret) => {
        const get = [0x1003, 0x1004, 0x1021, 0x1022].includes(a.u32(0)) && ret === 0;
        const n = get ? t.mm.u64(a.ptr(i)) : null;
        if (a.u32(0) === 0x1011) return '';
        return n === null ? addrText(a.big(i)) : `[${addrText(n)}]`;
      }, { out: true }),
    ],
  },
  personality: {
    x86_64: 135, aarch64: 92, run: personality, ret: 'hex', args: [special('persona', (_t, a) => (a.u32(0) === 0 ? 'PER_LINUX' : `0x${a.u32(0).toString(16)}`))],
    support: partial('kept and inherited; ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC and the like have no effect'),
    aux: (_t, _a, ret) => (ret === 0 ? 'PER_LINUX' : null),
  },
  rseq: { x86_64: 334, aarch64: 293, run: rseq, ret: 'int', support: FULL, args: [ptr('rseq'), hex('rseq_len'), flags('flags', [[1, 'RSEQ_FLAG_UNREGISTER']], 'RSEQ_FLAG_???'), hex('sig')] },
  membarrier: {
    x86_64: 324, aarch64: 283, run: system.membarrier, support: FULL,
    ret: (a) => (a.i32(0) === 0 ? 'hex' : 'int'),
    args: [enumOf('cmd', T.MEMBARRIER_CMDS, 'MEMBARRIER_CMD_???'), flags('flags', [[1, 'MEMBARRIER_CMD_FLAG_CPU']], 'MEMBARRIER_CMD_FLAG_???'), special('cpu_id', (_t, a) => ((a.u32(1) & 1) !== 0 ? String(a.i32(2)) : ''))],
    aux: (_t, a, ret) => (a.i32(0) === 0 && ret > 0 ? flagsText(ret, T.MEMBARRIER_CMDS) : null),
  },

  // Limits and usage.
  getrlimit: { x86_64: 97, aarch64: 163, run: getrlimit, ret: 'int', support: FULL, args: [resource, T.rlimit('rlim', true)] },
  setrlimit: { x86_64: 160, aarch64: 164, run: setrlimit, ret: 'int', support: partial('RLIMIT_RTTIME is not enforced'), args: [resource, T.rlimit('rlim', false)] },
  prlimit64: {
    x86_64: 302, aarch64: 261, run: prlimit64, ret: 'int', support: partial('RLIMIT_RTTIME is not enforced'),
    args: [pid('pid'), resource, T.rlimit('new_limit', false), T.rlimit('old_limit', true)],
  },
  getrusage: { x86_64: 98, aarch64: 165, run: getrusage, ret: 'int', support: partial('user time is retired instructions; no I/O counts'), args: [enumOf('who', T.RUSAGE_WHO, 'RUSAGE_???'), T.rusageOut] },
  times: { x86_64: 100, aarch64: 153, run: times, ret: 'int', support: FULL, args: [T.tmsOut] },
  getpriority: { x86_64: 140, aarch64: 141, run: getpriority, ret: 'int', support: FULL, args: [enumOf('which', T.PRIORITY_WHICH, 'PRIO_???'), int('who')] },
  setpriority: { x86_64: 141, aarch64: 140, run: setpriority, ret: 'int', support: partial(ONE_CPU), args: [enumOf('which', T.PRIORITY_WHICH, 'PRIO_???'), int('who'), int('prio')] },
  ioprio_get: {
    x86_64: 252, aarch64: 31, run: ioprio_get, ret: 'int', support: FULL, args: [enumOf('which', T.IOPRIO_WHICH, 'IOPRIO_WHO_???'), int('who')],
    aux: (_t, _a, ret) => (ret >= 0 ? T.ioprioText(ret) : null),
  },
  ioprio_set: { x86_64: 251, aarch64: 30, run: ioprio_set, ret: 'int', support: partial('kept and read back'), args: [enumOf('which', T.IOPRIO_WHICH, 'IOPRIO_WHO_???'), int('who'), special('ioprio', (_t, a) => T.ioprioText(a.i32(2)))] },

  // Scheduling.
  sched_yield: { x86_64: 24, aarch64: 124, run: sched.sched_yield, ret: 'int', support: FULL, args: [] },
  sched_getaffinity: { x86_64: 204, aarch64: 123, run: sched.sched_getaffinity, ret: 'int', support: FULL, args: [pid('pid'), uint('cpusetsize'), T.cpuMask(true)] },
  sched_setaffinity: { x86_64: 203, aarch64: 122, run: sched.sched_setaffinity, ret: 'int', support: partial(ONE_CPU), args: [pid('pid'), uint('cpusetsize'), T.cpuMask(false)] },
  sched_setscheduler: { x86_64: 144, aarch64: 119, run: sched.sched_setscheduler, ret: 'int', support: partial(ONE_CPU), args: [pid('pid'), T.policy('policy'), T.schedParam(false)] },
  sched_getscheduler: {
    x86_64: 145, aarch64: 120, run: sched.sched_getscheduler, ret: 'int', support: FULL, args: [pid('pid')],
    aux: (_t, _a, ret) => (ret >= 0 ? enumText(ret & ~0x40000000, T.POLICIES, 'SCHED_???') : null),
  },
  sched_setparam: { x86_64: 142, aarch64: 118, run: sched.sched_setparam, ret: 'int', support: partial(ONE_CPU), args: [pid('pid'), T.schedParam(false)] },
  sched_getparam: { x86_64: 143, aarch64: 121, run: sched.sched_getparam, ret: 'int', support: FULL, args: [pid('pid'), T.schedParam(true)] },
  sched_setattr: { x86_64: 314, aarch64: 274, run: sched.sched_setattr, ret: 'int', support: partial('no SCHED_DEADLINE'), args: [pid('pid'), T.schedAttr(false), hex('flags')] },
  sched_getattr: { x86_64: 315, aarch64: 275, run: sched.sched_getattr, ret: 'int', support: FULL, args: [pid('pid'), T.schedAttr(true), uint('size'), hex('flags')] },
  sched_get_priority_max: { x86_64: 146, aarch64: 125, run: sched.sched_get_priority_max, ret: 'int', support: FULL, args: [T.policy('policy')] },
  sched_get_priority_min: { x86_64: 147, aarch64: 126, run: sched.sched_get_priority_min, ret: 'int', support: FULL, args: [T.policy('policy')] },
  sched_rr_get_interval: { x86_64: 148, aarch64: 127, run: sched.sched_rr_get_interval, ret: 'int', support: FULL, args: [pid('pid'), timespec('tp', { out: true })] },
  getcpu: { x86_64: 309, aarch64: 168, run: sched.getcpu, ret: 'int', support: FULL, args: [T.idPtr('cpu'), T.idPtr('node'), ptr('tcache')] },

  // The machine.
  uname: { x86_64: 63, aarch64: 160, run: system.uname, ret: 'int', support: FULL, args: [T.utsname] },
  sysinfo: { x86_64: 99, aarch64: 179, run: system.sysinfo, ret: 'int', support: FULL, args: [T.sysinfoOut] },
  sethostname: { x86_64: 170, aarch64: 161, run: system.sethostname, ret: 'int', support: FULL, args: [str('name'), int('len')] },
  setdomainname: { x86_64: 171, aarch64: 162, run: system.setdomainname, ret: 'int', support: FULL, args: [str('name'), int('len')] },
  getrandom: { x86_64: 318, aarch64: 278, run: system.getrandom, ret: 'size', support: FULL, args: [T.randomBytes, size('buflen'), flags('flags', T.GRND_FLAGS, 'GRND_???')] },
  syslog: { x86_64: 103, aarch64: 116, run: system.syslog, ret: 'int', support: partial('the log is empty'), args: [special('type', (_t, a) => `${a.i32(0)} /* ${enumText(a.i32(0), T.SYSLOG_ACTIONS, 'SYSLOG_ACTION_???')} */`), ptr('bufp'), int('len')] },
  kcmp: { x86_64: 312, aarch64: 272, run: system.kcmp, ret: 'int', support: partial('no KCMP_EPOLL_TFD'), args: [pid('pid1'), pid('pid2'), enumOf('type', T.KCMP_TYPES, 'KCMP_???'), size('idx1'), size('idx2')] },
  vhangup: { x86_64: 153, aarch64: 58, run: system.vhangup, ret: 'int', support: partial('nothing to hang up'), args: [] },

  // Refused, as a container refuses them.
  ptrace: { x86_64: 101, aarch64: 117, run: system.ptrace, ret: 'int', support: refused('the tracer sees everything already'), args: [long('request'), pid('pid'), ptr('addr'), ptr('data')] },
  seccomp: { x86_64: 317, aarch64: 277, run: seccomp, ret: 'int', support: FULL, args: seccompArgs },
  fanotify_init: { x86_64: 300, aarch64: 262, run: system.notPermitted, ret: 'fd', support: refused(CONTAINER), args: [hex('flags'), hex('event_f_flags')] },
  fanotify_mark: { x86_64: 301, aarch64: 263, run: system.notPermitted, ret: 'int', support: refused(CONTAINER), args: [fd('fanotify_fd'), hex('flags'), hex('mask'), fd('dirfd'), path('pathname')] },
  reboot: { x86_64: 169, aarch64: 142, run: system.notPermitted, ret: 'int', support: refused(CONTAINER), args: [hex('magic'), hex('magic2'), hex('op'), ptr('arg')] },
  acct: { x86_64: 163, aarch64: 89, run: system.notPermitted, ret: 'int', support: refused(CONTAINER), args: [path('filename')] },
  swapon: { x86_64: 167, aarch64: 224, run: system.notPermitted, ret: 'int', support: refused(CONTAINER), args: [path('path'), hex('swapflags')] },
  swapoff: { x86_64: 168, aarch64: 225, run: system.notPermitted, ret: 'int', support: refused(CONTAINER), args: [path('path')] },
  iopl: { x86_64: 172, aarch64: null, run: system.notPermitted, ret: 'int', support: refused(CONTAINER), args: [int('level')] },
  ioperm: { x86_64: 173, aarch64: null, run: system.notPermitted, ret: 'int', support: refused(CONTAINER), args: [hex('from'), hex('num'), int('turn_on')] },
  init_module: { x86_64: 175, aarch64: 105, run: system.notPermitted, ret: 'int', support: refused(CONTAINER), args: [ptr('module_image'), size('len'), str('param_values')] },
  finit_module: { x86_64: 313, aarch64: 273, run: system.notPermitted, ret: 'int', support: refused(CONTAINER), args: [fd('fd'), str('param_values'), hex('flags')] },
  delete_module: { x86_64: 176, aarch64: 106, run: system.notPermitted, ret: 'int', support: refused(CONTAINER), args: [str('name'), hex('flags')] },
  kexec_load: { x86_64: 246, aarch64: 104, run: system.notPermitted, ret: 'int', support: refused(CONTAINER), args: [ptr('entry'), size('nr_segments'), ptr('segments'), hex('flags')] },
  kexec_file_load: { x86_64: 320, aarch64: 294, run: system.notPermitted, ret: 'int', support: refused(CONTAINER), args: [fd('kernel_fd'), fd('initrd_fd'), size('cmdline_len'), str('cmdline'), hex('flags')] },
  bpf: { x86_64: 321, aarch64: 280, run: system.notPermitted, ret: 'int', support: refused('as with unprivileged_bpf_disabled'), args: [uint('cmd'), ptr('attr'), uint('size')] },
  perf_event_open: { x86_64: 298, aarch64: 241, run: system.accessDenied, ret: 'int', support: refused('as with perf_event_paranoid=3'), args: [ptr('attr'), pid('pid'), int('cpu'), fd('group_fd'), hex('flags')] },
  userfaultfd: { x86_64: 323, aarch64: 282, run: system.notPermitted, ret: 'int', support: refused('as with unprivileged_userfaultfd=0'), args: [hex('flags')] },
  setns: { x86_64: 308, aarch64: 268, run: setns, ret: 'int', support: partial('the namespaces there are: one of each kind'), args: [fd('fd'), flags('nstype', T.UNSHARE_FLAGS, 'CLONE_NEW???')] },
}); // prettier-ignore
