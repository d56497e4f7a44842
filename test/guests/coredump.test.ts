/** Core files: which deaths leave one and what is in it, as on Linux; and whether gdb can read them. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestPath, nativeReason, rootPath } from '../support/guests.ts';
import { hostTool, runNative, runRing3, withFolder } from '../support/run.ts';

const ARCHES = ['x86_64', 'aarch64'] as const;
const COMPILER = { x86_64: '/usr/bin/gcc', aarch64: '/usr/bin/aarch64-linux-gnu-gcc' };
const EXPECTED = readFileSync(rootPath('test/guests/coredump.txt'), 'latin1');
const GDB = hostTool('/usr/bin/gdb-multiarch', 'gdb-multiarch', 'core files in gdb');

/** Whether this machine writes cores as Linux does by itself. */
function plainCores(): boolean {
  if (nativeReason() !== null) return false;
  const read = (name: string): string => readFileSync(`/proc/sys/kernel/${name}`, 'latin1').trim();
  const hard = /^Max core file size +\S+ +unlimited/m.test(readFileSync('/proc/self/limits', 'latin1'));
  return hard && read('core_pattern') === 'core' && read('core_uses_pid') === '0';
}

interface Note {
  readonly owner: string;
  readonly type: number;
  readonly desc: Buffer;
}

/** An ELF core file, taken apart. */
class Core {
  readonly machine: number;
  readonly notes: Note[] = [];
  readonly loads: { start: number; memsz: number; filesz: number; offset: number; flags: number }[] = [];
  private readonly file: Buffer;

  constructor(path: string) {
    const b = (this.file = readFileSync(path));
    expect(b.subarray(0, 7).toString('hex')).toBe('7f454c46020101');
    expect(b.readUInt16LE(16)).toBe(4); // ET_CORE
    this.machine = b.readUInt16LE(18);
    for (let i = 0, at = Number(b.readBigUInt64LE(32)); i < b.readUInt16LE(56); i++, at += 56) {
      const word = (n: number): number => Number(b.readBigUInt64LE(at + n));
      const [type, flags] = [b.readUInt32LE(at), b.readUInt32LE(at + 4)];
      const [offset, start, filesz, memsz] = [word(8), word(16), word(32), word(40)];
      if (type === 4) this.readNotes(b.subarray(offset, offset + filesz));
      else {
        expect(type).toBe(1);
        expect(offset + filesz).toBeLessThanOrEqual(b.length);
        this.loads.push({ start, memsz, filesz, offset, flags });
      }
    }
  }

  private readNotes(b: Buffer): void {
    const up = (n: number): number => (n + 3) & ~3;
    for (let at = 0; at < b.length;) {
      const [namesz, descsz] = [b.readUInt32LE(at), b.readUInt32LE(at + 4)];
      const desc = at + 12 + up(namesz);
      const owner = b.toString('latin1', at + 12, at + 11 + namesz);
      this.notes.push({ owner, type: b.readUInt32LE(at + 8), desc: b.subarray(desc, desc + descsz) });
      at = desc + up(descsz);
    }
  }

  all(type: number): Buffer[] {
    return this.notes.filter((n) => n.type === type).map((n) => n.desc);
  }

  memory(address: number, length: number): Buffer | null {
    const p = this.loads.find((s) => address >= s.start && address + length <= s.start + s.filesz);
    return p ? this.file.subarray(p.offset + address - p.start, p.offset + address - p.start + length) : null;
  }
}

