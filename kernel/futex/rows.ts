/** Rows of the futex system calls. */
import { defineSyscalls, FULL } from '../syscall/define.ts';
import { enumOf, hex, pid, ptr, size, timespec, uint } from '../trace/args.ts';
import { CLOCKS } from '../trace/tables.ts';
import { futex, futex_waitv, get_robust_list, set_robust_list } from './syscalls.ts';
import {
  futexAddress2, futexOp, futexTimeout, futexVal, futexVal3, robustHeadOut, robustLengthOut, waitvText,
} from './trace.ts'; // prettier-ignore

export const futexRows = defineSyscalls({
  futex: {
    x86_64: 202, aarch64: 98, run: futex, ret: 'int', support: FULL, blocks: true,
    args: [ptr('uaddr'), futexOp, futexVal, futexTimeout, futexAddress2, futexVal3],
  },
  futex_waitv: {
    x86_64: 449, aarch64: 449, run: futex_waitv, ret: 'int', support: FULL, blocks: true,
    args: [waitvText, uint('nr_futexes'), hex('flags'), timespec('timeout'), enumOf('clockid', CLOCKS, 'CLOCK_???')],
  },
  set_robust_list: {
    x86_64: 273, aarch64: 99, run: set_robust_list, ret: 'int', support: FULL, args: [ptr('head'), size('len')],
  },
  get_robust_list: {
    x86_64: 274, aarch64: 100, run: get_robust_list, ret: 'int', support: FULL,
    args: [pid('pid'), robustHeadOut, robustLengthOut],
  },
}); // prettier-ignore
