/*
 * Runs generated x86_64 instructions from known contexts and reports what they did. The same program runs natively and
 * in ring3; test/differential compares the two outputs.
 *
 * Standard input: struct header, then `count` struct test. Each test's bytes are executed `repeats` times. An execution
 * starts from the state the last one left, with the test's operand registers, memory and floating-point state drawn
 * anew from a generator seeded by the test, and its pins set. Standard output: for each test one struct result with a
 * hash over all executions, or, with DUMP, two struct snapshot for each execution: before and after.
 *
 * Everything lies at fixed addresses, so that the results hold no accidents. No libc.
 */
#include "../bench/bare.h"

#define CODE 0x10000000UL     /* the instruction under test, then landing pads */
#define LANDING_B 128         /* branch target away from the next instruction */
#define DATA 0x20000000UL     /* three pages read-write, one read-only, nothing behind */
#define DATA_PAGES 3
#define ZONE 256              /* bytes at `mem` that are filled before and hashed after */

enum { K_FP = 1, K_X87 = 2, K_MEM = 4, K_DF = 8, K_MXCSR = 16, K_UNMASKED = 32, K_FLOATS = 64 };
enum { DUMP = 1 };

struct header {
  uint32_t magic, flags, count, pad;
};
struct pin {
  uint8_t memory, reg;
  uint16_t pad;
  uint32_t address;
  uint64_t value;
};
struct test {
  uint8_t len, kinds;
  uint16_t repeats;
  uint32_t seed, flag_mask, mem;
  uint16_t gprs, xmms;
  uint8_t pins, pad[3];
  uint8_t code[16];
  struct pin pin[5];
  uint8_t tail[8];
};
struct result {
  uint64_t hash;
  uint32_t signals, last_signal;
};
struct state {
  uint64_t gpr[16];
  uint64_t flags, landed, sig, code, addr, rip;
  uint8_t fx[512] __attribute__((aligned(16)));
  uint8_t zone[ZONE];
};

_Static_assert(sizeof(struct test) == 128, "tests are written by test/differential/gen-x86.ts");
_Static_assert(sizeof(struct state) == 944 + 16 || sizeof(struct state) == 944, "snapshots are read by test/differential");

/* The trampoline reaches these by name. */
__attribute__((used)) struct state st;
__attribute__((used)) uint64_t driver_rsp, entry = CODE;
__attribute__((used)) uint32_t want_fp, default_mxcsr = 0x1f80;

__asm__(
    ".globl run\nrun:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, driver_rsp(%rip)\n"
    "  cmpl $0, want_fp(%rip)\n  je 1f\n  fxrstor64 st+176(%rip)\n1:\n"
    "  pushq st+128(%rip)\n"
    "  mov st+0(%rip), %rax\n  mov st+8(%rip), %rcx\n  mov st+16(%rip), %rdx\n  mov st+24(%rip), %rbx\n"
    "  mov st+40(%rip), %rbp\n  mov st+48(%rip), %rsi\n  mov st+56(%rip), %rdi\n  mov st+64(%rip), %r8\n"
    "  mov st+72(%rip), %r9\n  mov st+80(%rip), %r10\n  mov st+88(%rip), %r11\n  mov st+96(%rip), %r12\n"
    "  mov st+104(%rip), %r13\n  mov st+112(%rip), %r14\n  mov st+120(%rip), %r15\n"
    "  popfq\n"
    "  mov st+32(%rip), %rsp\n"
    "  jmp *entry(%rip)\n"
    ".globl landed_a\nlanded_a:\n"
    "  movq $0, st+136(%rip)\n  jmp 2f\n"
    ".globl landed_b\nlanded_b:\n"
    "  movq $1, st+136(%rip)\n"
    "2:\n"
    "  mov %rsp, st+32(%rip)\n  mov driver_rsp(%rip), %rsp\n"
    "  pushfq\n  popq st+128(%rip)\n  cld\n"
    "  mov %rax, st+0(%rip)\n  mov %rcx, st+8(%rip)\n  mov %rdx, st+16(%rip)\n  mov %rbx, st+24(%rip)\n"
    "  mov %rbp, st+40(%rip)\n  mov %rsi, st+48(%rip)\n  mov %rdi, st+56(%rip)\n  mov %r8, st+64(%rip)\n"
    "  mov %r9, st+72(%rip)\n  mov %r10, st+80(%rip)\n  mov %r11, st+88(%rip)\n  mov %r12, st+96(%rip)\n"
    "  mov %r13, st+104(%rip)\n  mov %r14, st+112(%rip)\n  mov %r15, st+120(%rip)\n"
    ".globl faulted\nfaulted:\n"
    "  cld\n"
    "  cmpl $0, want_fp(%rip)\n  je 3f\n  fxsave64 st+176(%rip)\n  fninit\n  ldmxcsr default_mxcsr(%rip)\n3:\n"
    "  mov driver_rsp(%rip), %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  ret\n"
    ".globl restorer\nrestorer:\n  mov $15, %eax\n  syscall\n");
