/** Control flow: any graph, put into blocks, loops and a dispatcher, takes the same ways as the graph itself. */
import { describe, expect, it } from 'vitest';
import { structure, type FlowNode, type Structure } from '../../../cpu/jit/graph.ts';
import { Random } from '../../support/random.ts';

class Node implements FlowNode {
  readonly successors: Node[] = [];
  dispatched = false;
  readonly id: number;
  constructor(id: number) {
    this.id = id;
  }
}

function graph(edges: readonly (readonly number[])[], entries: readonly number[] = [0]): Node[] {
  const nodes = edges.map((_, i) => new Node(i));
  edges.forEach((to, i) => nodes[i].successors.push(...to.map((k) => nodes[k])));
  for (const e of entries) nodes[e].dispatched = true;
  return nodes;
}

/** Where a branch in the structured code goes. */
type Target = { readonly end: Node } | { readonly top: Node } | 'dispatcher';

/**
 * Runs structured code as the compiler nests it (a node's children in blocks around its own code, a loop around a node that
 * is gone back to), choosing each node's way by `choose`. Throws when a branch goes to a label that does not enclose it.
 */
function execute(s: Structure<Node>, start: Node, choose: (n: Node) => Node | null, limit: number): number[] {
  const seen: number[] = [];
  const around: Target[] = [];
  let next = start;
  const within = (t: Target, body: () => Target | null): Target | null => {
    around.push(t);
    const way = body();
    around.pop();
    return way;
  };
  const branch = (t: Target): Target => {
    const reaches = around.some(
      (a) => a === t || (typeof a === 'object' && typeof t === 'object' && same(a, t)),
    );
    if (!reaches)
      throw new Error(`a branch leaves for ${JSON.stringify(Object.keys(t))}, which is not around it`);
    return t;
  };
  const same = (a: Target, b: Target): boolean =>
    ('end' in (a as object) ? (a as { end: Node }).end : null) ===
      ('end' in (b as object) ? (b as { end: Node }).end : null) &&
    ('top' in (a as object) ? (a as { top: Node }).top : null) ===
      ('top' in (b as object) ? (b as { top: Node }).top : null);
  const own = (n: Node): Target | null => {
    seen.push(n.id);
    if (seen.length >= limit) return null;
    const to = choose(n);
    if (!to) return null;
    switch (s.edge(n, to)) {
      case 'forward':
        return branch({ end: to });
      case 'back':
        return branch({ top: to });
      default:
        expect(to.dispatched).toBe(true);
        next = to;
        return branch('dispatcher');
    }
  };
  /** null: it is over. */
  const tree = (n: Node | null, last: () => Target | null): Target | null => {
    const children = s.children.get(n)!;
    const nest = (i: number): Target | null => {
      if (i < 0) return last();
      const child = children[i];
      const way = within({ end: child }, () => nest(i - 1));
      if (way === null || way === 'dispatcher' || !('end' in way) || way.end !== child) return way;
      return node(child);
    };
    return nest(children.length - 1);
  };
  const node = (n: Node): Target | null => {
    if (!s.loops.has(n)) return tree(n, () => own(n));
    for (;;) {
      const way = within({ top: n }, () => tree(n, () => own(n)));
      if (way === null || way === 'dispatcher' || !('top' in way) || way.top !== n) return way;
    }
  };
  for (;;) {
    const way = within('dispatcher', () => tree(null, () => branch({ end: next })));
    if (way === null) return seen;
    if (way !== 'dispatcher') throw new Error('code fell out of its structure');
  }
}

/** The same without structure. */
function walk(start: Node, choose: (n: Node) => Node | null, limit: number): number[] {
  const seen: number[] = [];
  for (let n: Node | null = start; n && seen.length < limit; n = choose(n)) seen.push(n.id);
  return seen;
}

const ids = (nodes: Iterable<Node>): number[] => [...nodes].map((n) => n.id).sort((a, b) => a - b);

