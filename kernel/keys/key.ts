/** Keys and keyrings (keyrings(7), security/keys): the objects, who may do what with them, and their quotas. */
import { EACCES, EDQUOT, EINVAL, ENOMEM } from '../abi/errno.ts';
import type { KernelMemory } from '../mm/kernel-memory.ts';
import type { Clock, Entropy } from '../ports.ts';
import type { Credentials } from '../task/creds.ts';

// Rights; a key has four bytes of them: possessor, user, group, other.
export const KEY_VIEW = 1;
export const KEY_READ = 2;
export const KEY_WRITE = 4;
export const KEY_SEARCH = 8;
export const KEY_LINK = 16;
export const KEY_SETATTR = 32;
export const KEY_POS_ALL = 0x3f000000;
export const KEY_USR_VIEW = 0x010000;
export const KEY_USR_READ = 0x020000;
export const KEY_USR_LINK = 0x100000;
export const KEY_USR_ALL = 0x3f0000;
const KEY_POS_READ = 0x02000000;
const KEY_POS_WRITE = 0x04000000;
const KEY_POS_DEFAULT = 0x39000000; // view, search, link, setattr

export interface KeyType {
  readonly name: string;
  /** Longest payload. */
  readonly max: number;
  /** KEYCTL_READ gives the payload back. */
  readonly reads: boolean;
  /** add_key and KEYCTL_UPDATE change the payload of one that is there. */
  readonly updates: boolean;
  /** Whether a description is one of this type's. */
  readonly names?: (description: string) => boolean;
}

export const KEYRING: KeyType = { name: 'keyring', max: 0, reads: true, updates: false };
export const USER: KeyType = { name: 'user', max: 32767, reads: true, updates: true };
/** For secrets the kernel uses: "service:name", and nobody reads them back. */
export const LOGON: KeyType = { ...USER, name: 'logon', reads: false, names: (d) => d.indexOf(':') > 0 };
export const BIG_KEY: KeyType = { ...USER, name: 'big_key', max: 1024 * 1024 - 1 };
const TYPES: readonly KeyType[] = [KEYRING, USER, LOGON, BIG_KEY];

export const typeNamed = (name: string): KeyType | undefined => TYPES.find((t) => t.name === name);

/** What a new key of a type lets its possessor and its user do. */
export const defaultPerm = (type: KeyType): number =>
  KEY_POS_DEFAULT | KEY_USR_VIEW | (type.reads ? KEY_POS_READ : 0) | (type === KEYRING || type.updates ? KEY_POS_WRITE : 0); // prettier-ignore

/** What a keyring finds a key by. */
export const indexOf = (type: KeyType, description: string): string => `${type.name};${description}`;

export class Key {
  readonly serial: number;
  readonly type: KeyType;
  readonly description: string;
  uid: number;
  gid: number;
  perm: number;
  payload: Uint8Array = new Uint8Array(0);
  /** A keyring's keys, oldest first. */
  readonly links = new Map<string, Key>();
  /** −errno of a negative key: there is none to be had. */
  state = 0;
  revoked = false;
  invalidated = false;
  /** Realtime seconds. */
  expiry = Infinity;
  /** A keyring whose links are as they stay (KEYCTL_RESTRICT_KEYRING). */
  sealed = false;
  /** One of the two every user has. */
  ofUser = false;
  /** Keyrings, tasks and processes that hold it; without any it goes. */
  refs = 0;
  /** Against whose quota it counts: who made it, or was given it. */
  payer: number;

  constructor(serial: number, type: KeyType, description: string, uid: number, gid: number, perm: number) {
    this.serial = serial;
    this.type = type;
    this.description = description;
    this.uid = this.payer = uid;
    this.gid = gid;
    this.perm = perm;
  }

  /** Bytes of quota: its name, its payload, and four for each link. */
  get bytes(): number {
    return this.description.length + 1 + this.payload.length + 4 * this.links.size;
  }
}

/** A key as found by a task: possessed when its own keyrings lead there. */
export interface KeyRef {
  readonly key: Key;
  readonly possessed: boolean;
}

/** key_task_permission: 0 or -EACCES. No capability overrides it. */
export function permission(creds: Credentials, { key, possessed }: KeyRef, need: number): number {
  let granted: number;
  if (key.uid === creds.fsuid) granted = key.perm >> 16;
  else if (key.perm & 0x3f00 && (key.gid === creds.fsgid || creds.groups.includes(key.gid)))
    granted = key.perm >> 8; // prettier-ignore
  else granted = key.perm;
  if (possessed) granted |= key.perm >> 24;
  return (granted & need) === need ? 0 : -EACCES;
}

/** What one user's keys take. */
export interface KeyUser {
  keys: number;
  bytes: number;
}

/** Host memory behind a key, beside its payload. */
const KEY_COST = 512;

export interface KeyPorts {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly kmem: KernelMemory;
}

