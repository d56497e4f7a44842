/** Stands in for src/host/digest.ts: a page's own digests come later, and contents are written at once. */

/** Nothing tells contents apart: they are recorded each time they are read. */
export const digest = (): null => null;
