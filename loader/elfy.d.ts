/** The part of elfy (untyped) that is used: reading headers. Its `parse` also reads sections, which programs may lack. */
declare module 'elfy' {
  export interface ElfyHeader {
    class: string;
    endian: string;
    type: string | undefined;
    machine: string | undefined;
    entry: number;
    phoff: number;
    phentsize: number;
    phnum: number;
  }
  export interface ElfyProgram {
    /** undefined: a type elfy has no name for. */
    type: string | undefined;
    offset: number;
    vaddr: number;
    filesz: number;
    memsz: number;
    flags: Record<string, true>;
    align: number;
  }
  export class Parser {
    parseHeader(buf: Uint8Array): ElfyHeader;
    parsePrograms(buf: Uint8Array, header: ElfyHeader): ElfyProgram[];
  }
  const elfy: { Parser: typeof Parser };
  // eslint-disable-next-line no-restricted-syntax -- what the package exports
  export default elfy;
}
