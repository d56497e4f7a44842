/** Random mappings, writes and forks on the cpu's own RAM and page tables, against a model with one entry a page. */
import { describe, expect, it } from 'vitest';
import { AddressSpace } from '../../../kernel/mm/address-space.ts';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED } from '../../../kernel/mm/flags.ts';
import { mmRows } from '../../../kernel/mm/rows.ts';
import { userCredentials } from '../../../kernel/task/creds.ts';
import { PAGE_SIZE, PROT_READ, PROT_WRITE } from '../../../kernel/ports.ts';
import type { Task } from '../../../kernel/task/task.ts';
import { args, fakeObject } from './fake-mm-task.ts';
import { realPorts } from './real-ram.ts';

const BASE = 0x10000000;
const PAGES = 96;
const FILE_PAGES = 24;

/** What a page holds: one word, in a cell that shared pages have in common. */
interface Cell {
  value: number;
}
interface Page {
  prot: number;
  cell: Cell;
  shared: boolean;
  /** The file page behind it: a private page reads it until it is written. */
  source: Cell | null;
}
type Model = Map<number, Page>;

const at = (i: number): number => BASE + i * PAGE_SIZE;

describe('memory contents', () => {
  it.each([1, 2, 3, 4, 5, 6])('follow the model through sequence %i', (seed) => {
    const { ram, memory, cpu } = realPorts(8);
    let state = seed * 7919;
    const below = (n: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % n;
    };
    const bytes = new Uint8Array(FILE_PAGES * PAGE_SIZE);
    const fileView = new DataView(bytes.buffer);
    const fileCells = Array.from({ length: FILE_PAGES }, (_, i): Cell => {
      fileView.setUint32(i * PAGE_SIZE, 1000 + i, true);
      return { value: 1000 + i };
    });
    const object = fakeObject(memory, bytes);
    object.retain();
    const processes: { mm: AddressSpace; model: Model }[] = [
      { mm: AddressSpace.create({ cpu, memory }, 'x86_64'), model: new Map() },
    ];
    const check = ({ mm, model }: { mm: AddressSpace; model: Model }, i: number): void => {
      const page = model.get(i);
      const want = page && page.prot & PROT_READ ? page.cell.value : -14;
      if (page?.source && page.prot & PROT_READ) expect(mm.u32(at(i)), `page ${i}`).toBe(page.source.value);
      else expect(mm.u32(at(i)), `page ${i}`).toBe(want);
    };
    let word = 1;
    for (let op = 0; op < 1500; op++) {
      const p = processes[below(processes.length)];
      const { mm, model } = p;
      const t = {
        mm,
        creds: userCredentials(0, 0),
        fds: { get: () => undefined, opened: () => undefined },
      } as unknown as Task;
      const first = below(PAGES);
      const count = Math.min(1 + below(20), PAGES - first);
      const range = Array.from({ length: count }, (_, k) => first + k);
      const prot = [0, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE][below(4)];
      switch (below(12)) {
        case 0: {
          const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
          expect(mm.map({ start: at(first), length: count * PAGE_SIZE, prot, flags })).toBe(at(first));
          for (const i of range) model.set(i, { prot, cell: { value: 0 }, shared: false, source: null });
          break;
        }
        case 1: {
          const flags = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED;
          expect(mm.map({ start: at(first), length: count * PAGE_SIZE, prot, flags })).toBe(at(first));
          for (const i of range) model.set(i, { prot, cell: { value: 0 }, shared: true, source: null });
          break;
        }
        case 2: {
          const shared = below(2) === 0;
          const from = below(FILE_PAGES - count + 1);
          const flags = MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE);
          const offset = from * PAGE_SIZE;
          expect(mm.map({ start: at(first), length: count * PAGE_SIZE, prot, flags, object, offset })).toBe(
            at(first),
          );
          range.forEach((i, k) => {
            const cell = fileCells[from + k];
            model.set(i, { prot, cell, shared, source: shared ? null : cell });
          });
          break;
        }
        case 3:
          expect(mm.unmap(at(first), at(first + count))).toBe(0);
          for (const i of range) model.delete(i);
          break;
        case 4: {
          const r = mmRows.mprotect.run(t, args(at(first), count * PAGE_SIZE, prot));
          for (const i of range) {
            const page = model.get(i);
            if (!page) break;
            page.prot = prot;
          }
          expect(r).toBe(range.every((i) => model.has(i)) ? 0 : -12);
          break;
        }
        case 5: {
          const r = mmRows.madvise.run(t, args(at(first), count * PAGE_SIZE, 4));
          expect(r).toBe(range.every((i) => model.has(i)) ? 0 : -12);
          // Nothing above the range is mapped: Linux stops at the last area with the same error.
          for (const i of range) {
            const page = model.get(i);
            if (!page || page.shared) continue;
            if (page.source === null && !fileCells.includes(page.cell)) {
              const behind = backing.get(page);
              page.cell = behind ?? { value: 0 };
              page.source = behind ?? null;
            }
          }
          break;
        }
        case 6:
          if (processes.length < 5) {
            const copy: Model = new Map();
            for (const [i, page] of model) {
              const twin = {
                ...page,
                cell: page.shared || page.source ? page.cell : { value: page.cell.value },
              };
              if (backing.has(page)) backing.set(twin, backing.get(page)!);
              copy.set(i, twin);
            }
            processes.push({ mm: mm.fork(), model: copy });
          }
          break;
        case 7:
          if (processes.length > 1) {
            mm.release();
            processes.splice(processes.indexOf(p), 1);
          }
          break;
        default:
          for (const i of range) {
            if (below(2)) continue;
            const page = model.get(i);
            const r = mm.putU32(at(i), ++word);
            expect(r).toBe(page && page.prot & PROT_WRITE ? 0 : -14);
            if (r !== 0 || !page) continue;
            if (page.source) {
              backing.set(page, page.source);
              page.source = null;
              page.cell = { value: word };
            } else page.cell.value = word;
          }
      }
      if (processes.includes(p)) for (let k = 0; k < 6; k++) check(p, below(PAGES));
      if (op % 100 === 0) for (const q of processes) for (let i = 0; i < PAGES; i++) check(q, i);
    }
    for (const { mm } of processes) mm.release();
    object.sync(0, Infinity);
    fileCells.forEach((c, i) => expect(fileView.getUint32(i * PAGE_SIZE, true)).toBe(c.value));
    object.release();
    expect(ram.used).toBe(0);
  });
});

/** The file page a private page was copied from: what MADV_DONTNEED brings back. */
const backing = new WeakMap<Page, Cell>();
