/** The wire format of guests/differential/x86-driver.c: tests in, results or snapshots out. */

/** What a test draws anew for each execution (the driver's K_* constants). */
export const KIND = { FP: 1, X87: 2, MEM: 4, DF: 8, MXCSR: 16, UNMASKED: 32, FLOATS: 64 } as const;

/** A register, or eight bytes of memory, that holds a given value at the start of each execution. */
export interface Pin {
  readonly memory: boolean;
  readonly reg: number;
  readonly address: number;
  readonly value: bigint;
}

export interface TestCase {
  readonly name: string;
  readonly code: readonly number[];
  readonly kinds: number;
  readonly repeats: number;
  readonly seed: number;
  /** Flags to compare. */
  readonly flagMask: number;
  /** Start of the 256 bytes of memory that are filled and compared. */
  readonly mem: number;
  /** Registers drawn anew for each execution, as bit masks. */
  readonly gprs: number;
  readonly xmms: number;
  readonly pins: readonly Pin[];
}

const MAGIC = 0x33474e52;
const TEST_BYTES = 128;
export const RESULT_BYTES = 16;
export const SNAPSHOT_BYTES = 944;

export function encodeTests(tests: readonly TestCase[], dump: boolean): Uint8Array {
  const out = new Uint8Array(16 + tests.length * TEST_BYTES);
  const v = new DataView(out.buffer);
  v.setUint32(0, MAGIC, true);
  v.setUint32(4, dump ? 1 : 0, true);
  v.setUint32(8, tests.length, true);
  tests.forEach((t, n) => {
    const at = 16 + n * TEST_BYTES;
    out[at] = t.code.length;
    out[at + 1] = t.kinds;
    v.setUint16(at + 2, t.repeats, true);
    v.setUint32(at + 4, t.seed, true);
    v.setUint32(at + 8, t.flagMask, true);
    v.setUint32(at + 12, t.mem, true);
    v.setUint16(at + 16, t.gprs, true);
    v.setUint16(at + 18, t.xmms, true);
    out[at + 20] = t.pins.length;
    out.set(t.code, at + 24);
    t.pins.forEach((p, i) => {
      const pin = at + 40 + 16 * i;
      out[pin] = p.memory ? 1 : 0;
      out[pin + 1] = p.reg;
      v.setUint32(pin + 4, p.address, true);
      v.setBigUint64(pin + 8, p.value, true);
    });
  });
  return out;
}

/** The state before or after one execution. */
export class Snapshot {
  readonly bytes: Uint8Array;
  private readonly view: DataView;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, SNAPSHOT_BYTES);
  }
  gpr(i: number): bigint {
    return this.view.getBigUint64(8 * i, true);
  }
  private word(i: number): number {
    return Number(this.view.getBigUint64(128 + 8 * i, true));
  }
  get flags(): number {
    return this.word(0);
  }
  /** 0: went on behind the instruction, 1: took the branch, 9: neither. */
  get landed(): number {
    return this.word(1);
  }
  get signal(): number {
    return this.word(2);
  }
  get signalCode(): number {
    return Number(this.view.getBigInt64(128 + 8 * 3, true) & 0xffffffffn);
  }
  get faultAddress(): bigint {
    return this.view.getBigUint64(128 + 8 * 4, true);
  }
  /** Offset of the instruction a signal came from. */
  get rip(): number {
    return this.word(5);
  }
  get fx(): Uint8Array {
    return this.bytes.subarray(176, 688);
  }
  get zone(): Uint8Array {
    return this.bytes.subarray(688, 944);
  }
}
