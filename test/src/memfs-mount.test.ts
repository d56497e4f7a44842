/** A mount need not be a folder on a disk: a memfs volume, used by busybox as any other folder. */
import { memfs } from 'memfs';
import { describe, expect, it } from 'vitest';
import { Machine, type FsLike } from '../../src/index.ts';
import { hostTool } from '../support/run.ts';

const busybox = hostTool('/usr/bin/busybox', 'busybox-static', 'a memfs volume as a mount');

describe.skipIf(busybox === null)('a memfs volume', () => {
  it('is read, written, listed and walked', async () => {
    const { fs, vol } = memfs({ '/data/in': 'b\na\n', '/data/sub/deep': 'x' });
    const script = `cd /mnt && sort in > out && mkdir new && mv sub/deep new/moved && ln -s out link && rm in
      mkdir -p one/two/three && ls one/two && mv one uno && ls uno uno/two && rm -r uno
      chmod 600 out && echo more >> link && cat link && find . | sort && stat -c '%a %s' out`;
    const m = await Machine.boot({
      program: busybox!,
      argv: ['busybox', 'sh', '-c', script],
      env: { PATH: '/nowhere' },
      mounts: [{ host: '/data', guest: '/mnt', fs: fs as unknown as FsLike }],
    });
    const end = await m.run();
    expect(m.stderr).toBe('');
    expect(m.stdout).toBe(
      'three\nuno:\ntwo\n\nuno/two:\nthree\na\nb\nmore\n.\n./link\n./new\n./new/moved\n./out\n./sub\n600 9\n',
    );
    expect(end.status).toBe(0);
    expect(vol.readlinkSync('/data/link')).toBe('out');
    expect(vol.toJSON()).toEqual({
      '/data/new/moved': 'x',
      '/data/out': 'a\nb\nmore\n',
      '/data/sub': null,
    });
  });

  it('read only: nothing changes', async () => {
    const { vol } = memfs({ '/data/in': 'text' });
    const m = await Machine.boot({
      program: busybox!,
      argv: ['busybox', 'sh', '-c', 'cat /mnt/in; echo no > /mnt/in; rm /mnt/in'],
      env: { PATH: '/nowhere' },
      mounts: [{ host: '/data', guest: '/mnt', readOnly: true, fs: vol as unknown as FsLike }],
    });
    await m.run();
    expect(m.stdout).toBe('text');
    expect(m.stderr).toMatch(/Read-only file system[^]*Read-only file system/);
    expect(vol.toJSON()).toEqual({ '/data/in': 'text' });
  });
});
