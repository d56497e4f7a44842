/** How memory calls' arguments read in a trace: strace 6.1's tables and order. */
import { special, struct, valued, type Table } from '../trace/args.ts';
import { addrText, enumText, flagsText } from '../trace/text.ts';
import { flagNames, namedWords } from '../trace/values.ts';
import { MREMAP_DONTUNMAP, MREMAP_FIXED } from './mremap.ts';

const MAP_TYPES = [[0, 'MAP_FILE'], [1, 'MAP_SHARED'], [2, 'MAP_PRIVATE'], [3, 'MAP_SHARED_VALIDATE']] as const satisfies Table; // prettier-ignore

const MAP_FLAGS = [
  [0x10, 'MAP_FIXED'], [0x20, 'MAP_ANONYMOUS'], [0x40, 'MAP_32BIT'], [0x4000, 'MAP_NORESERVE'],
  [0x8000, 'MAP_POPULATE'], [0x10000, 'MAP_NONBLOCK'], [0x100, 'MAP_GROWSDOWN'], [0x800, 'MAP_DENYWRITE'],
  [0x1000, 'MAP_EXECUTABLE'], [0x2000, 'MAP_LOCKED'], [0x20000, 'MAP_STACK'], [0x40000, 'MAP_HUGETLB'],
  [0x80000, 'MAP_SYNC'], [0x100000, 'MAP_FIXED_NOREPLACE'],
] as const satisfies Table; // prettier-ignore

const MAP_HUGE_SHIFT = 26;

/** The mapping type, the flags, and the log2 of the huge page size. */
export const mmapFlags = <N extends string>(name: N) =>
  valued(
    name,
    (_t, a, i) => mmapFlagsText(a.u32(i)),
    (_t, a, i) => mapWord(a.u32(i), mmapFlagsText(a.u32(i))),
  );
const mapWord = namedWords<(typeof MAP_TYPES | typeof MAP_FLAGS)[number][1]>([
  ...MAP_TYPES.map(([value, name]) => ({ name, mask: 0xf, value })),
  ...flagNames(MAP_FLAGS),
]);

