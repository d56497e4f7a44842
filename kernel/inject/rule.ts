/** What is to be injected into which calls: strace's `-e inject=SET:…` as text or as an object, checked and made ready. */
import type { Poke } from '../syscall/tamper.ts';
import { errnoNumber } from '../abi/errno.ts';
import { SYSCALL_GROUPS, type CallFilter, parseCallSet } from '../trace/groups.ts';
import { signalNumber } from '../trace/tables.ts';

/** A fault, as strace(1) describes `inject=`. At least one of error, retval, signal, a delay or a poke must be given. */
export interface Injection {
  /** Calls: what `-e trace=` takes: "read,write", "%file", "/^epoll", "!exit_group". */
  readonly calls: string;
  /** The call is not made and fails with this: "ENOENT", or 1…4095. */
  readonly error?: string | number;
  /** The call is not made and returns this, 64 bits. Not together with `error`. */
  readonly retval?: number | bigint;
  /** Sent to the caller as the call begins: "SIGUSR1", "USR1" or 1…64. */
  readonly signal?: string | number;
  /** With `error` or `retval`: a call of %pure made in the call's stead. */
  readonly syscall?: string;
  /** The caller is kept that long before the call, or after it: "10ms", "2s", "5us", "7ns", or a number of microseconds. */
  readonly delayEnter?: string | number;
  readonly delayExit?: string | number;
  /** Bytes written, before the call or after it, where its arguments point: by argument, from 1. */
  readonly pokeEnter?: Readonly<Record<number, Uint8Array>>;
  readonly pokeExit?: Readonly<Record<number, Uint8Array>>;
  /** Which of the caller's calls of that name: "3", "3+", "3+2", "3..9", "3..9+2". Default: all. */
  readonly when?: string;
  /** Of those, this share, 0…1, drawn from the machine's seed. Default 1. (strace has no such thing.) */
  readonly chance?: number;
}

/** An injection made ready. */
export interface InjectionRule {
  readonly applies: CallFilter;
  readonly result: bigint | null;
  readonly isError: boolean;
  readonly signal: number;
  readonly syscall: string | null;
  /** Nanoseconds. */
  readonly delayEnter: number;
  readonly delayExit: number;
  readonly pokeEnter: readonly Poke[];
  readonly pokeExit: readonly Poke[];
  readonly first: number;
  readonly last: number;
  readonly step: number;
  readonly chance: number;
  /** Said when the rule is made: it may do something else than what is meant. */
  readonly warning: string | null;
}

/** What is wrong with an injection: one line for people. */
export interface InjectionError {
  readonly error: string;
}

