/** keyctl(2), one function an operation. */
import {
  EACCES, EDEADLK, EDQUOT, EFAULT, EINVAL, ENOENT, ENOKEY, ENOTDIR, EOPNOTSUPP, EPERM, EAGAIN,
} from '../abi/errno.ts'; // prettier-ignore
import type { Args } from '../syscall/args.ts';
import { CAP_SYS_ADMIN, hasCapability } from '../task/creds.ts';
import type { Task } from '../task/task.ts';
import {
  KEY_LINK, KEY_READ, KEY_SEARCH, KEY_SETATTR, KEY_VIEW, KEY_WRITE, KEYRING, permission, typeNamed, type Key, type KeyRef,
} from './key.ts'; // prettier-ignore
import {
  joinSession, KEY_SPEC_SESSION_KEYRING, lookupKey, processKeyring, threadKeyring, type LookUp,
} from './keyrings.ts'; // prettier-ignore
import { isExpired, reaches, searchKeyring, validate } from './search.ts';
import { fits, linkKey, moveKey, payloadArg, textArg, typeArg, updateKey } from './syscalls.ts';

const CREATE: LookUp = { create: true };
const PARTIAL: LookUp = { partial: true };
const ANY: LookUp = { create: true, partial: true };
const PAGE_SIZE = 4096;
const KEYCTL_MOVE_EXCL = 1;
/** What KEYCTL_CAPABILITIES tells: big keys, invalidation, restriction and moving; names of keyrings are shared by all. */
const CAPABILITIES = [0x08 | 0x10 | 0x20 | 0x40, 0];

const serialOf = (key: Key | number): number => (typeof key === 'number' ? key : key.serial);

/** The key of argument 1, handed to `then`. */
function withKey(t: Task, a: Args, need: number, how: LookUp, then: (ref: KeyRef) => number): number {
  const ref = lookupKey(t, a.i32(1), need, how);
  return typeof ref === 'number' ? ref : then(ref);
}

/** Copies what fits whole, and tells how much there is. */
function putText(t: Task, a: Args, text: string): number {
  const bytes = Uint8Array.from(`${text}\0`, (c) => c.charCodeAt(0));
  if (a.ptr(2) !== 0 && a.size(3) >= bytes.length && t.mm.copyOut(a.ptr(2), bytes) < 0) return -EFAULT;
  return bytes.length;
}

function read(t: Task, a: Args, ref: KeyRef): number {
  const { key } = ref;
  if (key.state < 0) return key.state;
  // What may not be read may be all the same, by who could find it.
  if (permission(t.creds, ref, KEY_READ) < 0 && !ref.possessed) return -EACCES;
  if (!key.type.reads) return -EOPNOTSUPP;
  const bad = validate(t, key);
  if (bad < 0) return bad;
  let bytes = key.payload;
  if (key.type === KEYRING) {
    const v = new DataView(new ArrayBuffer(4 * key.links.size));
    [...key.links.values()].forEach((k, i) => v.setInt32(4 * i, k.serial, true));
    bytes = new Uint8Array(v.buffer);
  }
  if (a.ptr(2) !== 0 && bytes.length <= a.size(3) && t.mm.copyOut(a.ptr(2), bytes) < 0) return -EFAULT;
  return bytes.length;
}

function update(t: Task, a: Args): number {
  if (a.size(3) > PAGE_SIZE) return -EINVAL;
  const payload = payloadArg(t, a.ptr(2), a.size(3));
  if (typeof payload === 'number') return payload;
  return withKey(t, a, KEY_WRITE, {}, (ref) => {
    if (!ref.key.type.updates) return -EOPNOTSUPP;
    return fits(ref.key.type, payload) ? updateKey(t, ref, payload) : -EINVAL;
  });
}

function revoke(t: Task, a: Args): number {
  let ref = lookupKey(t, a.i32(1), KEY_WRITE);
  if (ref === -EACCES) ref = lookupKey(t, a.i32(1), KEY_SETATTR);
  if (typeof ref === 'number') return ref;
  t.kernel.keys.revoke(ref.key);
  return 0;
}

