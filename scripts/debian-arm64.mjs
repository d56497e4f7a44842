// Debian's arm64 packages that serve as guests or as parts of them: downloaded and unpacked under build/arm64/, without
// installing anything and without telling dpkg of a second architecture. Usage: node scripts/debian-arm64.mjs
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const base = fileURLToPath(new URL('../build/arm64', import.meta.url));
/** Where the packages' files lie. */
export const ARM64_ROOT = join(base, 'root');

/** Package → a file of it, and what is left out without it. */
const PACKAGES = [
  { pkg: 'busybox-static', file: 'bin/busybox', suites: "Debian's aarch64 busybox" },
  { pkg: 'bash-static', file: 'bin/bash-static', suites: "Debian's aarch64 bash" },
  {
    pkg: 'libstd-rust-dev',
    file: 'usr/lib/rustlib/aarch64-unknown-linux-gnu',
    suites: 'Rust guests for aarch64',
  },
  {
    pkg: 'musl-dev',
    file: 'usr/lib/aarch64-linux-musl/libc.a',
    suites: 'aarch64 guests built with musl',
  },
];
/** gcc's -specs for musl: the package's own, with the paths of where it lies here. */
export const ARM64_MUSL_SPECS = join(base, 'musl-gcc.specs');
const missing = () => PACKAGES.filter((p) => !existsSync(join(ARM64_ROOT, p.file)));

/** Fetches what is not there yet. Returns lines about what must be left out. */
export function fetchArm64() {
  if (missing().length > 0 && existsSync('/usr/bin/apt-get') && existsSync('/etc/debian_version')) {
    const dir = (name) => {
      const path = join(base, name);
      mkdirSync(path, { recursive: true });
      return path;
    };
    mkdirSync(join(dir('lists'), 'partial'), { recursive: true });
    const options = [
      `Dir::State::lists=${dir('lists')}`, `Dir::Cache=${dir('cache')}`, 'APT::Architectures::=amd64',
      'APT::Architectures::=arm64', 'APT::Sandbox::User=root', 'Debug::NoLocking=true',
    ].flatMap((o) => ['-o', o]); // prettier-ignore
    const apt = (...args) =>
      spawnSync('apt-get', ['-qq', ...options, ...args], { cwd: dir('debs'), encoding: 'utf8' }).status === 0;
    if (apt('update')) for (const p of missing()) apt('download', `${p.pkg}:arm64`);
    for (const deb of readdirSync(dir('debs')))
      spawnSync('dpkg-deb', ['-x', join(base, 'debs', deb), dir('root')]);
    for (const name of ['lists', 'cache', 'debs']) rmSync(join(base, name), { recursive: true, force: true });
  }
  const specs = join(ARM64_ROOT, 'usr/lib/aarch64-linux-musl/musl-gcc.specs');
  if (existsSync(specs) && !existsSync(ARM64_MUSL_SPECS))
    writeFileSync(
      ARM64_MUSL_SPECS,
      readFileSync(specs, 'utf8').replaceAll('/usr/', `${join(ARM64_ROOT, 'usr')}/`),
    );
  return missing().map((p) => `Left out: ${p.suites} (Debian package ${p.pkg}:arm64 could not be had)`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) for (const line of fetchArm64()) console.log(line);
