/** Servers of Debian's packages, run from a root file system of them, with the host's programs as clients. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect, type SecureVersion } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Machine } from '../../src/index.ts';
import { unpackDebian } from '../../scripts/debian.mjs';

const base = fileURLToPath(new URL('../../build/servers', import.meta.url));
const ARCHES = [
  { arch: 'x86_64', debian: 'amd64', folder: 'root' },
  { arch: 'aarch64', debian: 'arm64', folder: 'root-aarch64' },
];

/** Package → a file of it, for nginx, openssl and redis-server and what `ldd` says they link to. */
function packages(arch: string): Record<string, string> {
  const lib = `lib/${arch}-linux-gnu`;
  return {
    'nginx': 'usr/sbin/nginx',
    'openssl': 'usr/bin/openssl',
    'redis-tools': 'usr/bin/redis-check-rdb',
    'libc6': `${lib}/libc.so.6`,
    'libcrypt1': `${lib}/libcrypt.so.1`,
    'libpcre2-8-0': `usr/${lib}/libpcre2-8.so.0`,
    'libssl3': `usr/${lib}/libssl.so.3`,
    'zlib1g': `${lib}/libz.so.1`,
    'libatomic1': `usr/${lib}/libatomic.so.1`,
    'libcap2': `${lib}/libcap.so.2`,
    'libgcc-s1': `${lib}/libgcc_s.so.1`,
    'libgcrypt20': `usr/${lib}/libgcrypt.so.20`,
    'libgpg-error0': `${lib}/libgpg-error.so.0`,
    'libjemalloc2': `usr/${lib}/libjemalloc.so.2`,
    'liblz4-1': `usr/${lib}/liblz4.so.1`,
    'liblzf1': `usr/${lib}/liblzf.so.1`,
    'liblzma5': `${lib}/liblzma.so.5`,
    'libstdc++6': `usr/${lib}/libstdc++.so.6`,
    'libsystemd0': `usr/${lib}/libsystemd.so.0`,
    'libzstd1': `usr/${lib}/libzstd.so.1`,
  }; // prettier-ignore
}

const NGINX = `
user root; worker_processes 2; daemon off; error_log /dev/stderr notice; pid /tmp/nginx.pid;
events { worker_connections 512; }
http {
  access_log off; sendfile on; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
  uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
  server { listen 8080; root /www; }
}`;

const ACCOUNTS = {
  '/etc/passwd': { data: 'root:x:0:0:root:/:/bin/sh\n' },
  '/etc/group': { data: 'root:x:0:\n' },
};

/** A connection to redis: commands go out in one write, `exchange` gives what comes back until `done` says it is all. */
class RedisClient {
  private readonly socket: Socket;
  private text = '';
  private wake = (): void => undefined;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (b: Buffer) => {
      this.text += b.toString('latin1');
      this.wake();
    });
  }

  async exchange(commands: readonly string[], done: (text: string) => boolean): Promise<string> {
    this.socket.write(commands.map((c) => c + '\r\n').join(''));
    while (!done(this.text)) await new Promise<void>((resolve) => (this.wake = resolve));
    const { text } = this;
    this.text = '';
    return text;
  }

  /** For commands whose answers are so many lines. */
  lines(commands: readonly string[], count: number): Promise<string> {
    return this.exchange(commands, (text) => text.split('\r\n').length > count);
  }

  close(): void {
    this.socket.destroy();
  }
}

