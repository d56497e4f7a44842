/** qXfer:libraries-svr4: the list of loaded objects that the dynamic loader keeps for debuggers (struct r_debug of link.h). */
import type { Task } from '../../kernel/task/task.ts';
import { peek } from './memory.ts';

const AT_PHDR = 3;
const AT_PHENT = 4;
const AT_PHNUM = 5;
const PT_DYNAMIC = 2;
const PT_PHDR = 6;
const DT_DEBUG = 21;
/** A list longer than this is no list. */
const MOST = 4096;

/** struct link_map: an object that is loaded. */
export interface LinkMap {
  readonly name: string;
  /** Where the structure is. */
  readonly map: number;
  readonly base: number;
  readonly dynamic: number;
}

/** Where the program's own headers are in memory, how many, and how far from where they are linked. */
export interface Headers {
  readonly at: number;
  readonly size: number;
  readonly count: number;
  readonly bias: number;
}

export function librariesXml(t: Task): string {
  const [first, ...others] = linkMaps(t);
  const main = (first as LinkMap | undefined)?.map ?? 0;
  const list = others.filter(({ name }) => name !== '');
  const items = list.map(
    ({ name, map, base, dynamic }) =>
      `<library name="${escape(name)}" lm="0x${map.toString(16)}" l_addr="0x${base.toString(16)}" l_ld="0x${dynamic.toString(16)}" lmid="0x0"/>`,
  );
  const head = main === 0 ? '' : ` main-lm="0x${main.toString(16)}"`;
  return `<library-list-svr4 version="1.0"${head}>${items.join('')}</library-list-svr4>`;
}

/** All there are, the program first; none: the program is static, or its loader has not begun. */
export function linkMaps(t: Task): LinkMap[] {
  const list: LinkMap[] = [];
  const debug = debugOf(t);
  // struct r_debug: version, r_map, …
  for (let map = debug === 0 ? 0 : word(t, debug + 8); map !== 0 && list.length < MOST; map = word(t, map + 24))
    // struct link_map: l_addr, l_name, l_ld, l_next, l_prev
    list.push({ name: textAt(t, word(t, map + 8)), map, base: word(t, map), dynamic: word(t, map + 16) });
  return list;
} // prettier-ignore

/** The program's headers, as the kernel told it (AT_PHDR); null: it was not told. */
export function programHeaders(t: Task): Headers | null {
  const aux = new DataView(t.mm.auxv.buffer, t.mm.auxv.byteOffset, t.mm.auxv.byteLength);
  const values = new Map<number, number>();
  for (let i = 0; i + 16 <= aux.byteLength; i += 16)
    values.set(Number(aux.getBigUint64(i, true)), Number(aux.getBigUint64(i + 8, true)));
  const at = values.get(AT_PHDR) ?? 0;
  if (at === 0) return null;
  const headers = { at, size: values.get(AT_PHENT) ?? 56, count: Math.min(values.get(AT_PHNUM) ?? 0, 64), bias: 0 };
  const own = findHeader(t, headers, PT_PHDR);
  return own === 0 ? headers : { ...headers, bias: at - word(t, own + 16) };
} // prettier-ignore

/** Address of the first header of a type, 0: there is none. */
export function findHeader(t: Task, { at, size, count }: Headers, type: number): number {
  for (let i = 0; i < count; i++) if (word(t, at + i * size) % 4294967296 === type) return at + i * size;
  return 0;
}

/** Address of r_debug, 0: the program has none (yet). */
function debugOf(t: Task): number {
  const headers = programHeaders(t);
  const dynamic = headers === null ? 0 : findHeader(t, headers, PT_DYNAMIC);
  if (headers === null || dynamic === 0) return 0;
  for (let at = headers.bias + word(t, dynamic + 16), n = 0; n < 256; at += 16, n++) {
    const tag = word(t, at);
    if (tag === 0) return 0;
    if (tag === DT_DEBUG) return word(t, at + 8);
  }
  return 0;
}

/** 64 bits; 0 when they are not mapped. */
export function word(t: Task, address: number): number {
  const b = peek(t, address, 8);
  return b === null ? 0 : Number(new DataView(b.buffer, b.byteOffset, 8).getBigUint64(0, true));
}

/** Up to its NUL. */
export function textAt(t: Task, address: number): string {
  let out = '';
  for (let i = 0; address !== 0 && i < 4096; i++) {
    const b = peek(t, address + i, 1);
    if (b === null || b[0] === 0) break;
    out += String.fromCharCode(b[0]);
  }
  return out;
}

const escape = (s: string): string => s.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`);
