/** System V and POSIX inter-process communication: one namespace for the machine. */
import type { Kernel } from '../kernel.ts';
import { IpcIds } from './ids.ts';
import { MSGMNI, msgLine, type MsgQueue } from './msg.ts';
import { MessageQueues } from './mqueue.ts';
import { SEMMNI, semLine, type SemSet } from './sem.ts';
import { SHMMNI, shmLine, type Segment } from './shm.ts';

export class IpcNamespace {
  readonly shm = new IpcIds<Segment>(SHMMNI);
  readonly sem = new IpcIds<SemSet>(SEMMNI);
  /** In all sets of `sem`. */
  semaphores = 0;
  readonly msg = new IpcIds<MsgQueue>(MSGMNI);
  readonly mq: MessageQueues;

  constructor(kernel: Kernel) {
    this.mq = new MessageQueues(kernel);
  }

  /** The lines of a file in /proc/sysvipc. */
  lines(file: 'shm' | 'sem' | 'msg'): string {
    if (file === 'shm') return this.shm.list().map(shmLine).join('');
    return file === 'sem' ? this.sem.list().map(semLine).join('') : this.msg.list().map(msgLine).join('');
  }
}
