/**
 * unicorn.js's interface, and no more of it, over the native library: memory of its own, a call for each register, hooks
 * that return nothing where unicorn.js drops what they return. Bundled as CommonJS by the test, as `MUnicorn`.
 */
import { loadNativeUnicorn } from '../../src/host/unicorn-native.ts';
import { UC, type UnicornEngine, type UnicornHook } from '../../cpu/index.ts';

const METHODS = [
  'mem_map', 'mem_unmap', 'mem_read', 'mem_write', 'reg_read', 'reg_write', 'emu_start', 'emu_stop', 'context_alloc',
  'context_save', 'context_restore', 'context_free', 'ctl_set_cpu_model', 'ctl_remove_cache', 'close',
] as const; // prettier-ignore

export function MUnicorn(): Promise<unknown> {
  const native = loadNativeUnicorn();
  if (!native) throw new Error('no libunicorn');
  const Unicorn = function (this: Record<string, unknown>, arch: number, mode: number): void {
    const engine = new native.Unicorn(arch, mode);
    for (const name of METHODS) {
      const method = engine[name];
      this[name] = method.bind(engine);
    }
    this['hook_add'] = (type: number, hook: UnicornHook, ...rest: [unknown?, number?, number?, number?]) => {
      const call = hook as unknown as (self: UnicornEngine, ...args: unknown[]) => unknown;
      const self = this as unknown as UnicornEngine;
      const wrapped = (_: UnicornEngine, ...args: unknown[]): unknown => {
        const result = call(self, ...args);
        return type === UC.HOOK_MEM_INVALID ? result : undefined;
      };
      return engine.hook_add(type, wrapped, ...rest);
    };
  };
  return Promise.resolve({ Unicorn });
}
