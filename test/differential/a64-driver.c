// Runs aarch64 instructions under whatever runs this program (qemu-aarch64, or a processor). Reads cases from stdin,
// writes results to stdout, both as binary records (see a64-cases.ts). Fixed addresses make results comparable; the linker
// is told where the code goes: -Wl,-Ttext-segment=0x10100000,--defsym=code_at=0x10000000
//
//   input:  u32 count, then per case: u32 words, u32 runs, code[8], then per run: struct state
//   output: per run: u32 signal, u32 0, struct state
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define CODE 0x10000000ul
#define DATA 0x20000000ul
#define STATE 0x40000000ul
#define DATA_BYTES 256
#define DATA_AT 4096

struct state {
  uint64_t x[31], sp, nzcv, pc;
  uint32_t fpcr, fpsr;
  uint64_t unused;
  __uint128_t v[32];
  uint8_t data[DATA_BYTES];
};

static sigjmp_buf back;
static volatile int caught;

// Behind the state: the C side's sp and thread pointer.
__asm__(
    ".text\n.global enter, leave\n"
    "enter:\n"
    "  stp x29, x30, [sp, #-160]!\n  stp x19, x20, [sp, #16]\n  stp x21, x22, [sp, #32]\n  stp x23, x24, [sp, #48]\n"
    "  stp x25, x26, [sp, #64]\n  stp x27, x28, [sp, #80]\n  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n"
    "  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
    "  mov x0, #0x40000000\n  mov x1, sp\n  str x1, [x0, #0x800]\n  mrs x1, tpidr_el0\n  str x1, [x0, #0x808]\n"
    "  ldr x1, [x0, #248]\n  mov sp, x1\n  ldr x1, [x0, #256]\n  msr nzcv, x1\n"
    "  ldr w1, [x0, #272]\n  msr fpcr, x1\n  ldr w1, [x0, #276]\n  msr fpsr, x1\n"
    "  add x1, x0, #288\n"
    "  ld1 {v0.16b-v3.16b}, [x1], #64\n  ld1 {v4.16b-v7.16b}, [x1], #64\n"
    "  ld1 {v8.16b-v11.16b}, [x1], #64\n  ld1 {v12.16b-v15.16b}, [x1], #64\n"
    "  ld1 {v16.16b-v19.16b}, [x1], #64\n  ld1 {v20.16b-v23.16b}, [x1], #64\n"
    "  ld1 {v24.16b-v27.16b}, [x1], #64\n  ld1 {v28.16b-v31.16b}, [x1], #64\n"
    "  ldp x2, x3, [x0, #16]\n  ldp x4, x5, [x0, #32]\n  ldp x6, x7, [x0, #48]\n  ldp x8, x9, [x0, #64]\n"
    "  ldp x10, x11, [x0, #80]\n  ldp x12, x13, [x0, #96]\n  ldp x14, x15, [x0, #112]\n  ldp x16, x17, [x0, #128]\n"
    "  ldp x18, x19, [x0, #144]\n  ldp x20, x21, [x0, #160]\n  ldp x22, x23, [x0, #176]\n  ldp x24, x25, [x0, #192]\n"
    "  ldp x26, x27, [x0, #208]\n  ldp x28, x29, [x0, #224]\n  ldr x30, [x0, #240]\n  ldp x0, x1, [x0]\n"
    "  b code_at\n"
    "leave:\n"
    "  msr tpidr_el0, x0\n  mov x0, #0x40000000\n"
    "  stp x2, x3, [x0, #16]\n  stp x4, x5, [x0, #32]\n  stp x6, x7, [x0, #48]\n  stp x8, x9, [x0, #64]\n"
    "  stp x10, x11, [x0, #80]\n  stp x12, x13, [x0, #96]\n  stp x14, x15, [x0, #112]\n  stp x16, x17, [x0, #128]\n"
    "  stp x18, x19, [x0, #144]\n  stp x20, x21, [x0, #160]\n  stp x22, x23, [x0, #176]\n  stp x24, x25, [x0, #192]\n"
    "  stp x26, x27, [x0, #208]\n  stp x28, x29, [x0, #224]\n  str x30, [x0, #240]\n"
    "  str x1, [x0, #8]\n  mrs x1, tpidr_el0\n  str x1, [x0]\n"
    "  mov x1, sp\n  str x1, [x0, #248]\n  mrs x1, nzcv\n  str x1, [x0, #256]\n"
    "  mrs x1, fpcr\n  str w1, [x0, #272]\n  mrs x1, fpsr\n  str w1, [x0, #276]\n"
    "  add x1, x0, #288\n"
    "  st1 {v0.16b-v3.16b}, [x1], #64\n  st1 {v4.16b-v7.16b}, [x1], #64\n"
    "  st1 {v8.16b-v11.16b}, [x1], #64\n  st1 {v12.16b-v15.16b}, [x1], #64\n"
    "  st1 {v16.16b-v19.16b}, [x1], #64\n  st1 {v20.16b-v23.16b}, [x1], #64\n"
    "  st1 {v24.16b-v27.16b}, [x1], #64\n  st1 {v28.16b-v31.16b}, [x1], #64\n"
    "  ldr x1, [x0, #0x808]\n  msr tpidr_el0, x1\n  ldr x1, [x0, #0x800]\n  mov sp, x1\n  msr fpcr, xzr\n"
    "  ldp x19, x20, [sp, #16]\n  ldp x21, x22, [sp, #32]\n  ldp x23, x24, [sp, #48]\n"
    "  ldp x25, x26, [sp, #64]\n  ldp x27, x28, [sp, #80]\n  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n"
    "  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n  ldp x29, x30, [sp], #160\n  ret\n");
