/** Bytes of a datagram that go into its buffer's head rather than into pages: SKB_MAX_ALLOC. */
export const DATAGRAM_HEAD = 16064;

/** Memory a message counts for: struct sk_buff, the head rounded as kmalloc does, page fragments (SKB_TRUESIZE). */
export function truesize(length: number, linear = DATAGRAM_HEAD): number {
  const paged = length > linear ? Math.ceil((length - linear) / 4096) * 4096 : 0;
  const head = Math.max(0, length - paged) + 320;
  let room = 512;
  while (room < head) room *= 2;
  return 256 + room + paged;
}
