/*
 * Processes many chunks in one pass. Each chunk is cut, encrypted and hashed, and its keys are derived, while it is in
 * the CPU cache. Two hashes are computed at a time.
 */
#ifndef DAGDRIVE_BATCH_H
#define DAGDRIVE_BATCH_H
#include "leaf.h"

/* ---------------------------------------------------------------- rows: the results of cutting and sealing */

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
  uint8_t *block; /* place of its sealed block */
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
  /* requested work */
  bool cut, seal;
  /* rows */
  uint8_t *rows;
  size_t row_capacity, row_count; /* input if !cut */
  size_t next_row;                /* the next row to hand to a lane */
  /* position of the cutter */
  size_t item, item_at;
  /* output */
  uint8_t *out;
  size_t out_capacity, out_used;
  /* rows of sealed blocks that wait for their digest; at most two lanes finish at once */
  uint8_t *ready_row[4];
  uint8_t *ready_block[4];
  int ready;
  const char *failed;
} batch;

/* Cuts the next chunk. Returns its row, or NULL at the end or on failure. */
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

/*
 * Reserves output for a row's block. The order is that of the rows, not that in which lanes finish. NULL when the
 * output is full.
 */
static uint8_t *reserve(batch *b, const uint8_t *row) {
  const size_t sealed = row_get(row, ROW_SEALED);
  if (sealed > b->out_capacity - b->out_used) {
    b->failed = "the output buffer is too small";
    return NULL;
  }
  b->out_used += sealed;
  return b->out + b->out_used - sealed;
}

static bool encrypt_row(batch *b, const uint8_t *row, uint8_t *block) {
  if (leaf_encrypt(b->cipher, row + ROW_KEY, b->data + row_get(row, ROW_OFFSET), row_get(row, ROW_LENGTH), block,
                   row_get(row, ROW_SEALED)))
    return true;
  b->failed = "the cipher failed";
  return false;
}

/* The next of the given rows to seal, or NULL. */
static uint8_t *given_next(batch *b) {
  while (b->next_row < b->row_count) {
    uint8_t *row = b->rows + b->next_row++ * ROW_BYTES;
    if (row_get(row, ROW_SEALED) != 0) return row;
  }
  return NULL;
}

#if HAVE_SHA_LANES
static void start_digest(lane *l, uint8_t *row, uint8_t *block) {
  l->kind = LANE_DIGEST;
  l->row = row;
  l->block = block;
  sha_message_of_bytes(&l->message, block, row_get(row, ROW_SEALED));
}

/*
 * Gives a lane its next work. The digest of a block just sealed comes before the next chunk, because the block is still
 * in the CPU cache.
 */
static void feed(batch *b, lane *l) {
  l->kind = LANE_IDLE;
  if (b->failed) return;
  if (b->ready > 0) {
    b->ready--;
    start_digest(l, b->ready_row[b->ready], b->ready_block[b->ready]);
    return;
  }
  uint8_t *row = b->cut ? cut_next(b) : given_next(b);
  if (!row) return;
  uint8_t *block = b->seal ? reserve(b, row) : NULL;
  if (b->seal && !block) return;
  if (!b->cut) {
    if (encrypt_row(b, row, block)) start_digest(l, row, block);
    return;
  }
  l->kind = LANE_MAC;
  l->row = row;
  l->block = block;
  sha_message_of_leaf(&l->message, b->mac, b->data + row_get(row, ROW_OFFSET), row_get(row, ROW_LENGTH));
}

/* Uses the result of a lane whose message is hashed. */
static void finish(batch *b, lane *l) {
  if (l->kind == LANE_DIGEST) {
    sha_output(l->message.state, l->row + ROW_DIGEST);
    return;
  }
  leaf_keys(b->mac, &l->message, l->row + ROW_KEY, l->row + ROW_DEDUP);
  if (!b->seal || !encrypt_row(b, l->row, l->block)) return;
  b->ready_row[b->ready] = l->row;
  b->ready_block[b->ready] = l->block;
  b->ready++;
}

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

/* Without SHA extensions: hashes one chunk after another through EVP. */
static void run_serial(batch *b) {
  uint8_t *row;
  while (!b->failed && (row = b->cut ? cut_next(b) : given_next(b))) {
    if (b->cut && !leaf_keys_evp(b->mac, b->data + row_get(row, ROW_OFFSET), row_get(row, ROW_LENGTH), row + ROW_KEY, row + ROW_DEDUP)) {
      b->failed = "the hash failed";
      return;
    }
    if (!b->seal) continue;
    uint8_t *block = reserve(b, row);
    if (!block || !encrypt_row(b, row, block)) return;
    if (!EVP_Digest(block, row_get(row, ROW_SEALED), row + ROW_DIGEST, NULL, EVP_sha256(), NULL)) b->failed = "the hash failed";
  }
}
#endif
