/** The files running programs came from: held, and closed to writers, as long as an address space runs them. */
import type { File } from '../fs/file.ts';
import { denyWrites } from '../fs/open.ts';
import type { AddressSpace } from '../mm/address-space.ts';

export class RunningPrograms {
  private readonly files = new Map<AddressSpace, { readonly file: File; readonly allowWrites: () => void }>();

  /** `mm` runs `file`. */
  hold(mm: AddressSpace, file: File): void {
    this.files.set(mm, { file: file.retain(), allowWrites: denyWrites(file) });
  }

  /** A forked address space runs what its parent runs. */
  inherit(from: AddressSpace, to: AddressSpace): void {
    const p = this.files.get(from);
    if (p !== undefined) this.hold(to, p.file);
  }

  /** The address space is gone. */
  drop(mm: AddressSpace): void {
    const p = this.files.get(mm);
    if (p === undefined) return;
    this.files.delete(mm);
    p.allowWrites();
    p.file.drop();
  }

  /** The program's open file (/proc/PID/exe). */
  file(mm: AddressSpace): File | null {
    return this.files.get(mm)?.file ?? null;
  }
}
