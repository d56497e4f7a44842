/**
 * The control flow of a region, and the order in which structured code can express it. Nodes hang under a root from which
 * the dispatcher reaches every node that is entered from elsewhere. After Ramsey, "Beyond Relooper" (2022): a node's
 * code lies inside its immediate dominator's, forward edges leave blocks, edges to a dominator go round loops; an edge
 * that is neither goes through the dispatcher.
 */

export interface FlowNode {
  /** Where it can go within the region. */
  readonly successors: readonly FlowNode[];
  /** The dispatcher goes to it. */
  dispatched: boolean;
}

export interface Structure<N extends FlowNode> {
  /** Nodes immediately dominated by a node (null: by the root), in the order their code comes. */
  readonly children: ReadonlyMap<N | null, readonly N[]>;
  /** Nodes that some edge goes back to. */
  readonly loops: ReadonlySet<N>;
  /** How an edge is taken. */
  edge(from: N, to: N): 'forward' | 'back' | 'dispatch';
}

/** Marks more nodes as dispatched where that is the only way to reach them. */
export function structure<N extends FlowNode>(nodes: readonly N[]): Structure<N> {
  for (;;) {
    const order = postorder(nodes).reverse();
    const rank = new Map<N, number>(order.map((n, i) => [n, i + 1]));
    const idom = dominators(order, rank);
    const tree = intervals(idom);
    const dominates = (a: N, b: N): boolean => {
      const [x, y] = [rank.get(a)!, rank.get(b)!];
      return tree.first[x] <= tree.first[y] && tree.first[y] <= tree.last[x];
    };
    let changed = false;
    const loops = new Set<N>();
    for (const n of order)
      for (const s of n.successors as readonly N[]) {
        if (rank.get(s)! > rank.get(n)!) continue;
        if (dominates(s, n)) loops.add(s);
        else if (!s.dispatched) {
          s.dispatched = true;
          changed = true;
        }
      }
    if (changed) continue;
    const children = new Map<N | null, N[]>([[null, []]]);
    for (const n of order) children.set(n, []);
    for (const n of order) {
      const parent = idom[rank.get(n)!];
      children.get(parent === 0 ? null : order[parent - 1])!.push(n);
    }
    return {
      children,
      loops,
      edge: (from, to) => {
        if (rank.get(to)! > rank.get(from)!) return 'forward';
        return dominates(to, from) ? 'back' : 'dispatch';
      },
    };
  }
}

/** Nodes reached from the dispatched ones, each behind those it goes to. */
function postorder<N extends FlowNode>(nodes: readonly N[]): N[] {
  const done: N[] = [];
  const seen = new Set<N>();
  const stack: { node: N; next: number }[] = [];
  for (const root of nodes) {
    if (!root.dispatched || seen.has(root)) continue;
    seen.add(root);
    stack.push({ node: root, next: 0 });
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const s = (top.node.successors as readonly N[])[top.next++] as N | undefined;
      if (s === undefined) {
        done.push(top.node);
        stack.pop();
      } else if (!seen.has(s)) {
        seen.add(s);
        stack.push({ node: s, next: 0 });
      }
    }
  }
  return done;
}

/** Immediate dominators by rank, 0 the root. Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001). */
function dominators<N extends FlowNode>(order: readonly N[], rank: ReadonlyMap<N, number>): Int32Array {
  const idom = new Int32Array(order.length + 1).fill(-1);
  idom[0] = 0;
  const predecessors: number[][] = order.map((n) => (n.dispatched ? [0] : []));
  order.forEach((n, i) => {
    for (const s of n.successors as readonly N[]) predecessors[rank.get(s)! - 1].push(i + 1);
  });
  const meet = (a: number, b: number): number => {
    while (a !== b) {
      while (a > b) a = idom[a];
      while (b > a) b = idom[b];
    }
    return a;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (let i = 1; i <= order.length; i++) {
      let d = -1;
      for (const p of predecessors[i - 1]) if (idom[p] >= 0) d = d < 0 ? p : meet(p, d);
      if (d !== idom[i]) {
        idom[i] = d;
        changed = true;
      }
    }
  }
  return idom;
}

/** Preorder numbers in the dominator tree, and the last one below each: a dominates b where b's number is in a's range. */
function intervals(idom: Int32Array): { first: Int32Array; last: Int32Array } {
  const children: number[][] = Array.from(idom, () => []);
  for (let i = 1; i < idom.length; i++) children[idom[i]].push(i);
  const first = new Int32Array(idom.length);
  const last = new Int32Array(idom.length);
  const stack: [node: number, next: number][] = [[0, 0]];
  let n = 0;
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    const child = children[top[0]][top[1]++];
    if (child === undefined) {
      last[top[0]] = n;
      stack.pop();
    } else {
      first[child] = ++n;
      stack.push([child, 0]);
    }
  }
  return { first, last };
}