void enter(void);
extern char leave[];

static void on_signal(int signo, siginfo_t *info, void *context) {
  (void)info;
  ucontext_t *uc = context;
  struct state *s = (struct state *)STATE;
  memcpy(s->x, uc->uc_mcontext.regs, sizeof s->x);
  s->sp = uc->uc_mcontext.sp;
  s->nzcv = uc->uc_mcontext.pstate & 0xf0000000;
  s->pc = uc->uc_mcontext.pc;
  struct fpsimd_context *fp = (struct fpsimd_context *)uc->uc_mcontext.__reserved;
  memcpy(s->v, fp->vregs, sizeof s->v);
  s->fpcr = fp->fpcr;
  s->fpsr = fp->fpsr;
  caught = signo;
  siglongjmp(back, 1);
}

static void get(void *to, size_t n) {
  if (fread(to, 1, n, stdin) != n) exit(0);
}

static void *at(uint64_t address, size_t n, int prot) {
  void *p = mmap((void *)address, n, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (p == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  return p;
}

int main(void) {
  uint32_t *code = at(CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
  uint8_t *data = at(DATA, 8192, PROT_READ | PROT_WRITE);
  struct state *s = at(STATE, 4096, PROT_READ | PROT_WRITE);
  static char out_buffer[1 << 20];
  setvbuf(stdout, out_buffer, _IOFBF, sizeof out_buffer);
  stack_t alt = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&alt, NULL);
  struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigaction(SIGILL, &sa, NULL);
  sigaction(SIGSEGV, &sa, NULL);
  sigaction(SIGBUS, &sa, NULL);
  sigaction(SIGTRAP, &sa, NULL);
  for (int i = 0; i < 32; i++) code[64 + i] = 0x01234567u * (i + 1);  // what literals load
  uint32_t count;
  get(&count, 4);
  for (uint32_t c = 0; c < count; c++) {
    uint32_t head[2];
    get(head, 8);
    get(code, 32);
    long distance = (leave - (char *)(code + head[0])) / 4;
    code[head[0]] = 0x14000000u | (distance & 0x3ffffff);
    __builtin___clear_cache((char *)code, (char *)(code + 16));
    for (uint32_t r = 0; r < head[1]; r++) {
      get(s, sizeof *s);
      memset(data, 0, 8192);
      memcpy(data + DATA_AT - DATA_BYTES / 2, s->data, DATA_BYTES);
      s->pc = CODE + 4 * head[0];
      caught = 0;
      if (sigsetjmp(back, 1) == 0) enter();
      __asm__ volatile("msr fpcr, xzr");
      memcpy(s->data, data + DATA_AT - DATA_BYTES / 2, DATA_BYTES);
      uint32_t result[2] = {(uint32_t)caught, 0};
      fwrite(result, 1, 8, stdout);
      fwrite(s, 1, sizeof *s, stdout);
    }
  }
  return 0;
}
