/** /proc/net: the network's tables. The stack fills them in; without one they hold their headers alone. */
import { GeneratedDir, GeneratedFile, type GeneratedFs } from './generated.ts';

/** What the network stack offers: the lines of a file below /proc/net, header left out; null: it knows no such file. */
export interface ProcNetSource {
  procNet(name: string): readonly string[] | null;
}

const pad = (s: string, n: number): string => `${s.padEnd(n - 1)}\n`;
const INET = 'local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const INET6 =
  'local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

/** Header lines, as Linux pads them. */
const HEADERS: Readonly<Record<string, string>> = {
  tcp: pad(`  sl  ${INET}`, 150),
  tcp6: `  sl  ${INET6}\n`,
  udp: pad(`   sl  ${INET} ref pointer drops`, 128),
  udp6: `  sl  ${INET6} ref pointer drops\n`,
  udplite: pad(`   sl  ${INET} ref pointer drops`, 128),
  udplite6: `  sl  ${INET6} ref pointer drops\n`,
  raw: `  sl  ${INET} ref pointer drops\n`,
  raw6: `  sl  ${INET6} ref pointer drops\n`,
  unix: 'Num       RefCount Protocol Flags    Type St Inode Path\n',
  netlink: 'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n',
  packet: 'sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n',
  arp: 'IP address       HW type     Flags       HW address            Mask     Device\n',
  route: pad('Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT', 128),
  dev:
    'Inter-|   Receive                                                |  Transmit\n' +
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n',
  if_inet6: '',
  igmp: 'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n',
  sockstat: '',
  sockstat6: '',
  snmp: '',
};

/** The loopback interface, for as long as no stack counts its packets. */
const LOOPBACK: Readonly<Record<string, readonly string[]>> = {
  dev: [
    '    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n',
  ],
  if_inet6: ['00000000000000000000000000000001 01 80 10 80       lo\n'],
};

export function netDir(fs: GeneratedFs, source: () => ProcNetSource | null): GeneratedDir {
  const dir = new GeneratedDir(fs);
  for (const [name, header] of Object.entries(HEADERS)) {
    const lines = (): string[] =>
      [header, ...(source()?.procNet(name) ?? LOOPBACK[name] ?? [])].filter((l) => l !== '');
    dir.add(name, new GeneratedFile(fs, 0o444, lines));
  }
  return dir;
}
