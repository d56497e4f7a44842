/** Excerpts of real logs, and how tests read them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Log } from '../../src/logs/events.ts';
import { readLog } from '../../src/logs/read.ts';

export const fixturePath = (name: string): string =>
  fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
export const fixtureText = (name: string): string => readFileSync(fixturePath(name), 'utf8');
export const fixture = (name: string): Log => readLog(fixtureText(name), name);
