/** Structures in arguments are values: their types follow from where their fields are. */
import { afterEach, describe, expect, expectTypeOf, it } from 'vitest';
import { type EnterStop, type ExitStop, Machine, type ParkStop } from '../../src/index.ts';
import { guestPath } from '../support/guests.ts';

let m: Machine;
afterEach(() => m.dispose());
const boot = async (name: string, arch: string): Promise<Machine> =>
  (m = await Machine.boot({ program: guestPath(name, arch)!, seed: 1 }));

describe.each(['x86_64', 'aarch64'])('arguments on %s', (arch) => {
  it('have actions, signal sets and siginfo', async () => {
    await boot('signals-musl', arch);
    const set = await m.nextExit('rt_sigaction', { where: (c) => c.args.signum === 'SIGUSR1' });
    const { act, oldact } = set.args;
    expectTypeOf(act!.sa_mask).toEqualTypeOf<readonly string[]>();
    expectTypeOf(act!.sa_flags.SA_RESTORER).toEqualTypeOf<boolean>();
    expect(act!.sa_handler).toBeGreaterThan(0x1000);
    expect(act!.sa_flags.SA_RESTORER).toBe(true); // musl's
    expect(act!.sa_flags.SA_SIGINFO).toBe(false);
    if (oldact) expect(oldact.sa_handler).toBe(0);
    const queued = await m.nextSyscall('rt_sigqueueinfo');
    expect(queued.args.info!.si_code).toBe(-1);
  });

  it('have addresses and messages', async () => {
    await boot('sockets-musl', arch);
    const call = await m.nextSyscall('bind', { where: (c) => c.args.addr?.sa_family === 'AF_INET' });
    const { addr } = call.args;
    if (addr?.sa_family === 'AF_INET') expectTypeOf(addr.sin_port).toEqualTypeOf<number>();
    expect(addr).toMatchObject({
      sa_family: 'AF_INET',
      sin_addr: expect.stringMatching(/^[\d.]+$/) as string,
    });
    const pair = await m.nextExit('socketpair', { where: (c) => c.result === 0 });
    expect(pair.args.sv![1]).toBeGreaterThan(pair.args.sv![0]);
    const sent = await m.nextExit('sendmsg', { where: (c) => (c.args.msg?.msg_control.length ?? 0) > 0 });
    expectTypeOf(sent.args.msg!.msg_flags.MSG_TRUNC).toEqualTypeOf<boolean>();
    expect(sent.args.msg!.msg_control[0]).toMatchObject({ cmsg_level: 1, cmsg_type: 1 });
    const got = await m.nextExit('recvmsg', { where: (c) => c.result > 0 });
    const length = got.args.msg!.msg_iov!.reduce((n, b) => n + b.length, 0);
    expect(length).toBe(got.result);
  });

  it('have polled descriptors with what came of them', async () => {
    await boot('pipes-musl', arch);
    const names = ['poll', 'ppoll'] as const;
    const polled = await m.nextExit(names, { where: (c) => c.result > 0 });
    expectTypeOf(polled.args.fds![0].revents.POLLOUT).toEqualTypeOf<boolean>();
    const ready = polled.args.fds!.filter((p) => p.revents.value !== 0);
    expect(ready.length).toBe(polled.result);
    expect(ready[0].fd).toBeGreaterThan(2);
    expect(ready[0].revents.text).toMatch(/^POLL/);
  });

  it('are of calls named by number, and of any call when nothing is named', async () => {
    await boot('hello', arch);
    const nr = arch === 'x86_64' ? 1 : 64;
    const call: EnterStop = await m.nextSyscall(nr);
    expect(call.name).toBe('write');
    expect(call.args).toMatchObject({ fd: 1 });
    await expect(m.nextSyscall(9999)).rejects.toThrow("invalid system call '9999'");
  });
});

it('stops of one call are stops', async () => {
  m = await Machine.boot({ program: guestPath('threads-musl')!, seed: 1 });
  const wait: EnterStop<'futex'> = await m.nextSyscall('futex', { where: (c) => c.args.op.FUTEX_WAIT });
  const served: ExitStop<'futex'> | ParkStop<'futex'> = await wait.serve();
  const all: (EnterStop | ExitStop | ParkStop)[] = [wait, served];
  expect(all.map((s) => s.name)).toEqual(['futex', 'futex']);
  expectTypeOf(served.args.op.FUTEX_WAIT).toEqualTypeOf<boolean>();
});

const epoll = guestPath('epoll-musl');
it.skipIf(epoll === null)('events and timers are structures, too', async () => {
  m = await Machine.boot({ program: epoll!, seed: 1 });
  const add = await m.nextSyscall('epoll_ctl', { where: (c) => c.args.op.EPOLL_CTL_ADD });
  expectTypeOf(add.args.event!.data.u64).toEqualTypeOf<bigint>();
  expectTypeOf(add.args.event!.events.EPOLLET).toEqualTypeOf<boolean>();
  expect(add.args.event!.events.text).toMatch(/^EPOLL/);
  const got = await m.nextExit(['epoll_wait', 'epoll_pwait'], { where: (c) => c.result > 0 });
  expect(got.args.events).toHaveLength(got.result);
  expect(got.args.events![0].events.value).toBeGreaterThan(0);
});
