/**
 * Which instructions that objdump names belong to extensions the cpu does not offer (cpu/isa/aarch64/sysregs.ts: Armv8.0
 * with AES, PMULL, SHA1, SHA2, CRC32 and LSE) or are not for EL0. None of them may decode. Arm ARM A2.2–A2.12, C4, C5.
 */

interface Absent {
  /** What would have to be there. */
  readonly feature: string;
  /** (word & mask) === value, where mnemonic and operands do not tell it. */
  readonly words?: readonly [mask: number, value: number];
  readonly mnemonic?: RegExp;
  readonly operands?: RegExp;
}

/** Half-precision lanes and scalars. */
const HALVES = /\bh\d|\.[248]h\b|\.h\[/;
/** A general register first: the vector instructions of the same names are in Armv8.0. */
const GENERAL = /^[wx](\d|zr)/;

const ABSENT: readonly Absent[] = [
  // Whole groups, by op0 (bits 28:25).
  { feature: 'SME', words: [0x9e000000, 0x80000000] },
  { feature: 'SVE, SVE2', words: [0x1e000000, 0x04000000] },

  // Armv8.1
  { feature: 'RDM', mnemonic: /^sqrdml[as]h$/ },
  { feature: 'LOR', mnemonic: /^(ldlar|stllr)[bh]?$/ },
  // Armv8.2
  { feature: 'FP16', mnemonic: /^(f(?!cvt(l2?|n2?)?$|ml[as]l|c(add|mla)$)|[su]cvtf$)/, operands: HALVES },
  { feature: 'FHM', mnemonic: /^fml[as]l2?$/ },
  { feature: 'DotProd', mnemonic: /^[su]dot$/ },
  { feature: 'SHA512', mnemonic: /^sha512/ },
  { feature: 'SHA3', mnemonic: /^(eor3|bcax|rax1|xar)$/ },
  { feature: 'SM3', mnemonic: /^sm3/ },
  { feature: 'SM4', mnemonic: /^sm4/ },
  { feature: 'BF16', mnemonic: /^bf(cvt|cvtn2?|dot|mlal[bt]|mmla)$/ },
  { feature: 'I8MM', mnemonic: /^([su]|us)mmla$|^(us|su)dot$/ },
  // Armv8.3
  { feature: 'PAuth', mnemonic: /^(pac|aut)(i|d)z?[ab]$|^pacga$|^xpac[id]$|^(br|blr)a[ab]z?$|^(ret|eret)a[ab]$|^ldra[ab]$/ },
  { feature: 'FCMA', mnemonic: /^fc(add|mla)$/ },
  { feature: 'JSCVT', mnemonic: /^fjcvtzs$/ },
  { feature: 'LRCPC', mnemonic: /^ldapr[bh]?$/ },
  // Armv8.4
  { feature: 'LRCPC2', mnemonic: /^(ldapurs?|stlur)[bhw]?$/ },
  { feature: 'FlagM', mnemonic: /^(cfinv|rmif|setf(8|16))$/ },
  // Armv8.5
  { feature: 'FlagM2', mnemonic: /^(xaflag|axflag)$/ },
  { feature: 'FRINTTS', mnemonic: /^frint(32|64)[xz]$/ },
  { feature: 'SB', mnemonic: /^sb$/ },
  { feature: 'MTE', mnemonic: /^(addg|subg|irg|gmi|subps?|ldgm?|stz?2?gm?|stgp)$/ },
  // Armv8.7
  { feature: 'WFxT', mnemonic: /^wf[ei]t$/ },
  { feature: 'XS', mnemonic: /^dsb$/, operands: /nxs$/ },
  { feature: 'LS64', mnemonic: /^(ld|st)64b(v0?)?$/ },
  // Armv8.8, 8.9
  { feature: 'HBC', mnemonic: /^bc\./ },
  { feature: 'MOPS', mnemonic: /^cpyf?[pme][wrtn]*$|^setg?[pme]t?n?$/ },
  { feature: 'CSSC', mnemonic: /^(abs|cnt|ctz|[su](max|min))$/, operands: GENERAL },
  // Armv9
  { feature: 'TME', mnemonic: /^(tstart|tcommit|tcancel|ttest)$/ },

  // objdump gives a name to any MRS and MSR; with op0 0 they are not allocated (MSR immediate and hints apart).
  { feature: 'op0 0', mnemonic: /^m(rs|sr)$/, operands: /\bs0_/ },

  // Not for EL0: HVC and SMC are undefined there, HLT and DCPSn without a debugger, DRPS and ERET always.
  { feature: 'EL1', mnemonic: /^(hvc|smc|hlt|dcps[123]|drps|eret)$/ },
]; // prettier-ignore

/** op0 (3), op1, CRn, CRm and op2 of a system register as MRS and MSR encode them, in bits 19:5. */
const register = (op1: number, crn: number, crm: number, op2: number): number =>
  (op1 << 16) | (crn << 12) | (crm << 8) | (op2 << 5);

/** NZCV, FPCR, FPSR, TPIDR_EL0. */
const WRITABLE = [register(3, 4, 2, 0), register(3, 4, 4, 0), register(3, 4, 4, 1), register(3, 13, 0, 2)];
/** TPIDRRO_EL0, CNTFRQ_EL0, CNTVCT_EL0, CTR_EL0, DCZID_EL0; what Linux emulates: MIDR_EL1, MPIDR_EL1, REVIDR_EL1. */
const READABLE = [
  ...WRITABLE,
  register(3, 13, 0, 3), register(3, 14, 0, 0), register(3, 14, 0, 2), register(3, 0, 0, 1), register(3, 0, 0, 7),
  register(0, 0, 0, 0), register(0, 0, 0, 5), register(0, 0, 0, 6),
]; // prettier-ignore
/** DC ZVA, CVAC, CVAU, CIVAC; IC IVAU (SCTLR_EL1.UCI and DZE as Linux sets them). */
const MAINTENANCE = [
  register(3, 7, 4, 1), register(3, 7, 10, 1), register(3, 7, 11, 1), register(3, 7, 14, 1), register(3, 7, 5, 1),
]; // prettier-ignore

/**
 * MRS, MSR and SYS that Linux does not let a program use: it leaves DAIF (SCTLR_EL1.UMA), the performance monitors
 * (PMUSERENR_EL0), the physical counter and the timers (CNTKCTL_EL1) to itself and sends SIGILL.
 */
function systemAbsent(word: number): boolean | null {
  const id = word & 0x7ffe0;
  const top = (word & 0xfff80000) >>> 0;
  const crm = (word >>> 8) & 15;
  // ID registers: CRm 2–7 whether they have a name or not (arch/arm64/kernel/cpufeature.c, is_emulated).
  const isId = (word & 0x7f000) === 0 && crm >= 2 && crm <= 7;
  if (top === 0xd5380000) return !READABLE.includes(id) && !isId;
  if (top === 0xd5180000) return !WRITABLE.includes(id);
  if (top === 0xd5080000) return !MAINTENANCE.includes(id);
  if (top === 0xd5280000) return true; // SYSL
  // MRS and MSR of op0 2: debug registers.
  if (top === 0xd5300000 || top === 0xd5100000) return true;
  // MSR (immediate), CFINV, XAFLAG, AXFLAG: CRn is 4 and Rt 31.
  if ((word & 0xfff8f01f) >>> 0 === 0xd500401f) return true;
  return null;
}

/** The extension an instruction belongs to that is not offered; null when it must decode. `text`: objdump's. */
export function absentFeature(word: number, text: string): string | null {
  const system = systemAbsent(word);
  if (system !== null) return system ? 'EL1' : null;
  const [mnemonic, operands = ''] = text.split('\t');
  for (const a of ABSENT) {
    if (a.words && (word & a.words[0]) >>> 0 !== a.words[1]) continue;
    if (a.mnemonic && !a.mnemonic.test(mnemonic)) continue;
    if (a.operands && !a.operands.test(operands)) continue;
    return a.feature;
  }
  return null;
}

/** Words objdump refuses that an Armv8.0 processor may execute all the same: CONSTRAINED UNPREDICTABLE, and we do. */
export function refusedByObjdump(word: number): boolean {
  const rt = word & 31;
  const rn = (word >>> 5) & 31;
  const rt2 = (word >>> 10) & 31;
  // LDPSW of one register twice, or of its own base with writeback. (Of LDP it does not mind.)
  if ((word & 0xfe400000) >>> 0 === 0x68400000)
    return rt === rt2 || ((word & 0x00800000) !== 0 && rn !== 31 && (rt === rn || rt2 === rn));
  // LDAR with fields Rs and Rt2 other than their (1)(1)(1)(1)(1). (Of the other exclusives it does not mind.)
  return (word & 0x3fe08000) === 0x08c08000 && (((word >>> 16) & 31) !== 31 || rt2 !== 31);
}
