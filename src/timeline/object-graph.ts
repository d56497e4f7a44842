/**
 * The state of everything reachable from some objects: their fields, and what arrays, maps, sets and buffers hold. It is put
 * back into the same objects, so that whoever holds one of them (a closure, too) finds it as it was. Functions are values
 * like numbers; what a closure keeps to itself is not seen.
 *
 * An object with `saveState` and `restoreState` methods says itself what there is of it to save; nothing is looked for behind it.
 * One with a `rewinds` property that is false is left alone altogether: what it stands for cannot be rewound.
 */

/** Says itself what there is of it to save. */
export interface Stateful {
  /** `previous`: what it gave last, if that is known. Must not change afterwards. */
  saveState(previous: unknown): unknown;
  restoreState(state: unknown): void;
}

type Kind = 'fields' | 'array' | 'map' | 'set' | 'buffer' | 'view' | 'ref' | 'self' | 'opaque';

/** One object's state. Never changes; snapshots between which it did not change share it. */
interface Record {
  readonly kind: Kind;
  readonly target: object;
  /** Names of fields. */
  readonly keys: readonly string[];
  /** Of fields, elements; of a map keys and values in turn; of a buffer its bytes; what `saveState` gave. */
  readonly values: readonly unknown[];
  /** The walk that saw it last. */
  seen: number;
}

export interface GraphImage {
  readonly records: readonly Record[];
  /** About how much of it is its own: bytes no earlier one has. */
  readonly bytes: number;
}

const NONE: readonly string[] = [];

export class ObjectGraph {
  private readonly roots: readonly object[];
  /** Not to be looked at, nor behind. */
  private readonly outside: ReadonlySet<object>;
  private readonly kinds = new Map<object | null, Kind>();
  /** What is known of each object: as it was saved or put back last. */
  private known = new Map<object, Record>();
  private walks = 0;

  constructor(roots: readonly object[], outside: readonly object[]) {
    this.roots = roots;
    this.outside = new Set(outside);
  }

  take(): GraphImage {
    const walk = ++this.walks;
    const { known, outside } = this;
    const records: Record[] = [];
    const todo: object[] = [...this.roots];
    let bytes = 0;
    for (let o = todo.pop(); o !== undefined; o = todo.pop()) {
      const old = known.get(o);
      if (old?.seen === walk || outside.has(o)) continue;
      const kind = old?.kind ?? this.kindOf(o);
      if (kind === 'opaque') continue;
      const record = look(kind, o, old, todo);
      record.seen = walk;
      if (record !== old) {
        known.set(o, record);
        bytes += sizeOf(record);
      }
      records.push(record);
    }
    if (known.size > 2 * records.length) this.known = new Map(records.map((r) => [r.target, r]));
    return { records, bytes: bytes + records.length * 8 };
  }

  put(image: GraphImage): void {
    for (const record of image.records) {
      putBack(record);
      this.known.set(record.target, record);
    }
  }

  /** Bytes that are given up with an image while these others remain, about. */
  static freed(image: GraphImage, others: readonly GraphImage[]): number {
    const kept = new Set(others.flatMap((o) => o.records));
    let bytes = image.records.length * 8;
    for (const r of image.records) if (!kept.has(r)) bytes += sizeOf(r);
    return bytes;
  }

  /** How many objects of which classes an image has, for people. */
  static census(image: GraphImage): Map<string, number> {
    const classes = new Map<string, number>();
    for (const { target } of image.records) {
      const { constructor } = target as { constructor?: { name?: string } };
      const name = constructor?.name ?? '(none)';
      classes.set(name, (classes.get(name) ?? 0) + 1);
    }
    return classes;
  }

  private kindOf(o: object): Kind {
    if ((o as { rewinds?: unknown }).rewinds === false) return 'opaque';
    const proto = Object.getPrototypeOf(o) as object | null;
    if (proto === null || proto === Object.prototype) return isStateful(o) ? 'self' : 'fields';
    let kind = this.kinds.get(proto);
    if (kind === undefined) this.kinds.set(proto, (kind = kindOfClass(o)));
    return kind;
  }
}

function kindOfClass(o: object): Kind {
  if (isStateful(o)) return 'self';
  if (Array.isArray(o)) return 'array';
  if (o instanceof Map) return 'map';
  if (o instanceof Set) return 'set';
  if (o instanceof ArrayBuffer) return 'buffer';
  if (ArrayBuffer.isView(o)) return 'view';
  if (o instanceof WeakRef) return 'ref';
  return isForeign(o) ? 'opaque' : 'fields';
}

const isStateful = (o: object): o is Stateful =>
  typeof (o as Partial<Stateful>).saveState === 'function' &&
  typeof (o as Partial<Stateful>).restoreState === 'function';

/** The language's and the host's own objects, whose state is none of ours. */
function isForeign(o: object): boolean {
  if (o instanceof Promise || o instanceof Date || o instanceof RegExp || o instanceof Error) return true;
  if (o instanceof WeakMap || o instanceof WeakSet || o instanceof SharedArrayBuffer) return true;
  if (Object.prototype.toString.call(o).startsWith('[object WebAssembly.')) return true;
  // Event emitters and event targets: sockets, streams, threads.
  const { removeListener, addEventListener } = o as { removeListener?: unknown; addEventListener?: unknown };
  return typeof removeListener === 'function' || typeof addEventListener === 'function';
}

