/** The tables of /proc/net (proc_pid_net(5)): get_tcp4_sock, udp4_format_sock, unix_seq_show and their kin. */
import type { Ip } from './address.ts';
import { ipTo16 } from './address.ts';
import { tcpEntries, udpEntries, type InetEntry } from './census.ts';
import {
  AF_INET,
  AF_INET6,
  TCP_CLOSE_WAIT,
  TCP_ESTABLISHED,
  TCP_LISTEN,
  TCP_TIME_WAIT,
} from './constants.ts';
import type { NetStack } from './stack.ts';

/** Addresses of kernel objects, as readers without the right to them see them (%pK). */
const POINTER = '0000000000000000';
/** __SO_ACCEPTCON. */
const SO_ACCEPTCON = 0x10000;

const UDP_COUNTERS =
  'InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors';
const SNMP: readonly (readonly [protocol: string, names: string])[] = [
  [
    'Ip',
    'Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers ' +
      'OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates',
  ],
  [
    'Tcp',
    'RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs ' +
      'RetransSegs InErrs OutRsts InCsumErrors',
  ],
  ['Udp', UDP_COUNTERS],
  ['UdpLite', UDP_COUNTERS],
];

const hex = (n: number, width: number): string => (n >>> 0).toString(16).toUpperCase().padStart(width, '0');
const line = (text: string, width: number): string => `${text.padEnd(width)}\n`;

/** Words of an address as the machine, little-endian, has them in memory. */
function addressText(ip: Ip, family: number): string {
  const bytes = ipTo16(ip);
  const v = new DataView(bytes.buffer);
  let out = '';
  for (let at = family === AF_INET ? 12 : 0; at < 16; at += 4) out += hex(v.getUint32(at, true), 8);
  return out;
}

function ends(e: InetEntry): string {
  const none: Ip = e.family === AF_INET ? 0 : '\0'.repeat(16);
  const local = `${addressText(e.local.ip, e.family)}:${hex(e.local.port, 4)}`;
  return `${local} ${addressText(e.remote?.ip ?? none, e.family)}:${hex(e.remote?.port ?? 0, 4)}`;
}

function tcpLine(e: InetEntry, n: number): string {
  const head = `${String(n).padStart(4)}: ${ends(e)} ${hex(e.state, 2)}`;
  const width = e.family === AF_INET ? 149 : 0;
  if (e.state === TCP_TIME_WAIT) {
    const ticks = hex(Math.max(0, Math.floor(e.left / 1e7)), 8);
    return line(`${head} 00000000:00000000 03:${ticks} 00000000     0        0 0 3 ${POINTER}`, width);
  }
  const listens = e.state === TCP_LISTEN;
  const queues = `${hex(listens ? 0 : e.sending, 8)}:${hex(e.receiving, 8)} 00:00000000 00000000`;
  // Timeouts in ticks, the congestion window, the slow start threshold.
  const tail = listens ? '100 0 0 10 0' : '20 4 0 10 -1';
  return line(`${head} ${queues} ${String(e.uid).padStart(5)}        0 ${e.ino} 1 ${POINTER} ${tail}`, width);
}

function udpLine(e: InetEntry): string {
  const head = `${String(e.local.port & 0x3fff).padStart(5)}: ${ends(e)} ${hex(e.state, 2)}`;
  const queues = `${hex(e.sending, 8)}:${hex(e.receiving, 8)} 00:00000000 00000000`;
  const text = `${head} ${queues} ${String(e.uid).padStart(5)}        0 ${e.ino} 2 ${POINTER} 0`;
  return line(text, e.family === AF_INET ? 127 : 0);
}

function unixLines(net: NetStack): string[] {
  return [...net.unixSockets].map((s) => {
    const connected = s.state === TCP_ESTABLISHED;
    // SS_CONNECTED, SS_UNCONNECTED; SS_CONNECTING for one that no file stands for yet.
    const state = s.embryo ? 2 : connected ? 3 : 1;
    const flags = s.listening ? SO_ACCEPTCON : 0;
    const text = `${POINTER}: ${hex(connected ? 3 : 2, 8)} 00000000 ${hex(flags, 8)} ${hex(s.type, 4)} ${hex(state, 2)}`;
    let name = '';
    if (s.bound) {
      const path = s.bound[0] !== 0;
      const shown = path ? s.bound.subarray(0, -1) : s.bound;
      name = ` ${String.fromCharCode(...shown.map((c) => (c === 0 ? 0x40 : c)))}`;
    }
    return `${text} ${String(s.embryo ? 0 : s.inode!.ino).padStart(5)}${name}\n`;
  });
}

function netlinkLines(net: NetStack): string[] {
  return [...net.netlink.values()].map((s) =>
    [
      POINTER, String(s.protocol).padEnd(3), String(s.pid).padEnd(10), hex(s.groups, 8).toLowerCase(),
      String(s.charged).padEnd(8), '0       ', '0    ', '2       ', '0       ', `${String(s.inode!.ino).padEnd(8)}\n`,
    ].join(' '),
  ); // prettier-ignore
}

