import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Machine } from '../../src/index.ts';

const HELLO = fileURLToPath(new URL('../../guests/prebuilt/x86_64/hello', import.meta.url));

/** The program is copied into the machine; a writable mount over its path must not lead that copy onto the host. */
describe('a program below a writable mount', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ring3-'));
    copyFileSync(HELLO, join(dir, 'hello'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it.each([
    ['its folder', (d: string) => d],
    ['the file itself', (d: string) => join(d, 'hello')],
  ])('is left alone on the host: %s', async (_what, mounted) => {
    const program = join(dir, 'hello');
    const m = await Machine.boot({ program, mounts: [{ host: mounted(dir), guest: mounted(dir) }] });
    expect((await m.run()).status).toBe(0);
    expect(m.stdout).toBe('Hello from ring 3\n');
    expect(readFileSync(program).equals(readFileSync(HELLO))).toBe(true);
    expect(readdirSync(dir)).toEqual(['hello']);
  });

  it('is not created on the host by a mount of its folder from elsewhere', async () => {
    const other = mkdtempSync(join(tmpdir(), 'ring3-'));
    try {
      await Machine.boot({
        program: join(dir, 'hello'),
        mounts: [{ host: other, guest: dir }],
      }).catch(() => undefined);
      expect(readdirSync(other)).toEqual([]);
    } finally {
      rmSync(other, { recursive: true });
    }
  });
});
