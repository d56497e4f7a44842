/* fork with shared and private memory, a shared file mapping, and a memfd. */
#include "guest.h"
#include <stdatomic.h>

int main(void) {
  enter_dir();
  atomic_int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int *private = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  MUST(ftruncate(fd, 8192) == 0);
  char *file = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *copy = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  int mfd = memfd_create("guest", MFD_CLOEXEC);
  MUST(mfd >= 0 && ftruncate(mfd, 4096) == 0);
  atomic_int *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mfd, 0);
  MUST(shared != MAP_FAILED && private != MAP_FAILED && file != MAP_FAILED && copy != MAP_FAILED && mem != MAP_FAILED);
  private[0] = 1;
  private[1024] = 2;
  strcpy(file, "from the parent");

  pid_t pids[4];
  for (int i = 0; i < 4; i++) {
    CHILD(pids[i], {
      for (int k = 0; k < 1000; k++) atomic_fetch_add(shared, 1);
      private[0] += 10 + i;
      private[2048] = i;
      atomic_fetch_add(mem, i);
      file[4096 + i] = (char)('a' + i);
      copy[0] = '#';
      _exit(private[0]);
    });
  }
  for (int i = 0; i < 4; i++) reap(pids[i], "child");
  printf("shared %d private %d %d %d mem %d\n", *shared, private[0], private[1024], private[2048], *mem);
  printf("file '%s' '%.4s' copy '%s'\n", file, file + 4096, copy);
  char back[16] = "";
  R(pread(fd, back, 15, 0));
  printf("read back '%s'\n", back);
  R(pwrite(fd, "FROM", 4, 0));
  printf("through the mapping '%s', private page %s\n", file, copy[0] == 'F' ? "follows" : "keeps");

  /* Ping-pong through memory and a parent that outlives a grandchild. */
  pid_t pid;
  CHILD(pid, {
    pid_t inner;
    CHILD(inner, atomic_store(shared, 5000); pause_ms(5); atomic_store(shared, 5001));
    while (atomic_load(shared) != 5001) pause_ms(1);
    reap(inner, "grandchild");
    _exit(3);
  });
  reap(pid, "child");
  printf("shared %d\n", *shared);
  unlink("file");
  leave_dir();
  return 0;
}
