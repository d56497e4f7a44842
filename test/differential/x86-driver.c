// Runs instruction snippets on the real processor. Reads cases from stdin, writes results to stdout, both as binary
// records (see x86-cases.ts). Everything lives at fixed addresses so that results are comparable with another cpu's.
//
//   input:  u32 count, then per case: u32 code length, u32 runs, code[128], then per run: struct state
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
#include <unistd.h>

#define CODE 0x10000000ul
#define DATA 0x20000000ul
#define STACK 0x30000000ul
#define STATE 0x40000000ul
#define DATA_BYTES 256
#define STACK_BYTES 64

struct state {
  uint64_t gpr[16];  // rax rcx rdx rbx rsp rbp rsi rdi r8…r15
  uint64_t rflags;
  uint64_t rip;
  uint8_t fx[512];
  uint8_t data[DATA_BYTES];
  uint8_t stack[STACK_BYTES];
};

// At STATE: the state, then the host's stack pointer.
#define HOST_RSP (STATE + 0x800)

static sigjmp_buf back;
static volatile int caught;

__asm__(
    ".text\n"
    "enter:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, %rax\n"
    "  movabs %rax, 0x40000800\n"
    "  mov $0x40000000, %eax\n"
    "  fxrstor64 0x90(%rax)\n"
    "  push 0x80(%rax)\n"
    "  mov 0x08(%rax), %rcx\n  mov 0x10(%rax), %rdx\n  mov 0x18(%rax), %rbx\n"
    "  mov 0x28(%rax), %rbp\n  mov 0x30(%rax), %rsi\n  mov 0x38(%rax), %rdi\n"
    "  mov 0x40(%rax), %r8\n  mov 0x48(%rax), %r9\n  mov 0x50(%rax), %r10\n  mov 0x58(%rax), %r11\n"
    "  mov 0x60(%rax), %r12\n  mov 0x68(%rax), %r13\n  mov 0x70(%rax), %r14\n  mov 0x78(%rax), %r15\n"
    "  popf\n"
    "  mov 0x20(%rax), %rsp\n"
    "  mov 0x00(%rax), %rax\n"
    "  jmp *target(%rip)\n"
    "leave_snippet:\n"
    "  movabs %rax, 0x40000000\n"
    "  mov $0x40000000, %eax\n"
    "  mov %rcx, 0x08(%rax)\n  mov %rdx, 0x10(%rax)\n  mov %rbx, 0x18(%rax)\n  mov %rsp, 0x20(%rax)\n"
    "  mov %rbp, 0x28(%rax)\n  mov %rsi, 0x30(%rax)\n  mov %rdi, 0x38(%rax)\n"
    "  mov %r8, 0x40(%rax)\n  mov %r9, 0x48(%rax)\n  mov %r10, 0x50(%rax)\n  mov %r11, 0x58(%rax)\n"
    "  mov %r12, 0x60(%rax)\n  mov %r13, 0x68(%rax)\n  mov %r14, 0x70(%rax)\n  mov %r15, 0x78(%rax)\n"
    "  mov 0x800(%rax), %rsp\n"
    "  pushf\n  popq 0x80(%rax)\n"
    "  fxsave64 0x90(%rax)\n"
    "  cld\n"
    "  fninit\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  ret\n"
    ".data\ntarget: .quad 0x10000000\n.text\n");
void enter(void);
extern char leave_snippet[];

static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void on_signal(int signo, siginfo_t *info, void *context) {
  (void)info;
  ucontext_t *uc = context;
  struct state *s = (struct state *)STATE;
  for (int i = 0; i < 16; i++) s->gpr[i] = uc->uc_mcontext.gregs[order[i]];
  s->rflags = uc->uc_mcontext.gregs[REG_EFL] & ~0x10000ul;
  s->rip = uc->uc_mcontext.gregs[REG_RIP];
  if (uc->uc_mcontext.fpregs) memcpy(s->fx, uc->uc_mcontext.fpregs, 512);
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
  uint8_t *code = at(CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
  uint8_t *data = at(DATA, 8192, PROT_READ | PROT_WRITE);
  uint8_t *stack = at(STACK, 8192, PROT_READ | PROT_WRITE);
  struct state *s = at(STATE, 4096, PROT_READ | PROT_WRITE);
  static char out_buffer[1 << 20];
  setvbuf(stdout, out_buffer, _IOFBF, sizeof out_buffer);
  stack_t alt = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&alt, NULL);
  struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigaction(SIGILL, &sa, NULL);
  sigaction(SIGFPE, &sa, NULL);
  sigaction(SIGSEGV, &sa, NULL);
  sigaction(SIGBUS, &sa, NULL);
  sigaction(SIGTRAP, &sa, NULL);
  uint32_t count;
  get(&count, 4);
  for (uint32_t c = 0; c < count; c++) {
    uint32_t head[2];
    get(head, 8);
    memset(code, 0xcc, 256);
    get(code, 128);
    uint8_t *p = code + head[0];
    *p++ = 0xff, *p++ = 0x25, memset(p, 0, 4), p += 4;  // jmp *0(%rip)
    uint64_t target = (uint64_t)leave_snippet;
    memcpy(p, &target, 8);
    for (uint32_t r = 0; r < head[1]; r++) {
      get(s, sizeof *s);
      memcpy(data, s->data, DATA_BYTES);
      memcpy(stack + 4096 - STACK_BYTES / 2, s->stack, STACK_BYTES);
      s->rip = CODE + head[0];
      caught = 0;
      if (sigsetjmp(back, 1) == 0) enter();
      __asm__ volatile("cld; fninit");
      memcpy(s->data, data, DATA_BYTES);
      memcpy(s->stack, stack + 4096 - STACK_BYTES / 2, STACK_BYTES);
      uint32_t result[2] = {(uint32_t)caught, 0};
      fwrite(result, 1, 8, stdout);
      fwrite(s, 1, sizeof *s, stdout);
    }
  }
  return 0;
}
