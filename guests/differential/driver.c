/*
 * Runs instructions from given states and reports the states they leave: natively, under qemu, wherever this program
 * runs. No libc, everything at fixed addresses, so that results are comparable with another cpu's.
 *
 * Standard input: struct header, then for each test struct test and `runs` states. Standard output: a state for each
 * run. test/differential/driver.ts writes and reads them.
 */
#include "../bench/bare.h"

#define CODE 0x10000000UL /* the instructions under test */
#define LANDING_B 128     /* x86_64: branch target away from the next instruction */
#define LITERALS 256      /* aarch64: what PC-relative loads find, 32 words */
#define DATA 0x20000000UL /* three pages read-write, one read-only, nothing behind */
#define DATA_PAGES 3
#define ZONE 256 /* bytes at `zone` that belong to the state */

struct header {
  uint32_t magic, state_bytes, tests, pad;
};
struct test {
  uint16_t length, runs;
  uint32_t fp; /* floating-point and vector registers are part of the state */
  uint64_t zone;
  uint8_t code[128];
};

#if defined(__x86_64__)
#include "driver-x86_64.h"
#else
#include "driver-aarch64.h"
#endif

static void copy(void *to, const void *from, unsigned long n) {
  uint64_t *d = to;
  const uint64_t *s = from;
  for (unsigned long i = 0; i < n / 8; i++) d[i] = s[i];
}

static uint8_t in[1 << 16] __attribute__((aligned(16))), out[1 << 16] __attribute__((aligned(16)));
static unsigned long in_at, in_end, out_end;

static void flush(void) {
  for (unsigned long done = 0; done < out_end;) {
    long n = syscall3(NR_write, 1, (long)(out + done), (long)(out_end - done));
    if (n <= 0) syscall3(NR_exit_group, 3, 0, 0);
    done += (unsigned long)n;
  }
  out_end = 0;
}
/* `n` is a multiple of 8. */
static void give(const void *p, unsigned long n) {
  if (out_end + n > sizeof out) flush();
  copy(out + out_end, p, n);
  out_end += n;
}
static int take(void *p, unsigned long n) {
  while (in_end - in_at < n) {
    copy(in, in + in_at, (in_end - in_at + 7) & ~7UL);
    in_end -= in_at;
    in_at = 0;
    long r = syscall3(NR_read, 0, (long)(in + in_end), (long)(sizeof in - in_end));
    if (r <= 0) return 0;
    in_end += (unsigned long)r;
  }
  copy(p, in + in_at, n);
  in_at += n;
  return 1;
}

static uint8_t alt[65536];

int bare_main(int argc, char **argv) {
  (void)argc, (void)argv;
  static struct header h;
  static struct test t;
  struct {
    void *sp;
    long flags;
    unsigned long size;
  } stack = {alt, 0, sizeof alt};
  struct {
    void *handler;
    unsigned long flags;
    void *restorer;
    unsigned long mask;
  } action = {handler, 0x4 | 0x08000000 | 0x40000000 | RESTORER_FLAG, RESTORER, 0};
  static const int sigs[] = {4, 5, 7, 8, 11};
  syscall3(NR_sigaltstack, (long)&stack, 0, 0);
  for (int i = 0; i < 5; i++) syscall6(NR_rt_sigaction, sigs[i], (long)&action, 0, 8, 0, 0);
  long code = syscall6(NR_mmap, CODE, 4096, 7, 0x32, -1, 0);
  long data = syscall6(NR_mmap, DATA, (DATA_PAGES + 1) * 4096, 3, 0x32, -1, 0);
  if (code != (long)CODE || data != (long)DATA) return 4;
  for (long i = 0; i < (DATA_PAGES + 1) * 4096; i++) ((uint8_t *)DATA)[i] = (uint8_t)(i * 7);
  syscall3(NR_mprotect, DATA + DATA_PAGES * 4096, 4096, 1);
  if (!take(&h, sizeof h) || h.magic != 0x33474e52 || h.state_bytes != sizeof st) return 5;
  for (uint32_t n = 0; n < h.tests; n++) {
    if (!take(&t, sizeof t)) return 6;
    prepare(&t);
    for (int i = 0; i < t.runs; i++) {
      if (!take(&st, sizeof st)) return 7;
      copy((void *)(unsigned long)t.zone, st.zone, ZONE);
      st.signal = st.code = 0;
      st.address = 0;
      enter(&t);
      copy(st.zone, (void *)(unsigned long)t.zone, ZONE);
      give(&st, sizeof st);
    }
  }
  flush();
  return 0;
}
