/*
 * SHA-256 with the x86 SHA extensions, one stream or two interleaved. The unit is bound by latency, so two streams cost
 * little more than one. On other processors everything goes through node's OpenSSL (EVP). FIPS 180-4; the use of
 * instructions follows Intel's paper "New Instructions Supporting the Secure Hash Algorithm on Intel Architecture
 * Processors".
 */
#ifndef DAGDRIVE_SHA256_H
#define DAGDRIVE_SHA256_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const uint32_t SHA_INIT[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* A sequence of 64-byte blocks; with `stride` 0, one block repeated. */
typedef struct {
  const uint8_t *at;
  size_t blocks;
  size_t stride;
} sha_span;

static inline void put_be32(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)(v >> 24);
  p[1] = (uint8_t)(v >> 16);
  p[2] = (uint8_t)(v >> 8);
  p[3] = (uint8_t)v;
}

static inline void put_be64(uint8_t *p, uint64_t v) {
  put_be32(p, (uint32_t)(v >> 32));
  put_be32(p + 4, (uint32_t)v);
}

static inline void sha_output(const uint32_t state[8], uint8_t out[32]) {
  for (int i = 0; i < 8; i++) put_be32(out + 4 * i, state[i]);
}

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_SHA_LANES 1
#include <cpuid.h>
#include <immintrin.h>

static const uint32_t SHA_K[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define SHA_TARGET __attribute__((target("sha,sse4.1,ssse3")))

static int sha_lanes_supported(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  if (!(c & (1u << 19)) || !(c & (1u << 9))) return 0; /* SSE4.1, SSSE3 */
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  return (b & (1u << 29)) != 0; /* SHA */
}

#define SHA_LOAD(state, s0, s1)                                   \
  do {                                                            \
    __m128i t = _mm_loadu_si128((const __m128i *)&(state)[0]);    \
    (s1) = _mm_loadu_si128((const __m128i *)&(state)[4]);         \
    t = _mm_shuffle_epi32(t, 0xB1);                               \
    (s1) = _mm_shuffle_epi32((s1), 0x1B);                         \
    (s0) = _mm_alignr_epi8(t, (s1), 8);                           \
    (s1) = _mm_blend_epi16((s1), t, 0xF0);                        \
  } while (0)

#define SHA_STORE(state, s0, s1)                                  \
  do {                                                            \
    __m128i t = _mm_shuffle_epi32((s0), 0x1B);                    \
    __m128i u = _mm_shuffle_epi32((s1), 0xB1);                    \
    _mm_storeu_si128((__m128i *)&(state)[0], _mm_blend_epi16(t, u, 0xF0)); \
    _mm_storeu_si128((__m128i *)&(state)[4], _mm_alignr_epi8(u, t, 8));    \
  } while (0)

/* Four rounds of one lane: w is the schedule ring, s0/s1 the state, i the group 0..15 (a constant). */
#define SHA_FIRST(w, s0, s1, m, i)                                                          \
  (m) = _mm_add_epi32((w)[(i) & 3], _mm_load_si128((const __m128i *)&SHA_K[4 * (i)]));      \
  (s1) = _mm_sha256rnds2_epu32((s1), (s0), (m));
#define SHA_SECOND(w, s0, s1, m, i)                                                         \
  if ((i) >= 3 && (i) < 15) {                                                               \
    (w)[((i) + 1) & 3] =                                                                    \
        _mm_add_epi32((w)[((i) + 1) & 3], _mm_alignr_epi8((w)[(i) & 3], (w)[((i) + 3) & 3], 4)); \
    (w)[((i) + 1) & 3] = _mm_sha256msg2_epu32((w)[((i) + 1) & 3], (w)[(i) & 3]);            \
  }                                                                                         \
  (m) = _mm_shuffle_epi32((m), 0x0E);                                                       \
  (s0) = _mm_sha256rnds2_epu32((s0), (s1), (m));                                            \
  if ((i) >= 1 && (i) < 13) (w)[((i) + 3) & 3] = _mm_sha256msg1_epu32((w)[((i) + 3) & 3], (w)[(i) & 3]);

#define SHA_ONE(i) SHA_FIRST(w, s0, s1, m, i) SHA_SECOND(w, s0, s1, m, i)
#define SHA_TWO(i)                 \
  SHA_FIRST(w, s0, s1, m, i)       \
  SHA_FIRST(x, t0, t1, n, i)       \
  SHA_SECOND(w, s0, s1, m, i)      \
  SHA_SECOND(x, t0, t1, n, i)
#define SHA_ALL(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define SHA_FETCH(w, p)                                                                             \
  for (int j = 0; j < 4; j++)                                                                       \
    (w)[j] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)((p) + 16 * j)), swap);

SHA_TARGET static void sha_one(uint32_t state[8], sha_span *span, size_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  const uint8_t *p = span->at;
  __m128i s0, s1, m, w[4];
  SHA_LOAD(state, s0, s1);
  for (size_t b = 0; b < blocks; b++) {
    const __m128i k0 = s0, k1 = s1;
    SHA_FETCH(w, p)
    SHA_ALL(SHA_ONE)
    s0 = _mm_add_epi32(s0, k0);
    s1 = _mm_add_epi32(s1, k1);
    p += span->stride;
  }
  SHA_STORE(state, s0, s1);
  span->at = p;
  span->blocks -= blocks;
}

SHA_TARGET static void sha_two(uint32_t a[8], sha_span *sa, uint32_t b[8], sha_span *sb, size_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  const uint8_t *p = sa->at, *q = sb->at;
  __m128i s0, s1, t0, t1, m, n, w[4], x[4];
  SHA_LOAD(a, s0, s1);
  SHA_LOAD(b, t0, t1);
  for (size_t i = 0; i < blocks; i++) {
    const __m128i k0 = s0, k1 = s1, l0 = t0, l1 = t1;
    SHA_FETCH(w, p)
    SHA_FETCH(x, q)
    SHA_ALL(SHA_TWO)
    s0 = _mm_add_epi32(s0, k0);
    s1 = _mm_add_epi32(s1, k1);
    t0 = _mm_add_epi32(t0, l0);
    t1 = _mm_add_epi32(t1, l1);
    p += sa->stride;
    q += sb->stride;
  }
  SHA_STORE(a, s0, s1);
  SHA_STORE(b, t0, t1);
  sa->at = p;
  sa->blocks -= blocks;
  sb->at = q;
  sb->blocks -= blocks;
}
#else
#define HAVE_SHA_LANES 0
#endif
#endif
