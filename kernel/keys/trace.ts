/** How the arguments of the key calls read in a trace, as strace prints them. */
import { special, type ArgType, type Table } from '../trace/args.ts';
import { addrText, bytesText, enumText, flagsText, hexText, stringText } from '../trace/text.ts';

const KEY_SPEC: Table = [
  [-1, 'KEY_SPEC_THREAD_KEYRING'], [-2, 'KEY_SPEC_PROCESS_KEYRING'], [-3, 'KEY_SPEC_SESSION_KEYRING'],
  [-4, 'KEY_SPEC_USER_KEYRING'], [-5, 'KEY_SPEC_USER_SESSION_KEYRING'], [-6, 'KEY_SPEC_GROUP_KEYRING'],
  [-7, 'KEY_SPEC_REQKEY_AUTH_KEY'], [-8, 'KEY_SPEC_REQUESTOR_KEYRING'],
]; // prettier-ignore
const COMMANDS: Table = [
  'GET_KEYRING_ID', 'JOIN_SESSION_KEYRING', 'UPDATE', 'REVOKE', 'CHOWN', 'SETPERM', 'DESCRIBE', 'CLEAR', 'LINK', 'UNLINK',
  'SEARCH', 'READ', 'INSTANTIATE', 'NEGATE', 'SET_REQKEY_KEYRING', 'SET_TIMEOUT', 'ASSUME_AUTHORITY', 'GET_SECURITY',
  'SESSION_TO_PARENT', 'REJECT', 'INSTANTIATE_IOV', 'INVALIDATE', 'GET_PERSISTENT', 'DH_COMPUTE', 'PKEY_QUERY',
  'PKEY_ENCRYPT', 'PKEY_DECRYPT', 'PKEY_SIGN', 'PKEY_VERIFY', 'RESTRICT_KEYRING', 'MOVE', 'CAPABILITIES', 'WATCH_KEY',
].map((name, i) => [i, `KEYCTL_${name}`] as const); // prettier-ignore
const RIGHTS = ['VIEW', 'READ', 'WRITE', 'SEARCH', 'LINK', 'SETATTR'];
const PERMS: Table = [24, 16, 8, 0].flatMap((shift, i) =>
  RIGHTS.map((r, n) => [2 ** (shift + n), `KEY_${['POS', 'USR', 'GRP', 'OTH'][i]}_${r}`] as const),
);
const DEFAULTS: Table = [
  [-1, 'KEY_REQKEY_DEFL_NO_CHANGE'], [0, 'KEY_REQKEY_DEFL_DEFAULT'], [1, 'KEY_REQKEY_DEFL_THREAD_KEYRING'],
  [2, 'KEY_REQKEY_DEFL_PROCESS_KEYRING'], [3, 'KEY_REQKEY_DEFL_SESSION_KEYRING'], [4, 'KEY_REQKEY_DEFL_USER_KEYRING'],
  [5, 'KEY_REQKEY_DEFL_USER_SESSION_KEYRING'], [6, 'KEY_REQKEY_DEFL_GROUP_KEYRING'],
  [7, 'KEY_REQKEY_DEFL_REQUESTOR_KEYRING'],
]; // prettier-ignore

const serialText = (n: number): string => KEY_SPEC.find(([v]) => v === n)?.[1] ?? String(n);
export const keySerial = (name: string): ArgType => special(name, (_t, a, i) => serialText(a.i32(i)));
export const keyctlCommand: ArgType = special('operation', (_t, a, i) =>
  enumText(a.u32(i), COMMANDS, 'KEYCTL_???'),
);

/** Kinds of keyctl's arguments: key, text, payload with its length, answer with its length, number, rights… */
type Kind = 'key' | 'str' | 'in' | 'out' | 'len' | 'num' | 'perm' | 'defl' | 'id' | 'flag' | 'hex';
const SHAPES: readonly (readonly Kind[])[] = [
  ['key', 'num'], ['str'], ['key', 'in', 'len'], ['key'], ['key', 'id', 'id'], ['key', 'perm'], ['key', 'out', 'len'],
  ['key'], ['key', 'key'], ['key', 'key'], ['key', 'str', 'str', 'key'], ['key', 'out', 'len'], ['key', 'in', 'len', 'key'],
  ['key', 'num', 'key'], ['defl'], ['key', 'num'], ['key'], ['key', 'out', 'len'], [], ['key', 'num', 'num', 'key'],
  ['key', 'hex', 'len', 'key'], ['key'], ['id', 'key'],
]; // prettier-ignore
const MORE: Readonly<Record<number, readonly Kind[]>> = {
  29: ['key', 'str', 'str'], 30: ['key', 'key', 'key', 'flag'], 31: ['out', 'len'],
}; // prettier-ignore

/** Argument `n` (from 1) of keyctl: what it is depends on the operation. */
export const keyctlArg = (n: 1 | 2 | 3 | 4): ArgType =>
  special(`arg${n + 1}`, (t, a, i, ret) => {
    const op = a.u32(0);
    const shape = SHAPES[op] ?? MORE[op] ?? ['hex', 'hex', 'hex', 'hex'];
    switch (shape[n - 1]) {
      case undefined:
        return '';
      case 'key':
        return serialText(a.i32(i));
      case 'str':
        return stringText(t, a.ptr(i));
      case 'in':
        return bytesText(t, a.ptr(i), a.size(i + 1));
      case 'out':
        if (ret === null || ret < 0 || a.ptr(i) === 0 || ret > a.size(i + 1)) return addrText(a.ptr(i));
        return bytesText(t, a.ptr(i), ret);
      case 'perm':
        return flagsText(a.u32(i), PERMS, 'KEY_???');
      case 'defl':
        return enumText(a.i32(i), DEFAULTS, 'KEY_REQKEY_DEFL_???');
      case 'id':
        return a.i32(i) === -1 ? '-1' : String(a.u32(i));
      case 'flag':
        return flagsText(a.u32(i), [[1, 'KEYCTL_MOVE_EXCL']], 'KEYCTL_MOVE_???');
      case 'len':
      case 'num':
        return String(a.u32(i));
      default:
        return hexText(a.ptr(i));
    }
  });