describe('structure', () => {
  it('a diamond: both sides and the end under its head, no loop', () => {
    const nodes = graph([[1, 2], [3], [3], []]);
    const s = structure(nodes);
    expect(ids(s.children.get(nodes[0])!)).toEqual([1, 2, 3]);
    expect(ids(s.children.get(null)!)).toEqual([0]);
    expect(s.loops.size).toBe(0);
    expect(s.edge(nodes[1], nodes[3])).toBe('forward');
  });

  it('a node that goes to itself is a loop', () => {
    const nodes = graph([[1], [1, 2], []]);
    const s = structure(nodes);
    expect(ids(s.loops)).toEqual([1]);
    expect(s.edge(nodes[1], nodes[1])).toBe('back');
    expect(s.edge(nodes[1], nodes[2])).toBe('forward');
  });

  it('nested loops: what is behind them is dominated by the inner one', () => {
    const nodes = graph([[1], [2], [2, 3], [1, 4], []]);
    const s = structure(nodes);
    expect(ids(s.loops)).toEqual([1, 2]);
    expect(ids(s.children.get(nodes[2])!)).toEqual([3]);
    expect(ids(s.children.get(nodes[3])!)).toEqual([4]);
  });

  it('a loop with two entries goes through the dispatcher one way', () => {
    const nodes = graph([[1, 2], [2], [1]]);
    const s = structure(nodes);
    expect(ids(nodes.filter((n) => n.dispatched)).length).toBe(2);
    const kinds = [s.edge(nodes[1], nodes[2]), s.edge(nodes[2], nodes[1])].sort();
    expect(kinds).toContain('dispatch');
  });

  it("an entry in the middle of a loop is nobody's child", () => {
    const nodes = graph([[1], [2], [0]], [0, 1]);
    const s = structure(nodes);
    expect(ids(s.children.get(null)!)).toEqual([0, 1]);
  });

  it('dominators are those of the definition', () => {
    for (let seed = 1; seed <= 150; seed++) {
      const { nodes } = randomGraph(seed);
      const s = structure(nodes);
      const roots = nodes.filter((n) => n.dispatched);
      const reach = (without: Node | null): Set<Node> => {
        const seen = new Set<Node>();
        const queue = roots.filter((n) => n !== without);
        for (let n = queue.pop(); n; n = queue.pop()) {
          if (seen.has(n)) continue;
          seen.add(n);
          queue.push(...n.successors.filter((x) => x !== without));
        }
        return seen;
      };
      const all = reach(null);
      const parents = new Map<Node, Node | null>();
      for (const [parent, children] of s.children) for (const c of children) parents.set(c, parent);
      expect(new Set(parents.keys())).toEqual(all);
      for (const d of all) {
        const left = reach(d);
        for (const n of all) {
          let up: Node | null = n;
          while (up && up !== d) up = parents.get(up)!;
          expect(up === d, `seed ${seed}: ${d.id} over ${n.id}`).toBe(!left.has(n));
        }
      }
    }
  });

  it('random graphs take the same ways', () => {
    let dispatches = 0;
    for (let seed = 1; seed <= 600; seed++) {
      const { nodes, r } = randomGraph(seed);
      const s = structure(nodes);
      for (const n of s.children.keys())
        for (const to of n?.successors ?? []) if (s.edge(n!, to) === 'dispatch') dispatches++;
      for (const start of nodes.filter((n) => n.dispatched)) {
        const way = r.u32();
        const choices = (): ((n: Node) => Node | null) => {
          const random = new Random(way);
          return (n) => (n.successors.length === 0 || random.chance(0.02) ? null : random.pick(n.successors));
        };
        expect(execute(s, start, choices(), 300), `seed ${seed}`).toEqual(walk(start, choices(), 300));
      }
    }
    expect(dispatches).toBeGreaterThan(100);
  });
});

function randomGraph(seed: number): { nodes: Node[]; r: Random } {
  const r = new Random(seed);
  const n = 1 + r.below(14);
  const entries = Array.from({ length: 1 + r.below(3) }, () => r.below(n));
  const local = r.chance(0.5);
  const edges = Array.from({ length: n }, (_, i) =>
    Array.from({ length: r.below(4) }, () =>
      local ? Math.min(n - 1, Math.max(0, i + r.below(5) - 2)) : r.below(n),
    ),
  );
  return { nodes: graph(edges, entries), r };
}
