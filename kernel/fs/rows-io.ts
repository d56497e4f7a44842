/** Rows of the calls that move bytes. */
import { defineSyscalls, FULL, partial } from '../syscall/define.ts';
import {
  enumOf, fd, flags, hex, inBytes, iovec, off, outBytes, size, special, ulong, type Table,
} from '../trace/args.ts'; // prettier-ignore
import { flagsText } from '../trace/text.ts';
import { WHENCE } from '../trace/tables.ts';
import * as rw from './syscalls-rw.ts';
import * as copy from './syscalls-copy.ts';
import * as attr from './syscalls-attr.ts';
import { offset, sendOffset } from './trace.ts';

const RWF = [
  [1, 'RWF_HIPRI'], [2, 'RWF_DSYNC'], [4, 'RWF_SYNC'], [8, 'RWF_NOWAIT'], [16, 'RWF_APPEND'],
] as const satisfies Table; // prettier-ignore
const SPLICE = [
  [1, 'SPLICE_F_MOVE'], [2, 'SPLICE_F_NONBLOCK'], [4, 'SPLICE_F_MORE'], [8, 'SPLICE_F_GIFT'],
] as const satisfies Table; // prettier-ignore
const FALLOC = [
  [1, 'FALLOC_FL_KEEP_SIZE'], [2, 'FALLOC_FL_PUNCH_HOLE'], [4, 'FALLOC_FL_NO_HIDE_STALE'],
  [8, 'FALLOC_FL_COLLAPSE_RANGE'], [16, 'FALLOC_FL_ZERO_RANGE'], [32, 'FALLOC_FL_INSERT_RANGE'],
  [64, 'FALLOC_FL_UNSHARE_RANGE'],
] as const satisfies Table; // prettier-ignore
const ADVICE = [
  [0, 'POSIX_FADV_NORMAL'], [1, 'POSIX_FADV_RANDOM'], [2, 'POSIX_FADV_SEQUENTIAL'], [3, 'POSIX_FADV_WILLNEED'],
  [4, 'POSIX_FADV_DONTNEED'], [5, 'POSIX_FADV_NOREUSE'],
] as const satisfies Table; // prettier-ignore
const SYNC_RANGE = [
  [1, 'SYNC_FILE_RANGE_WAIT_BEFORE'], [2, 'SYNC_FILE_RANGE_WRITE'], [4, 'SYNC_FILE_RANGE_WAIT_AFTER'],
] as const satisfies Table; // prettier-ignore

const iovIn = iovec('iov', 2);
const iovOut = iovec('iov', 2, { out: true });
const vlen = ulong('iovcnt');
const spliceFlags = flags('flags', SPLICE, 'SPLICE_F_???');
/** The sixth argument, printed as the fifth: the kernel takes the offset in two halves. */
const rwf = special('flags', (_t, a) => flagsText(a.u32(5), RWF, 'RWF_???'));

