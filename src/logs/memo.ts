/** Remembers what was made of a text, so that a log of millions of like lines holds it once. */
export class Memo<T> {
  private readonly known = new Map<string, T>();
  private readonly most: number;

  /** At most `most` are remembered: then it begins anew. */
  constructor(most = 50_000) {
    this.most = most;
  }

  of(key: string, make: () => T): T {
    let value = this.known.get(key);
    if (value === undefined) {
      if (this.known.size >= this.most) this.known.clear();
      this.known.set(key, (value = make()));
    }
    return value;
  }
}