/** Every key of the machine. */
export class KeyTable {
  readonly all = new Map<number, Key>();
  readonly users = new Map<number, KeyUser>();
  /** A user's own keyring and the session keyring of those who have no other. Kept once made. */
  readonly ofUsers = new Map<number, { readonly own: Key; readonly session: Key }>();
  /** /proc/sys/kernel/keys. */
  readonly limits = { maxkeys: 200, maxbytes: 20_000, root_maxkeys: 1_000_000, root_maxbytes: 25_000_000 };
  private readonly ports: KeyPorts;

  constructor(ports: KeyPorts) {
    this.ports = ports;
  }

  /** Realtime seconds. */
  get now(): number {
    const { clock } = this.ports;
    return Math.floor(clock.monotonic() / 1e9 + Number(clock.realtimeOffset) / 1e9);
  }

  /** A key that nothing holds yet: the caller links it or calls `drop`. -errno when there is no room. */
  make(
    type: KeyType,
    description: string,
    creds: Credentials,
    perm: number,
    quota: 'in' | 'override' = 'in',
  ): Key | number {
    if (description === '' || (type.names && !type.names(description))) return -EINVAL;
    const key = new Key(this.newSerial(), type, description, creds.fsuid, creds.fsgid, perm >>> 0);
    const err = this.charge(key.payer, 1, key.bytes, quota === 'override');
    if (err < 0) return err;
    if (!this.ports.kmem.charge(KEY_COST)) {
      this.charge(key.payer, -1, -key.bytes, true);
      return -ENOMEM;
    }
    this.all.set(key.serial, key);
    return key;
  }

  /** Positive and random, as key_alloc_serial's. */
  private newSerial(): number {
    for (;;) {
      const n = this.ports.entropy.below(2 ** 31);
      if (n >= 3 && !this.all.has(n)) return n;
    }
  }

  /** Takes (or gives back) quota: 0 or -EDQUOT. */
  charge(uid: number, keys: number, bytes: number, force = false): number {
    let user = this.users.get(uid);
    if (user === undefined) this.users.set(uid, (user = { keys: 0, bytes: 0 }));
    const { limits } = this;
    const maxKeys = uid === 0 ? limits.root_maxkeys : limits.maxkeys;
    const maxBytes = uid === 0 ? limits.root_maxbytes : limits.maxbytes;
    if (!force && (keys > 0 || bytes > 0) && (user.keys + keys > maxKeys || user.bytes + bytes > maxBytes)) return -EDQUOT; // prettier-ignore
    user.keys += keys;
    user.bytes += bytes;
    if (user.keys === 0 && user.bytes === 0) this.users.delete(uid);
    return 0;
  }

  hold<T extends Key | null>(key: T): T {
    if (key) key.refs++;
    return key;
  }

  /** Lets a key go; what nothing holds any more is no more, nor is what only it held. */
  release(key: Key | null): void {
    if (key && --key.refs === 0) this.drop(key);
  }

  drop(key: Key): void {
    if (!this.all.delete(key.serial)) return;
    this.charge(key.payer, -1, -key.bytes, true);
    this.ports.kmem.uncharge(KEY_COST + key.payload.length);
    for (const child of key.links.values()) this.release(child);
  }

  /** Gives a key its payload. */
  fill(key: Key, payload: Uint8Array): number {
    const more = payload.length - key.payload.length;
    const err = this.charge(key.payer, 0, more);
    if (err < 0) return err;
    if (more > 0 && !this.ports.kmem.charge(more)) {
      this.charge(key.payer, 0, -more, true);
      return -ENOMEM;
    }
    if (more < 0) this.ports.kmem.uncharge(-more);
    key.payload = payload;
    key.state = 0;
    key.expiry = Infinity;
    return 0;
  }

  /** Puts a key into a keyring, in the place of one of the same type and name. */
  link(ring: Key, key: Key): number {
    const index = indexOf(key.type, key.description);
    const old = ring.links.get(index);
    if (old === key) return 0;
    if (old === undefined) {
      const err = this.charge(ring.payer, 0, 4);
      if (err < 0) return err;
    }
    this.hold(key);
    ring.links.delete(index);
    ring.links.set(index, key);
    if (old) this.release(old);
    return 0;
  }

  /** Whether it was there. */
  unlink(ring: Key, key: Key): boolean {
    const index = indexOf(key.type, key.description);
    if (ring.links.get(index) !== key) return false;
    ring.links.delete(index);
    this.charge(ring.payer, 0, -4, true);
    this.release(key);
    return true;
  }

  clear(ring: Key): void {
    for (const key of [...ring.links.values()]) this.unlink(ring, key);
  }

  /** KEYCTL_REVOKE: its contents are gone. */
  revoke(key: Key): void {
    if (key.revoked) return;
    this.clear(key);
    this.fill(key, new Uint8Array(0));
    key.revoked = true;
  }

  /** KEYCTL_INVALIDATE: it leaves every keyring. */
  invalidate(key: Key): void {
    key.invalidated = true;
    this.hold(key);
    for (const ring of [...this.all.values()]) if (ring.type === KEYRING) this.unlink(ring, key);
    this.release(key);
  }
}