// prettier-ignore
export const ioRows = defineSyscalls({
  read: { x86_64: 0, aarch64: 63, run: rw.read, ret: 'size', support: FULL, blocks: true,
    args: [fd('fd'), outBytes('buf'), size('count')] },
  write: { x86_64: 1, aarch64: 64, run: rw.write, ret: 'size', support: FULL, blocks: true,
    args: [fd('fd'), inBytes('buf', 2), size('count')] },
  pread64: { x86_64: 17, aarch64: 67, run: rw.pread64, ret: 'size', support: FULL, blocks: true,
    args: [fd('fd'), outBytes('buf'), size('count'), off('offset')] },
  pwrite64: { x86_64: 18, aarch64: 68, run: rw.pwrite64, ret: 'size', support: FULL, blocks: true,
    args: [fd('fd'), inBytes('buf', 2), size('count'), off('offset')] },
  readv: { x86_64: 19, aarch64: 65, run: rw.readv, ret: 'size', support: FULL, blocks: true,
    args: [fd('fd'), iovOut, vlen] },
  writev: { x86_64: 20, aarch64: 66, run: rw.writev, ret: 'size', support: FULL, blocks: true,
    args: [fd('fd'), iovIn, vlen] },
  preadv: { x86_64: 295, aarch64: 69, run: rw.preadv, ret: 'size', support: FULL, blocks: true,
    args: [fd('fd'), iovOut, vlen, off('offset')] },
  pwritev: { x86_64: 296, aarch64: 70, run: rw.pwritev, ret: 'size', support: FULL, blocks: true,
    args: [fd('fd'), iovIn, vlen, off('offset')] },
  preadv2: { x86_64: 327, aarch64: 286, run: rw.preadv2, ret: 'size', support: FULL, blocks: true,
    args: [fd('fd'), iovOut, vlen, off('offset'), rwf] },
  pwritev2: { x86_64: 328, aarch64: 287, run: rw.pwritev2, ret: 'size', support: FULL, blocks: true,
    args: [fd('fd'), iovIn, vlen, off('offset'), rwf] },
  lseek: { x86_64: 8, aarch64: 62, run: rw.lseek, ret: 'int', support: FULL,
    args: [fd('fd'), off('offset'), enumOf('whence', WHENCE, 'SEEK_???')] },
  fsync: { x86_64: 74, aarch64: 82, run: rw.fsync, ret: 'int', support: FULL, args: [fd('fd')] },
  fdatasync: { x86_64: 75, aarch64: 83, run: rw.fsync, ret: 'int', support: FULL, args: [fd('fd')] },
  sync: { x86_64: 162, aarch64: 81, run: rw.sync, ret: 'int', support: FULL, args: [] },
  syncfs: { x86_64: 306, aarch64: 267, run: rw.syncfs, ret: 'int', support: FULL, args: [fd('fd')] },
  sync_file_range: { x86_64: 277, aarch64: 84, run: rw.syncFileRange, ret: 'int', support: FULL,
    args: [fd('fd'), off('offset'), off('nbytes'), flags('flags', SYNC_RANGE, 'SYNC_FILE_RANGE_???')] },
  fallocate: { x86_64: 285, aarch64: 47, run: attr.fallocate, ret: 'int', support: FULL,
    args: [fd('fd'), flags('mode', FALLOC, 'FALLOC_FL_???'), off('offset'), off('len')] },
  fadvise64: { x86_64: 221, aarch64: 223, run: attr.fadvise64, ret: 'int', support: FULL,
    args: [fd('fd'), off('offset'), ulong('len'), enumOf('advice', ADVICE, 'POSIX_FADV_???')] },
  readahead: { x86_64: 187, aarch64: 213, run: attr.readahead, ret: 'int', support: FULL,
    args: [fd('fd'), off('offset'), size('count')] },
  sendfile: { x86_64: 40, aarch64: 71, run: copy.sendfile, ret: 'size', support: FULL, blocks: true,
    args: [fd('out_fd'), fd('in_fd'), sendOffset, size('count')] },
  copy_file_range: { x86_64: 326, aarch64: 285, run: copy.copyFileRange, ret: 'size', support: FULL,
    args: [fd('fd_in'), offset('off_in'), fd('fd_out'), offset('off_out'), size('len'), hex('flags')] },
  splice: { x86_64: 275, aarch64: 76, run: copy.splice, ret: 'size', support: FULL, blocks: true,
    args: [fd('fd_in'), offset('off_in'), fd('fd_out'), offset('off_out'), size('len'), spliceFlags] },
  tee: { x86_64: 276, aarch64: 77, run: copy.tee, ret: 'size', support: FULL, blocks: true,
    args: [fd('fd_in'), fd('fd_out'), size('len'), spliceFlags] },
  vmsplice: { x86_64: 278, aarch64: 75, run: copy.vmsplice, ret: 'size', blocks: true,
    support: partial('pages are copied, never gifted'),
    args: [fd('fd'), iovIn, ulong('nr_segs'), spliceFlags] },
});
