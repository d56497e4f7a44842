import { describe, expect, it } from 'vitest';
import { decodeText, flagNames, namedWords, valueNames } from '../../../kernel/trace/values.ts';

describe("strace's text read back", () => {
  it.each([
    ['NULL', null],
    ['17', 17],
    ['-1', -1],
    ['0x1f', 31],
    ['0644', 0o644],
    ['18446744073709551615', 18446744073709551615n],
    ['O_RDWR|O_CLOEXEC', 'O_RDWR|O_CLOEXEC'],
    ['"a\\n\\"\\0011\\x41\\\\"...', 'a\n"\x011A\\'],
    ['"\\303\\244"', 'ä'],
    ['"\\303("', 'Ã('],
    ['[]', []],
    ['[3, "x", NULL]', [3, 'x', null]],
    ['{tv_sec=1, tv_nsec=500}', { tv_sec: 1, tv_nsec: 500 }],
    ['[{fd=3, events=POLLIN|POLLHUP}, ...]', [{ fd: 3, events: 'POLLIN|POLLHUP' }]],
    ['{events=EPOLLIN, data={u32=3, u64=3}}', { events: 'EPOLLIN', data: { u32: 3, u64: 3 } }],
    [
      '{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("1.2.3.4")}',
      { sa_family: 'AF_INET', sin_port: 80, sin_addr: '1.2.3.4' },
    ],
    [
      '{sa_family=AF_INET6, sin6_port=htons(1), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}',
      { sa_family: 'AF_INET6', sin6_port: 1, sin6_flowinfo: 0, sin6_addr: '::1', sin6_scope_id: 0 },
    ],
    ['{sa_family=AF_UNIX, sun_path=@"x"}', { sa_family: 'AF_UNIX', sun_path: '\0x' }],
    [
      '{st_mode=S_IFREG|0644, st_rdev=makedev(0x1, 0x3), st_atime=5 /* 1970 */, ...}',
      { st_mode: 'S_IFREG|0644', st_rdev: 'makedev(0x1, 0x3)', st_atime: 5 },
    ],
    ['[16 => 8]', [8]],
    ['[0] => [3]', [3]],
    ['{', {}],
    ['"', ''],
    ['', ''],
  ])('%s', (text, value) => {
    expect(decodeText(text)).toEqual(value);
  });

  it('ends on whatever text', () => {
    let seed = 1;
    const chars = '{}[](),="\\ /*.x0A=>';
    for (let i = 0; i < 3000; i++) {
      let text = '';
      for (let k = 0; k < 20; k++) {
        seed = (seed * 1103515245 + 12345) & 0x7fffffff;
        text += chars[(seed >> 16) % chars.length];
      }
      decodeText(text);
    }
  });
});

describe('named words', () => {
  it('say which bits are set', () => {
    const word = namedWords<'A' | 'B' | 'NONE'>(flagNames([[0, 'NONE'], [1, 'A'], [0x80000000, 'B']])); // prettier-ignore
    const w = word(0x80000000 | 0, 'B');
    expect([w.A, w.B, w.NONE, String(w)]).toEqual([false, true, false, 'B']);
    expect(word(0, 'NONE').NONE).toBe(true);
    expect({ ...w }).toEqual({ value: -0x80000000, text: 'B' });
  });
  it('say which value it is', () => {
    const word = namedWords<'X' | 'Y'>(valueNames([[3, 'X'], [-1, 'Y']])); // prettier-ignore
    expect([word(3, 'X').X, word(-1, 'Y').Y, word(2, '2').X]).toEqual([true, true, false]);
  });
});
