/** Credentials of a task (struct cred). Immutable: setuid and friends replace the object. */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  readonly euid: number;
  readonly egid: number;
  readonly suid: number;
  readonly sgid: number;
  readonly fsuid: number;
  readonly fsgid: number;
  readonly groups: readonly number[];
  /** Capability sets, bit n for capability n. */
  readonly capEffective: bigint;
  readonly capPermitted: bigint;
  readonly capInheritable: bigint;
  readonly capBounding: bigint;
  readonly capAmbient: bigint;
}

/** All 41 capabilities of Linux 6.1. */
export const CAP_ALL = (1n << 41n) - 1n;

export function userCredentials(uid: number, gid: number, groups: readonly number[] = [gid]): Credentials {
  const caps = uid === 0 ? CAP_ALL : 0n;
  return {
    uid, gid, euid: uid, egid: gid, suid: uid, sgid: gid, fsuid: uid, fsgid: gid, groups,
    capEffective: caps, capPermitted: caps, capInheritable: 0n, capBounding: CAP_ALL, capAmbient: 0n,
  }; // prettier-ignore
}

/** Capability bits that something here asks for (capabilities(7)). */
export const CAP_CHOWN = 1n << 0n;
export const CAP_DAC_OVERRIDE = 1n << 1n;
export const CAP_DAC_READ_SEARCH = 1n << 2n;
export const CAP_FOWNER = 1n << 3n;
export const CAP_FSETID = 1n << 4n;
export const CAP_KILL = 1n << 5n;
export const CAP_SETGID = 1n << 6n;
export const CAP_SETUID = 1n << 7n;
export const CAP_SETPCAP = 1n << 8n;
export const CAP_SYS_CHROOT = 1n << 18n;
export const CAP_SYS_PTRACE = 1n << 19n;
export const CAP_SYS_ADMIN = 1n << 21n;
export const CAP_SYS_BOOT = 1n << 22n;
export const CAP_SYS_NICE = 1n << 23n;
export const CAP_SYS_RESOURCE = 1n << 24n;
export const CAP_SYS_TIME = 1n << 25n;
export const CAP_SYS_TTY_CONFIG = 1n << 26n;
export const CAP_SETFCAP = 1n << 31n;
export const CAP_SYSLOG = 1n << 34n;
export const CAP_CHECKPOINT_RESTORE = 1n << 40n;

/** File-system capabilities, dropped and raised as fsuid leaves and becomes 0 (CAP_FS_MASK). */
export const CAP_FS_SET =
  CAP_CHOWN | CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH | CAP_FOWNER | CAP_FSETID | (1n << 9n) | (1n << 27n) | (1n << 32n); // prettier-ignore

export function hasCapability(t: { readonly creds: Credentials }, capability: bigint): boolean {
  return (t.creds.capEffective & capability) !== 0n;
}
