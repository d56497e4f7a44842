import { defineSyscalls, partial } from '../../syscall/define.ts';
import { fd } from '../../trace/args.ts';
import { ioctl } from './syscalls.ts';
import { ioctlArg, ioctlCommand } from './trace.ts';

export const ioctlRows = defineSyscalls({
  ioctl: {
    x86_64: 16,
    aarch64: 29,
    run: ioctl,
    ret: 'int',
    support: partial(
      'terminals, pipes, sockets, random, inotify; FIONREAD, FIONBIO, FIOASYNC, FIOCLEX, FIOQSIZE for all',
    ),
    args: [fd('fd'), ioctlCommand, ioctlArg],
  },
});
