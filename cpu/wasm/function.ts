/**
 * One WebAssembly function under construction. Values are nodes of an expression graph; statements keep the order of
 * everything with an effect. A pure node used once is emitted where it is used, one used more often lands in a local,
 * one never used is dropped: naive definitions give compact code.
 */
import { ByteWriter } from './bytes.ts';
import { VAL_TYPE_CODE, wasmOp, type Op, type ValType } from './ops.ts';

/** A value: a constant, or the result of an instruction. */
export interface Val {
  readonly type: ValType;
  readonly op: Op | 'const' | 'param' | 'var' | 'call' | 'select';
  readonly args: readonly Val[];
  /** Constant value, memory offset, lane, callee index or local index. */
  readonly imm: number | bigint | Uint8Array;
  /** Lane of load/store lane instructions. */
  readonly lane: number;
  uses: number;
  local: number;
  /** While its code is written: uses still to come, and the loop it was computed in. */
  left: number;
  loop: number;
}

/** A mutable local. */
export interface Var {
  readonly type: ValType;
  readonly index: number;
}

/** What a function does, in order; wasm/text.ts prints it. */
export type Stmt =
  | { k: 'define'; v: Val }
  | { k: 'effect'; op: Op; args: Val[]; imm: number; lane: number }
  | { k: 'call'; callee: number; args: Val[]; tail: boolean }
  | { k: 'tailIndirect'; type: number; args: Val[]; index: Val }
  | { k: 'set'; index: number; v: Val }
  | { k: 'if'; cond: Val; then: Stmt[]; else: Stmt[] }
  | { k: 'block' | 'loop'; body: Stmt[]; label: Label }
  | { k: 'br'; label: Label; cond: Val | null }
  | { k: 'switch'; index: Val; cases: Stmt[][]; otherwise: Stmt[] }
  | { k: 'brTable'; index: Val; labels: readonly Label[]; otherwise: Label }
  | { k: 'return'; v: Val | null }
  | { k: 'copy' | 'fill'; args: Val[] }
  | { k: 'unreachable' };

/** Target of `br`: leaving a block, or going round a loop again. */
export interface Label {
  readonly id: number;
}

export class Fn {
  private body: Stmt[] = [];
  private current: Stmt[] = this.body;
  private localTypes: ValType[] = [];
  private nextLabel = 0;
  // While code is written: labels around it, locals free for another temporary, loops around it.
  private readonly labels: (Label | null)[] = [];
  private readonly free = new Map<ValType, number[]>();
  private readonly loops: number[] = [0];
  private nextLoop = 1;
  readonly params: readonly ValType[];
  readonly result: ValType | null;

  constructor(params: readonly ValType[], result: ValType | null) {
    this.params = params;
    this.result = result;
  }

  get statements(): readonly Stmt[] {
    return this.body;
  }
  /** Types of locals behind the parameters; temporaries are among them once it was encoded. */
  get locals(): readonly ValType[] {
    return this.localTypes;
  }

  param(i: number): Val {
    return node(this.params[i], 'param', [], i);
  }

  konst(type: ValType, value: number | bigint): Val {
    return node(type, 'const', [], value);
  }

  v128(bytes: Uint8Array): Val {
    return this.define(node('v128', wasmOp('v128.const'), [], bytes));
  }

  /** Any instruction with a result. `imm` is its memory offset, lane or shuffle bytes. */
  op(name: string, args: readonly Val[], imm: number | Uint8Array = 0, lane = 0): Val {
    const op = wasmOp(name);
    check(name, op.args, args);
    if (!op.result) throw new Error(`${name} has no result`);
    return this.define(node(op.result, op, args, imm, lane));
  }

  /** An instruction without a result (stores). */
  effect(name: string, args: readonly Val[], offset = 0, lane = 0): void {
    const op = wasmOp(name);
    check(name, op.args, args);
    use(args);
    this.current.push({ k: 'effect', op, args: [...args], imm: offset, lane });
  }

  /** if (cond) a else b, both evaluated. */
  select(cond: Val, a: Val, b: Val): Val {
    if (a.type !== b.type) throw new Error(`select: ${a.type} and ${b.type}`);
    return this.define(node(a.type, 'select', [a, b, cond], 0));
  }