void run(void);
extern char landed_a[], landed_b[], faulted[], restorer[];

/* Which gregs[] index of the signal frame holds each register, in encoding order. */
static const uint8_t GREG[16] = {13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7};

static void handler(int sig, int *info, char *context) {
  int64_t *gregs = (int64_t *)(context + 40);
  for (int i = 0; i < 16; i++) st.gpr[i] = (uint64_t)gregs[GREG[i]];
  st.flags = (uint64_t)gregs[17];
  st.rip = (uint64_t)gregs[16] - CODE;
  st.sig = (uint64_t)sig;
  st.code = (uint64_t)info[2];
  st.addr = sig == 11 && info[2] < 3 && info[2] > 0 ? *(uint64_t *)(info + 4) : 0;
  gregs[16] = (int64_t)faulted;
  gregs[15] = (int64_t)driver_rsp;
  gregs[17] &= ~0x40500L; /* no TF, DF, AC */
}

static uint64_t seed;
static uint64_t rnd(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed * 0x2545F4914F6CDD1DUL;
}

/* Edge values as often as random ones. */
static uint64_t value(void) {
  uint64_t r = rnd(), k = r >> 8 & 63;
  switch (r & 15) {
  case 0: return 0;
  case 1: return ~0UL;
  case 2: return 1UL << k;
  case 3: return ~(1UL << k);
  case 4: return (1UL << k) - 1;
  case 5: return -(1UL << k);
  case 6: return r >> 16 & 0xff;
  case 7: return (uint64_t)(int64_t)(int8_t)(r >> 16);
  case 8: return 0x7f7f7f7f7f7f7f7fUL + (r >> 16 & 3) * 0x0101010101010101UL;
  case 9: return rnd() & 0xffffffff;
  case 10: return (uint64_t)(int64_t)(int32_t)rnd();
  case 11: return rnd() & rnd() & rnd();
  default: return rnd();
  }
}

static const uint32_t F32[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001,
                               0x7f800001, 0xffbfffff, 1,          0x807fffff, 0x00800000, 0x7f7fffff, 0x3f000000, 0x4b000001,
                               0x4f000000, 0xcf000000, 0x5f000000, 0xbf000001, 0x3fc00000, 0x4effffff, 0x34000000, 0x3effffff};
static const uint64_t F64[] = {0,
                               0x8000000000000000,
                               0x3ff0000000000000,
                               0xbff0000000000000,
                               0x7ff0000000000000,
                               0xfff0000000000000,
                               0x7ff8000000000000,
                               0xfff8000000000001,
                               0x7ff0000000000001,
                               0xfff7ffffffffffff,
                               1,
                               0x800fffffffffffff,
                               0x0010000000000000,
                               0x7fefffffffffffff,
                               0x3fe0000000000000,
                               0x4330000000000001,
                               0x43e0000000000000,
                               0xc3e0000000000000,
                               0x41dfffffffc00000,
                               0xc1e0000000200000,
                               0x3ff8000000000000,
                               0x36a0000000000000,
                               0x47efffffe0000000,
                               0x380fffffffffffff};
static uint32_t f32(void) {
  uint64_t r = rnd();
  if ((r & 3) == 0) return (uint32_t)(r >> 32);
  if ((r & 3) == 1) return 0x3f800000 + (uint32_t)((int32_t)(r >> 32) >> (r >> 8 & 15)); /* near one, more or less */
  return F32[(r >> 8) % (sizeof F32 / sizeof *F32)] ^ (uint32_t)((r >> 2 & 1) << 31);
}
static uint64_t f64(void) {
  uint64_t r = rnd();
  if ((r & 3) == 0) return rnd();
  if ((r & 3) == 1) return 0x3ff0000000000000 + (uint64_t)((int64_t)rnd() >> (r >> 8 & 15));
  return F64[(r >> 8) % (sizeof F64 / sizeof *F64)] ^ (r >> 2 & 1) << 63;
}
static uint64_t vector_word(int floats) {
  uint64_t r = rnd();
  if (!floats && (r & 1)) return value();
  switch (r >> 1 & 3) {
  case 0: return f32() | (uint64_t)f32() << 32;
  case 1: return f64();
  case 2: return value();
  default: return floats ? f64() : rnd();
  }
}

