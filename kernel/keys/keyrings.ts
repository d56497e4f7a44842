/** The keyrings of tasks: the special numbers of keyctl(2), and how they come, go on and go (process_keys.c). */
import { EINVAL, ENOKEY, EPERM } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import {
  KEY_LINK, KEY_POS_ALL, KEY_SEARCH, KEY_SETATTR, KEY_USR_ALL, KEY_USR_LINK, KEY_USR_READ, KEY_USR_VIEW, KEYRING, permission,
  type Key, type KeyRef,
} from './key.ts'; // prettier-ignore
import { possesses, validate } from './search.ts';

export const KEY_SPEC_THREAD_KEYRING = -1;
export const KEY_SPEC_PROCESS_KEYRING = -2;
export const KEY_SPEC_SESSION_KEYRING = -3;
export const KEY_SPEC_USER_KEYRING = -4;
export const KEY_SPEC_USER_SESSION_KEYRING = -5;
const KEY_SPEC_REQKEY_AUTH_KEY = -7;
const KEY_SPEC_REQUESTOR_KEYRING = -8;

/** A child's: the parent's session, and no more. */
export function inheritKeyrings(t: Task, child: Task): void {
  const keys = t.kernel.keys;
  child.keyrings.session = keys.hold(t.keyrings.session);
  child.keyrings.defaultKeyring = t.keyrings.defaultKeyring;
}

/** At exec the thread's and the process's go. */
export function resetKeyrings(t: Task): void {
  const { keys } = t.kernel;
  keys.release(t.keyrings.thread);
  keys.release(t.group.keyring);
  t.keyrings.thread = t.group.keyring = null;
}

/** A thread is gone; `last`: its process too. */
export function dropKeyrings(t: Task, last: boolean): void {
  const { keys } = t.kernel;
  keys.release(t.keyrings.thread);
  keys.release(t.keyrings.session);
  t.keyrings.thread = t.keyrings.session = null;
  if (!last) return;
  keys.release(t.group.keyring);
  t.group.keyring = null;
}

function makeKeyring(t: Task, name: string, perm: number, quota: 'in' | 'override'): Key | number {
  return t.kernel.keys.make(KEYRING, name, t.creds, perm, quota);
}

export function threadKeyring(t: Task, create: boolean): Key | number {
  const own = t.keyrings;
  if (own.thread === null) {
    if (!create) return -ENOKEY;
    const made = makeKeyring(t, '_tid', KEY_POS_ALL | KEY_USR_VIEW, 'override');
    if (typeof made === 'number') return made;
    own.thread = t.kernel.keys.hold(made);
    own.fsuid = made.uid;
  }
  if (own.fsuid !== t.creds.fsuid) own.thread.uid = own.fsuid = t.creds.fsuid; // key_fsuid_changed
  return own.thread;
}

export function processKeyring(t: Task, create: boolean): Key | number {
  const { group } = t;
  if (group.keyring === null) {
    if (!create) return -ENOKEY;
    const made = makeKeyring(t, '_pid', KEY_POS_ALL | KEY_USR_VIEW, 'override');
    if (typeof made === 'number') return made;
    group.keyring = t.kernel.keys.hold(made);
  }
  return group.keyring;
}

/** look_up_user_keyrings: the two of the real user, made when first asked for. */
export function userKeyrings(t: Task): { readonly own: Key; readonly session: Key } | number {
  const { keys } = t.kernel;
  const { uid } = t.creds;
  const known = keys.ofUsers.get(uid);
  if (known) return known;
  const perm = (KEY_POS_ALL & ~(KEY_SETATTR << 24)) | KEY_USR_ALL;
  const creds = { ...t.creds, fsuid: uid, fsgid: 0xffffffff };
  const own = keys.make(KEYRING, `_uid.${uid}`, creds, perm);
  if (typeof own === 'number') return own;
  const session = keys.make(KEYRING, `_uid_ses.${uid}`, creds, perm);
  if (typeof session === 'number') {
    keys.drop(own);
    return session;
  }
  own.ofUser = session.ofUser = true;
  keys.hold(own);
  keys.hold(session);
  keys.link(session, own);
  const both = { own, session };
  keys.ofUsers.set(uid, both);
  return both;
}

