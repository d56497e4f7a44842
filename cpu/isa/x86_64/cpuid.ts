/**
 * CPUID: what this cpu implements and nothing more: x86-64-v2 with AES-NI and PCLMULQDQ. The same list gives
 * /proc/cpuinfo its flags and AT_HWCAP its value. SDM vol. 2A, CPUID.
 */

const EDX1: readonly [bit: number, name: string][] = [
  [0, 'fpu'], [4, 'tsc'], [8, 'cx8'], [15, 'cmov'], [19, 'clflush'], [23, 'mmx'], [24, 'fxsr'], [25, 'sse'], [26, 'sse2'],
]; // prettier-ignore
const ECX1: readonly [bit: number, name: string][] = [
  [0, 'pni'], [1, 'pclmulqdq'], [9, 'ssse3'], [13, 'cx16'], [19, 'sse4_1'], [20, 'sse4_2'], [23, 'popcnt'], [25, 'aes'], [26, 'xsave'], [27, 'osxsave'],
]; // prettier-ignore
const EDX8: readonly [bit: number, name: string][] = [
  [11, 'syscall'],
  [20, 'nx'],
  [29, 'lm'],
];
const ECX8: readonly [bit: number, name: string][] = [[0, 'lahf_lm']];
const EBX7: readonly [bit: number, name: string][] = [[0, 'fsgsbase']];

/** Names as /proc/cpuinfo lists them, in its order. */
export const CPU_FLAGS: readonly string[] = [EDX1, EDX8, ECX1, ECX8, EBX7]
  .flat()
  .map(([, name]) => name)
  .filter((name) => name !== 'osxsave'); // the kernel's doing, not a processor flag

/** AT_HWCAP on x86_64 is CPUID.1:EDX. */
export const HWCAP = mask(EDX1);

/** AT_HWCAP2: bit 1, FSGSBASE usable. */
export const HWCAP2 = 2;

/** What Unicorn's cpu lacks of it (x86_reg_reset leaves these out of the features it translates by). */
const NOT_UNICORN = ['pclmulqdq', 'popcnt', 'xsave', 'osxsave', 'fsgsbase'];
export const UNICORN_MISSING_ECX1 = mask(ECX1.filter(([, name]) => NOT_UNICORN.includes(name)));
export const UNICORN_FLAGS: readonly string[] = CPU_FLAGS.filter((name) => !NOT_UNICORN.includes(name));

function mask(list: readonly [number, string][]): number {
  return list.reduce((m, [bit]) => m | (1 << bit), 0) >>> 0;
}

function text(s: string): number[] {
  const out: number[] = [];
  for (let i = 0; i < s.length; i += 4)
    out.push(
      s.charCodeAt(i) |
        (s.charCodeAt(i + 1) << 8) |
        (s.charCodeAt(i + 2) << 16) |
        (s.charCodeAt(i + 3) << 24),
    );
  return out;
}

const BRAND = 'ring3 WebAssembly CPU'.padEnd(48, '\0');
const VENDOR = 'AuthenticAMD'; // libcs pick their string functions by vendor and feature bits; this one has no quirks

/** eax, ebx, ecx, edx for a leaf. `cpu` is the current cpu's number, `cpus` how many there are. */
export function cpuid(
  leaf: number,
  subleaf: number,
  cpu: number,
  cpus: number,
): [number, number, number, number] {
  const [v0, v1, v2] = text(VENDOR) as [number, number, number];
  switch (leaf >>> 0) {
    case 0:
      return [0xd, v0, v2, v1];
    case 1:
      // Family 17h model 1 stepping 0; clflush line 8 × 8 bytes; logical processors; apic id.
      return [0x00800f10, (cpu << 24) | (cpus << 16) | (8 << 8), mask(ECX1), mask(EDX1)];
    case 7:
      return subleaf === 0 ? [0, mask(EBX7), 0, 0] : [0, 0, 0, 0];
    case 0xd:
      // XCR0 = x87 | SSE: 512 bytes and the header.
      return subleaf === 0 ? [3, 576, 576, 0] : [0, 0, 0, 0];
    case 0x80000000:
      return [0x80000008 | 0, v0, v2, v1];
    case 0x80000001:
      return [0x00800f10, 0, mask(ECX8), mask(EDX8)];
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: {
      const at = ((leaf >>> 0) - 0x80000002) * 16;
      return text(BRAND.slice(at, at + 16)) as [number, number, number, number];
    }
    // L1d/L1i 32 KiB 8-way, 64-byte lines; L2 512 KiB; as libcs read them to choose copy thresholds.
    case 0x80000005:
      return [0, 0, (32 << 24) | (8 << 16) | (1 << 8) | 64, (32 << 24) | (8 << 16) | (1 << 8) | 64];
    case 0x80000006:
      return [0, 0, (512 << 16) | (6 << 12) | (1 << 8) | 64, 0];
    case 0x80000008:
      return [0x3030, 0, cpus - 1, 0];
    default:
      return [0, 0, 0, 0];
  }
}
