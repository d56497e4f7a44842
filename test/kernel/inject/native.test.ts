import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { here, native } from '../trace/native.ts';

// strace itself is the oracle: the same faults, the same text, the same output of the program they hit.
const able =
  process.platform === 'linux' &&
  process.arch === 'x64' &&
  existsSync('/usr/bin/strace') &&
  existsSync('/usr/bin/musl-gcc');

/** A trace without futex: whether a thread waits for another, and for how long, is chance. */
const steady = (text: string): string[] => text.split('\n').filter((l) => !l.startsWith('futex('));

describe.skipIf(!able)('faults injected as strace does', () => {
  let dir = '';
  let program = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'ring3-faults-'));
    program = join(dir, 'faults');
    const source = fileURLToPath(new URL('faults.c', import.meta.url));
    execFileSync('musl-gcc', ['-static', '-O1', '-w', '-o', program, source]);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  /** Each names what must be found in the trace, so that an expression which does nothing cannot pass. */
  it.each([
    ['six', 'inject=alarm:error=ENOENT:when=3+2', /(ENOENT[^]*){2}/],
    ['six', 'inject=alarm:error=enoent:when=3+', /(ENOENT[^]*){4}/],
    ['six', 'inject=alarm:retval=42:when=2..4', /(= 42 \(INJ[^]*){3}/],
    ['six', 'inject=alarm:retval=0x10:when=1..6+3', /(= 16 \(INJ[^]*){2}/],
    ['six', 'inject=alarm:retval=18446744073709551615:when=2', /= 18446744073709551615 \(INJECTED\)/],
    ['six', 'inject=alarm:signal=USR1:when=2', /SI_KERNEL/],
    ['six', 'inject=alarm:signal=SIGUSR2:error=EIO:when=2', /EIO.*INJECTED/],
    ['six', 'inject=alarm:retval=7:syscall=getppid:when=2', /= 7 \(INJECTED\)/],
    ['six', 'inject=alarm:signal=9:when=2', /alarm\(0\) = \?\n\+\+\+ killed by SIGKILL/],
    ['six', 'inject=alarm:signal=TERM:when=2', /killed by SIGTERM/],
    ['six', 'inject=alarm:delay_enter=500:when=2', /\(DELAYED\)/],
    ['six', 'inject=alarm:error=EIO:delay_exit=1ms:delay_enter=0.5ms:when=2', /\(INJECTED\) \(DELAYED\)/],
    ['six', 'inject=exit_group,wait4:error=EPERM', /exit_group\(0\) = -1 EPERM.*\nexit\(0\)/],
    ['six', 'inject=/^alar:error=4000', /-1 \(errno 4000\) \(INJ/],
    ['six', 'inject=alarm:error=512:when=2', /\? ERESTARTSYS .* \(INJ/],
    ['six', 'inject=!write,alarm,arch_prctl,set_tid_address:error=EIO:when=1', /exit_group.*EIO/],
    ['read', 'inject=read:poke_exit=@arg2=DEADBEEF', /"\\336\\255\\276\\357", 4\) = 4 \(INJECTED: args\)/],
    ['read', 'inject=write:poke_enter=@arg2=4142:when=2', /"ABcdefgh\\n", 9\) = 9 \(INJECTED: args\)/],
    ['read', 'inject=write:poke_enter=@arg2=4142:retval=3:when=2', /= 3 \(INJECTED: args, retval\)/],
    ['read', 'inject=read:retval=2', /read\(3, "--", 4\) = 2 \(INJ/],
    ['read', 'fault=read', /ENOSYS.*INJ/],
    ['read', 'fault=read:error=EINTR', /EINTR.*INJ/],
    ['read', 'fault=openat,open', /read\(-1,/],
    ['block', 'inject=read:signal=USR1', /EINTR|ERESTARTSYS/],
    ['threads', 'inject=alarm:error=EIO:when=4', /EIO.*INJ/],
    ['fork', 'inject=alarm:retval=5:when=6', /= 5 \(INJ/],
  ] as const)('%s with -e %s', async (part, expression, found) => {
    const a = native(program, [part], ['-e', expression]);
    const b = await here(program, [part], ['-e', expression]);
    expect(a.tasks.join('\n')).toMatch(found);
    expect(b.tasks.map(steady)).toEqual(a.tasks.map(steady));
    expect(b.stdout).toBe(a.stdout);
    expect(b.status).toBe(a.status);
  });

  it('touches only what the trace shows', async () => {
    for (const options of [
      ['-e', 'trace=write', '-e', 'inject=alarm:error=EIO'],
      ['-e', 'inject=alarm:error=EIO', '-e', 'inject=alarm:retval=3:when=2'], // the last one counts
      ['-e', 'inject=all:error=EIO', '-e', 'trace=alarm'],
    ]) {
      const a = native(program, ['six'], options);
      const b = await here(program, ['six'], options);
      expect(b.tasks[0].split('\n')).toEqual(a.tasks[0].split('\n'));
      expect(b.stdout).toBe(a.stdout);
    }
  });
});
