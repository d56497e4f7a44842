/**
 * What a machine's owner does to its guest from outside: signals, memory, registers, files, connections. A recording has all of it,
 * and a replay does it again.
 */
import { sendToGroup, sendToPgrp } from '../../kernel/signal/send.ts';
import type { ThreadGroup } from '../../kernel/task/thread-group.ts';
import { signalNumber } from '../../kernel/trace/tables.ts';
import type { GuestConnection } from '../host/host-net.ts';
import type { ReplayActions } from '../record/replayer.ts';
import type { Assembly } from './assemble.ts';
import { writeGuestFile } from './guest-files.ts';
import type { Inspector } from './inspector.ts';
import type { FileContent } from './options.ts';
import { registerIndex, type RegisterName } from './registers.ts';

const SI_KERNEL = 0x80;

export class Intervention {
  private readonly assembly: Assembly;
  private readonly inspector: Inspector;
  private readonly kick: () => void;

  /** `kick`: an idle machine looks again. */
  constructor(assembly: Assembly, inspector: Inspector, kick: () => void) {
    this.assembly = assembly;
    this.inspector = inspector;
    this.kick = kick;
    assembly.replayer?.started(this.actions());
  }

  kill(signal: string | number, pid?: number): void {
    const { kernel, recorder } = this.assembly;
    const signo = typeof signal === 'number' ? signal : signalNumber(signal);
    if (signo < 1) throw new RangeError(`no such signal: ${signal}`);
    const group = pid === undefined ? kernel.processes.first : kernel.processes.group(pid);
    if (!group) throw new RangeError(`no such process in the guest: ${pid}`);
    this.mayChange();
    recorder?.signal(signo, group.pid);
    this.toGroup(group, signo);
    this.kick();
  }

  signalForeground(signo: number): void {
    this.mayChange();
    this.assembly.recorder?.foreground(signo);
    this.toForeground(signo);
  }

  poke(where: number | string, bytes: Uint8Array, tid?: number): void {
    const address = this.inspector.address(where);
    const task = this.inspector.task(tid);
    this.assembly.recorder?.poke(task.tid, address, bytes);
    if (task.mm.copyOut(address, bytes) < 0) {
      throw new RangeError(`no writable memory at 0x${address.toString(16)} (${bytes.length} bytes)`);
    }
  }

  setReg(name: RegisterName, value: bigint, tid?: number): void {
    const task = this.inspector.task(tid);
    const index = registerIndex(task.regs.arch, name);
    this.assembly.recorder?.register(task.tid, index, value);
    task.regs.set(index, value);
  }

  writeFile(path: string, content: FileContent): void {
    const { kernel, recorder } = this.assembly;
    recorder?.writeFile(path, content);
    writeGuestFile(kernel.vfs, kernel.processes.first?.leader ?? null, path, content);
  }

  connect(port: number): GuestConnection {
    this.mayChange();
    return this.assembly.network.client(port);
  }

  /** A replay is what it is. */
  private mayChange(): void {
    if (this.assembly.replayer)
      throw new Error('a replay takes nothing from outside: signals and connections are the recorded ones');
  }

  private toGroup(group: ThreadGroup, signo: number): void {
    sendToGroup(group, { signo, code: 0, pid: 0, uid: 0 });
  }

  private toForeground(signo: number): void {
    const { kernel } = this.assembly;
    const pgrp = this.assembly.foreground();
    const info = { signo, code: SI_KERNEL };
    if (pgrp > 0) sendToPgrp(kernel, pgrp, info);
    else if (kernel.processes.first) sendToGroup(kernel.processes.first, info);
    this.kick();
  }

  private actions(): ReplayActions {
    const { kernel, loop, virtual } = this.assembly;
    const { inspector } = this;
    return {
      signal: (signo, pid) => {
        const group = kernel.processes.group(pid);
        if (group) this.toGroup(group, signo);
      },
      foreground: (signo) => this.toForeground(signo),
      poke: (tid, address, bytes) => void inspector.task(tid).mm.copyOut(address, bytes),
      register: (tid, index, value) => inspector.task(tid).regs.set(index, value),
      writeFile: (path, content) => this.writeFile(path, content),
      time: (to) => virtual!.skipTo(to),
      stop: () => (loop.stop = true),
    };
  }
}
