/**
 * What guest RAM held at one moment. Images share the pages that are alike: one costs the pages that changed since the one
 * before it.
 */
const FRAME = 4096;
const WORDS = FRAME / 4;
/** Frames that are looked at together. */
const CHUNK = 64;

/** `CHUNK` frames: references to each, and the bytes of those in use (null: all of them are zero). */
interface Chunk {
  readonly counts: Uint32Array;
  readonly pages: readonly (Int32Array | null)[];
}

/** Opaque to all but this file. */
export interface RamImage {
  /** null: no frame of it is in use. */
  readonly chunks: readonly (Chunk | null)[];
  readonly places: Uint8Array;
  /** Bytes that are this image's own: no earlier one has them. */
  readonly bytes: number;
}

/** RAM as images are made of it. */
export interface RamParts {
  readonly i32: Int32Array;
  readonly counts: Uint32Array;
}

/** `previous`: an image of the same RAM, the more alike the better. `places`: kept as it is. */
export function takeImage(
  ram: RamParts,
  places: Uint8Array,
  unsaved: ReadonlySet<number>,
  previous: RamImage | null,
): RamImage {
  const { counts } = ram;
  const chunks: (Chunk | null)[] = [];
  let bytes = 0;
  for (let first = 0, k = 0; first < counts.length; first += CHUNK, k++) {
    const end = Math.min(first + CHUNK, counts.length);
    let any = 0;
    for (let i = first; i < end; i++) any |= counts[i];
    const old = previous?.chunks[k] ?? null;
    const made = any === 0 ? null : takeChunk(ram, first, end, unsaved, old);
    chunks.push(made?.chunk ?? null);
    bytes += made?.bytes ?? 0;
  }
  return { chunks, places, bytes };
}

function takeChunk(
  { i32, counts }: RamParts,
  first: number,
  end: number,
  unsaved: ReadonlySet<number>,
  old: Chunk | null,
): { chunk: Chunk; bytes: number } | null {
  let same = old !== null;
  let bytes = 0;
  let any = false;
  const now = counts.slice(first, end);
  const pages: (Int32Array | null)[] = [];
  for (let i = first; i < end; i++) {
    const k = i - first;
    if (now[k] !== 0 && unsaved.has(i)) now[k] = 0;
    const before = old?.pages[k] ?? null;
    let page: Int32Array | null = null;
    if (now[k] !== 0) {
      any = true;
      const at = i * WORDS;
      if (old !== null && old.counts[k] !== 0 && equal(i32, at, before)) page = before;
      else if (!equal(i32, at, null)) {
        page = i32.slice(at, at + WORDS);
        bytes += FRAME;
      }
    }
    if (old !== null && (page !== before || now[k] !== old.counts[k])) same = false;
    pages.push(page);
  }
  if (same) return { chunk: old!, bytes: 0 };
  return any ? { chunk: { counts: now, pages }, bytes } : null;
}

/** Puts the bytes back, and says of which frames they were others. References are the caller's to put back. */
export function putImage({ i32 }: RamParts, image: RamImage, changed: (frame: number) => void): void {
  image.chunks.forEach((chunk, n) => {
    if (chunk === null) return;
    chunk.pages.forEach((page, k) => {
      if (chunk.counts[k] === 0) return;
      const frame = n * CHUNK + k;
      const at = frame * WORDS;
      if (equal(i32, at, page)) return;
      if (page === null) i32.fill(0, at, at + WORDS);
      else i32.set(page, at);
      changed(frame);
    });
  });
}

/** References to every frame. */
export function putCounts(counts: Uint32Array, image: RamImage): void {
  image.chunks.forEach((chunk, n) => {
    if (chunk === null) counts.fill(0, n * CHUNK, (n + 1) * CHUNK);
    else counts.set(chunk.counts, n * CHUNK);
  });
}

/** Is the frame at word `at` like a page? null: a page of zeros. */
function equal(i32: Int32Array, at: number, page: Int32Array | null): boolean {
  if (page === null) {
    for (let i = at, end = at + WORDS; i < end; i++) if (i32[i] !== 0) return false;
    return true;
  }
  for (let i = 0; i < WORDS; i++) if (i32[at + i] !== page[i]) return false;
  return true;
}

/** Bytes that are given up with an image while these others remain. */
export function freedBytes(image: RamImage, others: readonly RamImage[]): number {
  let bytes = 0;
  image.chunks.forEach((chunk, n) => {
    if (chunk === null || others.some((o) => o.chunks[n] === chunk)) return;
    chunk.pages.forEach((page, k) => {
      if (page !== null && !others.some((o) => o.chunks[n]?.pages[k] === page)) bytes += FRAME;
    });
  });
  return bytes;
}
