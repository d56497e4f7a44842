/** The lines of starry-next's kernels, in each of their forms. */
import { describe, expect, it } from 'vitest';
import { checkLog } from '../../src/logs/check/check.ts';
import { diffLogs } from '../../src/logs/diff/diff.ts';
import { callText } from '../../src/logs/events.ts';
import { readLog } from '../../src/logs/read.ts';

const SPRING = `arch = x86_64
[  1.202110 0:7 starry::syscall:13] Syscall openat
[  1.202210 0:7 starry_api::imp::fs::fd_ops:67] sys_openat <= -100 "/lib/libc.so" 0o2000000 0o0
[  1.202300 0:7 starry::syscall:211] Syscall openat return -2
[  1.203110 0:7 starry::syscall:13] Syscall mmap
[  1.203210 0:7 starry_api::imp::mm::mmap:90] sys_mmap: addr: 0, length: 2000, prot: MmapProt(PROT_READ | PROT_WRITE), flags: MmapFlags(MAP_PRIVATE | MAP_ANONYMOUS), fd: -1, offset: 0
[  1.203300 0:7 starry::syscall:211] Syscall mmap return 1073741824
hello
[  1.204110 0:7 starry::syscall:13] Syscall futex
[  1.205110 1:8 starry::syscall:13] Syscall wait4
[  1.205210 1:8 starry_api::imp::task::wait:60] sys_waitpid <= pid: Any, options: WNOHANG
[  1.205300 1:8 starry::syscall:211] Syscall wait4 return -10
[  1.206300 1:8 starry::syscall:211] Syscall close ret
[  1.207000 1:8 starry::syscall:13] Syscall inotify_init1
[  1.207100 1:8 starry::syscall:205] Unimplemented syscall: inotify_init1
[  1.207200 1:8 starry::syscall:211] Syscall inotify_init1 return -38
`;
const read = (text: string) => readLog(text, 'next.log');
const texts = (text: string): string[] => read(text).runs.flatMap((r) => r.calls.map(callText));

describe("starry-next's log", () => {
  it('has entries, arguments and returns on lines of their own', () => {
    expect(texts(SPRING)).toEqual([
      'openat(AT_FDCWD, "/lib/libc.so", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)',
      'mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x40000000',
      'futex(...) <no return>',
      'wait4(?, ?, WNOHANG, ?) = -1 ECHILD (No child processes)',
      'inotify_init1(...) = -1 ENOSYS (Function not implemented)',
    ]);
    const log = read(SPRING);
    expect(log).toMatchObject({ format: 'starry', arch: 'x86_64', unreadable: [{ line: 13 }] });
    expect(log.runs[0].calls[1].values).toEqual([0n, 0x2000n, 3n, 0x22n, 2n ** 64n - 1n, 0n]);
    expect(checkLog(log).first[0]).toMatchObject({
      line: 16,
      what: expect.stringMatching(/^inotify_init1\(/) as string,
    });
  });

  it("tells StarryOS's own errors by its names for them", () => {
    const one = (result: string) => texts(`Syscall dup2 return ${result}\n`)[0];
    expect(one('Ok(7)')).toBe('dup2(...) = 7');
    expect(one('Err(AxErrorKind::BadFileDescriptor)')).toBe('dup2(...) = -1 EBADF (Bad file descriptor)');
    expect(one('Err(LinuxError::EMFILE)')).toBe('dup2(...) = -1 EMFILE (Too many open files)');
    expect(one('Err(EBUSY)')).toBe('dup2(...) = -1 EBUSY (Device or resource busy)');
    expect(read('Syscall dup2\nSyscall dup2 return Err(Nonsense)\n').unreadable).toMatchObject([{ line: 2 }]);
  });

  it("has a handler's result once, though the kernel tells it again, or nobody else does", () => {
    const handled = '[ 2.0 0:9 a::b:28] sys_getcwd => Ok(4096)\n';
    const log = `[ 2.000000 0:9 a::b:13] Syscall close
[ 2.000001 0:9 a::b:113] sys_close <= 3
[ 2.000002 0:9 a::b:28] sys_close => Err(EBADF)
[ 2.000003 0:9 a::b:211] Syscall close return -9
${handled.replace('2.0 ', '2.000004 ')}[ 2.000005 0:9 a::b:18] Thread(9) exit with code: 3
`;
    expect(texts(log)).toEqual(['close(3) = -1 EBADF (Bad file descriptor)', 'getcwd(...) = 4096']);
    expect(read(log).runs[0].events.at(-1)).toMatchObject({ type: 'task-end', tid: 9, code: 3 });
  });

  it('is compared with strace text by what it tells', () => {
    const strace = 'openat(AT_FDCWD, "/lib/libc.so", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)\nmmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7ff0000\nwait4(-1, NULL, WNOHANG, NULL) = 12\n'; // prettier-ignore
    const one = SPRING.split('\n').filter((line) => !line.includes('futex')).join('\n').replaceAll('1:8', '0:7'); // prettier-ignore
    const { first } = diffLogs(read(one), readLog(strace));
    expect(first?.text).toBe('result: -1 ECHILD, 12');
  });
});