describe.each(ARCHES)('core files of %s programs', (arch) => {
  const guest = guestPath('coredump', arch);
  const x86 = arch === 'x86_64';

  it.skipIf(!guest)('are left by the deaths that leave one, as core(5) has it', async () => {
    const { stdout, stderr, status } = await runRing3(guest!);
    expect({ stdout, stderr, status }).toEqual({ stdout: EXPECTED, stderr: '', status: 0 });
  });

  it.skipIf(!guest || !x86 || !plainCores())('are as on this machine', async () => {
    expect((await runNative(guest!)).stdout).toBe(EXPECTED);
  });

  it.skipIf(!guest)('go to the host with --core', () =>
    withFolder(async (dir) => {
      const r = await runRing3(guest!, ['crash'], { ring3: ['--core', join(dir, 'core.%e.%s.%p.%%')] });
      expect(r.status).toBe(139);
      const [name] = readdirSync(dir);
      expect(name).toBe('core.coredump.11.1000.%');
      expect(r.stderr).toBe(`ring3: core dumped to ${join(dir, name)}\n`);
      expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
      const core = new Core(join(dir, name));
      expect(core.machine).toBe(x86 ? 62 : 183);

      const [answer, tid] = /^answer 0x([0-9a-f]+) tid (\d+)\n$/.exec(r.stdout)!.slice(1);
      expect(core.memory(parseInt(answer, 16), 4)!.readInt32LE()).toBe(42);
      const threads = core.all(1);
      expect(threads.map((t) => t.readInt32LE(32))).toEqual([0, 1, 2].map((n) => Number(tid) + n));
      for (const t of threads) {
        const sp = Number(t.readBigUInt64LE(112 + 8 * (x86 ? 19 : 31)));
        const pc = Number(t.readBigUInt64LE(112 + 8 * (x86 ? 16 : 32)));
        expect(core.memory(sp, 64)).not.toBeNull();
        expect(core.loads.find((s) => pc >= s.start && pc < s.start + s.memsz)!.flags).toBe(5);
      }
      const order = core.notes.map((n) => `${n.owner} ${n.type.toString(16)}`);
      const thread = x86 ? ['CORE 2', 'LINUX 202'] : ['CORE 2', 'LINUX 401', 'LINUX 404'];
      const process = ['CORE 3', 'CORE 53494749', 'CORE 6', 'CORE 46494c45'];
      expect(order).toEqual(['CORE 1', ...process, ...thread, 'CORE 1', ...thread, 'CORE 1', ...thread]);
      const [info] = core.all(0x53494749);
      expect([info.readInt32LE(0), info.readInt32LE(8), info.readBigUInt64LE(16)]).toEqual([11, 1, 0x1230n]);
      const [files] = core.all(0x46494c45);
      expect(files.toString('latin1')).toContain(`\0${guest}\0`);
      // AT_ENTRY is what the program's own header says.
      const [auxv] = core.all(6);
      const entries = Array.from({ length: auxv.length / 16 }, (_, i): [number, bigint] => [
        Number(auxv.readBigUInt64LE(16 * i)),
        auxv.readBigUInt64LE(16 * i + 8),
      ]);
      expect(new Map(entries).get(9)).toBe(readFileSync(guest!).readBigUInt64LE(24));
    }),
  );

  it.skipIf(!GDB || !existsSync(COMPILER[arch]))('show gdb threads, frames and variables', () =>
    withFolder(async (dir) => {
      const program = join(dir, 'crashing');
      const source = rootPath('guests/c/coredump.c');
      execFileSync(COMPILER[arch], ['-g', '-O0', '-w', '-static', '-pthread', '-o', program, source]);
      const file = join(dir, 'core');
      await runRing3(program, ['crash'], { ring3: ['--core', file] });
      const commands = [
        'info threads',
        'thread apply all bt',
        'p answer',
        'p text',
        'p $_siginfo.si_signo',
        'p depth',
      ];
      const args = ['-nx', '-batch', ...commands.flatMap((c) => ['-ex', c]), program, file];
      const text = execFileSync(GDB!, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      expect(text).toContain('Program terminated with signal SIGSEGV');
      expect(text).toMatch(/#0 .* inner \(p=0x1230, depth=0\)/);
      expect(text).toMatch(/#3 .* inner \(p=0x1230, depth=3\)/);
      expect(text).toMatch(/#5 .* main \(argc=2, /);
      expect(text.match(/^#\d+ .* worker \(arg=0x[12]\)/gm)).toHaveLength(2);
      expect(text).toContain('$1 = 42\n');
      expect(text).toMatch(/\$2 = 0x[0-9a-f]+ "text in a core"\n/);
      expect(text).toContain('$3 = 11\n');
    }),
  );
});

describe('--core', () => {
  const guest = guestPath('coredump');

  it.skipIf(!guest)('says when its folder is not there', async () => {
    const r = await runRing3(guest!, ['crash'], { ring3: ['--core', '/nonexistent/folder/core'] });
    expect(r.status).toBe(125);
    expect(r.stderr).toMatch(/cannot write core files to \/nonexistent\/folder: /);
  });

  it.skipIf(!guest)('writes over core files alone', () =>
    withFolder(async (dir) => {
      const r = await runRing3(guest!, ['crash'], { ring3: ['--core', '/dev/null'] });
      expect(r.stderr).toBe(
        'ring3: the core file /dev/null could not be written: it is there and is no regular file\n',
      );
      expect(r.status).toBe(139);
      expect(existsSync('/dev/null')).toBe(true);
      expect(readdirSync(dir)).toEqual([]);
    }),
  );
});

const BUSYBOX = hostTool('/usr/bin/busybox', 'busybox-static', "core files' names");

describe.skipIf(!BUSYBOX)('core_pattern', () => {
  const names = async (...settings: string[]): Promise<string> => {
    const script = [
      'cd /tmp; ulimit -c unlimited; unset LD_LIBRARY_PATH',
      ...settings,
      "/usr/bin/busybox sh -c 'kill -SEGV $$' 2>/dev/null; echo $?; ls -A /tmp",
    ].join('\n');
    return (await runRing3(BUSYBOX!, ['sh', '-c', script], { ring3: ['--hostname', 'a-host'] })).stdout;
  };
  const set = (name: string, to: string): string => `echo '${to}' > /proc/sys/kernel/${name}`;

  it('names them', async () => {
    expect(await names()).toBe('139\ncore\n');
    expect(await names(set('core_uses_pid', '1'))).toBe('139\ncore.1001\n');
    const all = set('core_pattern', '/tmp/%e.%f.%E.%p.%i.%u.%g.%d.%s.%h.%c.%%.%Z%');
    const limit = '18446744073709551615';
    expect(await names(all)).toBe(
      `139\nbusybox.busybox.!usr!bin!busybox.1001.1001.0.0.1.11.a-host.${limit}.%.\n`,
    );
    expect(await names(set('core_uses_pid', '1'), set('core_pattern', '%p'))).toBe('139\n1001\n');
  });

  it('starts no programs outside of the guest', async () => {
    expect(await names(set('core_pattern', '|/bin/sh'))).toBe('139\n');
  });
});