function chown(t: Task, a: Args, { key }: KeyRef): number {
  const { keys } = t.kernel;
  const uid = a.u32(2);
  const gid = a.u32(3);
  const none = 0xffffffff;
  if (!hasCapability(t, CAP_SYS_ADMIN)) {
    if (uid !== none && uid !== key.uid) return -EACCES;
    const mine = gid === t.creds.fsgid || t.creds.groups.includes(gid);
    if (gid !== none && gid !== key.gid && !mine) return -EACCES;
  }
  if (uid !== none && uid !== key.uid) {
    if (keys.charge(uid, 1, key.bytes) < 0) return -EDQUOT;
    keys.charge(key.payer, -1, -key.bytes, true);
    key.uid = key.payer = uid;
  }
  if (gid !== none) key.gid = gid;
  return 0;
}

function setPerm(t: Task, a: Args, { key }: KeyRef): number {
  if (key.uid !== t.creds.fsuid && !hasCapability(t, CAP_SYS_ADMIN)) return -EACCES;
  key.perm = a.u32(2);
  return 0;
}

/** The keyring of argument 2, to put `key` into or to take it out. */
function withRing(t: Task, a: Args, how: LookUp, then: (ring: Key) => number): number {
  const ring = lookupKey(t, a.i32(2), KEY_WRITE, how);
  return typeof ring === 'number' ? ring : then(ring.key);
}

function link(t: Task, a: Args): number {
  return withRing(t, a, CREATE, (ring) =>
    withKey(t, a, KEY_LINK, CREATE, ({ key }) => {
      if (ring.type !== KEYRING) return -ENOTDIR;
      return key.type === KEYRING && reaches(key, ring) ? -EDEADLK : linkKey(t, ring, key);
    }),
  );
}

function unlink(t: Task, a: Args): number {
  return withRing(t, a, {}, (ring) =>
    withKey(t, a, 0, PARTIAL, ({ key }) => {
      if (ring.type !== KEYRING) return -ENOTDIR;
      return t.kernel.keys.unlink(ring, key) ? 0 : -ENOENT;
    }),
  );
}

function search(t: Task, a: Args): number {
  const name = typeArg(t, a.ptr(2));
  if (typeof name === 'number') return name;
  const description = textArg(t, a.ptr(3));
  if (typeof description === 'number') return description;
  return withKey(t, a, KEY_SEARCH, {}, (ring) => {
    const dest = a.i32(4) === 0 ? null : lookupKey(t, a.i32(4), KEY_WRITE, CREATE);
    if (typeof dest === 'number') return dest;
    const type = typeNamed(name);
    if (type === undefined) return -ENOKEY;
    const found = searchKeyring(t, ring, { type, description });
    if (typeof found === 'number') return found === -EAGAIN ? -ENOKEY : found;
    if (dest !== null) {
      const err = permission(t.creds, found, KEY_LINK) || linkKey(t, dest.key, found.key);
      if (err < 0) return err;
    }
    return found.key.serial;
  });
}

function setDefaultKeyring(t: Task, choice: number): number {
  const old = t.keyrings.defaultKeyring;
  if (choice === -1) return old;
  if (choice < 0 || choice > 7 || choice === 6) return -EINVAL;
  const made = choice === 1 ? threadKeyring(t, true) : choice === 2 ? processKeyring(t, true) : 0;
  if (typeof made === 'number' && made < 0) return made;
  t.keyrings.defaultKeyring = choice;
  return old;
}

function setTimeout(t: Task, a: Args, { key }: KeyRef): number {
  key.expiry = a.u32(2) === 0 ? Infinity : t.kernel.keys.now + a.u32(2);
  return 0;
}

