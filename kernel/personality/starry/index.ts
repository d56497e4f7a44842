/**
 * StarryOS, quirk by quirk. Facts are from the sources of Starry-OS/linux_syscall_api (b3d7cc4, 2024-11-04) and
 * Starry-OS/Starry (41326fe), from their history, and from logs of ZLMediaKit's MediaServer on it. Nothing of their text is here.
 */
import type { Quirk } from '../quirk.ts';
import { epollQuirks } from './epoll.ts';
import { fileQuirks } from './files.ts';
import { futexQuirks } from './futex.ts';
import { memoryQuirks } from './memory.ts';
import { networkQuirks } from './network.ts';
import { signalQuirks } from './signals.ts';
import { taskQuirks } from './tasks.ts';
import { schedulingQuirks } from './scheduling.ts';

export const STARRY_QUIRKS: readonly Quirk[] = [
  ...schedulingQuirks,
  ...futexQuirks,
  ...taskQuirks,
  ...signalQuirks,
  ...epollQuirks,
  ...fileQuirks,
  ...memoryQuirks,
  ...networkQuirks,
];
