/**
 * Calls of Linux 6.1 that no mechanism implements: they return -ENOSYS and are reported once. Numbers are those of
 * asm/unistd_64.h and asm-generic/unistd.h. A module that implements one takes its line out of here.
 */
import { ABSENT, defineSyscalls } from './define.ts';
import { type ArgType, hex } from '../trace/args.ts';

type Words<S extends string> = S extends `${infer Word} ${infer Rest}` ? Word | Words<Rest> : S;

/** A row without a handler; `params` are its parameters' names, shown as raw values. */
function absent<P extends string>(x86_64: number | null, aarch64: number | null, params: P) {
  const names = params === '' ? [] : (params.split(' ') as Words<P>[]);
  const args: readonly ArgType<Words<P>, number>[] = names.map((name) => hex(name));
  return { x86_64, aarch64, ret: 'int', support: ABSENT, args } as const;
}

// prettier-ignore
export const absentRows = defineSyscalls({
  uselib: absent(134, null, 'library'),
  modify_ldt: absent(154, null, 'func ptr bytecount'),
  _sysctl: absent(156, null, 'args'),
  create_module: absent(174, null, 'name size'),
  get_kernel_syms: absent(177, null, 'table'),
  query_module: absent(178, null, 'name which buf bufsize ret'),
  quotactl: absent(179, 60, 'cmd special id addr'),
  nfsservctl: absent(180, 42, 'cmd argp resp'),
  getpmsg: absent(181, null, ''),
  putpmsg: absent(182, null, ''),
  afs_syscall: absent(183, null, ''),
  tuxcall: absent(184, null, ''),
  security: absent(185, null, ''),
  set_thread_area: absent(205, null, 'u_info'),
  io_setup: absent(206, 0, 'nr_events ctx_idp'),
  io_destroy: absent(207, 1, 'ctx_id'),
  io_getevents: absent(208, 4, 'ctx_id min_nr nr events timeout'),
  io_submit: absent(209, 2, 'ctx_id nr iocbpp'),
  io_cancel: absent(210, 3, 'ctx_id iocb result'),
  get_thread_area: absent(211, null, 'u_info'),
  lookup_dcookie: absent(212, 18, 'cookie buffer len'),
  epoll_ctl_old: absent(214, null, ''),
  epoll_wait_old: absent(215, null, ''),
  vserver: absent(236, null, ''),
  open_by_handle_at: absent(304, 265, 'mount_fd handle flags'),
  io_pgetevents: absent(333, 292, 'ctx_id min_nr nr events timeout usig'),
  io_uring_setup: absent(425, 425, 'entries params'),
  io_uring_enter: absent(426, 426, 'fd to_submit min_complete flags argp argsz'),
  io_uring_register: absent(427, 427, 'fd opcode arg nr_args'),
  open_tree: absent(428, 428, 'dirfd filename flags'),
  move_mount: absent(429, 429, 'from_dfd from_path to_dfd to_path flags'),
  fsopen: absent(430, 430, 'fs_name flags'),
  fsconfig: absent(431, 431, 'fs_fd cmd key value aux'),
  fsmount: absent(432, 432, 'fs_fd flags ms_flags'),
  fspick: absent(433, 433, 'dfd path flags'),
  process_madvise: absent(440, 440, 'pidfd iov vlen advice flags'),
  mount_setattr: absent(442, 442, 'dirfd pathname flags uattr usize'),
  quotactl_fd: absent(443, 443, 'fd cmd id addr'),
  landlock_create_ruleset: absent(444, 444, 'attr size flags'),
  landlock_add_rule: absent(445, 445, 'ruleset_fd rule_type rule_attr flags'),
  landlock_restrict_self: absent(446, 446, 'ruleset_fd flags'),
  memfd_secret: absent(447, 447, 'flags'),
  process_mrelease: absent(448, 448, 'pidfd flags'),
});
