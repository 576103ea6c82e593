/* The leaf block: padding, keyed convergent key, AES-256-GCM. docs/format/keys-and-leaves.md has the bytes. */
#ifndef DAGDRIVE_LEAF_H
#define DAGDRIVE_LEAF_H
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>

#include "gear.h"
#include "sha256.h"

#define LEAF_TAG ((size_t)16)
#define LEAF_MIN ((size_t)4096)
#define LEAF_MAX ((size_t)1048576)
static const uint8_t LEAF_AAD[] = "dagdrive leaf v1";
static const uint8_t LEAF_KEY_LABEL[] = "dagdrive leaf key v1\x01";
static const uint8_t LEAF_ID_LABEL[] = "dagdrive leaf id v1\x01";
static const uint8_t ZEROS[16384 + 64];

/* Size of the smallest allowed block that holds `content` bytes (plaintext, the 0x80 mark and the tag). */
static size_t leaf_round(size_t content) {
  if (content <= LEAF_MIN) return LEAF_MIN;
  const int exponent = 63 - __builtin_clzll(content);
  if (content <= 65536) return ((size_t)1 << exponent) == content ? content : (size_t)1 << (exponent + 1);
  size_t step = (size_t)1 << (exponent - 5); /* Padme: floor(log2(exponent)) + 1 is 5 for 16 <= exponent < 32 */
  if (step < 4096) step = 4096;
  return (content + step - 1) & ~(step - 1);
}

static size_t leaf_sealed_size(size_t plain) { return leaf_round(plain + 1 + LEAF_TAG); }

static bool leaf_size_valid(size_t sealed) { return sealed >= LEAF_MIN && sealed <= LEAF_MAX && leaf_round(sealed) == sealed; }

/* ---------------------------------------------------------------- messages for the hashing lanes */

typedef struct {
  uint32_t state[8];
  sha_span spans[4];
  int span, span_count;
  uint8_t tail[128];
} sha_message;

static sha_span *sha_message_span(sha_message *m) {
  while (m->span < m->span_count) {
    if (m->spans[m->span].blocks > 0) return &m->spans[m->span];
    m->span++;
  }
  return NULL;
}

static void sha_message_begin(sha_message *m, const uint32_t state[8]) {
  memcpy(m->state, state, 32);
  m->span = m->span_count = 0;
}

static void sha_message_add(sha_message *m, const uint8_t *at, size_t blocks, size_t stride) {
  m->spans[m->span_count++] = (sha_span){.at = at, .blocks = blocks, .stride = stride};
}

/*
 * The end of a message: `rest` bytes (below 64) that are already in `tail`, then SHA-256 padding for `total` hashed
 * bytes.
 */
static void sha_message_end(sha_message *m, uint8_t *tail, size_t rest, size_t total) {
  const size_t blocks = rest + 9 <= 64 ? 1 : 2;
  memset(tail + rest, 0, blocks * 64 - rest);
  tail[rest] = 0x80;
  put_be64(tail + blocks * 64 - 8, (uint64_t)total * 8);
  sha_message_add(m, tail, blocks, 64);
}

static void sha_message_of_bytes(sha_message *m, const uint8_t *p, size_t length) {
  sha_message_begin(m, SHA_INIT);
  sha_message_add(m, p, length / 64, 64);
  memcpy(m->tail, p + (length & ~(size_t)63), length % 64);
  sha_message_end(m, m->tail, length % 64, length);
}

/* ---------------------------------------------------------------- HMAC */

typedef struct {
  uint32_t inner[8], outer[8];     /* states after the padded key, for the lanes */
  uint8_t inner_pad[64], outer_pad[64]; /* the padded key itself, for EVP */
} mac_key;

static void mac_key_load_evp(mac_key *k, const uint8_t key[32]) {
  memset(k->inner_pad, 0x36, 64);
  memset(k->outer_pad, 0x5c, 64);
  for (int i = 0; i < 32; i++) {
    k->inner_pad[i] ^= key[i];
    k->outer_pad[i] ^= key[i];
  }
}

/* The padded plaintext of a leaf: p || 0x80 || zeros. Its length is 48 mod 64, because blocks are multiples of 64. */
static void sha_message_of_leaf(sha_message *m, const mac_key *k, const uint8_t *p, size_t length) {
  const size_t padded = leaf_sealed_size(length) - LEAF_TAG, full = length / 64, rest = length % 64;
  const size_t left = padded - full * 64;
  sha_message_begin(m, k->inner);
  sha_message_add(m, p, full, 64);
  memcpy(m->tail, p + full * 64, rest);
  m->tail[rest] = 0x80;
  if (left < 64) {
    memset(m->tail + rest + 1, 0, 48 - rest - 1);
    sha_message_end(m, m->tail, 48, 64 + padded);
    return;
  }
  memset(m->tail + rest + 1, 0, 64 - rest - 1);
  sha_message_add(m, m->tail, 1, 64);
  sha_message_add(m, ZEROS, left / 64 - 1, 0);
  memset(m->tail + 64, 0, 48);
  sha_message_end(m, m->tail + 64, 48, 64 + padded);
}

#if HAVE_SHA_LANES
static void sha_blocks(uint32_t state[8], const uint8_t *p, size_t blocks) {
  sha_span span = {.at = p, .blocks = blocks, .stride = 64};
  sha_one(state, &span, blocks);
}

static void mac_key_load(mac_key *k, const uint8_t key[32]) {
  mac_key_load_evp(k, key);
  memcpy(k->inner, SHA_INIT, 32);
  memcpy(k->outer, SHA_INIT, 32);
  sha_blocks(k->inner, k->inner_pad, 1);
  sha_blocks(k->outer, k->outer_pad, 1);
}