  call(callee: number, result: ValType | null, args: readonly Val[]): Val | null {
    if (result) return this.define(node(result, 'call', args, callee));
    use(args);
    this.current.push({ k: 'call', callee, args: [...args], tail: false });
    return null;
  }

  tailCall(callee: number, args: readonly Val[]): void {
    use(args);
    this.current.push({ k: 'call', callee, args: [...args], tail: true });
  }

  /** Tail call through table 0. */
  tailCallIndirect(type: number, args: readonly Val[], index: Val): void {
    use(args);
    use([index]);
    this.current.push({ k: 'tailIndirect', type, args: [...args], index });
  }

  var(type: ValType, init?: Val): Var {
    const v: Var = { type, index: this.newLocal(type) };
    if (init) this.set(v, init);
    return v;
  }

  get(v: Var): Val {
    return this.define(node(v.type, 'var', [], v.index));
  }

  set(v: Var, value: Val): void {
    if (v.type !== value.type) throw new Error(`set: ${value.type} into ${v.type}`);
    use([value]);
    this.current.push({ k: 'set', index: v.index, v: value });
  }

  if(cond: Val, then: () => void, otherwise?: () => void): void {
    use([cond]);
    const s: Stmt = { k: 'if', cond, then: [], else: [] };
    this.current.push(s);
    this.within(s.then, then);
    if (otherwise) this.within(s.else, otherwise);
  }

  block(body: (exit: Label) => void): void {
    this.nest('block', body);
  }

  /** Falls out at its end unless it branches to its label. */
  loop(body: (again: Label) => void): void {
    this.nest('loop', body);
  }

  br(label: Label): void {
    this.current.push({ k: 'br', label, cond: null });
  }

  brIf(label: Label, cond: Val): void {
    use([cond]);
    this.current.push({ k: 'br', label, cond });
  }

  /** br_table over `cases`; each falls to the end of the switch. */
  switch(index: Val, cases: readonly (() => void)[], otherwise: () => void): void {
    use([index]);
    const s: Stmt = { k: 'switch', index, cases: cases.map(() => []), otherwise: [] };
    this.current.push(s);
    cases.forEach((c, i) => this.within(s.cases[i], c));
    this.within(s.otherwise, otherwise);
  }

  /** Branches to labels[index], or to `otherwise`. */
  brTable(index: Val, labels: readonly Label[], otherwise: Label): void {
    use([index]);
    this.current.push({ k: 'brTable', index, labels, otherwise });
  }

  /** Puts statements before all others. */
  prologue(body: () => void): void {
    const first: Stmt[] = [];
    this.within(first, body);
    this.body.unshift(...first);
  }

  return(v?: Val): void {
    if (v) use([v]);
    this.current.push({ k: 'return', v: v ?? null });
  }

  memoryCopy(dst: Val, src: Val, length: Val): void {
    use([dst, src, length]);
    this.current.push({ k: 'copy', args: [dst, src, length] });
  }

  memoryFill(dst: Val, value: Val, length: Val): void {
    use([dst, value, length]);
    this.current.push({ k: 'fill', args: [dst, value, length] });
  }

  unreachable(): void {
    this.current.push({ k: 'unreachable' });
  }

  /** The code-section entry: locals and instructions, without its size. */
  encode(): Uint8Array {
    const code = new ByteWriter();
    dropUnused(this.body);
    this.emitAll(this.body, code);
    if (this.result) code.u8(0x00); // every path ends in a return or a tail call
    code.u8(0x0b);
    const out = new ByteWriter();
    const runs: [number, ValType][] = [];
    for (const t of this.localTypes) {
      const last = runs[runs.length - 1];
      if (last && last[1] === t) last[0]++;
      else runs.push([1, t]);
    }
    out.u32(runs.length);
    for (const [n, t] of runs) {
      out.u32(n);
      out.u8(VAL_TYPE_CODE[t]);
    }
    out.raw(code.bytes());
    return out.bytes();
  }

  private newLocal(type: ValType): number {
    this.localTypes.push(type);
    return this.params.length + this.localTypes.length - 1;
  }

  private define(v: Val): Val {
    use(v.args);
    this.current.push({ k: 'define', v });
    return v;
  }

  private within(into: Stmt[], body: () => void): void {
    const saved = this.current;
    this.current = into;
    body();
    this.current = saved;
  }

