/** Who changes a machine's calls: hooks and steps first, then injected faults. */
import { Injector } from '../../kernel/inject/injector.ts';
import { type Injection, type InjectionRule, makeRule, parseInjection } from '../../kernel/inject/rule.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Entropy } from '../../kernel/ports.ts';
import { type Tamperer, TamperList } from '../../kernel/syscall/tamper.ts';
import { syscalls } from '../../kernel/syscall/table.ts';

/** Checks an injection; throws RangeError with a line that says what is wrong. */
export function injectionRule(what: string | Injection): InjectionRule {
  const known = (name: string): boolean => syscalls.has(name);
  const rule = typeof what === 'string' ? parseInjection(what, known) : makeRule(what, known);
  if (!('error' in rule)) return rule;
  const said = typeof what === 'string' ? `'${what}'` : `into ${what.calls}`;
  throw new RangeError(`cannot inject ${said}: ${rule.error}`);
}

export class Tampering {
  private readonly kernel: Kernel;
  private readonly entropy: () => Entropy;
  private readonly first = new Set<Tamperer>();
  private injector: Injector | null = null;
  /** Makes a recording's changes; comes before all others. */
  private replayed: Tamperer | null = null;

  /** `entropy`: where a rule has a chance, decides; asked for once. */
  constructor(kernel: Kernel, entropy: () => Entropy) {
    this.kernel = kernel;
    this.entropy = entropy;
  }

  inject(what: string | Injection): () => void {
    const rule = injectionRule(what);
    if (rule.warning !== null) this.kernel.report(rule.warning);
    if (this.injector === null) {
      this.injector = new Injector([], this.entropy());
      this.changed();
    }
    return this.injector.add(rule);
  }

  add(tamperer: Tamperer): () => void {
    this.first.add(tamperer);
    this.changed();
    return () => {
      this.first.delete(tamperer);
      this.changed();
    };
  }

  replay(tamperer: Tamperer | null): void {
    this.replayed = tamperer;
    this.changed();
  }

  /** Faults go back with the machine (the injector's own state is found behind the kernel), hooks stay. */
  saveState(): object {
    return { injector: this.injector };
  }
  restoreState(state: object): void {
    Object.assign(this, state);
  }

  /** Puts together who changes calls. To be called when a machine was put back to another moment. */
  changed(): void {
    const list: Tamperer[] = this.replayed === null ? [] : [this.replayed];
    list.push(...this.first);
    if (this.injector !== null) list.push(this.injector);
    this.kernel.tamper = list.length === 0 ? null : list.length === 1 ? list[0] : new TamperList(list);
  }
}
