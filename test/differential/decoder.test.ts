/** Our decoder against iced-x86: the same lengths and the same idea of what is an instruction, over random bytes. */
import { createRequire } from 'node:module';
import type * as Iced from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { definitions } from '../../cpu/isa/x86_64/instructions.ts';
import { numberHandlers } from '../../cpu/isa/x86_64/handlers.ts';
import { NEED_MORE } from '../../cpu/code-space.ts';
import { Decoder } from '../../cpu/isa/x86_64/decoder.ts';
import { Random } from '../support/random.ts';

const iced = createRequire(import.meta.url)('iced-x86') as typeof Iced;
type IcedInstruction = Iced.Instruction;

const { CpuidFeature, Code, FlowControl } = iced;

/** What CPUID tells guests of; anything else iced knows is #UD here. */
const OFFERED = new Set<number>([
  CpuidFeature.INTEL8086, CpuidFeature.INTEL186, CpuidFeature.INTEL286, CpuidFeature.INTEL386, CpuidFeature.INTEL486,
  CpuidFeature.X64, CpuidFeature.CMOV, CpuidFeature.CX8, CpuidFeature.CMPXCHG16B, CpuidFeature.FPU, CpuidFeature.FPU287,
  CpuidFeature.FPU387, CpuidFeature.MMX, CpuidFeature.FXSR, CpuidFeature.SSE, CpuidFeature.SSE2, CpuidFeature.SSE3,
  CpuidFeature.SSSE3, CpuidFeature.SSE4_1, CpuidFeature.SSE4_2, CpuidFeature.POPCNT, CpuidFeature.CLFSH,
  CpuidFeature.CPUID, CpuidFeature.MULTIBYTENOP, CpuidFeature.PAUSE, CpuidFeature.SYSCALL, CpuidFeature.TSC,
]); // prettier-ignore

/** In the base architecture, but not for user programs in 64-bit mode, or left out on purpose. */
function excused(i: IcedInstruction): boolean {
  if (i.isPrivileged) return true;
  const name = Code[i.code];
  return (
    i.flowControl === FlowControl.Interrupt ||
    /^(Call|Jmp|Ret)f|^(Jmp|Call)_m16(16|32|64)$|^Ret(n)?[wd]|far|^L[sfg][gs]|^Lss|^(Sldt|Str|Sgdt|Sidt|Smsw|Lar|Lsl|Verr|Verw|Ud[01])|_Sreg|Sreg_|^(Push|Pop)[wq]?_?[FG]S|^(Push|Pop)[wd]_|^Enter[wd]|^Leave[wd]|^Loop|^J[er]*cxz|^Rsm|^Reservednop/i.test(
      name,
    ) ||
    /rel16/.test(name) // a 66 prefix on a near branch: Intel ignores it, AMD does not; compilers do not write it
  );
}

/** Encodings we tell from others only when they run: they raise #UD (x87) or #GP (MOV of control registers) then. */
const LATE = /^x87 .* reg$|^privileged$/;

const hex = (b: Uint8Array): string => Array.from(b, (x) => x.toString(16).padStart(2, '0')).join(' ');

/** Random bytes that look like code: likely prefixes, two- and three-byte opcodes. */
function randomBytes(r: Random, out: Uint8Array): void {
  for (let i = 0; i < out.length; i++) out[i] = r.below(256);
  let at = 0;
  while (r.chance(0.25) && at < 4) out[at++] = r.pick([0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x64, 0x65, 0x2e]);
  if (r.chance(0.4)) out[at++] = 0x40 | r.below(16);
  if (r.chance(0.5)) {
    out[at++] = 0x0f;
    if (r.chance(0.3)) out[at++] = r.pick([0x38, 0x3a]);
  }
}

describe('decoder against iced-x86', () => {
  const isa = numberHandlers(definitions);
  const decoder = new Decoder(isa.encodings);

  it('agrees on length and validity over 300,000 random byte strings', () => {
    const r = new Random(Number(process.env['RING3_DIFF_SEED'] ?? 3));
    const bytes = new Uint8Array(15);
    const wrong = new Map<string, string>();
    for (let n = 0; n < 300_000; n++) {
      randomBytes(r, bytes);
      const ours = decoder.decode(bytes, 0, bytes.length, 0x400000);
      const theirs = new iced.Decoder(64, bytes, iced.DecoderOptions.None);
      const i = theirs.decode();
      const offered = !i.isInvalid && i.cpuidFeatures().every((f: number) => OFFERED.has(f));
      const length = i.isInvalid ? -1 : i.length;
      const late = ours > 0 && LATE.test(decoder.out.encoding.def.name);
      if (ours > 0 && length > 0 ? ours !== length : (ours > 0 && !late) || (offered && !excused(i))) {
        const what = i.isInvalid ? `invalid, opcode bytes ${hex(bytes.subarray(0, 5))}` : Code[i.code];
        if (!wrong.has(what)) {
          const def = ours > 0 ? ` as ${decoder.out.encoding.def.name}` : '';
          wrong.set(what, `${what}: ${hex(bytes)}: length ${ours}${def}, iced says ${length}`);
        }
      }
      i.free();
      theirs.free();
    }
    expect(
      [...wrong.values()],
      `${wrong.size} kinds differ:\n${[...wrong.values()].slice(0, 60).join('\n')}\n`,
    ).toEqual([]);
  });

  it('asks for more bytes exactly when they could matter', () => {
    const r = new Random(5);
    const bytes = new Uint8Array(15);
    for (let n = 0; n < 20_000; n++) {
      randomBytes(r, bytes);
      const length = decoder.decode(bytes, 0, bytes.length, 0x400000);
      if (length <= 0) continue;
      for (let cut = 0; cut < length; cut++) {
        expect(decoder.decode(bytes, 0, cut, 0x400000), `${hex(bytes)} cut to ${cut}`).toBe(NEED_MORE);
      }
      expect(decoder.decode(bytes, 0, length, 0x400000)).toBe(length);
    }
  });
});
