/* x86_64's part of driver.c. */
#define NR_read 0
#define NR_mmap 9
#define NR_mprotect 10
#define NR_rt_sigaction 13
#define NR_sigaltstack 131

struct state {
  uint64_t gpr[16]; /* rax rcx rdx rbx rsp rbp rsi rdi r8…r15 */
  uint64_t flags, pc, address;
  uint32_t signal, code;
  uint8_t fx[512] __attribute__((aligned(16)));
  uint8_t zone[ZONE];
};
_Static_assert(sizeof(struct state) == 928, "test/differential/x86-target.ts knows the layout");

/* The trampoline reaches these by name. */
__attribute__((used)) struct state st;
__attribute__((used)) uint64_t driver_rsp, landed, entry = CODE;
__attribute__((used)) uint32_t want_fp, default_mxcsr = 0x1f80;

__asm__(
    ".globl run\nrun:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, driver_rsp(%rip)\n"
    "  cmpl $0, want_fp(%rip)\n  je 1f\n  fxrstor64 st+160(%rip)\n1:\n"
    "  pushq st+128(%rip)\n"
    "  mov st+0(%rip), %rax\n  mov st+8(%rip), %rcx\n  mov st+16(%rip), %rdx\n  mov st+24(%rip), %rbx\n"
    "  mov st+40(%rip), %rbp\n  mov st+48(%rip), %rsi\n  mov st+56(%rip), %rdi\n  mov st+64(%rip), %r8\n"
    "  mov st+72(%rip), %r9\n  mov st+80(%rip), %r10\n  mov st+88(%rip), %r11\n  mov st+96(%rip), %r12\n"
    "  mov st+104(%rip), %r13\n  mov st+112(%rip), %r14\n  mov st+120(%rip), %r15\n"
    "  popfq\n"
    "  mov st+32(%rip), %rsp\n"
    "  jmp *entry(%rip)\n"
    ".globl landed_a\nlanded_a:\n"
    "  movq $0, landed(%rip)\n  jmp 2f\n"
    ".globl landed_b\nlanded_b:\n"
    "  movq $1, landed(%rip)\n"
    "2:\n"
    "  mov %rsp, st+32(%rip)\n  mov driver_rsp(%rip), %rsp\n"
    "  pushfq\n  popq st+128(%rip)\n  cld\n"
    "  mov %rax, st+0(%rip)\n  mov %rcx, st+8(%rip)\n  mov %rdx, st+16(%rip)\n  mov %rbx, st+24(%rip)\n"
    "  mov %rbp, st+40(%rip)\n  mov %rsi, st+48(%rip)\n  mov %rdi, st+56(%rip)\n  mov %r8, st+64(%rip)\n"
    "  mov %r9, st+72(%rip)\n  mov %r10, st+80(%rip)\n  mov %r11, st+88(%rip)\n  mov %r12, st+96(%rip)\n"
    "  mov %r13, st+104(%rip)\n  mov %r14, st+112(%rip)\n  mov %r15, st+120(%rip)\n"
    ".globl faulted\nfaulted:\n"
    "  cld\n"
    "  cmpl $0, want_fp(%rip)\n  je 3f\n  fxsave64 st+160(%rip)\n  fninit\n  ldmxcsr default_mxcsr(%rip)\n3:\n"
    "  mov driver_rsp(%rip), %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  ret\n"
    ".globl restorer\nrestorer:\n  mov $15, %eax\n  syscall\n");
void run(void);
extern char landed_a[], landed_b[], faulted[], restorer[];
#define RESTORER restorer
#define RESTORER_FLAG 0x04000000

/* Which gregs[] index of the signal frame holds each register, in encoding order. */
static const uint8_t GREG[16] = {13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7};

static void handler(int sig, int *info, char *context) {
  int64_t *gregs = (int64_t *)(context + 40);
  for (int i = 0; i < 16; i++) st.gpr[i] = (uint64_t)gregs[GREG[i]];
  st.flags = (uint64_t)gregs[17];
  st.pc = (uint64_t)gregs[16];
  st.signal = (uint32_t)sig;
  st.code = (uint32_t)info[2];
  st.address = sig == 11 && info[2] < 3 && info[2] > 0 ? *(uint64_t *)(info + 4) : 0;
  gregs[16] = (int64_t)faulted;
  gregs[15] = (int64_t)driver_rsp;
  gregs[17] &= ~0x40500L; /* no TF, DF, AC */
}

static void put_jump(unsigned long at, const char *to) {
  volatile uint8_t *p = (uint8_t *)at;
  static const uint8_t jmp[6] = {0xff, 0x25, 0, 0, 0, 0}; /* jmp [rip + 0] */
  for (int i = 0; i < 6; i++) p[i] = jmp[i];
  for (int i = 0; i < 8; i++) p[6 + i] = (uint8_t)((unsigned long)to >> 8 * i);
}

static void prepare(const struct test *t) {
  for (long i = 0; i < LANDING_B + 32; i++) ((volatile uint8_t *)CODE)[i] = i < t->length ? t->code[i] : 0xcc;
  put_jump(CODE + LANDING_B, landed_b);
  put_jump(CODE + t->length, landed_a);
  want_fp = t->fp;
}

static void enter(const struct test *t) {
  run();
  if (st.signal == 0) st.pc = CODE + (landed ? LANDING_B : t->length);
}