/** Installs a session keyring; null: a new one without a name of its own. */
export function installSession(t: Task, ring: Key | null): Key | number {
  const { keys } = t.kernel;
  const old = t.keyrings.session;
  const next = ring ?? makeKeyring(t, '_ses', KEY_POS_ALL | KEY_USR_VIEW | KEY_USR_READ, old ? 'in' : 'override'); // prettier-ignore
  if (typeof next === 'number') return next;
  t.keyrings.session = keys.hold(next);
  keys.release(old);
  return next;
}

/** The session keyring: the user's for who has none, unless something is to be put into it. */
function sessionKeyring(t: Task, create: boolean): Key | number {
  const { session } = t.keyrings;
  if (session !== null && !(session.ofUser && create)) return session;
  const user = userKeyrings(t);
  if (typeof user === 'number') return user;
  return installSession(t, create ? null : user.session);
}

/** KEYCTL_JOIN_SESSION_KEYRING: the keyring of that name which may be searched, or a new one. */
export function joinSession(t: Task, name: string | null): Key | number {
  if (name === null) return installSession(t, null);
  if (name.startsWith('.')) return -EPERM;
  for (const key of t.kernel.keys.all.values()) {
    if (key.type !== KEYRING || key.description !== name || key.revoked || key.ofUser) continue;
    if (permission(t.creds, { key, possessed: false }, KEY_SEARCH) === 0) return installSession(t, key);
  }
  const perm = KEY_POS_ALL | KEY_USR_VIEW | KEY_USR_READ | KEY_USR_LINK;
  const made = makeKeyring(t, name, perm, 'in');
  return typeof made === 'number' ? made : installSession(t, made);
}

/** A special keyring by its number, or -errno. */
function special(t: Task, id: number, create: boolean): Key | number {
  switch (id) {
    case KEY_SPEC_THREAD_KEYRING:
      return threadKeyring(t, create);
    case KEY_SPEC_PROCESS_KEYRING:
      return processKeyring(t, create);
    case KEY_SPEC_SESSION_KEYRING:
      return sessionKeyring(t, create);
    case KEY_SPEC_USER_KEYRING:
    case KEY_SPEC_USER_SESSION_KEYRING: {
      const user = userKeyrings(t);
      if (typeof user === 'number') return user;
      return id === KEY_SPEC_USER_KEYRING ? user.own : user.session;
    }
    case KEY_SPEC_REQKEY_AUTH_KEY:
    case KEY_SPEC_REQUESTOR_KEYRING:
      return -ENOKEY; // only the helper that request_key starts has them
    default:
      return -EINVAL;
  }
}

export interface LookUp {
  /** A special keyring that is not there is made. */
  readonly create?: boolean;
  /** A key without a value will do. */
  readonly partial?: boolean;
}

/** lookup_user_key: the key of a number, with the right `need` (0: none). */
export function lookupKey(t: Task, id: number, need: number, how: LookUp = {}): KeyRef | number {
  let ref: KeyRef;
  if (id < 1) {
    const key = special(t, id, how.create === true);
    if (typeof key === 'number') return key;
    ref = { key, possessed: true };
  } else {
    const key = t.kernel.keys.all.get(id);
    if (key === undefined) return -ENOKEY;
    ref = { key, possessed: possesses(t, key) };
  }
  // What need not be good may be taken out of a keyring, or be asked about.
  if (need !== 0) {
    if (how.partial !== true && ref.key.state < 0) return ref.key.state;
    const err = validate(t, ref.key);
    if (err < 0) return err;
  }
  const denied = permission(t.creds, ref, need);
  return denied < 0 ? denied : ref;
}

/** What KEYCTL_SESSION_TO_PARENT needs of the session keyring. */
export const SESSION_LINK = KEY_LINK;