function sessionToParent(t: Task): number {
  const { keys, processes } = t.kernel;
  const parent = t.group.parent;
  const ring = lookupKey(t, KEY_SPEC_SESSION_KEYRING, KEY_LINK);
  if (typeof ring === 'number') return ring;
  if (parent === null || parent === processes.init || parent.live !== 1) return -EPERM;
  const p = parent.leader;
  const { uid, euid, suid, gid, egid, sgid } = p.creds;
  const c = t.creds;
  const same = uid === c.euid && euid === c.euid && suid === c.euid && gid === c.egid && egid === c.egid && sgid === c.egid; // prettier-ignore
  if (!same || ring.key.uid !== c.euid) return -EPERM;
  const old = p.keyrings.session;
  p.keyrings.session = keys.hold(ring.key);
  keys.release(old);
  return 0;
}

function restrict(t: Task, a: Args): number {
  return withKey(t, a, KEY_SETATTR, {}, ({ key }) => {
    if (a.ptr(2) !== 0) {
      const name = typeArg(t, a.ptr(2));
      if (typeof name === 'number') return name;
      return typeNamed(name) === undefined ? -ENOKEY : -ENOENT; // no type here has restrictions of its own
    }
    if (a.ptr(3) !== 0) return -EINVAL;
    if (key.type !== KEYRING) return -ENOTDIR;
    key.sealed = true;
    return 0;
  });
}

function move(t: Task, a: Args): number {
  if ((a.u32(4) & ~KEYCTL_MOVE_EXCL) !== 0) return -EINVAL;
  return withKey(t, a, KEY_LINK, CREATE, ({ key }) =>
    withRing(t, a, {}, (from) => {
      const to = lookupKey(t, a.i32(3), KEY_WRITE, CREATE);
      if (typeof to === 'number') return to;
      if (key.type === KEYRING && to.key.type === KEYRING && reaches(key, to.key)) return -EDEADLK;
      return moveKey(t, key, from, to.key, a.u32(4) === KEYCTL_MOVE_EXCL);
    }),
  );
}

function capabilities(t: Task, a: Args): number {
  const out = new Uint8Array(Math.min(a.size(2), PAGE_SIZE));
  out.set(CAPABILITIES.slice(0, out.length));
  return a.ptr(1) !== 0 && out.length > 0 && t.mm.copyOut(a.ptr(1), out) < 0 ? -EFAULT : CAPABILITIES.length;
}

/** Those that finish what request_key began: for the helper it starts, and here is none. */
function instantiate(t: Task, a: Args): number {
  return a.size(3) > 1024 * 1024 - 1 ? -EINVAL : -EPERM;
}

const OPERATIONS: readonly (((t: Task, a: Args) => number) | null)[] = [
  (t, a) => withKey(t, a, KEY_SEARCH, a.i32(2) === 0 ? {} : CREATE, ({ key }) => key.serial), // GET_KEYRING_ID
  (t, a) => {
    const name = a.ptr(1) === 0 ? null : textArg(t, a.ptr(1));
    return typeof name === 'number' ? name : serialOf(joinSession(t, name));
  },
  update,
  revoke,
  (t, a) => {
    if (a.u32(2) === 0xffffffff && a.u32(3) === 0xffffffff) return 0;
    return withKey(t, a, KEY_SETATTR, ANY, (ref) => chown(t, a, ref));
  },
  (t, a) => {
    if ((a.u32(2) & ~0x3f3f3f3f) !== 0) return -EINVAL;
    return withKey(t, a, KEY_SETATTR, ANY, (ref) => setPerm(t, a, ref));
  },
  (t, a) =>
    withKey(t, a, KEY_VIEW, PARTIAL, ({ key }) => {
      const perm = key.perm.toString(16).padStart(8, '0');
      return putText(t, a, `${key.type.name};${key.uid | 0};${key.gid | 0};${perm};${key.description}`);
    }),
  (t, a) =>
    withKey(t, a, KEY_WRITE, CREATE, ({ key }) => {
      if (key.type !== KEYRING) return -ENOTDIR;
      t.kernel.keys.clear(key);
      return 0;
    }),
  link,
  unlink,
  search,
  (t, a) => withKey(t, a, 0, {}, (ref) => read(t, a, ref)),
  instantiate,
  () => -EPERM, // NEGATE
  (t, a) => setDefaultKeyring(t, a.i32(1)),
  (t, a) => withKey(t, a, KEY_SETATTR, ANY, (ref) => setTimeout(t, a, ref)),
  (_t, a) => (a.i32(1) < 0 ? -EINVAL : a.i32(1) === 0 ? 0 : -ENOKEY), // ASSUME_AUTHORITY
  (t, a) => withKey(t, a, KEY_VIEW, PARTIAL, () => putText(t, a, '')), // GET_SECURITY
  sessionToParent,
  (_t, a) => (a.u32(3) === 0 || a.u32(3) >= 4095 || (a.u32(3) >= 512 && a.u32(3) <= 516) ? -EINVAL : -EPERM), // REJECT
  () => -EPERM, // INSTANTIATE_IOV
  (t, a) =>
    withKey(t, a, KEY_SEARCH, {}, ({ key }) => {
      t.kernel.keys.invalidate(key);
      return 0;
    }),
  null, // GET_PERSISTENT
  null, // DH_COMPUTE
  null, // PKEY_QUERY
  null, // PKEY_ENCRYPT
  null, // PKEY_DECRYPT
  null, // PKEY_SIGN
  null, // PKEY_VERIFY
  restrict,
  move,
  capabilities,
];

