/** /proc's files about the whole machine: cpuinfo, meminfo, stat, uptime, loadavg… (proc(5)). */
import type { Kernel } from '../../kernel.ts';
import type { Task } from '../../task/task.ts';
import { CLOCK_TICK_NS } from '../../time/cpu-time.ts';
import { PAGE_SIZE } from '../../ports.ts';
import { residentKinds } from './memory-files.ts';
import { stateOf } from './status-files.ts';
import { filesystemTypes } from '../syscalls-superblocks.ts';

/** What the CPUID instruction answers beside its flags (`KernelOptions.cpuFlags`). */
const X86_CPU = {
  vendor: 'AuthenticAMD',
  family: 23,
  model: 1,
  stepping: 0,
  name: 'ring3 WebAssembly CPU',
  cpuidLevel: 13,
  cacheKib: 512,
} as const;

/** One instruction counts as a nanosecond (kernel/time/cpu-time.ts): a 1 GHz processor. */
const MHZ = '1000.000';
const BOGOMIPS = '2000.00';

export function cpuinfoText(k: Kernel): string[] {
  const { cpus } = k.options;
  return Array.from({ length: cpus }, (_, i) =>
    k.options.arches[0] === 'aarch64' ? armProcessor(k, i) : x86Processor(k, i, cpus),
  );
}

function x86Processor(k: Kernel, i: number, cpus: number): string {
  const c = X86_CPU;
  return (
    `processor\t: ${i}\nvendor_id\t: ${c.vendor}\ncpu family\t: ${c.family}\nmodel\t\t: ${c.model}\n` +
    `model name\t: ${c.name}\nstepping\t: ${c.stepping}\nmicrocode\t: 0x0\ncpu MHz\t\t: ${MHZ}\n` +
    `cache size\t: ${c.cacheKib} KB\nphysical id\t: 0\nsiblings\t: ${cpus}\ncore id\t\t: ${i}\ncpu cores\t: ${cpus}\n` +
    `apicid\t\t: ${i}\ninitial apicid\t: ${i}\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: ${c.cpuidLevel}\n` +
    `wp\t\t: yes\nflags\t\t: ${k.options.cpuFlags.join(' ')}\nbugs\t\t: \nbogomips\t: ${BOGOMIPS}\n` +
    `TLB size\t: 1024 4K pages\nclflush size\t: 64\ncache_alignment\t: 64\n` +
    `address sizes\t: 48 bits physical, 48 bits virtual\npower management:\n\n`
  );
}

/** c_show of arch/arm64/kernel/cpuinfo.c; no implementer's processor, as MIDR_EL1 says. */
function armProcessor(k: Kernel, i: number): string {
  return (
    `processor\t: ${i}\nBogoMIPS\t: ${BOGOMIPS}\nFeatures\t: ${k.options.cpuFlags.join(' ')}\n` +
    `CPU implementer\t: 0x00\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0x000\nCPU revision\t: 0\n\n`
  );
}

/** Tasks that still run, zombies left out. */
function liveTasks(k: Kernel): Task[] {
  return [...k.processes.tasks.values()].filter((t) => t.state !== 'zombie' && t.state !== 'dead');
}

function memoryRows(k: Kernel): [name: string, kib: number][] {
  const { ram } = k;
  const pages = PAGE_SIZE / 1024;
  const total = ram.total * pages;
  const free = (ram.total - ram.used) * pages;
  let anon = 0;
  let file = 0;
  let shmem = 0;
  let committed = 0;
  const seen = new Set<object>();
  for (const t of liveTasks(k)) {
    if (seen.has(t.mm)) continue;
    seen.add(t.mm);
    const kinds = residentKinds(t.mm);
    anon += kinds.anon * pages;
    file += kinds.file * pages;
    shmem += kinds.shmem * pages;
    committed += (t.mm.dataVm + t.mm.stackVm) * pages;
  }
  const cached = Math.max(0, Math.min(total - free, total - free - anon));
  const rows: [name: string, kib: number][] = [
    ['MemTotal', total], ['MemFree', free], ['MemAvailable', free], ['Buffers', 0], ['Cached', cached],
    ['SwapCached', 0], ['Active', anon], ['Inactive', cached], ['Active(anon)', anon], ['Inactive(anon)', shmem],
    ['Active(file)', 0], ['Inactive(file)', cached], ['Unevictable', 0], ['Mlocked', 0], ['SwapTotal', 0],
    ['SwapFree', 0], ['Dirty', 0], ['Writeback', 0], ['AnonPages', anon], ['Mapped', file + shmem], ['Shmem', shmem],
    ['KReclaimable', 0], ['Slab', 0], ['SReclaimable', 0], ['SUnreclaim', 0],
    ['KernelStack', liveTasks(k).length * 16], ['PageTables', 0], ['SecPageTables', 0], ['NFS_Unstable', 0],
    ['Bounce', 0], ['WritebackTmp', 0], ['CommitLimit', Math.floor(total / 2)], ['Committed_AS', committed],
    ['VmallocTotal', 34359738367], ['VmallocUsed', 0], ['VmallocChunk', 0], ['Percpu', 0], ['HardwareCorrupted', 0],
    ['AnonHugePages', 0], ['ShmemHugePages', 0], ['ShmemPmdMapped', 0], ['FileHugePages', 0], ['FilePmdMapped', 0],
  ]; // prettier-ignore
  return rows;
}

