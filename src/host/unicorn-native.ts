/** Debian's libunicorn through koffi, in unicorn.js's shape and with what a library in our own process can do beside. */
import { createRequire } from 'node:module';
import type * as koffiNamespace from 'koffi';
import type {
  BlockHook,
  InstructionHook,
  InterruptHook,
  MemoryHook,
  RegisterBlock,
  RegisterPlace,
  UnicornEngine,
  UnicornHook,
  UnicornModule,
} from '../../cpu/index.ts';
import { UC } from '../../cpu/index.ts';

type Koffi = typeof koffiNamespace;
type Pointer = bigint;
type CFunction = (...args: unknown[]) => number;

const LIBRARIES = ['libunicorn.so.2', 'libunicorn.2.dylib', 'unicorn.dll'];
/** uc_ctl's control words: type | arguments << 26 | write << 30. */
const CTL_CPU_MODEL = (7 | (1 << 26) | (1 << 30)) >>> 0;
const CTL_TB_REMOVE_CACHE = (9 | (2 << 26) | (1 << 30)) >>> 0;
/** How far into the engine's struct the instruction counter is looked for. */
const STRUCT_BYTES = 4096;

const lib = (koffi: Koffi, file: string) => {
  const so = koffi.load(file);
  const f = (prototype: string): CFunction => so.func(prototype) as CFunction;
  return {
    koffi,
    open: f('int uc_open(int arch, int mode, _Out_ void **uc)'),
    close: f('int uc_close(void *uc)'),
    strerror: so.func('const char *uc_strerror(int error)') as unknown as (error: number) => string,
    map: f('int uc_mem_map(void *uc, uint64_t address, size_t size, uint32_t perms)'),
    mapPtr: f('int uc_mem_map_ptr(void *uc, uint64_t address, size_t size, uint32_t perms, void *at)'),
    unmap: f('int uc_mem_unmap(void *uc, uint64_t address, size_t size)'),
    memRead: f('int uc_mem_read(void *uc, uint64_t address, void *bytes, size_t size)'),
    memWrite: f('int uc_mem_write(void *uc, uint64_t address, void *bytes, size_t size)'),
    regRead: f('int uc_reg_read(void *uc, int id, void *value)'),
    regWrite: f('int uc_reg_write(void *uc, int id, void *value)'),
    regReadBatch: f('int uc_reg_read_batch(void *uc, void *ids, void *values, int count)'),
    regWriteBatch: f('int uc_reg_write_batch(void *uc, void *ids, void *values, int count)'),
    start: f('int uc_emu_start(void *uc, uint64_t begin, uint64_t until, uint64_t timeout, size_t count)'),
    stop: f('int uc_emu_stop(void *uc)'),
    contextAlloc: f('int uc_context_alloc(void *uc, _Out_ void **context)'),
    contextSave: f('int uc_context_save(void *uc, void *context)'),
    contextRestore: f('int uc_context_restore(void *uc, void *context)'),
    contextFree: f('int uc_context_free(void *context)'),
    ctl: f('int uc_ctl(void *uc, int control, ...)'),
    hookAdd: f('int uc_hook_add(void *uc, _Out_ size_t *hook, int type, void *fn, void *data, uint64_t begin, uint64_t end, ...)'),
    stopAddress: koffi.address(so.symbol('uc_emu_stop')),
    interrupt: koffi.pointer(koffi.proto('void(void *uc, uint32_t intno, void *data)')),
    instruction: koffi.pointer(koffi.proto('int(void *uc, void *data)')),
    access: koffi.pointer(
      koffi.proto('bool(void *uc, int type, uint64_t address, int size, int64_t value, void *data)'),
    ),
    block: koffi.pointer(koffi.proto('void(void *uc, uint64_t address, uint32_t size, void *data)')),
  };
}; // prettier-ignore
type Library = ReturnType<typeof lib>;

/**
 * A new module, to be attached to one machine's memory; null when koffi or the library is not there.
 * koffi is required, not imported: the command line is a plain script, which can import nothing.
 */
export function loadNativeUnicorn(): UnicornModule | null {
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch {
    return null;
  }
  for (const name of LIBRARIES) {
    let library: Library;
    try {
      library = lib(koffi, name);
    } catch {
      continue;
    }
    return nativeModule(library);
  }
  return null;
}

function nativeModule(library: Library): UnicornModule {
  let base = 0n;
  return {
    attach(memory): void {
      base = library.koffi.address(new Uint8Array(memory));
    },
    Unicorn: class extends NativeEngine {
      constructor(arch: number, mode: number) {
        super(library, () => base, arch, mode);
      }
    },
  };
}

class NativeEngine implements UnicornEngine {
  private readonly lib: Library;
  private readonly base: () => bigint;
  private readonly uc: Pointer;
  private readonly callbacks: Pointer[] = [];
  private started = false;

  constructor(library: Library, base: () => bigint, arch: number, mode: number) {
    this.lib = library;
    this.base = base;
    const out: [Pointer | null] = [null];
    this.check('uc_open', library.open(arch, mode, out));
    this.uc = out[0]!;
  }

  private check(name: string, error: number): void {
    if (error !== 0) throw new Error(`${name} failed with code ${error}: ${this.lib.strerror(error)}`);
  }

