/* The chunk-seal-hash core: keyed content-defined chunking, HMAC-SHA-256, AES-256-GCM and SHA-256 in one pass over
 * cache-hot chunks, into the caller's reused buffer. Plain node_api.h; OpenSSL is the one node exports (headers ship with node's).
 * Bytes are defined in docs/format/keys-and-leaves.md and equal those of the JavaScript core.
 * Every argument is checked; a bad one throws a TypeError or RangeError and touches nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gear.h"
#include "leaf.h"
#include "napi_args.h"
#include "sha256.h"

/* ---------------------------------------------------------------- rows: what cutting and sealing tell JavaScript */

#define ROW_BYTES ((size_t)96)
enum { ROW_OFFSET = 0, ROW_LENGTH = 4, ROW_SEALED = 8, ROW_ITEM = 12, ROW_KEY = 16, ROW_DEDUP = 48, ROW_DIGEST = 64 };
#define ITEM_WORDS ((size_t)4) /* offset, length, mode, final */
enum { MODE_CDC = 0, MODE_FIXED = 1, MODE_WHOLE = 2 };

static uint32_t row_get(const uint8_t *row, int field) {
  uint32_t v;
  memcpy(&v, row + field, 4);
  return v;
}

static void row_put(uint8_t *row, int field, size_t value) {
  const uint32_t v = (uint32_t)value;
  memcpy(row + field, &v, 4);
}

/* ---------------------------------------------------------------- one batch */

enum { LANE_IDLE, LANE_MAC, LANE_DIGEST };

typedef struct {
  int kind;
  uint8_t *row;
  uint8_t *sealed; /* LANE_DIGEST: where the block lies */
  sha_message message;
} lane;

typedef struct {
  /* input */
  const uint8_t *data;
  const uint32_t *items;
  size_t item_count;
  const gear_table *gear;
  const mac_key *mac;
  EVP_CIPHER_CTX *cipher;
  /* what to do */
  bool cut, seal;
  /* rows */
  uint8_t *rows;
  size_t row_capacity, row_count; /* when !cut, row_count is given */
  size_t next_row;                /* the next row to hand to a lane */
  /* the cutter's place */
  size_t item, item_at;
  /* output */
  uint8_t *out;
  size_t out_capacity, out_used;
  /* sealed blocks that wait for their digest, as rows; at most two lanes finish at once */
  uint8_t *ready_row[4];
  uint8_t *ready_block[4];
  int ready;
  const char *failed;
} batch;

/* The next chunk as a row, or NULL at the end (or on failure). */
static uint8_t *cut_next(batch *b) {
  while (b->item < b->item_count) {
    const uint32_t *item = b->items + b->item * ITEM_WORDS;
    const size_t left = item[1] - b->item_at;
    const uint8_t *p = b->data + item[0] + b->item_at;
    size_t length = 0;
    if (left > 0) {
      if (item[2] == MODE_CDC) length = gear_cut(b->gear, p, left, (int)item[3]);
      else if (item[2] == MODE_WHOLE) length = left;
      else length = left >= CHUNK_FIXED ? CHUNK_FIXED : (item[3] ? left : 0);
    }
    if (length == 0) {
      b->item++;
      b->item_at = 0;
      continue;
    }
    if (b->row_count == b->row_capacity) {
      b->failed = "the table of rows is too small";
      return NULL;
    }
    uint8_t *row = b->rows + b->row_count++ * ROW_BYTES;
    memset(row, 0, ROW_BYTES);
    row_put(row, ROW_OFFSET, item[0] + b->item_at);
    row_put(row, ROW_LENGTH, length);
    row_put(row, ROW_SEALED, leaf_sealed_size(length));
    row_put(row, ROW_ITEM, b->item);
    b->item_at += length;
    return row;
  }
  return NULL;
}

/* Encrypts a row's chunk at the end of the output. */
static uint8_t *seal_row(batch *b, uint8_t *row) {
  const size_t sealed = row_get(row, ROW_SEALED);
  if (sealed > b->out_capacity - b->out_used) {
    b->failed = "the output buffer is too small";
    return NULL;
  }
  uint8_t *block = b->out + b->out_used;
  if (!leaf_encrypt(b->cipher, row + ROW_KEY, b->data + row_get(row, ROW_OFFSET), row_get(row, ROW_LENGTH), block, sealed)) {
    b->failed = "the cipher failed";
    return NULL;
  }
  b->out_used += sealed;
  return block;
}