  private nest(k: 'block' | 'loop', body: (l: Label) => void): void {
    const label: Label = { id: this.nextLabel++ };
    const s: Stmt = { k, body: [], label };
    this.current.push(s);
    this.within(s.body, () => {
      body(label);
    });
  }

  private emitAll(list: readonly Stmt[], w: ByteWriter): void {
    for (const s of list) this.emitStmt(s, w);
  }

  /** Statements one or more structured blocks deeper. */
  private emitInside(list: readonly Stmt[], w: ByteWriter, label: Label | null, times = 1): void {
    for (let i = 0; i < times; i++) this.labels.push(label);
    this.emitAll(list, w);
    this.labels.length -= times;
  }

  /** A local for a temporary: one whose value is no longer needed, or a new one. */
  private temporary(type: ValType): number {
    return this.free.get(type)?.pop() ?? this.newLocal(type);
  }

  private depthOf(label: Label): number {
    const { labels } = this;
    for (let i = labels.length - 1, d = 0; i >= 0; i--, d++) if (labels[i] === label) return d;
    throw new Error('branch to a label that does not enclose it');
  }

  private emitStmt(s: Stmt, w: ByteWriter): void {
    switch (s.k) {
      case 'define': {
        const { v } = s;
        if (isPure(v) && v.uses <= 1) return; // emitted at its use
        if (v.uses === 0 && isDroppable(v)) return;
        this.emitNode(v, w);
        if (v.uses === 0) {
          w.u8(0x1a);
          return;
        }
        v.local = this.temporary(v.type);
        v.left = v.uses;
        v.loop = this.loops[this.loops.length - 1];
        w.u8(0x21);
        w.u32(v.local);
        return;
      }
      case 'effect':
        for (const a of s.args) this.emitVal(a, w);
        emitOp(s.op, s.imm, s.lane, w);
        return;
      case 'call':
        for (const a of s.args) this.emitVal(a, w);
        w.u8(s.tail ? 0x12 : 0x10);
        w.u32(s.callee);
        return;
      case 'tailIndirect':
        for (const a of s.args) this.emitVal(a, w);
        this.emitVal(s.index, w);
        w.u8(0x13);
        w.u32(s.type);
        w.u32(0);
        return;
      case 'set':
        this.emitVal(s.v, w);
        w.u8(0x21);
        w.u32(s.index);
        return;
      case 'if': {
        this.emitVal(s.cond, w);
        w.u8(0x04);
        w.u8(0x40);
        this.emitInside(s.then, w, null);
        if (s.else.length) {
          w.u8(0x05);
          this.emitInside(s.else, w, null);
        }
        w.u8(0x0b);
        return;
      }
      case 'block':
      case 'loop':
        w.u8(s.k === 'block' ? 0x02 : 0x03);
        w.u8(0x40);
        if (s.k === 'loop') this.loops.push(this.nextLoop++);
        this.emitInside(s.body, w, s.label);
        if (s.k === 'loop') this.loops.pop();
        w.u8(0x0b);
        return;
      case 'br':
        if (s.cond) this.emitVal(s.cond, w);
        w.u8(s.cond ? 0x0d : 0x0c);
        w.u32(this.depthOf(s.label));
        return;
      case 'switch': {
        // block end { block otherwise { block cN … { block c0 { br_table } c0 } … cN } otherwise }
        const n = s.cases.length;
        for (let i = 0; i < n + 2; i++) {
          w.u8(0x02);
          w.u8(0x40);
        }
        this.emitVal(s.index, w);
        w.u8(0x0e);
        w.u32(n);
        for (let i = 0; i <= n; i++) w.u32(i);
        w.u8(0x0b);
        for (let i = 0; i <= n; i++) {
          this.emitInside(i < n ? s.cases[i] : s.otherwise, w, null, n - i + 1);
          if (i < n) {
            w.u8(0x0c);
            w.u32(n - i);
          }
          w.u8(0x0b);
        }
        return;
      }
      case 'brTable':
        this.emitVal(s.index, w);
        w.u8(0x0e);
        w.u32(s.labels.length);
        for (const l of [...s.labels, s.otherwise]) w.u32(this.depthOf(l));
        return;
      case 'return':
        if (s.v) this.emitVal(s.v, w);
        w.u8(0x0f);
        return;
      case 'copy':
      case 'fill':
        for (const a of s.args) this.emitVal(a, w);
        w.u8(0xfc);
        w.u32(s.k === 'copy' ? 10 : 11);
        w.u8(0);
        if (s.k === 'copy') w.u8(0);
        return;
      case 'unreachable':
        w.u8(0x00);
        return;
    }
  }

