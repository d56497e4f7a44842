/** What decides the bytes a compiler writes for an architecture: versions of the C compiler and linker, and a hash of musl's archive. */
export function toolchain(arch: string): Readonly<Record<string, string | null>>;