/* Gives a lane its next work. */
static void feed(batch *b, lane *l) {
  l->kind = LANE_IDLE;
  if (b->failed) return;
  if (b->ready > 0) {
    b->ready--;
    l->kind = LANE_DIGEST;
    l->row = b->ready_row[b->ready];
    l->sealed = b->ready_block[b->ready];
    sha_message_of_block(&l->message, l->sealed, row_get(l->row, ROW_SEALED));
    return;
  }
  if (b->cut) {
    uint8_t *row = cut_next(b);
    if (!row) return;
    l->kind = LANE_MAC;
    l->row = row;
    sha_message_of_leaf(&l->message, b->mac, b->data + row_get(row, ROW_OFFSET), row_get(row, ROW_LENGTH));
    return;
  }
  while (b->next_row < b->row_count) {
    uint8_t *row = b->rows + b->next_row++ * ROW_BYTES;
    if (row_get(row, ROW_SEALED) == 0) continue;
    uint8_t *block = seal_row(b, row);
    if (!block) return;
    l->kind = LANE_DIGEST;
    l->row = row;
    l->sealed = block;
    sha_message_of_block(&l->message, block, row_get(row, ROW_SEALED));
    return;
  }
}

/* A lane's message is hashed: use the result. */
static void finish(batch *b, lane *l) {
  if (l->kind == LANE_DIGEST) {
    sha_output(l->message.state, l->row + ROW_DIGEST);
    return;
  }
  leaf_keys(b->mac, &l->message, l->row + ROW_KEY, l->row + ROW_DEDUP);
  if (!b->seal) return;
  uint8_t *block = seal_row(b, l->row);
  if (!block) return;
  b->ready_row[b->ready] = l->row;
  b->ready_block[b->ready] = block;
  b->ready++;
}

#if HAVE_SHA_LANES
static void run_lanes(batch *b) {
  lane lanes[2];
  memset(lanes, 0, sizeof lanes);
  feed(b, &lanes[0]);
  feed(b, &lanes[1]);
  while (!b->failed && (lanes[0].kind || lanes[1].kind)) {
    sha_span *a = lanes[0].kind ? sha_message_span(&lanes[0].message) : NULL;
    sha_span *c = lanes[1].kind ? sha_message_span(&lanes[1].message) : NULL;
    if (lanes[0].kind && !a) {
      finish(b, &lanes[0]);
      feed(b, &lanes[0]);
      if (!lanes[1].kind) feed(b, &lanes[1]);
    } else if (lanes[1].kind && !c) {
      finish(b, &lanes[1]);
      feed(b, &lanes[1]);
      if (!lanes[0].kind) feed(b, &lanes[0]);
    } else if (a && c) {
      sha_two(lanes[0].message.state, a, lanes[1].message.state, c, a->blocks < c->blocks ? a->blocks : c->blocks);
    } else if (a) {
      sha_one(lanes[0].message.state, a, a->blocks);
    } else {
      sha_one(lanes[1].message.state, c, c->blocks);
    }
  }
  OPENSSL_cleanse(lanes, sizeof lanes);
}
#endif

/* Without SHA extensions: one chunk after the other through EVP. */
static void run_serial(batch *b) {
  uint8_t *row;
  for (;;) {
    if (b->cut) {
      row = cut_next(b);
      if (!row) return;
      if (!leaf_keys_evp(b->mac, b->data + row_get(row, ROW_OFFSET), row_get(row, ROW_LENGTH), row + ROW_KEY, row + ROW_DEDUP)) {
        b->failed = "the hash failed";
        return;
      }
    } else {
      if (b->next_row == b->row_count) return;
      row = b->rows + b->next_row++ * ROW_BYTES;
      if (row_get(row, ROW_SEALED) == 0) continue;
    }
    if (!b->seal) continue;
    uint8_t *block = seal_row(b, row);
    if (!block) return;
    if (!EVP_Digest(block, row_get(row, ROW_SEALED), row + ROW_DIGEST, NULL, EVP_sha256(), NULL)) {
      b->failed = "the hash failed";
      return;
    }
  }
}

/* ---------------------------------------------------------------- state of one environment (one a thread) */

typedef struct {
  EVP_CIPHER_CTX *seal_leaf, *open_leaf, *seal_record, *open_record;
  uint8_t seal_record_key[32], open_record_key[32];
  bool seal_record_keyed, open_record_keyed;
  bool lanes; /* use the SHA extensions */
  gear_table gear;
  mac_key mac;
  uint8_t gear_bytes[1024], mac_bytes[32];
  bool gear_loaded, mac_loaded;
} core;

