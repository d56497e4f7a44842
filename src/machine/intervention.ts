/**
 * What a machine's owner does to its guest from outside: signals, memory, registers, calls, files, faults, connections, who runs.
 * A recording has all of it, at the moment it was done, and a replay does it again.
 */
import type { Injection } from '../../kernel/inject/rule.ts';
import { sendSignal, sendToGroup, sendToPgrp } from '../../kernel/signal/send.ts';
import { replaceResult, resultRegister, tamperingOf } from '../../kernel/syscall/tamper.ts';
import type { Task } from '../../kernel/task/task.ts';
import { signalNumber } from '../../kernel/trace/tables.ts';
import type { GuestConnection } from '../host/host-net.ts';
import { SITE, type Site } from '../record/format.ts';
import type { Recorder } from '../record/recorder.ts';
import type { ReplayPort } from '../record/replayer.ts';
import { setWords } from '../step/arguments.ts';
import type { Tampering } from '../step/tampering.ts';
import type { Assembly } from './assemble.ts';
import type { Driver } from './driver.ts';
import { GuestFileError, readAsGuest, writeGuestFile } from './guest-files.ts';
import type { Inspector } from './inspector.ts';
import type { FileContent } from './options.ts';
import { registerIndex, type RegisterName } from './registers.ts';

const SI_KERNEL = 0x80;
const SI_TKILL = -6;

export class Intervention {
  private readonly assembly: Assembly;
  private readonly inspector: Inspector;
  private readonly driver: Driver;
  private readonly tampering: Tampering;
  /** Faults injected after boot, by number. */
  private readonly injected = new Map<number, () => void>();

  constructor(assembly: Assembly, inspector: Inspector, driver: Driver, tampering: Tampering) {
    this.assembly = assembly;
    this.inspector = inspector;
    this.driver = driver;
    this.tampering = tampering;
    const { loop, recorder, replayer } = assembly;
    if (recorder) loop.hooks.input = (place) => recorder.arrive(place);
    replayer?.started(this.replayPort());
  }

  kill(signal: string | number, pid?: number): void {
    const { processes } = this.assembly.kernel;
    const signo = typeof signal === 'number' ? signal : signalNumber(signal);
    if (signo < 1) throw new RangeError(`no such signal: ${signal}`);
    const group = pid === undefined ? processes.first : processes.group(pid);
    if (!group) throw new RangeError(`no such process in the guest: ${pid}`);
    this.soon('send a signal', (recorder) => {
      recorder?.signal(signo, group.pid);
      this.toGroup(signo, group.pid);
    });
  }

  signalForeground(signo: number): void {
    this.soon('send a signal', (recorder) => {
      recorder?.foreground(signo);
      this.toForeground(signo);
    });
  }

  /** To one task, as tgkill(2) sends it. */
  signalTask(t: Task, signo: number): void {
    this.now('send a signal')?.taskSignal(t.tid, signo);
    this.toTask(t, signo);
  }

  poke(where: number | string, bytes: Uint8Array, tid?: number): void {
    const address = this.inspector.address(where);
    const task = this.inspector.task(tid);
    this.now('write memory')?.poke(task.tid, address, bytes);
    if (task.mm.copyOut(address, bytes) < 0) {
      throw new RangeError(`no writable memory at 0x${address.toString(16)} (${bytes.length} bytes)`);
    }
  }

  setReg(name: RegisterName, value: number | bigint, tid?: number): void {
    const task = this.inspector.task(tid);
    const index = registerIndex(task.regs.arch, name);
    const bits = BigInt.asUintN(64, BigInt(value));
    this.now('set a register')?.register(task.tid, index, bits);
    task.regs.set(index, bits);
  }

  /** The call that begins has another argument: for those who tamper with it. */
  argument(t: Task, register: number, bits: bigint): void {
    this.now('change an argument')?.argument(t.tid, register, bits);
    this.toArgument(t, register, bits);
  }

  /** A call's result. `site`: the call begins, and is not made; it is over; or (null) the machine stands still behind it. */
  result(t: Task, bits: bigint, error: boolean, site: Site | null): void {
    this.now('change a result')?.result(t.tid, bits, error);
    this.toResult(t, bits, error, site);
  }

  writeFile(path: string, content: FileContent): void {
    this.now('write a file')?.writeFile(path, content);
    this.toFile(path, content);
  }

  inject(what: string | Injection): () => void {
    const recorder = this.now('inject faults');
    const end = this.tampering.inject(what); // throws when there is something wrong with it
    if (!recorder) return end;
    const id = this.injected.size + 1;
    this.injected.set(id, end);
    recorder.inject(id, what);
    return () => {
      this.now('end an injection')?.uninject(id);
      end();
    };
  }

