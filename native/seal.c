/*
 * The core for chunks: keyed content-defined chunking, HMAC-SHA-256, AES-256-GCM and SHA-256 in one pass over chunks in
 * the CPU cache, into a buffer that the caller reuses. Uses node_api.h and the OpenSSL that node exports (its headers
 * come with node's). The bytes are defined in docs/format/keys-and-leaves.md and equal those of the JavaScript core.
 * Every argument is checked; an invalid one throws a TypeError or RangeError, and nothing is changed.
 */
#define _GNU_SOURCE
#include <node_api.h>

#include "batch.h"
#include "core.h"
#include "file_calls.h"
#include "map_watch.h"
#include "memory_calls.h"
#include "process_calls.h"
#include "page_tags.h"
#include "record.h"

/* ---------------------------------------------------------------- entry points */

/* Checks that items lie in the data; throws and returns false if one does not. */
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

/*
 * sealBatch(data, items: Uint32Array, gear[1024], dedupKey[32], rows, out | null): count of rows. If out is null, it
 * only cuts and derives keys and dedup ids; sealRows does the rest.
 */
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

/* openLeaf(sealed, key[32], into): plaintext length, or -1 if the tag or the padding is wrong. */
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

/* ---------------------------------------------------------------- set-up */

/*
 * hashing(mode): returns 'lanes' or 'portable', the implementation in use. `mode` 'portable' or 'best' switches this
 * thread (for tests); undefined changes nothing.
 */
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
      {"tagPages", NULL, tag_pages, NULL, NULL, NULL, napi_enumerable, NULL},
      {"openPages", NULL, open_pages, NULL, NULL, NULL, napi_enumerable, NULL},
      {"sha256", NULL, sha256, NULL, NULL, NULL, napi_enumerable, NULL},
      {"sealRecord", NULL, seal_record, NULL, NULL, NULL, napi_enumerable, NULL},
      {"openRecord", NULL, open_record, NULL, NULL, NULL, napi_enumerable, NULL},
      {"punchHole", NULL, punch_hole, NULL, NULL, NULL, napi_enumerable, NULL},
      {"preadNoWait", NULL, pread_no_wait, NULL, NULL, NULL, napi_enumerable, NULL},
      {"bytesToPage", NULL, bytes_to_page, NULL, NULL, NULL, napi_enumerable, NULL},
      {"forgetMapped", NULL, forget_mapped, NULL, NULL, NULL, napi_enumerable, NULL},
      {"watchMapped", NULL, watch_mapped, NULL, NULL, NULL, napi_enumerable, NULL},
      {"hurryWatch", NULL, hurry_watch, NULL, NULL, NULL, napi_enumerable, NULL},
      {"unwatchMapped", NULL, unwatch_mapped, NULL, NULL, NULL, napi_enumerable, NULL},
      {"trimHeap", NULL, trim_heap, NULL, NULL, NULL, napi_enumerable, NULL},
      {"keepMemoryPrivate", NULL, keep_memory_private, NULL, NULL, NULL, napi_enumerable, NULL},
      {"hashing", NULL, hashing, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  napi_define_properties(env, exports, sizeof exports_list / sizeof *exports_list, exports_list);
  return exports;
}
