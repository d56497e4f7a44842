// Debian's arm64 packages that serve as guests or as parts of them: downloaded and unpacked under build/arm64/.
// Usage: node scripts/debian-arm64.mjs
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unpackDebian } from './debian.mjs';

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
  unpackDebian(
    base,
    'root',
    missing().map((p) => `${p.pkg}:arm64`),
  );
  const specs = join(ARM64_ROOT, 'usr/lib/aarch64-linux-musl/musl-gcc.specs');
  if (existsSync(specs) && !existsSync(ARM64_MUSL_SPECS))
    writeFileSync(
      ARM64_MUSL_SPECS,
      readFileSync(specs, 'utf8').replaceAll('/usr/', `${join(ARM64_ROOT, 'usr')}/`),
    );
  return missing().map((p) => `Left out: ${p.suites} (Debian package ${p.pkg}:arm64 could not be had)`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) for (const line of fetchArm64()) console.log(line);
