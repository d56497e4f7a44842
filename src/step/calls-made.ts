/** What was called while one waited for another call: for the message that it never came. */
import type { CallNames } from './filter.ts';

/** How many of the last calls are told, and how many like the one that was meant. */
const LAST = 4;
const NEAREST = 3;
/** One is made where another is named, though their names have nothing in common. */
const FAMILIES = [['fork', 'vfork', 'clone', 'clone3']];

export class CallsMade {
  private readonly counts = new Map<string, number>();
  private readonly last: string[] = [];
  /** Calls that were meant, but for what they were called with. */
  private refused = 0;

  saw(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.last.push(name);
    if (this.last.length > LAST) this.last.shift();
  }

  refuse(): void {
    this.refused++;
  }

  /** "until then it called openat twice": what comes nearest to what was meant; else what was called last. */
  text(names: CallNames | undefined): string {
    if (this.refused === 1) return "'where' did not take the one there was";
    if (this.refused > 1) return `'where' took none of the ${this.refused} there were`;
    if (this.last.length === 0) return 'until then it made no call';
    const meant = typeof names === 'string' ? [names] : Array.isArray(names) ? (names as string[]) : [];
    const near = [...this.counts]
      .filter(([name]) => meant.some((m) => alike(m, name)))
      .sort((a, b) => b[1] - a[1])
      .slice(0, NEAREST);
    if (near.length > 0)
      return `until then it called ${near.map(([name, n]) => `${name} ${times(n)}`).join(', ')}`;
    return `the last it called: ${this.last.join(', ')}`;
  }
}

const times = (n: number): string => (n === 1 ? 'once' : n === 2 ? 'twice' : `${n} times`);

/** Whether one may have been meant by the other: open and openat, stat and newfstatat, dup2 and dup3, fork and clone. */
function alike(a: string, b: string): boolean {
  const [x, y] = [a, b].map((name) => name.replace(/\d+$/, ''));
  return x.includes(y) || y.includes(x) || FAMILIES.some((f) => f.includes(a) && f.includes(b));
}
