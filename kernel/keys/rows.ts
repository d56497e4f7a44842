/** System calls on keys. */
import { defineSyscalls, partial } from '../syscall/define.ts';
import { inBytes, size, str } from '../trace/args.ts';
import { keyctl } from './keyctl.ts';
import { addKey, requestKey } from './syscalls.ts';
import { keyctlArg, keyctlCommand, keySerial } from './trace.ts';

// prettier-ignore
export const keyRows = defineSyscalls({
  add_key: { x86_64: 248, aarch64: 217, run: addKey, ret: 'int',
    support: partial('keyring, user, logon and big_key; other types are ENODEV'),
    args: [str('type'), str('description'), inBytes('payload', 3), size('plen'), keySerial('keyring')] },
  request_key: { x86_64: 249, aarch64: 218, run: requestKey, ret: 'int',
    support: partial('no helper is started: a key that is not there is ENOENT, as without /sbin/request-key'),
    args: [str('type'), str('description'), str('callout_info'), keySerial('dest_keyring')] },
  keyctl: { x86_64: 250, aarch64: 219, run: keyctl, ret: 'int',
    support: partial('no persistent keyrings, Diffie-Hellman, public key operations or watches'),
    args: [keyctlCommand, keyctlArg('arg2', 1), keyctlArg('arg3', 2), keyctlArg('arg4', 3), keyctlArg('arg5', 4)] },
});
