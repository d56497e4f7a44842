import { describe, expect, it } from 'vitest';
import {
  EACCES, EDEADLK, EDQUOT, EEXIST, EFAULT, EINVAL, EKEYEXPIRED, EKEYREVOKED, ENODEV, ENOENT, ENOKEY, ENOTDIR, EOPNOTSUPP, EPERM,
} from '../../../kernel/abi/errno.ts'; // prettier-ignore
import { Harness } from '../harness.ts';
import type { Task } from '../../../kernel/task/task.ts';

const THREAD = -1;
const PROCESS = -2;
const SESSION = -3;
const USER = -4;
const USER_SESSION = -5;

const GET_ID = 0;
const JOIN = 1;
const UPDATE = 2;
const REVOKE = 3;
const CHOWN = 4;
const SETPERM = 5;
const DESCRIBE = 6;
const CLEAR = 7;
const LINK = 8;
const UNLINK = 9;
const SEARCH = 10;
const READ = 11;
const SET_REQKEY = 14;
const SET_TIMEOUT = 15;
const INVALIDATE = 21;
const RESTRICT = 29;
const MOVE = 30;

/** A kernel, and the calls with their strings put into memory. */
function setUp(uid = 0) {
  const h = new Harness({ init: { uid, gid: uid } });
  const text = (t: Task, s: string | null, slot: number): number =>
    s === null ? 0 : h.poke(t, h.scratch(t) + 512 * slot, s);
  const add = (type: string, name: string, payload: string, ring: number, t = h.init): number =>
    h.call(t, 'add_key', text(t, type, 1), text(t, name, 2), text(t, payload, 3), payload.length, ring)!;
  const request = (type: string, name: string, callout: string | null, ring = 0, t = h.init): number =>
    h.call(t, 'request_key', text(t, type, 1), text(t, name, 2), text(t, callout, 3), ring)!;
  const ctl = (op: number, ...args: number[]): number => h.call(h.init, 'keyctl', op, ...args)!;
  const out = h.scratch(h.init) + 4096;
  const read = (key: number, length = 64): string | number => {
    const n = ctl(READ, key, out, length);
    return n < 0 ? n : String.fromCharCode(...h.init.mm.copyIn(out, n)!);
  };
  const members = (ring: number): number[] => {
    const n = ctl(READ, ring, out, 256);
    return Array.from({ length: n / 4 }, (_, i) => h.init.mm.i32(out + 4 * i)!);
  };
  const describeKey = (key: number): string => {
    const n = ctl(DESCRIBE, key, out, 256);
    return n < 0 ? String(n) : String.fromCharCode(...h.init.mm.copyIn(out, n - 1)!);
  };
  return { h, t: h.init, add, request, ctl, read, members, describeKey, out, text };
}

describe('add_key', () => {
  it('makes a key, or gives the one that is there a new payload', () => {
    const { add, read, members, describeKey } = setUp();
    const key = add('user', 'colour', 'red', THREAD);
    expect(key).toBeGreaterThanOrEqual(3);
    expect(read(key)).toBe('red');
    expect(describeKey(key)).toBe('user;0;0;3f010000;colour');
    expect(add('user', 'colour', 'green', THREAD)).toBe(key);
    expect(read(key)).toBe('green');
    const ring = add('keyring', 'box', '', THREAD);
    expect(add('keyring', 'box', '', THREAD)).not.toBe(ring); // replaced
    expect(members(THREAD)).toHaveLength(2);
  });

  it('is refused as Linux refuses it', () => {
    const { h, t, add, text } = setUp();
    expect(add('keyring', 'a', 'x', THREAD)).toBe(-EINVAL);
    expect(add('user', 'a', '', THREAD)).toBe(-EINVAL);
    expect(add('logon', 'a', 'x', THREAD)).toBe(-EINVAL);
    expect(add('asymmetric', 'a', 'x', THREAD)).toBe(-ENODEV);
    expect(add('.user', 'a', 'x', THREAD)).toBe(-EPERM);
    expect(add('keyring', '.a', '', THREAD)).toBe(-EPERM);
    expect(add('user', '', 'x', THREAD)).toBe(-EINVAL);
    expect(add('user', 'a', 'x', 99)).toBe(-ENOKEY);
    expect(add('user', 'a', 'x', -6)).toBe(-EINVAL);
    const key = add('user', 'a', 'x', THREAD);
    expect(add('user', 'b', 'x', key)).toBe(-ENOTDIR);
    const call = (payload: number, length: number) =>
      h.call(t, 'add_key', text(t, 'user', 1), text(t, 'b', 2), payload, length, THREAD);
    expect(call(0, 5)).toBe(-EFAULT);
    expect(call(0, 1 << 20)).toBe(-EINVAL);
    expect(h.call(t, 'add_key', 0, text(t, 'b', 2), 0, 0, THREAD)).toBe(-EFAULT);
  });

  it('counts keys and bytes against their user', () => {
    const { add, ctl } = setUp(7);
    const ring = ctl(JOIN, 0);
    expect(ring).toBeGreaterThan(0);
    let made = 0;
    while (add('user', `key${made}`, 'x', SESSION) > 0) made++;
    expect(made).toBeGreaterThan(190);
    expect(made).toBeLessThan(200);
    expect(add('user', 'more', 'x', SESSION)).toBe(-EDQUOT);
    expect(ctl(CLEAR, SESSION)).toBe(0);
    expect(add('user', 'large', 'x'.repeat(400), SESSION)).toBeGreaterThan(0);
    expect(ctl(GET_ID, ring)).toBe(ring);
  });
});

