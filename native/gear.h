/* FastCDC with a 32-bit keyed gear hash, the same cuts as src/pipeline/gear.ts; docs/format/keys-and-leaves.md has the definition. */
#ifndef DAGDRIVE_GEAR_H
#define DAGDRIVE_GEAR_H
#include <stddef.h>
#include <stdint.h>

#define CHUNK_MIN ((size_t)65536)
#define CHUNK_NORMAL ((size_t)262144)
#define CHUNK_MAX ((size_t)(1048576 - 4096))
#define CHUNK_FIXED ((size_t)262144)
#define GEAR_WINDOW ((size_t)32)
#define GEAR_BELOW_NORMAL ((uint32_t)1 << 12)
#define GEAR_ABOVE_NORMAL ((uint32_t)1 << 16)

typedef struct {
  uint32_t one[256];
  uint32_t two[256]; /* one << 1: two bytes are rolled at a time, which halves the dependency chain */
} gear_table;

static void gear_load(gear_table *table, const uint8_t bytes[1024]) {
  for (int i = 0; i < 256; i++) {
    const uint8_t *p = bytes + 4 * i;
    table->one[i] = ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
    table->two[i] = table->one[i] << 1;
  }
}

/* Rolls from p[*at] while *at < end. Returns 1 when the hash fell below `limit`; *at is then just past that byte. */
static inline int gear_scan(const gear_table *g, const uint8_t *p, size_t *at, size_t end, uint32_t *hash, uint32_t limit) {
  uint32_t h = *hash;
  size_t i = *at;
  for (; i + 2 <= end; i += 2) {
    const uint8_t a = p[i], b = p[i + 1];
    const uint32_t h1 = (h << 1) + g->one[a];
    h = (h << 2) + (g->two[a] + g->one[b]);
    if (__builtin_expect(h1 < limit, 0)) {
      *at = i + 1;
      return 1;
    }
    if (__builtin_expect(h < limit, 0)) {
      *at = i + 2;
      return 1;
    }
  }
  if (i < end) {
    h = (h << 1) + g->one[p[i++]];
    if (h < limit) {
      *at = i;
      return 1;
    }
  }
  *at = i;
  *hash = h;
  return 0;
}

/* Length of the first content-defined chunk of `left` bytes at p; 0 when not certain yet (only when !final). */
static size_t gear_cut(const gear_table *g, const uint8_t *p, size_t left, int final) {
  if (left > CHUNK_MIN) {
    const size_t end = left < CHUNK_MAX ? left : CHUNK_MAX;
    const size_t normal = end < CHUNK_NORMAL - 1 ? end : CHUNK_NORMAL - 1;
    uint32_t h = 0;
    size_t at = CHUNK_MIN - GEAR_WINDOW;
    for (; at < CHUNK_MIN - 1; at++) h = (h << 1) + g->one[p[at]];
    if (gear_scan(g, p, &at, normal, &h, GEAR_BELOW_NORMAL)) return at;
    if (gear_scan(g, p, &at, end, &h, GEAR_ABOVE_NORMAL)) return at;
    if (end == CHUNK_MAX) return CHUNK_MAX;
  }
  return final ? left : 0;
}
#endif
