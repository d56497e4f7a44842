import { defineSyscalls, FULL } from '../../syscall/define.ts';
import { special, struct } from '../../trace/args.ts';
import { OPEN_FLAGS } from '../../trace/tables.ts';
import { fdText, flagsText } from '../../trace/text.ts';
import { openFlagsIn } from '../syscalls-open.ts';
import { pipe, pipe2 } from './syscalls.ts';

/** Two descriptors the kernel fills in: `[3, 4]`. */
const pair = struct(
  'pipefd',
  (m, address, t) => {
    const v = m.viewIn(address, 8);
    return v && `[${fdText(t, v.getInt32(0, true))}, ${fdText(t, v.getInt32(4, true))}]`;
  },
  { out: true },
);

/** O_DIRECT differs between the architectures. */
const pipeFlags = special('flags', (t, a, i) =>
  flagsText(openFlagsIn(t.regs.arch, a.u32(i)), OPEN_FLAGS, 'O_???'),
);

export const pipeRows = defineSyscalls({
  pipe: { x86_64: 22, aarch64: null, run: pipe, ret: 'int', support: FULL, args: [pair] },
  pipe2: {
    x86_64: 293,
    aarch64: 59,
    run: pipe2,
    ret: 'int',
    support: FULL,
    args: [pair, pipeFlags],
  },
});