static void core_free(napi_env env, void *data, void *hint) {
  core *c = data;
  EVP_CIPHER_CTX_free(c->seal_leaf);
  EVP_CIPHER_CTX_free(c->open_leaf);
  EVP_CIPHER_CTX_free(c->seal_record);
  EVP_CIPHER_CTX_free(c->open_record);
  OPENSSL_cleanse(c, sizeof *c);
  free(c);
}

static EVP_CIPHER_CTX *gcm_context(int encrypt) {
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
  if (ctx && !EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL, encrypt)) {
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
  }
  return ctx;
}

static core *core_of(napi_env env) {
  void *data = NULL;
  napi_get_instance_data(env, &data);
  return data;
}

static void core_use_gear(core *c, const uint8_t *bytes) {
  if (c->gear_loaded && memcmp(c->gear_bytes, bytes, 1024) == 0) return;
  memcpy(c->gear_bytes, bytes, 1024);
  gear_load(&c->gear, bytes);
  c->gear_loaded = true;
}

static bool core_use_mac(core *c, const uint8_t *key) {
  if (c->mac_loaded && memcmp(c->mac_bytes, key, 32) == 0) return true;
  memcpy(c->mac_bytes, key, 32);
  c->mac_loaded = false;
#if HAVE_SHA_LANES
  if (c->lanes) mac_key_load(&c->mac, key);
  else
#endif
    mac_key_load_evp(&c->mac, key);
  c->mac_loaded = true;
  return true;
}

/* ---------------------------------------------------------------- entry points */

/* Checks items against the data; throws and returns false when one lies outside. */
static bool check_items(napi_env env, const uint32_t *items, size_t words, size_t data_length) {
  if (words % ITEM_WORDS != 0) return fail_range(env, "items: four words each");
  for (size_t i = 0; i < words; i += ITEM_WORDS) {
    if (items[i] > data_length || items[i + 1] > data_length - items[i]) return fail_range(env, "items: outside the data");
    if (items[i + 2] > MODE_WHOLE || items[i + 3] > 1) return fail_range(env, "items: unknown mode");
    if (items[i + 2] == MODE_WHOLE && items[i + 1] > CHUNK_MAX) return fail_range(env, "items: a chunk is too long");
  }
  return true;
}

static napi_value run_batch(napi_env env, core *c, batch *b) {
  b->cipher = c->seal_leaf;
  b->gear = &c->gear;
  b->mac = &c->mac;
#if HAVE_SHA_LANES
  if (c->lanes) run_lanes(b);
  else
#endif
    run_serial(b);
  if (b->failed) {
    fail_range(env, b->failed);
    return NULL;
  }
  return js_number(env, (double)(b->cut ? b->row_count : b->out_used));
}

/* sealBatch(data, items: Uint32Array, gear[1024], dedupKey[32], rows, out | null): count of rows.
 * With null it cuts and derives keys and dedup ids only; sealRows then does the rest. */
static napi_value seal_batch(napi_env env, napi_callback_info info) {
  napi_value args[6];
  bytes data, gear, key, rows, out = {0};
  words items;
  core *c = core_of(env);
  if (!get_args(env, info, args, 6) || !get_bytes(env, args[0], &data, "data") || !get_words(env, args[1], &items, "items") ||
      !get_exact(env, args[2], &gear, 1024, "gear") || !get_exact(env, args[3], &key, 32, "dedupKey") ||
      !get_bytes(env, args[4], &rows, "rows") || !get_bytes_or_null(env, args[5], &out, "out"))
    return NULL;
  if (data.length > UINT32_MAX) return fail_range(env, "data: too long"), NULL;
  if (!check_items(env, items.at, items.length, data.length)) return NULL;
  core_use_gear(c, gear.at);
  core_use_mac(c, key.at);
  batch b = {.data = data.at, .items = items.at, .item_count = items.length / ITEM_WORDS, .cut = true, .seal = out.at != NULL,
             .rows = rows.at, .row_capacity = rows.length / ROW_BYTES, .out = out.at, .out_capacity = out.length};
  return run_batch(env, c, &b);
}

