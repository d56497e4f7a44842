/*
 * A static program on libunicorn 2 with nothing between them but a hook on system calls: the benchmark's Unicorn.
 * unicorn x86_64|aarch64 PROGRAM [ARGS...]. Of Linux there is what the programs of guests/bench ask for.
 * The declarations are ours, after unicorn/unicorn.h; Debian's library comes without the header.
 */
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct uc uc;
int uc_open(int arch, int mode, uc **u);
int uc_mem_map(uc *u, uint64_t at, size_t size, uint32_t perms);
int uc_mem_write(uc *u, uint64_t at, const void *bytes, size_t size);
int uc_mem_read(uc *u, uint64_t at, void *bytes, size_t size);
int uc_reg_read(uc *u, int reg, void *value);
int uc_reg_write(uc *u, int reg, const void *value);
int uc_emu_start(uc *u, uint64_t begin, uint64_t until, uint64_t timeout, size_t count);
int uc_emu_stop(uc *u);
int uc_hook_add(uc *u, size_t *hook, int type, void *callback, void *data, uint64_t begin, uint64_t end, ...);
int uc_ctl(uc *u, int control, ...);
const char *uc_strerror(int error);

enum { ARCH_ARM64 = 2, ARCH_X86 = 4, MODE_ARM = 0, MODE_64 = 8, HOOK_INTR = 1, HOOK_INSN = 2, X86_SYSCALL = 699 };
enum { X86_RAX = 35, X86_RDI = 39, X86_RSI = 43, X86_RDX = 40, X86_R10 = 108, X86_R8 = 106, X86_R9 = 107,
       X86_RSP = 44, X86_FS_BASE = 250 };
enum { A64_X0 = 199, A64_SP = 4, A64_CPACR = 261, A64_MAX = 3 };

#define STACK 0x7fff00000000
#define STACK_SIZE 0x800000
#define HEAP 0x100000000
#define HEAP_SIZE 0x10000000

static uc *u;
static int x86;
static uint64_t brk_at = HEAP, map_at = HEAP + HEAP_SIZE;
static int status = 125;

static void check(int error, const char *what) {
  if (!error) return;
  fprintf(stderr, "%s: %s\n", what, uc_strerror(error));
  exit(125);
}

/* Numbers of x86_64; those of aarch64 are translated first. */
static uint64_t call(uint64_t n, const uint64_t *a) {
  static char bytes[1 << 20];
  switch (n) {
    case 1: /* write */
      if (a[2] > sizeof bytes || uc_mem_read(u, a[1], bytes, a[2])) return -14;
      return (uint64_t)write((int)a[0], bytes, a[2]);
    case 9: { /* mmap, of nothing */
      uint64_t at = map_at, size = (a[1] + 0xfff) & ~0xfffull;
      check(uc_mem_map(u, at, size, 7), "mmap");
      map_at += size + 0x1000;
      return at;
    }
    case 10: case 11: return 0; /* mprotect, munmap */
    case 12: /* brk */
      if (a[0] >= HEAP && a[0] <= HEAP + HEAP_SIZE) brk_at = a[0];
      return brk_at;
    case 39: return 1; /* getpid */
    case 158: /* arch_prctl */
      if (a[0] != 0x1002) return -22;
      uc_reg_write(u, X86_FS_BASE, &a[1]);
      return 0;
    case 218: return 1; /* set_tid_address */
    case 273: return 0; /* set_robust_list */
    case 60: case 231:
      status = (int)a[0];
      uc_emu_stop(u);
      return 0;
    default: return -38;
  }
}

static void on_syscall(uc *engine, void *data) {
  static const int regs[] = {X86_RDI, X86_RSI, X86_RDX, X86_R10, X86_R8, X86_R9};
  uint64_t n, a[6];
  (void)engine, (void)data;
  uc_reg_read(u, X86_RAX, &n);
  for (int i = 0; i < 6; i++) uc_reg_read(u, regs[i], &a[i]);
  n = call(n, a);
  uc_reg_write(u, X86_RAX, &n);
}

static void on_interrupt(uc *engine, uint32_t number, void *data) {
  static const uint16_t same[][2] = {{64, 1}, {222, 9}, {226, 10}, {215, 11}, {214, 12}, {172, 39},
                                     {96, 218}, {99, 273}, {93, 60}, {94, 231}};
  uint64_t n, a[6];
  (void)engine, (void)data;
  if (number != 2) {
    uint64_t pc;
    uc_reg_read(u, 260, &pc);
    fprintf(stderr, "exception %u at %#lx\n", number, (unsigned long)pc);
    uc_emu_stop(u);
    return;
  }
  uc_reg_read(u, A64_X0 + 8, &n);
  for (int i = 0; i < 6; i++) uc_reg_read(u, A64_X0 + i, &a[i]);
  uint64_t number_x86 = 0xffff;
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    if (same[i][0] == n) number_x86 = same[i][1];
  n = call(number_x86, a);
  uc_reg_write(u, A64_X0, &n);
}

