/** /proc/PID/{mounts,mountinfo,mountstats}: the mount table as a process sees it (proc(5)). */
import type { Task } from '../../task/task.ts';
import {
  MNT_NOATIME, MNT_NODEV, MNT_NODIRATIME, MNT_NOEXEC, MNT_NOSUID, MNT_READONLY, MNT_RELATIME, pathName, type Mount,
} from '../dentry.ts'; // prettier-ignore
import { devMajor, devMinor } from '../dev/devices.ts';

/** Spaces, tabs, newlines and backslashes as octal (mangle). */
const mangle = (s: string): string =>
  s.replace(/[ \t\n\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);

const FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [MNT_NOSUID, 'nosuid'],
  [MNT_NODEV, 'nodev'],
  [MNT_NOEXEC, 'noexec'],
  [MNT_NOATIME, 'noatime'],
  [MNT_NODIRATIME, 'nodiratime'],
  [MNT_RELATIME, 'relatime'],
];
const flagsText = (flags: number): string =>
  FLAGS.filter(([bit]) => flags & bit)
    .map(([, name]) => `,${name}`)
    .join('');

/** Mounts the process can reach, with the place of each below its root. */
function visible(t: Task): [mount: Mount, place: string][] {
  const out: [Mount, string][] = [];
  const { root } = t.fs;
  for (const m of t.kernel.vfs.mounts) {
    // A mount's own root is named by the mount point it covers; the root of everything is "/".
    const place = m.at === null ? (m === root.mnt ? '/' : null) : placeOf(m, root);
    if (place !== null) out.push([m, place]);
  }
  return out;
}

function placeOf(m: Mount, root: Task['fs']['root']): string | null {
  const name = pathName(m.at!, root);
  return name.startsWith('(unreachable)') ? null : name;
}

/** Options of the file system itself. */
function superOptions(m: Mount): string {
  const rw = m.fs.readOnly ? 'ro' : 'rw';
  const more = m.fs.mountOptions?.() ?? '';
  return more === '' ? rw : `${rw},${more}`;
}

export function mountsText(t: Task): string[] {
  return visible(t).map(([m, place]) => {
    const rw = m.readOnly ? 'ro' : 'rw';
    const more = m.fs.mountOptions?.() ?? '';
    const options = rw + flagsText(m.flags) + (more === '' ? '' : `,${more}`);
    return `${mangle(m.source)} ${mangle(place)} ${mangle(m.fs.type)} ${options} 0 0\n`;
  });
}

export function mountinfoText(t: Task): string[] {
  return visible(t).map(([m, place]) => {
    const parent = m.at === null ? m.id : m.at.mnt.id;
    const { dev } = m.fs;
    const root = m.root.isRoot ? '/' : withinFs(m);
    const rw = m.flags & MNT_READONLY ? 'ro' : 'rw';
    return (
      `${m.id} ${parent} ${devMajor(dev)}:${devMinor(dev)} ${mangle(root)} ${mangle(place)} ` +
      `${rw}${flagsText(m.flags)} - ${mangle(m.fs.type)} ${mangle(m.source)} ${superOptions(m)}\n`
    );
  });
}

/** The name of a bind mount's root within its file system. */
function withinFs(m: Mount): string {
  let out = '';
  for (let d = m.root; !d.isRoot; d = d.parent) out = `/${d.name}${out}`;
  return out;
}

export function mountstatsText(t: Task): string[] {
  return visible(t).map(
    ([m, place]) =>
      `device ${mangle(m.source)} mounted on ${mangle(place)} with fstype ${mangle(m.fs.type)}\n`,
  );
}
