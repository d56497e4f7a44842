/**
 * Where guest memory lies in RAM. Compiled code reaches memory through windows: runs of pages that follow one another
 * both in the guest's addresses and in RAM. So each private area, and each file, has a place: a stretch of RAM set
 * apart in which every page has its spot, in whatever order the pages come. A place is only a wish: a spot that is
 * taken is done without.
 */
import { PAGE_SIZE, type Ram } from '../ports.ts';
import type { Areas } from './areas.ts';
import { VM_ACCESS, VM_GROWSDOWN, VM_WRITE, type Vma } from './vma.ts';

/** Ram.place works in such multiples. */
const GRANULE = 16;
const granules = (pages: number): number => Math.ceil(pages / GRANULE) * GRANULE;

export class Place {
  private readonly ram: Ram;
  /** The guest address, or offset in the file, whose spot is `at`. */
  base: number;
  private at: number;
  private pages: number;
  /** Areas and others that hold it. */
  users = 0;

  private constructor(ram: Ram, base: number, at: number, pages: number) {
    this.ram = ram;
    this.base = base;
    this.at = at;
    this.pages = pages;
  }

  /** A place for [start, end), or a little more at the end, or, `down`, at the start; null when RAM has no room. */
  static make(ram: Ram, start: number, end: number, down = false): Place | null {
    const pages = granules((end - start) / PAGE_SIZE);
    const at = pages > ram.total ? -1 : ram.place(pages);
    return at < 0 ? null : new Place(ram, down ? end - pages * PAGE_SIZE : start, at, pages);
  }

  get end(): number {
    return this.base + this.pages * PAGE_SIZE;
  }

  has(address: number): boolean {
    return address >= this.base && address < this.end;
  }

  /** The frame where the page at `address` should be. */
  spot(address: number): number {
    return this.at + (address - this.base);
  }

  /** Makes room for at least `bytes` more at one end, if nothing else is there. */
  grow(bytes: number, down: boolean): boolean {
    const more = granules(bytes / PAGE_SIZE);
    const at = down ? this.at - more * PAGE_SIZE : this.at + this.pages * PAGE_SIZE;
    if (at < 0 || this.ram.place(more, at) < 0) return false;
    this.pages += more;
    if (down) {
      this.at = at;
      this.base -= more * PAGE_SIZE;
    }
    return true;
  }

  retain(): void {
    this.users++;
  }

  release(): void {
    if (--this.users === 0) this.ram.unplace(this.at, this.pages);
  }
}

/** Whether nobody holds any of these frames. */
export function unused(ram: Ram, frame: number, pages: number): boolean {
  for (const end = frame + pages * PAGE_SIZE; frame < end; frame += PAGE_SIZE)
    if (ram.refs(frame) !== 0) return false;
  return true;
}

/** Areas looked at on either side. */
const NEIGHBOURS = 6;
/** Programs, their heaps, and what is mapped by wish grow up; what the kernel places, and stacks, lie above and grow down. */
const UPWARD = 3 / 4;
/** Smallest piece of a large area that gets a place of its own. */
const LEAST = 64;

/**
 * The place of a private area's page, made when it is first asked for. `taken`: the place whose spot is not free, to be
 * replaced. null: RAM has no room for one.
 */
export function placeFor(mm: Areas, v: Vma, page: number, taken: Place | null = null): Place | null {
  const have = v.place;
  if (have && have !== taken && (have.has(page) || stretch(mm, have, page, page + PAGE_SIZE))) return have;
  let place = shared(mm, v, taken);
  if (!place) {
    place = newPlace(mm, v, page);
    if (place) mm.keepPlace(place);
  }
  if (place) setPlace(v, place);
  return place;
}

export function setPlace(v: Vma, place: Place | null): void {
  place?.retain();
  v.place?.release();
  v.place = place;
}

/** What a place that was outgrown gets more, or its successor, in bytes: as much again, within bounds. */
const growth = (mm: Areas, have: Place): number =>
  Math.min(have.end - have.base, (mm.ram.total >> 2) * PAGE_SIZE);

