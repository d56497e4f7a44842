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