/** What memory is used for, in pages, and what was moved: vmstat(8) reads it. */
export function vmstatText(k: Kernel): string {
  const kib = new Map(memoryRows(k));
  const pages = (name: string): number => (kib.get(name) ?? 0) / 4;
  const rows: [name: string, value: number][] = [
    ['nr_free_pages', pages('MemFree')], ['nr_inactive_anon', pages('Inactive(anon)')],
    ['nr_active_anon', pages('Active(anon)')], ['nr_inactive_file', pages('Inactive(file)')],
    ['nr_active_file', pages('Active(file)')], ['nr_unevictable', 0], ['nr_mlock', 0],
    ['nr_anon_pages', pages('AnonPages')], ['nr_mapped', pages('Mapped')], ['nr_file_pages', pages('Cached')],
    ['nr_dirty', 0], ['nr_writeback', 0], ['nr_slab_reclaimable', 0], ['nr_slab_unreclaimable', 0],
    ['nr_shmem', pages('Shmem')], ['nr_kernel_stack', kib.get('KernelStack') ?? 0], ['nr_page_table_pages', 0],
    ['pgpgin', 0], ['pgpgout', 0], ['pswpin', 0], ['pswpout', 0], ['pgmajfault', 0],
    ['oom_kill', 0],
  ]; // prettier-ignore
  return rows.map(([name, value]) => `${name} ${Math.floor(value)}\n`).join('');
}

export function meminfoText(k: Kernel): string {
  const rows = memoryRows(k);
  const total = rows[0][1];
  const row = (name: string, kib: number): string =>
    `${`${name}:`.padEnd(15)} ${String(kib).padStart(8)} kB\n`;
  const huge = ['HugePages_Total', 'HugePages_Free', 'HugePages_Rsvd', 'HugePages_Surp'];
  return (
    rows.map(([name, kib]) => row(name, kib)).join('') +
    huge.map((name) => `${`${name}:`.padEnd(15)}${String(0).padStart(8)}\n`).join('') +
    row('Hugepagesize', 2048) +
    row('Hugetlb', 0) +
    row('DirectMap4k', total) +
    row('DirectMap2M', 0) +
    row('DirectMap1G', 0)
  );
}

/** Nanoseconds of cpu time all tasks have had, the dead ones included. */
function busy(k: Kernel): number {
  let ns = 0;
  for (const g of k.processes.groups.values()) {
    ns += g.deadUsage.retired + g.childUsage.retired;
    for (const t of g.tasks) ns += t.retired;
  }
  return ns;
}

const seconds = (ns: number): string => (Math.floor(ns / 1e7) / 100).toFixed(2);

export function uptimeText(k: Kernel): string {
  const now = k.clock.monotonic();
  return `${seconds(now)} ${seconds(Math.max(0, now * k.options.cpus - busy(k)))}\n`;
}

export function statFileText(k: Kernel): string {
  const { cpus } = k.options;
  const ticks = (ns: number): number => Math.floor(ns / CLOCK_TICK_NS);
  const user = ticks(busy(k));
  const all = ticks(k.clock.monotonic());
  const live = liveTasks(k);
  let switches = 0;
  for (const t of live) switches += t.voluntarySwitches + t.involuntarySwitches;
  // One task runs at a time, on processor 0.
  const lines = [`cpu  ${user} 0 0 ${Math.max(0, all * cpus - user)} 0 0 0 0 0 0`];
  for (let i = 0; i < cpus; i++) {
    const mine = i === 0 ? user : 0;
    lines.push(`cpu${i} ${mine} 0 0 ${Math.max(0, all - mine)} 0 0 0 0 0 0`);
  }
  const running = live.filter((t) => stateOf(t) === 'R').length;
  const blocked = live.filter((t) => stateOf(t) === 'D').length;
  const boot = (k.clock.realtimeOffset + 500_000_000n) / 1_000_000_000n;
  lines.push(
    'intr 0',
    `ctxt ${switches}`,
    `btime ${boot}`,
    `processes ${k.processes.created}`,
    `procs_running ${running}`,
    `procs_blocked ${blocked}`,
    'softirq 0 0 0 0 0 0 0 0 0 0 0',
  );
  return `${lines.join('\n')}\n`;
}

/** There is no history of load to average: the runnable tasks of this moment stand for it. */
export function loadavgText(k: Kernel): string {
  const live = liveTasks(k);
  const running = live.filter((t) => stateOf(t) === 'R').length;
  const load = Math.max(0, running - 1).toFixed(2);
  const last = [...k.processes.tasks.keys()].reduce((a, b) => Math.max(a, b), 0);
  return `${load} ${load} ${load} ${running}/${live.length} ${last}\n`;
}

export function versionText(k: Kernel): string {
  const { sysname, release, version } = k.uts;
  return `${sysname} version ${release} (ring3@ring3) (WebAssembly) ${version}\n`;
}

export function devicesText(k: Kernel): string {
  const lines = k.devices.names.map(([major, name]) => `${String(major).padStart(3)} ${name}\n`);
  return `Character devices:\n${lines.join('')}\nBlock devices:\n`;
}

export function filesystemsText(k: Kernel): string {
  return filesystemTypes(k.vfs)
    .map((name) => `nodev\t${name}\n`)
    .join('');
}

export const SWAPS = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n';
