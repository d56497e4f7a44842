/** add_key(2) and request_key(2). */
import { EAGAIN, EEXIST, EFAULT, EINVAL, ENAMETOOLONG, ENODEV, ENOENT, ENOKEY, ENOTDIR, EPERM } from '../abi/errno.ts'; // prettier-ignore
import type { Args } from '../syscall/args.ts';
import type { Task } from '../task/task.ts';
import {
  defaultPerm, indexOf, KEY_LINK, KEY_WRITE, KEYRING, permission, typeNamed, type Key, type KeyRef, type KeyType,
} from './key.ts'; // prettier-ignore
import { lookupKey, processKeyring, threadKeyring, userKeyrings } from './keyrings.ts';
import { searchOwn, validate } from './search.ts';

/** Longest description and callout, with the NUL (KEY_MAX_DESC_SIZE). */
const MAX_TEXT = 4096;
const MAX_TYPE = 32;
export const MAX_PAYLOAD = 1024 * 1024 - 1;
/** Seconds for which a key that could not be had stays known as such. */
const NEGATIVE_TIMEOUT = 60;

/** strndup_user: a string, or -EFAULT or -EINVAL. */
export function textArg(t: Task, address: number, max = MAX_TEXT): string | number {
  const text = t.mm.cstring(address, max);
  return text === -ENAMETOOLONG ? -EINVAL : text;
}

/** key_get_type_from_user: a type's name; those with a dot are the kernel's own. */
export function typeArg(t: Task, address: number): string | number {
  const name = textArg(t, address, MAX_TYPE);
  if (typeof name === 'number') return name;
  if (name === '') return -EINVAL;
  return name.startsWith('.') ? -EPERM : name;
}

/** The bytes of a payload, or -errno. */
export function payloadArg(t: Task, address: number, length: number): Uint8Array | number {
  if (length > MAX_PAYLOAD) return -EINVAL;
  return length === 0 ? new Uint8Array(0) : (t.mm.copyIn(address, length) ?? -EFAULT);
}

/** A type's preparse: whether it takes these bytes. */
export const fits = (type: KeyType, payload: Uint8Array): boolean =>
  type === KEYRING ? payload.length === 0 : payload.length > 0 && payload.length <= type.max;

/** key_update. */
export function updateKey(t: Task, ref: KeyRef, payload: Uint8Array): number {
  const denied = permission(t.creds, ref, KEY_WRITE);
  if (denied < 0) return denied;
  return t.kernel.keys.fill(ref.key, payload);
}

/** add_key(2). */
export function addKey(t: Task, a: Args): number {
  const { keys } = t.kernel;
  if (a.size(3) > MAX_PAYLOAD) return -EINVAL;
  const name = typeArg(t, a.ptr(0));
  if (typeof name === 'number') return name;
  const description = a.ptr(1) === 0 ? '' : textArg(t, a.ptr(1));
  if (typeof description === 'number') return description;
  if (description.startsWith('.') && name.startsWith('keyring')) return -EPERM;
  const payload = payloadArg(t, a.ptr(2), a.size(3));
  if (typeof payload === 'number') return payload;
  const ring = lookupKey(t, a.i32(4), KEY_WRITE, { create: true });
  if (typeof ring === 'number') return ring;
  const type = typeNamed(name);
  if (type === undefined) return -ENODEV;
  if (ring.key.type !== KEYRING) return -ENOTDIR;
  if (!fits(type, payload) || description === '') return -EINVAL;
  if (ring.key.sealed) return -EPERM;
  const old = type.updates ? ring.key.links.get(indexOf(type, description)) : undefined;
  if (old && !old.revoked && !old.invalidated) {
    const err = updateKey(t, { key: old, possessed: ring.possessed }, payload);
    return err < 0 ? err : old.serial;
  }
  const key = keys.make(type, description, t.creds, defaultPerm(type));
  if (typeof key === 'number') return key;
  const err = keys.fill(key, payload) || keys.link(ring.key, key);
  if (err < 0) {
    keys.drop(key);
    return err;
  }
  return key.serial;
}

/** construct_get_dest_keyring without one that was named: KEYCTL_SET_REQKEY_KEYRING's, or the nearest there is. */
function defaultKeyring(t: Task): Key | number {
  const { thread, session } = t.keyrings;
  const user = userKeyrings(t);
  if (typeof user === 'number') return user;
  const choice = t.keyrings.defaultKeyring;
  const ring =
    choice === 1 ? threadKeyring(t, false)
    : choice === 2 ? processKeyring(t, false)
    : choice === 4 ? user.own
    : choice === 5 ? user.session
    : choice === 3 ? (session ?? user.session)
    : (thread ?? t.group.keyring ?? session ?? user.session); // prettier-ignore
  if (typeof ring === 'number') return ring;
  return permission(t.creds, { key: ring, possessed: true }, KEY_WRITE) || ring;
}

/** request_key(2). There is no helper that could make a key: what is not there is remembered as such. */
export function requestKey(t: Task, a: Args): number {
  const { keys } = t.kernel;
  const name = typeArg(t, a.ptr(0));
  if (typeof name === 'number') return name;
  const description = textArg(t, a.ptr(1));
  if (typeof description === 'number') return description;
  const callout = a.ptr(2) === 0 ? null : textArg(t, a.ptr(2));
  if (typeof callout === 'number') return callout;
  const dest = a.i32(3) === 0 ? null : lookupKey(t, a.i32(3), KEY_WRITE, { create: true });
  if (typeof dest === 'number') return dest;
  const type = typeNamed(name);
  if (type === undefined) return -ENOKEY;
  const found = searchOwn(t, { type, description, skipExpired: true });
  if (typeof found !== 'number') {
    if (dest !== null) {
      const err = permission(t.creds, found, KEY_LINK) || linkKey(t, dest.key, found.key);
      if (err < 0) return err;
    }
    return validate(t, found.key) || found.key.serial;
  }
  if (found !== -EAGAIN) return found;
  if (callout === null) return -ENOKEY;
  const ring = dest?.key ?? defaultKeyring(t);
  if (typeof ring === 'number') return ring;
  const key = keys.make(type, description, t.creds, defaultPerm(type));
  if (typeof key === 'number') return key;
  key.state = -ENOKEY;
  key.expiry = keys.now + NEGATIVE_TIMEOUT;
  const err = linkKey(t, ring, key);
  if (err < 0) {
    keys.drop(key);
    return err;
  }
  // As where there is no /sbin/request-key.
  return -ENOENT;
}

/** key_link without the permissions. */
export function linkKey(t: Task, ring: Key, key: Key): number {
  if (ring.type !== KEYRING) return -ENOTDIR;
  return ring.sealed ? -EPERM : t.kernel.keys.link(ring, key);
}

/** key_move: from one keyring to another; `only`: nothing there may be replaced. */
export function moveKey(t: Task, key: Key, from: Key, to: Key, only: boolean): number {
  if (from.type !== KEYRING || to.type !== KEYRING) return -ENOTDIR;
  if (from === to) return 0;
  const index = indexOf(key.type, key.description);
  if (from.links.get(index) !== key) return -ENOENT;
  if (only && to.links.has(index)) return -EEXIST;
  const err = linkKey(t, to, key);
  if (err < 0) return err;
  t.kernel.keys.unlink(from, key);
  return 0;
}
