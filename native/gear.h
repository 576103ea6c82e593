/*
 * FastCDC with a 32-bit keyed gear hash. The cuts equal those of src/pipeline/cut-chunks.ts. Defined in
 * docs/format/keys-and-leaves.md.
 */
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
  uint32_t word[256];
} gear_table;

static void gear_load(gear_table *table, const uint8_t bytes[1024]) {
  for (int i = 0; i < 256; i++) {
    const uint8_t *p = bytes + 4 * i;
    table->word[i] = ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
  }
}

/*
 * Rolls the hash from p[*at] while *at < end. Returns 1 when the hash falls below `limit`; *at is then just after that
 * byte.
 */
static int gear_scan_one(const gear_table *g, const uint8_t *p, size_t *at, size_t end, uint32_t *hash, uint32_t limit) {
  uint32_t h = *hash;
  for (size_t i = *at; i < end;) {
    h = (h << 1) + g->word[p[i++]];
    if (__builtin_expect(h < limit, 0)) {
      *at = i;
      return 1;
    }
  }
  *at = end;
  *hash = h;
  return 0;
}

/* Hash of the window that ends before p[at]. */
static uint32_t gear_window(const gear_table *g, const uint8_t *p, size_t at) {
  uint32_t h = 0;
  for (size_t i = at - GEAR_WINDOW; i < at; i++) h = (h << 1) + g->word[p[i]];
  return h;
}

/*
 * The same, in stretches of four times GEAR_STREAM bytes. Four streams run at once, because one stream alone waits for
 * its own additions. A window is 32 bytes, so a stream can start anywhere. Work after a cut is lost: at most one
 * stretch for each chunk.
 */
#define GEAR_STREAM ((size_t)2048)
static int gear_scan(const gear_table *g, const uint8_t *p, size_t *at, size_t end, uint32_t *hash, uint32_t limit) {
  for (; *at + 4 * GEAR_STREAM <= end; *at += 4 * GEAR_STREAM) {
    const uint8_t *q = p + *at;
    uint32_t h0 = *hash;
    uint32_t h1 = gear_window(g, q, GEAR_STREAM), h2 = gear_window(g, q, 2 * GEAR_STREAM), h3 = gear_window(g, q, 3 * GEAR_STREAM);
    size_t cut1 = 0, cut2 = 0, cut3 = 0;
    for (size_t i = 0; i < GEAR_STREAM; i++) {
      h0 = (h0 << 1) + g->word[q[i]];
      h1 = (h1 << 1) + g->word[q[i + GEAR_STREAM]];
      h2 = (h2 << 1) + g->word[q[i + 2 * GEAR_STREAM]];
      h3 = (h3 << 1) + g->word[q[i + 3 * GEAR_STREAM]];
      const uint32_t low = h0 < h1 ? h0 : h1, high = h2 < h3 ? h2 : h3;
      if (__builtin_expect((low < high ? low : high) >= limit, 1)) continue;
      if (h0 < limit) {
        *at += i + 1;
        return 1;
      }
      if (h1 < limit && !cut1) cut1 = i + 1 + GEAR_STREAM;
      if (h2 < limit && !cut2) cut2 = i + 1 + 2 * GEAR_STREAM;
      if (h3 < limit && !cut3) cut3 = i + 1 + 3 * GEAR_STREAM;
    }
    const size_t cut = cut1 ? cut1 : cut2 ? cut2 : cut3;
    if (cut) {
      *at += cut;
      return 1;
    }
    *hash = h3;
  }
  return gear_scan_one(g, p, at, end, hash, limit);
}

/* Length of the first content-defined chunk in the `left` bytes at p. 0 if it is not certain yet (only if !final). */
static size_t gear_cut(const gear_table *g, const uint8_t *p, size_t left, int final) {
  if (left > CHUNK_MIN) {
    const size_t end = left < CHUNK_MAX ? left : CHUNK_MAX;
    const size_t normal = end < CHUNK_NORMAL - 1 ? end : CHUNK_NORMAL - 1;
    uint32_t h = 0;
    size_t at = CHUNK_MIN - GEAR_WINDOW;
    for (; at < CHUNK_MIN - 1; at++) h = (h << 1) + g->word[p[at]];
    if (gear_scan(g, p, &at, normal, &h, GEAR_BELOW_NORMAL)) return at;
    if (gear_scan(g, p, &at, end, &h, GEAR_ABOVE_NORMAL)) return at;
    if (end == CHUNK_MAX) return CHUNK_MAX;
  }
  return final ? left : 0;
}
#endif
