/** TCP_INFO (tcp_get_info). */
import { TCP_LISTEN } from './constants.ts';

/** MSS on loopback: MTU 65536 less headers and timestamps. */
export const LOOPBACK_MSS = 32741;

export interface TcpFacts {
  readonly state: number;
  /** Connections not accepted yet, and how many may wait. */
  readonly queued: number;
  readonly backlog: number;
  readonly window: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Segments with data. */
  readonly segmentsIn: number;
  readonly segmentsOut: number;
  readonly peerWindow: number;
}

/** struct tcp_info: what a connection without loss or delay has to tell. */
export function tcpInfo(s: TcpFacts): Uint8Array {
  const out = new Uint8Array(248);
  const v = new DataView(out.buffer);
  out[0] = s.state;
  if (s.state === TCP_LISTEN) {
    v.setUint32(24, s.queued, true); // tcpi_unacked
    v.setUint32(28, s.backlog, true); // tcpi_sacked
    return out;
  }
  out[5] = 7; // tcpi_options: timestamps, SACK, window scaling
  out[6] = 0x77;
  v.setUint32(8, 201_000, true); // tcpi_rto, µs
  v.setUint32(12, 40_000, true); // tcpi_ato, µs
  v.setUint32(16, LOOPBACK_MSS, true); // tcpi_snd_mss
  v.setUint32(20, 536, true); // tcpi_rcv_mss
  v.setUint32(60, 65535, true); // tcpi_pmtu
  v.setUint32(64, s.window, true); // tcpi_rcv_ssthresh
  v.setUint32(68, 20, true); // tcpi_rtt, µs
  v.setUint32(72, 10, true); // tcpi_rttvar
  v.setUint32(76, 0x7fffffff, true); // tcpi_snd_ssthresh
  v.setUint32(80, 10, true); // tcpi_snd_cwnd
  v.setUint32(84, LOOPBACK_MSS, true); // tcpi_advmss
  v.setUint32(88, 3, true); // tcpi_reordering
  v.setUint32(96, s.window, true); // tcpi_rcv_space
  v.setBigUint64(128, BigInt(s.bytesReceived), true); // tcpi_bytes_received
  // A SYN is acknowledged as a byte is; each segment is answered by one without data.
  v.setBigUint64(120, BigInt(s.bytesSent + 1), true); // tcpi_bytes_acked
  v.setUint32(136, s.segmentsOut + s.segmentsIn + 2, true); // tcpi_segs_out
  v.setUint32(140, s.segmentsIn + s.segmentsOut + 1, true); // tcpi_segs_in
  v.setUint32(148, 20, true); // tcpi_min_rtt, µs
  v.setUint32(152, s.segmentsIn, true); // tcpi_data_segs_in
  v.setUint32(156, s.segmentsOut, true); // tcpi_data_segs_out
  v.setUint32(192, s.segmentsOut + 1, true); // tcpi_delivered
  v.setBigUint64(200, BigInt(s.bytesSent), true); // tcpi_bytes_sent
  v.setUint32(228, s.peerWindow, true); // tcpi_snd_wnd
  v.setUint32(232, s.window, true); // tcpi_rcv_wnd
  return out;
}
