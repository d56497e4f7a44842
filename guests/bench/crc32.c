/* Table-driven CRC-32 of a buffer, N times over: crc32 [ROUNDS]. */
#include "bare.h"

static uint32_t table[256];
static uint8_t data[65536];

int bare_main(int argc, char **argv) {
  unsigned long rounds = argc > 1 ? parse(argv[1]) : 2;
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
    table[i] = c;
  }
  for (uint32_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 2654435761u >> 13);
  uint32_t crc = 0xffffffff;
  for (unsigned long r = 0; r < rounds; r++)
    for (uint32_t i = 0; i < sizeof data; i++) crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
  put_number("crc ", crc ^ 0xffffffff, "\n");
  return 0;
}