/* One short message (at most 55 bytes) after a 64-byte pad. */
static void sha_short(const uint32_t start[8], const uint8_t *p, size_t length, uint8_t out[32]) {
  uint8_t block[64] = {0};
  uint32_t state[8];
  memcpy(block, p, length);
  block[length] = 0x80;
  put_be64(block + 56, (64 + length) * 8);
  memcpy(state, start, 32);
  sha_blocks(state, block, 1);
  sha_output(state, out);
}

/* Derives the key and the dedup id with HKDF-Expand from h, the HMAC whose inner hash is given. */
static void leaf_keys(const mac_key *k, const sha_message *inner, uint8_t key[32], uint8_t dedup[16]) {
  uint8_t h[32], t[32], id[32];
  mac_key expand;
  sha_output(inner->state, t);
  sha_short(k->outer, t, 32, h);
  mac_key_load(&expand, h);
  sha_short(expand.inner, LEAF_KEY_LABEL, sizeof LEAF_KEY_LABEL - 1, t);
  sha_short(expand.outer, t, 32, key);
  sha_short(expand.inner, LEAF_ID_LABEL, sizeof LEAF_ID_LABEL - 1, t);
  sha_short(expand.outer, t, 32, id);
  memcpy(dedup, id, 16);
  OPENSSL_cleanse(&expand, sizeof expand);
  OPENSSL_cleanse(h, 32);
}
#endif

/* ---------------------------------------------------------------- the same with EVP */

static bool mac_evp(const mac_key *k, const uint8_t *p, size_t length, size_t zeros_after_mark, bool mark, uint8_t out[32]) {
  static const uint8_t MARK[1] = {0x80};
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  uint8_t inner[32];
  bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) && EVP_DigestUpdate(ctx, k->inner_pad, 64) &&
            EVP_DigestUpdate(ctx, p, length) && (!mark || EVP_DigestUpdate(ctx, MARK, 1));
  while (ok && zeros_after_mark > 0) {
    const size_t n = zeros_after_mark < sizeof ZEROS ? zeros_after_mark : sizeof ZEROS;
    ok = EVP_DigestUpdate(ctx, ZEROS, n);
    zeros_after_mark -= n;
  }
  ok = ok && EVP_DigestFinal_ex(ctx, inner, NULL) && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
       EVP_DigestUpdate(ctx, k->outer_pad, 64) && EVP_DigestUpdate(ctx, inner, 32) && EVP_DigestFinal_ex(ctx, out, NULL);
  EVP_MD_CTX_free(ctx);
  return ok;
}

static bool leaf_keys_evp(const mac_key *k, const uint8_t *p, size_t length, uint8_t key[32], uint8_t dedup[16]) {
  uint8_t h[32], id[32];
  mac_key expand;
  if (!mac_evp(k, p, length, leaf_sealed_size(length) - LEAF_TAG - length - 1, true, h)) return false;
  mac_key_load_evp(&expand, h);
  const bool ok = mac_evp(&expand, LEAF_KEY_LABEL, sizeof LEAF_KEY_LABEL - 1, 0, false, key) &&
                  mac_evp(&expand, LEAF_ID_LABEL, sizeof LEAF_ID_LABEL - 1, 0, false, id);
  memcpy(dedup, id, 16);
  OPENSSL_cleanse(&expand, sizeof expand);
  OPENSSL_cleanse(h, 32);
  return ok;
}

/* ---------------------------------------------------------------- the cipher */

static bool leaf_encrypt(EVP_CIPHER_CTX *ctx, const uint8_t key[32], const uint8_t *p, size_t length, uint8_t *block, size_t sealed) {
  static const uint8_t NONCE[12];
  static const uint8_t MARK[1] = {0x80};
  int n = 0;
  if (!EVP_EncryptInit_ex(ctx, NULL, NULL, key, NONCE) || !EVP_EncryptUpdate(ctx, NULL, &n, LEAF_AAD, sizeof LEAF_AAD - 1) ||
      !EVP_EncryptUpdate(ctx, block, &n, p, (int)length) || !EVP_EncryptUpdate(ctx, block + length, &n, MARK, 1))
    return false;
  size_t at = length + 1;
  const size_t padded = sealed - LEAF_TAG;
  while (at < padded) {
    const size_t step = padded - at < sizeof ZEROS ? padded - at : sizeof ZEROS;
    if (!EVP_EncryptUpdate(ctx, block + at, &n, ZEROS, (int)step)) return false;
    at += step;
  }
  return EVP_EncryptFinal_ex(ctx, block + padded, &n) && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)LEAF_TAG, block + padded);
}

/* Plaintext length, or -1. `into` holds sealed - 16 bytes and is wiped on failure. */
static long leaf_decrypt(EVP_CIPHER_CTX *ctx, const uint8_t key[32], const uint8_t *block, size_t sealed, uint8_t *into) {
  static const uint8_t NONCE[12];
  const size_t padded = sealed - LEAF_TAG;
  uint8_t tag[16];
  int n = 0;
  memcpy(tag, block + padded, 16);
  if (EVP_DecryptInit_ex(ctx, NULL, NULL, key, NONCE) && EVP_DecryptUpdate(ctx, NULL, &n, LEAF_AAD, sizeof LEAF_AAD - 1) &&
      EVP_DecryptUpdate(ctx, into, &n, block, (int)padded) && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag) &&
      EVP_DecryptFinal_ex(ctx, tag, &n) > 0) {
    size_t end = padded;
    while (end > 0 && into[end - 1] == 0) end--;
    if (end > 1 && into[end - 1] == 0x80 && end - 1 <= CHUNK_MAX && leaf_sealed_size(end - 1) == sealed) return (long)(end - 1);
  }
  OPENSSL_cleanse(into, padded);
  return -1;
}
#endif
