import { describe, expect, it } from 'vitest';
import { type InjectionRule, makeRule, parseInjection } from '../../../kernel/inject/rule.ts';
import { syscalls } from '../../../kernel/syscall/table.ts';

const known = (name: string): boolean => syscalls.has(name);
const rule = (text: string, fault = false): InjectionRule => {
  const r = parseInjection(text, known, fault);
  if ('error' in r) throw new Error(r.error);
  return r;
};

describe('an injection expression', () => {
  it.each([
    ['read:error=EIO', { result: -5n, isError: true, first: 1, last: Infinity, step: 1, chance: 1 }],
    ['read:error=ewouldblock:when=3', { result: -11n, first: 3, last: 3 }],
    ['read:error=4095:when=3+', { result: -4095n, first: 3, last: Infinity, step: 1 }],
    ['read:retval=0x10:when=3+2', { result: 16n, isError: false, first: 3, last: Infinity, step: 2 }],
    ['read:retval=-1:when=3..9', { result: 2n ** 64n - 1n, first: 3, last: 9, step: 1 }],
    ['read:retval=010:when=3..9+2', { result: 8n, first: 3, last: 9, step: 2 }],
    ['read:retval=1:when=3..9+', { first: 3, last: 9, step: 1 }],
    ['read:signal=RT_3:when=1:when=2', { signal: 35, result: null, first: 2, last: 2 }],
    ['read:delay_enter=100:delay_exit=1.5ms', { delayEnter: 100_000, delayExit: 1_500_000 }],
    ['read:delay_enter=1e3us:delay_exit=7ns', { delayEnter: 1_000_000, delayExit: 7 }],
    ['read:retval=1:syscall=getppid:', { syscall: 'getppid' }],
    ['read:error=EIO:chance=25%', { chance: 0.25 }],
    ['read:error=EIO:chance=.5', { chance: 0.5 }],
    [
      'read:poke_enter=@arg2=dEaD,@arg1=00:poke_exit=@arg7=ff',
      {
        pokeEnter: [
          { arg: 0, bytes: Uint8Array.of(0) },
          { arg: 1, bytes: Uint8Array.of(0xde, 0xad) },
        ],
        pokeExit: [{ arg: 6, bytes: Uint8Array.of(255) }],
      },
    ],
  ])('%s', (text, expected) => {
    expect(rule(text)).toMatchObject(expected);
  });

  it('fault= fails with ENOSYS unless it is told otherwise', () => {
    expect(rule('read', true)).toMatchObject({ result: -38n, isError: true });
    expect(rule('read:error=EIO:when=2', true)).toMatchObject({ result: -5n, first: 2 });
  });

  it('warns of a success that looks like a failure', () => {
    expect(rule('read:retval=-1').warning).toMatch(/fails with error 1;/);
    expect(rule('read:retval=-4096').warning).toBe(null);
  });

  // strace refuses the same, with "invalid inject argument"; the few it lets pass are said so.
  it.each([
    ['read', /^nothing to inject: give error, retval/],
    ['read:when=1', /^nothing to inject/],
    ['nope:error=EIO', /^invalid system call 'nope'$/],
    [':error=EIO', /^invalid system call ''$/],
    ['read:error=FOO', /^error: 'FOO' is no error; write a name like ENOENT, or 1 to 4095$/],
    ['read:error=0', /^error: '0' is no error/],
    ['read:error=4096', /^error: '4096' is no error/],
    ['read:error=-5', /^error: '-5' is no error/],
    ['read:error=EIO:error=EIO', /^'error=' is given twice/],
    ['read:error=EIO:retval=1', /exclude each other/],
    ['read:retval=zz', /^retval: 'zz' is no 64-bit number/],
    ['read:retval=18446744073709551616', /^retval: /],
    ['read:signal=FOO', /^signal: 'FOO' is no signal/],
    ['read:signal=0', /^signal: '0'/],
    ['read:signal=65', /^signal: '65'/],
    ['read:error=EIO:when=0', /^when: '0' begins with 0; calls are counted from 1 to 65535$/],
    ['read:error=EIO:when=65536', /^when: '65536' begins/],
    ['read:error=EIO:when=3..2', /^when: '3..2' ends before it begins$/],
    ['read:error=EIO:when=2..65535', /^when: .* ends after 65534$/],
    ['read:error=EIO:when=3+0', /^when: .* step/],
    ['read:error=EIO:when=1+65536', /^when: .* step/],
    ['read:error=EIO:when=1..2+1x', /^when: .* is not of the form FIRST/],
    ['read:error=EIO:when=+2', /^when: .* is not of the form FIRST/], // strace takes it for 2
    ['read:delay_enter=abc', /^delay_enter: 'abc' is no time; write 100 \(microseconds\), 10ms/],
    ['read:delay_exit=-1', /^delay_exit: '-1' is no time/],
    ['read:delay_exit=1e99', /^delay_exit: '1e99' is no time/],
    ['read:poke_enter=arg1=00', /^poke_enter: 'arg1=00' is not of the form @argN=HEX/],
    ['read:poke_enter=@arg8=00', /^poke_enter: '@arg8=00'/],
    ['read:poke_exit=@arg2=0', /^poke_exit: '@arg2=0'/],
    ['read:poke_enter=@arg2=00,@arg2=11', /^poke_enter: @arg2 is given twice/],
    ['read:syscall=getpid', /^syscall: only with error or retval/],
    [
      'read:error=EIO:syscall=write',
      /^syscall: 'write' is no call without side effects; it is one of getegid,/,
    ],
    ['read:foo=1', /^'foo=' is no option; it takes error=, retval=/],
    ['read:foo', /^'foo' is no option/],
    ['read:error=EIO:chance=2', /^chance: 2 is not a share/],
    ['read:error=EIO:chance=x', /^chance: 'x' is no share; write 0.1 or 10%/],
  ])('%s is refused', (text, message) => {
    const r = parseInjection(text, known);
    expect('error' in r ? r.error : r).toMatch(message);
    expect('error' in r && r.error).not.toContain('\n');
  });

  it.each([
    ['read:retval=1', /^'retval=' does not belong here; fault= takes error=, when= and chance=$/],
    ['read:signal=USR1', /does not belong here/],
    ['read:delay_enter=1', /does not belong here/],
  ])('fault=%s is refused', (text, message) => {
    const r = parseInjection(text, known, true);
    expect('error' in r ? r.error : r).toMatch(message);
  });

  it('takes objects too, with numbers', () => {
    expect(
      makeRule({ calls: '%file', retval: 3, delayEnter: 10, pokeExit: { 2: Uint8Array.of(1) } }, known),
    ).toMatchObject({ result: 3n, delayEnter: 10_000, pokeExit: [{ arg: 1 }] });
    expect(makeRule({ calls: 'read', pokeExit: { 8: Uint8Array.of(1) } }, known)).toEqual({
      error: 'poke: arguments are numbered from 1 to 7',
    });
  });
});