/* sealRows(data, rows, count, out): bytes written. Rows whose sealed length was set to 0 are skipped. */
static napi_value seal_rows(napi_env env, napi_callback_info info) {
  napi_value args[4];
  bytes data, rows, out;
  int64_t count;
  core *c = core_of(env);
  if (!get_args(env, info, args, 4) || !get_bytes(env, args[0], &data, "data") || !get_bytes(env, args[1], &rows, "rows") ||
      !get_integer(env, args[2], &count, "count") || !get_bytes(env, args[3], &out, "out"))
    return NULL;
  if (count < 0 || (uint64_t)count > rows.length / ROW_BYTES) return fail_range(env, "count: more than the rows"), NULL;
  for (size_t i = 0; i < (size_t)count; i++) {
    const uint8_t *row = rows.at + i * ROW_BYTES;
    const size_t offset = row_get(row, ROW_OFFSET), length = row_get(row, ROW_LENGTH), sealed = row_get(row, ROW_SEALED);
    if (sealed == 0) continue;
    if (length == 0 || length > CHUNK_MAX || offset > data.length || length > data.length - offset || sealed != leaf_sealed_size(length))
      return fail_range(env, "rows: not what cutting gave"), NULL;
  }
  batch b = {.data = data.at, .seal = true, .rows = rows.at, .row_capacity = (size_t)count, .row_count = (size_t)count,
             .out = out.at, .out_capacity = out.length};
  return run_batch(env, c, &b);
}

/* cut(data, gear[1024], mode, final, ends: Uint32Array): count of chunks. */
static napi_value cut(napi_env env, napi_callback_info info) {
  napi_value args[5];
  bytes data, gear;
  words ends;
  int64_t mode, final;
  core *c = core_of(env);
  if (!get_args(env, info, args, 5) || !get_bytes(env, args[0], &data, "data") || !get_exact(env, args[1], &gear, 1024, "gear") ||
      !get_integer(env, args[2], &mode, "mode") || !get_integer(env, args[3], &final, "final") || !get_words(env, args[4], &ends, "ends"))
    return NULL;
  if (data.length > UINT32_MAX) return fail_range(env, "data: too long"), NULL;
  if (mode != MODE_CDC && mode != MODE_FIXED) return fail_range(env, "mode: unknown"), NULL;
  core_use_gear(c, gear.at);
  size_t at = 0, count = 0;
  while (at < data.length) {
    const size_t left = data.length - at;
    const size_t length = mode == MODE_CDC ? gear_cut(&c->gear, data.at + at, left, final != 0)
                          : left >= CHUNK_FIXED ? CHUNK_FIXED
                          : final ? left : 0;
    if (length == 0) break;
    if (count == ends.length) return fail_range(env, "ends: too small"), NULL;
    at += length;
    ends.at[count++] = (uint32_t)at;
  }
  return js_number(env, (double)count);
}

/* openLeaf(sealed, key[32], into): plaintext length, or -1 when the tag or the padding is wrong. */
static napi_value open_leaf(napi_env env, napi_callback_info info) {
  napi_value args[3];
  bytes sealed, key, into;
  core *c = core_of(env);
  if (!get_args(env, info, args, 3) || !get_bytes(env, args[0], &sealed, "sealed") || !get_exact(env, args[1], &key, 32, "key") ||
      !get_bytes(env, args[2], &into, "into"))
    return NULL;
  if (!leaf_size_valid(sealed.length)) return js_number(env, -1);
  if (into.length < sealed.length - LEAF_TAG) return fail_range(env, "into: too small"), NULL;
  return js_number(env, (double)leaf_decrypt(c->open_leaf, key.at, sealed.at, sealed.length, into.at));
}

/* sha256(data, digest[32]) */
static napi_value sha256(napi_env env, napi_callback_info info) {
  napi_value args[2];
  bytes data, out;
  core *c = core_of(env);
  if (!get_args(env, info, args, 2) || !get_bytes(env, args[0], &data, "data") || !get_exact(env, args[1], &out, 32, "digest")) return NULL;
#if HAVE_SHA_LANES
  if (c->lanes) {
    sha_message m;
    sha_message_of_bytes(&m, data.at, data.length);
    for (sha_span *s; (s = sha_message_span(&m));) sha_one(m.state, s, s->blocks);
    sha_output(m.state, out.at);
    return NULL;
  }
#endif
  if (!EVP_Digest(data.at ? data.at : out.at, data.length, out.at, NULL, EVP_sha256(), NULL)) fail_range(env, "the hash failed");
  return NULL;
}

