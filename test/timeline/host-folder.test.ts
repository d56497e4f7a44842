/** What a guest has open of a host folder is open again when the machine is put back. */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Volume, createFsFromVolume } from 'memfs';
import { afterEach, describe, expect, it } from 'vitest';
import { type FsLike, NodeHostFs } from '../../src/host/host-fs.ts';
import { Machine, Timeline } from '../../src/index.ts';

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true });
});

/** dN/f with the text N, for N below 300. */
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'ring3-held-'));
  made.push(path);
  for (let i = 0; i < 300; i++) {
    mkdirSync(join(path, `d${i}`));
    writeFileSync(join(path, `d${i}/f`), String(i));
  }
  return path;
}

function volume(): { fs: FsLike } {
  const files = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`/v/d${i}/f`, String(i)]));
  return { fs: createFsFromVolume(Volume.fromJSON(files)) as unknown as FsLike };
}

const text = (fs: NodeHostFs, file: number): string | number => {
  const into = new Uint8Array(8);
  const n = fs.read(file, into, 0);
  return n < 0 ? n : Buffer.from(into.subarray(0, n)).toString();
};
const descriptors = (): number => readdirSync('/proc/self/fd').length;

describe.each(['the host', 'memfs'])('a folder of %s', (kind) => {
  const open = (): NodeHostFs =>
    kind === 'memfs' ? new NodeHostFs('/v', volume()) : new NodeHostFs(folder());
  const openAll = (fs: NodeHostFs, from: number, to: number): [dir: number, file: number][] =>
    Array.from({ length: to - from }, (_, i) => {
      const dir = fs.openDir(fs.root, `d${from + i}`);
      return [dir, fs.open(dir, 'f', { write: false })];
    });

  it('has open what was open, however much was closed and opened since', () => {
    const fs = open();
    const held = openAll(fs, 0, 200);
    const state = fs.saveState();
    expect(fs.saveState()).toBe(state);
    for (let times = 0; times < 2; times++) {
      for (const [dir, file] of held) {
        fs.close(file);
        fs.closeDir(dir);
      }
      const [[, stale]] = held;
      expect(fs.read(stale, new Uint8Array(1), 0)).toBe(-9);
      const others = openAll(fs, 100, 300);
      expect(others.map(([, file]) => text(fs, file))).toEqual(others.map((_, i) => String(100 + i)));
      fs.restoreState(state);
      expect(held.map(([, file]) => text(fs, file))).toEqual(held.map((_, i) => String(i)));
      expect(held.every(([dir]) => typeof fs.stat(dir, 'f') === 'object')).toBe(true);
      expect(fs.read(others[0][1], new Uint8Array(1), 0)).toBe(-9);
    }
    fs.dispose();
  });

  it('keeps none of it that no saved moment has', () => {
    const fs = open();
    const before = descriptors();
    const state = fs.saveState();
    for (let i = 0; i < 5; i++) {
      openAll(fs, 0, 50);
      fs.restoreState(state);
    }
    expect(descriptors()).toBe(before);
    fs.dispose();
  });
});

describe('a folder of the host', () => {
  it('gives a file back that is gone, and never another in its place', () => {
    const path = folder();
    const fs = new NodeHostFs(path);
    const dir = fs.openDir(fs.root, 'd0');
    const [gone, moved] = [
      fs.open(dir, 'f', { write: false }),
      fs.open(fs.openDir(fs.root, 'd1'), 'f', { write: false }),
    ];
    const state = fs.saveState();
    fs.close(gone);
    fs.close(moved);
    unlinkSync(join(path, 'd0/f'));
    // Closed to make room, by many that were held later; meanwhile another file takes the name.
    const many = Array.from({ length: 298 }, (_, i) => fs.openDir(fs.root, `d${i + 2}`));
    fs.saveState();
    for (const d of many) fs.closeDir(d);
    renameSync(join(path, 'd2/f'), join(path, 'd1/f'));
    fs.restoreState(state);
    expect(text(fs, gone)).toBe('0');
    expect(text(fs, moved)).toBe(-9);
    const before = descriptors();
    fs.dispose();
    expect(before - descriptors()).toBeGreaterThan(200);
  });

  it('is gone through back and forth with the guest that reads it', async () => {
    if (!existsSync('/usr/bin/busybox')) {
      console.log('Left out: busybox is not installed on this machine (package busybox-static)');
      return;
    }
    const path = folder();
    const script = `exec 3</h/d1/f; read a <&3; exec 3<&-; cd /h/d2
      for i in 5 6 7; do exec 4</h/d$i/f; read l <&4; echo $a $l; exec 4<&-; done
      cd /; ls /h/d8 /h/d9; echo hi | cat`;
    const m = await Machine.boot({
      program: '/usr/bin/busybox',
      argv: ['sh', '-c', script],
      mounts: [{ host: path, guest: '/h' }],
      files: { '/bin/ls': { symlink: '/usr/bin/busybox' }, '/bin/cat': { symlink: '/usr/bin/busybox' } },
      seed: 1,
      countEvents: true,
    });
    const timeline = new Timeline(m);
    const before = descriptors();
    const end = await timeline.goto(Infinity);
    const { stdout } = m;
    expect(stdout).toBe('1 5\n1 6\n1 7\n/h/d8:\nf\n\n/h/d9:\nf\nhi\n');
    for (let i = 1; i < 40; i++) {
      await timeline.goto((i * 151) % end);
      if (i % 8 === 0) expect(await timeline.goto(Infinity)).toBe(end);
    }
    await timeline.goto(Infinity);
    expect(m.stdout).toBe(stdout);
    expect(descriptors() - before).toBeLessThan(20);
    m.dispose();
  });
});