function routeLines(net: NetStack): string[] {
  const eth0 = net.interfaces().find((i) => !i.loopback);
  if (!eth0) return [];
  const { ip, prefix } = eth0.addresses[0];
  const mask = (0xffffffff << (32 - prefix)) >>> 0;
  const network = ((ip as number) & mask) >>> 0;
  const row = (to: number, via: number, flags: number, of: number): string =>
    line(
      `${eth0.name}\t${addressText(to, AF_INET)}\t${addressText(via, AF_INET)}\t${hex(flags, 4)}\t0\t0\t0\t${addressText(of, AF_INET)}\t0\t0\t0`,
      127,
    );
  const own = row(network, 0, 1, mask); // RTF_UP
  return net.host ? [row(0, network + 2, 3, 0), own] : [own]; // RTF_GATEWAY
}

function sockstat(net: NetStack): string[] {
  const tcp = tcpEntries(net.tcp, net.now());
  const udp = udpEntries(net.udp);
  const of = (family: number, list: readonly InetEntry[]): number =>
    list.filter((e) => e.family === family && e.state !== TCP_TIME_WAIT).length;
  const waiting = tcp.filter((e) => e.state === TCP_TIME_WAIT).length;
  const used = tcp.length - waiting + udp.length + net.unixSockets.size + net.netlink.size;
  return [
    `sockets: used ${used}\n`,
    `TCP: inuse ${of(AF_INET, tcp)} orphan 0 tw ${waiting} alloc ${tcp.length - waiting} mem 0\n`,
    `UDP: inuse ${of(AF_INET, udp)} mem 0\n`,
    `UDPLITE: inuse ${of(AF_INET, udpEntries(net.udplite))}\n`,
    'RAW: inuse 0\n',
    'FRAG: inuse 0 memory 0\n',
  ];
}

function sockstat6(net: NetStack): string[] {
  const count = (list: readonly InetEntry[]): number =>
    list.filter((e) => e.family === AF_INET6 && e.state !== TCP_TIME_WAIT).length;
  return [
    `TCP6: inuse ${count(tcpEntries(net.tcp, net.now()))}\n`,
    `UDP6: inuse ${count(udpEntries(net.udp))}\n`,
    `UDPLITE6: inuse ${count(udpEntries(net.udplite))}\n`,
    'RAW6: inuse 0\n',
    'FRAG6: inuse 0 memory 0\n',
  ];
}

/** Two lines for each protocol (snmp_seq_show). Nothing counts packets; connections are. */
function snmp(net: NetStack): string[] {
  const open = tcpEntries(net.tcp, net.now()).filter(
    (e) => e.state === TCP_ESTABLISHED || e.state === TCP_CLOSE_WAIT,
  ).length;
  const known: Readonly<Record<string, number>> = {
    Forwarding: 2, DefaultTTL: 64, RtoAlgorithm: 1, RtoMin: 200, RtoMax: 120000, MaxConn: -1, CurrEstab: open,
  }; // prettier-ignore
  return SNMP.flatMap(([protocol, names]) => {
    const values = names.split(' ').map((name) => known[name] ?? 0);
    return [`${protocol}: ${names}\n`, `${protocol}: ${values.join(' ')}\n`];
  });
}

/** One line of /proc/net/dev; packets are not counted. */
const device = (name: string): string =>
  `${name.padStart(6)}:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n`;

function interfaceLines(net: NetStack): string[] {
  const out: string[] = [];
  for (const i of net.interfaces())
    for (const { ip, prefix } of i.addresses) {
      if (typeof ip === 'number') continue;
      const text = [...ipTo16(ip)].map((b) => b.toString(16).padStart(2, '0')).join('');
      const scope = i.loopback ? '10' : '20';
      const two = (n: number): string => n.toString(16).padStart(2, '0');
      out.push(`${text} ${two(i.index)} ${two(prefix)} ${scope} 80 ${i.name.padStart(8)}\n`);
    }
  return out;
}

/** The lines of a file below /proc/net, header left out; null: it is not the stack's. */
export function procNetLines(net: NetStack, name: string): readonly string[] | null {
  const tcp = (family: number): string[] =>
    tcpEntries(net.tcp, net.now())
      .filter((e) => e.family === family)
      .map((e, n) => tcpLine(e, n));
  const udp = (family: number, table = net.udp): string[] =>
    udpEntries(table)
      .filter((e) => e.family === family)
      .map(udpLine);
  switch (name) {
    case 'tcp':
      return tcp(AF_INET);
    case 'tcp6':
      return tcp(AF_INET6);
    case 'udp':
      return udp(AF_INET);
    case 'udp6':
      return udp(AF_INET6);
    case 'udplite':
      return udp(AF_INET, net.udplite);
    case 'udplite6':
      return udp(AF_INET6, net.udplite);
    case 'unix':
      return unixLines(net);
    case 'netlink':
      return netlinkLines(net);
    case 'route':
      return routeLines(net);
    case 'sockstat':
      return sockstat(net);
    case 'sockstat6':
      return sockstat6(net);
    case 'snmp':
      return snmp(net);
    case 'dev':
      return net.interfaces().map((i) => device(i.name));
    case 'if_inet6':
      return interfaceLines(net);
    default:
      return null;
  }
}
