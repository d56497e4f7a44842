// A test on this machine's own kernel, as root in a container: namespaces of its own, a root folder whose changes are
// kept in memory and end with the test, and the capabilities docker gives. Without those of an administrator a test can
// neither stop this machine nor set its clock.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CAPABILITIES = [
  'chown', 'dac_override', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid', 'setpcap', 'net_bind_service', 'net_raw',
  'sys_chroot', 'mknod', 'audit_write', 'setfcap',
]; // prettier-ignore

/** A test is not the machine's first process, whose signals and orphans are special: a shell is. */
export const asChild = (command) => ['/bin/sh', '-c', `${command}\nexit $?`];

/** $1: the root folder, $2: an empty folder to mount on, $3: the working directory; then the variables and the command. */
const CONTAINER = `
set -e
root=$1 at=$2 dir=$3; shift 3
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$at"
mkdir "$at/upper" "$at/work" "$at/root"
mount -t overlay -o "nodev,lowerdir=$root,upperdir=$at/upper,workdir=$at/work" overlay "$at/root"
cd "$at/root"
mount -t proc -o nosuid,nodev,noexec proc proc
for p in sys sysrq-trigger irq bus fs; do
  if [ -e "proc/$p" ]; then mount --bind "proc/$p" "proc/$p"; mount -o remount,bind,ro,nosuid,nodev,noexec "proc/$p"; fi
done
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o mode=755,nosuid,strictatime tmpfs dev
for d in null zero full random urandom tty; do cp -a "/dev/$d" dev/; done
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
mount -t mqueue mqueue dev/mqueue
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
mkdir -p "./$dir"
ip link set lo up
mkdir -p old
pivot_root . old
cd /
umount -l /old
rmdir /old
cd "/$dir"
exec setpriv --bounding-set "-all,$CAPABILITIES" --inh-caps=-all env -i "$@"
`;

/** Runs a command; the result is as ring3's (`ring3.mjs`). */
export function native(root, dir, env, command, seconds) {
  const at = mkdtempSync(join(tmpdir(), 'conformance-'));
  try {
    const r = spawnSync(
      'unshare',
      ['--mount', '--pid', '--fork', '--kill-child', '--ipc', '--uts', '--net', '--cgroup',
       'sh', '-c', CONTAINER, 'sh', root, at, dir,
       ...Object.entries(env).map(([k, v]) => `${k}=${v}`), ...asChild(command)], // prettier-ignore
      {
        env: { PATH: process.env.PATH, CAPABILITIES: CAPABILITIES.map((c) => `+${c}`).join(',') },
        encoding: 'latin1',
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 64 << 20,
        timeout: seconds * 1000,
        killSignal: 'SIGKILL',
      },
    );
    return {
      status: r.status,
      signal: r.signal,
      timeout: r.error?.code === 'ETIMEDOUT',
      output: r.stdout + r.stderr,
    };
  } finally {
    rmdirSync(at);
  }
}