/* An 80-bit operand: from a double, an edge, or any bits (unnormals and pseudo-NaNs among them). */
static void x87_register(uint8_t *p) {
  uint64_t r = rnd(), m = rnd();
  uint16_t se = (uint16_t)(r >> 16);
  switch (r & 7) {
  case 0: m = 0, se &= 0x8000; break;
  case 1: m |= 1UL << 63, se = (uint16_t)((se & 0x8000) | 0x7fff); break;                 /* NaN */
  case 2: m = 1UL << 63, se = (uint16_t)((se & 0x8000) | (r & 8 ? 0x7fff : 0x3fff)); break; /* infinity, one */
  case 3: m >>= 1 + (r >> 40 & 31), se &= 0x8000; break;                                   /* denormal */
  case 4: m |= 1UL << 63, se = (uint16_t)((se & 0x8000) | (0x3fff - 70 + (r >> 40) % 140)); break;
  case 5: m = (m | 1UL << 63) & (~0UL << (r >> 40 & 63)), se = (uint16_t)((se & 0x8000) | (0x3fff + (r >> 48) % 66)); break;
  case 6: m |= 1UL << 63; break;
  default: break;
  }
  for (int i = 0; i < 8; i++) p[i] = (uint8_t)(m >> 8 * i);
  p[8] = (uint8_t)se;
  p[9] = (uint8_t)(se >> 8);
}

static void draw(const struct test *t) {
  if (t->kinds & K_MEM) {
    uint64_t *zone = (uint64_t *)(unsigned long)t->mem;
    for (int i = 0; i < ZONE / 8; i++) zone[i] = t->kinds & (K_FP | K_X87) ? vector_word(t->kinds & K_FLOATS) : value();
    if (t->kinds & K_X87 && rnd() & 1) x87_register((uint8_t *)zone + 64);
  }
  for (int i = 0; i < 16; i++)
    if (t->gprs >> i & 1) st.gpr[i] = value();
  st.flags = (rnd() & (t->kinds & K_DF ? 0xcd5 : 0x8d5)) | 0x202;
  if (t->kinds & K_FP) {
    uint64_t *xmm = (uint64_t *)(st.fx + 160);
    for (int i = 0; i < 16; i++)
      if (t->xmms >> i & 1) xmm[2 * i] = vector_word(t->kinds & K_FLOATS), xmm[2 * i + 1] = vector_word(t->kinds & K_FLOATS);
    uint32_t csr = 0x1f80;
    if (t->kinds & K_MXCSR) {
      uint32_t r = (uint32_t)rnd();
      csr |= (r & 0x6000) | (r >> 20 & 3 ? 0 : r & 0x8040) | (r & 0x3f & (r >> 8));
      if (t->kinds & K_UNMASKED) csr &= ~(r >> 3 & 0x1f80);
    }
    *(uint32_t *)(st.fx + 24) = csr;
    uint64_t r = rnd();
    uint16_t cw = 0x37f, sw = 0;
    uint8_t tags = 0;
    if (t->kinds & K_X87) {
      for (int i = 0; i < 8; i++) x87_register(st.fx + 32 + 16 * i);
      static const uint16_t precision[4] = {0x300, 0x300, 0x200, 0x000};
      cw = (uint16_t)(0x7f | precision[r & 3] | (r & 0xc00));
      sw = (uint16_t)(r >> 16 & 0x7f00);
      if ((r >> 48 & 3) == 0) sw |= (uint16_t)(r >> 32 & 0x7f);
      tags = r >> 50 & 3 ? 0xff : (uint8_t)(r >> 56);
      if (t->kinds & K_UNMASKED) {
        cw &= (uint16_t)~(r >> 24 & 0x3f);
        if (sw & ~cw & 0x3f) sw |= 0x8080; /* ES and B follow from the others */
      }
    }
    *(uint16_t *)st.fx = cw;
    *(uint16_t *)(st.fx + 2) = sw;
    st.fx[4] = tags;
    for (int i = 5; i < 24; i++) st.fx[i] = 0;
  }
  for (int i = 0; i < t->pins; i++) {
    const struct pin *p = &t->pin[i];
    if (p->memory) *(uint64_t *)(unsigned long)p->address = p->value;
    else st.gpr[p->reg] = p->value;
  }
  st.landed = 9;
  st.sig = st.code = st.addr = st.rip = 0;
}

/* What the manual leaves open, and what is not ours to compare: FOP, FIP, FDP, MXCSR_MASK, the reserved rest. */
static void mask(const struct test *t) {
  st.flags &= t->flag_mask;
  if (!(t->kinds & K_FP)) return;
  for (int i = 5; i < 24; i++) st.fx[i] = 0;
  for (int i = 28; i < 32; i++) st.fx[i] = 0;
  for (int i = 0; i < 8; i++)
    for (int k = 10; k < 16; k++) st.fx[32 + 16 * i + k] = 0;
  for (int i = 416; i < 512; i++) st.fx[i] = 0;
}

