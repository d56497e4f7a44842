/** Looking for keys: in a keyring and those in it, and in the keyrings a task has (keyring.c, process_keys.c). */
import { EACCES, EAGAIN, EKEYEXPIRED, EKEYREVOKED, ENOKEY, ENOTDIR } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import { indexOf, KEY_SEARCH, KEYRING, permission, type Key, type KeyRef, type KeyType } from './key.ts';

/** Keyrings in keyrings are followed this deep (KEYRING_SEARCH_MAX_DEPTH). */
export const MAX_DEPTH = 6;

/** What is looked for: keys by name, which must be good; or one key, in whatever state. */
export type Wanted =
  | { readonly type: KeyType; readonly description: string; readonly skipExpired?: boolean }
  | { readonly key: Key };

export const isExpired = (t: Task, key: Key): boolean => t.kernel.keys.now >= key.expiry;

/** key_validate: 0 or why the key is of no use. */
export function validate(t: Task, key: Key): number {
  if (key.invalidated) return -ENOKEY;
  if (key.revoked) return -EKEYREVOKED;
  return isExpired(t, key) ? -EKEYEXPIRED : 0;
}

/** The key that is looked for, or the errno of the last one that could not be had; -EAGAIN: none matches. */
export function searchKeyring(t: Task, ring: KeyRef, wanted: Wanted): KeyRef | number {
  const { creds } = t;
  const { possessed } = ring;
  if (ring.key.type !== KEYRING) return -ENOTDIR;
  if (permission(creds, ring, KEY_SEARCH) < 0) return -EACCES;
  let result = -EAGAIN;

  const consider = (key: Key): KeyRef | null => {
    const ref = { key, possessed };
    const byName = 'type' in wanted;
    if (byName && (key.revoked || key.invalidated)) result = -EKEYREVOKED;
    else if (byName && isExpired(t, key)) {
      if (wanted.skipExpired !== true) result = -EKEYEXPIRED;
    } else if (permission(creds, ref, KEY_SEARCH) < 0) result = -EACCES;
    else if (byName && key.state < 0) result = key.state;
    else return ref;
    return null;
  };
  const index = 'type' in wanted ? indexOf(wanted.type, wanted.description) : indexOf(wanted.key.type, wanted.key.description); // prettier-ignore
  const wants = (key: Key | undefined): key is Key =>
    key !== undefined && (!('key' in wanted) || wanted.key === key);
  const visit = (at: Key, depth: number): KeyRef | null => {
    if (at.revoked || at.invalidated) return null;
    const match = at.links.get(index);
    const found = wants(match) ? consider(match) : null;
    if (found || depth === MAX_DEPTH) return found;
    for (const next of at.links.values()) {
      if (next.type !== KEYRING || permission(creds, { key: next, possessed }, KEY_SEARCH) < 0) continue;
      const below = visit(next, depth + 1);
      if (below) return below;
    }
    return null;
  };
  const top = indexOf(ring.key.type, ring.key.description) === index && wants(ring.key);
  return (top ? consider(ring.key) : visit(ring.key, 0)) ?? result;
}

/** The keyrings a task searches, in order. */
export function ownKeyrings(t: Task): Key[] {
  const session = t.keyrings.session ?? t.kernel.keys.ofUsers.get(t.creds.uid)?.session ?? null;
  return [t.keyrings.thread, t.group.keyring, session].filter((k) => k !== null);
}

/** search_process_keyrings. A negative key says more than none, and anything else more than a negative one. */
export function searchOwn(t: Task, wanted: Wanted): KeyRef | number {
  let negative = 0;
  let other = -EAGAIN;
  for (const key of ownKeyrings(t)) {
    const found = searchKeyring(t, { key, possessed: true }, wanted);
    if (typeof found !== 'number') return found;
    if (found === -ENOKEY) negative = found;
    else if (found !== -EAGAIN) other = found;
  }
  return negative || other;
}

export const possesses = (t: Task, key: Key): boolean => typeof searchOwn(t, { key }) !== 'number';

/** keyring_detect_cycle: whether `ring` can be reached from `key`. */
export function reaches(key: Key, ring: Key, depth = 0): boolean {
  if (key === ring) return true;
  if (key.type !== KEYRING || depth === MAX_DEPTH) return false;
  return [...key.links.values()].some((next) => reaches(next, ring, depth + 1));
}
