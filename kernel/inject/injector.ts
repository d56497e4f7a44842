/** Fault injection: counts each task's calls and tampers with those the rules name, in the way and order strace does. */
import type { Entropy } from '../ports.ts';
import { sendSignal } from '../signal/send.ts';
import { SI_KERNEL } from '../signal/numbers.ts';
import { type Poke, type Tamperer, tamperingOf } from '../syscall/tamper.ts';
import type { Task } from '../task/task.ts';
import type { InjectionRule } from './rule.ts';

/** Draws of `chance`: out of so many. */
const DRAWS = 2 ** 24;

export class Injector implements Tamperer {
  /** The last rule that names a call is the one that counts for it, as in strace. */
  private rules: readonly InjectionRule[];
  private readonly entropy: Entropy;
  /** Rule by call name, null: none. */
  private readonly found = new Map<string, InjectionRule | null>();

  /** `entropy` decides where a rule has a chance. */
  constructor(rules: readonly InjectionRule[], entropy: Entropy) {
    this.rules = rules;
    this.entropy = entropy;
  }

  /** Takes another rule in; it comes before those there are. Returns what takes it back. */
  add(rule: InjectionRule): () => void {
    this.rules = [...this.rules, rule];
    this.found.clear();
    return () => {
      this.rules = this.rules.filter((r) => r !== rule);
      this.found.clear();
    };
  }

  enter(t: Task): void {
    const { kernel, row } = t;
    if (row === null) return;
    if (kernel.tracer?.shows?.(t) === false) return;
    const rule = this.ruleFor(row.name, t.nr);
    if (rule === null) return;
    const counts = (t.callCounts ??= new Map<string, number>());
    const n = (counts.get(row.name) ?? 0) + 1;
    counts.set(row.name, n);
    if (n < rule.first || n > rule.last || (n - rule.first) % rule.step !== 0) return;
    if (rule.chance < 1 && this.entropy.below(DRAWS) >= rule.chance * DRAWS) return;
    this.tamper(t, rule);
  }

  private tamper(t: Task, rule: InjectionRule): void {
    const tampering = tamperingOf(t);
    if (rule.signal !== 0) sendSignal(t, { signo: rule.signal, code: SI_KERNEL });
    if (rule.result !== null && tampering.result === null) {
      tampering.result = rule.result;
      tampering.error = rule.isError;
      tampering.instead = rule.syscall;
    }
    tampering.delayEnter += rule.delayEnter;
    tampering.delayExit += rule.delayExit;
    tampering.pokeExit = rule.pokeExit;
    for (const p of rule.pokeEnter) poke(t, p);
  }

  exit(t: Task): void {
    if (t.tampering === null) return;
    for (const p of t.tampering.pokeExit) poke(t, p);
  }

  private ruleFor(name: string, nr: number): InjectionRule | null {
    let rule = this.found.get(name);
    if (rule === undefined) {
      rule = this.rules.findLast((r) => r.applies(name, nr)) ?? null;
      this.found.set(name, rule);
    }
    return rule;
  }
}

function poke(t: Task, p: Poke): void {
  const { kernel, row } = t;
  const have = row?.args.length ?? 0;
  const where = `argument ${p.arg + 1} of ${row?.name ?? 'the call'}`;
  if (p.arg >= have) {
    kernel.reportOnce(`poke ${where}`, `nothing was written to ${where}: it has only ${have} arguments`);
  } else if (t.mm.copyOut(t.args.ptr(p.arg), p.bytes) < 0) {
    const at = t.args.ptr(p.arg).toString(16);
    kernel.reportOnce(`poke ${where}`, `nothing was written to ${where}: the guest cannot write at 0x${at}`);
  } else tamperingOf(t).poked = true;
}