static uint64_t hash;
static void mix(const uint64_t *p, int words) {
  for (int i = 0; i < words; i++) {
    hash = (hash ^ p[i]) * 0x9E3779B97F4A7C15UL;
    hash ^= hash >> 29;
  }
}

static uint8_t out[1 << 16];
static unsigned long filled;
static void flush(void) {
  for (unsigned long done = 0; done < filled;) {
    long n = syscall3(NR_write, 1, (long)(out + done), (long)(filled - done));
    if (n <= 0) syscall3(NR_exit_group, 3, 0, 0);
    done += (unsigned long)n;
  }
  filled = 0;
}
static void copy(void *to, const void *from, unsigned long n) {
  for (unsigned long i = 0; i < n; i++) ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}
static void emit(const void *p, unsigned long n) {
  if (filled + n > sizeof out) flush();
  copy(out + filled, p, n);
  filled += n;
}
static int read_all(void *p, unsigned long n) {
  for (unsigned long done = 0; done < n;) {
    long r = syscall3(0, 0, (long)p + (long)done, (long)(n - done));
    if (r <= 0) return 0;
    done += (unsigned long)r;
  }
  return 1;
}

static void put_jump(unsigned long at, const char *to) {
  uint8_t *p = (uint8_t *)at;
  static const uint8_t jmp[6] = {0xff, 0x25, 0, 0, 0, 0}; /* jmp [rip + 0] */
  copy(p, jmp, 6);
  copy(p + 6, &to, 8);
}

static uint8_t alt[65536];

int bare_main(int argc, char **argv) {
  (void)argc, (void)argv;
  static struct header h;
  static struct test t;
  static struct state zero;
  struct {
    void *fn;
    unsigned long flags;
    void *restorer;
    unsigned long mask;
  } action = {handler, 0x4 | 0x08000000 | 0x04000000 | 0x40000000, restorer, 0};
  static const int sigs[] = {4, 5, 7, 8, 11};
  struct {
    void *sp;
    long flags;
    unsigned long size;
  } stack = {alt, 0, sizeof alt};
  syscall3(131, (long)&stack, 0, 0);
  for (int i = 0; i < 5; i++) syscall6(13, sigs[i], (long)&action, 0, 8, 0, 0);
  long code = syscall6(9, CODE, 4096, 7, 0x32, -1, 0);
  long data = syscall6(9, DATA, (DATA_PAGES + 1) * 4096, 3, 0x32, -1, 0);
  if (code != (long)CODE || data != (long)DATA) return 4;
  for (long i = 0; i < (DATA_PAGES + 1) * 4096; i++) ((volatile uint8_t *)DATA)[i] = (uint8_t)(i * 7);
  syscall3(10, DATA + DATA_PAGES * 4096, 4096, 1);
  if (!read_all(&h, sizeof h) || h.magic != 0x33474e52) return 5;
  for (uint32_t n = 0; n < h.count; n++) {
    if (!read_all(&t, sizeof t)) return 6;
    for (long i = 0; i < 160; i++) ((volatile uint8_t *)CODE)[i] = 0xcc;
    copy((void *)CODE, t.code, t.len);
    put_jump(CODE + t.len, landed_a);
    put_jump(CODE + LANDING_B, landed_b);
    copy(&st, &zero, sizeof st);
    seed = t.seed * 0x9E3779B97F4A7C15UL | 1;
    hash = 0;
    want_fp = (t.kinds & K_FP) != 0;
    struct result r = {0, 0, 0};
    for (int i = 0; i < t.repeats; i++) {
      draw(&t);
      if (h.flags & DUMP) {
        if (t.kinds & K_MEM) copy(st.zone, (void *)(unsigned long)t.mem, ZONE);
        emit(&st, sizeof st);
      }
      run();
      mask(&t);
      if (st.sig) r.signals++, r.last_signal = (uint32_t)st.sig;
      mix(st.gpr, 22);
      if (t.kinds & K_FP) mix((uint64_t *)st.fx, 52);
      if (t.kinds & K_MEM) mix((uint64_t *)(unsigned long)t.mem, ZONE / 8);
      if (h.flags & DUMP) {
        if (t.kinds & K_MEM) copy(st.zone, (void *)(unsigned long)t.mem, ZONE);
        emit(&st, sizeof st);
      }
    }
    r.hash = hash;
    if (!(h.flags & DUMP)) emit(&r, sizeof r);
  }
  flush();
  return 0;
}