static uint64_t load(const char *file, Elf64_Ehdr *e, uint64_t *phdr) {
  FILE *f = fopen(file, "rb");
  if (!f || fread(e, sizeof *e, 1, f) != 1) {
    perror(file);
    exit(125);
  }
  Elf64_Phdr p[32];
  fseek(f, (long)e->e_phoff, SEEK_SET);
  if (e->e_phnum > 32 || fread(p, sizeof *p, e->e_phnum, f) != e->e_phnum) exit(125);
  uint64_t mapped = 0;
  for (int i = 0; i < e->e_phnum; i++) {
    if (p[i].p_type != PT_LOAD) continue;
    uint64_t start = p[i].p_vaddr & ~0xfffull, end = (p[i].p_vaddr + p[i].p_memsz + 0xfff) & ~0xfffull;
    if (start < mapped) start = mapped;
    if (end > start) check(uc_mem_map(u, start, end - start, 7), "mapping the program");
    mapped = end;
    char *bytes = malloc(p[i].p_filesz + 1);
    fseek(f, (long)p[i].p_offset, SEEK_SET);
    if (fread(bytes, 1, p[i].p_filesz, f) != p[i].p_filesz) exit(125);
    check(uc_mem_write(u, p[i].p_vaddr, bytes, p[i].p_filesz), "writing the program");
    free(bytes);
    if (p[i].p_offset == 0) *phdr = p[i].p_vaddr + e->e_phoff;
  }
  fclose(f);
  return e->e_entry;
}

static uint64_t stack(int argc, char **argv, const Elf64_Ehdr *e, uint64_t phdr) {
  uint64_t at = STACK + STACK_SIZE - 0x1000, words[64 + 24];
  int n = 0;
  words[n++] = (uint64_t)argc;
  if (argc > 32) exit(125);
  for (int i = 0; i < argc; i++) {
    at -= strlen(argv[i]) + 1;
    check(uc_mem_write(u, at, argv[i], strlen(argv[i]) + 1), "arguments");
    words[n++] = at;
  }
  words[n++] = 0;
  words[n++] = 0;
  uint64_t random = STACK + STACK_SIZE - 0x800;
  const uint64_t aux[] = {AT_PHDR, phdr, AT_PHENT, sizeof(Elf64_Phdr), AT_PHNUM, e->e_phnum, AT_PAGESZ, 4096,
                          AT_ENTRY, e->e_entry, AT_RANDOM, random, AT_SECURE, 0, AT_NULL, 0};
  memcpy(words + n, aux, sizeof aux);
  n += sizeof aux / sizeof *aux;
  at = (at - 8 * (uint64_t)n) & ~15ull;
  check(uc_mem_write(u, at, words, 8 * (size_t)n), "stack");
  return at;
}

int main(int argc, char **argv) {
  if (argc < 3) return 125;
  x86 = !strcmp(argv[1], "x86_64");
  check(uc_open(x86 ? ARCH_X86 : ARCH_ARM64, x86 ? MODE_64 : MODE_ARM, &u), "uc_open");
  if (!x86) check(uc_ctl(u, (int)(7u | 1u << 26 | 1u << 30), A64_MAX), "cpu model");
  check(uc_mem_map(u, STACK, STACK_SIZE, 7), "stack");
  check(uc_mem_map(u, HEAP, HEAP_SIZE, 7), "heap");
  Elf64_Ehdr e;
  uint64_t phdr = 0, entry = load(argv[2], &e, &phdr), sp = stack(argc - 2, argv + 2, &e, phdr);
  size_t hook;
  uc_reg_write(u, x86 ? X86_RSP : A64_SP, &sp);
  if (x86) check(uc_hook_add(u, &hook, HOOK_INSN, (void *)on_syscall, NULL, 1, 0, X86_SYSCALL), "hook");
  else {
    uint64_t fp = 3 << 20;
    uc_reg_write(u, A64_CPACR, &fp);
    check(uc_hook_add(u, &hook, HOOK_INTR, (void *)on_interrupt, NULL, 1, 0), "hook");
  }
  int error = uc_emu_start(u, entry, 0, 0, 0);
  if (error) {
    uint64_t pc;
    uc_reg_read(u, x86 ? 41 : 260, &pc);
    fprintf(stderr, "%s at %#lx\n", uc_strerror(error), (unsigned long)pc);
  }
  return status;
}
