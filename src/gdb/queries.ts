/** q and Q packets: what both sides can do, and what gdb wants to know. */
import { pathName } from '../../kernel/fs/dentry.ts';
import { encodeSigInfo } from '../../kernel/signal/siginfo.ts';
import { fromBinary } from '../machine/guest-files.ts';
import type { Machine } from '../machine/machine.ts';
import { describeWait } from '../machine/waiting.ts';
import type { HeldSignals } from './held-signals.ts';
import type { Inferiors } from './inferiors.ts';
import { librariesXml } from './libraries.ts';
import { monitor } from './monitor.ts';
import { binaryOf, hexUtf8, PACKET_SIZE, type PacketLink, slice, textOfHex } from './packets.ts';
import type { GdbRegisters } from './registers.ts';
import { threadLocal } from './thread-local.ts';

const SIGINFO_SIZE = 128;
const OK = 'OK';
const ESRCH = 'E03';
const NO_STORAGE = 'the thread has no memory for it (yet)';

/** What a session's queries are about. */
export interface QuerySubject {
  readonly machine: Machine;
  readonly inferiors: Inferiors;
  readonly registers: GdbRegisters;
  readonly signals: HeldSignals;
  readonly link: PacketLink;
  readonly reversible: boolean;
}

export class Queries {
  /** What gdb can do: names that it sent with a +. */
  features: ReadonlySet<string> = new Set();
  /** Calls to stop at; null: none, empty: all. */
  calls: ReadonlySet<number> | null = null;
  private readonly subject: QuerySubject;

  constructor(subject: QuerySubject) {
    this.subject = subject;
  }

  answer(p: string): string {
    const { inferiors, signals, link, machine } = this.subject;
    const [name, rest = ''] = p.split(/:(.*)/s);
    switch (name) {
      case 'qSupported':
        this.features = new Set(rest.split(';').filter((f) => f.endsWith('+')).map((f) => f.slice(0, -1)));
        inferiors.multiprocess = this.features.has('multiprocess');
        return [
          `PacketSize=${PACKET_SIZE.toString(16)}`, 'QStartNoAckMode+', 'multiprocess+', 'vContSupported+', 'QPassSignals+',
          'QCatchSyscalls+', 'fork-events+', 'vfork-events+', 'exec-events+', 'swbreak+', 'hwbreak+', 'no-resumed+',
          'qXfer:features:read+', 'qXfer:auxv:read+', 'qXfer:exec-file:read+', 'qXfer:siginfo:read+', 'qXfer:threads:read+',
          'qXfer:libraries-svr4:read+', ...(this.subject.reversible ? ['ReverseStep+', 'ReverseContinue+'] : []),
        ].join(';'); // prettier-ignore
      case 'QStartNoAckMode':
        link.afterwards(() => (link.noAck = true));
        return OK;
      case 'qC':
        return inferiors.current ? `QC${inferiors.id(inferiors.current)}` : 'QC0';
      case 'qAttached':
        return '0'; // gdb kills what it did not detach from
      case 'qSymbol':
        return OK;
      case 'qfThreadInfo':
        return `m${inferiors.tasks().map((t) => inferiors.id(t)).join(',')}`; // prettier-ignore
      case 'qsThreadInfo':
        return 'l';
      case 'QPassSignals':
        signals.pass(numbers(rest));
        return OK;
      case 'QCatchSyscalls':
        this.calls = rest.startsWith('1') ? new Set(numbers(rest).slice(1)) : null;
        return OK;
      case 'qXfer':
        return this.transfer(rest);
      default:
        if (p.startsWith('qThreadExtraInfo,')) {
          const t = inferiors.find(p.slice(17));
          return t ? hexUtf8(describeWait(t)) : ESRCH;
        }
        if (p.startsWith('qGetTLSAddr:')) return this.threadLocal(p.slice(12));
        if (p.startsWith('qRcmd,')) return hexUtf8(monitor(machine, fromBinary(textOfHex(p.slice(6)))));
        return '';
    }
  } // prettier-ignore

  /** thread-id,offset,link_map */
  private threadLocal(what: string): string {
    const [thread, offset, map] = what.split(',');
    const t = this.subject.inferiors.find(thread);
    if (!t) return ESRCH;
    const address = threadLocal(t, parseInt(offset, 16), parseInt(map, 16));
    return address === null ? `E.${NO_STORAGE}` : address.toString(16);
  }

  private transfer(what: string): string {
    const m = /^([a-z0-9-]+):read:([^:]*):([0-9a-f]+,[0-9a-f]+)$/.exec(what);
    if (!m) return '';
    const [, object, annex, range] = m;
    const { machine, inferiors, signals, registers } = this.subject;
    const t = inferiors.current;
    switch (object) {
      case 'features':
        return annex === 'target.xml' ? slice(registers.xml, range) : 'E00';
      case 'auxv':
        return t ? slice(binaryOf(t.mm.auxv), range) : ESRCH;
      case 'exec-file': {
        const g = annex === '' ? t?.group : machine.internals.kernel.processes.groups.get(parseInt(annex, 16));
        return g?.exe ? slice(pathName(g.exe, null), range) : ESRCH;
      }
      case 'siginfo': {
        const info = t && signals.held(t);
        if (!info) return ESRCH;
        const bytes = new Uint8Array(SIGINFO_SIZE);
        encodeSigInfo(new DataView(bytes.buffer), info);
        return slice(binaryOf(bytes), range);
      }
      case 'threads': {
        const list = inferiors.tasks().map((x) => `<thread id="${inferiors.id(x)}" core="0" name="${escapeXml(fromBinary(x.comm))}">${escapeXml(describeWait(x))}</thread>`);
        return slice(`<?xml version="1.0"?><threads>${list.join('')}</threads>`, range);
      }
      case 'libraries-svr4':
        return t ? slice(librariesXml(t), range) : ESRCH;
      default:
        return '';
    }
  } // prettier-ignore
}

const numbers = (list: string): number[] =>
  list
    .split(';')
    .filter(Boolean)
    .map((x) => parseInt(x, 16));

const escapeXml = (text: string): string =>
  text.replace(/[^ -~]|[<>&"']/gu, (c) => `&#${c.codePointAt(0)! < 32 ? 63 : c.codePointAt(0)};`);
