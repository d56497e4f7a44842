/** A compiled region for people: the guest's blocks and instructions, and the code they became. */
import { functionText } from '../wasm/text.ts';
import type { Fn } from '../wasm/function.ts';
import type { Region } from './region.ts';
import { R } from '../layout.ts';

const hex = (n: number): string => n.toString(16);

export interface Listed {
  readonly seeds: readonly number[];
  readonly region: Region;
  readonly fn: Fn;
  /** Numbers of the nodes it may be entered at. */
  readonly entries: ReadonlyMap<object, number>;
  readonly imports: readonly (readonly [string, string])[];
  readonly view: DataView;
  /** Bytes of the guest's instructions by address. */
  readonly bytes: ReadonlyMap<number, Uint8Array>;
}

export function regionListing(l: Listed): string {
  const bytesAt = (pc: number): Uint8Array => l.bytes.get(pc) ?? new Uint8Array();
  const out = [
    `region ${l.seeds.map(hex).join(', ')}: ${l.region.nodes.length} blocks, ${l.region.instructions} instructions`,
  ];
  for (const n of l.region.nodes) {
    const { block } = n;
    const entry = n.entry ? `, entry ${l.entries.get(n)}` : '';
    const calls = n.context ? `, in the call that returns to ${hex(n.context.returnTo)}` : '';
    out.push(`block ${n.id} at ${hex(block.pc)}${entry}${calls}`);
    for (const d of block.instructions) {
      if (d.instruction.kind === 'prepares' || d.instruction.name === undefined) continue;
      const pc = Number(l.view.getBigUint64(d.rec + R.pc, true));
      const first = bytesAt(pc);
      const line = (at: number, bytes: Uint8Array, name: string): string =>
        `  ${hex(at)}  ${[...bytes].map((b) => hex(b).padStart(2, '0')).join(' ')}  ${name}`;
      out.push(line(pc, first, d.instruction.name));
      if (d.instruction.kind === 'fused')
        out.push(line(pc + first.length, bytesAt(pc + first.length), 'and the branch behind it'));
    }
    const ways = [
      n.direct && `taken to ${n.direct.node ? `block ${n.direct.node.id}` : hex(n.direct.pc)}`,
      n.fallThrough &&
        `on to ${n.fallThrough.node ? `block ${n.fallThrough.node.id}` : hex(n.fallThrough.pc)}`,
      ...n.expected.map((e) => `expects ${e.node ? `block ${e.node.id}` : hex(e.pc)}`),
      block.cut && 'to the interpreter',
    ].filter(Boolean);
    if (ways.length > 0) out.push(`  ${ways.join(', ')}`);
  }
  const callee = (i: number): string => l.imports[i]?.join('.') ?? `f${i}`;
  return `${[...out, functionText(l.fn, { callee })].join('\n')}\n`;
}
