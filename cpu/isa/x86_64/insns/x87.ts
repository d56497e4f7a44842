/**
 * x87 and the state-saving instructions. Definitions move operands between guest memory and a scratch area; the
 * arithmetic is float/x87.ts. SDM vol. 2.
 */
import { mxcsrChanged } from './sse-fast.ts';
import type { Val } from '../../../builder.ts';
import { S, SCRATCH } from '../../../layout.ts';
import type { Operand, X86Builder } from '../builder.ts';
import { insn, type Definition } from '../define.ts';
import { X87_FXRSTOR, X87_FXSAVE } from '../x87-calls.ts';

/** Bytes of the memory operand by [escape opcode − D8][reg field], and what becomes of them: read, written. */
const MEMORY: readonly (readonly (readonly ['r' | 'w', number] | null)[])[] = [
  Array.from({ length: 8 }, () => ['r', 4] as const),
  [['r', 4], null, ['w', 4], ['w', 4], ['r', 28], ['r', 2], ['w', 28], ['w', 2]],
  Array.from({ length: 8 }, () => ['r', 4] as const),
  [['r', 4], ['w', 4], ['w', 4], ['w', 4], null, ['r', 10], null, ['w', 10]],
  Array.from({ length: 8 }, () => ['r', 8] as const),
  [['r', 8], ['w', 8], ['w', 8], ['w', 8], ['r', 108], null, ['w', 108], ['w', 2]],
  Array.from({ length: 8 }, () => ['r', 2] as const),
  [
    ['r', 2],
    ['w', 2],
    ['w', 2],
    ['w', 2],
    ['r', 10],
    ['r', 8],
    ['w', 10],
    ['w', 8],
  ],
];

/** Register forms that exist, by [escape opcode − D8][reg field]: a bit for each value of the r/m field. */
const VALID: readonly (readonly number[])[] = [
  [255, 255, 255, 255, 255, 255, 255, 255],
  [255, 255, 1, 255, 0b110011, 0x7f, 255, 255],
  [255, 255, 255, 255, 0, 2, 0, 0],
  [255, 255, 255, 255, 0b11111, 255, 255, 0],
  [255, 255, 255, 255, 255, 255, 255, 255],
  [255, 255, 255, 255, 255, 255, 0, 0],
  [255, 255, 255, 2, 255, 255, 255, 255],
  [255, 255, 255, 255, 1, 255, 255, 0],
];

/** FNSTENV, FNSTCW, FNSAVE, FNSTSW: no look at pending exceptions. */
const isControlMemory = (esc: number, digit: number): boolean => (esc === 1 || esc === 5) && digit >= 6;

/** A pending unmasked exception is taken by the next waiting instruction. */
export function waitX87(b: X86Builder): void {
  b.raiseIf(b.and(b.getState('i32.load', S.fpuStatus), 0x80), 'x87');
}

function execute(b: X86Builder, op: Val): Val {
  return b.callHost('x87', op)!;
}

function memoryForm(esc: number, digit: number): Definition | null {
  const form = MEMORY[esc][digit];
  if (!form) return null;
  const [access, bytes] = form;
  const op = (esc << 8) | (digit << 3);
  return insn(
    `x87 ${(0xd8 + esc).toString(16)}/${digit} mem`,
    `${(0xd8 + esc).toString(16).toUpperCase()} /${digit} Mn`,
    'n',
    (b, m) => {
      if (!isControlMemory(esc, digit)) waitX87(b);
      const at = b.translate(b.ea(m), bytes, access);
      const scratch = b.i32(SCRATCH);
      if (access === 'r') {
        b.fn.memoryCopy(scratch, at, b.i32(bytes));
        execute(b, b.i32(op));
        return;
      }
      b.if(b.and(execute(b, b.i32(op)), 2), () => {
        b.fn.memoryCopy(at, scratch, b.i32(bytes));
      });
    },
  );
}

