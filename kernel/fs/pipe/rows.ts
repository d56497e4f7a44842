import { defineSyscalls, FULL } from '../../syscall/define.ts';
import { flags, struct, type Table } from '../../trace/args.ts';
import { fdText } from '../../trace/text.ts';
import { pipe, pipe2 } from './syscalls.ts';

const PIPE_FLAGS: Table = [
  [0o200, 'O_EXCL'],
  [0o4000, 'O_NONBLOCK'],
  [0o40000, 'O_DIRECT'],
  [0o2000000, 'O_CLOEXEC'],
];

/** Two descriptors the kernel fills in: `[3, 4]`. */
const pair = struct(
  'pipefd',
  (m, address, t) => {
    const v = m.viewIn(address, 8);
    return v && `[${fdText(t, v.getInt32(0, true))}, ${fdText(t, v.getInt32(4, true))}]`;
  },
  { out: true },
);

export const pipeRows = defineSyscalls({
  pipe: { x86_64: 22, aarch64: null, run: pipe, ret: 'int', support: FULL, args: [pair] },
  pipe2: {
    x86_64: 293,
    aarch64: 59,
    run: pipe2,
    ret: 'int',
    support: FULL,
    args: [pair, flags('flags', PIPE_FLAGS, 'O_???')],
  },
});