/** The record of an object as it is now: `old`, when nothing changed. What it refers to goes to `todo`. */
function look(kind: Kind, o: object, old: Record | undefined, todo: object[]): Record {
  switch (kind) {
    case 'fields':
      return lookAtFields(o as { [name: string]: unknown }, old, todo);
    case 'array':
      return lookAtList(kind, o as unknown[], o, old, todo);
    case 'map': {
      const list: unknown[] = [];
      for (const [k, v] of o as Map<unknown, unknown>) list.push(k, v);
      return lookAtList(kind, list, o, old, todo);
    }
    case 'set':
      return lookAtList(kind, [...(o as Set<unknown>)], o, old, todo);
    case 'view': {
      const { buffer } = o as ArrayBufferView;
      todo.push(buffer);
      return old ?? { kind, target: o, keys: NONE, values: NONE, seen: 0 };
    }
    case 'ref': {
      const target = (o as WeakRef<object>).deref();
      return lookAtList(kind, [target], o, old, todo);
    }
    case 'buffer':
      return lookAtBuffer(o as ArrayBuffer, old);
    default: {
      const state = (o as Stateful).saveState(old?.values[0]);
      if (old && old.values[0] === state) return old;
      return { kind, target: o, keys: NONE, values: [state], seen: 0 };
    }
  }
}

function lookAtFields(o: { [name: string]: unknown }, old: Record | undefined, todo: object[]): Record {
  let same = old !== undefined;
  let i = 0;
  for (const key in o) {
    const value = o[key];
    if (typeof value === 'object' && value !== null) todo.push(value);
    if (same && (old!.keys[i] !== key || !Object.is(old!.values[i], value))) same = false;
    i++;
  }
  if (same && old!.keys.length === i) return old!;
  const keys: string[] = [];
  const values: unknown[] = [];
  for (const key in o) {
    keys.push(key);
    values.push(o[key]);
  }
  return { kind: 'fields', target: o, keys: sameList(keys, old?.keys) ? old!.keys : keys, values, seen: 0 };
}

function lookAtList(
  kind: Kind,
  list: readonly unknown[],
  o: object,
  old: Record | undefined,
  todo: object[],
): Record {
  for (const value of list) if (typeof value === 'object' && value !== null) todo.push(value);
  if (old && sameList(list, old.values)) return old;
  return { kind, target: o, keys: NONE, values: kind === 'array' ? list.slice() : list, seen: 0 };
}

function lookAtBuffer(o: ArrayBuffer, old: Record | undefined): Record {
  const now = new Uint8Array(o);
  if (old && sameBytes(now, old.values[0] as Uint8Array)) return old;
  return { kind: 'buffer', target: o, keys: NONE, values: [now.slice()], seen: 0 };
}

function putBack({ kind, target, keys, values }: Record): void {
  switch (kind) {
    case 'fields': {
      const o = target as { [name: string]: unknown };
      let i = 0;
      let others = false;
      for (const key in o) if (keys[i++] !== key) others = true;
      if (others || i > keys.length) for (const key of Object.keys(o)) if (!keys.includes(key)) delete o[key];
      for (i = 0; i < keys.length; i++) {
        const key = keys[i];
        if (!Object.is(o[key], values[i])) o[key] = values[i];
      }
      return;
    }
    case 'array': {
      const list = target as unknown[];
      if (list.length !== values.length) list.length = values.length;
      for (let i = 0; i < values.length; i++) {
        if (!Object.is(list[i], values[i])) list[i] = values[i];
      }
      return;
    }
    case 'map': {
      const map = target as Map<unknown, unknown>;
      let i = 0;
      let same = map.size * 2 === values.length;
      if (same) {
        for (const [k, v] of map) {
          if (!Object.is(values[i], k) || !Object.is(values[i + 1], v)) same = false;
          i += 2;
        }
      }
      if (same) return;
      map.clear();
      for (i = 0; i < values.length; i += 2) map.set(values[i], values[i + 1]);
      return;
    }
    case 'set': {
      const set = target as Set<unknown>;
      if (sameList([...set], values)) return;
      set.clear();
      for (const value of values) set.add(value);
      return;
    }
    case 'buffer': {
      new Uint8Array(target as ArrayBuffer).set(values[0] as Uint8Array);
      return;
    }
    case 'self':
      (target as Stateful).restoreState(values[0]);
      return;
    case 'view':
    case 'ref':
    case 'opaque':
      return; // never change
  }
}

function sameList(a: readonly unknown[], b: readonly unknown[] | undefined): boolean {
  if (b === undefined || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** About how many bytes a record takes. */
function sizeOf({ kind, values }: Record): number {
  if (kind === 'buffer') return 120 + (values[0] as Uint8Array).length;
  return 80 + 8 * values.length;
}
