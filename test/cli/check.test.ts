/** `ring3 check` and `ring3 diff` of one run in a file of several. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkCommand } from '../../src/cli/check.ts';
import { diffCommand } from '../../src/cli/diff.ts';

const dir = mkdtempSync('/tmp/ring3-check-');
afterAll(() => rmSync(dir, { recursive: true }));

const block = (name: string): string =>
  `\`\`\`\n${readFileSync(`test/logs/fixtures/${name}.log`, 'utf8')}\n\`\`\`\n`;
const file = join(dir, 'notes.md');
writeFileSync(file, `# notes\n\n${block('zlm-futex')}\n${block('zlm-livelock')}`);

describe('FILE#N', () => {
  it('is the Nth run alone, with the line numbers of the file', () => {
    const { text, status } = checkCommand(['--brief', `${file}#2`]);
    expect(status).toBe(1);
    expect(text).toMatch(/notes\.md#2: StarryOS log, \d+ lines, 24 calls by 2 tasks\n/);
    expect(text).toMatch(/^(3\d): epoll_ctl\(7, EPOLL_CTL_DEL, 0, NULL\) = -1 EFAULT/m);
    expect(text).not.toMatch(/futex-op|could not be read/);
    expect(checkCommand(['--brief', `${file}#1`]).text).toMatch(/could not be read[^]*futex-op/);
  });

  it('of a run that is not there says how many there are', () => {
    expect(() => checkCommand([`${file}#3`])).toThrow(`${file} has no run 3; it has 2`);
    expect(() => diffCommand([file, `${file}#0`])).toThrow(`${file} has no run 0; it has 2`);
  });

  it('is the file itself when one has that name', () => {
    const odd = join(dir, 'boot#2');
    writeFileSync(odd, readFileSync('test/logs/fixtures/zlm-livelock.log'));
    expect(checkCommand(['--brief', odd]).text).toMatch(/boot#2: StarryOS log, 51 lines/);
  });

  it("in a comparison tells of its own damaged lines, not of other runs'", () => {
    expect(diffCommand([`${file}#2`, `${file}#2`]).text).not.toMatch(/could not be read/);
    expect(diffCommand([`${file}#1`, `${file}#1`]).text).toMatch(/could not be read/);
  });
});
