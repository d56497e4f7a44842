/** How strace 6.1 prints the arguments of System V IPC and message queue calls. */
import type { UserMemory } from '../mm/user-memory.ts';
import { sigeventText } from '../time/trace.ts';
import type { ArgType } from '../trace/arg-types.ts';
import { special, struct } from '../trace/args.ts';
import { OPEN_FLAGS, OPEN_ACCMODE, type Table } from '../trace/tables.ts';
import { addrText, bytesText, enumText, flagsText, hexText, traceFormat } from '../trace/text.ts';

const IPC_CMDS = [[0, 'IPC_RMID'], [1, 'IPC_SET'], [2, 'IPC_STAT'], [3, 'IPC_INFO']] as const satisfies Table; // prettier-ignore
export const SHM_CMDS = [
  ...IPC_CMDS, [11, 'SHM_LOCK'], [12, 'SHM_UNLOCK'], [13, 'SHM_STAT'], [14, 'SHM_INFO'], [15, 'SHM_STAT_ANY'],
] as const satisfies Table; // prettier-ignore
export const SEM_CMDS = [
  ...IPC_CMDS, [11, 'GETPID'], [12, 'GETVAL'], [13, 'GETALL'], [14, 'GETNCNT'], [15, 'GETZCNT'], [16, 'SETVAL'],
  [17, 'SETALL'], [18, 'SEM_STAT'], [19, 'SEM_INFO'], [20, 'SEM_STAT_ANY'],
] as const satisfies Table; // prettier-ignore
export const MSG_CMDS = [
  ...IPC_CMDS,
  [11, 'MSG_STAT'],
  [12, 'MSG_INFO'],
  [13, 'MSG_STAT_ANY'],
] as const satisfies Table;
export const SHM_FLAGS = [
  [0o10000, 'SHM_RDONLY'], [0o20000, 'SHM_RND'], [0o40000, 'SHM_REMAP'], [0o100000, 'SHM_EXEC'],
] as const satisfies Table; // prettier-ignore
export const MSG_FLAGS = [
  [0o10000, 'MSG_NOERROR'], [0o20000, 'MSG_EXCEPT'], [0o40000, 'MSG_COPY'], [0o4000, 'IPC_NOWAIT'],
] as const satisfies Table; // prettier-ignore
const GET_FLAGS = [[0o1000, 'IPC_CREAT'], [0o2000, 'IPC_EXCL'], [0o4000, 'IPC_NOWAIT']] as const satisfies Table; // prettier-ignore
const SHM_GET_FLAGS = [
  [0o1000, 'IPC_CREAT'], [0o2000, 'IPC_EXCL'], [0o4000, 'SHM_HUGETLB'], [0o10000, 'SHM_NORESERVE'],
] as const satisfies Table; // prettier-ignore
const SEM_OP_FLAGS = [
  [0x1000, 'SEM_UNDO'],
  [0o4000, 'IPC_NOWAIT'],
] as const satisfies Table;
const SEMOPM = 500;

/** IPC_PRIVATE or the key in hexadecimal. */
export const ipcKey = <N extends string>(name: N) =>
  special(name, (_t, a, i) => (a.i32(i) === 0 ? 'IPC_PRIVATE' : hexText(a.u32(i))));

/** IPC_CREAT|0600. */
export const getFlags = <N extends string>(name: N, shm = false) =>
  special(name, (_t, a, i) => {
    const value = a.u32(i);
    const mode = `0${(value & 0o777).toString(8).padStart(2, '0')}`.replace(/^0(?=\d{3}$)/, '0');
    const bits = value - (value & 0o777);
    return bits === 0 ? mode : `${flagsText(bits, shm ? SHM_GET_FLAGS : GET_FLAGS)}|${mode}`;
  });

export const command = <N extends string>(name: N, table: Table, unknown: string) =>
  special(name, (_t, a, i) => enumText(a.i32(i), table, unknown));

function permText(v: DataView, prefix: string): string {
  const n = (at: number): number => v.getUint32(at, true);
  const mode = `0${n(20).toString(8).padStart(2, '0')}`;
  return `${prefix}_perm={uid=${n(4)}, gid=${n(8)}, mode=${mode}, key=${v.getInt32(0, true)}, cuid=${n(12)}, cgid=${n(16)}}`;
}