describe.each(ARCHES)('of $arch', ({ arch, debian, folder }) => {
  const root = join(base, folder);
  const missing = (): string[] =>
    Object.entries(packages(arch)).flatMap(([name, file]) =>
      existsSync(join(root, file)) ? [] : [`${name}:${debian}`],
    );
  unpackDebian(base, folder, missing());
  const left = missing();
  if (left.length > 0) console.log(`Left out: servers: Debian packages ${left.join(', ')} could not be had`);

  describe.skipIf(left.length > 0)('nginx with 2 workers', () => {
    it('serves 1,000 requests, a file of a megabyte, and outlives a client that is gone in the middle', async () => {
      const big = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * i) >> 7);
      mkdirSync(join(root, 'www'), { recursive: true });
      writeFileSync(join(root, 'www/index.html'), 'hello\n');
      writeFileSync(join(root, 'www/big'), big);
      const machine = await Machine.boot({
        root,
        program: '/usr/sbin/nginx',
        argv: ['nginx', '-c', '/tmp/nginx.conf'],
        files: { '/tmp/nginx.conf': { data: NGINX }, ...ACCOUNTS },
        publish: [{ hostPort: 0, guestPort: 8080 }],
      });
      const run = machine.run();
      const url = `http://127.0.0.1:${machine.ports[0]}`;
      let next = 0;
      const client = async (): Promise<void> => {
        while (next++ < 1000) expect(await (await fetch(`${url}/`)).text()).toBe('hello\n');
      };
      await Promise.all(Array.from({ length: 20 }, client));

      const victim = connect(machine.ports[0], '127.0.0.1');
      victim.on('error', () => undefined);
      victim.write('GET /big HTTP/1.1\r\nHost: x\r\n\r\n');
      await new Promise((resolve) => victim.once('data', resolve));
      victim.resetAndDestroy();
      // Connections that say nothing, as a port scanner makes them.
      for (let i = 0; i < 50; i++)
        await new Promise<void>((resolve) => {
          const s = connect(machine.ports[0], '127.0.0.1', () => s.destroy());
          s.on('close', () => resolve());
        });

      const got = new Uint8Array(await (await fetch(`${url}/big`)).arrayBuffer());
      expect(Buffer.from(got).equals(Buffer.from(big))).toBe(true);
      expect((await fetch(`${url}/none`)).status).toBe(404);
      machine.kill('SIGTERM');
      await run;
      expect(machine.status).toMatchObject({ code: 0 });
      expect(machine.stderr.match(/worker process \d+ exited with code 0/g)).toHaveLength(2);
      machine.dispose();
    });
  });

  describe.skipIf(left.length > 0)('redis-server', () => {
    it('answers pipelines of many clients, saves in a forked process, and ends when told', async () => {
      const machine = await Machine.boot({
        root,
        program: '/usr/bin/redis-check-rdb', // the same program: it looks at its name
        argv: ['redis-server', '--save', '', '--dir', '/tmp', '--protected-mode', 'no'],
        files: ACCOUNTS,
        publish: [{ hostPort: 0, guestPort: 6379 }],
      });
      const run = machine.run();
      const clients = Array.from({ length: 20 }, () => new RedisClient(machine.ports[0]));
      const [first] = clients;
      const numbers = Array.from({ length: 100 }, (_, i) => i);
      const sets = clients.map((c, k) =>
        c.lines(
          numbers.map((i) => `SET key:${k}:${i} ${'v'.repeat(i)}.${k}`),
          numbers.length,
        ),
      );
      for (const text of await Promise.all(sets)) expect(text).toBe('+OK\r\n'.repeat(numbers.length));
      const values = await first.lines(
        numbers.map((i) => `GET key:7:${i}`),
        2 * numbers.length,
      );
      expect(values).toBe(numbers.map((i) => `$${i + 2}\r\n${'v'.repeat(i)}.7\r\n`).join(''));
      expect(await first.lines(['INCR n', 'INCR n', 'DBSIZE'], 3)).toBe(':1\r\n:2\r\n:2001\r\n');

      expect(await first.lines(['BGSAVE'], 1)).toBe('+Background saving started\r\n');
      const persistence = (): Promise<string> =>
        first.exchange(['INFO persistence'], (text) => text.includes('\r\n\r\n'));
      let info = await persistence();
      while (!info.includes('rdb_bgsave_in_progress:0')) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        info = await persistence();
      }
      expect(info).toContain('rdb_last_bgsave_status:ok');
      expect(info).toContain('rdb_changes_since_last_save:0');
      for (const c of clients) c.close();
      machine.kill('SIGTERM');
      await run;
      expect(machine.status).toMatchObject({ code: 0 });
      expect(machine.stdout).toContain('Background saving terminated with success');
      expect(machine.stdout).toContain('Redis is now ready to exit, bye bye...');
      machine.dispose();
    });
  });

  describe.skipIf(left.length > 0)('openssl', () => {
    it('makes a certificate, and serves TLS 1.2 and 1.3 with it', { timeout: 300_000 }, async () => {
      const dir = mkdtempSync(join(tmpdir(), 'ring3-tls-'));
      const mounts = [{ host: dir, guest: '/tls' }];
      const openssl = (...args: string[]): Promise<Machine> =>
        Machine.boot({
          root, program: '/usr/bin/openssl', argv: ['openssl', ...args], mounts,
          publish: [{ hostPort: 0, guestPort: 4433 }],
        }); // prettier-ignore
      const made = await openssl(
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
        ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
        ...['-keyout', '/tls/key.pem', '-out', '/tls/cert.pem'],
      );
      await made.run();
      expect(made.status, made.stderr).toMatchObject({ code: 0 });
      made.dispose();

      const server = await openssl(...['s_server', '-rev', '-key', '/tls/key.pem', '-cert', '/tls/cert.pem']);
      const run = server.run();
      const ca = readFileSync(join(dir, 'cert.pem'));
      const reversed = (line: string, version: SecureVersion): Promise<string> =>
        new Promise((resolve, reject) => {
          const s = tlsConnect({
            port: server.ports[0], host: '127.0.0.1', servername: 'localhost', ca,
            minVersion: version, maxVersion: version,
          }); // prettier-ignore
          let text = '';
          s.on('error', reject);
          s.on('secureConnect', () => {
            expect(s.authorized).toBe(true);
            expect(s.getProtocol()).toBe(version);
            s.write(`${line}\n`);
          });
          s.on('data', (b: Buffer) => {
            text += b.toString('latin1');
            if (!text.endsWith('\n')) return;
            s.end();
            resolve(text);
          });
        });
      const long = Array.from({ length: 6000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        expect(await reversed(long, version)).toBe([...long].reverse().join('') + '\n');
      }
      server.kill('SIGTERM');
      await run;
      expect(server.status).toMatchObject({ signal: 'SIGTERM' });
      server.dispose();
      rmSync(dir, { recursive: true });
    });
  });
});