  mem_map(address: number, size: number, perms: number): void {
    this.check('uc_mem_map', this.lib.map(this.uc, address, size, perms));
  }
  map_linear(address: number, size: number, perms: number, linear: number): void {
    this.check(
      'uc_mem_map_ptr',
      this.lib.mapPtr(this.uc, address, size, perms, this.base() + BigInt(linear)),
    );
  }
  mem_unmap(address: number, size: number): void {
    this.check('uc_mem_unmap', this.lib.unmap(this.uc, address, size));
  }
  mem_read(address: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    this.check('uc_mem_read', this.lib.memRead(this.uc, address, bytes, size));
    return bytes;
  }
  mem_write(address: number, bytes: Uint8Array): void {
    this.check('uc_mem_write', this.lib.memWrite(this.uc, address, bytes, bytes.length));
  }
  reg_read(id: number, size: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(size, 16));
    this.check('uc_reg_read', this.lib.regRead(this.uc, id, bytes));
    return bytes.subarray(0, size);
  }
  reg_write(id: number, bytes: Uint8Array): void {
    this.check('uc_reg_write', this.lib.regWrite(this.uc, id, bytes));
  }

  register_block(registers: readonly RegisterPlace[]): RegisterBlock {
    const ids = Int32Array.from(registers, (r) => r.id);
    const base = this.base();
    const places = BigUint64Array.from(registers, (r) => base + BigInt(r.at));
    const { lib: library, uc } = this;
    return {
      read: (): void => {
        this.check('uc_reg_read_batch', library.regReadBatch(uc, ids, places, ids.length));
      },
      write: (): void => {
        this.check('uc_reg_write_batch', library.regWriteBatch(uc, ids, places, ids.length));
      },
    };
  }

  hook_add(type: number, hook: UnicornHook, _data?: unknown, begin = 1, end = 0, extra?: number): unknown {
    const { koffi } = this.lib;
    let fn: (...args: never[]) => unknown;
    let prototype;
    if (type === UC.HOOK_INTR) {
      prototype = this.lib.interrupt;
      fn = (_uc: unknown, intno: number): void => {
        (hook as InterruptHook)(this, intno);
      };
    } else if (type === UC.HOOK_INSN) {
      prototype = this.lib.instruction;
      fn = (): number => Number((hook as InstructionHook)(this) ?? 0);
    } else if (type === UC.HOOK_BLOCK) {
      prototype = this.lib.block;
      fn = (_uc: unknown, address: number | bigint, size: number): void => {
        (hook as BlockHook)(this, address, size);
      };
    } else {
      prototype = this.lib.access;
      fn = (_uc: unknown, kind: number, address: number | bigint, size: number): boolean =>
        (hook as MemoryHook)(this, kind, address, size);
    }
    const callback = koffi.register(fn, prototype);
    this.callbacks.push(callback);
    return this.addHook(type, callback, begin, end, extra);
  }

  /** Unicorn calls its own uc_emu_stop, whose first argument is a hook's. */
  stop_at(instruction: number): void {
    this.addHook(UC.HOOK_INSN, this.lib.stopAddress, 1, 0, instruction);
  }

  private addHook(type: number, fn: Pointer, begin: number, end: number, extra?: number): number {
    const out: [number] = [0];
    const more = extra === undefined ? [] : ['int', extra];
    this.check('uc_hook_add', this.lib.hookAdd(this.uc, out, type, fn, null, begin, end, ...more));
    return out[0];
  }

  emu_start(begin: number, until: number, timeout: number, count: number): void {
    const error = this.lib.start(this.uc, begin, until, timeout, count);
    if (!this.started) {
      this.started = true;
      this.findCounter(count);
    }
    this.check('uc_emu_start', error);
  }
  emu_stop(): void {
    this.lib.stop(this.uc);
  }

  context_alloc(): Pointer {
    const out: [Pointer | null] = [null];
    this.check('uc_context_alloc', this.lib.contextAlloc(this.uc, out));
    return out[0]!;
  }
  context_save(context: unknown): void {
    this.check('uc_context_save', this.lib.contextSave(this.uc, context));
  }
  context_restore(context: unknown): void {
    this.check('uc_context_restore', this.lib.contextRestore(this.uc, context));
  }
  context_free(context: unknown): void {
    this.lib.contextFree(context);
  }

  ctl_set_cpu_model(model: number): void {
    this.check('uc_ctl', this.lib.ctl(this.uc, CTL_CPU_MODEL, 'int', model));
  }
  ctl_remove_cache(address: number, end: number): void {
    this.check('uc_ctl', this.lib.ctl(this.uc, CTL_TB_REMOVE_CACHE, 'uint64_t', address, 'uint64_t', end));
  }

  /** There once the first start showed where the library keeps its count. */
  instructions?: () => number;

  /** emu_counter and emu_count lie side by side in struct uc_struct, and no function tells of them. */
  private findCounter(count: number): void {
    const words = new BigUint64Array(this.lib.koffi.view(this.uc, STRUCT_BYTES));
    const at = words.indexOf(BigInt(count));
    if (at < 1) return;
    this.instructions = (): number => Number(words[at - 1]);
  }

  close(): void {
    this.lib.close(this.uc);
    for (const callback of this.callbacks) this.lib.koffi.unregister(callback);
  }
}
