/** Names of core files: core_pattern and its % specifiers (core(5), format_corename of fs/coredump.c). */
import { RLIMIT_CORE } from '../task/rlimits.ts';
import type { Task } from '../task/task.ts';

/** RLIM_INFINITY as %lu. */
const UNLIMITED = '18446744073709551615';

/** A name in a file name: it must not become a path, nor lead upwards (cn_esc_printf). */
function escape(name: string): string {
  if (name === '.' || name === '..') return name.replace('.', '!');
  return name === '' ? '!' : name.replaceAll('/', '!');
}

export function coreName(t: Task, pattern: string, signo: number): string {
  const { kernel: k, group: g } = t;
  const exe = g.exe?.name ?? `${t.comm} (path unknown)`;
  let named = false;
  let out = '';
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] !== '%') {
      out += pattern[i];
      continue;
    }
    switch (pattern[++i]) {
      case '%':
        out += '%';
        break;
      case 'p':
      case 'P':
        named = true;
        out += g.pid;
        break;
      case 'i':
      case 'I':
        out += t.tid;
        break;
      case 'u':
        out += t.creds.uid;
        break;
      case 'g':
        out += t.creds.gid;
        break;
      case 'd':
        out += g.dumpable;
        break;
      case 's':
        out += signo;
        break;
      case 't':
        out += (BigInt(k.clock.monotonic()) + k.clock.realtimeOffset) / 1_000_000_000n;
        break;
      case 'h':
        out += escape(k.uts.nodename);
        break;
      case 'e':
        out += escape(t.comm);
        break;
      case 'f':
        out += escape(exe.slice(exe.lastIndexOf('/') + 1));
        break;
      case 'E':
        out += escape(exe);
        break;
      case 'c': {
        const { cur } = g.rlimits[RLIMIT_CORE];
        out += cur === Infinity ? UNLIMITED : cur;
        break;
      }
      case 'C':
        out += 0;
        break;
    }
  }
  return !named && k.coredump.usesPid !== 0 ? `${out}.${g.pid}` : out;
}
