/** How the arguments of the key calls read in a trace, as strace prints them. */
import { enumOf, special, type Table } from '../trace/args.ts';
import { numbered } from '../trace/tables.ts';
import { addrText, bytesText, enumText, flagsText, hexText, stringText } from '../trace/text.ts';

const KEY_SPEC = [
  [-1, 'KEY_SPEC_THREAD_KEYRING'], [-2, 'KEY_SPEC_PROCESS_KEYRING'], [-3, 'KEY_SPEC_SESSION_KEYRING'],
  [-4, 'KEY_SPEC_USER_KEYRING'], [-5, 'KEY_SPEC_USER_SESSION_KEYRING'], [-6, 'KEY_SPEC_GROUP_KEYRING'],
  [-7, 'KEY_SPEC_REQKEY_AUTH_KEY'], [-8, 'KEY_SPEC_REQUESTOR_KEYRING'],
] as const satisfies Table; // prettier-ignore
const COMMANDS = numbered([
  'KEYCTL_GET_KEYRING_ID', 'KEYCTL_JOIN_SESSION_KEYRING', 'KEYCTL_UPDATE', 'KEYCTL_REVOKE', 'KEYCTL_CHOWN', 'KEYCTL_SETPERM', 'KEYCTL_DESCRIBE', 'KEYCTL_CLEAR', 'KEYCTL_LINK', 'KEYCTL_UNLINK',
  'KEYCTL_SEARCH', 'KEYCTL_READ', 'KEYCTL_INSTANTIATE', 'KEYCTL_NEGATE', 'KEYCTL_SET_REQKEY_KEYRING', 'KEYCTL_SET_TIMEOUT', 'KEYCTL_ASSUME_AUTHORITY', 'KEYCTL_GET_SECURITY',
  'KEYCTL_SESSION_TO_PARENT', 'KEYCTL_REJECT', 'KEYCTL_INSTANTIATE_IOV', 'KEYCTL_INVALIDATE', 'KEYCTL_GET_PERSISTENT', 'KEYCTL_DH_COMPUTE', 'KEYCTL_PKEY_QUERY',
  'KEYCTL_PKEY_ENCRYPT', 'KEYCTL_PKEY_DECRYPT', 'KEYCTL_PKEY_SIGN', 'KEYCTL_PKEY_VERIFY', 'KEYCTL_RESTRICT_KEYRING', 'KEYCTL_MOVE', 'KEYCTL_CAPABILITIES', 'KEYCTL_WATCH_KEY',
]); // prettier-ignore
const RIGHTS = ['VIEW', 'READ', 'WRITE', 'SEARCH', 'LINK', 'SETATTR'];
const PERMS: Table = [24, 16, 8, 0].flatMap((shift, i) =>
  RIGHTS.map((r, n) => [2 ** (shift + n), `KEY_${['POS', 'USR', 'GRP', 'OTH'][i]}_${r}`] as const),
);
const DEFAULTS = [
  [-1, 'KEY_REQKEY_DEFL_NO_CHANGE'], [0, 'KEY_REQKEY_DEFL_DEFAULT'], [1, 'KEY_REQKEY_DEFL_THREAD_KEYRING'],
  [2, 'KEY_REQKEY_DEFL_PROCESS_KEYRING'], [3, 'KEY_REQKEY_DEFL_SESSION_KEYRING'], [4, 'KEY_REQKEY_DEFL_USER_KEYRING'],
  [5, 'KEY_REQKEY_DEFL_USER_SESSION_KEYRING'], [6, 'KEY_REQKEY_DEFL_GROUP_KEYRING'],
  [7, 'KEY_REQKEY_DEFL_REQUESTOR_KEYRING'],
] as const satisfies Table; // prettier-ignore

const serialText = (n: number): string => KEY_SPEC.find(([v]) => v === n)?.[1] ?? String(n);
export const keySerial = <N extends string>(name: N) => special(name, (_t, a, i) => serialText(a.i32(i)));
export const keyctlCommand = enumOf('operation', COMMANDS, 'KEYCTL_???');

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
export const keyctlArg = <N extends string>(name: N, n: 1 | 2 | 3 | 4) =>
  special(name, (t, a, i, ret) => {
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
