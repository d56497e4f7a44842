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

interface Loaded {
  readonly name: string;
  readonly map: number;
  readonly base: number;
  readonly dynamic: number;
}

export function librariesXml(t: Task): string {
  const { list, main } = loaded(t);
  const items = list.map(
    ({ name, map, base, dynamic }) =>
      `<library name="${escape(name)}" lm="0x${map.toString(16)}" l_addr="0x${base.toString(16)}" l_ld="0x${dynamic.toString(16)}" lmid="0x0"/>`,
  );
  const head = main === 0 ? '' : ` main-lm="0x${main.toString(16)}"`;
  return `<library-list-svr4 version="1.0"${head}>${items.join('')}</library-list-svr4>`;
}

function loaded(t: Task): { list: Loaded[]; main: number } {
  const list: Loaded[] = [];
  const none = { list, main: 0 };
  const debug = debugOf(t);
  if (debug === 0) return none;
  // struct r_debug: version, r_map, …
  const main = word(t, debug + 8);
  for (let map = main, n = 0; map !== 0 && n < MOST; n++) {
    // struct link_map: l_addr, l_name, l_ld, l_next, l_prev
    const next = word(t, map + 24);
    if (map !== main) {
      const name = text(t, word(t, map + 8));
      if (name !== '') list.push({ name, map, base: word(t, map), dynamic: word(t, map + 16) });
    }
    map = next;
  }
  return { list, main };
}

/** Address of r_debug, 0: the program has none (yet). */
function debugOf(t: Task): number {
  const aux = new DataView(t.mm.auxv.buffer, t.mm.auxv.byteOffset, t.mm.auxv.byteLength);
  const values = new Map<number, number>();
  for (let at = 0; at + 16 <= aux.byteLength; at += 16)
    values.set(Number(aux.getBigUint64(at, true)), Number(aux.getBigUint64(at + 8, true)));
  const headers = values.get(AT_PHDR) ?? 0;
  const size = values.get(AT_PHENT) ?? 56;
  let bias = 0;
  let dynamic = 0;
  for (let i = 0; headers !== 0 && i < Math.min(values.get(AT_PHNUM) ?? 0, 64); i++) {
    const at = headers + i * size;
    const type = word(t, at) % 4294967296;
    if (type === PT_PHDR) bias = headers - word(t, at + 16);
    if (type === PT_DYNAMIC) dynamic = word(t, at + 16);
  }
  if (dynamic === 0) return 0;
  for (let at = bias + dynamic, n = 0; n < 256; at += 16, n++) {
    const tag = word(t, at);
    if (tag === 0) return 0;
    if (tag === DT_DEBUG) return word(t, at + 8);
  }
  return 0;
}

function word(t: Task, address: number): number {
  const b = peek(t, address, 8);
  return b === null ? 0 : Number(new DataView(b.buffer, b.byteOffset, 8).getBigUint64(0, true));
}

function text(t: Task, address: number): string {
  let out = '';
  for (let i = 0; address !== 0 && i < 4096; i++) {
    const b = peek(t, address + i, 1);
    if (b === null || b[0] === 0) break;
    out += String.fromCharCode(b[0]);
  }
  return out;
}

const escape = (s: string): string => s.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`);
