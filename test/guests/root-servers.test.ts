/** Servers of Debian's packages, run from a root file system of them, with the host's programs as clients. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Machine } from '../../src/index.ts';
import { unpackDebian } from '../../scripts/debian.mjs';

const base = fileURLToPath(new URL('../../build/servers', import.meta.url));
const root = join(base, 'root');
const LIB = 'usr/lib/x86_64-linux-gnu';
/** Package → a file of it: what `ldd` says nginx links to. */
const PACKAGES = {
  'nginx': 'usr/sbin/nginx',
  'libc6': 'lib/x86_64-linux-gnu/libc.so.6',
  'libcrypt1': 'lib/x86_64-linux-gnu/libcrypt.so.1',
  'libpcre2-8-0': `${LIB}/libpcre2-8.so.0`,
  'libssl3': `${LIB}/libssl.so.3`,
  'zlib1g': 'lib/x86_64-linux-gnu/libz.so.1',
}; // prettier-ignore

const missing = (): string[] =>
  Object.entries(PACKAGES).flatMap(([name, file]) => (existsSync(join(root, file)) ? [] : [`${name}:amd64`]));
unpackDebian(base, 'root', missing());
const left = missing();
if (left.length > 0) console.log(`Left out: nginx: Debian packages ${left.join(', ')} could not be had`);

const CONFIG = `
user root; worker_processes 2; daemon off; error_log /dev/stderr notice; pid /tmp/nginx.pid;
events { worker_connections 512; }
http {
  access_log off; sendfile on; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
  uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
  server { listen 8080; root /www; }
}`;

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
      files: {
        '/tmp/nginx.conf': { data: CONFIG },
        '/etc/passwd': { data: 'root:x:0:0:root:/:/bin/sh\n' },
        '/etc/group': { data: 'root:x:0:\n' },
      },
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
