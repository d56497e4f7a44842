/** An explanation as text for people: the cause, then each task with what it waits for and who could end that. */
import { placeText, queueText } from './cause.ts';
import { durationText, holdersText } from './files.ts';
import type { Explanation, FileWait, FutexWait, TaskReport, Wait } from './types.ts';

/** Tasks and epoll members shown in full. */
const MOST_TASKS = 64;
const MOST_MEMBERS = 32;

/** Lines without line ends; the first is the cause. */
export function explanationLines(e: Explanation): string[] {
  const out = [e.cause];
  if (e.livelock !== null) {
    for (const l of e.livelock.loops.slice(0, 4)) {
      out.push(`  ${l.tid} (${l.name}) repeats, ${l.instructions} instructions a round:`);
      for (const call of l.round) out.push(`      ${call}`);
    }
  }
  const live = e.tasks.filter((t) => t.state !== 'zombie');
  for (const t of live.slice(0, MOST_TASKS)) out.push(...taskLines(t, live));
  if (live.length > MOST_TASKS) out.push(`  and ${live.length - MOST_TASKS} more tasks`);
  return out;
}

/** The same, with a line end after each. */
export const explanationText = (e: Explanation): string => `${explanationLines(e).join('\n')}\n`;

function taskLines(t: TaskReport, all: readonly TaskReport[]): string[] {
  const who = `  ${t.tid} (${t.name})${t.pid === t.tid ? '' : `, a thread of ${t.pid},`}`;
  if (t.state === 'running' || t.state === 'runnable') {
    const where = t.pc.symbol === null ? `at 0x${t.pc.address.toString(16)}` : `in ${t.pc.symbol}`;
    const doing = t.state === 'running' ? 'runs' : 'can run';
    return [`${who} ${doing}: ${where}, ${t.instructions} instructions so far`];
  }
  if (t.state === 'stopped') return [`${who} is stopped until SIGCONT comes`];
  const out = [`${who} in ${t.call?.text ?? 'a call'}`];
  for (const w of t.waits) out.push(...waitLines(w, t).map((l) => `      ${l}`));
  if (t.timeLeft !== null) out.push(`      goes on by itself in ${durationText(t.timeLeft)}`);
  out.push(`      ${wakerText(t, all)}`);
  return out;
}

function wakerText(t: TaskReport, all: readonly TaskReport[]): string {
  const by = new Map<string, number[]>();
  for (const w of t.wakers) by.set(w.by, [...(by.get(w.by) ?? []), w.tid]);
  const parts = [...by].slice(0, 6).map(([what, tids]) => {
    const shown = tids.slice(0, 6).map((tid) => `${tid}${stateOf(tid, all)}`);
    const more = tids.length > 6 ? ` and ${tids.length - 6} more` : '';
    return `${shown.join(', ')}${more} could ${what}`;
  });
  if (t.outside !== null) parts.push(`${t.outside} would end it`);
  if (t.waits.some((w) => w.type === 'signal')) parts.push('a signal would end it');
  if (parts.length === 0) {
    if (t.timeLeft !== null) return 'only time, or a signal, ends it';
    return t.complete ? 'nobody is left who could wake it' : 'who could wake it is not known';
  }
  return parts.join('; ');
}

function stateOf(tid: number, all: readonly TaskReport[]): string {
  const t = all.find((x) => x.tid === tid);
  if (t === undefined) return '';
  if (t.state !== 'waiting') return ` (${t.state})`;
  return t.timeLeft !== null ? ' (sleeps)' : ' (waits too)';
}

function waitLines(w: Wait, t: TaskReport): string[] {
  switch (w.type) {
    case 'futex':
      return [futexText(w, t)];
    case 'file':
      return fileLines(w);
    case 'epoll': {
      if (w.members.length === 0) return [`epoll fd ${w.fd} watches nothing`];
      const shown = w.members.slice(0, MOST_MEMBERS).flatMap((m) => fileLines(m).map((l) => `  ${l}`));
      const more = w.members.length > MOST_MEMBERS ? [`  and ${w.members.length - MOST_MEMBERS} more`] : [];
      return [`epoll fd ${w.fd} watches ${w.members.length}, none of them ready:`, ...shown, ...more];
    }
    case 'children':
      if (w.children.length === 0) return ['it has no such child any more'];
      return w.children.map((c) => `child ${c.pid} (${c.name}) is ${c.state}`);
    case 'lock':
      return [`${w.name} (fd ${w.fd}) is locked by ${w.heldBy.length > 0 ? w.heldBy.join(', ') : 'somebody'}`];
    case 'vfork':
      return [`its memory is lent to ${w.child} (vfork)`];
    case 'signal':
      return [w.signals.length > 0 ? `for ${w.signals.join(', ')}` : 'for any signal with a handler or a deadly one'];
    case 'time':
      return ['for time to pass'];
    case 'queue':
      return [`for ${queueText(w.what)}`];
  }
} // prettier-ignore

const OWNER_TEXT = {
  pi: 'a PI lock',
  robust: 'on its robust list',
  glibc: "says glibc's mutex",
  musl: "says musl's mutex",
} as const;

function futexText(w: FutexWait, t: TaskReport): string {
  const word = `the ${w.shared ? 'shared ' : ''}futex at ${placeText(w)}`;
  const value = w.value === null ? 'is not mapped any more' : `holds ${wordText(w.value)}`;
  const parts = [`${word} ${value}`];
  if (w.expected !== null && w.expected !== w.value) parts.push(`it held ${wordText(w.expected)} when ${t.tid} went to sleep: it was changed without a wake-up for ${t.tid}`); // prettier-ignore
  if (w.owner !== null) parts.push(`held by ${w.owner.tid} (${OWNER_TEXT[w.owner.how]})`);
  if (w.abandonedBy !== null) parts.push(`${w.abandonedBy} held it when it ended (says glibc's mutex)`);
  if (w.endOf !== null) parts.push(`thread ${w.endOf} wakes it when it ends (pthread_join)`);
  if (w.bitset !== 0xffffffff && w.bitset !== 0) parts.push(`bitset 0x${w.bitset.toString(16)}`);
  if (w.others.length > 0) parts.push(`${w.others.slice(0, 6).join(', ')}${w.others.length > 6 ? '…' : ''} ${w.others.length > 1 ? 'wait' : 'waits'} there too`); // prettier-ignore
  return parts.join('; ');
}

const wordText = (n: number): string => (n < 65536 ? String(n) : `${n} (0x${n.toString(16)})`);

function fileLines(w: FileWait): string[] {
  const fd = w.fd < 0 ? '' : `fd ${w.fd} `;
  const held = w.holders.length > 0 && !/\(fd /.test(w.why) ? `; held by ${holdersText(w.holders)}` : '';
  const inner = (w.members ?? []).flatMap((m) => fileLines(m).map((l) => `  ${l}`));
  return [`${fd}${w.name} for ${w.wants}: ${w.why}${held}`, ...inner];
}