function registerForm(esc: number, digit: number): Definition {
  const code = (0xd8 + esc).toString(16).toUpperCase();
  return insn(`x87 ${code.toLowerCase()}/${digit} reg`, `${code} /${digit} Nq`, 'n', (b, o) => {
    const rm = b.shrU(b.sub(b.regOffset(o), S.fpr), 4);
    const op = b.or(rm, (esc << 8) | 0xc0 | (digit << 3));
    const valid = VALID[esc][digit];
    if (valid !== 0xff) b.raiseIf(b.eqz(b.and(b.shrU(b.i32(valid), rm), 1)), 'undefined');
    // DB E0…E4 (FNCLEX, FNINIT and leftovers) and FNSTSW AX (DF E0) do not wait.
    if (!((esc === 3 || esc === 7) && digit === 4)) waitX87(b);
    execute(b, op);
  });
}

const aligned = (b: X86Builder, address: Val, mask: number): void => {
  b.raiseIf(b.nez(b.and(b.wrap(address), mask)), 'protection');
};

/** Copies the image in SCRATCH (bytes [from, to)) to linear address `at`. */
function copyOut(b: X86Builder, at: Val, from: number, to: number): void {
  b.fn.memoryCopy(b.add(at, from), b.i32(SCRATCH + from), b.i32(to - from));
}

function save(b: X86Builder, m: Operand, extended: boolean): void {
  const address = b.ea(m);
  aligned(b, address, extended ? 63 : 15);
  const at = b.translate(address, extended ? 576 : 512, 'w');
  execute(b, b.i32(X87_FXSAVE));
  if (!extended) {
    copyOut(b, at, 0, 416); // the reserved end of the area is left alone
    return;
  }
  // XSAVE: the components asked for in edx:eax, and their bits in the header (XCR0 = x87 | SSE).
  const mask = b.and(b.gpr(0, 32), 3);
  const part = b.wrap(mask);
  b.if(b.and(part, 1), () => {
    copyOut(b, at, 0, 24);
    copyOut(b, at, 32, 160);
  });
  b.if(b.and(part, 2), () => {
    copyOut(b, at, 24, 32);
    copyOut(b, at, 160, 416);
  });
  const header = b.rawLoad('i64.load', at, 512);
  b.rawStore('i64.store', at, b.or(b.and(header, b.not(mask)), mask), 512);
}

function restore(b: X86Builder, m: Operand, extended: boolean): void {
  const address = b.ea(m);
  aligned(b, address, extended ? 63 : 15);
  const at = b.translate(address, extended ? 576 : 512, 'r');
  b.fn.memoryCopy(b.i32(SCRATCH), at, b.i32(512));
  const load = (mask: number): void => {
    b.raiseIf(b.eqz(execute(b, b.i32(X87_FXRSTOR | (mask << 4)))), 'protection');
    mxcsrChanged(b);
  };
  if (!extended) {
    load(3);
    return;
  }
  // Standard form only: XCOMP_BV and the reserved header bytes are zero, XSTATE_BV within XCR0.
  const bv = b.rawLoad('i64.load', at, 512);
  const bad = b.or(b.and(bv, ~3), b.or(b.rawLoad('i64.load', at, 520), b.rawLoad('i64.load', at, 528)));
  b.raiseIf(b.nez(bad), 'protection');
  const asked = b.and(b.wrap(b.gpr(0, 32)), 3);
  const present = b.wrap(bv);
  for (const bit of [1, 2]) {
    b.if(b.and(asked, bit), () => {
      b.if(
        b.and(present, bit),
        () => {
          load(bit);
        },
        () => {
          load(bit | 4); // absent: the component's initial state
        },
      );
    });
  }
}

export const x87: readonly Definition[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((esc) =>
    [0, 1, 2, 3, 4, 5, 6, 7].flatMap((digit) => {
      const m = memoryForm(esc, digit);
      return m ? [m, registerForm(esc, digit)] : [registerForm(esc, digit)];
    }),
  ),
  insn('fwait', '9B', '', (b) => {
    waitX87(b);
  }),
  insn('fxsave', 'NP 0F AE /0 Mn', 'n', (b, m) => {
    save(b, m, false);
  }, { special: true }),
  insn('fxrstor', 'NP 0F AE /1 Mn', 'n', (b, m) => {
    restore(b, m, false);
  }, { special: true }),
  insn('xsave', 'NP 0F AE /4 Mn', 'n', (b, m) => {
    save(b, m, true);
  }, { special: true }),
  insn('xrstor', 'NP 0F AE /5 Mn', 'n', (b, m) => {
    restore(b, m, true);
  }, { special: true }),
]; // prettier-ignore
