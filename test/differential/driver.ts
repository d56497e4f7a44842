/** The wire format of guests/differential/driver.c, and where that program runs. */
import { spawnSync } from 'node:child_process';
import { guestPath, nativeReason } from '../support/guests.ts';

export const CODE = 0x10000000;
/** A jump back to CODE, for cpus that look for hot code there. */
export const PAD = CODE + 0x800;
export const DATA = 0x20000000;
/** Pages that can be written; behind them is one that can only be read. */
export const DATA_PAGES = 3;
export const PAGE = 4096;
export const ZONE_BYTES = 256;

/** What the driver runs: code, and how often, each time from another state. */
export interface Test {
  readonly code: readonly number[];
  readonly runs: number;
  /** Floating-point and vector registers are part of the state. */
  readonly fp: boolean;
  /** Start of the 256 bytes of memory that are part of the state. */
  readonly zone: number;
}

const MAGIC = 0x33474e52;
const HEADER_BYTES = 16;
const TEST_BYTES = 144;

/** A driver's input being written: `states` gives where the states of a test go. */
export function encode(
  tests: readonly Test[],
  stateBytes: number,
): { bytes: Uint8Array; states: readonly number[] } {
  const runs = tests.reduce((n, t) => n + t.runs, 0);
  const bytes = new Uint8Array(HEADER_BYTES + tests.length * TEST_BYTES + runs * stateBytes);
  const v = new DataView(bytes.buffer);
  [MAGIC, stateBytes, tests.length].forEach((word, i) => {
    v.setUint32(4 * i, word, true);
  });
  let at = HEADER_BYTES;
  const states = tests.map((t) => {
    v.setUint16(at, t.code.length, true);
    v.setUint16(at + 2, t.runs, true);
    v.setUint32(at + 4, t.fp ? 1 : 0, true);
    v.setUint32(at + 8, t.zone, true);
    bytes.set(t.code, at + 16);
    const from = at + TEST_BYTES;
    at = from + t.runs * stateBytes;
    return from;
  });
  return { bytes, states };
}

/** Something that carries instructions out and is believed. */
export interface Oracle {
  readonly name: string;
  readonly command: readonly string[];
}

/** The states that `input` leaves, one behind the other. */
export function execute(oracle: Oracle, input: Uint8Array, wanted: number): Uint8Array {
  const [program, ...args] = oracle.command;
  const r = spawnSync(program, args, { input, maxBuffer: 1 << 30, timeout: 60_000 });
  if (r.stdout.length !== wanted)
    throw new Error(
      `${oracle.name} gave ${r.stdout.length} bytes for ${wanted}: ${r.stderr.toString()} ${r.signal ?? r.status}`,
    );
  return r.stdout;
}

const DRIVER = 'instruction-driver';

/** This machine's processor; or why it cannot be asked. */
export function processor(): Oracle | string {
  const reason = nativeReason();
  const driver = guestPath(DRIVER, 'x86_64');
  if (reason !== null || driver === null) return reason ?? `guest ${DRIVER} is not built for x86_64`;
  return { name: "this machine's processor", command: [driver] };
}

/** qemu's Cortex-A76, which is more than the cpu here offers; or why it cannot be asked. */
export function qemuAarch64(): Oracle | string {
  const driver = guestPath(DRIVER, 'aarch64');
  if (driver === null) return `guest ${DRIVER} is not built for aarch64`;
  if (spawnSync('qemu-aarch64', ['--version']).status !== 0) return 'no qemu-aarch64';
  return { name: 'qemu-aarch64', command: ['qemu-aarch64', '-cpu', 'cortex-a76', driver] };
}
