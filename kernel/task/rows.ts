/** System calls on tasks and processes. */
import { FULL, defineSyscalls } from '../syscall/define.ts';
import { getpid, gettid } from './syscalls-id.ts';

export const taskRows = defineSyscalls({
  getpid: { x86_64: 39, aarch64: 172, run: getpid, ret: 'int', support: FULL, args: [] },
  gettid: { x86_64: 186, aarch64: 178, run: gettid, ret: 'int', support: FULL, args: [] },
});