export function keyctl(t: Task, a: Args): number {
  return OPERATIONS[a.u32(0)]?.(t, a) ?? -EOPNOTSUPP;
}

/** /proc/keys: those the reader may see. */
export function keysText(t: Task): string {
  const { keys } = t.kernel;
  return [...keys.all.values()]
    .sort((x, y) => x.serial - y.serial)
    .flatMap((key) => {
      const ref = lookupKey(t, key.serial, 0);
      if (typeof ref === 'number' || permission(t.creds, ref, KEY_VIEW) < 0) return [];
      const hex = (n: number): string => n.toString(16).padStart(8, '0');
      const flags =
        `${key.state < 0 ? '-' : 'I'}${key.revoked ? 'R' : '-'}-Q-` +
        `${key.state < 0 ? 'N' : '-'}${key.invalidated ? 'i' : '-'}`;
      const size = key.type === KEYRING ? key.links.size || 'empty' : key.payload.length;
      const what = key.state < 0 ? key.description : `${key.description}: ${size}`;
      return [
        `${hex(key.serial)} ${flags} ${String(key.refs).padStart(5)} ${timeLeft(t, key).padStart(4)} ${hex(key.perm)} ` +
          `${String(key.uid | 0).padStart(5)} ${String(key.gid | 0).padStart(5)} ${key.type.name.padEnd(9)} ${what}\n`,
      ];
    })
    .join('');
}

function timeLeft(t: Task, key: Key): string {
  if (key.expiry === Infinity) return 'perm';
  if (isExpired(t, key)) return 'expd';
  const s = key.expiry - t.kernel.keys.now;
  const units: readonly [number, string][] = [[7 * 86400, 'w'], [86400, 'd'], [3600, 'h'], [60, 'm'], [1, 's']]; // prettier-ignore
  const [unit, letter] = units.find(([n]) => s >= n) ?? [1, 's'];
  return `${Math.floor(s / unit)}${letter}`;
}

/** /proc/key-users. */
export function keyUsersText(t: Task): string {
  const { users, limits, all } = t.kernel.keys;
  return [...users]
    .sort((x, y) => x[0] - y[0])
    .map(([uid, { keys, bytes }]) => {
      const count = [...all.values()].filter((k) => k.payer === uid).length;
      const [maxKeys, maxBytes] = uid === 0 ? [limits.root_maxkeys, limits.root_maxbytes] : [limits.maxkeys, limits.maxbytes]; // prettier-ignore
      return `${String(uid).padStart(5)}: ${String(count + 1).padStart(5)} ${count}/${count} ${keys}/${maxKeys} ${bytes}/${maxBytes}\n`;
    })
    .join('');
}
