/** Rows of the socket calls. */
import { FULL, defineSyscalls, partial } from '../syscall/define.ts';
import { enumOf, fd, flags, inBytes, int, size, uint } from '../trace/args.ts';
import {
  accept, accept4, bind, connect, getpeername, getsockname, getsockopt, listen, recvfrom, sendto, setsockopt, shutdown,
  socket, socketpair,
} from './syscalls.ts'; // prettier-ignore
import { recvmmsg, recvmsg, sendmmsg, sendmsg } from './syscalls-msg.ts';
import {
  fdPair, lengthOut, level, mmsghdrsIn, mmsghdrsOut, msgFlags, msghdr, msghdrOut, option, optionOut, optionValue,
  protocol, received, recvmmsgAux, sockaddr, sockaddrOut, socketType, timeoutIn,
} from './trace.ts'; // prettier-ignore
import { FAMILIES, SHUT, SOCK_FLAGS } from './trace-names.ts';

export const netRows = defineSyscalls({
  socket: {
    x86_64: 41, aarch64: 198, run: socket, ret: 'fd',
    support: partial('AF_UNIX, AF_INET and AF_INET6 streams and datagrams, NETLINK_ROUTE and NETLINK_SOCK_DIAG dumps; no raw or packet sockets'),
    args: [enumOf('domain', FAMILIES, 'AF_???'), socketType('type'), protocol('protocol')],
  },
  connect: {
    x86_64: 42, aarch64: 203, run: connect, ret: 'int', support: FULL, blocks: true,
    args: [fd('sockfd'), sockaddr('addr', 2), int('addrlen')],
  },
  accept: {
    x86_64: 43, aarch64: 202, run: accept, ret: 'fd', support: FULL, blocks: true,
    args: [fd('sockfd'), sockaddrOut('addr', 2), lengthOut('addrlen')],
  },
  sendto: {
    x86_64: 44, aarch64: 206, run: sendto, ret: 'size', support: FULL, blocks: true,
    args: [fd('sockfd'), inBytes('buf', 2), size('len'), msgFlags('flags'), sockaddr('dest_addr', 5), uint('addrlen')],
  },
  recvfrom: {
    x86_64: 45, aarch64: 207, run: recvfrom, ret: 'size', support: FULL, blocks: true,
    args: [fd('sockfd'), received('buf'), size('len'), msgFlags('flags'), sockaddrOut('src_addr', 5), lengthOut('addrlen')],
  },
  sendmsg: {
    x86_64: 46, aarch64: 211, run: sendmsg, ret: 'size', support: FULL, blocks: true,
    args: [fd('sockfd'), msghdr('msg'), msgFlags('flags')],
  },
  recvmsg: {
    x86_64: 47, aarch64: 212, run: recvmsg, ret: 'size', support: FULL, blocks: true,
    args: [fd('sockfd'), msghdrOut('msg'), msgFlags('flags')],
  },
  shutdown: {
    x86_64: 48, aarch64: 210, run: shutdown, ret: 'int', support: FULL,
    args: [fd('sockfd'), enumOf('how', SHUT, 'SHUT_???')],
  },
  bind: {
    x86_64: 49, aarch64: 200, run: bind, ret: 'int', support: FULL,
    args: [fd('sockfd'), sockaddr('addr', 2), int('addrlen')],
  },
  listen: {
    x86_64: 50, aarch64: 201, run: listen, ret: 'int', support: FULL, args: [fd('sockfd'), int('backlog')],
  },
  getsockname: {
    x86_64: 51, aarch64: 204, run: getsockname, ret: 'int', support: FULL,
    args: [fd('sockfd'), sockaddrOut('addr', 2), lengthOut('addrlen')],
  },
  getpeername: {
    x86_64: 52, aarch64: 205, run: getpeername, ret: 'int', support: FULL,
    args: [fd('sockfd'), sockaddrOut('addr', 2), lengthOut('addrlen')],
  },
  socketpair: {
    x86_64: 53, aarch64: 199, run: socketpair, ret: 'int', support: FULL,
    args: [enumOf('domain', FAMILIES, 'AF_???'), socketType('type'), protocol('protocol'), fdPair('sv')],
  },
  setsockopt: {
    x86_64: 54, aarch64: 208, run: setsockopt, ret: 'int',
    support: partial('options without effect on a loopback are kept and told back'),
    args: [fd('sockfd'), level('level'), option('optname'), optionValue('optval'), int('optlen')],
  },
  getsockopt: {
    x86_64: 55, aarch64: 209, run: getsockopt, ret: 'int', support: partial('as setsockopt'),
    args: [fd('sockfd'), level('level'), option('optname'), optionOut('optval'), lengthOut('optlen')],
  },
  accept4: {
    x86_64: 288, aarch64: 242, run: accept4, ret: 'fd', support: FULL, blocks: true,
    args: [fd('sockfd'), sockaddrOut('addr', 2), lengthOut('addrlen'), flags('flags', SOCK_FLAGS, 'SOCK_???')],
  },
  recvmmsg: {
    x86_64: 299, aarch64: 243, run: recvmmsg, ret: 'int', support: FULL, blocks: true, aux: recvmmsgAux,
    args: [fd('sockfd'), mmsghdrsOut('msgvec'), uint('vlen'), msgFlags('flags'), timeoutIn('timeout')],
  },
  sendmmsg: {
    x86_64: 307, aarch64: 269, run: sendmmsg, ret: 'int', support: FULL, blocks: true,
    args: [fd('sockfd'), mmsghdrsIn('msgvec'), uint('vlen'), msgFlags('flags')],
  },
}); // prettier-ignore