  /** Nobody else runs; null: all may. */
  only(t: Task | null): void {
    const { kernel, recorder } = this.assembly;
    if (t !== null) this.now('run a task alone');
    recorder?.only(t?.tid ?? 0);
    kernel.scheduler.only = t && ((other) => other === t);
  }

  connect(port: number): GuestConnection {
    this.now('connect');
    return this.assembly.network.client(port);
  }

  /** Runs somebody who may change things, in the middle of the loop. */
  at(site: Site, f: () => void): void {
    const { recorder } = this.assembly;
    if (recorder) recorder.at(site, f);
    else f();
  }

  /**
   * Throws Error when nothing may be done to the machine now: a replay is what it is, and what is recorded needs a place. Returns
   * who has to write it down.
   */
  now(what: string): Recorder | null {
    const { recorder } = this.assembly;
    this.mayChange(what);
    if (recorder && !recorder.placed)
      throw new Error(
        `cannot ${what} here: the machine is being recorded, and this moment has no place in a recording; do it at a stop of step or nextSyscall, in a hook, or in a listener of on()`,
      );
    return recorder;
  }

  /** The same for what may as well happen at the end of the round, when there is no place before. */
  private soon(what: string, f: (recorder: Recorder | null) => void): void {
    const { recorder } = this.assembly;
    this.mayChange(what);
    if (recorder) recorder.soon(() => f(recorder));
    else f(null);
    this.driver.kick();
  }

  private mayChange(what: string): void {
    if (this.assembly.replayer)
      throw new Error(`cannot ${what}: a replay takes nothing from outside, it does what was recorded`);
  }

  private toGroup(signo: number, pid: number): void {
    const group = this.assembly.kernel.processes.group(pid);
    if (group) sendToGroup(group, { signo, code: 0, pid: 0, uid: 0 });
  }

  private toForeground(signo: number): void {
    const { kernel } = this.assembly;
    const pgrp = this.assembly.foreground();
    const info = { signo, code: SI_KERNEL };
    if (pgrp > 0) sendToPgrp(kernel, pgrp, info);
    else if (kernel.processes.first) sendToGroup(kernel.processes.first, info);
  }

  private toTask(t: Task, signo: number): void {
    sendSignal(t, { signo, code: SI_TKILL, pid: 0, uid: 0 });
  }

  private toArgument(t: Task, register: number, bits: bigint): void {
    setWords(t.args, register, bits);
    tamperingOf(t).poked = true;
  }

  private toResult(t: Task, bits: bigint, error: boolean, site: Site | null): void {
    if (site === SITE.begin) Object.assign(tamperingOf(t), { result: bits, error });
    else if (site === SITE.leave) replaceResult(t, bits, error);
    else {
      t.regs.set(resultRegister(t), bits);
      t.restart = 0;
    }
  }

  private toFile(path: string, content: FileContent): void {
    const { kernel } = this.assembly;
    writeGuestFile(kernel.vfs, kernel.processes.first?.leader ?? null, path, content);
  }

  private replayPort(): ReplayPort {
    const { kernel, loop, virtual } = this.assembly;
    const { inspector, injected } = this;
    const task = (tid: number): Task => inspector.task(tid);
    return {
      signal: (signo, pid) => this.toGroup(signo, pid),
      foreground: (signo) => this.toForeground(signo),
      taskSignal: (tid, signo) => this.toTask(task(tid), signo),
      poke: (tid, address, bytes) => void task(tid).mm.copyOut(address, bytes),
      register: (tid, index, value) => task(tid).regs.set(index, value),
      argument: (tid, register, bits) => this.toArgument(task(tid), register, bits),
      result: (tid, bits, error, site) => this.toResult(task(tid), bits, error, site),
      writeFile: (path, content) => this.toFile(path, content),
      inject: (id, what) => void injected.set(id, this.tampering.inject(what)),
      uninject: (id) => injected.get(id)?.(),
      only: (tid) => {
        const t = tid === null ? null : task(tid);
        kernel.scheduler.only = t && ((other) => other === t);
      },
      look: (path) => {
        try {
          const bytes = readAsGuest(kernel.vfs, kernel.processes.first?.leader ?? null, path);
          this.assembly.replayer!.wasRead(path, bytes);
        } catch (e) {
          if (!(e instanceof GuestFileError)) throw e;
        }
      },
      time: (to) => virtual!.skipTo(to),
      stop: () => (loop.stop = true),
      pause: () => this.driver.pause(),
      tamper: (tamperer) => this.tampering.replay(tamperer),
    };
  }
}