/* ---------------------------------------------------------------- local records: salt[16] || counter BE64 || ciphertext || tag */

#define RECORD_SALT ((size_t)16)
#define RECORD_HEAD (RECORD_SALT + 8)
#define RECORD_OVERHEAD (RECORD_HEAD + 16)
#define RECORD_MAX ((size_t)1 << 30)

/* Key and nonce of a record into the context; the key schedule is kept while the key stays. */
static bool record_init(EVP_CIPHER_CTX *ctx, uint8_t held[32], bool *keyed, const uint8_t *key, const uint8_t *counter, int encrypt) {
  uint8_t nonce[12] = {0};
  memcpy(nonce + 4, counter, 8);
  const bool same = *keyed && CRYPTO_memcmp(held, key, 32) == 0;
  *keyed = false;
  if (!EVP_CipherInit_ex(ctx, NULL, NULL, same ? NULL : key, nonce, encrypt)) return false;
  memcpy(held, key, 32);
  *keyed = true;
  return true;
}

/* sealRecord(key[32], salt[16], counter, aad, plain, out[plain + 40]) */
static napi_value seal_record(napi_env env, napi_callback_info info) {
  napi_value args[6];
  bytes key, salt, aad, plain, out;
  int64_t counter;
  int n;
  core *c = core_of(env);
  if (!get_args(env, info, args, 6) || !get_exact(env, args[0], &key, 32, "key") || !get_exact(env, args[1], &salt, RECORD_SALT, "salt") ||
      !get_integer(env, args[2], &counter, "counter") || !get_bytes(env, args[3], &aad, "aad") || !get_bytes(env, args[4], &plain, "plain") ||
      !get_bytes(env, args[5], &out, "out"))
    return NULL;
  if (counter < 0 || plain.length > RECORD_MAX || aad.length > RECORD_MAX || out.length != plain.length + RECORD_OVERHEAD)
    return fail_range(env, "record: bad length or counter"), NULL;
  memcpy(out.at, salt.at, RECORD_SALT);
  put_be64(out.at + RECORD_SALT, (uint64_t)counter);
  uint8_t *body = out.at + RECORD_HEAD;
  if (!record_init(c->seal_record, c->seal_record_key, &c->seal_record_keyed, key.at, out.at + RECORD_SALT, 1) ||
      (aad.length && !EVP_EncryptUpdate(c->seal_record, NULL, &n, aad.at, (int)aad.length)) ||
      (plain.length && !EVP_EncryptUpdate(c->seal_record, body, &n, plain.at, (int)plain.length)) ||
      !EVP_EncryptFinal_ex(c->seal_record, body + plain.length, &n) ||
      !EVP_CIPHER_CTX_ctrl(c->seal_record, EVP_CTRL_AEAD_GET_TAG, 16, body + plain.length))
    fail_range(env, "the cipher failed");
  return NULL;
}

/* openRecord(key[32], aad, sealed, out[sealed - 40]): true, or false when the tag is wrong. */
static napi_value open_record(napi_env env, napi_callback_info info) {
  napi_value args[4];
  bytes key, aad, sealed, out;
  int n;
  core *c = core_of(env);
  if (!get_args(env, info, args, 4) || !get_exact(env, args[0], &key, 32, "key") || !get_bytes(env, args[1], &aad, "aad") ||
      !get_bytes(env, args[2], &sealed, "sealed") || !get_bytes(env, args[3], &out, "out"))
    return NULL;
  if (sealed.length < RECORD_OVERHEAD || sealed.length > RECORD_MAX || aad.length > RECORD_MAX || out.length != sealed.length - RECORD_OVERHEAD)
    return fail_range(env, "record: bad length"), NULL;
  uint8_t tag[16];
  memcpy(tag, sealed.at + sealed.length - 16, 16);
  const bool ok =
      record_init(c->open_record, c->open_record_key, &c->open_record_keyed, key.at, sealed.at + RECORD_SALT, 0) &&
      (!aad.length || EVP_DecryptUpdate(c->open_record, NULL, &n, aad.at, (int)aad.length)) &&
      (!out.length || EVP_DecryptUpdate(c->open_record, out.at, &n, sealed.at + RECORD_HEAD, (int)out.length)) &&
      EVP_CIPHER_CTX_ctrl(c->open_record, EVP_CTRL_AEAD_SET_TAG, 16, tag) && EVP_DecryptFinal_ex(c->open_record, tag, &n) > 0;
  if (!ok && out.length) OPENSSL_cleanse(out.at, out.length);
  return js_bool(env, ok);
}

