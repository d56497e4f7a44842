/**
 * A function that was encoded, as text: folded instructions after the specification's text format (core spec 2.0, 6.5),
 * one statement a line. Labels are $b and $l with their number.
 */
import { isDroppable, isPure, type Fn, type Label, type Stmt, type Val } from './function.ts';

export interface FunctionNames {
  /** Of a function by its index. */
  callee(index: number): string;
}

export function functionText(fn: Fn, names: FunctionNames): string {
  const lines: string[] = [];
  const labels = new Map<Label, string>();
  const params = fn.params.map((t) => ` (param ${t})`).join('');
  lines.push(`(func${params}${fn.result ? ` (result ${fn.result})` : ''}`);
  const types = new Map<string, number>();
  for (const t of fn.locals) types.set(t, (types.get(t) ?? 0) + 1);
  if (types.size > 0) lines.push(`  ;; locals: ${[...types].map(([t, n]) => `${n} ${t}`).join(', ')}`);

  const node = (v: Val): string => {
    const args = v.args.map((a) => ` ${value(a)}`).join('');
    switch (v.op) {
      case 'const':
        return `(${v.type}.const ${String(v.imm)})`;
      case 'param':
      case 'var':
        return `(local.get ${v.imm as number})`;
      case 'call':
        return `(call $${names.callee(v.imm as number)}${args})`;
      case 'select':
        return `(select${args})`;
      default:
        return `(${v.op.name}${immediate(v.op.imm, v.imm, v.lane)}${args})`;
    }
  };
  const value = (v: Val): string => (v.local >= 0 ? `(local.get ${v.local})` : node(v));
  const immediate = (kind: string, imm: Val['imm'], lane: number): string => {
    if (kind === 'mem' || kind === 'memlane')
      return `${imm === 0 ? '' : ` offset=${imm as number}`}${kind === 'memlane' ? ` ${lane}` : ''}`;
    if (kind === 'lane') return ` ${imm as number}`;
    return kind === 'bytes16' ? ` i8x16 ${(imm as Uint8Array).join(' ')}` : '';
  };
  const list = (body: readonly Stmt[], depth: number): void => {
    for (const s of body) statement(s, depth);
  };
  const statement = (s: Stmt, depth: number): void => {
    const say = (text: string): void => void lines.push('  '.repeat(depth) + text);
    const args = (all: readonly Val[]): string => all.map((a) => ` ${value(a)}`).join('');
    switch (s.k) {
      case 'define': {
        const { v } = s;
        if ((isPure(v) && v.uses <= 1) || (v.uses === 0 && isDroppable(v))) return; // part of its use
        say(v.uses === 0 ? `(drop ${node(v)})` : `(local.set ${v.local} ${node(v)})`);
        return;
      }
      case 'effect':
        say(`(${s.op.name}${immediate(s.op.imm, s.imm, s.lane)}${args(s.args)})`);
        return;
      case 'call':
        say(`(${s.tail ? 'return_call' : 'call'} $${names.callee(s.callee)}${args(s.args)})`);
        return;
      case 'tailIndirect':
        say(`(return_call_indirect${args(s.args)} ${value(s.index)})`);
        return;
      case 'set':
        say(`(local.set ${s.index} ${value(s.v)})`);
        return;
      case 'if':
        say(`(if ${value(s.cond)} (then`);
        list(s.then, depth + 1);
        if (s.else.length > 0) {
          say(') (else');
          list(s.else, depth + 1);
        }
        say('))');
        return;
      case 'block':
      case 'loop': {
        const name = `$${s.k === 'block' ? 'b' : 'l'}${labels.size}`;
        labels.set(s.label, name);
        say(`(${s.k} ${name}`);
        list(s.body, depth + 1);
        say(')');
        return;
      }
      case 'br':
        say(s.cond ? `(br_if ${labels.get(s.label)} ${value(s.cond)})` : `(br ${labels.get(s.label)})`);
        return;
      case 'brTable': {
        const targets = [...s.labels, s.otherwise].map((l) => labels.get(l)).join(' ');
        say(`(br_table ${targets} ${value(s.index)})`);
        return;
      }
      case 'switch':
        say(`;; switch ${value(s.index)}`);
        s.cases.forEach((c, i) => {
          say(`;; case ${i}`);
          list(c, depth + 1);
        });
        say(';; otherwise');
        list(s.otherwise, depth + 1);
        say(';; end of switch');
        return;
      case 'return':
        say(`(return${s.v ? ` ${value(s.v)}` : ''})`);
        return;
      case 'copy':
      case 'fill':
        say(`(memory.${s.k}${args(s.args)})`);
        return;
      default:
        say('(unreachable)');
    }
  };
  list(fn.statements, 1);
  lines.push(')');
  return lines.join('\n');
}
