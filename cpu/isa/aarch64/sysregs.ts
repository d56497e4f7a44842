/**
 * What the cpu says about itself: HWCAP, and the ID registers as Linux lets a program read them (arch/arm64's
 * Documentation/arm64/cpu-feature-registers.rst). Armv8.0 with the crypto extension, CRC32 and LSE atomics.
 */

/** AT_HWCAP: FP ASIMD AES PMULL SHA1 SHA2 CRC32 ATOMICS CPUID. */
export const HWCAP = 0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x100 | 0x800;
export const HWCAP2 = 0;

/** "Features" of /proc/cpuinfo, in the same order. */
export const FEATURES = 'fp asimd aes pmull sha1 sha2 crc32 atomics cpuid';

/** No implementer's (0), architecture by the ID registers (0xf). */
export const MIDR = 0x000f0000;

/** Ticks of CNTVCT_EL0 a second. */
export const COUNTER_FREQUENCY = 1_000_000_000;

/** DC ZVA clears blocks of 64 bytes. */
export const DCZID = 4;

/** 64-byte lines; data and instruction caches are coherent (IDC, DIC): a program need not clean or invalidate. */
export const CTR = 0xb444c004;

/**
 * ID registers with op0 3, op1 0, CRn 0 as Linux 6.1 emulates them: CRm 0 three of them, CRm 2 to 7 all of them, names or
 * not. There is no AArch32, so CRm 2 and 3 (ID_ISARn, MVFRn) are zero. null: undefined at EL0.
 */
export function idRegister(crm: number, op2: number): number | null {
  if (crm === 0) return op2 === 0 ? MIDR : op2 === 5 ? 0x80000000 : op2 === 6 ? 0 : null;
  if (crm < 2 || crm > 7) return null;
  switch (crm * 8 + op2) {
    case 4 * 8: // ID_AA64PFR0_EL1: EL0 and EL1 in AArch64, FP and AdvSIMD without half precision
      return 0x11;
    case 5 * 8: // ID_AA64DFR0_EL1
      return 0x6;
    case 6 * 8: // ID_AA64ISAR0_EL1: Atomic 2, CRC32 1, SHA2 1, SHA1 1, AES 2 (with PMULL)
      return 0x00211120;
    default:
      return 0;
  }
}
