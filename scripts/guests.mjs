#!/usr/bin/env node
// Builds the guest programs of guests/guests.json into build/guests/ARCH/, as far as compilers are present, and says
// which are left out. With --prebuilt also refreshes guests/prebuilt/ARCH/ (the few that lie in the repository).
// Usage: node scripts/guests.mjs [--prebuilt] [--quiet] [--x86_64 | --aarch64] [NAME…]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ARM64_MUSL_SPECS, ARM64_ROOT } from './debian-arm64.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
/** What builds for each architecture: compilers, and what musl needs besides. */
const ARCHES = {
  x86_64: {
    gcc: '/usr/bin/gcc',
    ld: '/usr/bin/ld',
    musl: { tool: '/usr/bin/musl-gcc', needs: [], flags: [], libc: '/usr/lib/x86_64-linux-musl/libc.a' },
    goarch: 'amd64',
  },
  aarch64: {
    gcc: '/usr/bin/aarch64-linux-gnu-gcc',
    ld: '/usr/bin/aarch64-linux-gnu-ld',
    musl: {
      tool: '/usr/bin/aarch64-linux-gnu-gcc',
      needs: [ARM64_MUSL_SPECS],
      // libgcc's out-of-line atomics ask glibc what the cpu has; 4 KiB pages keep 60 KiB of padding out of each file.
      flags: [`-specs=${ARM64_MUSL_SPECS}`, '-mno-outline-atomics', '-Wl,-z,max-page-size=4096'],
      libc: join(ARM64_ROOT, 'usr/lib/aarch64-linux-musl/libc.a'),
    },
    goarch: 'arm64',
  },
};
const prebuiltDir = (arch) => join('guests/prebuilt', arch);
const args = process.argv.slice(2);
const only = args.filter((a) => !a.startsWith('--'));

const C_FLAGS = [
  '-O2',
  '-g0',
  '-w',
  '-static',
  '-s',
  '-pthread',
  '-Wl,--build-id=none',
  '-ffile-prefix-map=.=.',
];
const BARE_FLAGS = [
  '-nostdlib',
  '-ffreestanding',
  '-fno-stack-protector',
  '-fno-builtin',
  '-fno-pie',
  '-no-pie',
];

const { guests } = JSON.parse(readFileSync('guests/guests.json', 'utf8'));

/** Every file of a guest: what it is built from, where it goes, and with which command. */
export function plan(arch = 'x86_64') {
  const all = [];
  for (const g of guests) {
    if (g.arch && !g.arch.includes(arch)) continue;
    for (const libc of g.libc ?? ['glibc']) {
      const name = libc === 'musl' ? `${g.name}-musl` : g.name;
      const prebuilt = Boolean(g.prebuilt) && libc !== 'glibc';
      all.push({ ...g, name, libc, arch, out: join('build/guests', arch, name), prebuilt });
    }
  }
  return all;
}

const rustTarget = (arch) => `${arch}-unknown-linux-gnu`;
/** This machine's own, or for aarch64 what scripts/debian-arm64.mjs unpacked. */
const rustSysroot = (arch) => (arch === 'aarch64' ? join(ARM64_ROOT, 'usr') : '/usr');
const rustLibrary = (arch) => join(rustSysroot(arch), 'lib/rustlib', rustTarget(arch));

function command(g) {
  const source = join('guests', g.source);
  const { gcc, musl, goarch } = ARCHES[g.arch];
  switch (extname(g.source)) {
    case '.S':
      return {
        tool: gcc,
        args: ['-nostdlib', '-static', '-s', '-Wl,--build-id=none', '-o', g.out, source],
      };
    case '.c': {
      const bare = g.libc === 'none' ? BARE_FLAGS : [];
      const libs = g.libc === 'none' ? [] : ['-lm'];
      const common = g.symbols ? C_FLAGS.filter((f) => f !== '-s') : C_FLAGS;
      const args = [...common, ...bare, ...(g.flags ?? []), '-o', g.out, source, ...libs];
      if (g.libc !== 'musl') return { tool: gcc, args };
      return { tool: musl.tool, needs: musl.needs, args: [...musl.flags, ...args] };
    }
    case '.go':
      return {
        tool: '/usr/bin/go',
        args: ['build', '-trimpath', '-ldflags=-s -w -buildid=', '-o', g.out, source],
        env: {
          CGO_ENABLED: '0',
          GOARCH: goarch,
          GOFLAGS: '-mod=mod',
          GO111MODULE: 'off',
          GOCACHE: join(root, 'build/go-cache'),
        },
      };
    case '.rs':
      return {
        tool: '/usr/bin/rustc',
        needs: [rustLibrary(g.arch)],
        args: [
          `--target=${rustTarget(g.arch)}`,
          `--sysroot=${rustSysroot(g.arch)}`,
          `-Clinker=${gcc}`,
          '-O',
          '-C',
          'target-feature=+crt-static',
          '-C',
          'strip=symbols',
          '-o',
          g.out,
          source,
        ],
      };
    case '.toml': {
      // Debian's crates, no network: cargo takes /usr/share/cargo/registry in place of crates.io.
      const home = 'build/cargo-home';
      mkdirSync(home, { recursive: true });
      writeFileSync(
        join(home, 'config.toml'),
        '[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "/usr/share/cargo/registry"\n',
      );
      const target = rustTarget(g.arch);
      return {
        tool: '/usr/bin/cargo',
        needs: ['/usr/bin/rustc', '/usr/share/cargo/registry', rustLibrary(g.arch)],
        args: [
          'build',
          '--quiet',
          '--release',
          '--offline',
          '--target',
          target,
          '--target-dir',
          'build/cargo',
          '--manifest-path',
          source,
        ],
        env: {
          CARGO_HOME: join(root, home),
          RUSTC: '/usr/bin/rustc',
          RUSTFLAGS: `--sysroot=${rustSysroot(g.arch)} -C target-feature=+crt-static -C linker=${gcc}`,
        },
        made: `build/cargo/${target}/release/${g.name}`,
      };
    }
    default:
      throw new Error(`guests.json: no builder for ${g.source}`);
  }
}

