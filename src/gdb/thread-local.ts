/**
 * qGetTLSAddr: where a thread has a variable of its own. The program's are where the architecture's ABI puts them, whatever
 * libc it has ("ELF Handling For Thread-Local Storage", Drepper 2013: variant I on aarch64, II on x86_64). A library's are found
 * by the thread's dtv, which glibc and musl lay out each in its way; both number modules in the order they are loaded.
 */
import type { Task } from '../../kernel/task/task.ts';
import { A64_REG, REG } from '../../kernel/ports.ts';
import { findHeader, type Headers, linkMaps, programHeaders, textAt, word } from './libraries.ts';
import { peek } from './memory.ts';

const PT_INTERP = 3;
const PT_TLS = 7;
const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];
/** Addresses are below it; what is not allocated yet has all bits set. */
const USER_END = 2 ** 47;
/** The thread control block in front of variant I's block. */
const TCB_SIZE = 16;

/** Address of `offset` in the block of the module whose link_map is at `map` (0: of a static program); null: it has none (yet). */
export function threadLocal(t: Task, offset: number, map: number): number | null {
  const arm = t.regs.arch === 'aarch64';
  const pointer = Number(t.regs.get(arm ? A64_REG.tpidr : REG.fs_base));
  const program = programHeaders(t);
  if (pointer === 0 || program === null) return null;
  const maps = linkMaps(t);
  const index = maps.findIndex((m) => m.map === map);
  if (index < 0 && (map !== 0 || maps.length > 0)) return null;
  if (index <= 0) {
    const header = findHeader(t, program, PT_TLS);
    if (header === 0) return null;
    // p_memsz, p_align
    const align = Math.max(word(t, header + 48), 1);
    const up = (n: number): number => Math.ceil(n / align) * align;
    return offset + (arm ? pointer + up(TCB_SIZE) : pointer - up(word(t, header + 40)));
  }
  let module = findHeader(t, program, PT_TLS) === 0 ? 0 : 1;
  for (const { base } of maps.slice(1, index + 1)) {
    const headers = headersAt(t, base);
    if (headers === null) return null;
    if (findHeader(t, headers, PT_TLS) !== 0) module++;
    else if (base === maps[index].base) return null;
  }
  const musl = usesMusl(t, program);
  const dtv = word(t, arm ? (musl ? pointer - 8 : pointer) : pointer + 8);
  const block = dtv === 0 ? 0 : word(t, dtv + module * (musl ? 8 : 16));
  return block === 0 || block >= USER_END ? null : block + offset;
}

/** Of a library, whose first bytes are its ELF header. */
function headersAt(t: Task, base: number): Headers | null {
  const magic = peek(t, base, ELF_MAGIC.length);
  if (magic === null || ELF_MAGIC.some((b, i) => b !== magic[i])) return null;
  // e_phoff; e_phentsize and e_phnum
  const sizes = word(t, base + 48);
  const size = Math.floor(sizes / 2 ** 48) % 65536;
  const count = word(t, base + 56) % 65536;
  return { at: base + word(t, base + 32), size, count, bias: base };
}

function usesMusl(t: Task, program: Headers): boolean {
  const header = findHeader(t, program, PT_INTERP);
  return header !== 0 && textAt(t, program.bias + word(t, header + 16)).includes('/ld-musl-');
}
