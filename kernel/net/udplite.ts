/** UDP-Lite (udplite(7), RFC 3828): UDP whose checksum may cover only a datagram's beginning. There is no wire to corrupt it. */
import { EINVAL, ENOPROTOOPT } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import type { Endpoint } from './address.ts';
import { AF_INET, IPPROTO_UDPLITE } from './constants.ts';
import { intValue } from './inet-options.ts';
import type { PacketInfo } from './packet-info.ts';
import { portHash, type PortTable } from './ports.ts';
import type { NetStack } from './stack.ts';
import { UdpSocket } from './udp.ts';

const UDPLITE_SEND_CSCOV = 10;
const UDPLITE_RECV_CSCOV = 11;
/** Bytes of the header, which is always covered. */
const HEADER = 8;

export class UdpLiteSocket extends UdpSocket {
  /** Bytes covered; 0: all. */
  private sendCoverage = 0;
  /** Least coverage taken, 0: whole datagrams alone; null: any. */
  private receiveCoverage: number | null = null;

  constructor(net: NetStack, family: number) {
    super(net, family, IPPROTO_UDPLITE);
  }

  override get protocolName(): string {
    return this.family === AF_INET ? 'UDPLITE' : 'UDPLITEv6';
  }
  protected override get table(): PortTable {
    return this.net.udplite;
  }

  protected override transmit(from: Endpoint, to: Endpoint, data: Uint8Array, info: PacketInfo): boolean {
    const { net, sendCoverage: covered } = this;
    if (!net.isLocal(to.ip)) return true;
    const s = net.udplite.lookup(to.ip, to.port, portHash(from.port), (u) =>
      (u as UdpLiteSocket).accepts(from),
    ) as UdpLiteSocket | null;
    if (!s) return false;
    const partial = covered > 0 && covered < data.length + HEADER;
    const least = s.receiveCoverage;
    // udp_queue_rcv_one_skb drops what is covered less than was asked for.
    if (!(partial && least !== null && (least === 0 || covered < least))) s.deliver(data, from, to.ip, info);
    return true;
  }

  protected override portFreed(): void {}

  override setOption(t: Task, level: number, name: number, value: Uint8Array): number {
    if (level !== IPPROTO_UDPLITE) return super.setOption(t, level, name, value);
    if (name !== UDPLITE_SEND_CSCOV && name !== UDPLITE_RECV_CSCOV) return -ENOPROTOOPT;
    const v = intValue(value, false);
    if (v === null) return -EINVAL;
    const coverage = v === 0 ? 0 : v < HEADER ? HEADER : Math.min(v, 0xffff);
    if (name === UDPLITE_SEND_CSCOV) this.sendCoverage = coverage;
    else this.receiveCoverage = coverage;
    return 0;
  }

  override getOption(t: Task, level: number, name: number, length: number): Uint8Array | number {
    if (level !== IPPROTO_UDPLITE) return super.getOption(t, level, name, length);
    if (name === UDPLITE_SEND_CSCOV) return new Uint8Array(Int32Array.of(this.sendCoverage).buffer);
    if (name === UDPLITE_RECV_CSCOV) return new Uint8Array(Int32Array.of(this.receiveCoverage ?? 0).buffer);
    return -ENOPROTOOPT;
  }
}
