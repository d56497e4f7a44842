/** Registers and memory of a thread, by packet: g G p P, m M X. */
import type { Task } from '../../kernel/task/task.ts';
import { peek } from './memory.ts';
import { fromHex, PACKET_SIZE, toHex } from './packets.ts';
import type { GdbRegisters } from './registers.ts';

const OK = 'OK';
const EFAULT = 'E0e';
const EINVAL = 'E16';

/** `changed` is called when the thread is no longer what it was. */
export function accessRegisters(p: string, t: Task, { list }: GdbRegisters, changed: () => void): string {
  if (p[0] === 'g') return list.map((r) => toHex(r.read(t))).join('');
  if (p[0] === 'G') {
    const bytes = fromHex(p.slice(1));
    let at = 0;
    for (const r of list) {
      if (at + r.bytes > bytes.length) break;
      r.write(t, bytes.subarray(at, at + r.bytes));
      at += r.bytes;
    }
    changed();
    return OK;
  }
  const [number, value] = p.slice(1).split('=');
  const r = list[parseInt(number, 16)] as (typeof list)[number] | undefined;
  if (!r) return 'E01';
  if (p[0] === 'p') return toHex(r.read(t));
  const bytes = fromHex(value ?? '');
  if (bytes.length !== r.bytes) return EINVAL;
  r.write(t, bytes);
  changed();
  return OK;
}

/** `changed` is called when the memory is no longer what it was. */
export function accessMemory(p: string, t: Task, changed: () => void): string {
  const [, a, l, data] = /^.([0-9a-f]+),([0-9a-f]+)(?::(.*))?$/s.exec(p) ?? [];
  if (a === undefined) return EINVAL;
  const address = parseInt(a, 16);
  const length = parseInt(l, 16);
  if (p[0] === 'm') {
    const bytes = readSome(t, address, Math.min(length, PACKET_SIZE / 2));
    return bytes ? toHex(bytes) : EFAULT;
  }
  const bytes = p[0] === 'X' ? Uint8Array.from(data ?? '', (c) => c.charCodeAt(0)) : fromHex(data ?? '');
  if (bytes.length !== length) return EINVAL;
  if (length === 0) return OK; // gdb asks whether there is an X
  if (t.mm.copyOut(address, bytes) < 0) return EFAULT;
  changed();
  return OK;
}

/** As far as it goes. */
function readSome(t: Task, address: number, length: number): Uint8Array | null {
  const whole = peek(t, address, length);
  if (whole) return whole;
  const first = Math.min(length, 4096 - (address % 4096));
  return first < length ? peek(t, address, first) : null;
}
