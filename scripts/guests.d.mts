/** What decides the bytes a compiler writes: versions of the C compiler and linker, and a hash of musl's archive. */
export function toolchain(): Readonly<Record<string, string | null>>;