describe('keyrings', () => {
  it('come when they are asked for', () => {
    const { h, ctl, members, describeKey } = setUp();
    expect(ctl(GET_ID, THREAD, 0)).toBe(-ENOKEY);
    const thread = ctl(GET_ID, THREAD, 1);
    expect(ctl(GET_ID, THREAD, 0)).toBe(thread);
    expect(describeKey(thread)).toBe('keyring;0;0;3f010000;_tid');
    const own = ctl(GET_ID, USER, 0);
    const session = ctl(GET_ID, USER_SESSION, 0);
    expect(describeKey(own)).toBe('keyring;0;-1;1f3f0000;_uid.0');
    expect(members(session)).toEqual([own]);
    expect(ctl(GET_ID, SESSION, 0)).toBe(session);
    expect(ctl(GET_ID, SESSION, 1)).not.toBe(session); // to be written: one of its own
    expect(h.kernel.keys.all.has(thread)).toBe(true);
  });

  it('go on in children: the session, not the rest; and go with who held them', () => {
    const { h, t, add, ctl } = setUp();
    ctl(JOIN, 0);
    const key = add('user', 'a', 'x', SESSION);
    const mine = add('user', 'b', 'x', PROCESS);
    const child = h.kernel.processes.task(h.call(t, 'fork')!)!;
    expect(h.call(child, 'keyctl', GET_ID, SESSION, 0)).toBe(ctl(GET_ID, SESSION, 0));
    expect(h.call(child, 'keyctl', GET_ID, PROCESS, 0)).toBe(-ENOKEY);
    expect(h.call(child, 'keyctl', READ, key, 0, 0)).toBe(1);
    expect(h.call(child, 'keyctl', READ, mine, 0, 0)).toBe(-EACCES);
    const left = h.call(child, 'keyctl', JOIN, 0)!;
    const theirs = add('user', 'c', 'x', SESSION, child);
    expect(h.kernel.keys.all.has(theirs)).toBe(true);
    h.call(child, 'exit', 0);
    expect(h.kernel.keys.all.has(theirs)).toBe(false);
    expect(h.kernel.keys.all.has(left)).toBe(false);
    expect(h.kernel.keys.all.has(key)).toBe(true);
    h.call(t, 'execve', h.poke(t, h.scratch(t), '/prog'), 0, 0);
    expect(h.kernel.keys.all.has(mine)).toBe(false);
    expect(h.kernel.keys.all.has(key)).toBe(true);
  });

  it('link, unlink, move and are searched; no ring lies in itself', () => {
    const { h, t, add, ctl, members, text } = setUp();
    const outer = add('keyring', 'outer', '', PROCESS);
    const inner = add('keyring', 'inner', '', outer);
    const key = add('user', 'deep', 'x', inner);
    const search = (ring: number, name: string, dest = 0) =>
      ctl(SEARCH, ring, text(t, 'user', 1), text(t, name, 2), dest);
    expect(search(PROCESS, 'deep')).toBe(key);
    expect(search(PROCESS, 'none')).toBe(-ENOKEY);
    expect(ctl(LINK, outer, inner)).toBe(-EDEADLK);
    expect(ctl(LINK, key, PROCESS)).toBe(0);
    expect(members(PROCESS)).toEqual([outer, key]);
    expect(ctl(UNLINK, key, outer)).toBe(-ENOENT);
    expect(ctl(UNLINK, key, PROCESS)).toBe(0);
    expect(ctl(MOVE, key, inner, outer, 0)).toBe(0);
    expect(members(inner)).toEqual([]);
    const other = add('user', 'deep', 'y', inner);
    expect(ctl(MOVE, other, inner, outer, 1)).toBe(-EEXIST);
    expect(ctl(MOVE, other, inner, outer, 2)).toBe(-EINVAL);
    expect(ctl(UNLINK, key, key)).toBe(-ENOTDIR);
    expect(ctl(RESTRICT, inner, 0, 0)).toBe(0);
    expect(add('user', 'late', 'x', inner)).toBe(-EPERM);
    expect(h.kernel.keys.all.has(key)).toBe(true);
    expect(ctl(CLEAR, PROCESS)).toBe(0);
    expect(h.kernel.keys.all.has(key)).toBe(false);
  });
});

