/** sysfs, as far as programs look: processors, NUMA, huge pages, network interfaces (sysfs(5)). */
import { EACCES, EINVAL } from '../../abi/errno.ts';
import type { Kernel } from '../../kernel.ts';
import { PAGE_SIZE } from '../../ports.ts';
import {
  GeneratedDir, GeneratedFile, GeneratedFs, GeneratedLink, wantsWrite, type Accept,
} from '../proc/generated.ts'; // prettier-ignore
import { allCpus, cpuList, cpuMask } from '../proc/status-files.ts';

const SYSFS_MAGIC = 0x62656572;
const ROOT_INO = 1;

/** A file's text without its newline, or one that takes writes. */
export type SysValue =
  string | number | (() => string | number) | { get: () => string | number; set: Accept };

/** Directories are records, symlinks `{ link }`. */
export interface SysTree {
  readonly [name: string]: SysTree | SysValue | { readonly link: string };
}

const isLink = (v: object): v is { link: string } => 'link' in v && typeof v.link === 'string';
const isSettable = (v: object): v is { get: () => string | number; set: Accept } =>
  typeof (v as { set?: unknown }).set === 'function';

/** Builds directories, files and links from a description. Shared with cgroupfs. */
export function addTree(fs: GeneratedFs, dir: GeneratedDir, tree: SysTree, size: number): void {
  for (const [name, v] of Object.entries(tree)) {
    if (typeof v === 'string' || typeof v === 'number')
      dir.add(
        name,
        sysFile(fs, () => v, null, size),
      );
    else if (typeof v === 'function') dir.add(name, sysFile(fs, v, null, size));
    else if (isSettable(v)) dir.add(name, sysFile(fs, v.get, v.set, size));
    else if (isLink(v)) dir.add(name, new GeneratedLink(fs, () => v.link));
    else addTree(fs, dir.add(name, new GeneratedDir(fs, 0o755)), v, size);
  }
}

/** kernfs refuses to open for writing what nobody can write, root or not. */
function sysFile(
  fs: GeneratedFs,
  get: () => string | number,
  accept: Accept | null,
  size: number,
): GeneratedFile {
  const mayOpen = accept ? undefined : (_t: unknown, flags: number) => (wantsWrite(flags) ? -EACCES : 0);
  return new GeneratedFile(fs, accept ? 0o644 : 0o444, () => text(get()), { accept, size, mayOpen });
}

const text = (v: string | number): string =>
  v === '' ? '\n' : typeof v === 'string' && v.endsWith('\n') ? v : `${v}\n`;

/** One of several words, the chosen one in brackets. */
function choice(words: readonly string[], chosen: string): SysValue {
  let now = chosen;
  return {
    get: () => words.map((w) => (w === now ? `[${w}]` : w)).join(' '),
    set: (t) => {
      const word = t.trim();
      if (!words.includes(word)) return -EINVAL;
      now = word;
      return 0;
    },
  };
}

function cpuTree(k: Kernel, i: number): SysTree {
  const { cpus } = k.options;
  const all = allCpus(cpus);
  const self = 1n << BigInt(i);
  const cache = (level: number, type: string, size: string, ways: number): SysTree => ({
    coherency_line_size: 64,
    id: i,
    level,
    number_of_sets: (parseInt(size, 10) * 1024) / (64 * ways),
    physical_line_partition: 1,
    shared_cpu_list: cpuList(self),
    shared_cpu_map: cpuMask(self, cpus),
    size,
    type,
    ways_of_associativity: ways,
  });
  return {
    topology: {
      core_cpus: cpuMask(self, cpus),
      core_cpus_list: cpuList(self),
      core_id: i,
      core_siblings: cpuMask(all, cpus),
      core_siblings_list: cpuList(all),
      die_id: 0,
      package_cpus: cpuMask(all, cpus),
      package_cpus_list: cpuList(all),
      physical_package_id: 0,
      thread_siblings: cpuMask(self, cpus),
      thread_siblings_list: cpuList(self),
    },
    cache: {
      index0: cache(1, 'Data', '32K', 8),
      index1: cache(1, 'Instruction', '32K', 8),
      index2: cache(2, 'Unified', '512K', 8),
    },
    ...(i === 0 ? {} : { online: 1 }),
    node0: { link: '../../node/node0' },
    subsystem: { link: '../../../../bus/cpu' },
    uevent: `DRIVER=processor\nMODALIAS=cpu:type:x86,ven0002fam0017mod0001:feature:\n`,
  };
}

