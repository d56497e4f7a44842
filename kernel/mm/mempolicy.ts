/** NUMA policies as areas and tasks keep them. */

/** struct mempolicy; null stands for the default one. Never changed once made. */
export interface MemPolicy {
  readonly mode: number;
  /** MPOL_MODE_FLAGS. */
  readonly flags: number;
  /** Nodes it is about, of those there are; empty for MPOL_LOCAL. */
  readonly nodes: bigint;
  /** The mask as given, which MPOL_USER_NODEMASK_FLAGS tell back. */
  readonly user: bigint;
}

/** mpol_equal. */
export function samePolicy(a: MemPolicy | null, b: MemPolicy | null): boolean {
  if (a === b) return true;
  return a !== null && b !== null && a.mode === b.mode && a.flags === b.flags && a.nodes === b.nodes && a.user === b.user; // prettier-ignore
}