  private emitVal(v: Val, w: ByteWriter): void {
    if (v.local >= 0) {
      w.u8(0x20);
      w.u32(v.local);
      // Within the loop that computed it nobody comes back to a value after its last use.
      if (--v.left === 0 && v.loop === this.loops[this.loops.length - 1]) {
        const list = this.free.get(v.type);
        if (list) list.push(v.local);
        else this.free.set(v.type, [v.local]);
      }
      return;
    }
    this.emitNode(v, w);
  }

  private emitConst(v: Val, w: ByteWriter): void {
    switch (v.type) {
      case 'i32':
        w.u8(0x41);
        w.s32(Number(v.imm));
        return;
      case 'i64':
        w.u8(0x42);
        w.s64(BigInt(v.imm as number | bigint));
        return;
      case 'f32':
        w.u8(0x43);
        w.f32(Number(v.imm));
        return;
      default:
        w.u8(0x44);
        w.f64(Number(v.imm));
    }
  }

  private emitNode(v: Val, w: ByteWriter): void {
    switch (v.op) {
      case 'const':
        this.emitConst(v, w);
        return;
      case 'param':
      case 'var':
        w.u8(0x20);
        w.u32(v.imm as number);
        return;
      case 'call':
        for (const a of v.args) this.emitVal(a, w);
        w.u8(0x10);
        w.u32(v.imm as number);
        return;
      case 'select':
        for (const a of v.args) this.emitVal(a, w);
        w.u8(0x1c);
        w.u8(1);
        w.u8(VAL_TYPE_CODE[v.type]);
        return;
      default:
        for (const a of v.args) this.emitVal(a, w);
        emitOp(v.op, v.imm as number | Uint8Array, v.lane, w);
    }
  }
}

function emitOp(op: Op, imm: number | Uint8Array, lane: number, w: ByteWriter): void {
  if (op.prefix) {
    w.u8(op.prefix);
    w.u32(op.code);
  } else w.u8(op.code);
  if (op.imm === 'mem' || op.imm === 'memlane') {
    w.u8(0); // alignment hint: none
    w.u32(imm as number);
  }
  if (op.imm === 'lane') w.u8(imm as number);
  if (op.imm === 'memlane') w.u8(lane);
  if (op.imm === 'bytes16') w.raw(imm as Uint8Array);
}

function node(type: ValType, op: Val['op'], args: readonly Val[], imm: Val['imm'], lane = 0): Val {
  return { type, op, args, imm, lane, uses: 0, local: -1, left: 0, loop: 0 };
}

function use(args: readonly Val[]): void {
  for (const a of args) a.uses++;
}

function check(name: string, want: readonly ValType[], got: readonly Val[]): void {
  if (want.length !== got.length || want.some((t, i) => got[i].type !== t))
    throw new Error(`${name} wants (${want.join(', ')}), got (${got.map((g) => g.type).join(', ')})`);
}

export const isPure = (v: Val): boolean => v.op === 'select' || (typeof v.op === 'object' && v.op.pure);
/** Nothing happens when it is left out. */
export const isDroppable = (v: Val): boolean =>
  isPure(v) || v.op === 'var' || (typeof v.op === 'object' && v.op.name.includes('.load'));

/** Values nobody uses do not count as uses of what they are made of. */
function dropUnused(list: readonly Stmt[]): void {
  for (let i = list.length - 1; i >= 0; i--) {
    const s = list[i];
    switch (s.k) {
      case 'define':
        if (s.v.uses === 0 && isDroppable(s.v)) for (const a of s.v.args) a.uses--;
        break;
      case 'if':
        dropUnused(s.else);
        dropUnused(s.then);
        break;
      case 'block':
      case 'loop':
        dropUnused(s.body);
        break;
      case 'switch':
        dropUnused(s.otherwise);
        for (let k = s.cases.length - 1; k >= 0; k--) dropUnused(s.cases[k]);
        break;
      default:
    }
  }
}
