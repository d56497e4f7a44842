/** binutils' objdump as oracle for what is an A64 instruction. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const OBJDUMP = 'aarch64-linux-gnu-objdump';

/** Why objdump cannot be asked here; null when it can. */
export function objdumpMissing(): string | null {
  const r = spawnSync(OBJDUMP, ['--help'], { encoding: 'utf8' });
  if (r.status !== 0) return `no ${OBJDUMP}`;
  return r.stdout.includes('no-aliases') ? null : `this ${OBJDUMP} does not know -M no-aliases`;
}

/** "  4c:\t5cd4c635 \tldr\td21, 0x1c" → the text behind the word. */
const LINE = /^\s*[0-9a-f]+:\t([0-9a-f]{8}) \t(.*)$/;
const UNDEFINED = /^\.inst|^\.word|; undefined|NYI|^udf\t/;

/**
 * Disassembles `words`, each by itself, and calls back for each in order with its text: mnemonic, tab, operands, no
 * aliases; '' where objdump names no instruction (or UDF, which is one that raises what none raises).
 */
export async function objdump(words: Uint32Array, each: (word: number, text: string) => void): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'ring3-objdump-'));
  try {
    const file = join(dir, 'words');
    writeFileSync(file, new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
    const args = ['-D', '-z', '-b', 'binary', '-m', 'aarch64', '-M', 'no-aliases', file];
    const child = spawn(OBJDUMP, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    let n = 0;
    const line = (text: string): void => {
      const m = LINE.exec(text);
      if (!m) return;
      const word = words[n++];
      if (parseInt(m[1], 16) !== word) throw new Error(`word ${n - 1} is ${word.toString(16)}: ${text}`);
      each(word, UNDEFINED.test(m[2]) ? '' : m[2]);
    };
    child.stdout.setEncoding('latin1');
    let rest = '';
    for await (const chunk of child.stdout as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      lines.forEach(line);
    }
    line(rest);
    const status = await ended;
    if (status !== 0 || n !== words.length)
      throw new Error(`${OBJDUMP} ended with ${status} after ${n} of ${words.length} words`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