/* ---------------------------------------------------------------- files */

/* punchHole(fd, offset, length): 0 or a negative errno. */
static napi_value punch_hole(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int64_t fd, offset, length;
  if (!get_args(env, info, args, 3) || !get_integer(env, args[0], &fd, "fd") || !get_integer(env, args[1], &offset, "offset") ||
      !get_integer(env, args[2], &length, "length"))
    return NULL;
  if (fd < 0 || fd > INT32_MAX || offset < 0 || length <= 0) return fail_range(env, "punchHole: bad argument"), NULL;
  int result;
  do result = fallocate((int)fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  while (result < 0 && errno == EINTR);
  return js_number(env, result < 0 ? -errno : 0);
}

/* preadNoWait(fd, into, offset): bytes read without waiting for the disk, or a negative errno (-EAGAIN: not in the page cache). */
static napi_value pread_no_wait(napi_env env, napi_callback_info info) {
  napi_value args[3];
  bytes into;
  int64_t fd, offset;
  if (!get_args(env, info, args, 3) || !get_integer(env, args[0], &fd, "fd") || !get_bytes(env, args[1], &into, "into") ||
      !get_integer(env, args[2], &offset, "offset"))
    return NULL;
  if (fd < 0 || fd > INT32_MAX || offset < 0) return fail_range(env, "preadNoWait: bad argument"), NULL;
  struct iovec io = {.iov_base = into.at, .iov_len = into.length};
  const ssize_t n = preadv2((int)fd, &io, 1, offset, RWF_NOWAIT);
  return js_number(env, n < 0 ? -errno : (double)n);
}

/* ---------------------------------------------------------------- set-up */

/* hashing(mode): 'lanes' or 'portable' in use. `mode` 'portable' or 'best' switches this thread (tests); undefined only asks. */
static napi_value hashing(napi_env env, napi_callback_info info) {
  napi_value args[1], answer;
  core *c = core_of(env);
  if (!get_args(env, info, args, 1)) return NULL;
  char name[16] = {0};
  size_t length = 0;
  if (napi_get_value_string_utf8(env, args[0], name, sizeof name, &length) == napi_ok) {
#if HAVE_SHA_LANES
    c->lanes = strcmp(name, "portable") != 0 && sha_lanes_supported();
#endif
    c->mac_loaded = false;
  }
  napi_create_string_utf8(env, c->lanes ? "lanes" : "portable", NAPI_AUTO_LENGTH, &answer);
  return answer;
}

NAPI_MODULE_INIT() {
  core *c = calloc(1, sizeof *c);
  if (!c) {
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  c->seal_leaf = gcm_context(1);
  c->open_leaf = gcm_context(0);
  c->seal_record = gcm_context(1);
  c->open_record = gcm_context(0);
#if HAVE_SHA_LANES
  c->lanes = sha_lanes_supported();
#endif
  if (!c->seal_leaf || !c->open_leaf || !c->seal_record || !c->open_record || napi_set_instance_data(env, c, core_free, NULL) != napi_ok) {
    core_free(env, c, NULL);
    napi_throw_error(env, NULL, "the cipher is not available");
    return NULL;
  }
  static const napi_property_descriptor exports_list[] = {
      {"sealBatch", NULL, seal_batch, NULL, NULL, NULL, napi_enumerable, NULL},
      {"sealRows", NULL, seal_rows, NULL, NULL, NULL, napi_enumerable, NULL},
      {"cut", NULL, cut, NULL, NULL, NULL, napi_enumerable, NULL},
      {"openLeaf", NULL, open_leaf, NULL, NULL, NULL, napi_enumerable, NULL},
      {"sha256", NULL, sha256, NULL, NULL, NULL, napi_enumerable, NULL},
      {"sealRecord", NULL, seal_record, NULL, NULL, NULL, napi_enumerable, NULL},
      {"openRecord", NULL, open_record, NULL, NULL, NULL, napi_enumerable, NULL},
      {"punchHole", NULL, punch_hole, NULL, NULL, NULL, napi_enumerable, NULL},
      {"preadNoWait", NULL, pread_no_wait, NULL, NULL, NULL, napi_enumerable, NULL},
      {"hashing", NULL, hashing, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  napi_define_properties(env, exports, sizeof exports_list / sizeof *exports_list, exports_list);
  return exports;
}
