/**
 * Lines of starry-next (2024-09 on) and of the StarryOS that grew out of it. Entry and return are lines of their own
 * (`Syscall openat`, `Syscall openat return 3`, since 2025-06 `return Ok(3)` and `return Err(LinuxError::ENOENT)`); arguments, as far as a
 * handler tells them, are on a line in between (`sys_openat <= -100 "/lib" 0o100 0o0`); before 2025-05 handlers told their results
 * (`sys_openat => Ok(3)`), some of which are the only line there is of a call.
 */
import { ERRNO } from '../../kernel/abi/errno.ts';
import { syscalls } from '../../kernel/syscall/table.ts';
import type { Symbols } from './symbols.ts';

export type NextLine =
  | { readonly kind: 'entry'; readonly name: string }
  | { readonly kind: 'return'; readonly name: string | null; readonly result: bigint }
  /** A handler's own: `name` is the handler's, without `sys_`. */
  | { readonly kind: 'handled'; readonly name: string; readonly result: bigint }
  | { readonly kind: 'arguments'; readonly name: string; readonly text: string }
  /** A thread is over. */
  | { readonly kind: 'end'; readonly code: number | null; readonly signal: string | null }
  | { readonly kind: 'fault'; readonly address: number; readonly write: boolean }
  /** It is one of these, and cannot be made out. */
  | { readonly kind: 'unreadable'; readonly why: string };

const CALL = /^Syscall (\w+)$/;
const RETURN = /^(?:Syscall (\w+) |syscall )return:? (.+)$/;
const HANDLED = /^(?:sys_)(\w+) => ((?:Ok|Err)\(.*)$/;
const ARGUMENTS = /^(?:sys_|do_(?=clone <=))(\w+)(?: <=|:(?= \w+(?::| =))) (.*)$/;
const END = /^(?:\w+\(.*\)|.+?) exit with code: (-?\d+)$/;
const SEGFAULT = /: segmentation fault at (?:VA:)?0x[0-9a-f]+/i;
const FAULT = /^Page fault at (?:VA:)?(0x[0-9a-f]+), access_flags: (.*)$/i;
const RESULT = /^(?:Ok\((-?\d+)\)|(-?\d+)|Err\((?:LinuxError::|AxErrorKind::|LinuxError\()?(\w+)\)*)$/;

/** What StarryOS's own kinds of error become at the system call's end; others are Linux's names. */
const KINDS: Readonly<Record<string, string>> = {
  AddrInUse: 'EADDRINUSE', AlreadyConnected: 'EISCONN', AlreadyExists: 'EEXIST', ArgumentListTooLong: 'E2BIG', BadAddress: 'EFAULT',
  BadFileDescriptor: 'EBADF', BadState: 'EFAULT', BrokenPipe: 'EPIPE', ConnectionRefused: 'ECONNREFUSED',
  ConnectionReset: 'ECONNRESET', CrossesDevices: 'EXDEV', DirectoryNotEmpty: 'ENOTEMPTY', FilesystemLoop: 'ELOOP',
  IllegalBytes: 'EILSEQ', InProgress: 'EINPROGRESS', Interrupted: 'EINTR', InvalidData: 'EINVAL', InvalidExecutable: 'ENOEXEC',
  InvalidInput: 'EINVAL', Io: 'EIO', IsADirectory: 'EISDIR', NameTooLong: 'ENAMETOOLONG', NoMemory: 'ENOMEM', NoSuchDevice: 'ENODEV',
  NoSuchDeviceOrAddress: 'ENXIO', NoSuchProcess: 'ESRCH', NotADirectory: 'ENOTDIR', NotASocket: 'ENOTSOCK', NotATty: 'ENOTTY',
  NotConnected: 'ENOTCONN', NotFound: 'ENOENT', OperationNotPermitted: 'EPERM', OperationNotSupported: 'EOPNOTSUPP',
  OutOfRange: 'ERANGE', PermissionDenied: 'EACCES', ReadOnlyFilesystem: 'EROFS', ResourceBusy: 'EBUSY', StorageFull: 'ENOSPC',
  TimedOut: 'ETIMEDOUT', TooManyOpenFiles: 'EMFILE', UnexpectedEof: 'EIO', Unsupported: 'ENOSYS', WouldBlock: 'EAGAIN', WriteZero: 'EIO',
}; // prettier-ignore

/** Handlers that serve calls of other names. */
const HANDLERS: Readonly<Record<string, string>> = {
  waitpid: 'wait4', fstatat: 'newfstatat', send: 'sendto', recv: 'recvfrom', accept: 'accept4',
}; // prettier-ignore

/** Whether a text is of this kind. */
export const looksLikeNext = (text: string): boolean =>
  /(?:^|\] |m)Syscall \w+(?: return |$)/m.test(text) || /\bsys_\w+ => (?:Ok|Err)\(/.test(text);

/** null: it says nothing of calls. */
export function nextLine(text: string): NextLine | null {
  const call = CALL.exec(text);
  if (call) return { kind: 'entry', name: call[1] };
  const ret = RETURN.exec(text);
  if (ret) {
    const result = resultOf(ret[2]);
    if (result === null) return { kind: 'unreadable', why: `a return of what is no result: ${ret[2].slice(0, 40)}` };
    return { kind: 'return', name: ret[1] ?? null, result };
  }
  const handled = HANDLED.exec(text);
  if (handled) {
    const result = resultOf(handled[2]);
    return result === null ? null : { kind: 'handled', name: handled[1], result };
  }
  const told = ARGUMENTS.exec(text);
  if (told) return { kind: 'arguments', name: told[1], text: told[2] };
  const end = END.exec(text);
  if (end) return { kind: 'end', code: Number(end[1]), signal: null };
  if (SEGFAULT.test(text)) return { kind: 'end', code: null, signal: 'SIGSEGV' };
  const fault = FAULT.exec(text);
  if (fault) return { kind: 'fault', address: Number(fault[1]), write: /WRITE/.test(fault[2]) };
  if (/^Syscall\b/.test(text)) return { kind: 'unreadable', why: 'neither a call nor its return: it was cut short or printed over' };
  return null;
} // prettier-ignore

/** The call a handler serves; null: it is not a call's, as far as is known. */
export function servedBy(handler: string): string | null {
  if (syscalls.has(handler)) return handler;
  return HANDLERS[handler] ?? null;
}

/** Whether lines of this handler belong to a call of this name. */
export const serves = (handler: string, call: string): boolean =>
  handler === call || HANDLERS[handler] === call || (handler === 'accept' && call === 'accept') || handler === call.replace(/^new|at2?$/g, ''); // prettier-ignore

function resultOf(text: string): bigint | null {
  const m = RESULT.exec(text.trim());
  if (!m) return null;
  if (m[3] === undefined) return BigInt(m[1] ?? m[2]);
  const name = KINDS[m[3]] ?? m[3];
  for (const [nr, row] of Object.entries(ERRNO)) if (row[0] === name) return BigInt(-Number(nr));
  return null;
}

/** Names of arguments in handlers, where they are not the table's. */
const SAME: Readonly<Record<string, readonly string[]>> = {
  len: ['count', 'length', 'size', 'len', 'buflen'],
  length: ['len', 'length', 'size'],
  addr: ['start', 'address', 'addr'],
  ty: ['type'],
  proto: ['protocol'],
  value: ['val'],
  value3: ['val3'],
  futexop: ['op'],
  path: ['pathname', 'filename', 'path', 'file'],
  cmd: ['cmd', 'request', 'op'],
  epfd: ['epfd', 'fd'],
  dirfd: ['dirfd', 'dfd'],
  oldfd: ['oldfd', 'fd'],
  options: ['options', 'flags'],
  signo: ['sig', 'signum'],
};

/** Calls whose numbers are hexadecimal without saying so. */
const BARE_HEX: ReadonlySet<string> = new Set(['mmap', 'munmap', 'mprotect', 'mremap', 'madvise', 'msync']);
const HEX_FIELDS: ReadonlySet<string> = new Set(['addr', 'length', 'oldsize', 'newsize']);

const FIELD = /(\w+)(?::| =) ("(?:[^"\\]|\\.)*"|\w+\([^()]*\)|Some\([^)]*\)|[^\s,]+)/g;
const WORD = /"(?:[^"\\]|\\.)*"|[^\s,]+/g;

