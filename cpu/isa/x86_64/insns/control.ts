/** Branches, calls, system calls, traps. SDM vol. 2. */
import { CONDITIONS, RAX, RCX } from '../builder.ts';
import { S } from '../../../layout.ts';
import { insn, type Definition } from '../define.ts';
import { image } from './flags.ts';

const R11 = 11;
const ENDS = { ends: true } as const;
const CALL = { ends: true, flow: 'call' } as const;

/** es cs ss ds fs gs of a 64-bit Linux process. */
const SELECTORS = [0, 0x33, 0x2b, 0, 0, 0];

/** LFENCE, MFENCE, SFENCE: the r/m field does not matter. */
const FENCES = Array.from({ length: 24 }, (_, i) => `NP 0F AE =${(0xe8 + i).toString(16).toUpperCase()}`);

export const control: readonly Definition[] = [
  ...CONDITIONS.map((cc, i) =>
    insn(`j${cc}`, [`${(0x70 + i).toString(16).toUpperCase()} Jb`, `0F ${(0x80 + i).toString(16).toUpperCase()} Jz`], 'r', (b) => {
      b.if(b.condition(i), () => {
        b.jumpDirect();
      });
      b.fallThrough();
    }, { ends: true, condition: i }),
  ),
  insn('jmp', ['EB Jb', 'E9 Jz'], 'r', (b) => {
    b.jumpDirect();
  }, ENDS),
  insn('jmp indirect', 'FF /4 Eq', 'r', (b, o) => {
    b.jumpIndirect(b.read(o));
  }, ENDS),
  insn('call', 'E8 Jz', 'r', (b) => {
    b.push(b.nextPc());
    b.jumpDirect();
  }, CALL),
  insn('call indirect', 'FF /2 Eq', 'r', (b, o) => {
    const target = b.read(o);
    b.push(b.nextPc());
    b.jumpIndirect(target);
  }, CALL),
  insn('ret', 'C3', '', (b) => {
    const target = b.top();
    b.dropStack(8);
    b.jumpIndirect(target);
  }, { ...ENDS, d64: true, flow: 'return' }),
  insn('ret imm', 'C2 Iw', 'r', (b) => {
    const target = b.top();
    b.dropStack(b.add(b.imm(), 8));
    b.jumpIndirect(target);
  }, { ends: true, endsWithImmediate: true, flow: 'return' }),
  ...(['loopne', 'loope', 'loop', 'jrcxz'] as const).map((name, i) =>
    insn(name, `${(0xe0 + i).toString(16).toUpperCase()} Jb`, 'r', (b) => {
      let taken;
      if (name === 'jrcxz') taken = b.eqz(b.gpr(RCX));
      else {
        const n = b.sub(b.gpr(RCX), 1);
        b.setGpr(RCX, n);
        taken = b.nez(n);
        if (name !== 'loop') taken = b.and(taken, b.condition(name === 'loope' ? 4 : 5));
      }
      b.if(taken, () => {
        b.jumpDirect();
      });
      b.fallThrough();
    }, ENDS),
  ),
  insn('syscall', '0F 05', '', (b) => {
    b.setGpr(RCX, b.nextPc());
    b.setGpr(R11, b.extU(image(b)));
    b.raise('syscall');
  }, ENDS),
  insn('int3', 'CC', '', (b) => {
    b.raise('breakpoint');
  }, { ends: true, special: true }),
  insn('ud2', ['0F 0B', '0F B9 /r Gv Ev', '0F FF /r Gv Ev'], '', (b) => {
    b.raise('undefined');
  }, { ends: true, special: true }),
  // Privileged and I/O instructions: #GP in user mode.
  insn('privileged', ['F4', 'FA', 'FB', 'E4 AL Ib', 'E5 rAX Ib', 'E6 Ib AL', 'E7 Ib rAX', 'EC AL DX', 'ED rAX DX', 'EE DX AL', 'EF DX rAX', '6C', '6D', '6E', '6F', '0F 06', '0F 08', '0F 09', '0F 30', '0F 32', '0F 33', '0F 20 /r Rq Gq', '0F 22 /r Rq Gq', '0F 21 /r Rq Gq', '0F 23 /r Rq Gq', 'CD Ib', 'CF', '0F 07', '0F 35', '0F 00 /2 Ew', '0F 00 /3 Ew', '0F 01 /2 Mn', '0F 01 /3 Mn', '0F 01 /6 Ew', '0F 01 /7 Mn'], '', (b) => {
    b.raise('protection');
  }, { ends: true, special: true }),

  insn('nop', ['90'], '', () => undefined, { noRexB: true }),
  insn('pause', ['F3 90'], '', () => undefined),
  insn('nop modrm', ['0F 1F /r Ev', '0F 19 /r Ev', '0F 1A /r Ev', '0F 1B /r Ev', '0F 1C /r Ev', '0F 1D /r Ev', '0F 1E /r Ev', '0F 0D /r Mn', '0F 18 /r Mn', '0F 18 /r Ev'], 'n', () => undefined),
  insn('fence', FENCES, '', () => undefined),
  insn('clflush', 'NP 0F AE /7 Mb', 'r', (b, o) => {
    b.read(o); // faults like a load
  }),
  insn('cpuid', '0F A2', '', (b) => {
    b.callHost('cpuid');
  }, { special: true }),
  insn('rdtsc', '0F 31', '', (b) => {
    const t = b.callHost('rdtsc')!;
    b.setGpr(RAX, t, 32);
    b.setGpr(2, b.shrU(t, 32), 32);
  }, { special: true }),
  insn('rdtscp', '0F 01 =F9', '', (b) => {
    const t = b.callHost('rdtsc')!;
    b.setGpr(RAX, t, 32);
    b.setGpr(2, b.shrU(t, 32), 32);
    b.setGpr(RCX, b.i64(0));
  }, { special: true }),
  insn('xgetbv', 'NP 0F 01 =D0', '', (b) => {
    b.raiseIf(b.nez(b.gpr(RCX, 32)), 'protection');
    b.setGpr(RAX, b.i64(3));
    b.setGpr(2, b.i64(0));
  }, { special: true }),
  ...(['fs', 'gs'] as const).flatMap((seg, i) => [
    insn(`rd${seg}base`, `F3 0F AE /${i} Ry`, 'w', (b, o) => {
      b.write(o, b.getState('i64.load', i === 0 ? S.fsBase : S.gsBase));
    }, { special: true }),
    insn(`wr${seg}base`, `F3 0F AE /${i + 2} Ry`, 'r', (b, o) => {
      const v = b.read(o);
      b.raiseIf(b.nez(b.shrU(b.add(v, 1n << 47n), 48)), 'protection'); // not canonical
      b.setState('i64.store', i === 0 ? S.fsBase : S.gsBase, v);
    }, { special: true }),
  ]),
  // The null selector but in cs and ss; a wide register is cleared above it.
  ...SELECTORS.map((selector, n) =>
    insn(`mov sreg ${n}`, [`8C /${n} Mw`, `8C /${n} Rv`], 'w', (b, dst) => {
      b.write(dst, b.i64(selector));
    }, { special: true }),
  ),
]; // prettier-ignore