describe('a key', () => {
  it('that is revoked, expired or invalidated says so', () => {
    const { h, add, ctl, read, members } = setUp();
    const revoked = add('user', 'a', 'x', PROCESS);
    expect(ctl(REVOKE, revoked)).toBe(0);
    expect(read(revoked)).toBe(-EKEYREVOKED);
    const expiring = add('user', 'b', 'x', PROCESS);
    expect(ctl(SET_TIMEOUT, expiring, 2)).toBe(0);
    expect(read(expiring)).toBe('x');
    h.clock.now += 3e9;
    expect(read(expiring)).toBe(-EKEYEXPIRED);
    const gone = add('user', 'c', 'x', PROCESS);
    expect(ctl(INVALIDATE, gone)).toBe(0);
    expect(read(gone)).toBe(-ENOKEY);
    expect(members(PROCESS)).toEqual([revoked, expiring]);
  });

  it('is for whom its rights name', () => {
    const { h, t, add, ctl, read } = setUp(7);
    const key = add('user', 'a', 'x', PROCESS);
    expect(ctl(SETPERM, key, 0x40000000)).toBe(-EINVAL);
    expect(ctl(SETPERM, key, 0x3d000000)).toBe(0); // the possessor may not read
    expect(read(key)).toBe('x'); // but finds it
    expect(ctl(UPDATE, key, h.poke(t, h.scratch(t), 'yz'), 2)).toBe(0);
    expect(ctl(SETPERM, key, 0x3b000000)).toBe(0);
    expect(ctl(UPDATE, key, h.scratch(t), 2)).toBe(-EACCES);
    expect(ctl(CHOWN, key, 8, -1)).toBe(-EACCES);
    expect(ctl(SETPERM, key, 0)).toBe(0);
    expect(ctl(DESCRIBE, key, 0, 0)).toBe(-EACCES);
  });

  it('is paid for by whom it is given to', () => {
    const { h, add, ctl } = setUp();
    const paid = () => Object.fromEntries([...h.kernel.keys.users].map(([uid, u]) => [uid, u.keys]));
    const key = add('user', 'a', 'x', PROCESS);
    expect(paid()).toEqual({ 0: 2 });
    expect(ctl(CHOWN, key, 9, -1)).toBe(0);
    expect(paid()).toEqual({ 0: 1, 9: 1 });
    const thread = ctl(GET_ID, THREAD, 1);
    expect(ctl(CHOWN, thread, 9, -1)).toBe(0);
    expect(ctl(GET_ID, THREAD, 0)).toBe(thread);
    expect(paid()).toEqual({ 0: 1, 9: 2 });
    h.call(h.init, 'execve', h.poke(h.init, h.scratch(h.init), '/prog'), 0, 0);
    expect(paid()).toEqual({});
  });

  it('of type logon is not read back', () => {
    const { add, ctl, read } = setUp();
    const key = add('logon', 'service:name', 'secret', PROCESS);
    expect(read(key)).toBe(-EOPNOTSUPP);
    expect(ctl(99)).toBe(-EOPNOTSUPP);
    expect(ctl(12, key, 0, 0, 0)).toBe(-EPERM);
  });
});

describe('request_key', () => {
  it('finds what the keyrings have, and remembers what there is not', () => {
    const { add, request, ctl, members, read } = setUp();
    const ring = add('keyring', 'ltp', '', THREAD);
    expect(request('keyring', 'ltp', null)).toBe(ring);
    expect(request('user', 'no', null)).toBe(-ENOKEY);
    expect(request('user', 'no', 'please', PROCESS)).toBe(-ENOENT);
    const [negative] = members(PROCESS);
    expect(read(negative)).toBe(-ENOKEY);
    expect(request('user', 'no', 'please', PROCESS)).toBe(-ENOKEY);
    expect(add('user', 'no', 'now', PROCESS)).toBe(negative);
    expect(request('user', 'no', null)).toBe(negative);
    expect(ctl(REVOKE, ring)).toBe(0);
    expect(request('keyring', 'x', null, ring)).toBe(-EKEYREVOKED);
    expect(request('dead', 'x', null)).toBe(-ENOKEY);
  });

  it('puts nothing where it may not', () => {
    const { ctl, request, members } = setUp();
    ctl(JOIN, 0);
    expect(ctl(SETPERM, SESSION, 0x0b000000)).toBe(0);
    expect(ctl(SET_REQKEY, 3)).toBe(0);
    expect(ctl(SET_REQKEY, -1)).toBe(3);
    expect(ctl(SET_REQKEY, 6)).toBe(-EINVAL);
    expect(request('user', 'desc', 'callout')).toBe(-EACCES);
    expect(members(SESSION)).toEqual([]);
  });
});

describe('/proc/keys', () => {
  it('shows the keys one may see', () => {
    const { h, t, add } = setUp();
    add('user', 'seen', 'abc', PROCESS);
    const fd = h.call(t, 'open', h.poke(t, h.scratch(t), '/proc/keys'), 0)!;
    const at = h.scratch(t) + 4096;
    const n = h.call(t, 'read', fd, at, 1024)!;
    const text = String.fromCharCode(...t.mm.copyIn(at, n)!);
    expect(text).toMatch(/^[0-9a-f]{8} I--Q--- +1 perm 3f010000 +0 +0 user {6}seen: 3$/m);
    expect(text).toMatch(/keyring {3}_pid: 1$/m);
  });
});
