/* Programs and processes made by hand. */
#include <elf.h>

/* This program as an interpreter, and a program of one empty segment that asks for it. */
static void make_interpreted(const char *path) {
  static const char name[] = "/tmp/quirk-linker";
  struct {
    Elf64_Ehdr h;
    Elf64_Phdr p[2];
    char name[sizeof name];
  } program = {0};
  int in = open("/proc/self/exe", O_RDONLY), out = open(name, O_RDWR | O_CREAT | O_TRUNC, 0755);
  char block[65536];
  long n;
  pread(in, &program.h, sizeof program.h, 0);
  while ((n = read(in, block, sizeof block)) > 0) write(out, block, n);
  close(in);
  close(out);
  program.h.e_type = ET_EXEC;
  program.h.e_entry = 0x10000000;
  program.h.e_phoff = sizeof program.h;
  program.h.e_phnum = 2;
  program.h.e_shnum = program.h.e_shoff = 0;
  strcpy(program.name, name);
  program.p[0] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = (char *)program.name - (char *)&program};
  program.p[0].p_filesz = program.p[0].p_memsz = sizeof name;
  program.p[1] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = 0x10000000, .p_align = 4096};
  program.p[1].p_filesz = program.p[1].p_memsz = sizeof program;
  out = open(path, O_RDWR | O_CREAT | O_TRUNC, 0755);
  write(out, &program, sizeof program);
  close(out);
}

/* clone3 whose child leaves at once, on its own stack. */
static long raw_clone3(unsigned long *args) {
#ifdef __x86_64__
  register long r __asm__("rax") = SYS_clone3;
  __asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%edi, %%edi\n\tmov $60, %%eax\n\tsyscall\n1:"
                   : "+r"(r)
                   : "D"(args), "S"(64)
                   : "rcx", "r11", "memory");
#else
  register long r __asm__("x0") = (long)args;
  register long size __asm__("x1") = 64;
  register long nr __asm__("x8") = SYS_clone3;
  __asm__ volatile("svc #0\n\tcbnz x0, 1f\n\tmov x8, #93\n\tsvc #0\n1:" : "+r"(r), "+r"(nr) : "r"(size) : "memory");
#endif
  if (r < 0) {
    errno = -r;
    return -1;
  }
  return r;
}
