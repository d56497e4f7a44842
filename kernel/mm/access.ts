/** Reading and writing guest memory from the kernel: copy_from_user and friends over a page table. */
import { EFAULT, ENAMETOOLONG } from '../abi/errno.ts';
import { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, type PageTable, type Ram } from '../ports.ts';
import { IoBuf } from './iobuf.ts';
import { PAGE_MASK } from './layout.ts';
import type { UserMemory } from './user-memory.ts';

/** MAX_RW_COUNT: no call moves more at once. */
export const MAX_RW_COUNT = 0x7ffff000;

export abstract class UserAccess implements UserMemory {
  readonly ram: Ram;
  readonly pageTable: PageTable;
  readonly taskSize: number;

  constructor(ram: Ram, pageTable: PageTable, taskSize: number) {
    this.ram = ram;
    this.pageTable = pageTable;
    this.taskSize = taskSize;
  }

  /** Makes the page accessible: 0, or anything else when it cannot be. */
  protected abstract fault(address: number, access: number): number;

  /** RAM offset of `address` after making its page accessible, or -1. Valid to the end of the page. */
  protected at(address: number, access: number): number {
    if (!(address < this.taskSize)) return -1;
    const offset = address & PAGE_MASK;
    const page = address - offset;
    let prot = this.pageTable.prot(page);
    if ((prot & access) === 0) {
      if (this.fault(address, access) !== 0) return -1;
      prot = this.pageTable.prot(page);
    }
    const frame = this.pageTable.frame(page);
    // The cpu may hold decoded code of a page the kernel is about to change, here or where else it is mapped.
    if (access === PROT_WRITE && (prot & PROT_EXEC || this.ram.refs(frame) > 1))
      this.pageTable.written(address, PAGE_SIZE - offset);
    return frame + offset;
  }

  iov(address: number, length: number, forWrite: boolean): IoBuf | number {
    if (length <= 0) return new IoBuf([]);
    const access = forWrite ? PROT_WRITE : PROT_READ;
    let left = Math.min(length, MAX_RW_COUNT);
    const chunks: Uint8Array[] = [];
    let start = -1;
    let end = -1;
    while (left > 0) {
      const at = this.at(address, access);
      if (at < 0) break;
      const n = Math.min(left, PAGE_SIZE - (address & PAGE_MASK));
      if (at !== end) {
        if (start >= 0) chunks.push(this.ram.u8.subarray(start, end));
        start = at;
      }
      end = at + n;
      address += n;
      left -= n;
    }
    if (start < 0) return -EFAULT;
    chunks.push(this.ram.u8.subarray(start, end));
    return new IoBuf(chunks);
  }

  /** As `iov`, but all of it or null. */
  private whole(address: number, length: number, forWrite: boolean): IoBuf | null {
    const buf = this.iov(address, length, forWrite);
    return typeof buf === 'number' || buf.length !== length ? null : buf;
  }

  copyIn(address: number, length: number): Uint8Array | null {
    if (length <= 0) return new Uint8Array(0);
    if ((address & PAGE_MASK) + length <= PAGE_SIZE) {
      const at = this.at(address, PROT_READ);
      return at < 0 ? null : this.ram.u8.slice(at, at + length);
    }
    return this.whole(address, length, false)?.bytes() ?? null;
  }

  viewIn(address: number, length: number): DataView | null {
    const bytes = this.copyIn(address, length);
    return bytes && new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  copyOut(address: number, bytes: Uint8Array): number {
    const length = bytes.length;
    if (length === 0) return 0;
    if ((address & PAGE_MASK) + length <= PAGE_SIZE) {
      const at = this.at(address, PROT_WRITE);
      if (at < 0) return -EFAULT;
      this.ram.u8.set(bytes, at);
      return 0;
    }
    const buf = this.whole(address, length, true);
    if (!buf) return -EFAULT;
    buf.put(bytes);
    return 0;
  }

  cstring(address: number, max = 4096): string | number {
    const { u8 } = this.ram;
    let out = '';
    while (out.length < max) {
      const at = this.at(address, PROT_READ);
      if (at < 0) return -EFAULT;
      const limit = Math.min(at + PAGE_SIZE - (address & PAGE_MASK), at + max - out.length);
      let end = at;
      while (end < limit && u8[end] !== 0) end++;
      if (end > at) out += String.fromCharCode.apply(null, u8.subarray(at, end) as unknown as number[]);
      if (end < limit) return out;
      address += end - at;
    }
    return -ENAMETOOLONG;
  }

  u32(address: number): number {
    if ((address & PAGE_MASK) > PAGE_SIZE - 4) return this.viewIn(address, 4)?.getUint32(0, true) ?? -EFAULT;
    const at = this.at(address, PROT_READ);
    return at < 0 ? -EFAULT : this.ram.view.getUint32(at, true);
  }

  i32(address: number): number | null {
    const n = this.u32(address);
    return n < 0 ? null : n | 0;
  }

  ptr(address: number): number {
    if ((address & PAGE_MASK) > PAGE_SIZE - 8) {
      const v = this.viewIn(address, 8);
      return v === null ? -EFAULT : v.getUint32(4, true) * 0x100000000 + v.getUint32(0, true);
    }
    const at = this.at(address, PROT_READ);
    if (at < 0) return -EFAULT;
    const { view } = this.ram;
    return view.getUint32(at + 4, true) * 0x100000000 + view.getUint32(at, true);
  }

  u64(address: number): bigint | null {
    if ((address & PAGE_MASK) > PAGE_SIZE - 8) return this.viewIn(address, 8)?.getBigUint64(0, true) ?? null;
    const at = this.at(address, PROT_READ);
    return at < 0 ? null : this.ram.view.getBigUint64(at, true);
  }

  putU8(address: number, value: number): number {
    const at = this.at(address, PROT_WRITE);
    if (at < 0) return -EFAULT;
    this.ram.u8[at] = value;
    return 0;
  }

  putU16(address: number, value: number): number {
    if ((address & PAGE_MASK) > PAGE_SIZE - 2)
      return this.copyOut(address, Uint8Array.of(value & 255, (value >> 8) & 255));
    const at = this.at(address, PROT_WRITE);
    if (at < 0) return -EFAULT;
    this.ram.view.setUint16(at, value, true);
    return 0;
  }

  putU32(address: number, value: number): number {
    if ((address & PAGE_MASK) > PAGE_SIZE - 4) {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, value, true);
      return this.copyOut(address, bytes);
    }
    const at = this.at(address, PROT_WRITE);
    if (at < 0) return -EFAULT;
    this.ram.view.setUint32(at, value, true);
    return 0;
  }

  putU64(address: number, value: number | bigint): number {
    if ((address & PAGE_MASK) <= PAGE_SIZE - 8) {
      const at = this.at(address, PROT_WRITE);
      if (at < 0) return -EFAULT;
      putU64(this.ram.view, at, value);
      return 0;
    }
    const bytes = new Uint8Array(8);
    putU64(new DataView(bytes.buffer), 0, value);
    return this.copyOut(address, bytes);
  }
}

/** Two's complement for negative values; numbers must be exact. */
function putU64(view: DataView, at: number, value: number | bigint): void {
  if (typeof value === 'bigint') view.setBigUint64(at, BigInt.asUintN(64, value), true);
  else {
    view.setUint32(at, value >>> 0, true);
    view.setUint32(at + 4, Math.floor(value / 0x100000000) >>> 0, true);
  }
}
