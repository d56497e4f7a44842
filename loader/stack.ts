/** The initial stack: strings, auxiliary vector and pointers as fs/exec.c and create_elf_tables lay them out. */

export const AT = {
  NULL: 0, IGNORE: 1, EXECFD: 2, PHDR: 3, PHENT: 4, PHNUM: 5, PAGESZ: 6, BASE: 7, FLAGS: 8, ENTRY: 9, UID: 11, EUID: 12,
  GID: 13, EGID: 14, PLATFORM: 15, HWCAP: 16, CLKTCK: 17, SECURE: 23, RANDOM: 25, HWCAP2: 26, EXECFN: 31,
  SYSINFO_EHDR: 33, MINSIGSTKSZ: 51,
} as const; // prettier-ignore

export interface StackRequest {
  /** End of the stack area. */
  readonly top: number;
  readonly arch: 'x86_64' | 'aarch64';
  /** Binary strings. */
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  /** The path execve was given (AT_EXECFN). */
  readonly execfn: string;
  /** 16 bytes for AT_RANDOM. */
  readonly random: Uint8Array;
  readonly hwcap: number;
  readonly hwcap2: number;
  /** Bytes a signal frame needs. */
  readonly minsigstksz: number;
  /** Address of the vDSO; 0: none. */
  readonly vdso: number;
  readonly phdr: number;
  readonly phent: number;
  readonly phnum: number;
  /** Where the interpreter was put; 0: none. */
  readonly base: number;
  readonly entry: number;
  readonly uid: number;
  readonly euid: number;
  readonly gid: number;
  readonly egid: number;
  readonly secure: boolean;
  /** False: only AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ and AT_RANDOM. Default true. */
  readonly fullAuxv?: boolean;
}

export interface StackImage {
  /** Initial stack pointer; `bytes` start there and end at `top`. */
  readonly sp: number;
  readonly bytes: Uint8Array;
  readonly argStart: number;
  readonly argEnd: number;
  readonly envStart: number;
  readonly envEnd: number;
  /** What /proc/PID/auxv shows. */
  readonly auxv: Uint8Array;
}

const FEW: readonly number[] = [AT.PHDR, AT.PHENT, AT.PHNUM, AT.PAGESZ, AT.RANDOM, AT.NULL];

const down16 = (n: number): number => n - (n % 16);

/** Strings from the top down: 8 zero bytes, execfn, envp, argv; then platform, random bytes, auxv, pointers, argc. */
export function buildStack(req: StackRequest): StackImage {
  // Linux gives a program without arguments one empty one (since 5.18).
  const argv = req.argv.length === 0 ? [''] : req.argv;
  const { envp } = req;
  const execfn = req.top - 8 - (req.execfn.length + 1);
  const envEnd = execfn;
  const envStart = envEnd - stringBytes(envp);
  const argEnd = envStart;
  const argStart = argEnd - stringBytes(argv);

  const platform = down16(argStart) - (req.arch.length + 1);
  const random = platform - 16;
  let auxv: [number, number][] = [];
  if (req.vdso) auxv.push([AT.SYSINFO_EHDR, req.vdso]);
  auxv.push(
    [AT.MINSIGSTKSZ, req.minsigstksz], [AT.HWCAP, req.hwcap], [AT.PAGESZ, 4096], [AT.CLKTCK, 100], [AT.PHDR, req.phdr],
    [AT.PHENT, req.phent], [AT.PHNUM, req.phnum], [AT.BASE, req.base], [AT.FLAGS, 0], [AT.ENTRY, req.entry],
    [AT.UID, req.uid], [AT.EUID, req.euid], [AT.GID, req.gid], [AT.EGID, req.egid], [AT.SECURE, req.secure ? 1 : 0],
    [AT.RANDOM, random], [AT.HWCAP2, req.hwcap2], [AT.EXECFN, execfn], [AT.PLATFORM, platform], [AT.NULL, 0],
  ); // prettier-ignore

  if (req.fullAuxv === false) auxv = auxv.filter(([type]) => FEW.includes(type));
  const words = 1 + (argv.length + 1) + (envp.length + 1);
  const sp = down16(random - auxv.length * 16 - words * 8);
  const bytes = new Uint8Array(req.top - sp);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const word = (n: number): void => {
    view.setUint32(at, n >>> 0, true);
    view.setUint32(at + 4, Math.floor(n / 0x100000000), true);
    at += 8;
  };
  word(argv.length);
  putStrings(bytes, sp, argv, argStart, word);
  putStrings(bytes, sp, envp, envStart, word);
  const auxvAt = at;
  for (const [type, value] of auxv) {
    word(type);
    word(value);
  }
  putString(bytes, execfn - sp, req.execfn);
  putString(bytes, platform - sp, req.arch);
  bytes.set(req.random.subarray(0, 16), random - sp);
  return { sp, bytes, argStart, argEnd, envStart, envEnd, auxv: bytes.slice(auxvAt, at) };
}

function stringBytes(list: readonly string[]): number {
  let n = 0;
  for (const s of list) n += s.length + 1;
  return n;
}

/** Strings from `address` up, a pointer to each, and NULL. */
function putStrings(
  bytes: Uint8Array,
  sp: number,
  list: readonly string[],
  address: number,
  word: (n: number) => void,
): void {
  for (const s of list) {
    word(address);
    putString(bytes, address - sp, s);
    address += s.length + 1;
  }
  word(0);
}

function putString(bytes: Uint8Array, at: number, s: string): void {
  for (let i = 0; i < s.length; i++) bytes[at + i] = s.charCodeAt(i);
}

/** MAX_ARG_STRLEN: one string with its NUL. */
export const MAX_ARG_STRLEN = 131072;
const ARG_MAX = 131072;

/** Counts argument bytes as execve reads them, and says when it is E2BIG (bprm_stack_limits, copy_strings). */
export class ArgumentBudget {
  private left: number;

  /** `stackLimit`: RLIMIT_STACK in bytes. `pointers`: argc + envc. */
  constructor(stackLimit: number, argc: number, envc: number) {
    const limit = Math.max(Math.min(6 * 1024 * 1024, Math.floor(stackLimit / 4)), ARG_MAX);
    this.left = limit - (Math.max(argc, 1) + envc) * 8;
  }

  /** Takes a string of `length` bytes (without its NUL). False: E2BIG. */
  take(length: number): boolean {
    if (length + 1 > MAX_ARG_STRLEN) return false;
    this.left -= length + 1;
    return this.left >= 0;
  }

  get exhausted(): boolean {
    return this.left <= 0;
  }
}
