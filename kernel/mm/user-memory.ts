/** What system-call handlers may do with a task's memory. Implemented by AddressSpace; faults are -EFAULT values. */
import type { IoBuf } from './iobuf.ts';

export interface UserMemory {
  /** Views [address, address+length) in place for reading (false) or writing (true); cut at the first byte that
   *  cannot be accessed. -EFAULT when not even the first can (and length > 0). */
  iov(address: number, length: number, forWrite: boolean): IoBuf | number;
  /** A private copy of the bytes, or null on a fault. */
  copyIn(address: number, length: number): Uint8Array | null;
  /** The same as a DataView, for structs. */
  viewIn(address: number, length: number): DataView | null;
  /** Writes bytes; 0 or -EFAULT. Nothing is written unless all can be. */
  copyOut(address: number, bytes: Uint8Array): number;
  /** NUL-terminated bytes as a binary string (one char a byte); -EFAULT, or -ENAMETOOLONG past `max`. */
  cstring(address: number, max?: number): string | number;
  /** Scalars; negative: -EFAULT. u64 as number is exact below 2^53. */
  u32(address: number): number;
  ptr(address: number): number;
  i32(address: number): number | null;
  u64(address: number): bigint | null;
  putU32(address: number, value: number): number;
  putU64(address: number, value: number | bigint): number;
  putU8(address: number, value: number): number;
  putU16(address: number, value: number): number;
}