/** The buffer of shmctl, semctl and msgctl: IPC_STAT's structure, else the pointer. `cmdArg`: which command. */
export function controlBuffer<N extends string>(name: N, kind: 'shm' | 'sem' | 'msg', cmdArg: number) {
  const bare = (p: number, cmd: number): string =>
    p === 0 ? 'NULL' : kind === 'sem' && cmd === 16 ? hexText(p) : addrText(p);
  return special(
    name,
    (t, a, i, ret) => {
      const p = a.ptr(i);
      const cmd = a.i32(cmdArg);
      if (cmd !== 2 || ret === null || ret < 0) return bare(p, cmd);
      const v = t.mm.viewIn(p, kind === 'shm' ? 112 : kind === 'msg' ? 120 : 88);
      if (v === null) return bare(p, cmd);
      const n = (at: number): string => String(v.getBigInt64(at, true));
      const pid = (at: number): string => String(v.getInt32(at, true));
      const perm = permText(v, kind);
      if (kind === 'shm')
        return (
          `{${perm}, shm_segsz=${n(48)}, shm_cpid=${pid(80)}, shm_lpid=${pid(84)}, shm_nattch=${n(88)}, ` +
          `shm_atime=${n(56)}, shm_dtime=${n(64)}, shm_ctime=${n(72)}}`
        );
      if (kind === 'msg')
        return (
          `{${perm}, msg_stime=${n(48)}, msg_rtime=${n(56)}, msg_ctime=${n(64)}, msg_qnum=${n(80)}, ` +
          `msg_qbytes=${n(88)}, msg_lspid=${pid(96)}, msg_lrpid=${pid(100)}}`
        );
      const step = t.regs.arch === 'x86_64' ? 16 : 8;
      return `{${perm}, sem_otime=${n(48)}, sem_ctime=${n(48 + step)}, sem_nsems=${n(48 + 2 * step)}}`;
    },
    { out: true },
  );
}

/** struct sembuf[args[countArg]]. */
export const sembufs = <N extends string>(name: N, countArg: number) =>
  special(name, (t, a, i) => {
    const p = a.ptr(i);
    const count = a.u32(countArg);
    if (p === 0) return 'NULL';
    if (count === 0) return '[]';
    const shown = Math.min(count, traceFormat(t).verbose ? SEMOPM : traceFormat(t).strsize);
    const parts: string[] = [];
    for (let k = 0; k < shown; k++) {
      const v = t.mm.viewIn(p + 6 * k, 6);
      if (v === null) {
        if (k === 0) return addrText(p);
        return `[${parts.join(', ')}, ... /* ${addrText(p + 6 * k)} */]`;
      }
      const flags = flagsText(v.getUint16(4, true), SEM_OP_FLAGS, 'SEM_???');
      parts.push(`{sem_num=${v.getUint16(0, true)}, sem_op=${v.getInt16(2, true)}, sem_flg=${flags}}`);
    }
    return `[${parts.join(', ')}${shown < count ? ', ...' : ''}]`;
  });

/** struct msgbuf; `sizeArg`: the size of the text, for what the caller gives. */
export const message = <N extends string>(name: N, sizeArg?: number) =>
  struct(
    name,
    (m, at, t, a, ret) => {
      const type = m.u64(at);
      if (type === null) return null;
      // strace shows the buffer's size, not the message's.
      const size = a.size(sizeArg ?? 2);
      return ret !== null && ret < 0 && sizeArg === undefined
        ? null
        : `{mtype=${BigInt.asIntN(64, type)}, mtext=${bytesText(t, at + 8, size)}}`;
    },
    { out: sizeArg === undefined },
  );

export const mqFlags = <N extends string>(name: N) =>
  special(name, (_t, a, i) => {
    const value = a.u32(i);
    const rest = (value & ~3) >>> 0;
    const mode = enumText(value & 3, OPEN_ACCMODE);
    return rest === 0 ? mode : `${mode}|${flagsText(rest, OPEN_FLAGS)}`;
  });

const O_CREAT = 0o100;

/** Only with O_CREAT. */
export const mqMode = <N extends string>(name: N) =>
  special(name, (_t, a, i) => ((a.u32(1) & O_CREAT) !== 0 ? `0${(a.u32(i) & 0xffff).toString(8)}` : ''));

function attrText(m: UserMemory, at: number): string | null {
  const v = m.viewIn(at, 64);
  if (v === null) return null;
  const flags = flagsText(v.getUint32(0, true), OPEN_FLAGS, 'O_???');
  const n = (o: number): string => String(v.getBigInt64(o, true));
  return `{mq_flags=${flags}, mq_maxmsg=${n(8)}, mq_msgsize=${n(16)}, mq_curmsgs=${n(24)}}`;
}

/** struct mq_attr; `flagsArg`: shown only where those have O_CREAT. */
export function mqAttr<N extends string>(name: N, flagsArg = -1, out = false): ArgType<N> {
  const inner = struct(name, attrText, { out });
  return {
    ...inner,
    format: (t, a, i, ret) =>
      flagsArg >= 0 && (a.u32(flagsArg) & O_CREAT) === 0 ? '' : inner.format(t, a, i, ret),
  };
}

/** The bytes of a message: as many as args[lenArg] says, or, received, as the result. */
export const mqBytes = <N extends string>(name: N, lenArg?: number) =>
  special(
    name,
    (t, a, i, ret) => {
      if (lenArg !== undefined) return bytesText(t, a.ptr(i), a.size(lenArg));
      return ret === null || ret < 0
        ? a.ptr(i) === 0
          ? 'NULL'
          : addrText(a.ptr(i))
        : bytesText(t, a.ptr(i), ret);
    },
    { out: lenArg === undefined },
  );

export const sigevent = <N extends string>(name: N) => struct(name, sigeventText);
