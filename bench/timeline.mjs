#!/usr/bin/env node
// What going back costs: a program of many calls is run alone and with a timeline, then gone back in, one call and to places all over.
// Usage: node bench/timeline.mjs [CALLS] [PROGRAM]
import { Machine, Timeline } from '../dist/index.js';

const [
  calls = '1000000',
  program = new URL('../build/guests/x86_64/bench-getpid-loop', import.meta.url).pathname,
] = process.argv.slice(2);
const boot = () => Machine.boot({ program, argv: [program, calls], seed: 1, countEvents: true });
const ms = (t) => `${t.toFixed(1)} ms`;
async function timed(what) {
  const start = performance.now();
  const result = await what();
  return [performance.now() - start, result];
}

const alone = await boot();
const [run] = await timed(() => alone.run());
alone.dispose();
const m = await boot();
const timeline = new Timeline(m);
const [there, end] = await timed(() => timeline.goto(Infinity));
console.log(`${calls} calls, ${end} events: ${ms(run)} alone, ${ms(there)} with a timeline`);
console.log(`saved: ${timeline.saved.moments} moments, ${(timeline.saved.bytes / 2 ** 20).toFixed(1)} MiB`);

const back = [];
for (let i = 0; i < 10; i++) back.push((await timed(() => timeline.back(2)))[0]);
console.log(`back one call from the end, ten times: ${back.map(ms).join(', ')}`);
const away = [];
const near = [];
for (const part of [0.5, 0.25, 0.9, 0.01, 0.77, 0.33, 0.66, 0.1]) {
  away.push((await timed(() => timeline.goto(Math.floor(end * part))))[0]);
  near.push((await timed(() => timeline.back(2)))[0]);
}
console.log(`to other places: ${away.map(ms).join(', ')}`);
console.log(`back one call from there: ${near.map(ms).join(', ')}`);
m.dispose();
const worst = Math.max(...back, ...near);
console.log(`worst of going back one call: ${ms(worst)}`);
process.exitCode = worst < 500 ? 0 : 1;