function nodeMeminfo(k: Kernel): string {
  const kib = PAGE_SIZE / 1024;
  const row = (name: string, pages: number): string =>
    `Node 0 ${`${name}:`.padEnd(15)} ${String(pages * kib).padStart(8)} kB\n`;
  const { total, used } = k.ram;
  return row('MemTotal', total) + row('MemFree', total - used) + row('MemUsed', used);
}

function tree(k: Kernel): SysTree {
  const { cpus } = k.options;
  const list = cpuList(allCpus(cpus));
  const perCpu = Object.fromEntries(Array.from({ length: cpus }, (_, i) => [`cpu${i}`, cpuTree(k, i)]));
  const cpuLinks = Object.fromEntries(
    Array.from({ length: cpus }, (_, i) => [`cpu${i}`, { link: `../../cpu/cpu${i}` }]),
  );
  return {
    block: {},
    bus: { cpu: { devices: Object.fromEntries(
      Object.keys(perCpu).map((name) => [name, { link: `../../../devices/system/cpu/${name}` }]),
    ) } },
    class: {
      net: { lo: { link: '../../devices/virtual/net/lo' } },
      tty: {},
    },
    dev: { block: {}, char: {} },
    devices: {
      system: {
        cpu: {
          ...perCpu,
          isolated: '',
          kernel_max: 255,
          offline: '',
          online: list,
          possible: list,
          present: list,
          smt: { active: 0, control: 'notsupported' },
          vulnerabilities: {},
        },
        node: {
          has_cpu: 0,
          has_memory: 0,
          has_normal_memory: 0,
          online: 0,
          possible: 0,
          node0: {
            ...cpuLinks,
            cpulist: list,
            cpumap: cpuMask(allCpus(cpus), cpus),
            distance: 10,
            meminfo: () => nodeMeminfo(k),
            hugepages: {},
          },
        },
      },
      virtual: {
        net: {
          lo: {
            addr_len: 6,
            address: '00:00:00:00:00:00',
            broadcast: '00:00:00:00:00:00',
            carrier: 1,
            flags: '0x9',
            ifindex: 1,
            iflink: 1,
            link_mode: 0,
            mtu: 65536,
            operstate: 'unknown',
            tx_queue_len: 1000,
            type: 772,
            uevent: 'INTERFACE=lo\nIFINDEX=1\n',
          },
        },
      },
    },
    firmware: {},
    fs: { cgroup: {} },
    kernel: {
      mm: {
        hugepages: {},
        // Not running: what MADV_MERGEABLE marks is not merged.
        ksm: {
          full_scans: 0, max_page_sharing: 256, merge_across_nodes: 1, pages_shared: 0, pages_sharing: 0,
          pages_to_scan: 100, pages_unshared: 0, pages_volatile: 0, run: 0, sleep_millisecs: 20, use_zero_pages: 0,
        },
        transparent_hugepage: {
          defrag: choice(['always', 'defer', 'defer+madvise', 'madvise', 'never'], 'madvise'),
          enabled: choice(['always', 'madvise', 'never'], 'always'),
          hpage_pmd_size: 2097152,
          shmem_enabled: choice(['always', 'within_size', 'advise', 'never', 'deny', 'force'], 'never'),
          use_zero_page: 1,
        },
      },
      security: {},
    },
    module: {},
    power: {},
  }; // prettier-ignore
}

export class SysFs extends GeneratedFs {
  constructor(kernel: Kernel, dev: number) {
    super(kernel, 'sysfs', dev, SYSFS_MAGIC);
    const root = new GeneratedDir(this, 0o555, ROOT_INO);
    addTree(this, root, tree(kernel), PAGE_SIZE);
    this.root = root;
  }
}
