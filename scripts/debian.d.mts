export function unpackDebian(base: string, into: string, packages: readonly string[]): void;
