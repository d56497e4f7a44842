import { defineSyscalls, FULL, partial } from '../../syscall/define.ts';
import { fd, flags, int, path, special, str, uint, type Table } from '../../trace/args.ts';
import { flagsText } from '../../trace/text.ts';
import { memfdCreate } from './memfd.ts';
import {
  eventfd, eventfd2, inotifyAddWatch, inotifyInit, inotifyInit1, inotifyRmWatch,
} from './syscalls.ts'; // prettier-ignore

const EFD_FLAGS = [
  [1, 'EFD_SEMAPHORE'],
  [0o2000000, 'EFD_CLOEXEC'],
  [0o4000, 'EFD_NONBLOCK'],
] as const satisfies Table;
const INOTIFY_INIT_FLAGS = [
  [0o4000, 'IN_NONBLOCK'],
  [0o2000000, 'IN_CLOEXEC'],
] as const satisfies Table;
const INOTIFY_FLAGS = [
  [0x1, 'IN_ACCESS'],
  [0x2, 'IN_MODIFY'],
  [0x4, 'IN_ATTRIB'],
  [0x8, 'IN_CLOSE_WRITE'],
  [0x10, 'IN_CLOSE_NOWRITE'],
  [0x20, 'IN_OPEN'],
  [0x40, 'IN_MOVED_FROM'],
  [0x80, 'IN_MOVED_TO'],
  [0x100, 'IN_CREATE'],
  [0x200, 'IN_DELETE'],
  [0x400, 'IN_DELETE_SELF'],
  [0x800, 'IN_MOVE_SELF'],
  [0x2000, 'IN_UNMOUNT'],
  [0x4000, 'IN_Q_OVERFLOW'],
  [0x8000, 'IN_IGNORED'],
  [0x01000000, 'IN_ONLYDIR'],
  [0x02000000, 'IN_DONT_FOLLOW'],
  [0x04000000, 'IN_EXCL_UNLINK'],
  [0x10000000, 'IN_MASK_CREATE'],
  [0x20000000, 'IN_MASK_ADD'],
  [0x40000000, 'IN_ISDIR'],
  [0x80000000, 'IN_ONESHOT'],
] as const satisfies Table;

const MFD_FLAGS = [
  [1, 'MFD_CLOEXEC'],
  [2, 'MFD_ALLOW_SEALING'],
  [4, 'MFD_HUGETLB'],
] as const satisfies Table;
/** The size of a huge page is a number in the upper bits. */
function memfdFlagsText(value: number): string {
  const size = value >>> 26;
  if (!(value & 4) || size === 0) return flagsText(value, MFD_FLAGS, 'MFD_???');
  return `${flagsText(value & 0x3ffffff, MFD_FLAGS)}|${size}<<MFD_HUGE_SHIFT`;
}

const initial = uint('initval');
const inotifyMask = flags('mask', INOTIFY_FLAGS, 'IN_???');

export const anonRows = defineSyscalls({
  eventfd: { x86_64: 284, aarch64: null, run: eventfd, ret: 'fd', support: FULL, args: [initial] },
  eventfd2: {
    x86_64: 290, aarch64: 19, run: eventfd2, ret: 'fd', support: FULL, args: [initial, flags('flags', EFD_FLAGS, 'EFD_???')],
  },
  memfd_create: {
    x86_64: 319,
    aarch64: 279,
    run: memfdCreate,
    ret: 'fd',
    support: partial('MFD_HUGETLB is refused: there are no huge pages'),
    args: [str('name'), special('flags', (_t, a) => memfdFlagsText(a.u32(1)))],
  },
  inotify_init: { x86_64: 253, aarch64: null, run: inotifyInit, ret: 'fd', support: FULL, args: [] },
  inotify_init1: {
    x86_64: 294, aarch64: 26, run: inotifyInit1, ret: 'fd', support: FULL,
    args: [flags('flags', INOTIFY_INIT_FLAGS, 'IN_???')],
  },
  inotify_add_watch: {
    x86_64: 254, aarch64: 27, run: inotifyAddWatch, ret: 'int',
    support: FULL,
    args: [fd('fd'), path('pathname'), inotifyMask],
  },
  inotify_rm_watch: {
    x86_64: 255, aarch64: 28, run: inotifyRmWatch, ret: 'int', support: FULL, args: [fd('fd'), int('wd')],
  },
}); // prettier-ignore
