/** Names of AF_UNIX sockets: paths and abstract names, as a sockaddr_un holds them (unix(7)). */
import { EACCES, ECONNREFUSED, EINVAL, EPROTOTYPE } from '../abi/errno.ts';
import { S_IFMT, S_IFSOCK } from '../fs/inode.ts';
import { AT_FDCWD } from '../fs/vfs.ts';
import type { Task } from '../task/task.ts';
import { familyOf } from './address.ts';
import { AF_UNIX } from './constants.ts';
import type { NetStack } from './stack.ts';
import type { UnixSocket } from './unix.ts';

const SUN_PATH = 108;

/** The path or abstract name (its NUL first) a sockaddr gives; null for the bare family (autobind); -errno. */
export function unixName(raw: Uint8Array): string | null | number {
  if (raw.length < 2 || raw.length > 2 + SUN_PATH) return -EINVAL;
  if (familyOf(raw) !== AF_UNIX) return -EINVAL;
  if (raw.length === 2) return null;
  let text = '';
  for (let i = 2; i < raw.length; i++) {
    if (raw[i] === 0 && raw[2] !== 0) break;
    text += String.fromCharCode(raw[i]);
  }
  return text;
}

export const isAbstract = (name: string): boolean => name.charCodeAt(0) === 0;

/** The sockaddr of a name as it was bound; null: of a socket without one. */
export function unixAddress(bound: Uint8Array | null): Uint8Array {
  const out = new Uint8Array(2 + (bound?.length ?? 0));
  out[0] = AF_UNIX;
  if (bound) out.set(bound, 2);
  return out;
}

/** The socket of this type a sockaddr leads to (unix_find_other). */
export function findUnix(net: NetStack, t: Task, type: number, raw: Uint8Array): UnixSocket | number {
  const name = unixName(raw);
  if (typeof name === 'number') return name;
  if (name === null) return -EINVAL;
  let other: UnixSocket | undefined;
  if (isAbstract(name)) other = net.abstract.get(net.abstractKey(type, name));
  else {
    const at = t.kernel.vfs.lookup(t, AT_FDCWD, name);
    if (typeof at === 'number') return at;
    if (at.inode.access(t, 2) < 0) return -EACCES;
    if ((at.inode.mode & S_IFMT) !== S_IFSOCK) return -ECONNREFUSED;
    other = net.unixNodes.get(at.inode);
  }
  if (!other) return -ECONNREFUSED;
  return other.type === type ? other : -EPROTOTYPE;
}