/** Newest change in the folder a guest's source lies in, milliseconds. */
function newest(g) {
  const dir = dirname(join('guests', g.source));
  const nested = extname(g.source) === '.toml';
  const files = readdirSync(dir, { withFileTypes: true, recursive: nested }).filter(
    (f) => f.isFile() && f.name !== 'Cargo.lock',
  );
  const relevant = files.filter(
    (f) => nested || f.name.endsWith('.h') || f.name === g.source.split('/').pop(),
  );
  return Math.max(...relevant.map((f) => statSync(join(f.parentPath, f.name)).mtimeMs));
}

function build(g) {
  const c = command(g);
  const missing = [c.tool, ...(c.needs ?? [])].find((p) => !existsSync(p));
  if (missing) return `left out: ${missing} not found`;
  if (existsSync(g.out) && statSync(g.out).mtimeMs > newest(g)) return '';
  mkdirSync(dirname(g.out), { recursive: true });
  const r = spawnSync(c.tool, c.args, { env: { ...process.env, ...c.env }, encoding: 'utf8' });
  if (r.status !== 0) return `FAILED: ${c.tool} ${c.args.join(' ')}\n${r.stderr}${r.error ?? ''}`;
  if (c.made) copyFileSync(c.made, g.out);
  return '';
}

const first = (tool, ...a) =>
  existsSync(tool) ? spawnSync(tool, a, { encoding: 'utf8' }).stdout.split('\n')[0] : null;

/** What decides the bytes a compiler writes: equal here and in MANIFEST.json, and rebuilt guests must be equal too. */
export function toolchain(arch) {
  const { gcc, ld, musl } = ARCHES[arch];
  const sha = (f) =>
    existsSync(f) ? createHash('sha256').update(readFileSync(f)).digest('hex').slice(0, 16) : null;
  return { gcc: first(gcc, '--version'), ld: first(ld, '--version'), musl: sha(musl.libc) };
}

/** Copies an architecture's prebuilt guests to where they lie in the repository. */
function refresh(arch) {
  const dir = prebuiltDir(arch);
  mkdirSync(dir, { recursive: true });
  const files = {};
  for (const g of plan(arch).filter((p) => p.prebuilt)) {
    copyFileSync(g.out, join(dir, g.name));
    files[g.name] = { source: g.source, libc: g.libc, bytes: statSync(g.out).size };
  }
  const manifest = { toolchain: toolchain(arch), files };
  writeFileSync(join(dir, 'MANIFEST.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

function main() {
  let failed = 0;
  const leftOut = new Map();
  const asked = Object.keys(ARCHES).filter((arch) => args.includes(`--${arch}`));
  const arches = asked.length > 0 ? asked : Object.keys(ARCHES);
  for (const g of arches.flatMap(plan)) {
    if (only.length > 0 && !only.includes(g.name)) continue;
    const problem = build(g);
    if (problem.startsWith('FAILED')) {
      failed++;
      console.error(`${g.name}: ${problem}`);
    } else if (problem) leftOut.set(problem, [...(leftOut.get(problem) ?? []), `${g.arch}/${g.name}`]);
  }
  for (const [why, names] of leftOut) console.log(`guests ${why}: ${names.join(' ')}`);
  if (args.includes('--prebuilt') && failed === 0) arches.forEach(refresh);
  process.exitCode = failed === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
