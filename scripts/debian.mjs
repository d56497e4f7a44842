// Debian packages as files: downloaded by apt and unpacked in a folder, without installing anything and without
// telling dpkg of a second architecture.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Unpacks packages (`name:arch`), amd64 or arm64, into `base`/`into`. What cannot be had is not there afterwards. */
export function unpackDebian(base, into, packages) {
  if (packages.length === 0 || !existsSync('/usr/bin/apt-get') || !existsSync('/etc/debian_version')) return;
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
  if (apt('update')) for (const p of packages) apt('download', p);
  for (const deb of readdirSync(dir('debs')))
    spawnSync('dpkg-deb', ['-x', join(base, 'debs', deb), dir(into)]);
  for (const name of ['lists', 'cache', 'debs']) rmSync(join(base, name), { recursive: true, force: true });
}
