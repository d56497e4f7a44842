/**
 * Two scratch folders of the host for a fuzzed machine, and somebody on the host who keeps changing the writable one
 * while the guest walks in it: files become links that lead out, directories are swapped, vanish and come back.
 */
import {
  chmodSync, existsSync, lstatSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync,
  symlinkSync, unlinkSync, writeFileSync,
} from 'node:fs'; // prettier-ignore
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import type { Random } from '../support/random.ts';

const NAMES = ['f', 'd', 'd/g', 'd/e', 'd/e/h', 'out', 'up', 'x', 'name', 'new\nline', 'n'.repeat(255)];

export class HostFolders {
  readonly top = mkdtempSync(join(tmpdir(), 'ring3-fuzz-'));
  /** Mounted at /mnt, and read-only at /ro. */
  readonly writable = join(this.top, 'writable');
  readonly readOnly = join(this.top, 'read-only');
  private readonly outside = join(this.top, 'outside');
  private readonly before: string;

  constructor() {
    for (const dir of [this.writable, this.readOnly]) {
      mkdirSync(join(dir, 'd/e'), { recursive: true });
      writeFileSync(join(dir, 'f'), 'a file\n'.repeat(2000));
      writeFileSync(join(dir, 'd/g'), 'g');
      writeFileSync(join(dir, 'd/e/h'), '');
      symlinkSync(this.outside, join(dir, 'out'));
      symlinkSync('../outside/canary', join(dir, 'up'));
      spawnSync('mkfifo', [join(dir, 'fifo')]);
    }
    mkdirSync(this.outside);
    writeFileSync(join(this.outside, 'canary'), 'alive');
    writeFileSync(join(this.outside, 'f'), 'alive too');
    mkdirSync(join(this.outside, 'd'));
    writeFileSync(join(this.outside, 'd/g'), 'and well');
    this.before = this.protectedState();
  }

  /** One change by the host in the writable folder. */
  change(r: Random): void {
    const at = (name: string): string => join(this.writable, name);
    const names = NAMES.filter((n) => this.isInside(n));
    const name = at(r.pick(names));
    try {
      switch (r.below(9)) {
        case 0:
          renameSync(name, at(r.pick(names)));
          break;
        case 1:
          if (existsSync(name) && lstatSync(name).isDirectory())
            renameSync(name, join(this.top, `away-${r.u32()}`));
          else unlinkSync(name);
          symlinkSync(
            r.pick([this.outside, '../outside', '../../outside', this.top, join(this.outside, 'canary')]),
            name,
          );
          break;
        case 2:
          rmSync(name, { recursive: true, force: true });
          break;
        case 3:
          mkdirSync(name);
          break;
        case 4:
          writeFileSync(name, 'x'.repeat(r.below(10_000)), { flag: 'wx' });
          break;
        case 5:
          linkSync(at('f'), name);
          break;
        case 6:
          if (!lstatSync(name).isSymbolicLink()) chmodSync(name, r.pick([0o644, 0, 0o777, 0o755]));
          break;
        default:
          for (const n of names) if (!existsSync(at(n)) && /^(d|d\/e)$/.test(n)) mkdirSync(at(n));
      }
    } catch {
      // The guest was there first.
    }
  }

  /** Whether the name's directories are directories and no links that this process itself would follow. */
  private isInside(name: string): boolean {
    const up = name.slice(0, Math.max(name.lastIndexOf('/'), 0));
    if (up === '') return true;
    if (!this.isInside(up)) return false;
    const st = lstatSync(join(this.writable, up), { throwIfNoEntry: false });
    return st !== undefined && st.isDirectory();
  }

  /** What of outside and of the read-only folder is not as it was; null when all is. */
  damage(): string | null {
    const now = this.protectedState();
    return now === this.before ? null : `before:\n${this.before}\nnow:\n${now}`;
  }

  remove(): void {
    rmSync(this.top, { recursive: true, force: true });
  }

  private protectedState(): string {
    const lines: string[] = [];
    const walk = (path: string): void => {
      const st = lstatSync(path);
      const what = st.isFile() ? readFileSync(path, 'latin1') : st.isSymbolicLink() ? readlinkSync(path) : '';
      lines.push(
        `${path} ${st.ino} ${st.mode.toString(8)} ${st.nlink} ${st.uid} ${st.mtimeMs} ${st.size} ${what.slice(0, 40)}`,
      );
      if (st.isDirectory()) for (const name of readdirSync(path).sort()) walk(join(path, name));
    };
    walk(this.outside);
    walk(this.readOnly);
    return lines.join('\n');
  }
}
