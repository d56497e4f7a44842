/** What of the host a browser does not have: each says so, and what to do instead. */
import type { CorePort } from '../../kernel/coredump/settings.ts';
import type { UnicornModule } from '../../cpu/index.ts';
import type { ImageFs } from '../image/image-fs.ts';
import type { HostProgram } from '../host/program.ts';
import { BootError } from '../machine/errors.ts';
import type { InputPump } from '../machine/input-pump.ts';
import type { InputQueue } from '../machine/stdio.ts';
import type { Recording, RecordingSink } from '../record/format.ts';

const absent = (what: string, instead: string): BootError =>
  new BootError('setup', `a browser has no ${what}: ${instead}`);

export function readProgram(name: string): HostProgram {
  throw absent('files to run', `give the bytes of ${name} as BootOptions.program`);
}

export function openImage(path: string): Promise<ImageFs | null> {
  throw absent('folders', `'${path}' cannot be the root; give BootOptions.files, or mount a memfs volume`);
}

export function pumpStdin(queue: InputQueue, _blocking: boolean): InputPump {
  queue.end();
  throw absent('standard input', 'give BootOptions.stdin text, bytes or an async iterable');
}

export function hostCores(): CorePort {
  throw absent('place for core files', 'leave BootOptions.core out');
}

export function loadUnicorn(): Promise<UnicornModule | string> {
  return Promise.resolve("a browser has no Unicorn for ring3: give the cpu 'jit' or 'interp'");
}

export function recordTo(): RecordingSink {
  throw absent('files to record to', 'give a MemoryRecording as BootOptions.record');
}

export function openRecording(path: string): Recording {
  throw absent('files', `read ${path} some other way and give its bytes to readRecording`);
}