/** What is known of the arguments of `call` from a handler's line: numbers, and texts where they are strings. null: nothing. */
export function toldArguments(
  call: string,
  text: string,
  symbols: Symbols,
): { values: (bigint | null)[]; texts: (string | null)[] } | null {
  const args = syscalls.get(call)?.args;
  if (!args) return null;
  const plain = (name: string): string => name.toLowerCase().replaceAll('_', '');
  const names = args.map((a) => plain(a.name));
  const values: (bigint | null)[] = args.map(() => null);
  const texts: (string | null)[] = args.map(() => null);
  const put = (i: number, name: string, word: string): void => {
    if (word.startsWith('"')) texts[i] = word;
    else values[i] = valueOf(call, i, name, word, symbols);
  };
  const fields = [...text.matchAll(FIELD)];
  if (fields.length > 0) {
    fields.forEach(([, field, word], at) => {
      const name = plain(field);
      let i = (SAME[name] ?? [name]).map((n) => names.indexOf(n)).find((k) => k >= 0) ?? -1;
      if (i < 0 && fields.length === args.length) i = at;
      if (i >= 0) put(i, name, word);
    });
  } else {
    const words = text.match(WORD) ?? [];
    if (words.length !== args.length) return null;
    words.forEach((word, i) => put(i, '', word));
  }
  return values.some((v) => v !== null) || texts.some((t) => t !== null) ? { values, texts } : null;
}

/** A number, or the names of flags: `MmapProt(PROT_READ | PROT_WRITE)`. */
function valueOf(call: string, index: number, name: string, word: string, symbols: Symbols): bigint | null {
  const inner = /^\w+\((.*)\)$/.exec(word)?.[1] ?? word;
  const bare = BARE_HEX.has(call) && HEX_FIELDS.has(name);
  if (bare && /^[0-9a-f]+$/i.test(inner)) return BigInt(`0x${inner}`);
  if (/^0x[0-9a-f]+$|^0o[0-7]+$/i.test(inner)) return BigInt(inner);
  if (/^-?\d+$/.test(inner)) return BigInt.asUintN(64, BigInt(inner));
  if (inner === '' && /\(\)$/.test(word)) return 0n;
  return symbols.value(call, index, inner.replaceAll(' ', ''));
}
