/* A register machine whose loop is a switch, running a sieve and Collatz sequences: bytecode [ROUNDS]. */
#include "bare.h"

enum op { SET, MOVE, ADD, ADDI, SUB, MUL, SHR, ANDI, LOAD, STORE, JUMP, JLT, JNZ, JZ, CALL, RET, HALT };
struct insn {
  uint8_t op, a, b, c;
  int32_t imm;
};

#define CELLS 20000
static uint8_t cells[CELLS];

/* Registers: 0 limit, 1 i, 2 j, 3 found, 4 cell, 5 one, 6 steps, 7 n, 8 odd. Jumps name the instruction. */
static const struct insn program[] = {
    /*  0 */ {SET, 0, 0, 0, CELLS},
    /*  1 */ {SET, 5, 0, 0, 1},
    /*  2 */ {SET, 3, 0, 0, 0},
    /*  3 */ {SET, 1, 0, 0, 0},
    /*  4 */ {SET, 4, 0, 0, 0},
    /*  5 */ {STORE, 4, 1, 0, 0}, /* all cells to 0 */
    /*  6 */ {ADDI, 1, 1, 0, 1},
    /*  7 */ {JLT, 1, 0, 0, 5},
    /*  8 */ {SET, 1, 0, 0, 2},
    /*  9 */ {LOAD, 4, 1, 0, 0},
    /* 10 */ {JNZ, 4, 0, 0, 17},
    /* 11 */ {ADDI, 3, 3, 0, 1}, /* a prime: its multiples are none */
    /* 12 */ {ADD, 2, 1, 1, 0},
    /* 13 */ {JUMP, 0, 0, 0, 16},
    /* 14 */ {STORE, 5, 2, 0, 0},
    /* 15 */ {ADD, 2, 2, 1, 0},
    /* 16 */ {JLT, 2, 0, 0, 14},
    /* 17 */ {ADDI, 1, 1, 0, 1},
    /* 18 */ {JLT, 1, 0, 0, 9},
    /* 19 */ {SET, 1, 0, 0, 2},
    /* 20 */ {SET, 6, 0, 0, 0},
    /* 21 */ {CALL, 0, 0, 0, 26}, /* how many steps every number to 2000 takes */
    /* 22 */ {ADDI, 1, 1, 0, 1},
    /* 23 */ {SET, 4, 0, 0, 2000},
    /* 24 */ {JLT, 1, 4, 0, 21},
    /* 25 */ {HALT, 0, 0, 0, 0},
    /* 26 */ {MOVE, 7, 1, 0, 0},
    /* 27 */ {ANDI, 8, 7, 0, 1},
    /* 28 */ {JZ, 8, 0, 0, 33},
    /* 29 */ {SET, 4, 0, 0, 3},
    /* 30 */ {MUL, 7, 7, 4, 0},
    /* 31 */ {ADDI, 7, 7, 0, 1},
    /* 32 */ {JUMP, 0, 0, 0, 34},
    /* 33 */ {SHR, 7, 7, 0, 1},
    /* 34 */ {ADDI, 6, 6, 0, 1},
    /* 35 */ {SUB, 4, 7, 5, 0},
    /* 36 */ {JNZ, 4, 0, 0, 27},
    /* 37 */ {RET, 0, 0, 0, 0},
};

static uint64_t interpret(const struct insn *at, uint64_t *executed) {
  int64_t r[16] = {0};
  const struct insn *back[16];
  int depth = 0;
  uint64_t count = 0;
  for (;;) {
    const struct insn i = *at++;
    count++;
    switch ((enum op)i.op) {
      case SET: r[i.a] = i.imm; break;
      case MOVE: r[i.a] = r[i.b]; break;
      case ADD: r[i.a] = r[i.b] + r[i.c]; break;
      case ADDI: r[i.a] = r[i.b] + i.imm; break;
      case SUB: r[i.a] = r[i.b] - r[i.c]; break;
      case MUL: r[i.a] = r[i.b] * r[i.c]; break;
      case SHR: r[i.a] = r[i.b] >> i.imm; break;
      case ANDI: r[i.a] = r[i.b] & i.imm; break;
      case LOAD: r[i.a] = cells[r[i.b]]; break;
      case STORE: cells[r[i.b]] = (uint8_t)r[i.a]; break;
      case JUMP: at = program + i.imm; break;
      case JLT: if (r[i.a] < r[i.b]) at = program + i.imm; break;
      case JNZ: if (r[i.a]) at = program + i.imm; break;
      case JZ: if (!r[i.a]) at = program + i.imm; break;
      case CALL: back[depth++] = at; at = program + i.imm; break;
      case RET: at = back[--depth]; break;
      case HALT: *executed += count; return (uint64_t)r[3] << 32 | (uint64_t)r[6];
    }
  }
}

int bare_main(int argc, char **argv) {
  unsigned long rounds = argc > 1 ? parse(argv[1]) : 1;
  uint64_t executed = 0, result = 0;
  for (unsigned long i = 0; i < rounds; i++) result = interpret(program, &executed);
  put_number("primes ", result >> 32, ", ");
  put_number("steps ", result & 0xffffffff, ", ");
  put_number("instructions ", executed, "\n");
  return 0;
}
