import { describe, expect, it } from 'vitest';
import { machineDefaults, machineOptions, parseMount, parsePublish } from '../../src/cli/machine-options.ts';
import { parseDuration, parseOptions, parseSize, UsageError } from '../../src/cli/options.ts';
import { straceDefaults, straceOptions } from '../../src/cli/strace-options.ts';

const run = (...argv: string[]) => {
  const args = machineDefaults();
  const rest = parseOptions(machineOptions(true), argv, args, 'run');
  return { args, rest };
};
const known = (name: string): boolean => ['open', 'openat', 'close', 'read', 'execve', 'kill'].includes(name);
const strace = (...argv: string[]) => {
  const args = straceDefaults();
  const rest = parseOptions(straceOptions(known), argv, args, 'strace');
  return { args, rest };
};

describe('ring3 run', () => {
  it('reads docker options and stops at the program', () => {
    const { args, rest } = run(
      '-v',
      '/a:/b:ro',
      '-p8080:80',
      '-e',
      'A=b=c',
      '-eHOME',
      '-w/x',
      '-u',
      '7:8',
      'prog',
      '-v',
      '--seed',
    );
    expect(args.mounts).toEqual([{ host: '/a', guest: '/b', readOnly: true }]);
    expect(args.publish).toEqual([{ address: '127.0.0.1', hostPort: 8080, guestPort: 80, protocol: 'tcp' }]);
    expect(args.env).toEqual([['A', 'b=c'], ['HOME', null]]); // prettier-ignore
    expect(args.workdir).toBe('/x');
    expect(args.user).toBe('7:8');
    expect(rest).toEqual(['prog', '-v', '--seed']);
  });

  it('takes long options both ways, and --', () => {
    const { args, rest } = run('--seed=7', '--timeout', '500ms', '--max-memory=1g', '--', '-odd');
    expect(args.seed).toBe('7');
    expect(args.timeout).toBe(5e8);
    expect(args.maxMemory).toBe(2 ** 30);
    expect(rest).toEqual(['-odd']);
  });

  it.each([
    [['--nope', 'x'], /unknown option '--nope'; 'ring3 run --help' lists them/],
    [['-Q', 'x'], /unknown option '-Q'/],
    [['-p', 'http', 'x'], /'http' is no port; write HOSTPORT:GUESTPORT/],
    [['-p', '1:70000', 'x'], /is no port/],
    [['-v', '/a', 'x'], /is no mount; write HOSTDIR:GUESTDIR/],
    [['-v', '/a:b', 'x'], /the guest path 'b' must start with \//],
    [['-v', '/a:/b:rx', 'x'], /is no mount/],
    [['--timeout', 'soon', 'x'], /is no duration/],
    [['--max-memory', 'lots', 'x'], /is no size/],
    [['--cpus', '0', 'x'], /no number between 1 and 64/],
    [['--aslr=1', 'x'], /takes no value/],
    [['-e'], /option '-e' needs a value: -e NAME\[=VALUE\]/],
    [['--net', 'bridge', 'x'], /'bridge' is not one of none, host/],
  ])('refuses %j in one line', (argv, message) => {
    expect(() => run(...argv)).toThrow(UsageError);
    expect(() => run(...argv)).toThrow(message);
  });

  it('reads ports and mounts in docker forms', () => {
    expect(parsePublish('0.0.0.0:53:5353/udp')).toEqual({
      address: '0.0.0.0',
      hostPort: 53,
      guestPort: 5353,
      protocol: 'udp',
    });
    expect(parsePublish('[::1]:80:81')).toMatchObject({ address: '::1', hostPort: 80, guestPort: 81 });
    expect(parsePublish('80')).toMatchObject({ hostPort: 80, guestPort: 80 });
    expect(parsePublish(':80')).toMatchObject({ hostPort: 0, guestPort: 80 });
    expect(parseMount('.:/data')).toEqual({ host: '.', guest: '/data', readOnly: false });
    expect(parseSize('1.5k', '-x')).toBe(1536);
    expect(parseDuration('2m', '-x')).toBe(120e9);
  });
});

describe('ring3 strace', () => {
  it('takes clusters and strace values', () => {
    const { args, rest } = strace(
      '-fc',
      '-ttt',
      '-xx',
      '-yy',
      '-s',
      '80',
      '-oout',
      '-e',
      'trace=!open,close',
      '-Scalls',
      './x',
      '-f',
    );
    expect(args).toMatchObject({
      follow: 1,
      summary: 'only',
      timestamps: 3,
      hex: 2,
      fds: 2,
      strsize: 80,
      output: 'out',
      sort: 'calls',
    });
    expect(['open', 'close', 'read'].map(args.trace!)).toEqual([false, false, true]);
    expect(rest).toEqual(['./x', '-f']);
    expect(strace('-ff', 'x').args.follow).toBe(2);
  });

  it.each([
    ['open,close', [true, true, false, false]],
    ['trace=%file', [true, false, false, true]],
    ['trace=file', [true, false, false, true]],
    ['trace=/^o', [true, false, false, false]],
    ['trace=none', [false, false, false, false]],
    ['trace=?nonesuch,read', [false, false, true, false]],
    ['t=!all', [false, false, false, false]],
    ['%process,read', [false, false, true, true]],
  ])('-e %s', (expression, expected) => {
    const { trace } = strace('-e', expression, 'x').args;
    expect(['open', 'close', 'read', 'execve'].map((n) => trace!(n))).toEqual(expected);
  });

  it('filters signals and statuses', () => {
    const { args } = strace('-e', 'signal=!SIGCHLD,usr1', '-Z', 'x');
    expect([17, 10, 15].map(args.signals!)).toEqual([false, false, true]);
    expect([...args.status!]).toEqual(['failed']);
    expect(strace('-e', 'status=!unfinished', 'x').args.status!.has('successful')).toBe(true);
  });

  it.each([
    [['-e', 'trace=nonesuch', 'x'], /invalid system call 'nonesuch'/],
    [['-e', 'trace=%nonesuch', 'x'], /invalid system call '%nonesuch'/],
    [['-e', 'signal=SIGNONE', 'x'], /invalid signal 'SIGNONE'/],
    [['-e', 'status=good', 'x'], /invalid status 'good'/],
    [['-S', 'size', 'x'], /invalid sort key 'size'/],
    [['-s', '-1', 'x'], /no number between/],
    [['-k', 'x'], /unknown option '-k'; 'ring3 strace --help' lists them/],
  ])('refuses %j', (argv, message) => {
    expect(() => strace(...argv)).toThrow(message);
  });
});
