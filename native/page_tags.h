/*
 * Reads parts of a leaf block whose GCM tag was verified before. At that time every 4 KiB page of the sealed bytes gets
 * a GMAC tag under a random key of this thread. Later, a page is decrypted only if it still has that tag. Included
 * once, by seal.c.
 */
#ifndef DAGDRIVE_PAGE_TAGS_H
#define DAGDRIVE_PAGE_TAGS_H
#include "core.h"

#define PAGE ((size_t)4096)
#define PAGE_TAG ((size_t)16)

/* Each block gets its own `serial`, so the nonce serial || index is unique. */
static bool page_tag(EVP_CIPHER_CTX *ctx, uint64_t serial, uint32_t index, const uint8_t *page, uint8_t tag[PAGE_TAG]) {
  uint8_t nonce[12], none[16];
  int n = 0;
  memcpy(nonce, &serial, 8);
  memcpy(nonce + 8, &index, 4);
  return EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) && EVP_EncryptUpdate(ctx, NULL, &n, page, (int)PAGE) &&
         EVP_EncryptFinal_ex(ctx, none, &n) && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)PAGE_TAG, tag);
}

static bool pages_ready(napi_env env, core *c) {
  if (c->page_tag && c->page_open) return true;
  uint8_t key[32];
  EVP_CIPHER_CTX *tag = EVP_CIPHER_CTX_new(), *open = EVP_CIPHER_CTX_new();
  const bool ok = tag && open && RAND_bytes(key, sizeof key) == 1 && EVP_EncryptInit_ex(tag, EVP_aes_256_gcm(), NULL, key, NULL) &&
                  EVP_DecryptInit_ex(open, EVP_aes_256_ctr(), NULL, NULL, NULL);
  OPENSSL_cleanse(key, sizeof key);
  if (!ok) {
    EVP_CIPHER_CTX_free(tag);
    EVP_CIPHER_CTX_free(open);
    napi_throw_error(env, NULL, "the cipher is not available");
    return false;
  }
  c->page_tag = tag;
  c->page_open = open;
  return true;
}

/* tagPages(sealed, tags): returns the serial of the tags. openLeaf must have just accepted `sealed`. */
static napi_value tag_pages(napi_env env, napi_callback_info info) {
  napi_value args[2];
  bytes sealed, tags;
  core *c = core_of(env);
  if (!get_args(env, info, args, 2) || !get_bytes(env, args[0], &sealed, "sealed") || !get_bytes(env, args[1], &tags, "tags")) return NULL;
  if (!leaf_size_valid(sealed.length) || sealed.length % PAGE != 0) return fail_range(env, "sealed: not the length of a block"), NULL;
  if (tags.length != sealed.length / PAGE * PAGE_TAG) return fail_range(env, "tags: wrong length"), NULL;
  if (!pages_ready(env, c)) return NULL;
  const uint64_t serial = ++c->page_serial;
  for (size_t i = 0; i < sealed.length / PAGE; i++) {
    if (!page_tag(c->page_tag, serial, (uint32_t)i, sealed.at + i * PAGE, tags.at + i * PAGE_TAG)) return fail_range(env, "tagging failed"), NULL;
  }
  return js_number(env, (double)serial);
}

/*
 * openPages(pages, first, serial, tags, key[32], skip, into): true if all pages have their tags; `into` then holds the
 * plaintext from offset `skip` of the pages. Otherwise false, and `into` is unchanged. `first` is the index of the
 * first page.
 */
static napi_value open_pages(napi_env env, napi_callback_info info) {
  napi_value args[7], answer;
  bytes pages, tags, key, into;
  int64_t first, serial, skip;
  core *c = core_of(env);
  if (!get_args(env, info, args, 7) || !get_bytes(env, args[0], &pages, "pages") || !get_integer(env, args[1], &first, "first") ||
      !get_integer(env, args[2], &serial, "serial") || !get_bytes(env, args[3], &tags, "tags") ||
      !get_exact(env, args[4], &key, 32, "key") || !get_integer(env, args[5], &skip, "skip") || !get_bytes(env, args[6], &into, "into"))
    return NULL;
  const size_t count = pages.length / PAGE, tagged = tags.length / PAGE_TAG;
  if (pages.length % PAGE != 0 || first < 0 || (uint64_t)first > tagged || count > tagged - (size_t)first || tagged > LEAF_MAX / PAGE)
    return fail_range(env, "pages: not of the block"), NULL;
  if (skip < 0 || (uint64_t)skip > pages.length || into.length > pages.length - (size_t)skip) return fail_range(env, "into: beyond the pages"), NULL;
  if (serial < 1 || !pages_ready(env, c)) return serial < 1 ? (fail_range(env, "serial: bad"), NULL) : NULL;
  bool same = true;
  for (size_t i = 0; same && i < count; i++) {
    uint8_t tag[PAGE_TAG];
    const uint32_t index = (uint32_t)first + (uint32_t)i;
    same = page_tag(c->page_tag, (uint64_t)serial, index, pages.at + i * PAGE, tag) &&
           CRYPTO_memcmp(tag, tags.at + index * PAGE_TAG, PAGE_TAG) == 0;
  }
  if (same && into.length > 0) {
    /* GCM with a 12-byte nonce is CTR from block 2 on; the leaf's nonce is zero. */
    const size_t from = (size_t)first * PAGE + (size_t)skip, lead = from % 16;
    const uint32_t block = 2 + (uint32_t)(from / 16);
    const uint8_t counter[16] = {[12] = (uint8_t)(block >> 24), [13] = (uint8_t)(block >> 16), [14] = (uint8_t)(block >> 8), [15] = (uint8_t)block};
    uint8_t dropped[16];
    int n = 0;
    same = EVP_DecryptInit_ex(c->page_open, NULL, NULL, key.at, counter) &&
           (lead == 0 || EVP_DecryptUpdate(c->page_open, dropped, &n, pages.at, (int)lead)) &&
           EVP_DecryptUpdate(c->page_open, into.at, &n, pages.at + skip, (int)into.length);
    OPENSSL_cleanse(dropped, sizeof dropped);
  }
  napi_get_boolean(env, same, &answer);
  return answer;
}
#endif
