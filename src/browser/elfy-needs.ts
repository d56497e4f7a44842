/** Stands in for what elfy takes from node:util and node:assert. */
type Class = { prototype: object };

export function inherits(own: Class, parent: Class): void {
  Object.setPrototypeOf(own.prototype, parent.prototype);
}

export function equal(a: unknown, b: unknown): void {
  if (a !== b) throw new Error(`${String(a)} is not ${String(b)}`);
}
