/** Code that changes under the cpu: by itself, by the kernel, in one address space and not in another. */
import { describe, expect, it } from 'vitest';
import type { PageTable } from '../../cpu/index.ts';
import { bytes, CODE, DATA, PAGE, R, Rig } from './rig.ts';

const SYSCALL = [0x0f, 0x05];
const movEax = (n: number): number[] => [0xb8, n, 0, 0, 0];

describe('self-modifying code', () => {
  it('a store ahead in the same block is executed as stored', () => {
    const rig = new Rig().usual();
    // mov byte [rip+1], 7 changes the immediate of the mov behind it.
    rig.poke(CODE, [...bytes('c6 05 01 00 00 00 07'), ...movEax(1), ...SYSCALL]);
    expect(rig.run()).toBe('syscall');
    expect(rig.regs.num(R.rax)).toBe(7);
    expect(rig.cpu.retired).toBe(3);
  });

  it('a store into another block, seen through a direct, an indirect and a returning jump', () => {
    const rig = new Rig().usual();
    // f: mov eax, 1; ret. call f; add r8, rax; mov byte [f+1], 2; call f; add r8, rax; mov byte [f+1], 3; call rbx; add r8, rax
    const f = CODE + 0x100;
    const call = (at: number): number[] => {
      const rel = f - (CODE + at + 5);
      return [0xe8, rel & 255, (rel >> 8) & 255, (rel >> 16) & 255, (rel >> 24) & 255];
    };
    const code: number[] = [];
    const store = [0xc6, 0x43, 0x01];
    code.push(...call(0), ...bytes('49 01 c0'), ...store, 2);
    code.push(...call(code.length), ...bytes('49 01 c0'), ...store, 3);
    code.push(...bytes('ff d3 49 01 c0'), ...SYSCALL);
    rig.poke(CODE, code);
    rig.poke(f, [...movEax(1), 0xc3]);
    rig.regs.setNum(R.rbx, f);
    expect(rig.run()).toBe('syscall');
    expect(rig.regs.num(8)).toBe(6);
  });

  it('an instruction that overwrites itself, and one that lies on two pages', () => {
    const rig = new Rig().usual();
    const at = CODE + PAGE - 3; // c6 05 rel32 imm8 crosses the border and writes into its own immediate
    rig.poke(at, [...bytes('c6 05 ff ff ff ff 55'), ...SYSCALL]);
    rig.regs.pc = at;
    expect(rig.run()).toBe('syscall');
    expect(rig.peek(at, 7)).toEqual(bytes('c6 05 ff ff ff ff 55'));
    const other = CODE + 0x200;
    rig.poke(other, [...bytes('c7 05 f6 ff ff ff 90 90 90 90'), ...bytes('90 90'), ...SYSCALL]);
    rig.regs.pc = other;
    expect(rig.run()).toBe('syscall');
    expect(rig.peek(other, 4)).toEqual(bytes('90 90 90 90'));
  });

  it('what a string instruction writes over code counts', () => {
    const rig = new Rig().usual();
    rig.poke(DATA, [...movEax(9), ...SYSCALL]);
    rig.poke(CODE, [...bytes('f3 a4'), ...movEax(1), ...SYSCALL]);
    rig.regs.setNum(R.rcx, 7);
    rig.regs.setNum(R.rsi, DATA);
    rig.regs.setNum(R.rdi, CODE + 2);
    expect(rig.run()).toBe('syscall');
    expect(rig.regs.num(R.rax)).toBe(9);
  });

  it('a string instruction over code starts again where it was, not where its block did', () => {
    const rig = new Rig().usual();
    // lea rdi, [rip+9]; mov al, 0x90; mov ecx, 2; rep stosb; mov eax, 7; then two bytes to become nops
    rig.poke(CODE, [...bytes('48 8d 3d 0e 00 00 00 b0 90 b9 02 00 00 00 f3 aa'), ...movEax(7), ...bytes('ff c0'), ...SYSCALL]);
    expect(rig.run()).toBe('syscall');
    expect(rig.regs.num(R.rax)).toBe(7);
    expect(rig.peek(CODE + 21, 2)).toEqual([0x90, 0x90]);
  }); // prettier-ignore

  it('what is written through another mapping of the same page counts, also one made later', () => {
    const rig = new Rig().usual();
    const frame = rig.map(CODE, 1, 5);
    const shared: [PageTable, number][] = [];
    const share = (table: PageTable, page: number): void => {
      rig.cpu.memory.retain(frame);
      table.set(page, frame, 3);
      table.writers = (_page, fn): void => shared.forEach(([t, p]) => fn(t, p));
      shared.push([table, page]);
    };
    const run = (): number => {
      rig.regs.pc = CODE;
      expect(rig.run()).toBe('syscall');
      return rig.regs.num(R.rax);
    };
    /** mov byte [rbx], dl; syscall, on a page of its own, run in `table`. */
    const store = (table: PageTable, address: number, value: number): void => {
      const home = rig.table;
      rig.table = table;
      rig.regs.pc = CODE + 2 * PAGE;
      rig.regs.setNum(R.rbx, address);
      rig.regs.setNum(R.rdx, value);
      expect(rig.run()).toBe('syscall');
      rig.table = home;
    };
    rig.map(CODE + 2 * PAGE, 1, 7);
    rig.poke(CODE + 2 * PAGE, [0x88, 0x13, ...SYSCALL]);
    rig.poke(CODE, [...movEax(1), ...SYSCALL]);
    share(rig.table, DATA + 4 * PAGE);
    expect(run()).toBe(1);
    for (const value of [2, 3, 4]) {
      store(rig.table, DATA + 4 * PAGE + 1, value);
      expect(run()).toBe(value);
    }
    const other = rig.cpu.newPageTable();
    other.set(CODE + 2 * PAGE, rig.table.frame(CODE + 2 * PAGE), 7);
    share(other, DATA);
    for (const value of [5, 6]) {
      store(other, DATA + 1, value);
      expect(run()).toBe(value);
      store(rig.table, DATA + 4 * PAGE + 1, value + 10);
      expect(run()).toBe(value + 10);
    }
  });

  it('code that the kernel wrote, remapped, or took its execute permission', () => {
    const rig = new Rig().usual();
    const run = (): string => {
      rig.regs.pc = CODE;
      return rig.run();
    };
    rig.poke(CODE, [...movEax(1), ...SYSCALL]);
    expect([run(), rig.regs.num(R.rax)]).toEqual(['syscall', 1]);
    rig.poke(CODE, [...movEax(2), ...SYSCALL]);
    expect([run(), rig.regs.num(R.rax)]).toEqual(['syscall', 2]);
    rig.table.set(CODE, rig.cpu.memory.alloc(1), 5);
    rig.poke(CODE, [...movEax(3), ...SYSCALL]);
    expect([run(), rig.regs.num(R.rax)]).toEqual(['syscall', 3]);
    rig.table.protect(CODE, 3);
    expect(run()).toBe('fault');
    rig.table.protect(CODE, 5);
    expect([run(), rig.regs.num(R.rax)]).toEqual(['syscall', 3]);
    rig.table.clear(CODE, CODE + PAGE);
    expect(run()).toBe('fault');
  });
});

