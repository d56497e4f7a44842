// The real programs of the benchmark: Debian's packages for both architectures, unpacked with what they link to in
// build/bench/ARCH. Usage: node bench/debian.mjs
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unpackDebian } from '../scripts/debian.mjs';

const base = fileURLToPath(new URL('../build/bench', import.meta.url));
const DEBIAN_ARCH = { x86_64: 'amd64', aarch64: 'arm64' };

/** The folder that serves an architecture's programs as root. */
export const debianRoot = (arch) => join(base, arch);

/** Package → a file of it. Libraries are what `ldd` says of lua, sqlite3 and openssl. */
const PACKAGES = (arch) => {
  const lib = `${arch}-linux-gnu`;
  return {
    'busybox-static': 'bin/busybox',
    'lua5.4': 'usr/bin/lua5.4',
    sqlite3: 'usr/bin/sqlite3',
    openssl: 'usr/bin/openssl',
    'python3.11-minimal': 'usr/bin/python3.11',
    'libpython3.11-minimal': 'usr/lib/python3.11/os.py',
    libexpat1: `lib/${lib}/libexpat.so.1`,
    libc6: `lib/${lib}/libc.so.6`,
    libreadline8: `lib/${lib}/libreadline.so.8`,
    libtinfo6: `lib/${lib}/libtinfo.so.6`,
    'libsqlite3-0': `usr/lib/${lib}/libsqlite3.so.0`,
    zlib1g: `lib/${lib}/libz.so.1`,
    libssl3: `usr/lib/${lib}/libcrypto.so.3`,
    ...(arch === 'x86_64' ? SERVERS : {}),
  };
};

/** nginx, redis and their clients, with what `ldd` says of them. */
const LIB = 'usr/lib/x86_64-linux-gnu';
const SERVERS = {
  nginx: 'usr/sbin/nginx',
  'redis-server': 'usr/bin/redis-server',
  'redis-tools': 'usr/bin/redis-benchmark',
  'apache2-utils': 'usr/bin/ab',
  libcrypt1: 'lib/x86_64-linux-gnu/libcrypt.so.1',
  'libpcre2-8-0': `${LIB}/libpcre2-8.so.0`,
  'libstdc++6': `${LIB}/libstdc++.so.6`,
  'libgcc-s1': 'lib/x86_64-linux-gnu/libgcc_s.so.1',
  libatomic1: `${LIB}/libatomic.so.1`,
  liblzf1: `${LIB}/liblzf.so.1`,
  libjemalloc2: `${LIB}/libjemalloc.so.2`,
  libsystemd0: `${LIB}/libsystemd.so.0`,
  libcap2: 'lib/x86_64-linux-gnu/libcap.so.2',
  libgcrypt20: `${LIB}/libgcrypt.so.20`,
  'libgpg-error0': 'lib/x86_64-linux-gnu/libgpg-error.so.0',
  liblzma5: 'lib/x86_64-linux-gnu/liblzma.so.5',
  libzstd1: `${LIB}/libzstd.so.1`,
  'liblz4-1': `${LIB}/liblz4.so.1`,
  libapr1: `${LIB}/libapr-1.so.0`,
  libaprutil1: `${LIB}/libaprutil-1.so.0`,
  libuuid1: `${LIB}/libuuid.so.1`,
};

/** Fetches what is not there yet; returns the packages that could not be had. */
export function fetchDebian(arch) {
  const missing = () =>
    Object.entries(PACKAGES(arch))
      .filter(([, file]) => !existsSync(join(debianRoot(arch), file)))
      .map(([pkg]) => `${pkg}:${DEBIAN_ARCH[arch]}`);
  unpackDebian(base, arch, missing());
  return missing();
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const arch of Object.keys(DEBIAN_ARCH))
    for (const p of fetchDebian(arch)) console.log(`left out: Debian package ${p} could not be had`);
