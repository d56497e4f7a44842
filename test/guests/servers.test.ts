/** Servers in Go and Rust under load from clients on the host, through published ports. */
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Machine, Strace } from '../../src/index.ts';
import { guestPath, nativeReason } from '../support/guests.ts';
import { runNative, runRing3 } from '../support/run.ts';
import { client, serve } from '../support/server.ts';

const ARCHES = ['x86_64', 'aarch64'] as const;

describe.each(ARCHES)('%s', (arch) => {
  const web = guestPath('go-webserver', arch);
  const echo = guestPath('tokio-echo', arch);
  const hello = guestPath('go-hello', arch);
  const spin = guestPath('go-spin', arch);
  const x86 = arch === 'x86_64';
  if (!web) console.log(`Left out: Go guests for ${arch}: not built here (Debian package golang-go)`);
  if (!echo)
    console.log(
      `Left out: Rust tokio echo server for ${arch}: not built here (Debian packages cargo, librust-tokio-dev, libstd-rust-dev${x86 ? '' : ':arm64'})`,
    );

  describe.skipIf(echo === null)('Rust: tokio echo server', () => {
    it('serves 200 clients at once, 10,000 messages, none lost', async () => {
      const { machine, run, port } = await serve(echo!, 7000);
      const counts = await Promise.all(Array.from({ length: 200 }, (_, id) => client(port, id, 50)));
      expect(counts.reduce((a, b) => a + b, 0)).toBe(10_000);
      const last = connect(port, '127.0.0.1', () => last.end('quit\n'));
      last.on('error', () => undefined);
      await run;
      expect(machine.status).toMatchObject({ code: 0 });
      expect(machine.stdout).toBe('listening\nserved 201\n');
      machine.dispose();
    });

    it('outlives a client killed in the middle of a transfer', async () => {
      const { machine, run, port } = await serve(echo!, 7002);
      const victim = connect(port, '127.0.0.1');
      victim.on('error', () => undefined);
      await new Promise((resolve) => victim.once('connect', resolve));
      victim.write(Buffer.alloc(500_000, 'v'));
      await new Promise((resolve) => victim.once('data', resolve));
      victim.resetAndDestroy();
      expect(await client(port, 1, 20)).toBe(20);
      connect(port, '127.0.0.1').end('quit\n');
      await run;
      expect(machine.stdout).toBe('listening\nserved 3\n');
      machine.dispose();
    });

    it('gives a client that closes its sending side everything back, then the end', async () => {
      const { machine, run, port } = await serve(echo!, 7003);
      const sent = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 255));
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      const got: Buffer[] = [];
      socket.on('data', (d) => got.push(d));
      socket.end(sent);
      await new Promise((resolve) => socket.once('end', resolve));
      expect(Buffer.concat(got).equals(sent)).toBe(true);
      connect(port, '127.0.0.1').end('quit\n');
      await run;
      machine.dispose();
    });

    it('serves a client that came before the guest listened', async () => {
      const machine = await Machine.boot({
        program: echo!,
        argv: [echo!, '0.0.0.0:7004'],
        publish: [{ hostPort: 0, guestPort: 7004 }],
      });
      const port = machine.ports[0];
      const early = client(port, 2, 5);
      await new Promise((r) => setTimeout(r, 50));
      const run = machine.run();
      expect(await early).toBe(5);
      connect(port, '127.0.0.1').end('quit\n');
      await run;
      expect(machine.stdout).toBe('listening\nserved 2\n');
      machine.dispose();
    });

    it('makes the system calls of a tokio runtime, in their order', async () => {
      let trace = '';
      const tracer = new Strace({ write: (text) => (trace += text), follow: true, toFile: true });
      const { machine, run, port } = await serve(echo!, 7001, { tracer });
      expect(await client(port, 0, 1)).toBe(1);
      connect(port, '127.0.0.1').end('quit\n');
      await run;
      tracer.finish();
      machine.dispose();
      // seeds: x86_64's libc makes threads with clone3; strace names the fields of epoll_event since 5.19.
      const order = [
        /epoll_create1\(EPOLL_CLOEXEC\) +=/,
        /eventfd2\(0, EFD_CLOEXEC\|EFD_NONBLOCK\) +=/,
        /epoll_ctl\(\d+, EPOLL_CTL_ADD, \d+, \{events=EPOLLIN\|EPOLLRDHUP\|EPOLLET, data=/,
        /fcntl\(\d+, F_DUPFD_CLOEXEC, [03]\) +=/,
        /socketpair\(AF_UNIX, SOCK_STREAM\|SOCK_CLOEXEC\|SOCK_NONBLOCK, 0, \[\d+, \d+\]\) = 0/,
        /fcntl\(\d+, F_DUPFD_CLOEXEC, [03]\) +=/,
        /epoll_ctl\(\d+, EPOLL_CTL_ADD, \d+, \{events=EPOLLIN\|EPOLLRDHUP\|EPOLLET, data=/,
        /clone3?\(.*flags=CLONE_VM\|CLONE_FS\|CLONE_FILES\|CLONE_SIGHAND\|CLONE_THREAD\|CLONE_SYSVSEM\|CLONE_SETTLS\|CLONE_PARENT_SETTID\|CLONE_CHILD_CLEARTID/,
        /socket\(AF_INET, SOCK_STREAM\|SOCK_CLOEXEC\|SOCK_NONBLOCK, IPPROTO_IP\) += \d+/,
        /setsockopt\(\d+, SOL_SOCKET, SO_REUSEADDR, \[1\], 4\) += 0/,
        /bind\(\d+, \{sa_family=AF_INET, sin_port=htons\(7001\), sin_addr=inet_addr\("0\.0\.0\.0"\)\}, 16\) = 0/,
        /listen\(\d+, 1024\) += 0/,
        /epoll_ctl\(\d+, EPOLL_CTL_ADD, \d+, \{events=EPOLLIN\|EPOLLOUT\|EPOLLRDHUP\|EPOLLET, data=/,
        /accept4\(\d+, \{sa_family=AF_INET, sin_port=htons\(\d+\), .*SOCK_CLOEXEC\|SOCK_NONBLOCK\) = \d+/,
      ];
      let at = 0;
      const lines = trace.split('\n');
      for (const step of order) {
        const found = lines.findIndex((line, i) => i >= at && step.test(line));
        expect(found, `${step} after line ${at} of\n${trace}`).toBeGreaterThanOrEqual(0);
        at = found + 1;
      }
      expect(trace).toMatch(/futex\(0x[0-9a-f]+, FUTEX_WAIT_PRIVATE, \d+, NULL/);
      expect(trace.match(/clone3?\(/g)).toHaveLength(4);
    });
  });

  describe.skipIf(web === null)('Go', () => {
    it('net/http server with 8 goroutines under load', async () => {
      const { machine, run, port } = await serve(web!, 8080);
      const base = `http://127.0.0.1:${port}`;
      const get = async (n: number): Promise<void> => {
        const r = await fetch(`${base}/hello?name=n${n}`);
        expect(r.status).toBe(200);
        expect(await r.text()).toBe(`hello n${n}, sum 499500\n`);
      };
      let next = 0;
      const one = async (): Promise<void> => {
        while (next < 1000) await get(next++);
      };
      await Promise.all(Array.from({ length: 50 }, one));
      const big = await (await fetch(`${base}/big`)).text();
      expect(big.length).toBe(1_000_000);
      // No new connections, and the end once those there are have become idle.
      machine.signalForeground(15);
      await run;
      expect(machine.stdout).toBe('listening\ncaught terminated\nserved 1000 worked 1000\n');
      expect(machine.status).toMatchObject({ code: 0 });
      machine.dispose();
    });

    it('goroutines that make no calls are preempted by SIGURG', async () => {
      for (const processors of ['1', '2']) {
        const r = await runRing3(spin!, [processors], { ring3: ['-f'] }, 'strace');
        expect(r.stdout).toBe('awake 0\nawake 1\nawake 2\nspinners that ran: true\n');
        const lines = r.stderr.split('\n');
        const from = lines.findIndex((line) =>
          /--- SIGURG \{si_signo=SIGURG, si_code=SI_TKILL, si_pid=\d+, si_uid=0\} ---/.test(line),
        );
        expect(from).toBeGreaterThan(0);
        expect(lines.slice(0, from).join('\n')).toMatch(/tgkill\(\d+, \d+, SIGURG/);
        expect(lines.slice(from).join('\n')).toMatch(/rt_sigreturn\(\{mask=\[\]\}\) +=/);
      }
    });

    // The Go of the seed (1.19 on another distribution) installs 65 handlers; each Go's own list is what strace shows.
    const strace = x86 && nativeReason() === null && existsSync('/usr/bin/strace');
    if (!strace)
      console.log(
        `Left out: the signals Go sets on ${arch} natively: ${x86 ? (nativeReason() ?? 'no strace here') : 'this processor has them for x86_64 alone'}`,
      );
    it.skipIf(!strace)('hello asks for and sets the signals it does natively', async () => {
      const actions = (trace: string): string[] =>
        trace.split('\n').flatMap((line) => /rt_sigaction\(.*/.exec(line)?.[0] ?? []);
      const natively = await runNative('/usr/bin/strace', [hello!]);
      const here = await runRing3(hello!, [], {}, 'strace');
      expect(actions(here.stderr).length).toBeGreaterThan(100);
      expect(actions(here.stderr)).toEqual(actions(natively.stderr));
    });

    it('hello makes the system calls of its runtime, in order', async () => {
      const r = await runRing3(hello!, [], { ring3: ['-f'] }, 'strace');
      expect(r.status).toBe(0);
      expect(r.stdout).toBe('Hello from Go in ring 3\n');
      const trace = r.stderr;
      if (x86) expect(trace).toContain('arch_prctl(ARCH_SET_FS, ');
      expect(trace).toContain('sched_getaffinity(0, 8192, ');
      // Where Go's heap begins is its own choice, one for each architecture.
      const arena = x86 ? '0xc000000000' : '0x4000000000';
      expect(trace).toContain(
        `mmap(${arena}, 67108864, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = ${arena}`,
      );
      expect(trace).toContain(
        `mmap(${arena}, 4194304, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = ${arena}`,
      );
      expect(trace).toContain('/sys/kernel/mm/transparent_hugepage/hpage_pmd_size');
      // Every signal a handler goes on is asked for first.
      const asked = trace.match(/rt_sigaction\(SIG\w+, NULL, \{sa_handler=SIG_DFL/g)!;
      const installed = trace.match(/rt_sigaction\(SIG\w+, \{sa_handler=0x/g)!;
      expect(asked.length).toBeGreaterThan(50);
      expect(installed.length).toBeGreaterThan(50);
      expect(trace).toContain('rt_sigaction(SIGURG, {sa_handler=');
      expect(trace).toContain(`sigaltstack({ss_sp=${arena.slice(0, 7)}`);
      expect(trace).toMatch(
        /clone\(child_stack=0x(?:c0|40)000\w+, flags=CLONE_VM\|CLONE_FS\|CLONE_FILES\|CLONE_SIGHAND\|CLONE_THREAD\|CLONE_SYSVSEM/,
      );
      expect(trace).toContain('write(1, "Hello from Go in ring 3\\n", 24)');
      expect(trace).toContain('+++ exited with 0 +++');
    });
  });
});
