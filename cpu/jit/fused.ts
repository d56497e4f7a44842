/**
 * Fused multiply-add by the host: relaxed SIMD's multiply-add where it exists and rounds once. V8 has it by default from
 * version 11.4 on, earlier behind --experimental-wasm-relaxed-simd, and it fuses on every processor that can.
 */

/** (f64, f64, f64) → f64: x · y + a by f64x2.relaxed_madd. */
const BODY = [0, 0x20, 0, 0xfd, 0x14, 0x20, 1, 0xfd, 0x14, 0x20, 2, 0xfd, 0x14, 0xfd, 0x87, 0x02, 0xfd, 0x21, 0, 0x0b]; // prettier-ignore
const PROBE = Uint8Array.of(
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 8, 1, 0x60, 3, 0x7c, 0x7c, 0x7c, 1, 0x7c, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0,
  10, BODY.length + 2, 1, BODY.length, ...BODY,
); // prettier-ignore

/** The host knows the instruction. */
export const hasRelaxedMadd = (): boolean => WebAssembly.validate(PROBE);

/** It knows it, and rounds once. */
export function fuses(): boolean {
  if (!hasRelaxedMadd()) return false;
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(PROBE)).exports;
  const x = 1 + 2 ** -30;
  return (f as (x: number, y: number, a: number) => number)(x, x, -1 - 2 ** -29) === 2 ** -60;
}
