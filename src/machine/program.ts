/** The machine's first program: found and checked on the host, where there are words for what is wrong with it. */
import { ERRNO } from '../../kernel/abi/errno.ts';
import { S_IFREG } from '../../kernel/fs/inode.ts';
import type { Vfs } from '../../kernel/fs/vfs.ts';
import { type ElfPlan, planElf, type RefusalKind } from '../../loader/elf.ts';
import { parseScript } from '../../loader/script.ts';
import { readProgram } from '../host/program.ts';
import type { Arch } from '../../kernel/ports.ts';
import { BootError } from './errors.ts';
import { toBinary } from './guest-files.ts';
import type { BootOptions } from './options.ts';

const PAGE = 4096;
/** Where a program given as bytes lies in the guest, unless it is told. */
const PROGRAM_PATH = '/bin/program';

const ADVICE: Readonly<Record<RefusalKind, string>> = {
  'not-elf': 'a script needs a #! line, or its interpreter as the program',
  truncated: 'build or copy it again',
  malformed: 'build or copy it again',
  'not-executable': 'link it with: gcc -static',
  'wrong-class': 'build it for x86_64 or aarch64',
  'wrong-endian': 'build it for x86_64 or aarch64',
  'wrong-machine': 'build it for x86_64 or aarch64',
};

export interface Program {
  readonly bytes: Uint8Array;
  /** Absolute guest path. */
  readonly path: string;
  /** The name execve gets: AT_EXECFN. */
  readonly name: string;
  readonly mode: number;
  /** What it is for; null: a script, that says nothing. */
  readonly arch: Arch | null;
  /** The other file it runs by: a script's interpreter or PT_INTERP. */
  readonly needs: Need | null;
}

interface Need {
  readonly path: string;
  readonly script: boolean;
}

/** Reads and checks the program. What cannot be an executable is refused here, where the reason can be told. */
export function findProgram(options: BootOptions): Program {
  let bytes: Uint8Array;
  let path: string;
  let mode = options.mode ?? 0o755;
  if (typeof options.program === 'string') {
    const found = readProgram(options.program);
    bytes = found.bytes;
    path = found.path;
    mode = options.mode ?? found.mode;
  } else {
    bytes = options.program;
    path = options.hostPath ?? options.path ?? PROGRAM_PATH;
  }
  const name = options.path ?? path;
  const script = parseScript(bytes.subarray(0, 256));
  if (script !== null)
    return { bytes, path, name, mode, arch: null, needs: { path: script.interpreter, script: true } };

  const refuse = (why: string): BootError => new BootError('not-executable', `${name} ${why}`);
  const plan = planElf(bytes);
  if (!plan.ok) throw refuse(`cannot be run: it is ${plan.reason}; ${ADVICE[plan.kind]}`);
  if (isCutOff(plan, bytes.length)) {
    throw refuse(
      `cannot be run: it is a truncated ELF file: it ends before its segments do; ${ADVICE.truncated}`,
    );
  }
  if (plan.interp !== null && (options.mounts ?? []).length === 0) {
    throw refuse(
      `is dynamically linked (it needs ${plan.interp}); link it with -static, or give it a root file system with --root`,
    );
  }
  return {
    bytes, path, name, mode, arch: plan.arch, needs: plan.interp === null ? null : { path: plan.interp, script: false },
  }; // prettier-ignore
}

/** A bare name's first executable on the guest's PATH, as docker finds it; otherwise the name as it is. */
export function findInRoot(vfs: Vfs, name: string, path: string): string {
  if (name.includes('/')) return name;
  for (const dir of path.split(':').filter((d) => d.startsWith('/'))) {
    const at = vfs.find(toBinary(`${dir}/${name}`));
    if (typeof at !== 'number' && at.inode.type === S_IFREG && at.inode.mode & 0o111) return `${dir}/${name}`;
  }
  return name;
}

/** A whole page of a segment is missing: Linux would start it and kill it when it gets there, without a word. */
function isCutOff(plan: ElfPlan, size: number): boolean {
  const end = Math.ceil(size / PAGE) * PAGE;
  return plan.segments.some((s) => s.filesz > 0 && s.offset + s.filesz > end);
}

/** The first execve failed. `inRoot`: the program is a path in --root. */
export function spawnError(
  program: Pick<Program, 'name' | 'needs'>,
  errno: number,
  cwd: string,
  inRoot: boolean,
): BootError {
  const { name, needs } = program;
  const [code, text] = ERRNO[errno] ?? [String(errno), 'unknown error'];
  if (code !== 'ENOENT')
    return new BootError('not-executable', `${name}: the guest's kernel cannot run it: ${text} (${code})`);
  if (needs?.script) {
    return new BootError(
      'not-executable',
      `${name} is a script for ${needs.path}, which the guest does not have; run a static interpreter on it ` +
        `(ring3 run -v "$PWD:$PWD" /usr/bin/bash-static ${name}), or give it a root file system with --root`,
    );
  }
  if (needs) {
    return new BootError(
      'not-executable',
      `${name} is dynamically linked and no mount holds ${needs.path}; link it with -static, or give it a root file system with --root`,
    );
  }
  const hint =
    inRoot && !name.includes('/') ? 'name it by its path there, as /bin/busybox' : `working directory ${cwd}`;
  return new BootError('missing', `${name}: no such file in the guest (${hint})`);
}
