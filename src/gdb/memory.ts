/** Guest memory as a debugger reads it. */
import { dumpedFrame } from '../../kernel/coredump/segments.ts';
import { PAGE_SIZE } from '../../kernel/ports.ts';
import type { Task } from '../../kernel/task/task.ts';

/** Bytes whatever their protection; null: something of it is not mapped. */
export function peek(t: Task, address: number, length: number): Uint8Array | null {
  const out = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const page = address + at - ((address + at) % PAGE_SIZE);
    const v = t.mm.vmas.find(page);
    if (!v || page < v.start) return null;
    const offset = address + at - page;
    const n = Math.min(length - at, PAGE_SIZE - offset);
    // No page comes by being looked at: the guest would not fault on it any more, and run otherwise.
    const frame = dumpedFrame(t.mm, v, page);
    if (frame >= 0) out.set(t.mm.memory.ram.u8.subarray(frame + offset, frame + offset + n), at);
    at += n;
  }
  return out;
}