/** Makes a place reach to [start, end), if it can. What lies far from all the rest is better off elsewhere. */
function stretch(mm: Areas, place: Place, start: number, end: number): boolean {
  for (const down of [true, false]) {
    const least = down ? place.base - start : end - place.end;
    const more = growth(mm, place);
    if (least > 0 && (least > more || !(place.grow(more, down) || place.grow(least, down)))) return false;
  }
  return true;
}

/** Whether it only keeps others away: memory without rights, which mappings to come may be made of. */
const setAside = (v: Vma): boolean => !v.object && (v.flags & VM_ACCESS) === 0;

const covers = (place: Place, v: Vma): boolean => place.base <= v.start && v.end <= place.end;

/** A neighbour's place, or the one made last. Areas that touch are often one thing: .data, .bss and heap, or what an allocator maps bit by bit. */
function shared(mm: Areas, v: Vma, taken: Place | null): Place | null {
  const at = mm.vmas.indexOf(v.start);
  for (const step of [1, -1]) {
    let i = at + step;
    let w = mm.vmas.at(i);
    while (w && setAside(w) && Math.abs(i - at) < NEIGHBOURS) w = mm.vmas.at((i += step));
    if (!w?.place || w.place === taken) continue;
    const { place } = w;
    if (covers(place, v)) return place;
    if ((w.start === v.end || w.end === v.start) && stretch(mm, place, v.start, v.end)) return place;
  }
  const last = mm.lastPlace;
  return last && last !== taken && covers(last, v) ? last : null;
}

function newPlace(mm: Areas, v: Vma, page: number): Place | null {
  const { ram } = mm;
  const old = v.place;
  const down = old && !old.has(page) ? page < old.base : v.start >= mm.taskSize * UPWARD;
  const size = (v.end - v.start) / PAGE_SIZE;
  if (size <= ram.total) {
    const below = around(mm, v, -1);
    const above = around(mm, v, 1);
    // An area that outgrew its place needs another for the rest only.
    const start = old && page >= old.end ? Math.max(below.edge, old.end) : below.edge;
    const end = old && page < old.base ? Math.min(above.edge, old.base) : above.edge;
    let room = v.flags & VM_GROWSDOWN ? ram.total >> 7 : ram.total >> 3;
    // Mapped by wish, it grows by wish; but a program's data and heap go on.
    if (mm.forked || (!down && mm.brk > 0 && v.start > mm.brk))
      room = Math.min(room, Math.max(size, LEAST, (above.aside - above.edge) / PAGE_SIZE));
    if (old) room = Math.max(room, growth(mm, old) / PAGE_SIZE);
    for (const pages of [room, room >> 2, room >> 4, 0]) {
      const low = down ? Math.max(below.bound, start - pages * PAGE_SIZE) : start;
      const high = down ? end : Math.min(above.bound, end + pages * PAGE_SIZE);
      const place = Place.make(ram, low, high, down);
      if (place) return place;
    }
  }
  for (let pages = 2 ** Math.floor(Math.log2(Math.min(size, ram.total >> 3))); pages >= LEAST; pages /= 2) {
    const start = Math.max(v.start, page - (page % (pages * PAGE_SIZE)));
    const place = Place.make(ram, start, Math.min(v.end, start + pages * PAGE_SIZE));
    if (place) return place;
  }
  return null;
}

/** One side of an area. */
interface Side {
  /** How far what belongs with it goes. */
  readonly edge: number;
  /** How far memory that was set aside goes on from there. */
  readonly aside: number;
  /** Where something else begins. */
  readonly bound: number;
}

function around(mm: Areas, v: Vma, step: 1 | -1): Side {
  let edge = step > 0 ? v.end : v.start;
  let aside = edge;
  const at = mm.vmas.indexOf(v.start);
  for (let i = at + step; Math.abs(i - at) <= NEIGHBOURS; i += step) {
    const w = mm.vmas.at(i);
    if (!w) return { edge, aside, bound: step > 0 ? mm.taskSize : 0 };
    const [near, far] = step > 0 ? [w.start, w.end] : [w.end, w.start];
    const own = w.private && w.flags & VM_WRITE && (!w.place || w.place === v.place);
    if (setAside(w)) aside = near === aside ? far : aside;
    else if (own && near === edge) edge = aside = far;
    else return { edge, aside, bound: near };
  }
  return { edge, aside, bound: aside };
}
