/** What gdb asks threads to do: vCont, and the older c, s, C, S. */
import type { Task } from '../../kernel/task/task.ts';
import type { Inferiors } from './inferiors.ts';
import { linuxSignal } from './signals.ts';

export interface Resume {
  readonly step: boolean;
  /** Linux's number; 0: none. */
  readonly signo: number;
  /** Addresses to step through. */
  readonly range: readonly [number, number] | null;
}

/** Which threads are to do what. The first that matches a thread is for it; those nothing matches stand still. */
export type Actions = readonly (readonly [action: Resume, matches: (t: Task) => boolean])[];

/** What follows `vCont;`. null: it is malformed. */
export function vContActions(text: string, inferiors: Inferiors): Actions | null {
  const actions: [Resume, (t: Task) => boolean][] = [];
  for (const part of text.split(';')) {
    const m = /^([csCSr])([0-9a-f]*)(?:,([0-9a-f]+))?(?::(.*))?$/.exec(part);
    const matches = m && inferiors.matcher(m[4] ?? '-1');
    if (!matches) return null;
    const number = parseInt(m[2] || '0', 16);
    actions.push([
      {
        step: m[1] === 's' || m[1] === 'S' || m[1] === 'r',
        signo: m[1] === 'C' || m[1] === 'S' ? linuxSignal(number) : 0,
        range: m[1] === 'r' ? [number, parseInt(m[3] ?? '0', 16)] : null,
      },
      matches,
    ]);
  }
  return actions;
}

/** c [addr], s [addr], C sig[;addr], S sig[;addr]: the thread, and the address it is to go on at. */
export function simpleActions(p: string, t: Task): { readonly actions: Actions; readonly pc: number | null } {
  const withSignal = p[0] === 'C' || p[0] === 'S';
  const [first, second] = p.slice(1).split(';');
  const address = withSignal ? second : first;
  const signo = withSignal ? linuxSignal(parseInt(first, 16)) : 0;
  const go: Resume = { step: p[0] === 's' || p[0] === 'S', signo, range: null };
  const actions: Actions = [
    [go, (x) => x === t],
    [{ step: false, signo: 0, range: null }, () => true],
  ];
  return { actions, pc: address ? parseInt(address, 16) : null };
}