describe('address spaces that share code', () => {
  it('part when one of them gets other code, and keep it through a third', () => {
    const rig = new Rig().usual();
    const frame = rig.table.frame(CODE);
    rig.poke(CODE, [...movEax(1), 0xeb, 0, ...SYSCALL]);
    const first = rig.table;
    expect(rig.run()).toBe('syscall');
    const second = rig.cpu.newPageTable();
    second.set(CODE, frame, 5);
    rig.table = second;
    rig.regs.pc = CODE;
    expect(rig.run()).toBe('syscall');
    // A private copy for the second: its code changes, the first one's does not.
    const copy = rig.cpu.memory.alloc(1);
    second.set(CODE, copy, 5);
    rig.poke(CODE, [...movEax(5), 0xeb, 0, ...SYSCALL]);
    for (const [table, want] of [[second, 5], [first, 1], [second, 5]] as const) {
      rig.table = table;
      rig.regs.pc = CODE;
      expect([rig.run(), rig.regs.num(R.rax)]).toEqual(['syscall', want]);
    }
    first.destroy();
    rig.table = second;
    rig.regs.pc = CODE;
    expect([rig.run(), rig.regs.num(R.rax)]).toEqual(['syscall', 5]);
  }); // prettier-ignore

  it('come to share the code of pages that are mapped while they run', () => {
    const rig = new Rig().usual();
    const LIB = CODE + 64 * PAGE;
    const code = rig.table.frame(CODE);
    const lib = rig.map(LIB, 1, 5);
    rig.poke(CODE, [...movEax(1), ...SYSCALL, ...bytes('ff e3')]); // jmp rbx
    rig.poke(LIB, [...movEax(7), ...SYSCALL]);
    rig.regs.setNum(R.rbx, LIB);
    const end = (): void => {
      rig.table.abandon();
      rig.table.destroy();
    };
    /** A process that maps the library after its first call. Before that it must not be able to run it. */
    const begin = (): void => {
      end();
      rig.table = rig.cpu.newPageTable();
      rig.table.set(CODE, code, 5);
      rig.regs.pc = CODE;
      expect([rig.run(), rig.regs.num(R.rax)]).toEqual(['syscall', 1]);
      expect([rig.run(), rig.cpu.faultAddress]).toEqual(['fault', BigInt(LIB)]);
    };
    const library = (frame: number): unknown[] => {
      rig.table.set(LIB, frame, 5);
      return [rig.run(), rig.regs.num(R.rax)];
    };
    rig.run();
    expect([rig.run(), rig.regs.num(R.rax)]).toEqual(['syscall', 7]);

    begin();
    const before = rig.cpu.decoded;
    expect(library(lib)).toEqual(['syscall', 7]);
    expect(rig.cpu.decoded).toBe(before);
    // And it shows changes as its own.
    rig.regs.pc = LIB;
    rig.poke(LIB, movEax(8));
    expect([rig.run(), rig.regs.num(R.rax)]).toEqual(['syscall', 8]);

    begin();
    const known = rig.cpu.decoded;
    expect(library(lib)).toEqual(['syscall', 8]);
    begin();
    expect(library(lib)).toEqual(['syscall', 8]);
    expect(rig.cpu.decoded).toBe(known);

    // Another file there, and the same one changed while nobody ran it.
    const other = rig.cpu.memory.alloc(1);
    rig.cpu.memory.u8.set([...movEax(9), ...SYSCALL], other);
    begin();
    expect(library(other)).toEqual(['syscall', 9]);
    end();
    rig.cpu.memory.u8.set([...movEax(10), ...SYSCALL], lib);
    begin();
    expect(library(lib)).toEqual(['syscall', 10]);
  });

  it('more code than the arena holds is decoded again and again', () => {
    const rig = new Rig({ codeBytes: 64 << 10 }).usual();
    rig.map(CODE + 2 * PAGE, 62, 7);
    // 64 pages of "inc rax; jmp +0", then back to the start until ecx is zero.
    const all: number[] = [];
    while (all.length < 64 * PAGE - 16) all.push(0x48, 0xff, 0xc0, 0xeb, 0x00);
    const blocks = all.length / 5;
    const rel = -(all.length + 8);
    all.push(0xff, 0xc9, 0x0f, 0x85, rel & 255, (rel >> 8) & 255, (rel >> 16) & 255, (rel >> 24) & 255, ...SYSCALL);
    rig.poke(CODE, all);
    rig.regs.setNum(R.rax, 0);
    rig.regs.setNum(R.rcx, 3);
    expect(rig.run(10_000_000)).toBe('syscall');
    expect(rig.regs.num(R.rax)).toBe(3 * blocks);
    expect(rig.cpu.retired).toBe(3 * (2 * blocks + 2) + 1);
  }); // prettier-ignore
});