const MAX_COUNT = 65535;
const WHEN = /^([0-9]+)(?:\.\.([0-9]+))?(?:(\+)([0-9]*))?$/;
const TIME = /^([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e([+-]?[0-9]{1,3}))?(s|ms|us|ns|)$/i;
const NANOSECONDS: Readonly<Record<string, number>> = { s: 1e9, ms: 1e6, us: 1e3, ns: 1, '': 1e3 };
/** A longer delay is a typing error. */
const MAX_DELAY = 1e9 * 86400 * 366;

const OPTIONS =
  'error=, retval=, signal=, syscall=, delay_enter=, delay_exit=, poke_enter=, poke_exit=, when=, chance=';

/** Reads `SET:error=E:when=3+2`. `fault`: as `-e fault=`, which takes error= and when= only and fails with ENOSYS unless told. */
export function parseInjection(
  text: string,
  known: (name: string) => boolean,
  fault = false,
): InjectionRule | InjectionError {
  const [calls, ...options] = text.split(':');
  const what: { -readonly [K in keyof Injection]: Injection[K] } = { calls };
  const seen = new Set<string>();
  for (const option of options) {
    if (option === '') continue; // strace lets it pass
    const eq = option.indexOf('=');
    const key = eq < 0 ? option : option.slice(0, eq);
    const value = eq < 0 ? null : option.slice(eq + 1);
    const wrong = value === null ? `'${option}' is no option` : readOption(what, key, value, seen, fault);
    if (wrong !== null)
      return {
        error: `${wrong}; ${fault ? 'fault= takes error=, when= and chance=' : `it takes ${OPTIONS}`}`,
      };
    seen.add(key);
  }
  if (fault && what.error === undefined) what.error = 'ENOSYS';
  return makeRule(what, known);
}

/** Takes one option in; what is wrong with it, or null. Values are checked by `makeRule`, for objects too. */
function readOption(
  what: { -readonly [K in keyof Injection]: Injection[K] },
  key: string,
  value: string,
  seen: ReadonlySet<string>,
  fault: boolean,
): string | null {
  if (fault && !['error', 'when', 'chance'].includes(key)) return `'${key}=' does not belong here`;
  if (seen.has(key) && key !== 'when') return `'${key}=' is given twice`;
  switch (key) {
    case 'error':
      what.error = value;
      return null;
    case 'retval': {
      const n = parseInteger(value);
      if (n === null) return `retval: '${value}' is no 64-bit number`;
      what.retval = n;
      return null;
    }
    case 'signal':
      what.signal = value;
      return null;
    case 'syscall':
      what.syscall = value;
      return null;
    case 'delay_enter':
      what.delayEnter = value;
      return null;
    case 'delay_exit':
      what.delayExit = value;
      return null;
    case 'poke_enter':
    case 'poke_exit': {
      const pokes = parsePokes(value);
      if (typeof pokes === 'string') return `${key}: ${pokes}`;
      if (key === 'poke_enter') what.pokeEnter = pokes;
      else what.pokeExit = pokes;
      return null;
    }
    case 'when':
      what.when = value;
      return null;
    case 'chance': {
      const m = /^([0-9]*\.?[0-9]+)(%?)$/.exec(value);
      if (!m) return `chance: '${value}' is no share; write 0.1 or 10%`;
      what.chance = Number(m[1]) / (m[2] === '%' ? 100 : 1);
      return null;
    }
    default:
      return `'${key}=' is no option`;
  }
}

/** Decimal, 0x… or 0…, and a minus sign; null when it does not fit in 64 bits. */
function parseInteger(text: string): bigint | null {
  const m = /^(-?)(0x[0-9a-f]+|[0-9]+)$/i.exec(text);
  if (!m) return null;
  if (/^0[0-9]/.test(m[2]) && !/^[0-7]+$/.test(m[2])) return null;
  const size = BigInt(/^0[0-7]/.test(m[2]) ? `0o${m[2].slice(1)}` : m[2]);
  return size < 1n << 64n ? BigInt.asUintN(64, m[1] === '-' ? -size : size) : null;
}

function parsePokes(text: string): Record<number, Uint8Array> | string {
  const pokes: Record<number, Uint8Array> = {};
  for (const item of text.split(',')) {
    const m = /^@arg([1-7])=((?:[0-9a-f]{2})+)$/i.exec(item);
    if (!m) return `'${item}' is not of the form @argN=HEX, N from 1 to 7, two hexadecimal digits a byte`;
    if (pokes[Number(m[1])] !== undefined) return `@arg${m[1]} is given twice`;
    pokes[Number(m[1])] = Uint8Array.from(m[2].match(/../g)!, (byte) => parseInt(byte, 16));
  }
  return pokes;
}

/** Checks an injection and makes it ready. `known`: whether a call of that name exists. */
export function makeRule(what: Injection, known: (name: string) => boolean): InjectionRule | InjectionError {
  const applies = parseCallSet(what.calls, known, true);
  if (typeof applies !== 'function') return applies;
  if (what.error !== undefined && what.retval !== undefined) {
    return { error: 'error and retval exclude each other: a call either fails or succeeds' };
  }
  const errno = what.error === undefined ? null : errnoNumber(what.error);
  if (errno !== null && !(errno >= 1 && errno <= 4095))
    return { error: `error: '${what.error}' is no error; write a name like ENOENT, or 1 to 4095` };
  const signal = what.signal === undefined ? 0 : signalNumber(String(what.signal));
  if (what.signal !== undefined && !(signal >= 1 && signal <= 64))
    return { error: `signal: '${what.signal}' is no signal; write a name like SIGUSR1, or 1 to 64` };
  const retval = what.retval === undefined ? null : BigInt.asUintN(64, BigInt(what.retval));
  const result = errno === null ? retval : BigInt(-errno);
  const pure = SYSCALL_GROUPS['%pure'];
  if (what.syscall !== undefined && !pure.includes(what.syscall)) {
    return {
      error: `syscall: '${what.syscall}' is no call without side effects; it is one of ${pure.join(', ')}`,
    };
  }
  if (what.syscall !== undefined && result === null)
    return { error: 'syscall: only with error or retval, which give its result' };
  const delayEnter = nanoseconds(what.delayEnter, 'delay_enter');
  if (typeof delayEnter !== 'number') return delayEnter;
  const delayExit = nanoseconds(what.delayExit, 'delay_exit');
  if (typeof delayExit !== 'number') return delayExit;
  const pokeEnter = pokeList(what.pokeEnter);
  const pokeExit = pokeList(what.pokeExit);
  if (pokeEnter === null || pokeExit === null) return { error: 'poke: arguments are numbered from 1 to 7' };
  const delayed = what.delayEnter !== undefined || what.delayExit !== undefined;
  if (result === null && signal === 0 && !delayed && pokeEnter.length + pokeExit.length === 0) {
    return {
      error:
        'nothing to inject: give error, retval, signal, delay_enter, delay_exit, poke_enter or poke_exit',
    };
  }
  const when = parseWhen(what.when);
  if ('error' in when) return when;
  const chance = what.chance ?? 1;
  if (!(chance > 0 && chance <= 1)) return { error: `chance: ${chance} is not a share above 0 and up to 1` };
  const looksFailed = retval !== null && retval >= (1n << 64n) - 4095n;
  return {
    applies,
    result,
    isError: errno !== null,
    signal,
    syscall: what.syscall ?? null,
    delayEnter,
    delayExit,
    pokeEnter,
    pokeExit,
    ...when,
    chance,
    warning: looksFailed
      ? `retval=${retval} is what a call returns that fails with error ${(1n << 64n) - retval}; say error= if that is meant`
      : null,
  };
}

function nanoseconds(time: string | number | undefined, what: string): number | InjectionError {
  if (time === undefined) return 0;
  const m = TIME.exec(typeof time === 'number' ? String(time) : time.trim());
  const n = m ? Number(`${m[1]}e${m[2] ?? 0}`) * NANOSECONDS[m[3].toLowerCase()] : NaN;
  if (!(n <= MAX_DELAY))
    return { error: `${what}: '${time}' is no time; write 100 (microseconds), 10ms, 1.5s, 5us or 7ns` };
  return Math.round(n);
}

function pokeList(pokes: Readonly<Record<number, Uint8Array>> | undefined): Poke[] | null {
  const list: Poke[] = [];
  for (const [n, bytes] of Object.entries(pokes ?? {})) {
    if (!/^[1-7]$/.test(n)) return null;
    list.push({ arg: Number(n) - 1, bytes });
  }
  return list;
}

function parseWhen(
  text: string | undefined,
): Pick<InjectionRule, 'first' | 'last' | 'step'> | InjectionError {
  if (text === undefined) return { first: 1, last: Infinity, step: 1 };
  const m = WHEN.exec(text);
  const wrong = (why: string): InjectionError => ({ error: `when: '${text}' ${why}` });
  if (!m) return wrong('is not of the form FIRST[..LAST][+[STEP]], as 3, 3+, 3+2, 3..9 or 3..9+2');
  const first = Number(m[1]);
  const step = m[4] ? Number(m[4]) : m[4] === undefined && m[3] === undefined && m[2] === undefined ? 0 : 1;
  const last = m[2] !== undefined ? Number(m[2]) : m[3] === undefined ? first : Infinity;
  if (first < 1 || first > MAX_COUNT)
    return wrong(`begins with ${first}; calls are counted from 1 to ${MAX_COUNT}`);
  if (m[2] !== undefined && (last < first || last >= MAX_COUNT))
    return wrong(last < first ? 'ends before it begins' : `ends after ${MAX_COUNT - 1}`);
  if (m[4] && (step < 1 || step > MAX_COUNT)) return wrong(`has a step that is not 1 to ${MAX_COUNT}`);
  return { first, last, step: Math.max(step, 1) };
}
