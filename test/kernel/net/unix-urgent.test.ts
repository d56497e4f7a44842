/** The urgent byte of AF_UNIX streams, as Linux 6.18 has it: what each call gives was taken from there. */
import { describe, expect, it } from 'vitest';
import { netRows as rows } from '../../../kernel/net/rows.ts';
import * as E from '../../../kernel/abi/errno.ts';
import { AF_UNIX, DGRAM, NONBLOCK, SEQPACKET, STREAM, network } from './harness.ts';
import type { NetTask } from './harness.ts';

const MSG_OOB = 1;
const MSG_PEEK = 2;
const SOL_SOCKET = 1;
const SO_OOBINLINE = 10;

function pair(t: NetTask, type = STREAM): [number, number] {
  const sv = t.alloc(8);
  expect(t.call(rows.socketpair, AF_UNIX, type | NONBLOCK, 0, sv)).toBe(0);
  return [t.mem.u32(sv), t.mem.u32(sv + 4)];
}
const at = (t: NetTask, fd: number): boolean => t.at(fd).atMark;

describe('the urgent byte of an AF_UNIX stream', () => {
  it('is the last of a send, stops reads, and is read by itself', () => {
    const { t } = network();
    const [a, b] = pair(t);
    expect(t.recv(b, 1, MSG_OOB)).toBe(-E.EINVAL);
    expect(t.send(a, 'hello', MSG_OOB)).toBe(5);
    expect(t.poll(b)).toBe('IN|PRI|OUT|RDN|WRN|WRB');
    expect(at(t, b)).toBe(false);
    expect(t.at(b).inq()).toBe(5);
    expect(t.recv(b, 20, MSG_PEEK)).toBe('hell');
    expect(t.recv(b, 1, MSG_OOB | MSG_PEEK)).toBe('o');
    expect(t.recv(b, 20)).toBe('hell');
    expect(at(t, b)).toBe(true);
    expect(t.recv(b, 1, MSG_OOB)).toBe('o');
    expect(t.recv(b, 1, MSG_OOB)).toBe(-E.EINVAL);
    // Where it was is still a mark, and something to poll for.
    expect(at(t, b)).toBe(true);
    expect(t.poll(b)).toBe('IN|OUT|RDN|WRN|WRB');
    expect(t.recv(b, 1)).toBe(-E.EAGAIN);
    expect(t.poll(b)).toBe('OUT|WRN|WRB');
  });

  it('is lost to a read that goes past it', () => {
    const { t } = network();
    const [a, b] = pair(t);
    t.send(a, 'x', MSG_OOB);
    t.send(a, 'yz');
    expect(at(t, b)).toBe(true);
    expect(t.recv(b, 20)).toBe('yz');
    expect(t.recv(b, 1, MSG_OOB)).toBe(-E.EINVAL);
  });

  it('becomes an ordinary byte when another comes', () => {
    const { t } = network();
    const [a, b] = pair(t);
    t.send(a, 'ab', MSG_OOB);
    t.send(a, 'cd', MSG_OOB);
    expect(t.recv(b, 20)).toBe('abc');
    expect(t.recv(b, 20, MSG_OOB)).toBe('d');
    expect(t.recv(b, 20)).toBe(-E.EAGAIN);
  });

  it('stays in its place with SO_OOBINLINE', () => {
    const { t } = network();
    const [a, b] = pair(t);
    t.setInt(b, SOL_SOCKET, SO_OOBINLINE, 1);
    t.send(a, 'pq', MSG_OOB);
    t.send(a, 'rs');
    expect(t.recv(b, 20, MSG_OOB)).toBe(-E.EINVAL);
    expect(t.recv(b, 20)).toBe('p');
    expect(at(t, b)).toBe(true);
    expect(t.recv(b, 20)).toBe('qrs');
  });

  it('is for streams only, and needs a byte', () => {
    const { t } = network();
    expect(t.send(pair(t)[0], '', MSG_OOB)).toBe(-E.EOPNOTSUPP);
    for (const type of [DGRAM, SEQPACKET]) {
      const [a, b] = pair(t, type);
      expect(t.send(a, 'a', MSG_OOB)).toBe(-E.EOPNOTSUPP);
      expect(t.recv(b, 1, MSG_OOB)).toBe(-E.EOPNOTSUPP);
    }
  });

  it('does not make its reader’s close a reset once it was read', () => {
    const { t } = network();
    const [a, b] = pair(t);
    t.send(a, 'x', MSG_OOB);
    expect(t.recv(b, 1, MSG_OOB)).toBe('x');
    t.close(b);
    expect(t.recv(a, 1)).toBe('');
  });
});
