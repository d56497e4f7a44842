/** setsockopt and getsockopt of level IPPROTO_TCP, after do_tcp_setsockopt and do_tcp_getsockopt (net/ipv4/tcp.c). */
import { EINVAL, ENOENT } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import { IPPROTO_TCP, TCP_CLOSE_WAIT, TCP_ESTABLISHED } from './constants.ts';
import { optionKey } from './inet.ts';
import { getIntOption, intValue, setIntOption, TCP_OPTIONS } from './inet-options.ts';
import { LOOPBACK_MSS } from './tcp-info.ts';
import type { TcpSocket } from './tcp.ts';

const TCP_MAXSEG = 2;
const TCP_DEFER_ACCEPT = 9;
const TCP_INFO = 11;
const TCP_CONGESTION = 13;
const TCP_REPAIR = 19;
const TCP_CC_INFO = 26;
const TCP_SAVED_SYN = 28;
const TCP_ULP = 31;
const TCP_FASTOPEN_KEY = 33;
const TCP_ZEROCOPY_RECEIVE = 35;
/** The option, and the control message it asks for. */
export const TCP_INQ = 36;
export const TCP_CM_INQ = 36;

const LEAST_MSS = 88;
const GREATEST_MSS = 32767;
/** What a socket without a connection is told (TCP_MSS_DEFAULT). */
const DEFAULT_MSS = 536;

/** TCP_DEFER_ACCEPT is kept as a number of SYN-ACK retransmissions (secs_to_retrans), and told as the time they take. */
function deferredSeconds(seconds: number): number {
  if (seconds <= 0) return 0;
  let period = 1;
  for (let timeout = 1, n = 1; seconds > period && n < 255; n++) {
    timeout = Math.min(timeout * 2, 120);
    period += timeout;
  }
  return period;
}

/** 0 or -errno. */
export function setTcpOption(socket: TcpSocket, t: Task, name: number, value: Uint8Array): number {
  const { values } = socket.options;
  switch (name) {
    case TCP_CONGESTION: {
      const text = String.fromCharCode(...value).replace(/\0.*$/s, '');
      return text === 'cubic' || text === 'reno' ? 0 : -ENOENT;
    }
    case TCP_ULP:
      return -ENOENT;
    case TCP_FASTOPEN_KEY:
      if (value.length !== 16 && value.length !== 32) return -EINVAL;
      socket.fastOpenKey = value.slice();
      return 0;
    case TCP_DEFER_ACCEPT: {
      const v = intValue(value, false);
      if (v === null) return -EINVAL;
      values.set(optionKey(IPPROTO_TCP, name), deferredSeconds(v));
      return 0;
    }
    case TCP_MAXSEG: {
      const v = intValue(value, false);
      return v === null || (v !== 0 && (v < LEAST_MSS || v > GREATEST_MSS)) ? -EINVAL : 0;
    }
    default:
      return setIntOption(values, TCP_OPTIONS, IPPROTO_TCP, name, value, t);
  }
}

/** The option's bytes, or -errno. */
export function getTcpOption(socket: TcpSocket, name: number, length: number): Uint8Array | number {
  switch (name) {
    case TCP_CONGESTION:
      return Uint8Array.from('cubic\0\0\0\0\0\0\0\0\0\0\0', (c) => c.charCodeAt(0));
    case TCP_MAXSEG: {
      const connected = socket.state === TCP_ESTABLISHED || socket.state === TCP_CLOSE_WAIT;
      return new Uint8Array(Int32Array.of(connected ? LOOPBACK_MSS : DEFAULT_MSS).buffer);
    }
    case TCP_INFO:
      return socket.info();
    case TCP_ULP:
    case TCP_SAVED_SYN:
      return new Uint8Array(0);
    case TCP_FASTOPEN_KEY:
      return socket.fastOpenKey;
    case TCP_CC_INFO:
      return new Uint8Array(20);
    case TCP_ZEROCOPY_RECEIVE:
      return -EINVAL;
    case TCP_REPAIR:
      return new Uint8Array(4);
    default:
      return getIntOption(socket.options.values, TCP_OPTIONS, IPPROTO_TCP, name, length);
  }
}
