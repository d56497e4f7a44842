/* aarch64's part of driver.c. The linker gives `code_at`: the code must be within reach of a branch. */
#define NR_read 63
#define NR_mmap 222
#define NR_mprotect 226
#define NR_rt_sigaction 134
#define NR_sigaltstack 132

struct state {
  uint64_t x[31], sp, nzcv, pc, address;
  uint32_t signal, code;
  uint32_t fpcr, fpsr;
  uint64_t pad;
  __uint128_t v[32];
  uint8_t zone[ZONE];
};
_Static_assert(sizeof(struct state) == 1072, "test/differential/a64-target.ts knows the layout");

/* The trampoline reaches these by name. */
__attribute__((used)) struct state st;
__attribute__((used)) uint64_t driver_sp;

__asm__(
    ".globl run\nrun:\n"
    "  stp x29, x30, [sp, #-160]!\n  stp x19, x20, [sp, #16]\n  stp x21, x22, [sp, #32]\n  stp x23, x24, [sp, #48]\n"
    "  stp x25, x26, [sp, #64]\n  stp x27, x28, [sp, #80]\n  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n"
    "  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
    "  adrp x0, driver_sp\n  mov x1, sp\n  str x1, [x0, :lo12:driver_sp]\n"
    "  adrp x0, st\n  add x0, x0, :lo12:st\n"
    "  ldr x1, [x0, #248]\n  mov sp, x1\n  ldr x1, [x0, #256]\n  msr nzcv, x1\n"
    "  ldr w1, [x0, #288]\n  msr fpcr, x1\n  ldr w1, [x0, #292]\n  msr fpsr, x1\n"
    "  add x1, x0, #304\n"
    "  ld1 {v0.16b-v3.16b}, [x1], #64\n  ld1 {v4.16b-v7.16b}, [x1], #64\n"
    "  ld1 {v8.16b-v11.16b}, [x1], #64\n  ld1 {v12.16b-v15.16b}, [x1], #64\n"
    "  ld1 {v16.16b-v19.16b}, [x1], #64\n  ld1 {v20.16b-v23.16b}, [x1], #64\n"
    "  ld1 {v24.16b-v27.16b}, [x1], #64\n  ld1 {v28.16b-v31.16b}, [x1], #64\n"
    "  ldp x2, x3, [x0, #16]\n  ldp x4, x5, [x0, #32]\n  ldp x6, x7, [x0, #48]\n  ldp x8, x9, [x0, #64]\n"
    "  ldp x10, x11, [x0, #80]\n  ldp x12, x13, [x0, #96]\n  ldp x14, x15, [x0, #112]\n  ldp x16, x17, [x0, #128]\n"
    "  ldp x18, x19, [x0, #144]\n  ldp x20, x21, [x0, #160]\n  ldp x22, x23, [x0, #176]\n  ldp x24, x25, [x0, #192]\n"
    "  ldp x26, x27, [x0, #208]\n  ldp x28, x29, [x0, #224]\n  ldr x30, [x0, #240]\n  ldp x0, x1, [x0]\n"
    "  b code_at\n"
    ".globl landed\nlanded:\n"
    "  msr tpidr_el0, x0\n  adrp x0, st\n  add x0, x0, :lo12:st\n"
    "  stp x2, x3, [x0, #16]\n  stp x4, x5, [x0, #32]\n  stp x6, x7, [x0, #48]\n  stp x8, x9, [x0, #64]\n"
    "  stp x10, x11, [x0, #80]\n  stp x12, x13, [x0, #96]\n  stp x14, x15, [x0, #112]\n  stp x16, x17, [x0, #128]\n"
    "  stp x18, x19, [x0, #144]\n  stp x20, x21, [x0, #160]\n  stp x22, x23, [x0, #176]\n  stp x24, x25, [x0, #192]\n"
    "  stp x26, x27, [x0, #208]\n  stp x28, x29, [x0, #224]\n  str x30, [x0, #240]\n"
    "  str x1, [x0, #8]\n  mrs x1, tpidr_el0\n  str x1, [x0]\n"
    "  mov x1, sp\n  str x1, [x0, #248]\n  mrs x1, nzcv\n  str x1, [x0, #256]\n"
    "  mrs x1, fpcr\n  str w1, [x0, #288]\n  mrs x1, fpsr\n  str w1, [x0, #292]\n"
    "  add x1, x0, #304\n"
    "  st1 {v0.16b-v3.16b}, [x1], #64\n  st1 {v4.16b-v7.16b}, [x1], #64\n"
    "  st1 {v8.16b-v11.16b}, [x1], #64\n  st1 {v12.16b-v15.16b}, [x1], #64\n"
    "  st1 {v16.16b-v19.16b}, [x1], #64\n  st1 {v20.16b-v23.16b}, [x1], #64\n"
    "  st1 {v24.16b-v27.16b}, [x1], #64\n  st1 {v28.16b-v31.16b}, [x1], #64\n"
    ".globl faulted\nfaulted:\n"
    "  adrp x0, driver_sp\n  ldr x1, [x0, :lo12:driver_sp]\n  mov sp, x1\n  msr fpcr, xzr\n"
    "  ldp x19, x20, [sp, #16]\n  ldp x21, x22, [sp, #32]\n  ldp x23, x24, [sp, #48]\n"
    "  ldp x25, x26, [sp, #64]\n  ldp x27, x28, [sp, #80]\n  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n"
    "  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n  ldp x29, x30, [sp], #160\n  ret\n");
void run(void);
extern char landed[], faulted[];
#define RESTORER 0 /* the vDSO's */
#define RESTORER_FLAG 0

static void handler(int sig, int *info, char *context) {
  uint64_t *mcontext = (uint64_t *)(context + 176); /* fault_address, regs[31], sp, pc, pstate */
  uint32_t *fp = (uint32_t *)(context + 464);       /* struct fpsimd_context: head, fpsr, fpcr, vregs */
  for (int i = 0; i < 31; i++) st.x[i] = mcontext[1 + i];
  st.sp = mcontext[32];
  st.pc = mcontext[33];
  st.nzcv = mcontext[34] & 0xf0000000;
  st.fpsr = fp[2];
  st.fpcr = fp[3];
  for (int i = 0; i < 64; i++) ((uint64_t *)st.v)[i] = ((uint64_t *)(fp + 4))[i];
  st.signal = (uint32_t)sig;
  st.code = (uint32_t)info[2];
  st.address = sig == 11 && info[2] < 3 && info[2] > 0 ? *(uint64_t *)(info + 4) : 0;
  mcontext[32] = driver_sp;
  mcontext[33] = (uint64_t)faulted;
}

static void prepare(const struct test *t) {
  volatile uint32_t *code = (uint32_t *)CODE;
  int words = t->length / 4;
  for (int i = 0; i < words; i++) code[i] = ((const uint32_t *)t->code)[i];
  code[words] = 0x14000000u | (((uint64_t)(landed - (char *)(code + words)) >> 2) & 0x3ffffff);
  for (uint32_t i = 0; i < 32; i++) code[LITERALS / 4 + i] = 0x01234567u * (i + 1);
  for (int i = 0; i <= words; i += 4)
    __asm__ volatile("dc cvau, %0\n  dsb ish\n  ic ivau, %0\n  dsb ish\n  isb" ::"r"(code + i) : "memory");
}

static void enter(const struct test *t) {
  run();
  if (st.signal == 0) st.pc = CODE + t->length;
}
