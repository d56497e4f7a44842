/** iced-x86 as oracle for the decoder and for naming bytes in failures. */
import { createRequire } from 'node:module';
import type * as Iced from 'iced-x86';

const iced = createRequire(import.meta.url)('iced-x86') as typeof Iced;

/** Disassembles one instruction; its length, and 0 when the bytes are none. */
export function disassemble(code: Uint8Array, pc: number): { text: string; length: number } {
  const decoder = new iced.Decoder(64, code, iced.DecoderOptions.None);
  decoder.ip = BigInt(pc);
  const instruction = decoder.decode();
  const formatter = new iced.Formatter(iced.FormatterSyntax.Intel);
  const text = formatter.format(instruction);
  const length = instruction.isInvalid ? 0 : instruction.length;
  formatter.free();
  instruction.free();
  decoder.free();
  return { text, length };
}

export function listing(code: readonly number[], pc: number): string {
  const bytes = Uint8Array.from(code);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const { text, length } = disassemble(bytes.subarray(at), pc + at);
    lines.push(text);
    if (length === 0) break;
    at += length;
  }
  return lines.join('; ');
}
