/** `#!` lines, as fs/binfmt_script.c reads them. What to do with the interpreter is execve's business. */

/** What the kernel reads of a file before it decides how to run it. */
export const BINPRM_BUF_SIZE = 256;

export interface Script {
  /** Binary string. */
  readonly interpreter: string;
  /** Everything after it, as one argument; null: none. */
  readonly argument: string | null;
}

const isBlank = (c: number): boolean => c === 0x20 || c === 9;

/**
 * `head`: the file's first BINPRM_BUF_SIZE bytes (fewer when it is shorter). null: no script, or one Linux refuses
 * with ENOEXEC.
 */
export function parseScript(head: Uint8Array): Script | null {
  if (head[0] !== 0x23 || head[1] !== 0x21) return null;
  const buf = new Uint8Array(BINPRM_BUF_SIZE);
  buf.set(head.subarray(0, BINPRM_BUF_SIZE));
  let end = buf.indexOf(0x0a);
  if (end < 0) {
    // Cut off: fine only when the interpreter's path certainly ended before.
    const from = skipBlank(buf, 2, BINPRM_BUF_SIZE);
    if (from === BINPRM_BUF_SIZE) return null;
    if (endOfWord(buf, from, BINPRM_BUF_SIZE) === BINPRM_BUF_SIZE) return null;
    end = BINPRM_BUF_SIZE - 1;
  }
  while (end > 2 && isBlank(buf[end - 1])) end--;
  const from = skipBlank(buf, 2, end);
  if (from === end || buf[from] === 0) return null;
  const to = endOfWord(buf, from, end);
  const interpreter = text(buf, from, to);
  const argAt = to < end && buf[to] !== 0 ? skipBlank(buf, to, end) : end;
  const argument = argAt < end && buf[argAt] !== 0 ? text(buf, argAt, end) : null;
  return { interpreter, argument };
}

function skipBlank(buf: Uint8Array, from: number, end: number): number {
  while (from < end && isBlank(buf[from])) from++;
  return from;
}

/** First blank or NUL at or after `from`. */
function endOfWord(buf: Uint8Array, from: number, end: number): number {
  while (from < end && buf[from] !== 0 && !isBlank(buf[from])) from++;
  return from;
}

function text(buf: Uint8Array, from: number, end: number): string {
  let out = '';
  for (let i = from; i < end && buf[i] !== 0; i++) out += String.fromCharCode(buf[i]);
  return out;
}
