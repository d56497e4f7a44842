/**
 * cgroup2: the unified hierarchy (cgroups(7), Documentation/admin-guide/cgroup-v2.rst). Every process is in the one group,
 * which reads as a container's own root does (a cgroup namespace): with the limits it runs under.
 */
import type { Kernel } from '../../kernel.ts';
import { PAGE_SIZE } from '../../ports.ts';
import { processCpuTime } from '../../time/cpu-time.ts';
import { GeneratedDir, GeneratedFs } from '../proc/generated.ts';
import { allCpus, cpuList } from '../proc/status-files.ts';
import { addTree, type SysTree } from './sysfs.ts';

const CGROUP2_SUPER_MAGIC = 0x63677270;
const ROOT_INO = 1;

export class CgroupFs extends GeneratedFs {
  constructor(kernel: Kernel, dev: number) {
    super(kernel, 'cgroup2', dev, CGROUP2_SUPER_MAGIC);
    const root = new GeneratedDir(this, 0o755, ROOT_INO);
    addTree(this, root, tree(kernel), 0);
    this.root = root;
  }
}

function tree(k: Kernel): SysTree {
  const used = (): number => k.ram.used * PAGE_SIZE;
  const numbers = (list: Iterable<number>): string =>
    [...list].sort((a, b) => a - b).map((n) => `${n}\n`).join(''); // prettier-ignore
  const pressure =
    'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n';
  return {
    'cgroup.controllers': 'cpuset cpu io memory pids',
    'cgroup.events': 'populated 1\nfrozen 0\n',
    'cgroup.freeze': 0,
    'cgroup.max.depth': 'max',
    'cgroup.max.descendants': 'max',
    'cgroup.procs': () => numbers(k.processes.groups.keys()),
    'cgroup.stat': 'nr_descendants 0\nnr_dying_descendants 0\n',
    'cgroup.subtree_control': '',
    'cgroup.threads': () => numbers(k.processes.tasks.keys()),
    'cgroup.type': 'domain',
    'cpu.max': 'max 100000',
    'cpu.max.burst': 0,
    'cpu.pressure': pressure,
    'cpu.stat': () => {
      let ns = 0;
      for (const g of k.processes.groups.values()) ns += processCpuTime(g);
      const usec = Math.floor(ns / 1000);
      return (
        `usage_usec ${usec}\nuser_usec ${usec}\nsystem_usec 0\n` +
        `nr_periods 0\nnr_throttled 0\nthrottled_usec 0\nnr_bursts 0\nburst_usec 0\n`
      );
    },
    'cpu.weight': 100,
    'cpu.weight.nice': 0,
    'cpuset.cpus': '',
    'cpuset.cpus.effective': cpuList(allCpus(k.options.cpus)),
    'cpuset.mems': '',
    'cpuset.mems.effective': 0,
    'io.max': '',
    'io.pressure': pressure,
    'io.stat': '',
    'memory.current': () => used(),
    'memory.events': 'low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n',
    'memory.high': 'max',
    'memory.low': 0,
    'memory.max': 'max',
    'memory.min': 0,
    'memory.oom.group': 0,
    'memory.pressure': pressure,
    'memory.stat': () => `anon ${used()}\nfile 0\nkernel 0\nshmem 0\n`,
    'memory.swap.current': 0,
    'memory.swap.max': 'max',
    'pids.current': () => k.processes.tasks.size,
    'pids.max': k.limits.maxTasks,
  };
}
