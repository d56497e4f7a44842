/** Functions of the machine's owner: hooks, conditions, listeners, outputs. What they throw is no fault of ring3's. */
import type { BootOptions, OutputSink } from './options.ts';

export class Owners {
  /** What one threw last. */
  private thrown: { readonly error: unknown } | null = null;

  call<T>(f: () => T): T {
    try {
      return f();
    } catch (error) {
      this.thrown = { error };
      throw error;
    }
  }

  /** Whether one of them threw this. */
  threw(error: unknown): boolean {
    return this.thrown !== null && this.thrown.error === error;
  }

  /** The same options, their functions called as the owner's. */
  options<O extends BootOptions>(options: O): O {
    const { stdout, stderr, report } = options;
    const sink = (f: OutputSink): OutputSink => (bytes) => this.call(() => f(bytes)); // prettier-ignore
    return {
      ...options,
      ...(typeof stdout === 'function' ? { stdout: sink(stdout) } : {}),
      ...(typeof stderr === 'function' ? { stderr: sink(stderr) } : {}),
      ...(report ? { report: (line: string) => this.call(() => report(line)) } : {}),
    };
  }
}