export function mmapFlagsText(value: number): string {
  const type = value & 0xf;
  const known = MAP_TYPES.find(([v]) => v === type);
  const out = [known ? known[1] : `0x${type.toString(16)} /* MAP_??? */`];
  const huge = value >>> MAP_HUGE_SHIFT;
  const hugetlb = (value & 0x40000) !== 0;
  const rest = (value & ~0xf & (hugetlb ? (1 << MAP_HUGE_SHIFT) - 1 : -1)) >>> 0;
  if (rest) out.push(flagsText(rest, MAP_FLAGS).replace(/ \/\*.*\*\//, ''));
  if (hugetlb && huge) out.push(`${huge}<<MAP_HUGE_SHIFT`);
  return out.join('|');
}

export const MREMAP_FLAGS = [
  [1, 'MREMAP_MAYMOVE'],
  [2, 'MREMAP_FIXED'],
  [4, 'MREMAP_DONTUNMAP'],
] as const satisfies Table;
export const MS_FLAGS = [
  [4, 'MS_SYNC'],
  [1, 'MS_ASYNC'],
  [2, 'MS_INVALIDATE'],
] as const satisfies Table;
export const MLOCK_FLAGS = [[1, 'MLOCK_ONFAULT']] as const satisfies Table;
export const MCL_FLAGS = [
  [1, 'MCL_CURRENT'],
  [2, 'MCL_FUTURE'],
  [4, 'MCL_ONFAULT'],
] as const satisfies Table;
export const PKEY_RIGHTS = [
  [1, 'PKEY_DISABLE_ACCESS'],
  [2, 'PKEY_DISABLE_WRITE'],
] as const satisfies Table;

export const MADV = [
  [0, 'MADV_NORMAL'], [1, 'MADV_RANDOM'], [2, 'MADV_SEQUENTIAL'], [3, 'MADV_WILLNEED'], [4, 'MADV_DONTNEED'],
  [8, 'MADV_FREE'], [9, 'MADV_REMOVE'], [10, 'MADV_DONTFORK'], [11, 'MADV_DOFORK'], [12, 'MADV_MERGEABLE'],
  [13, 'MADV_UNMERGEABLE'], [14, 'MADV_HUGEPAGE'], [15, 'MADV_NOHUGEPAGE'], [16, 'MADV_DONTDUMP'],
  [17, 'MADV_DODUMP'], [18, 'MADV_WIPEONFORK'], [19, 'MADV_KEEPONFORK'], [20, 'MADV_COLD'], [21, 'MADV_PAGEOUT'],
  [22, 'MADV_POPULATE_READ'], [23, 'MADV_POPULATE_WRITE'], [24, 'MADV_DONTNEED_LOCKED'], [25, 'MADV_COLLAPSE'],
  [100, 'MADV_HWPOISON'], [101, 'MADV_SOFT_OFFLINE'],
] as const satisfies Table; // prettier-ignore

/** mremap's fifth argument is only there for MREMAP_FIXED and MREMAP_DONTUNMAP with it. */
export const newAddress = <N extends string>(name: N) =>
  special(name, (_t, a, i) =>
    a.u32(i - 1) & MREMAP_FIXED || (a.u32(i - 1) & MREMAP_DONTUNMAP && a.ptr(i) !== 0)
      ? addrText(a.ptr(i))
      : '',
  );

/** mincore's answers: `[1, 0]`. */
export const residency = <N extends string>(name: N) =>
  struct(
    name,
    (m, address, _t, a) => {
      const pages = Math.min(Math.ceil(a.size(1) / 4096), 1024);
      const bytes = m.copyIn(address, pages);
      return bytes && `[${[...bytes].map((b) => b & 1).join(', ')}]`;
    },
    { out: true },
  );

const MEMPOLICY_MODES = [
  [0, 'MPOL_DEFAULT'], [1, 'MPOL_PREFERRED'], [2, 'MPOL_BIND'], [3, 'MPOL_INTERLEAVE'], [4, 'MPOL_LOCAL'],
  [5, 'MPOL_PREFERRED_MANY'],
] as const satisfies Table; // prettier-ignore
const MEMPOLICY_MODE_FLAGS = [
  [0x8000, 'MPOL_F_STATIC_NODES'],
  [0x4000, 'MPOL_F_RELATIVE_NODES'],
  [0x2000, 'MPOL_F_NUMA_BALANCING'],
] as const satisfies Table;
export const MEMPOLICY_FLAGS = [
  [1, 'MPOL_F_NODE'],
  [2, 'MPOL_F_ADDR'],
  [4, 'MPOL_F_MEMS_ALLOWED'],
] as const satisfies Table;
export const MBIND_FLAGS = [
  [1, 'MPOL_MF_STRICT'],
  [2, 'MPOL_MF_MOVE'],
  [4, 'MPOL_MF_MOVE_ALL'],
] as const satisfies Table;

function mempolicyText(word: number): string {
  const bits = word & 0xe000;
  const mode = enumText(word & ~0xe000, MEMPOLICY_MODES, 'MPOL_???');
  return bits === 0 ? mode : `${mode}|${flagsText(bits, MEMPOLICY_MODE_FLAGS)}`;
}
export const mempolicyMode = <N extends string>(name: N) =>
  special(name, (_t, a, i) => mempolicyText(a.i32(i)));
/** get_mempolicy's answer: a mode, or with MPOL_F_NODE the number of a node. */
export const policyOut = <N extends string>(name: N) =>
  struct(
    name,
    (m, address, _t, a) => {
      const word = m.i32(address);
      return word === null ? null : `[${a.u32(4) & 1 ? String(word) : mempolicyText(word)}]`;
    },
    { out: true },
  );
/** A mask of nodes, a word at a time; argument `bitsArg` is one more than its bits. */
export const nodemask = <N extends string>(
  name: N,
  bitsArg: number,
  option: { readonly out?: boolean } = {},
) =>
  struct(
    name,
    (m, address, _t, a) => {
      const words = Math.ceil((a.size(bitsArg) - 1) / 64);
      const v = words <= 0 ? null : m.viewIn(address, 8 * Math.min(words, 32));
      if (v === null) return null;
      const texts = [];
      for (let i = 0; i < v.byteLength; i += 8) texts.push(`0x${v.getBigUint64(i, true).toString(16).padStart(16, '0')}`); // prettier-ignore
      return `[${texts.join(', ')}${words > 32 ? ', ...' : ''}]`;
    },
    option,
  );
/** move_pages' answers: a node or an error for each page. */
export const statusOut = <N extends string>(name: N) =>
  struct(
    name,
    (m, address, _t, a) => {
      const v = m.viewIn(address, 4 * Math.min(a.size(1), 32));
      if (v === null) return null;
      const texts = [];
      for (let i = 0; i < v.byteLength; i += 4) texts.push(v.getInt32(i, true));
      return `[${texts.join(', ')}${a.size(1) > 32 ? ', ...' : ''}]`;
    },
    { out: true },
  );
