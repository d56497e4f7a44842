/** Apart from netlink.ts, which sockets' ioctl must not import: netlink sockets are sockets. */
import type { Interface } from './stack.ts';

/** IFF_UP, BROADCAST, LOOPBACK, RUNNING, MULTICAST, LOWER_UP. */
export const interfaceFlags = (i: Interface): number => (i.loopback ? 0x10049 : 0x11043);
