/** A task's registers by name. */
import { A64_REG, REG, type Arch, type Regs } from '../../kernel/ports.ts';

/** General registers of both architectures: rax, rip… and x0, pc…. */
export type RegisterName = keyof typeof REG | keyof typeof A64_REG;

/** Unsigned 64 bits each. Those of the task's own architecture are there; asking for another one throws RangeError. */
export type Registers = Readonly<Record<RegisterName, bigint>>;

const OF: Readonly<Record<Arch, Readonly<Record<string, number>>>> = { x86_64: REG, aarch64: A64_REG };

function missing(arch: Arch, name: string): RangeError {
  return new RangeError(`no register ${name} on ${arch}`);
}

/** Position of a register; throws RangeError for a name the architecture does not have. */
export function registerIndex(arch: Arch, name: string): number {
  const names = OF[arch];
  if (!Object.hasOwn(names, name)) throw missing(arch, name);
  return names[name];
}

/** A copy of all of them. */
export function readRegisters(regs: Regs): Registers {
  const { arch } = regs;
  const own: Record<string, bigint> = {};
  for (const [name, i] of Object.entries(OF[arch])) own[name] = regs.get(i);
  const other = arch === 'x86_64' ? 'aarch64' : 'x86_64';
  for (const name of Object.keys(OF[other])) {
    if (Object.hasOwn(own, name)) continue;
    Object.defineProperty(own, name, {
      enumerable: false,
      get: () => {
        throw missing(arch, name);
      },
    });
  }
  return own as Registers;
}
