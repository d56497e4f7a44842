// What a page does with ring3 (run by page.mjs, in a page's surroundings). `given` has bytes; `out` is looked at by browser.test.ts.
import { Machine, MemoryRecording, Strace, readRecording } from 'ring3';

/* global given, out */
const { guests, recorded, busybox } = given;

async function ran(options) {
  const m = await Machine.boot(options);
  const { code, signal } = await m.run();
  return { code, signal, stdout: m.stdout };
}
const refused = (promise) => promise.then(() => null, (e) => `${e.name}: ${e.message}`); // prettier-ignore

out.x86 = await ran({ program: guests.x86, stdin: 'one\ntwo\n' });
out.a64 = await ran({ program: guests.a64, stdin: 'one\ntwo\n' });
// The code of every block is compiled when it has run a few times.
out.compiled = await ran({ program: guests.threads, seed: 1, cpu: 'jit:200:1' });
out.interpreted = await ran({ program: guests.threads, seed: 1, cpu: 'interp' });

let trace = '';
const tracer = new Strace({ write: (text) => (trace += text) });
await ran({ program: guests.x86, stdin: '', tracer, seed: 1 });
tracer.finish();
out.trace = trace;

const stepped = await Machine.boot({ program: guests.x86, stdin: 'one\n', seed: 1 });
const call = await stepped.nextSyscall('writev');
call.skip(-28);
out.skipped = (await stepped.nextExit('writev')).text;

const recording = new MemoryRecording();
const first = await ran({ program: guests.threads, record: recording });
const again = await Machine.replay(recording);
await again.run();
out.replayed = again.stdout === first.stdout;
{
  const fromFile = await Machine.replay(await readRecording(recorded));
  await fromFile.run();
  out.fromFile = fromFile.stdout;
  recorded[recorded.length - 40] ^= 1;
  out.damaged = await refused(readRecording(recorded).then((r) => Machine.replay(r)).then((m) => m.run())); // prettier-ignore
}

if (busybox) {
  const server = await Machine.boot({
    program: busybox,
    argv: ['busybox', 'nc', '-l', '-p', '7', '-e', 'busybox', 'tr', 'a-z', 'A-Z'],
    path: '/bin/busybox',
    env: { PATH: '/bin' },
  });
  const running = server.run();
  const { readable, writable } = server.connect(7).web;
  const writer = writable.getWriter();
  await writer.write(new TextEncoder().encode('from the page'));
  await writer.close();
  out.served = await new Response(readable).text();
  out.server = (await running).code;
}

out.refusals = [
  await refused(Machine.boot({ program: '/bin/true' })),
  await refused(Machine.boot({ program: guests.x86, publish: [{ hostPort: 80, guestPort: 80 }] })),
  await refused(Machine.boot({ program: guests.x86, mounts: [{ host: '/home', guest: '/home' }] })),
  await refused(Machine.boot({ program: guests.x86, root: '/' })),
  await refused(Machine.boot({ program: guests.x86, inheritStdin: true })),
  await refused(Machine.boot({ program: guests.x86, cpu: 'unicorn' })),
];
