/** Rows of System V IPC and POSIX message queues. */
import { FULL, defineSyscalls, partial } from '../syscall/define.ts';
import { fd, flags, int, long, ptr, size, str, struct, timespec, uint } from '../trace/args.ts';
import { mq_getsetattr, mq_notify, mq_open, mq_timedreceive, mq_timedsend, mq_unlink } from './mqueue.ts';
import { msgctl, msgget, msgrcv, msgsnd } from './msg.ts';
import { semctl, semget, semop, semtimedop } from './sem.ts';
import { shmat, shmctl, shmdt, shmget } from './shm.ts';
import {
  MSG_CMDS, MSG_FLAGS, SEM_CMDS, SHM_CMDS, SHM_FLAGS, command, controlBuffer, getFlags, ipcKey, message, mqAttr, mqBytes, mqFlags, mqMode,
  sembufs, sigevent,
} from './trace.ts'; // prettier-ignore

export const ipcRows = defineSyscalls({
  shmget: {
    x86_64: 29, aarch64: 194, run: shmget, ret: 'int', support: partial('no huge pages'),
    args: [ipcKey('key'), size('size'), getFlags('shmflg', true)],
  },
  shmat: {
    x86_64: 30, aarch64: 196, run: shmat, ret: 'addr', support: FULL,
    args: [int('shmid'), ptr('shmaddr'), flags('shmflg', SHM_FLAGS, 'SHM_???')],
  },
  shmctl: {
    x86_64: 31, aarch64: 195, run: shmctl, ret: 'int', support: FULL,
    args: [int('shmid'), command('cmd', SHM_CMDS, 'SHM_???'), controlBuffer('buf', 'shm', 1)],
  },
  shmdt: { x86_64: 67, aarch64: 197, run: shmdt, ret: 'int', support: FULL, args: [ptr('shmaddr')] },
  semget: {
    x86_64: 64, aarch64: 190, run: semget, ret: 'int', support: FULL,
    args: [ipcKey('key'), int('nsems'), getFlags('semflg')],
  },
  semop: {
    x86_64: 65, aarch64: 193, run: semop, ret: 'int', support: FULL, blocks: true,
    args: [int('semid'), sembufs('sops', 2), uint('nsops')],
  },
  semctl: {
    x86_64: 66, aarch64: 191, run: semctl, ret: 'int', support: FULL,
    args: [int('semid'), int('semnum'), command('cmd', SEM_CMDS, 'SEM_???'), controlBuffer('arg', 'sem', 2)],
  },
  semtimedop: {
    x86_64: 220, aarch64: 192, run: semtimedop, ret: 'int', support: FULL, blocks: true,
    args: [int('semid'), sembufs('sops', 2), uint('nsops'), timespec('timeout')],
  },
  msgget: {
    x86_64: 68, aarch64: 186, run: msgget, ret: 'int', support: FULL, args: [ipcKey('key'), getFlags('msgflg')],
  },
  msgsnd: {
    x86_64: 69, aarch64: 189, run: msgsnd, ret: 'int', support: FULL, blocks: true,
    args: [int('msqid'), message('msgp', 2), size('msgsz'), flags('msgflg', MSG_FLAGS, 'MSG_???')],
  },
  msgrcv: {
    x86_64: 70, aarch64: 188, run: msgrcv, ret: 'size', support: FULL, blocks: true,
    args: [int('msqid'), message('msgp'), size('msgsz'), long('msgtyp'), flags('msgflg', MSG_FLAGS, 'MSG_???')],
  },
  msgctl: {
    x86_64: 71, aarch64: 187, run: msgctl, ret: 'int', support: FULL,
    args: [int('msqid'), command('cmd', MSG_CMDS, 'MSG_???'), controlBuffer('buf', 'msg', 1)],
  },
  mq_open: {
    x86_64: 240, aarch64: 180, run: mq_open, ret: 'fd', support: FULL,
    args: [str('name'), mqFlags('oflag'), mqMode('mode'), mqAttr('attr', 1)],
  },
  mq_unlink: { x86_64: 241, aarch64: 181, run: mq_unlink, ret: 'int', support: FULL, args: [str('name')] },
  mq_timedsend: {
    x86_64: 242, aarch64: 182, run: mq_timedsend, ret: 'int', support: FULL, blocks: true,
    args: [fd('mqdes'), mqBytes('msg_ptr', 2), size('msg_len'), uint('msg_prio'), timespec('abs_timeout')],
  },
  mq_timedreceive: {
    x86_64: 243, aarch64: 183, run: mq_timedreceive, ret: 'size', support: FULL, blocks: true,
    args: [
      fd('mqdes'), mqBytes('msg_ptr'), size('msg_len'),
      struct('msg_prio', (m, at) => `[${m.u32(at)}]`, { out: true }), timespec('abs_timeout'),
    ],
  },
  mq_notify: {
    x86_64: 244, aarch64: 184, run: mq_notify, ret: 'int', support: FULL, args: [fd('mqdes'), sigevent('sevp')],
  },
  mq_getsetattr: {
    x86_64: 245, aarch64: 185, run: mq_getsetattr, ret: 'int', support: FULL,
    args: [fd('mqdes'), mqAttr('newattr'), mqAttr('oldattr', -1, true)],
  },
}); // prettier-ignore
