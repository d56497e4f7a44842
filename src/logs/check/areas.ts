/** What the kernel says of its memory areas while it serves a call, against what the call asked for. */
import { pageUp } from '../../../kernel/mm/layout.ts';
import type { KernelNote, LogCall, Range } from '../events.ts';
import type { Findings, Verdict } from './finding.ts';
import { View } from './finding.ts';
import { rangeText } from './ranges.ts';

type AreaNote = Extract<KernelNote, { kind: 'area' }>;

const MAN = 'mmap(2), DESCRIPTION';
const SECTIONS: Readonly<Record<string, string>> = {
  mmap: MAN,
  munmap: 'mmap(2), munmap()',
  mprotect: 'mprotect(2)',
};

/** The pages the arguments name; null: the log does not show them. */
function asked(c: View): Range | null {
  const start = c.u64(0);
  const length = c.u64(1);
  return start === null || length === null ? null : { start, end: start + pageUp(length) };
}

export function checkAreas(call: LogCall, findings: Findings): void {
  const notes = call.notes.filter((n): n is AreaNote => n.kind === 'area');
  if (notes.length === 0 || !['mmap', 'munmap', 'mprotect'].includes(call.name)) return;
  const want = asked(new View(call));
  if (want === null) return;
  const say = (n: AreaNote, rule: string, linux: string, why: string): void => {
    const verdict: Verdict = { rule, kind: 'state', linux, why, man: SECTIONS[call.name] };
    findings.add(verdict, call, n.line, `${n.op} area ${rangeText(n.range)}`, n.text, n.tid);
  };
  let inverted = false;
  for (const n of notes) {
    const { range, to } = n;
    const whole = n.op === 'mmap' || n.op === 'munmap' || n.op === 'mprotect';
    if (range.end < range.start) {
      if (inverted) continue; // the same area again
      inverted = true;
      const more = whole ? `; ${call.name} was asked for ${rangeText(want)}` : '';
      say(n, 'area-inverted', `the area ${rangeText(want)}`, `The area ends before it starts${more}.`);
    } else if (whole && (range.start !== want.start || range.end !== want.end)) {
      const over = range.end > want.end ? ` It reaches ${range.end - want.end} bytes too far.` : '';
      say(n, 'area-range', `the area ${rangeText(want)}`, `That is not what the call asked for.${over}`);
    } else if (n.op === 'found' && call.result !== null && Number(call.result) !== range.start) {
      say(n, 'area-found', `the address of the area it found`, `The call returned ${call.resultText}.`);
    } else if (to !== null) checkShrink(n, to, want, say);
  }
}

function checkShrink(
  n: AreaNote,
  to: Range,
  want: Range,
  say: (n: AreaNote, rule: string, linux: string, why: string) => void,
): void {
  const left = n.op === 'shrink-left';
  const expected = left ? { start: want.end, end: n.range.end } : { start: n.range.start, end: want.start };
  const shown = `the rest ${rangeText(expected)}`;
  if (to.end <= to.start)
    say(n, 'area-empty', shown, `It keeps ${rangeText(to)}, an area with nothing in it.`);
  else if (to.start !== expected.start || to.end !== expected.end)
    say(n, 'area-rest', shown, `It keeps ${rangeText(to)} of the area.`);
}
